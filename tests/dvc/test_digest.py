"""Digests: equal to what plain tools and DVC itself compute, strict about what goes in."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gitreg.dvc import digest, member_paths
from gitreg.dvc.digest import FileDigest, Meter
from gitreg.errors import InvalidRequest, WorldError

NAMES = st.text(st.sampled_from("abcxyz019 ._-é日🙂'\"$*"), min_size=1, max_size=6)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def _is_tree(paths: set[str]) -> bool:
    return (
        all(member_paths.path_rule(path) is None for path in paths)
        and member_paths.clash(paths) is None
    )


TREES = st.dictionaries(PATHS, st.binary(max_size=20), min_size=1, max_size=6).filter(
    lambda tree: _is_tree(set(tree))
)


def write_tree(root: Path, tree: dict[str, bytes]) -> Path:
    for path, content in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def file_digest(path: str, content: bytes) -> FileDigest:
    return FileDigest(
        path, len(content), hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    )


def sha256_by_coreutils(folder: Path) -> str:
    """The digest as the documentation tells people to compute it."""
    script = (
        "set -o pipefail; find . -type f -printf '%P\\0' | LC_ALL=C sort -z "
        "| xargs -0 sha256sum -- | sha256sum"
    )
    out = subprocess.run(["bash", "-c", script], cwd=folder, check=True, capture_output=True)
    return out.stdout.decode().split()[0]


class TestOfAFile:
    @pytest.mark.parametrize(
        "size",
        [0, 1, digest.CHUNK - 1, digest.CHUNK, digest.CHUNK + 1, 3 * digest.CHUNK + 7],
    )
    def test_is_what_hashlib_says(self, tmp_path: Path, size: int) -> None:
        content = os.urandom(size)
        (tmp_path / "model.bin").write_bytes(content)
        done: list[int] = []
        tree = digest.hash_tree(tmp_path / "model.bin", done.append)
        expected = file_digest("", content)
        assert tree.members == (expected,)
        assert (tree.sha256, tree.md5, tree.size, tree.files, tree.is_folder) == (
            expected.sha256,
            expected.md5,
            size,
            1,
            False,
        )
        assert sum(done) == size
        assert digest.hash_whole(tmp_path / "model.bin") == (expected.sha256, size, 1)
        assert digest.file_md5(tmp_path / "model.bin") == expected.md5

    @pytest.mark.parametrize("size", [0, 5, 2 * digest.CHUNK + 3])
    def test_is_the_same_while_copying(self, tmp_path: Path, size: int) -> None:
        content = os.urandom(size)
        source, copy, other = (tmp_path / name for name in ("source", "copy", "other"))
        source.write_bytes(content)
        assert digest.copy_and_hash(source, copy, None) == file_digest("", content)
        assert copy.read_bytes() == content
        sha256, copied = digest.copy_and_sha256(source, other, None)
        assert (sha256, copied) == (hashlib.sha256(content).hexdigest(), size)
        assert other.read_bytes() == content

    def test_a_copy_never_overwrites(self, tmp_path: Path) -> None:
        (tmp_path / "source").write_bytes(b"new")
        (tmp_path / "copy").write_bytes(b"old")
        with pytest.raises(WorldError, match="File exists"):
            digest.copy_and_hash(tmp_path / "source", tmp_path / "copy", None)
        assert (tmp_path / "copy").read_bytes() == b"old"

    def test_a_sink_that_takes_little_at_a_time_gets_everything(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Reluctant(io.FileIO):
            def write(self, data: object) -> int:
                return super().write(memoryview(data)[:1000])  # type: ignore[arg-type]

        content = os.urandom(2 * digest.CHUNK)
        (tmp_path / "source").write_bytes(content)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", lambda self, *_, **__: Reluctant(self, "w"))
            digest.copy_and_hash(tmp_path / "source", tmp_path / "copy", None)
        assert (tmp_path / "copy").read_bytes() == content

    @pytest.mark.parametrize("size", [5, 2 * digest.CHUNK])
    def test_a_full_disk_is_the_destination_s_trouble(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        (tmp_path / "source").write_bytes(bytes(size))
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("needs /dev/full")
        monkeypatch.setattr(Path, "open", lambda *_, **__: io.FileIO(str(full), "w"))
        with pytest.raises(WorldError, match=r"^/dev/full: No space left on device$"):
            digest.copy_and_hash(tmp_path / "source", tmp_path / "copy", None)

    @pytest.mark.parametrize("size", [100, 3 * digest.CHUNK])
    def test_a_file_that_grows_meanwhile_is_refused(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "log"
        path.write_bytes(bytes(size))

        def write(_done: int) -> None:
            with path.open("ab") as file:
                file.write(b"more")

        with pytest.raises(WorldError, match="log changed while gitreg was reading it") as error:
            digest.hash_tree(path, write)
        assert error.value.hint is not None

    def test_a_file_that_shrinks_or_is_rewritten_meanwhile_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        for change in (lambda: os.truncate(path, 1), lambda: os.utime(path, (1, 1))):
            path.write_bytes(bytes(3 * digest.CHUNK))
            with pytest.raises(WorldError, match="changed while gitreg was reading it"):
                digest.hash_tree(path, lambda _done, change=change: change())

    def test_what_is_not_a_file_is_refused_without_waiting(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidRequest, match="pipe is neither a file nor a folder"):
            digest.hash_tree(tmp_path / "pipe")

    def test_a_link_in_the_place_of_a_file_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        (tmp_path / "link").symlink_to("secret")
        with pytest.raises(WorldError, match="link"):
            digest.hash_file(tmp_path / "link", None)

    def test_memory_is_constant_in_the_size(self, tmp_path: Path) -> None:
        with (tmp_path / "large").open("wb") as file:
            file.truncate(64 * digest.CHUNK)
        tracemalloc.start()
        try:
            digest.copy_and_hash(tmp_path / "large", tmp_path / "copy", None)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * digest.CHUNK


class TestOfAFolder:
    def test_is_what_coreutils_say(self, tmp_path: Path) -> None:
        tree = {"b": b"2", "a/b c": b"", "a.txt": b"x", "Zé": b"z", "a/日本": b"j", "-f": b"-"}
        write_tree(tmp_path / "model", tree)
        (tmp_path / "model" / "empty").mkdir()
        found = digest.hash_tree(tmp_path / "model")
        assert found.sha256 == sha256_by_coreutils(tmp_path / "model")
        assert (found.files, found.size, found.is_folder) == (6, 5, True)
        assert [member.path for member in found.members] == sorted(tree)
        assert digest.hash_whole(tmp_path / "model") == (found.sha256, 5, 6)

    @settings(max_examples=15, deadline=None)
    @given(tree=TREES)
    def test_of_any_tree_is_what_coreutils_say(
        self, tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
    ) -> None:
        assume("-" not in tree)  # sha256sum would read its standard input
        root = tmp_path_factory.mktemp("tree")
        write_tree(root, tree)
        found = digest.hash_tree(root)
        assert found.sha256 == sha256_by_coreutils(root)
        assert found.members == tuple(file_digest(path, tree[path]) for path in sorted(tree))
        shutil.rmtree(root)

    @given(tree=TREES)
    def test_listing_is_byte_for_byte_dvc_s(self, tree: dict[str, bytes]) -> None:
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.tree import Tree

        theirs = Tree()
        members = [file_digest(path, content) for path, content in tree.items()]
        for member in members:
            theirs.add(tuple(member.path.split("/")), None, HashInfo("md5", member.md5))
        theirs.digest()
        ours = digest.tree_digest(members, is_folder=True)
        assert digest.dir_listing(members) == theirs.as_bytes()
        assert ours.md5 == theirs.oid

    @given(tree=TREES)
    def test_does_not_depend_on_the_order(self, tree: dict[str, bytes]) -> None:
        members = [file_digest(path, content) for path, content in tree.items()]
        backwards = members[::-1]
        assert digest.folder_sha256(members) == digest.folder_sha256(backwards)
        assert digest.dir_listing(members) == digest.dir_listing(backwards)

    def test_many_files_report_their_bytes_once(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {f"{n % 7}/{n}": bytes(n) for n in range(300)})
        done: list[int] = []
        found = digest.hash_tree(tmp_path, done.append)
        assert sum(done) == found.size == sum(range(300))


class TestListing:
    def test_a_file_is_its_only_one(self, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"")
        assert digest.list_files(tmp_path / "model.pkl") == [""]

    def test_what_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="nowhere does not exist"):
            digest.list_files(tmp_path / "nowhere")

    def test_a_folder_without_files_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        with pytest.raises(InvalidRequest, match="contains no files"):
            digest.list_files(tmp_path)

    @pytest.mark.parametrize("target", ["ok", ".", "/etc/passwd", "nowhere"])
    def test_a_symbolic_link_is_refused(self, tmp_path: Path, target: str) -> None:
        write_tree(tmp_path, {"ok": b"", "sub/ok": b""})
        (tmp_path / "sub" / "link").symlink_to(target)
        with pytest.raises(InvalidRequest, match=r"^sub/link in .* it is a symbolic link") as error:
            digest.list_files(tmp_path)
        assert error.value.hint == "replace it with a copy of its target"

    def test_a_pipe_and_a_socket_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        os.mkfifo("pipe")
        with pytest.raises(InvalidRequest, match=r"pipe in .* neither a file nor a folder"):
            digest.list_files(tmp_path)
        Path("pipe").unlink()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("socket")
            with pytest.raises(InvalidRequest, match=r"socket in .* neither a file nor a folder"):
                digest.list_files(tmp_path)

    @pytest.mark.parametrize(
        ("name", "rule"),
        [
            (b"caf\xe9", "not UTF-8"),
            (b"a\nb", "control character"),
            (b"a\x1b[31m", "control character"),
            (b"a\\b", "backslash"),
            (b"C:model", "drive letter"),
            (b".git", "not tracked by DVC"),
            (b".GIT", "not tracked by DVC"),
            (b".dvc", "not tracked by DVC"),
            (b".dvcignore", "not tracked by DVC"),
        ],
    )
    @pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
    def test_a_name_that_breaks_a_rule_is_refused(
        self, tmp_path: Path, name: bytes, rule: str, make: Callable[[Path], None]
    ) -> None:
        (tmp_path / "ok").write_bytes(b"")
        make(tmp_path / os.fsdecode(name))
        with pytest.raises(InvalidRequest, match=rule) as error:
            digest.list_files(tmp_path)
        assert str(error.value).isprintable()

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("README", "readme"),
            ("straße", "STRASSE"),
            (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ],
    )
    def test_names_that_are_one_elsewhere_are_refused(
        self, tmp_path: Path, one: str, other: str
    ) -> None:
        write_tree(tmp_path, {one: b"", other: b"", "x": b""})
        with pytest.raises(InvalidRequest, match="are the same name"):
            digest.list_files(tmp_path)

    def test_a_folder_that_cannot_be_read_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        with monkeypatch.context() as patched:
            patched.setattr(os, "scandir", refuse)
            with pytest.raises(WorldError, match=f"{tmp_path.name}.*: Permission denied"):
                digest.list_files(tmp_path)


@pytest.mark.parametrize(
    "path", ["", "/etc", "a//b", "a/", ".", "..", "../x", "a/../b", "a/./b", "x" * 5000]
)
def test_paths_that_are_not_plain(path: str) -> None:
    assert member_paths.path_rule(path)


@pytest.mark.parametrize("path", ["a", "a/b.c", "..a/b..", "日本/é", ".gitignore", "dvc/git"])
def test_paths_that_are_plain(path: str) -> None:
    assert member_paths.path_rule(path) is None


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a", "b", "a.b", "ab/c"], None),
        (["a", "x", "a"], ("a", "a")),
        (["a/b", "a!", "a"], ("a", "a/b")),
        (["A/b/c", "a!", "a0", "a"], ("a", "A/b/c")),
        (["x/Y", "X/y"], ("X/y", "x/Y")),
    ],
)
def test_clash(paths: list[str], expected: tuple[str, str] | None) -> None:
    assert member_paths.clash(paths) == expected


def test_shown_escapes_what_could_upset_a_terminal() -> None:
    assert member_paths.shown("a b/c") == "a b/c"
    assert member_paths.shown("a\x1b[31m\n\u202e") == r"'a\x1b[31m\n\u202e'"


class TestThreads:
    def test_results_come_in_order(self) -> None:
        assert digest.each(lambda n: n * n, range(1000), Meter(None)) == [
            n * n for n in range(1000)
        ]
        assert digest.each(str, [], Meter(None)) == []

    def test_the_first_error_stops_the_rest(self) -> None:
        meter = Meter(None)
        done: list[int] = []

        def work(number: int) -> None:
            meter(1)
            if number == 3:
                raise WorldError("three")
            done.append(number)

        with pytest.raises(WorldError, match="three"):
            digest.each(work, range(100_000), meter)
        assert len(done) < 100_000

    def test_an_interrupt_stops_a_thread_in_the_middle_of_a_file(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {name: bytes(8 * digest.CHUNK) for name in "abcd"})
        calls: list[int] = []

        def interrupt(done: int) -> None:
            calls.append(done)
            if len(calls) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            digest.hash_tree(tmp_path, interrupt)
        assert len(calls) < 4 * 8

    def test_a_stopped_meter_raises(self) -> None:
        done: list[int] = []
        meter = Meter(done.append)
        meter(3)
        meter.stop()
        with pytest.raises(InterruptedError):
            meter(4)
        assert done == [3]
