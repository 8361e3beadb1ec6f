"""Reads the registry at one commit for the store, with two caches that all threads share.

A commit never changes, so a `CommitCache` keeps what was read at the current commit. A
`FolderCache` keeps the content of folders across commits, by Git's object name of the folder. Each
call uses a `Reading`, which has its own registry and both caches.
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
from gitreg.history.search_database import is_kept
from gitreg.history.searching import search
from gitreg.mlflow.search import PROMPTS, Query
from gitreg.registry import Registry

_MANIFEST = "manifest.yaml"


@dataclass(frozen=True)
class VersionRow:
    """A version as MLflow sees it.

    Attributes:
        facts: the version in the registry.
        created: when it was registered, in milliseconds since the epoch.
        updated: when it was last updated, in milliseconds since the epoch.
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
        """The version number."""
        return self.facts.version

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Its tags."""
        return self.facts.tags

    @property
    def source(self) -> str | None:
        """The URI from which it was registered."""
        return self.facts.lineage.source

    @property
    def run_id(self) -> str | None:
        """The id of the tracking run that produced it."""
        return self.facts.lineage.run.id if self.facts.lineage.run else None


@dataclass(frozen=True)
class ModelRow:
    """A registered model as MLflow sees it.

    Attributes:
        model: its pointers and annotations.
        versions: the existing versions, ascending, each with Git's object name of its folder.
        times: when the model and its versions were created and last updated.
        imported_at: when an imported model was created, in milliseconds since the epoch.
    """

    model: Model
    versions: Mapping[int, str]
    times: Timestamps
    imported_at: int | None = None

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
        return self.times.created if self.imported_at is None else self.imported_at

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
    """The content of a model's folder; for the attributes see `ModelRow`."""

    model: Model
    versions: Mapping[int, str]
    imported_at: int | None


class FolderCache:
    """A cache of folders' contents by Git's object name, valid for every commit.

    A new commit differs from the last one in one or two folders, so only those are read again. The
    cache keeps the latest content of each folder. Threads share it without a lock: if two of them
    store different contents, the object name shows which one a reader needs.
    """

    def __init__(self) -> None:
        self.models: dict[str, tuple[str, _Contents]] = {}
        self.folders: dict[str, tuple[str, dict[int, str]]] = {}
        self.versions: dict[tuple[str, int], tuple[str, ModelVersion | None]] = {}


@dataclass
class CommitCache:
    """A cache of the rows of one commit, for all threads."""

    commit: str | None
    models: dict[str, ModelRow] = field(default_factory=dict)
    versions: dict[tuple[str, int], VersionRow] = field(default_factory=dict)
    names: list[str] | None = None


