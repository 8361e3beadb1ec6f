"""The screens in the docs are what is printed.

``python -m tests.docs.test_screens`` prints them anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import git, write_model
from tests.git.test_remote import colleague
from tests.support.commands import gitreg

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "screens.md"
WIDTHS = (80, 120)
COMMANDS = (
    "list",
    "list churn --metric auc --sort auc",
    "log churn",
    "show churn",
    "show churn/production",
    "compare churn@2 churn@3",
    "status",
)
_IS_RENEWED = "GITREG_WRITE_SCREENS" in os.environ  # a test has no variables of gitreg's
_GENERATED = re.compile(r"(?<=<!-- printed -->\n).*", re.DOTALL)


def _fill(work: Path) -> None:
    """Give the registry what makes screens wide: long names and reasons, many digits."""
    gitreg("annotate", "churn", "--owner", "growth", "--description", "Who leaves us next month")
    write_model(work, "calibrated")
    gitreg("register", "churn", "models/churn", "--metric", "auc=0.9123456789", "--push")
    reason = "better recall on the November cohort, and calibrated as the review asked for"
    gitreg(
        "promote", "churn@4", "--to", "production", "--alias", "champion", "-m", reason, "--push"
    )
    other = str(colleague(work.parent))
    gitreg("alias", "set", "churn@3", "challenger", "--push", "--repo", other)
    gitreg("fetch")
    gitreg("promote", "churn@3", "--to", "staging", "-m", "for the shadow deployment")
    git(work, "update-ref", "refs/remotes/origin/gitreg/promote-churn-3-production", "HEAD")


def _screens(work: Path, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, str], str]:
    _fill(work)
    found = {}
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        for command in COMMANDS:
            found[width, command] = gitreg(*command.split()).out
    return found


def _page(screens: dict[tuple[int, str], str]) -> str:
    parts = []
    for width in WIDTHS:
        parts.append(f"\n## {width} columns\n")
        parts += [
            f"```text\n$ gitreg {command}\n{steady(screens[width, command])}```\n"
            for command in COMMANDS
        ]
    return "\n".join(parts)


def steady(text: str) -> str:
    """Return a screen without what differs from run to run; every column stays where it is."""
    text = re.sub(r"\b[0-9a-f]{9}\b", "4f2c1a9d0", text)
    text = re.sub(r"\d{4}-\d\d-\d\d(?=[ T\n])", "2026-11-30", text)
    text = re.sub(r"\d\d:\d\d:\d\dZ", "14:37:00Z", text)
    text = re.sub(r"(read|fetched) [\w ]+ ago", r"\1 less than a minute ago", text)
    return re.sub(r"python \d[\w.]*, [\w-]+", "python 3.12.1, linux-x86_64", text)


def test_the_screens_are_what_is_printed(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stocked)
    screens = _screens(stocked, monkeypatch)
    for (width, command), text in screens.items():
        lines = text.splitlines()
        assert max(map(len, lines)) <= width, command
        assert not re.search(r"\d\d:\d\d(:\d\d)?(?![:\dZ])", text), "a time without its zone"
        assert not re.search(r"\d\.\d{7,}", text), "more than six digits"
        # A word that is cut would be found in pieces alone.
        for word in ("production", "calibrated", "@champion"):
            shown = "".join(lines)
            assert shown.count(word) == sum(line.count(word) for line in lines)
    page = _page(screens)
    if _IS_RENEWED:
        PAGE.write_text(_GENERATED.sub(lambda _: page, PAGE.read_text()))
    found = _GENERATED.search(PAGE.read_text())
    assert found is not None
    assert found[0] == page


if __name__ == "__main__":
    run = [sys.executable, "-m", "pytest", "-n0", "-q", __file__]
    variables = {**os.environ, "GITREG_WRITE_SCREENS": "1"}
    sys.exit(subprocess.run(run, env=variables, check=False).returncode)
