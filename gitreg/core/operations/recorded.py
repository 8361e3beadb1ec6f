"""`Recorded`: an operation as its commit recorded it, to be done again on another tip."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from gitreg.core.model import layout, manifest
from gitreg.core.model.layout import Place
from gitreg.core.state.change import trailers_of
from gitreg.core.state.history import FileChange
from gitreg.errors import InvalidDocument


@dataclass(frozen=True)
class Recorded:
    """An operation as its commit recorded it.

    Attributes:
        commit: 40 hex digits.
        message: of the commit.
        files: what it did to each file.
    """

    commit: str
    message: str
    files: tuple[FileChange, ...] = field(repr=False)

    @cached_property
    def places(self) -> tuple[tuple[Place, FileChange], ...]:
        """The files that belong to a model, with what each is."""
        found = ((layout.locate(change.path), change) for change in self.files)
        return tuple((place, change) for place, change in found if place is not None)

    def of_kind(self, *kinds: str) -> list[tuple[Place, FileChange]]:
        """Return the changes of some kinds of files."""
        return [(place, change) for place, change in self.places if place.kind in kinds]

    @property
    def registered(self) -> list[tuple[str, int]]:
        """The versions that it registered, by the numbers that it gave them, ascending."""
        return sorted(
            (place.model, place.version)
            for place, change in self.of_kind("manifest")
            if place.version is not None and change.before is None
        )

    @property
    def gaps(self) -> set[tuple[str, int]]:
        """The numbers that a registration skipped, of versions that were never here."""
        here = {(place.model, place.version) for place, _ in self.of_kind("manifest")}
        return {
            (place.model, place.version)
            for place, change in self.of_kind("deleted")
            if place.version is not None and change.before is None
            if (place.model, place.version) not in here
            if any(m == place.model and n > place.version for m, n in self.registered)
        }

    def left_out(self, model: str, number: int) -> manifest.Tombstone:
        """Return the tombstone of a number of `gaps`."""
        path = layout.tombstone_path(model, number)
        content = {change.path: change.after for _, change in self.of_kind("deleted")}
        return manifest.read_tombstone(content[path] or b"", path)

    @cached_property
    def ended(self) -> tuple[str, manifest.Tombstone] | None:
        """The one model that it deleted or renamed, and the tombstone of that model."""
        found = [
            (place.model, change)
            for place, change in self.of_kind("deleted")
            if place.version is None and change.after is not None
        ]
        if len(found) != 1:
            return None
        model, change = found[0]
        try:
            return model, manifest.read_tombstone(change.after or b"", change.path)
        except InvalidDocument:
            return None  # no operation writes such a file

    @cached_property
    def created(self) -> frozenset[str]:
        """The models that it created, according to its message or a removed tombstone."""
        told = trailers_of(self.message)
        claimed = told.get("Gitreg-Model", ()) if told.get("Gitreg-Action") == ("create",) else ()
        back = [
            place.model
            for place, change in self.of_kind("deleted")
            if place.version is None and change.after is None
        ]
        return frozenset(
            place.model
            for place, change in self.of_kind("model")
            if change.before is None and change.after is not None
            if place.model in (*claimed, *back)
        )

    @property
    def is_operation(self) -> bool:
        """Whether everything that it did can be expressed as operations.

        A commit by hand may be one as well; one that changed code, or the policy, is not.
        """
        touched = self.of_kind("manifest", "deleted")
        allowed = {layout.DVC_YAML} if touched else set()
        # The end of a model has to be done again as a whole: `redoes_everything` checks that.
        known = {
            change.path
            for place, change in self.places
            if self.ended is not None or _is_part_of_operation(place, change, self)
        }
        return bool(known) and all(
            change.path in known or change.path in allowed for change in self.files
        )


def _is_part_of_operation(place: Place, file: FileChange, recorded: Recorded) -> bool:
    """Tell whether a file's change follows from the operations that are read back."""
    if place.kind == "deleted" and place.version is None:
        return place.model in recorded.created
    if place.kind in ("stages", "aliases", "annotations", "model", "card"):
        return True
    if place.version is None:
        return False
    same = [
        change
        for other, change in recorded.of_kind("manifest", "deleted")
        if (other.model, other.version) == (place.model, place.version)
    ]
    born = [c for c in same if c.path.endswith("/manifest.yaml") and c.before is None and c.after]
    died = [c for c in same if c.path.endswith("/deleted.yaml") and c.before is None and c.after]
    if died:
        return not born and (file.after is None or place.kind == "deleted")
    if place.kind in layout.ADDED or (place.kind in ("approval", "withdrawal") and not born):
        return place.kind not in layout.ADDED or file.before is None
    # A file that no registration writes, such as notes beside a version, is not part of one.
    known = place.kind in ("manifest", "annotations") or _is_registered_file(file.path)
    return bool(born) and file.before is None and known


def _is_registered_file(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == layout.REQUIREMENTS or (
        name.endswith(".dvc") and manifest.is_artifact_name(name.removesuffix(".dvc"))
    )
