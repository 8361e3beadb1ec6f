"""What has to be true after a crash and the run that follows it; each check yields what is not."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import git
from tests.support.crash.stage import Stage

_MD5 = re.compile(r"md5: ([0-9a-f]{32}(?:\.dir)?)")


def registry(
    stage: Stage, *, pushes: bool, parted: bool = False, by_hand: bool = False
) -> Iterator[str]:
    """Check what lies in Git, in the cache and on the DVC remote.

    In a clone that has ``parted`` from its remote, the tags of its own commits are others. A push
    of the user's, ``by_hand``, sends no bytes; doctor has to say so.
    """
    for folder in (stage.work, stage.origin):
        yield from fsck(folder)
    yield from versions(stage.work)
    yield from objects(stage.work / "registry" / ".dvc" / "cache", only_vouched=True)
    yield from objects(stage.store, only_vouched=False)
    missing = list(published_bytes(stage))
    if not by_hand:
        yield from missing
    elif missing:
        ran = stage.gitreg("doctor", "--json")
        if all(finding["code"] != "not-shared" for finding in ran.json):
            yield from missing
    if not parted:
        yield from tags(stage, pushes=pushes)
    yield from doctor(stage)


def fsck(folder: Path) -> Iterator[str]:
    """Check a repository; what nothing names is what a crash may leave."""
    said = git(folder, "fsck", "--strict", "--no-dangling", "--no-progress", check=False)
    if said:
        yield f"git fsck in {folder.name}: {said}"
    if git(folder, "for-each-ref", "--format=%(refname)", "refs/heads") != "refs/heads/main":
        yield f"{folder.name} has other branches than main, or none"


def versions(folder: Path) -> Iterator[str]:
    """Check that numbers start at 1 and leave none out."""
    found = git(folder, "ls-tree", "--name-only", "main:registry/churn/versions").split()
    if sorted(map(int, found)) != list(range(1, len(found) + 1)):
        yield f"the versions are {found}"


def _objects(folder: Path) -> dict[str, Path]:
    base = folder / "files" / "md5"
    return {
        "".join(path.relative_to(base).parts): path
        for path in base.glob("??/*")
        if re.fullmatch(r"[0-9a-f]{30}(\.dir)?", path.name)
    }


def objects(folder: Path, *, only_vouched: bool) -> Iterator[str]:
    """Check that what has an object's name has its bytes."""
    for name, path in _objects(folder).items():
        if only_vouched and stat.S_IMODE(path.stat().st_mode) != 0o444:
            continue
        if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != name[:32]:
            yield f"{path.relative_to(folder.parent)} is damaged"


def published_bytes(stage: Stage) -> Iterator[str]:
    """Check that every version on the remote's branch has every object on the DVC remote."""
    there = _objects(stage.store)
    listing = git(stage.origin, "ls-tree", "-r", "--name-only", "main", "registry/").splitlines()
    for path in listing:
        if not path.endswith(".dvc"):
            continue
        match = _MD5.search(git(stage.origin, "show", f"main:{path}"))
        assert match is not None
        wanted = [match[1]]
        if match[1].endswith(".dir") and match[1] in there:
            wanted += [member["md5"] for member in json.loads(there[match[1]].read_text())]
        for name in wanted:
            if name not in there:
                yield f"{path} is published, and {name} is not on the DVC remote"


def tags(stage: Stage, *, pushes: bool) -> Iterator[str]:
    """Check that the tags are those that history implies, here and there."""
    ran = stage.gitreg("tags", "sync", "--dry-run", "--json")
    if ran.code != 0:
        yield f"tags sync --dry-run: {ran.err}"
        return
    report = ran.json
    for kind in ("made", "wrong", "foreign"):
        if report[kind]:
            yield f"tags that are {kind}: {report[kind]}"
    here, there = (
        set(git(folder, "for-each-ref", "refs/tags").splitlines())
        for folder in (stage.work, stage.origin)
    )
    if there - here or (pushes and here - there):
        yield f"tags differ between clone and remote: {here ^ there}"


def doctor(stage: Stage) -> Iterator[str]:
    """Let gitreg examine the clone."""
    ran = stage.gitreg("doctor", "--json")
    if "Traceback" in ran.err or ran.code not in (0, 1):
        yield f"doctor: {ran.code} {ran.err}"
        return
    for finding in ran.json:
        if finding["severity"] == "error" or finding["code"].endswith("-lock"):
            yield f"doctor: {finding}"


def in_step(stage: Stage) -> Iterator[str]:
    """Check that the clone has followed."""
    here, there = (git(folder, "rev-parse", "main") for folder in (stage.work, stage.origin))
    if here != there:
        yield f"the clone is at {here}, the remote at {there}"


def pointer(stage: Stage, path: str, ending: str) -> Iterator[str]:
    """Check what a pointer of churn's names on the branch that has to have it."""
    text = git(stage.root / stage.judged, "show", f"main:registry/churn/{path}", check=False)
    if not text.endswith(ending):
        yield f"{path}: {text!r}, not {ending!r}"


def nothing_taken_back(stage: Stage) -> Iterator[str]:
    """Check by plain Git that no commit without an operation brings a pointer back."""
    for folder in (stage.work, stage.origin):
        written: dict[str, tuple[str, str]] = {}
        log = git(
            folder,
            "log",
            "--reverse",
            "--first-parent",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--format=commit %(trailers:key=Gitreg-Op,valueonly,separator=%x2C)",
            "main",
            "--",
            "registry/churn/stages",
            "registry/churn/aliases",
        )
        operation = ""
        for line in log.splitlines():
            if line.startswith("commit"):
                operation = line.removeprefix("commit").strip()
                continue
            words = line.split()
            if len(words) < 6:
                continue
            before, after, path = words[2], words[3], words[5]
            if not operation and written.get(path) == (after, before):
                yield f"{path} was taken back in {folder.name}"
            written[path] = (before, after)


DELIVERED = {"model.pkl": "weights 2", "features.json": '["age"]'}


def delivered(stage: Stage, *, may_be_absent: bool = False) -> Iterator[str]:
    """Check that the artifact lies there whole, and nothing of another visible name."""
    place = stage.out / "model"
    names = {path.name for path in stage.out.iterdir()} if stage.out.exists() else set()
    strangers = {name for name in names if not name.startswith(".")} - {"model"}
    if strangers:
        yield f"beside the artifact: {strangers}"
    if not place.exists():
        if not may_be_absent:
            yield "nothing was delivered"
        return
    found = {path.name: path.read_text() for path in place.iterdir()}
    if found != DELIVERED and not (may_be_absent and found == {"old.pkl": "old"}):
        yield f"delivered: {found}"
