"""GTO, in-process through ``gto.api`` on its own repository.

GTO's registry consists of tags, so its repository has only empty commits and tags. It has no
``dvc.yaml``, which GTO would read in every call. That is the best case for GTO.
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

#: GTO allows one version of a model per commit, so each registration needs a new commit. A user
#: already has that commit from training, so it is not part of the measurement.
SPARE_COMMITS = 200


def too_slow(scale: Scale, *, quick: bool) -> str:
    """Return why GTO is not measured at this scale; empty if it is measured.

    A call reads all tags, and each one takes longer the more tags there are: a call takes 0.4 s
    with 100 versions, 40 s with 10,000, and more than an hour with 100,000.
    """
    most = 100 if quick else 10_000
    if scale.models * scale.versions <= most:
        return ""
    return f"left out: above {most:,} versions, a call of GTO takes minutes to hours"


def repository(scale: Scale, folder: Path) -> Path:
    """Return a GTO registry of this scale in ``folder``, creating it if needed."""
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
    # As in a clone: 10,000 tags in separate files would slow GTO down.
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
    """Return GTO filled to ``scale``, or the reason why it is missing."""
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
            FIRST_HISTORY: "GTO stores nothing between calls: each one is a first call",
        },
    )