class Reading:
    """The registry at one commit, for one call.

    Args:
        registry: reads what the caches do not have.
        state: the registry at the commit.
        commit_cache: the cache for that commit.
        folder_cache: the cache of folders.
    """

    def __init__(
        self,
        registry: Registry,
        state: RegistryState,
        commit_cache: CommitCache,
        folder_cache: FolderCache,
    ) -> None:
        self._registry = registry
        self.state = state
        self._commit_cache = commit_cache
        self._folder_cache = folder_cache
        assert isinstance(state.snapshot, CommitSnapshot)
        self._snapshot = state.snapshot

    # Models

    def model(self, name: str) -> ModelRow:
        """Return a registered model.

        Raises:
            NotFound: there is no model of that name.
        """
        row = self._commit_cache.models.get(name)
        if row is None:
            contents = self._contents(name)
            row = ModelRow(
                contents.model,
                contents.versions,
                self._registry.activity(name),
                contents.imported_at,
            )
            self._commit_cache.models[name] = row
        return row

    def models(self, names: Sequence[str]) -> list[ModelRow]:
        """Return registered models."""
        if any(name not in self._commit_cache.models for name in names):
            times = self._registry.activities()
            for name in names:
                contents = self._contents(name)
                self._commit_cache.models[name] = ModelRow(
                    contents.model,
                    contents.versions,
                    times.get(name, Timestamps()),
                    contents.imported_at,
                )
        return [self.model(name) for name in names]

    def _contents(self, name: str) -> _Contents:
        # A name that no model can have counts as a missing model.
        identity = self._snapshot.identity(layout.model_path(name)) if is_model_name(name) else None
        cached_identity, contents = self._folder_cache.models.get(name, (None, None))
        if contents is None or cached_identity != identity:
            try:
                self.state.check_model(name)
            except InvalidRequest as error:
                raise self._missing(name, error) from None
            contents = self._read_contents(name)
            self._folder_cache.models[name] = (str(identity), contents)
        return contents

    def _missing(self, name: str, error: InvalidRequest) -> GitregError:
        if not self.state.exists():
            return NotFound("there is no registry in this repository", hint="gitreg init makes one")
        why = f"{error}; {error.hint}" if error.hint else str(error)
        return NotFound(f"Registered Model with name={name} not found", hint=why)

    def _read_contents(self, name: str) -> _Contents:
        annotations = self.state.model_annotations(name)
        versions = self._existing_versions(name)
        model = replace(
            self.state.pointers(name),
            latest=next(reversed(versions), None),
            description=annotations.description,
            owner=annotations.owner,
            tags=annotations.tags,
        )
        return _Contents(model, versions, _imported_at(annotations.created_at))

    def _existing_versions(self, name: str) -> dict[int, str]:
        """Return the existing versions, ascending, each with Git's object name of its folder."""
        folder = layout.versions_path(name)
        identity = self._snapshot.identity(folder)
        cached_identity, found = self._folder_cache.folders.get(name, (None, None))
        if found is None or cached_identity != identity:
            versions = {
                number: inner
                for entry, inner in self._snapshot.identities(folder).items()
                if (number := layout.version_of_folder(entry)) is not None
            }
            facts = self._facts(name, versions)
            found = {n: versions[n] for n in sorted(versions) if facts[n] is not None}
            self._folder_cache.folders[name] = (str(identity), found)
        return found

    def _facts(self, name: str, versions: Mapping[int, str]) -> dict[int, ModelVersion | None]:
        """Return versions without stage and aliases; ``None`` for a deleted version.

        Versions that are not cached are read in a few batches.
        """
        cache = self._folder_cache.versions
        read = {n: cache.get((name, n), ("", None)) for n in versions}
        new = [n for n, identity in versions.items() if read[n][0] != identity]
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
            read[number] = cache[name, number] = (versions[number], found)
        return {number: found for number, (_, found) in read.items()}

    @property
    def names(self) -> list[str]:
        """The names of all models, sorted."""
        if self._commit_cache.names is None:
            self._commit_cache.names = self._read_names()
        return self._commit_cache.names

    def _read_names(self) -> list[str]:
        folders = self._snapshot.identities(layout.ROOT)
        named = {layout.model_of_folder(folder): identity for folder, identity in folders.items()}
        candidates = {name: identity for name, identity in named.items() if name is not None}
        cached = self._folder_cache.models
        known = {n for n, identity in candidates.items() if cached.get(n, ("",))[0] == identity}
        new = [name for name in candidates if name not in known]
        self._snapshot.list_many([layout.model_path(name) for name in new])
        return sorted({*known, *(name for name in new if self.state.has_model(name))})

    # Versions

    def version(self, name: str, number: int) -> VersionRow:
        """Return a version.

        Raises:
            NotFound: there is no such model or version.
        """
        row = self._commit_cache.versions.get((name, number))
        if row is None:
            try:
                model = self.model(name)
            except NotFound as error:
                if not self.state.exists():
                    raise
                raise NotFound(_no_version(name, number), hint=error.hint) from None
            row = self._commit_cache.versions[name, number] = self._placed(model, number)
        return row

    def versions(self, name: str) -> list[VersionRow]:
        """Return all versions of a model, ascending."""
        return [self.version(name, number) for number in self.model(name).versions]

    def matching(self, query: Query) -> list[VersionRow]:
        """Return the versions that may match a search, those of prompts only if it wants them."""
        wanted = query.candidates
        if wanted is None or not is_kept(self._registry.repository):
            names = [name for name in self.names if query.may_have(name)]
            return [row for model in self.models(names) for row in self.versions(model.name)]
        at = str(self.state.commit)
        found = search(self._registry, wanted, rev=at)
        prompts: set[str] = set()
        if found and not query.wants_prompts:
            prompts = {version.model for version in search(self._registry, PROMPTS, rev=at)}
        places = [(one.model, one.version) for one in found if one.model not in prompts]
        self.models(sorted({name for name, _ in places}))
        return [self.version(*place) for place in places]

    def _placed(self, model: ModelRow, number: int) -> VersionRow:
        """Return a version with its stage, aliases and times, which come from its model."""
        folder = model.versions.get(number)
        if folder is None:
            raise NotFound(_no_version(model.name, number))
        found = self._facts(model.name, {number: folder})[number]
        assert found is not None
        facts = replace(
            found,
            stage=model.stages.get(number),
            aliases=model.model.aliases_of(number),
            read_from=self.state.commit,
        )
        created = _imported_at(facts.created_at)
        if created is None:
            created = model.times.registered.get(number, 0)
        return VersionRow(facts, created, model.times.versions.get(number, 0))

    def requirements(self, version: ModelVersion) -> bytes | None:
        """Return the frozen environment of a version; ``None`` when it has none."""
        path = layout.version_path(version.model, version.version, layout.REQUIREMENTS)
        return self.state.snapshot.read(path)


def _no_version(name: str, number: int) -> str:
    return f"Model Version (name={name}, version={number}) not found"


def _imported_at(created_at: str | None) -> int | None:
    """Return the time of an import in milliseconds; gitreg's own times have whole seconds."""
    return milliseconds(created_at) if created_at and "." in created_at else None
