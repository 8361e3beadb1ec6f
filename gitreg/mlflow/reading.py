"""What the store reads: the registry at one commit, each thing once, whichever thread asks first.

A commit never changes, so what was read at it holds for as long as the branch is there. A
`Memory` keeps that for all threads; a `Reading` is one call's way to it, by a registry of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from gitreg import layout
from gitreg.activity import Activity
from gitreg.errors import GitregError, InvalidRequest, NotFound
from gitreg.instants import milliseconds
from gitreg.model import Model, ModelVersion
from gitreg.registry import Registry
from gitreg.state import RegistryState


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
        numbers: the versions that are there, ascending.
        times: when it and its versions were created and last updated.
    """

    model: Model
    numbers: tuple[int, ...]
    times: Activity

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
        return self.times.created

    @property
    def updated(self) -> int:
        """When it was last updated, in milliseconds since the epoch."""
        return self.times.updated

    @cached_property
    def stages(self) -> Mapping[int, str]:
        """The stage of each version that is in one."""
        return {n: stage for stage, held in self.model.stages.items() for n in held}


@dataclass
class Memory:
    """What is known of one commit. Two threads may learn the same at once; it is the same."""

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
    """

    def __init__(self, registry: Registry, state: RegistryState, memory: Memory) -> None:
        self._registry = registry
        self.state = state
        self._memory = memory

    def model(self, name: str) -> ModelRow:
        """Return a registered model.

        Raises:
            NotFound: there is none of that name.
        """
        row = self._memory.models.get(name)
        if row is None:
            row = self._memory.models[name] = self._read_model(name)
        return row

    def _read_model(self, name: str) -> ModelRow:
        try:
            self.state.check_model(name)
        except InvalidRequest as error:  # what cannot be a model's name is none of a model, too
            raise self._missing(name, error) from None
        pointers = self.state.pointers(name)
        said = self.state.model_annotations(name)
        numbers = tuple(self.state.versions(name))
        model = replace(
            pointers,
            latest=numbers[-1] if numbers else None,
            description=said.description,
            owner=said.owner,
            tags=said.tags,
        )
        return ModelRow(model, numbers, self._registry.activity(name))

    def _missing(self, name: str, error: InvalidRequest) -> GitregError:
        if not self.state.exists():
            return NotFound("there is no registry in this repository", hint="gitreg init makes one")
        why = f"{error}; {error.hint}" if error.hint else str(error)
        return NotFound(f"Registered Model with name={name} not found", hint=why)

    def version(self, name: str, number: int) -> VersionRow:
        """Return a version.

        Raises:
            NotFound: there is no such model or version.
        """
        row = self._memory.versions.get((name, number))
        if row is None:
            row = self._memory.versions[name, number] = self._read_version(name, number)
        return row

    def _read_version(self, name: str, number: int) -> VersionRow:
        model = self.model(name)
        if number not in model.numbers:
            raise NotFound(f"Model Version (name={name}, version={number}) not found")
        times = model.times
        facts = self.state.version_of(model.model, number)
        created = times.registered.get(number, 0)
        if "." in facts.created_at:  # it was registered elsewhere, and came here later
            created = milliseconds(facts.created_at)
        return VersionRow(facts, created, times.versions.get(number, 0))

    def versions(self, name: str) -> list[VersionRow]:
        """Return all versions of a model, ascending."""
        model = self.model(name)
        if any((name, number) not in self._memory.versions for number in model.numbers):
            self.state.read_ahead([name])
        return [self.version(name, number) for number in model.numbers]

    def whole_version(self, name: str, number: int) -> ModelVersion:
        """Return a version with all that is known of it, its name in DVC's cache too."""
        return self.version(name, number).facts

    def requirements(self, version: ModelVersion) -> bytes | None:
        """Return the frozen environment of a version, ``None`` when it has none."""
        path = layout.version_path(version.model, version.version, layout.REQUIREMENTS)
        return self.state.snapshot.read(path)

    @property
    def names(self) -> list[str]:
        """The names of all models, sorted."""
        if self._memory.names is None:
            self._memory.names = self.state.model_names()
        return self._memory.names
