"""docs/reference/attacks.md lists the attacks that are tried, each with a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.check.test_hook_attacks import ATTACKS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "attacks.md").read_text()
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`(?: \(([^)]+)\))?")


def _rows(page: str) -> list[list[str]]:
    lines = (line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| "))
    return [cells for cells in lines if cells[0] not in ("attack", "---")]


def test_each_test_that_is_named_exists() -> None:
    named = _TEST.findall(PAGE)
    assert named
    for file, name, case in named:
        text = (ROOT / file).read_text()
        there = {n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)}
        assert name in there, f"{file}::{name}"
        assert not case or f'"{case}": ' in text, f"{file}: {case}"


def test_each_attack_names_a_test_or_a_code() -> None:
    for cells in _rows(PAGE):
        assert re.fullmatch(r"`[a-z-]+`", cells[1]) or _TEST.search(cells[1]), cells


def test_the_attacks_on_the_hook_are_all_listed() -> None:
    listed = [(cells[0], cells[1].strip("`")) for cells in _rows(PAGE) if "::" not in cells[1]]
    assert listed == [(f"`{name}`", code) for name, (code, _, _) in ATTACKS.items()]
