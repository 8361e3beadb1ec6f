"""The tree is as `docs/architecture.md` says: every module has its contract, no file is long."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
AT_THE_TOP = {"__init__.py", "__main__.py", "errors.py", "findings.py", "hooks.py"}
LINES = 600
LINES_OF_THE_FACADE = 500
LINES_OF_THE_README = 200


def contracts() -> list[dict[str, Any]]:
    """Return the contracts of layers; the others forbid single imports."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return [contract for contract in found if contract["type"] == "layers"]


def named_by(contract: dict[str, Any]) -> set[str]:
    """Return the full names that a contract of layers has: packages and modules."""
    assert contract["type"] == "layers"
    siblings = [name for layer in contract["layers"] for name in layer.replace(":", "|").split("|")]
    return {
        f"{container}.{name.strip().strip('()')}"
        for container in contract["containers"]
        for name in siblings
    }


def modules(folder: Path) -> list[str]:
    """Return the full names of all modules of a package."""
    return [
        ".".join(path.relative_to(folder.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(folder.rglob("*.py"))
    ]


def without_contract(names: list[str], layers: set[str]) -> list[str]:
    """Return the modules that are neither in a layer themselves nor below a package that is."""
    return [name for name in names if not any(f"{name}.".startswith(f"{x}.") for x in layers)]


def python_files() -> list[Path]:
    return [path for room in ("gitreg", "tests") for path in sorted((ROOT / room).rglob("*.py"))]


def longest(path: Path) -> int:
    """Return how many lines a file may have."""
    return LINES_OF_THE_FACADE if ROOT / "gitreg" / "registry" in path.parents else LINES


def test_every_module_has_a_contract() -> None:
    layers = set[str]().union(*map(named_by, contracts()))
    names = modules(ROOT / "gitreg")
    assert len(names) > 100
    assert without_contract([name for name in names if name != "gitreg"], layers) == []


def test_every_line_of_the_core_has_a_contract() -> None:
    core = next(c for c in contracts() if c["containers"] == ["gitreg.core"])
    names = [name for name in modules(ROOT / "gitreg") if name.startswith("gitreg.core.")]
    assert without_contract(names, named_by(core)) == []


def test_a_module_without_a_contract_is_found() -> None:
    names = ["gitreg.core.text.urls", "gitreg.corelike", "gitreg.errors", "gitreg.new"]
    found = without_contract(names, {"gitreg.core", "gitreg.errors"})
    assert found == ["gitreg.corelike", "gitreg.new"]


def test_the_contracts_name_only_what_there_is() -> None:
    layers = set[str]().union(*map(named_by, contracts()))
    names = set(modules(ROOT / "gitreg"))
    assert layers - names == set()


def test_the_linter_leaves_no_module_out() -> None:
    assert all(contract["exhaustive"] for contract in contracts())
    assert not any("exhaustive_ignores" in contract for contract in contracts())


def test_at_the_top_is_only_what_must_be_there() -> None:
    assert {path.name for path in (ROOT / "gitreg").glob("*.py")} == AT_THE_TOP


def test_no_file_is_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in python_files()}
    assert len(lengths) > 200
    assert {
        path.relative_to(ROOT).as_posix(): length
        for path, length in lengths.items()
        if length > longest(path)
    } == {}


def test_the_formatter_is_never_switched_off() -> None:
    words = "fmt: " + "skip"
    assert [path.name for path in python_files() if words in path.read_text()] == []


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LINES_OF_THE_README
