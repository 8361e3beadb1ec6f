"""Differences in detail as text: bounded, and harmless whatever a repository has."""

from __future__ import annotations

from dataclasses import replace

from gitreg.core.state.differences import (
    CodeCommitEntry,
    CodeDifference,
    CodeSide,
    DataChange,
    DataDifference,
    DataFileChange,
    EnvironmentDifference,
    FileChange,
    PackageChange,
)
from gitreg.render.differences import SHOWN, code_text, data_text, environment_text

EVIL = "\x1b[31mred\n\u202efake"
SIDE = CodeSide("churn@1", "a" * 40, None, is_here=True, fetch=None, unrecorded=None)
MANY = SHOWN + 30


def code(**changes: object) -> CodeDifference:
    found = CodeDifference(SIDE, replace(SIDE, version="churn@2", commit="b" * 40), "ahead")
    return replace(found, **changes)  # type: ignore[arg-type]


def rows(text: str, word: str) -> int:
    return sum(word in line for line in text.splitlines())


def test_what_is_too_much_is_counted() -> None:
    files = tuple(FileChange(f"file-{number:03}", 1, 0) for number in range(MANY))
    commits = tuple(
        CodeCommitEntry("c" * 40, "candidate", "2026-11-22T20:25:06Z", "Ada <a@b>", f"change {n}")
        for n in range(MANY)
    )
    everywhere = tuple(f"other-{number:03}" for number in range(MANY))
    text = code_text(
        code(files=files, commits=commits, elsewhere=everywhere, pipeline=everywhere), 4096
    )
    assert rows(text, "+1") == rows(text, "ccccccccc") == SHOWN
    assert text.count("and 30 more; --json has all") == 2
    assert rows(text, "other-020") == 0
    assert "git diff aaaaaaaaa bbbbbbbbb -- . ':!registry'" in text  # not fifty names of files
    few = code_text(code(files=files, pipeline=("src", "x y")), 4096)
    assert "git diff aaaaaaaaa bbbbbbbbb -- src 'x y'" in few
    listed = tuple(DataFileChange(f"file-{number:03}", "added", None, 1) for number in range(MANY))
    change = DataChange("data", "changed", "x.dir", "y.dir", 1, 2, 0, MANY, listed)
    data = data_text(DataDifference("churn@1", "churn@2", (change,), everywhere), 4096)
    assert "data: 50 added" in data
    assert rows(data, "file-") == SHOWN
    packages = tuple(PackageChange(f"p{number}", "added", None, "1") for number in range(MANY))
    found = EnvironmentDifference("churn@1", "churn@2", None, None, packages, 0)
    assert rows(environment_text(found, 4096), "added") == SHOWN


def test_names_and_subjects_cannot_control_the_terminal() -> None:
    entry = CodeCommitEntry("c" * 40, "base", "2026-11-22T20:25:06Z", EVIL, EVIL)
    evil = code(
        candidate=replace(SIDE, version=EVIL, repository=EVIL, fetch=EVIL, is_here=False),
        commits=(entry,),
        files=(FileChange(EVIL, 1, 1, EVIL), FileChange("x; rm -rf ~", None, None)),
        pipeline=(EVIL,),
        elsewhere=(EVIL,),
    )
    listed = (DataFileChange(EVIL, "added"),)
    data = DataChange(EVIL, "changed", EVIL, EVIL, files=listed, problem=EVIL)
    packages = (PackageChange(EVIL, "changed", EVIL, EVIL),)
    for text in (
        code_text(evil, 80),
        data_text(DataDifference(EVIL, EVIL, (data,), (EVIL,)), 80),
        environment_text(EnvironmentDifference(EVIL, EVIL, None, None, packages, 1, (EVIL,)), 80),
    ):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not any(line.startswith("fake") for line in text.splitlines())
    assert "'x; rm -rf ~'" in code_text(evil, 80)
