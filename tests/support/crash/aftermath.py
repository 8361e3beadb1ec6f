"""What happens between a crash and the same command: people go on, or a disk loses its cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from tests.conftest import git
from tests.support.crash.server import Ran
from tests.support.crash.stage import Stage

_CALL = re.compile(r"[^:]+: (?P<call>\w+) (?:(?P<source>\S+) > )?(?P<path>.+)")


def let(word: str, stage: Stage, calls: Sequence[str]) -> None:
    """Let something happen: ``nothing``, ``plain-git``, ``colleague`` or ``power-cut``."""
    if word == "plain-git":
        _plain_git(stage)
    elif word == "colleague":
        _colleague(stage)
    elif word == "power-cut":
        _power_cut(stage, calls)


def _plain_git(stage: Stage) -> None:
    """Commit and push as a person does who knows of no crash; Git may refuse either."""
    git(stage.work, "commit", "--quiet", "-a", "-m", "my own work", check=False)
    git(stage.work, "push", "--quiet", "origin", "main", check=False)


def _colleague(stage: Stage) -> None:
    """Let a colleague publish something else from a clone of their own, unless a lock stops it."""
    git(stage.root, "clone", "--quiet", "origin.git", "colleague")
    folder = stage.root / "colleague"
    stage.gitreg("annotate", "churn@1", "--tag", "by=grace", "--push", folder=folder)
    shutil.rmtree(folder)


def _power_cut(stage: Stage, calls: Sequence[str]) -> None:
    """Empty the file that was written last and not synced, as a disk may that lost its cache."""
    for path in reversed(unsynced(calls)):
        place = stage.root / path.lstrip("/")
        if place.is_file() and not place.is_symlink():
            mode = place.stat().st_mode
            place.chmod(0o644)
            os.truncate(place, 0)
            place.chmod(mode)
            return


def unsynced(calls: Sequence[str]) -> list[str]:
    """Return the files that were written and not synced, in the order of their last writes.

    >>> unsynced(["git: open /a", "git: write /a", "git: write /b", "git: fsync /b"])
    ['/a']
    >>> unsynced(["git: write /a.lock", "git: rename /a.lock > /a"])
    ['/a']
    >>> unsynced(["git: write /a.lock", "git: fsync /a.lock", "git: rename /a.lock > /a"])
    []
    """
    found: dict[str, None] = {}
    for text in calls:
        match = _CALL.fullmatch(text)
        if match is None:
            continue
        call, path, source = match["call"], match["path"].replace("/./", "/"), match["source"]
        if source is not None:
            was = source.replace("/./", "/") in found
            found.pop(source.replace("/./", "/"), None)
            found.pop(path, None)
            if was:
                found[path] = None
        elif call in ("fsync", "fdatasync", "unlink", "unlinkat", "remove"):
            found.pop(path, None)
        elif call in ("write", "pwrite", "writev", "fclose", "fflush", "sendfile", "clone"):
            found.pop(path, None)
            found[path] = None
        elif call == "copy_file_range":
            found[path] = None
    return list(found)


def mend(stage: Stage, ran: Ran) -> bool:
    """Run doctor's remedies of locks and damage, in its order; return whether there was damage.

    Where the command failed, its error has to name one of them, too.
    """
    said = stage.gitreg("doctor", "--json")
    listed = said.json if said.out.startswith("[") else []
    found = [f for f in listed if f["code"] == "damaged" or f["code"].endswith("-lock")]
    if all(f["code"] != "damaged" for f in found):
        return False
    assert ran.code in (0, 3), ran
    assert ran.code == 0 or any(f["subject"] in ran.err for f in found), (found, ran)
    for finding in found:
        remedy, _, own = finding["remedy"].partition(" && gitreg ")
        subprocess.run(["bash", "-c", remedy], cwd=stage.work, check=True, capture_output=True)
        if own:
            stage.set_up(*own.split())
    return True
