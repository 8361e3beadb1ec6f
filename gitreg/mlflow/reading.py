"""What the store reads: the registry at one commit, each thing once, whichever thread asks first.

A commit never changes, so what was read at it holds for as long as the branch is there: a `Memory`
keeps it for all threads. What a folder holds is kept even longer, by Git's name of its content, in
`Known`. A `Reading` is one call's way to both, by a registry of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from gitreg.core.model import layout
from gitreg.core.model.model import Model, ModelVersion
from gitreg.core.model.names import is_model_name
from gitreg.core.state.state import RegistryState
from gitreg.core.state.timestamps import Timestamps
from gitreg.core.text.times import milliseconds
from gitreg.errors import GitregError, InvalidRequest, NotFound
from gitreg.git.objects import CommitSnapshot
from gitreg.registry import Registry

_MANIFEST = "manifest.yaml"


@dataclass(frozen=True)
class VersionRow:
    """A version as MLflow sees it.

    Attributes:
        facts: what the registry holds of it.
        created: when it was registered, in milliseconds since the epoch.
        updated: when it was last updated, likewise.
    """

    facts: ModelVersion
    created: int
    updated: int

    @property
    def name(self) -> str:
        """The model's name."""
        return self.facts.model

    @property
    def version(self) -> int:
        """The number."""
        return self.facts.version

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Its tags."""
        return self.facts.tags

    @property
    def source(self) -> str | None:
        """The URI that it was registered from."""
        return self.facts.lineage.source

    @property
    def run_id(self) -> str | None:
        """The tracking run that made it."""
        return self.facts.lineage.run.id if self.facts.lineage.run else None


@dataclass(frozen=True)
class ModelRow:
    """A registered model as MLflow sees it.

    Attributes:
        model: its pointers and annotations.
        versions: the versions that are there, ascending, each with Git's name of its folder.
        times: when it and its versions were created and last updated.
        elsewhere: when it was created, in milliseconds since the epoch, if it came from elsewhere.
    """

    model: Model
    versions: Mapping[int, str]
    times: Timestamps
    elsewhere: int | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.model.name

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Its tags."""
        return self.model.tags

    @property
    def created(self) -> int:
        """When it was created, in milliseconds since the epoch."""
        return self.times.created if self.elsewhere is None else self.elsewhere

    @property
    def updated(self) -> int:
        """When it was last updated, in milliseconds since the epoch."""
        return self.times.updated

    @cached_property
    def stages(self) -> Mapping[int, str]:
        """The stage of each version that is in one."""
        return {n: stage for stage, held in self.model.stages.items() for n in held}


@dataclass(frozen=True)
class _Contents:
    """What a model's folder holds: its pointers and annotations, and its versions by content."""

    model: Model
    versions: Mapping[int, str]
    elsewhere: int | None


class Known:
    """What folders hold, with Git's name of that content, so whatever commit has it.

    A new commit differs from the last one in a folder or two: nothing else is read again. Of each
    folder the last content is kept. Threads share it; what two of them learn at once is the same,
    or of two commits, and then its name tells.
    """

    def __init__(self) -> None:
        self.models: dict[str, tuple[str, _Contents]] = {}
        self.folders: dict[str, tuple[str, dict[int, str]]] = {}
        self.versions: dict[tuple[str, int], tuple[str, ModelVersion | None]] = {}


@dataclass
class Memory:
    """What is known of one commit, for all threads."""

    commit: str | None
    models: dict[str, ModelRow] = field(default_factory=dict)
    versions: dict[tuple[str, int], VersionRow] = field(default_factory=dict)
    names: list[str] | None = None


