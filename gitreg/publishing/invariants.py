"""What must not be published, even from commits that a person edited or rebased.

gitreg's own operations cannot produce it. `git pull --rebase` can, and so can an editor: two
promotions apply cleanly one after the other and leave a version in two stages, and a registered
version is only a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from gitreg.core.model import layout
from gitreg.core.model.names import format_version
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, Refused


def refuse_broken_invariants(
    after: RegistryState, changes: Sequence[FileChange], ended: Collection[str] = ()
) -> None:
    """Refuse commits that change a registered version or leave a model inconsistent.

    Args:
        after: the registry that would be published.
        changes: the files that differ from the published registry.
        ended: the models that were deleted or renamed in between, with all their versions.

    Raises:
        Refused: the commits do; the message names the file or the version.
    """
    touched: dict[str, list[int]] = {}
    for change in changes:
        place = layout.locate(change.path)
        if place is None:
            continue
        born = touched.setdefault(place.model, [])
        if place.kind == "manifest" and place.version is not None and change.after is not None:
            born.append(place.version)
        if change.before is None or place.version is None or place.kind == "annotations":
            continue
        if place.model in ended:
            continue
        deleted = after.snapshot.read(layout.tombstone_path(place.model, place.version))
        if deleted is None or place.kind == "deleted":
            raise Refused(
                f"{change.path} was changed, but a registered version never changes; nothing was "
                "published",
                hint=f"git log -- {change.path} shows who; gitreg delete removes versions",
            )
    for model, born in touched.items():
        _refuse_contradiction(after, model, born)


def _refuse_contradiction(state: RegistryState, model: str, born: Sequence[int]) -> None:
    try:
        stages, aliases = state.stages(model), state.aliases(model)
        named = [*(version for held in stages.values() for version in held), *aliases.values()]
        for version in born:
            state.manifest(model, version)
    except GitregError as error:
        raise Refused(
            f"{error}; nothing was published", hint=f"git log -- {layout.model_path(model)}"
        ) from None
    places = Counter(version for held in stages.values() for version in held)
    if state.tombstone(model) is not None and len(state.files(model)) > 1:
        raise Refused(
            f"{layout.model_tombstone_path(model)} says that {model} was deleted or renamed, "
            "but it still has files, as after a merge; nothing was published",
            hint=f"git log -- {layout.model_path(model)}",
        )
    twice = next((version for version, count in places.items() if count > 1), None)
    if twice is not None:
        held = " and ".join(stage for stage, versions in stages.items() if twice in versions)
        raise Refused(
            f"{held} hold {format_version(model, twice)}, as after a rebase; nothing was published",
            hint=f"gitreg promote {format_version(model, twice)} --to STAGE",
        )
    lost = next((version for version in named if not state.has_version(model, version)), None)
    if lost is not None:
        raise Refused(
            f"a pointer of {model} names {format_version(model, lost)}, which does not exist; "
            "nothing was published",
            hint="gitreg doctor",
        )
