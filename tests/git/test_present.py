"""Which objects a repository has, without asking Git."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.git.present import Present
from tests.conftest import git

ABSENT = ["0" * 40, "f" * 40, "00" + "f" * 38]


@pytest.mark.parametrize("packed", [True, False])
def test_every_object_is_found_and_no_other(stocked: Path, packed: bool) -> None:
    if packed:
        git(stocked, "repack", "-adq")
    listing = git(stocked, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    present = Present(stocked / ".git/objects")
    assert present.without([*listing.split(), *ABSENT, ABSENT[0]]) == ABSENT


def test_a_pack_that_comes_later_is_found(stocked: Path) -> None:
    present = Present(stocked / ".git/objects")
    head = git(stocked, "rev-parse", "HEAD")
    assert present.without([head, *ABSENT]) == ABSENT
    git(stocked, "commit", "--quiet", "--allow-empty", "-m", "more")
    git(stocked, "repack", "-adq")
    new = git(stocked, "rev-parse", "HEAD")
    assert present.without([head, new]) == []


def test_an_index_of_another_format_has_nothing(stocked: Path) -> None:
    git(stocked, "-c", "pack.indexVersion=1", "repack", "-adq")
    head = git(stocked, "rev-parse", "HEAD")
    assert Present(stocked / ".git/objects").without([head]) == [head]
