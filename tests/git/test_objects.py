"""Objects are read as Git has them and written as Git would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.errors import GitError, InvalidRequest
from gitreg.git import objects
from gitreg.git.objects import CommitSnapshot, ObjectReader, ObjectWriter, TreeEntry, parse_tree
from tests.conftest import git


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A repository with one commit of files that sort unlike their folders."""
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    for path in ("a/b/c", "a.txt", "a-b", "a/d", "run", 'ü\n"name'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("a.txt")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "files")
    return tmp_path


@pytest.fixture
def reader(plain: Path) -> Iterator[ObjectReader]:
    opened = ObjectReader(plain)
    yield opened
    opened.close()


def writer(plain: Path) -> ObjectWriter:
    return ObjectWriter(plain / ".git" / "objects")


# Reading


def test_objects_are_read(plain: Path, reader: ObjectReader) -> None:
    commit = reader.get("HEAD")
    assert commit is not None
    assert (commit.oid, commit.kind) == (git(plain, "rev-parse", "HEAD"), "commit")
    blob = reader.get("HEAD:a/b/c")
    assert blob is not None
    assert (blob.kind, blob.data) == ("blob", b"a/b/c")
    missing = ["HEAD:nothing", "nothing", "f" * 40, "HEAD:a/b/c/d", "", "with space"]
    assert reader.get_many(missing) == [None] * len(missing)
    assert reader.get("HEAD:a.txt") is not None  # nothing was left in the pipe


def test_many_objects_are_read_in_order(plain: Path, reader: ObjectReader) -> None:
    """More than the pipes hold: neither side may block."""
    large = plain / "large"
    large.write_bytes(b"x" * 300_000)
    git(plain, "add", "large")
    git(plain, "commit", "--quiet", "-m", "large")
    specs = ["HEAD:large", "HEAD:a.txt", f"HEAD:{'n' * 4000}"] * 250
    found = reader.get_many(specs)
    assert [o and len(o.data) for o in found] == [300_000, 5, None] * 250


def test_a_line_break_cannot_be_asked_for(reader: ObjectReader) -> None:
    """It would be two questions, and every answer after it somebody else's."""
    with pytest.raises(InvalidRequest, match="line break"):
        reader.get("HEAD:a\nHEAD")


def test_a_huge_object_is_refused(
    plain: Path, reader: ObjectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "READ_LIMIT", 4)
    with pytest.raises(GitError, match="gitreg reads at most 4"):
        reader.get_many(["HEAD:a.txt", "HEAD"])
    monkeypatch.undo()
    found = reader.get("HEAD:a-b")  # the rest of the first answer is not taken for this one
    assert found is not None
    assert found.data == b"a-b"


def test_a_reader_that_died_is_started_again(plain: Path, reader: ObjectReader) -> None:
    assert reader.get("HEAD") is not None
    running = reader._process
    assert running is not None
    running.kill()
    running.wait()
    assert reader.get("HEAD") is not None
    reader.close()
    assert running.poll() is not None
    assert reader.get("HEAD") is not None


