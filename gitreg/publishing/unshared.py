"""What everybody else still sees after a change that is not published, in one line."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.core.model import layout, manifest
from gitreg.core.model.layout import Place
from gitreg.core.model.names import ARCHIVE, format_version
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError

_SHOWN = 3


def unshared(published: RegistryState, change: Change) -> str:
    """Return the consequence of a change that others do not have yet.

    >>> from gitreg.core.state.change import Edit
    >>> class Nothing:
    ...     commit = None
    ...     read = staticmethod(lambda path: None)
    ...     list = staticmethod(lambda path: ())
    >>> edit = Edit("registry/loan/stages/production.yaml", b"versions:\\n- 2\\n")
    >>> unshared(RegistryState(Nothing()), Change("promote loan@2", (edit,)))
    'for everybody else loan/production is still empty'
    """
    located = [
        (place, edit.content)
        for edit in change.edits
        if (place := layout.locate(edit.path)) is not None
    ]
    moved = list(_pointers(published, located))
    if moved:
        more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
        return f"for everybody else {', '.join(moved[:_SHOWN])}{more}"
    born = [
        format_version(place.model, place.version)
        for place, content in located
        if place.kind == "manifest" and place.version is not None and content is not None
    ]
    return f"nobody else has {', '.join(born)}" if born else "nobody else has this change"


def _pointers(published: RegistryState, located: list[tuple[Place, bytes | None]]) -> Iterator[str]:
    """Yield what others see of each pointer that moves; the archive serves nobody."""
    for place, content in located:
        try:
            if place.kind == "stages" and place.name != ARCHIVE:
                held = published.stage(place.model, str(place.name))
                if held == manifest.read_versions(content, str(place.name)):
                    continue
                names = " and ".join(format_version(place.model, one) for one in held)
                verb = "are" if held[1:] else "is"
                yield (
                    f"{names} {verb} still in {place.name}"
                    if held
                    else f"{place.model}/{place.name} is still empty"
                )
            elif place.kind == "aliases":
                now = published.alias(place.model, str(place.name))
                yield (
                    f"{place.model}@{place.name} does not exist yet"
                    if now is None
                    else f"@{place.name} is still {format_version(place.model, now)}"
                )
        except GitregError:
            continue  # it does not parse, which the check reports
