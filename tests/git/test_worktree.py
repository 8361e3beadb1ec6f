"""What Git says about a work tree that it cannot move, in a person's words."""

from __future__ import annotations

import pytest

from gitreg.git import worktree


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (
            "error: Entry 'a b.py' not uptodate. Cannot merge.\n",
            "a b.py has uncommitted changes",
        ),
        (
            "hint: something\nerror: Entry 'x' would be overwritten by merge. Cannot merge.\n",
            "x has uncommitted changes",
        ),
        (
            "error: Untracked working tree file 'data/x' would be overwritten by merge.\n",
            "data/x exists and is not in Git",
        ),
        (
            "error: unable to create file x: no space\nerror: more\n",
            "unable to create file x: no space",
        ),
        ("fatal: it ended\n", "fatal: it ended"),
        ("", "git read-tree failed"),
    ],
)
def test_what_is_in_the_way_is_named(said: str, means: str) -> None:
    assert worktree._obstacle(said) == means