def test_after_a_fork_the_parent_s_process_is_left_alone(
    reader: ObjectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that forks its workers: two of them on one pipe would mix up the answers."""
    assert reader.get("HEAD") is not None
    parents = reader._process
    assert parents is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        assert reader.get("HEAD") is not None
        assert reader._process is not parents
        reader.close()
    assert parents.poll() is None
    reader._process, reader._owner = parents, os.getpid()
    assert reader.get("HEAD") is not None


def test_a_reader_that_nobody_closes_ends_its_process(plain: Path) -> None:
    forgotten = ObjectReader(plain)
    forgotten.get("HEAD")
    running = forgotten._process
    assert running is not None
    assert running.poll() is None
    del forgotten
    assert running.poll() is not None


def test_an_object_that_appears_later_is_found(plain: Path, reader: ObjectReader) -> None:
    assert reader.get("refs/heads/side") is None
    git(plain, "branch", "side")
    assert reader.get("refs/heads/side") is not None


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="not a Git repository"):
        ObjectReader(tmp_path).get("HEAD")


def test_a_snapshot(plain: Path, reader: ObjectReader) -> None:
    oid = git(plain, "rev-parse", "HEAD")
    snapshot = CommitSnapshot(reader, oid)
    assert snapshot.commit == oid
    assert snapshot.read("a/b/c") == b"a/b/c"
    assert snapshot.read("a/b") is None
    assert snapshot.read("link") == b"a.txt"
    assert list(snapshot.list("a")) == ["b", "d"]
    assert list(snapshot.list("a.txt")) == []
    assert list(snapshot.read_many(["a.txt", "no", "a.txt"])) == [b"a.txt", None, b"a.txt"]
    assert list(snapshot.read_many(["a.txt\nHEAD", 'ü\n"name', "a-b"])) == [None, None, b"a-b"]
    assert 'ü\n"name' in snapshot.list("")
    assert snapshot.read("caf\udce9") is None  # Latin-1, as Git hands it over
    git(plain, "commit", "--quiet", "--amend", "-m", "other")
    assert snapshot.read("a-b") == b"a-b"
    empty = CommitSnapshot(reader, None)
    assert (empty.read("a"), list(empty.list("a"))) == (None, [])


# Writing


def test_what_git_lists_is_parsed(plain: Path, reader: ObjectReader) -> None:
    tree = reader.get("HEAD^{tree}")
    assert tree is not None
    listed = {
        name: (mode, oid)
        for line in git(plain, "ls-tree", "-z", "HEAD").split("\0")
        if line
        for fields, _, name in [line.partition("\t")]
        for mode, _, oid in [fields.split(" ")]
    }
    entries = parse_tree(tree.data)
    assert {e.name: (f"{e.mode:06o}", e.oid) for e in entries} == listed
    assert [e.name for e in entries if e.is_folder] == ["a"]
    assert objects._format_tree(entries) == tree.data


@given(
    st.lists(
        st.builds(
            TreeEntry,
            st.sampled_from((0o100644, 0o100755, 0o120000, 0o040000, 0o160000)),
            st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1),
            st.binary(min_size=20, max_size=20).map(bytes.hex),
        ),
        unique_by=lambda entry: entry.name,
    )
)
@settings(max_examples=60)
def test_trees_round_trip(entries: list[TreeEntry]) -> None:
    found = parse_tree(objects._format_tree(entries))
    assert sorted(found, key=repr) == sorted(entries, key=repr)


def test_a_tree_is_what_git_would_make(
    plain: Path, reader: ObjectReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits: dict[str, bytes | None] = {
        "a/b/c": b"new",
        "a/e/f/g": b"deep",
        "a.txt": None,
        "a0": b"",
        "link": b"now a file",
        "a/d/x": b"a folder where a file was",
        "gone/never/there": None,
    }
    before = CommitSnapshot(reader, "HEAD")
    before.list_many(["a", "a/b"])
    written = writer(plain).write_tree(before, edits)
    tree = written[""]
    assert tree is not None
    for path, content in edits.items():
        target = plain / path
        if content is None:
            target.unlink(missing_ok=True)
            continue
        if target.parent.is_file():
            target.parent.unlink()
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    git(plain, "add", "--all")
    assert tree.oid == git(plain, "write-tree")
    assert git(plain, "fsck", "--strict", "--no-dangling") == ""
    git(plain, "commit", "--quiet", "-m", "more")
    assert {path: reader.get(f"HEAD:{path}") for path in written} == written
    after = before.after("HEAD", written)
    monkeypatch.setattr(reader, "get_many", None)  # nothing is read that was just written
    assert after.read("a/b/c") == b"new"
    assert [after.list(folder) for folder in ("a", "a/d", "gone")] == [["b", "d", "e"], ["x"], []]


def test_a_folder_that_is_empty_is_dropped(plain: Path, reader: ObjectReader) -> None:
    def tree(base: str | None, edits: dict[str, bytes | None]) -> str:
        root = writer(plain).write_tree(CommitSnapshot(reader, base), edits)[""]
        assert root is not None
        return root.oid

    found = tree("HEAD", {"a/b/c": None})
    assert git(plain, "ls-tree", "-r", "--name-only", found, "--", "a") == "a/d"
    assert tree(None, {"x": None}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert git(plain, "ls-tree", "-r", "--name-only", tree(None, {"x/y": b"z"})) == "x/y"


def test_writing_twice_is_writing_once(plain: Path) -> None:
    door = writer(plain)
    assert door.write("blob", b"same") == door.write("blob", b"same")
    assert git(plain, "cat-file", "blob", door.write("blob", b"same")) == "same"
