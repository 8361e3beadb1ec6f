"""Commit objects: what Git writes is read at once, all else field by field, with one result."""

from __future__ import annotations

import pytest

from gitreg.git import commit_info
from gitreg.git.objects import GitObject

TREE = b"tree " + b"1" * 40 + b"\n"
PARENT = b"parent " + b"2" * 40 + b"\n"
OTHER = b"parent " + b"3" * 40 + b"\n"
AUTHOR = b"author Ada Lovelace <ada@example.com> 1700000000 +0100\n"
COMMITTER = "committer Käthe <> 1700000001 -0930\n".encode()
MESSAGE = b"\npromote m@1\n\nGitreg-Op: 1 \n\nmore\n"

USUAL = {
    "a root": TREE + AUTHOR + COMMITTER + MESSAGE,
    "a commit": TREE + PARENT + AUTHOR + COMMITTER + MESSAGE,
    "a merge": TREE + PARENT + OTHER + AUTHOR + COMMITTER + MESSAGE,
    "no message": TREE + PARENT + AUTHOR + COMMITTER + b"\n",
    "bytes that are no text": TREE + AUTHOR + b"committer \xff <a> 1 +0000\n\n\xfe\n",
}
UNUSUAL = {
    "an encoding": TREE + AUTHOR + COMMITTER + b"encoding latin-1\n\n\xe9\n",
    "a signature": TREE + AUTHOR + COMMITTER + b"gpgsig x\n y\n\nsubject\n",
    "two committers": TREE + AUTHOR + COMMITTER + COMMITTER + MESSAGE,
    "no author": TREE + COMMITTER + MESSAGE,
    "no date": TREE + AUTHOR + b"committer A <a>\n" + MESSAGE,
    "a date before 1970": TREE + AUTHOR + b"committer A <a> -5 +0000\n" + MESSAGE,
    "nothing": b"",
}


@pytest.mark.parametrize("data", [*USUAL.values(), *UNUSUAL.values()])
def test_both_ways_tell_the_same(data: bytes) -> None:
    found = GitObject("f" * 40, "commit", data)
    assert commit_info.read_commit_info(found) == commit_info._read_any(found)


@pytest.mark.parametrize("data", USUAL.values())
def test_what_git_writes_is_read_at_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(commit_info, "_read_any")
    commit_info.read_commit_info(GitObject("f" * 40, "commit", data))
