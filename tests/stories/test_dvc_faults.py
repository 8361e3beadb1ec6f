"""Publishing while the world of the bytes is broken: what is refused, and what is put right.

Each refusal is one error with its cause and "nothing was published", exit code 3, and leaves the
references of both sides, the index and the work tree as they were.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git, write_model
from tests.dvc.projects import damage
from tests.git.test_remote import local, published, stored
from tests.support.commands import error, gitreg

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

PROMOTE = ("promote", "churn@3", "--to", "production", "--push")
WEIGHTS = hashlib.md5(b"weights 3").hexdigest()
REPAIR = "gitreg verify --remote --repair"


@pytest.fixture
def work(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone, in which everything is published, as the current folder."""
    monkeypatch.chdir(shared / "work")
    return shared / "work"


def refused(shared: Path, *command: str) -> str:
    """Run a command that cannot publish; return its error."""
    before = (published(shared), local(shared / "work"))
    said = error(*command, code=3)
    assert (published(shared), local(shared / "work")) == before
    assert "nothing was published" in said
    return said


def listing(work: Path) -> str:
    with Registry(work) as registry:
        return str(registry.show("churn@3").artifact.md5)


def there(shared: Path, oid: str) -> Path:
    return shared / "dvc-remote" / "files" / "md5" / oid[:2] / oid[2:]


def here(work: Path, oid: str) -> Path:
    return work / "registry" / ".dvc" / "cache" / "files" / "md5" / oid[:2] / oid[2:]


def use_remote(work: Path, url: str) -> None:
    (work / "registry" / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
    )
    git(work, "commit", "--quiet", "-am", "another remote")


# The remote as a whole