class Reading:
    """The registry at one commit, for one call.

    Args:
        registry: reads what is not known yet.
        state: the registry at the commit.
        memory: what is known of that commit.
        known: what is known of its folders.
    """

    def __init__(
        self, registry: Registry, state: RegistryState, memory: Memory, known: Known
    ) -> None:
        self._registry = registry
        self.state = state
        self._memory = memory
        self._known = known
        assert isinstance(state.snapshot, CommitSnapshot)
        self._snapshot = state.snapshot

    # Models

    def model(self, name: str) -> ModelRow:
        """Return a registered model.

        Raises:
            NotFound: there is none of that name.
        """
        row = self._memory.models.get(name)
        if row is None:
            contents = self._contents(name)
            row = ModelRow(
                contents.model,
                contents.versions,
                self._registry.activity(name),
                contents.elsewhere,
            )
            self._memory.models[name] = row
        return row

    def models(self, names: Sequence[str]) -> list[ModelRow]:
        """Return registered models."""
        if any(name not in self._memory.models for name in names):
            times = self._registry.activities()
            for name in names:
                contents = self._contents(name)
                self._memory.models[name] = ModelRow(
                    contents.model,
                    contents.versions,
                    times.get(name, Timestamps()),
                    contents.elsewhere,
                )
        return [self.model(name) for name in names]

    def _contents(self, name: str) -> _Contents:
        # What cannot be a model's name is none of a model, too.
        identity = self._snapshot.identity(layout.model_path(name)) if is_model_name(name) else None
        which, found = self._known.models.get(name, (None, None))
        if found is None or which != identity:
            try:
                self.state.check_model(name)
            except InvalidRequest as error:
                raise self._missing(name, error) from None
            found = self._read_contents(name)
            self._known.models[name] = (str(identity), found)
        return found

    def _missing(self, name: str, error: InvalidRequest) -> GitregError:
        if not self.state.exists():
            return NotFound("there is no registry in this repository", hint="gitreg init makes one")
        why = f"{error}; {error.hint}" if error.hint else str(error)
        return NotFound(f"Registered Model with name={name} not found", hint=why)

    def _read_contents(self, name: str) -> _Contents:
        said = self.state.model_annotations(name)
        there = self._versions_there(name)
        pointers = replace(
            self.state.pointers(name),
            latest=next(reversed(there), None),
            description=said.description,
            owner=said.owner,
            tags=said.tags,
        )
        return _Contents(pointers, there, _elsewhere(said.created_at))

    def _versions_there(self, name: str) -> dict[int, str]:
        """Return the versions that are there, ascending, each with Git's name of its folder."""
        folder = layout.versions_path(name)
        identity = self._snapshot.identity(folder)
        which, found = self._known.folders.get(name, (None, None))
        if found is None or which != identity:
            versions = {
                number: inner
                for entry, inner in self._snapshot.identities(folder).items()
                if (number := layout.version_of_folder(entry)) is not None
            }
            facts = self._facts(name, versions)
            found = {n: versions[n] for n in sorted(versions) if facts[n] is not None}
            self._known.folders[name] = (str(identity), found)
        return found

    def _facts(self, name: str, versions: Mapping[int, str]) -> dict[int, ModelVersion | None]:
        """Return what folders of versions hold, ``None`` for a deleted one; placed by nothing.

        Those that are not known yet are read in a few batches.
        """
        known = self._known.versions
        held = {n: known.get((name, n), ("", None)) for n in versions}
        new = [n for n, which in versions.items() if held[n][0] != which]
        folders = [layout.version_path(name, n) for n in new]
        files = self._snapshot.list_many(folders)
        self._snapshot.read_many(
            [
                f"{folder}/{file}"
                for folder, inside in zip(folders, files, strict=True)
                for file in inside
                if file.endswith((".yaml", ".dvc"))
            ]
        )
        unplaced = Model(name, None)
        for number, inside in zip(new, files, strict=True):
            found = self.state.version_of(unplaced, number) if _MANIFEST in inside else None
            held[number] = known[name, number] = (versions[number], found)
        return {number: found for number, (_, found) in held.items()}

    @property
    def names(self) -> list[str]:
        """The names of all models, sorted."""
        if self._memory.names is None:
            self._memory.names = self._read_names()
        return self._memory.names

    def _read_names(self) -> list[str]:
        folders = self._snapshot.identities(layout.ROOT)
        named = {layout.model_of_folder(folder): which for folder, which in folders.items()}
        candidates = {name: which for name, which in named.items() if name is not None}
        held = self._known.models
        known = {n for n, which in candidates.items() if held.get(n, ("",))[0] == which}
        new = [name for name in candidates if name not in known]
        self._snapshot.list_many([layout.model_path(name) for name in new])
        return sorted({*known, *(name for name in new if self.state.has_model(name))})

    # Versions

    def version(self, name: str, number: int) -> VersionRow:
        """Return a version.

        Raises:
            NotFound: there is no such model or version.
        """
        row = self._memory.versions.get((name, number))
        if row is None:
            row = self._memory.versions[name, number] = self._placed(self.model(name), number)
        return row

    def versions(self, name: str) -> list[VersionRow]:
        """Return all versions of a model, ascending."""
        return [self.version(name, number) for number in self.model(name).versions]

    def _placed(self, model: ModelRow, number: int) -> VersionRow:
        """Return a version with what its model says of it: pointers and times."""
        which = model.versions.get(number)
        if which is None:
            raise NotFound(f"Model Version (name={model.name}, version={number}) not found")
        found = self._facts(model.name, {number: which})[number]
        assert found is not None
        facts = replace(
            found,
            stage=model.stages.get(number),
            aliases=model.model.aliases_of(number),
            read_from=self.state.commit,
        )
        created = _elsewhere(facts.created_at)
        if created is None:
            created = model.times.registered.get(number, 0)
        return VersionRow(facts, created, model.times.versions.get(number, 0))

    def requirements(self, version: ModelVersion) -> bytes | None:
        """Return the frozen environment of a version, ``None`` when it has none."""
        path = layout.version_path(version.model, version.version, layout.REQUIREMENTS)
        return self.state.snapshot.read(path)


def _elsewhere(created_at: str | None) -> int | None:
    """Return when that was for what came from elsewhere: gitreg itself says whole seconds."""
    return milliseconds(created_at) if created_at and "." in created_at else None
