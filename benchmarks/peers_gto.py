"""GTO, in-process through ``gto.api`` on a repository of its own.

GTO's registry is its tags, so its repository holds empty commits and tags and nothing
else: no ``dvc.yaml``, which it would read in every call. That is the best case for GTO.
"""

import importlib
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.fastimport import FastImport
from benchmarks.scale import (
    FIRST_HISTORY,
    HISTORY,
    LIST_MODELS,
    PROMOTE,
    REGISTER,
    RESOLVE_ALIAS,
    RESOLVE_STAGE,
    SET_ALIAS,
    STAGE,
    Contender,
    Scale,
    Target,
    absent,
)

LABEL = "GTO"
NO_ALIASES = "GTO has no aliases"
NOT_INSTALLED = "NOT INSTALLED (pip install gto)"

#: GTO takes one version of a model a commit, so each registration needs a fresh commit.
#: A user has made it before, by training; it is not part of the measurement.
SPARE_COMMITS = 200


def too_slow(scale: Scale, *, quick: bool) -> str:
    """Return why GTO is not measured at this scale, or nothing.

    A call reads all tags, and reading a tag takes longer the more there are: 0.4 s at 100
    versions, 40 s at 10,000, and more than an hour at 100,000.
    """
    most = 100 if quick else 10_000
    if scale.models * scale.versions <= most:
        return ""
    return f"left out: above {most:,} versions GTO takes minutes to hours a call"


def repository(scale: Scale, folder: Path) -> Path:
    """Return ``folder`` as a GTO registry of this scale, made now unless it is there."""
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    with FastImport(folder) as stream:
        for name in scale.names:
            counter = 0
            for version in range(1, scale.versions + 1):
                commit = stream.commit(f"Train {name}, version {version}\n")
                stream.tag(
                    f"{name}@v{version}.0.0",
                    commit,
                    f"Registering artifact {name} version v{version}.0.0\n",
                )
                if version in scale.promoted:
                    counter += 1
                    stream.tag(
                        f"{name}#{STAGE}#{counter}",
                        commit,
                        f"Assigning stage {STAGE} to artifact {name}\n",
                    )
        for number in range(SPARE_COMMITS):
            stream.commit(f"Train again, {number}\n")
    # What a clone looks like: 10,000 tags in files of their own would slow GTO down.
    subprocess.run(["git", "-C", str(folder), "pack-refs", "--all"], check=True)
    return folder


def _spare_commits(folder: Path) -> list[str]:
    """Return the commits of the repository that have no version yet."""
    log = subprocess.run(
        ["git", "-C", str(folder), "rev-list", f"--max-count={SPARE_COMMITS}", "main"],
        check=True,
        capture_output=True,
        text=True,
    )
    return log.stdout.split()


def contender(scale: Scale, folder: Path) -> Contender:
    """Return GTO filled to ``scale``, or the reason why it is not there."""
    if importlib.util.find_spec("gto") is None:
        return absent(LABEL, scale, NOT_INSTALLED)
    api: Any = importlib.import_module("gto.api")
    place = str(repository(scale, folder))
    spare = iter(_spare_commits(folder))

    def promote(target: Target) -> object:
        version = f"v{target.version}.0.0"
        return api.assign(place, target.model, STAGE, version=version)

    return Contender(
        LABEL,
        scale,
        {
            REGISTER: lambda t: api.register(place, t.model, next(spare)),
            PROMOTE: promote,
            RESOLVE_STAGE: lambda t: api.show(place, f"{t.model}#{STAGE}"),
            LIST_MODELS: lambda _: api.show(place),
            HISTORY: lambda t: api.history(place, t.model),
        },
        {
            RESOLVE_ALIAS: NO_ALIASES,
            SET_ALIAS: NO_ALIASES,
            FIRST_HISTORY: "GTO keeps nothing between calls: each is a first one",
        },
    )