def test_down(shared: Path, work: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: it refuses
        taken.bind(("127.0.0.1", 0))
        use_remote(work, f"http://127.0.0.1:{taken.getsockname()[1]}/store")
        source = str(write_model(work, "weights 4"))
        for command in (PROMOTE, ("register", "churn", source, "--push")):
            said = refused(shared, *command)
            assert "DVC remote store cannot be reached: " in said
            assert "dvc remote list" in said
        assert "cannot be reached" in error("verify", "--remote", code=3)


@pytest.fixture
def small(shared: Path) -> Iterator[Path]:
    """The DVC remote on a file system of its own, with room for what it holds and 256 KiB more."""
    store, copy = shared / "dvc-remote", shared / "copy"
    store.rename(copy)
    store.mkdir()
    mount(store, "size=512k")
    shutil.copytree(copy, store, dirs_exist_ok=True)
    (store / "ballast").write_bytes(b"\0" * (os.statvfs(store).f_bavail * 4096 - 256 * 1024))
    yield store
    subprocess.run(["umount", store], check=True)


def mount(folder: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


@pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")
def test_full(shared: Path, work: Path, small: Path) -> None:
    source = write_model(work, "weights 4")
    (source / "large").write_bytes(os.urandom(512 * 1024))
    before, free = stored(shared), os.statvfs(small).f_bavail
    said = refused(shared, "register", "churn", str(source), "--push")
    assert "cannot push to DVC remote store: " in said
    assert "No space left on device" in said
    assert f"{hashlib.md5((source / 'large').read_bytes()).hexdigest()}" not in stored(shared)
    assert not [oid for oid in stored(shared) - before if oid.endswith(".dir")]
    assert not list(small.rglob("*.tmp"))
    (small / "ballast").unlink()
    (source / "large").write_bytes(os.urandom(free * 4096 // 2))
    gitreg("register", "churn", str(source), "--push")
    gitreg("verify", "--remote")


def test_a_limit_of_the_file_system(shared: Path, work: Path) -> None:
    """The same without the right to mount: the kernel lets no file grow past a size."""
    source = write_model(work, "weights 4")
    (source / "large").write_bytes(os.urandom(512 * 1024))
    gitreg("register", "churn", str(source))
    before = (published(shared), local(work), stored(shared))
    limited = (
        "import resource, signal, sys; from gitreg.cli import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (262144, 262144)); "
        "sys.argv[0] = 'gitreg'; main()"
    )
    command = [sys.executable, "-c", limited, "promote", "churn@4", "--to", "production", "--push"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done
    assert "File too large" in done.stderr
    assert "nothing was published" in done.stderr
    assert (published(shared), local(work)) == before[:2]
    assert not [oid for oid in stored(shared) - before[2] if oid.endswith(".dir")]
    assert not list((shared / "dvc-remote").rglob("*.tmp"))
    gitreg("promote", "churn@4", "--to", "production", "--push")


def test_no_folder(shared: Path, work: Path) -> None:
    shutil.rmtree(shared / "dvc-remote")
    (shared / "dvc-remote").write_text("not a folder")
    said = refused(shared, *PROMOTE)
    assert "DVC remote store" in said
    assert "Not a directory" in said


@pytest.mark.skipif(sys.platform != "linux", reason="mount is Linux's")
def test_read_only(shared: Path, work: Path) -> None:
    store = shared / "dvc-remote"
    shutil.rmtree(store)
    store.mkdir()
    mount(store, "ro")
    try:
        said = refused(shared, *PROMOTE)
    finally:
        subprocess.run(["umount", store], check=True)
    assert "cannot push to DVC remote store: Read-only file system" in said


# One object there


@pytest.mark.parametrize("which", ["member", "listing"])
@pytest.mark.parametrize("content", [None, b"weights X", b"another size", b""])
@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_one_object_is_missing_or_tampered_with(
    shared: Path, work: Path, which: str, content: bytes | None, mode: int
) -> None:
    oid = WEIGHTS if which == "member" else listing(work)
    good = here(work, oid).read_bytes()
    if content is None:
        there(shared, oid).unlink()
    else:
        damage(there(shared, oid), content, mode)

    # Without a good copy it is refused, and what is there stays as it is.
    here(work, oid).rename(shared / "aside")
    said = refused(shared, *PROMOTE)
    assert oid in said
    assert REPAIR in said
    if content is not None:
        assert there(shared, oid).read_bytes() == content
    else:
        assert not there(shared, oid).exists()

    # With one it is put right, before anything is published.
    (shared / "aside").rename(here(work, oid))
    gitreg(*PROMOTE)
    assert there(shared, oid).read_bytes() == good
    assert stat.S_IMODE(there(shared, oid).stat().st_mode) == 0o444
    assert gitreg("verify", "--remote", "churn@3").out == "churn@3: ok\n"


def test_only_what_is_published_is_looked_at(shared: Path, work: Path) -> None:
    """A registry has thousands of versions: publishing one must not depend on the others."""
    others = hashlib.md5(b"weights 1").hexdigest(), hashlib.md5(b"words").hexdigest()
    there(shared, others[0]).unlink()
    damage(there(shared, others[1]))
    for oid in others:
        here(work, oid).unlink()
    gitreg(*PROMOTE)
    assert not there(shared, others[0]).exists()
    assert there(shared, others[1]).read_bytes() == b"damaged"


# The cache


@pytest.mark.parametrize("mode", [0o444, 0o644])
@pytest.mark.parametrize("content", [b"weights X", b"another size"])
def test_a_corrupt_cache_is_found_before_anything_is_uploaded(
    shared: Path, work: Path, content: bytes, mode: int
) -> None:
    oid = WEIGHTS
    damage(here(work, oid), content, mode)
    before = stored(shared)
    gitreg(*PROMOTE, "--dry-run")
    for lost in (oid, listing(work)):
        there(shared, lost).unlink()
    said = refused(shared, *PROMOTE)
    assert f"DVC object {oid} in the cache is damaged: its MD5 differs" in said
    assert str(here(work, oid)) in said
    assert stored(shared) == before - {oid, listing(work)}
    assert here(work, oid).read_bytes() == content
    assert stat.S_IMODE(here(work, oid).stat().st_mode) == mode


def test_a_corrupt_cache_does_no_harm_to_what_is_published(shared: Path, work: Path) -> None:
    damage(here(work, WEIGHTS))
    gitreg(*PROMOTE)
    assert there(shared, WEIGHTS).read_bytes() == b"weights 3"


# Another DVC


def test_another_dvc_that_holds_its_lock_is_in_nobody_s_way(shared: Path, work: Path) -> None:
    holder = (
        "import sys; from dvc.lock import make_lock; from dvc.repo import Repo\n"
        "with Repo('.').lock:\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        gitreg("register", "churn", str(write_model(work, "weights 4")), "--push")
        gitreg("promote", "churn@4", "--to", "production", "--push")
        gitreg("pull", "churn@4")
        gitreg("verify", "--remote", "churn@4")
        assert process.poll() is None
        process.communicate("")
    assert hashlib.md5(b"weights 4").hexdigest() in stored(shared)
    assert process.returncode == 0


def test_a_folder_that_is_not_mounted(shared: Path, work: Path) -> None:
    """It is not made anew: what is published there would be where nobody looks."""
    (shared / "dvc-remote").rename(shared / "unmounted")
    said = refused(shared, *PROMOTE)
    assert "is it mounted?" in said
    assert not (shared / "dvc-remote").exists()
    command = said.split("a new one: ")[1].strip()
    mkdir, _, verify = command.partition(" && ")
    subprocess.run(mkdir.split(), check=True)
    gitreg(*verify.split()[1:], "--repo", str(work))
    gitreg(*PROMOTE, "--repo", str(work))
