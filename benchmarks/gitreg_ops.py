"""gitreg through its Python API, in-process and warm: in a checkout and in a bare repository.

In a checkout, a write also updates index and work tree. That cost is Git's, and it grows with the
number of files. A bare repository has neither, so only the objects, the references and the history
index remain. Servers use bare repositories, people use checkouts.
"""

from pathlib import Path

from benchmarks import population
from benchmarks.scale import (
    ALIAS,
    FIRST_HISTORY,
    HISTORY,
    LIST_MODELS,
    PROMOTE,
    REGISTER,
    RESOLVE_ALIAS,
    RESOLVE_STAGE,
    SET_ALIAS,
    STAGE,
    TAGS,
    Contender,
    Scale,
    Target,
)
from gitreg import Registry
from gitreg.errors import GitregError

CHECKOUT = "gitreg"
BARE = "gitreg bare"


def contenders(scale: Scale, folder: Path) -> list[Contender]:
    """Return gitreg filled to ``scale``, in a checkout and in a bare repository."""
    checkout = population.checkout(scale, folder)
    source = checkout / population.SOURCE
    return [
        _contender(CHECKOUT, scale, checkout, checkout / ".git", source),
        _contender(BARE, scale, bare := population.bare(scale, folder), bare, source),
    ]


def _contender(label: str, scale: Scale, location: Path, git_dir: Path, source: Path) -> Contender:
    registry = Registry(location)

    def register(target: Target, *, dry_run: bool = False) -> object:
        return registry.register(
            target.model,
            source,
            metrics=population.METRICS,
            params=population.PARAMS,
            tags=TAGS,
            dry_run=dry_run,
        )

    def first_history(target: Target) -> object:
        """Read history as after a clone, which has to build the history index."""
        registry.close()
        for file in (git_dir / "gitreg").glob("history.sqlite*"):
            file.unlink()
        return registry.log(target.model)

    calls = {
        RESOLVE_ALIAS: lambda t: registry.resolve(f"{t.model}@{ALIAS}"),
        RESOLVE_STAGE: lambda t: registry.resolve(f"{t.model}/{STAGE}"),
        LIST_MODELS: lambda _: registry.models(),
        HISTORY: lambda t: registry.log(t.model),
        FIRST_HISTORY: first_history,
        REGISTER: register,
        PROMOTE: lambda t: registry.promote(f"{t.model}@{t.version}", stage=STAGE),
        SET_ALIAS: lambda t: registry.set_alias(f"{t.model}@{t.version}", ALIAS),
    }
    why_not: dict[str, str] = {}
    last = Target(scale.names[-1], scale.versions)
    for pointer in (f"@{ALIAS}", f"/{STAGE}"):
        found = registry.resolve(f"{last.model}{pointer}").version
        if found != last.version:
            raise ValueError(f"{label} {scale.label} was not filled as intended: {found}")
    # Reads must meet the state after a write: the tip's trees are loose objects, which Git inflates
    # at each read, and not in a pack, whose objects Git caches.
    for version in (1, last.version):
        registry.promote(f"{last.model}@{version}", stage=STAGE)
    try:
        register(last, dry_run=True)
    except GitregError as error:
        del calls[REGISTER]
        why_not[REGISTER] = f"{label}: {error}"
    return Contender(label, scale, calls, why_not)
