"""`RegistryState`: the registry at one commit, read lazily and never changed.

It asks a `Snapshot` for files and folders; Git gives one for a commit, a test one from a dict.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn, Protocol

from gitreg import core
from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Annotations, Model, ModelVersion
from gitreg.core.model.names import (
    NO_STAGE,
    Reference,
    check_model_name,
    fold,
    format_version,
)
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import GitregError, InvalidDocument, NotFound

# Resolving a reference needs no rules: a serving process does not wait for them.

_POINTERS = ("stages", "aliases")


class Snapshot(Protocol):
    """The files of one commit. They never change, so that they can be cached."""

    @property
    def commit(self) -> str | None:
        """The commit, 40 hex digits; ``None`` before the first one."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or ``None`` when there is no such file."""

    def list(self, path: str) -> Sequence[str]:
        """Return the names in a folder; an absent folder has none."""

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """Return the contents of several files."""

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        """Return the names in several folders."""


class _Overlaid:
    """A snapshot with a change on top of it."""

    def __init__(self, below: Snapshot, files: Mapping[str, bytes | None]) -> None:
        self._below = below
        self._files = files
        self._changed: dict[str, set[str]] = {}
        for file in files:
            inside = file
            while "/" in inside:
                inside, _, name = inside.rpartition("/")
                self._changed.setdefault(inside, set()).add(name)

    @property
    def commit(self) -> str | None:
        return self._below.commit

    def read(self, path: str) -> bytes | None:
        return self._files[path] if path in self._files else self._below.read(path)

    def list(self, path: str) -> Sequence[str]:
        changed = self._changed.get(path, set())
        kept = [name for name in self._below.list(path) if name not in changed]
        return kept + [name for name in sorted(changed) if self._has(f"{path}/{name}")]

    def _has(self, path: str) -> bool:
        """Tell whether something exists at a path; a folder exists while it has a file."""
        return self.read(path) is not None or bool(self.list(path))

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]


@contextlib.contextmanager
def _collected(broken: list[GitregError]) -> Iterator[None]:
    """Collect the error of a file that does not parse."""
    try:
        yield
    except InvalidDocument as error:
        broken.append(error)


def _makes_a_model(names: Sequence[str]) -> bool:
    """Tell whether a folder with these names holds a model, not only its tombstone."""
    return "versions" in names or "model.yaml" in names


class RegistryState:
    """Queries over a registry at a commit."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._policy: core.policy.Policy | None = None

    @property
    def commit(self) -> str | None:
        """The commit that is read."""
        return self.snapshot.commit

    @property
    def policy(self) -> core.policy.Policy:
        """The rules in force."""
        if self._policy is None:
            from gitreg.core.policy import read_policy

            self._policy = read_policy(self.snapshot.read(layout.POLICY), layout.POLICY)
        return self._policy

    def after(self, files: Mapping[str, bytes | None]) -> RegistryState:
        """Return the state after a change that is not committed yet.

        Args:
            files: path to its new content, ``None`` to remove it.
        """
        later = RegistryState(_Overlaid(self.snapshot, files))
        return later if layout.POLICY in files else later._ruled_like(self)

    def ruled_by(self, policy: core.policy.Policy) -> RegistryState:
        """Return the same state under another policy, such as one that is not committed yet."""
        other = RegistryState(self.snapshot)
        other._policy = policy
        return other

    def _ruled_like(self, other: RegistryState) -> RegistryState:
        self._policy = other._policy
        return self

    def exists(self) -> bool:
        """Tell whether there is a registry at this commit."""
        return bool(self.snapshot.list(layout.ROOT))

    # Models and versions

    def model_names(self) -> list[str]:
        """Return the names of all models, sorted."""
        names = self._names_taken()
        folders = self.snapshot.list_many([layout.model_path(name) for name in names])
        return [n for n, inside in zip(names, folders, strict=True) if _makes_a_model(inside)]

    def _names_taken(self) -> list[str]:
        """Return the names that have a folder, sorted, also those of deleted models."""
        found = map(layout.model_of_folder, self.snapshot.list(layout.ROOT))
        return sorted(name for name in found if name is not None)

    def has_model(self, name: str) -> bool:
        """Tell whether a model exists: it has versions, deleted ones too, or a ``model.yaml``."""
        return _makes_a_model(self.snapshot.list(layout.model_path(name)))

    def tombstone(self, name: str) -> Tombstone | None:
        """Return the tombstone of a deleted or renamed model, if there is one."""
        path = layout.model_tombstone_path(name)
        data = self.snapshot.read(path)
        return None if data is None else manifest.read_tombstone(data, path)

    def check_model(self, name: str) -> str:
        """Return ``name`` if such a model exists.

        Raises:
            NotFound: it does not; the hint names the near misses. If the model was deleted, the
                error says who did it and why; if it was renamed, its new name.
        """
        check_model_name(name)
        if not self.has_model(name):
            self.refuse_gone(name)
            names = self.model_names()
            hint = did_you_mean(name, names)
            if not names:
                hint = "the registry is empty: gitreg register --help shows how to add a model"
            raise NotFound(f"no model {name!r}", hint=hint or "gitreg list shows what there is")
        return name

    def refuse_gone(self, name: str) -> None:
        """Return if no model of this name was deleted or renamed.

        Raises:
            NotFound: one was; the error says who did it.
        """
        gone = self.tombstone(name)
        if gone is None:
            return
        became = f" to {gone.renamed_to!r}" if gone.renamed_to else ""
        why = f": {gone.reason}" if gone.reason else ""
        raise NotFound(
            f"the model {name!r} was {'renamed' if became else 'deleted'}{became} by"
            f" {gone.deleted_by} at {gone.deleted_at}{why}",
            hint=None
            if became
            else f"gitreg create {name} starts a new model of that name, at version 1",
        )

    def same_name(self, name: str) -> str | None:
        """Return the name with a folder that differs only by case or Unicode form, if any."""
        taken = self._names_taken()
        return next((other for other in taken if other != name and fold(other) == fold(name)), None)

    def numbers(self, model: str) -> list[int]:
        """Return the numbers of all versions, ascending, deleted ones too."""
        folders = self.snapshot.list(layout.versions_path(model))
        found = (layout.version_of_folder(folder) for folder in folders)
        return sorted(number for number in found if number is not None)

    def versions(self, model: str) -> list[int]:
        """Return the numbers of the versions that are not deleted, ascending."""
        numbers = self.numbers(model)
        folders = self.snapshot.list_many([layout.version_path(model, n) for n in numbers])
        return [n for n, files in zip(numbers, folders, strict=True) if "manifest.yaml" in files]

    def latest(self, model: str) -> int | None:
        """Return the highest version that is not deleted."""
        for number in reversed(self.numbers(model)):
            if self._lists(model, number):
                return number
        return None

    def has_version(self, model: str, version: int) -> bool:
        """Tell whether a version exists and is not deleted."""
        return self.snapshot.read(layout.manifest_path(model, version)) is not None

    def _lists(self, model: str, version: int) -> bool:
        """Tell the same by the folder's listing: a light copy would have to fetch the manifest."""
        return "manifest.yaml" in self.snapshot.list(layout.version_path(model, version))

    def check_version(self, model: str, version: int) -> int:
        """Return ``version`` if it exists.

        Raises:
            NotFound: it was never registered, or it was deleted; then the error says who did it.
        """
        if not self._lists(model, version):
            self._fail_missing(model, version)
        return version

    def _fail_missing(self, model: str, version: int) -> NoReturn:
        self.check_model(model)
        path = layout.tombstone_path(model, version)
        tombstone = self.snapshot.read(path)
        if tombstone is not None:
            gone = manifest.read_tombstone(tombstone, path)
            why = f": {gone.reason}" if gone.reason else ""
            raise NotFound(
                f"{format_version(model, version)} was deleted by {gone.deleted_by}"
                f" at {gone.deleted_at}{why}"
            )
        have = self.versions(model)
        known = f"versions {have[0]} to {have[-1]}" if have else "no versions"
        raise NotFound(f"no {format_version(model, version)}: {model} has {known}")

    # Pointers

    def stage(self, model: str, stage: str) -> tuple[int, ...]:
        """Return the versions that a stage holds, ascending."""
        path = layout.stage_path(model, stage)
        return manifest.read_versions(self.snapshot.read(path), path)

    def stages(self, model: str) -> dict[str, tuple[int, ...]]:
        """Return the stages that hold something, with their versions; the archive comes last."""
        found = self._pointers(model, "stages")
        return {
            name: versions
            for name in sorted(found, key=layout.stage_order)
            if (versions := manifest.read_versions(found[name], layout.stage_path(model, name)))
        }

    def alias(self, model: str, alias: str) -> int | None:
        """Return the version that an alias names, or ``None``."""
        path = layout.alias_path(model, alias)
        data = self.snapshot.read(path)
        return None if data is None else manifest.read_alias(data, path)

    def aliases(self, model: str) -> dict[str, int]:
        """Return all aliases of a model, sorted by name."""
        found = self._pointers(model, "aliases")
        return {
            name: manifest.read_alias(found[name], layout.alias_path(model, name))
            for name in sorted(found)
        }

    def _pointers(self, model: str, kind: layout.PointerKind) -> dict[str, bytes]:
        folder = f"{layout.model_path(model)}/{kind}"
        files = self.snapshot.list(folder)
        contents = self.snapshot.read_many([f"{folder}/{file}" for file in files])
        return {
            name: content
            for file, content in zip(files, contents, strict=True)
            if (name := layout.pointer_name(file, kind)) and content is not None
        }

    def stage_of(self, model: str, version: int) -> str | None:
        """Return the stage that holds a version, or ``None``."""
        return Model(model, None, self.stages(model)).stage_of(version)

    # Whole values

    def files(self, model: str) -> dict[str, bytes]:
        """Return all files of a model, path to content, sorted by path."""
        found: dict[str, bytes] = {}
        folders = [layout.model_path(model)]
        while folders:
            listed = zip(folders, self.snapshot.list_many(folders), strict=True)
            paths = [f"{folder}/{name}" for folder, names in listed for name in names]
            contents = dict(zip(paths, self.snapshot.read_many(paths), strict=True))
            found |= {path: data for path, data in contents.items() if data is not None}
            folders = [path for path, data in contents.items() if data is None]
        return dict(sorted(found.items()))

    def model(self, name: str) -> Model:
        """Return a model with its pointers."""
        self.check_model(name)
        said = self.model_annotations(name)
        return Model(
            name,
            self.latest(name),
            self.stages(name),
            self.aliases(name),
            said.description,
            said.owner,
            said.tags,
        )

    def readable_pointers(self, name: str, broken: list[GitregError]) -> Model:
        """Return those of a model's pointers that parse.

        Args:
            name: the model.
            broken: takes an error for each file that does not parse; it names the file.
        """
        stages: dict[str, tuple[int, ...]] = {}
        aliases: dict[str, int] = {}
        for stage in sorted(self._pointers(name, "stages"), key=layout.stage_order):
            with _collected(broken):
                stages[stage] = self.stage(name, stage)
        for alias in sorted(self._pointers(name, "aliases")):
            with _collected(broken):
                aliases[alias] = self.alias(name, alias) or 0
        return Model(name, None, {stage: held for stage, held in stages.items() if held}, aliases)

    def readable_model(self, name: str, broken: list[GitregError]) -> Model:
        """Return what can be read of a model; see `readable_pointers`."""
        found = replace(self.readable_pointers(name, broken), latest=self.latest(name))
        said = Annotations()
        with _collected(broken):
            said = self.model_annotations(name)
        return replace(found, description=said.description, owner=said.owner, tags=said.tags)

    def models(self, broken: list[GitregError] | None = None) -> Iterator[Model]:
        """Yield all models with their pointers, by name.

        Args:
            broken: takes an error for each file that does not parse, and the rest is yielded;
                without it, the first such file raises.

        What all of them need is read ahead in a few batches; a snapshot remembers it.
        """
        names = self.model_names()
        folders = [layout.model_path(name) for name in names]
        wanted = [f"{folder}/model.yaml" for folder in folders]
        for kind in ("stages", "aliases"):
            paths = [f"{folder}/{kind}" for folder in folders]
            for path, files in zip(paths, self.snapshot.list_many(paths), strict=True):
                wanted += [f"{path}/{file}" for file in files]
        self.snapshot.list_many([layout.versions_path(name) for name in names])
        highest = ((name, self.numbers(name)) for name in names)
        newest = [layout.version_path(name, numbers[-1]) for name, numbers in highest if numbers]
        self.snapshot.list_many(newest)
        self.snapshot.read_many(wanted)
        for name in names:
            yield self.model(name) if broken is None else self.readable_model(name, broken)

    def read_ahead(self, models: Sequence[str]) -> None:
        """Read all documents of models in a few batches; the snapshot caches them."""
        versions = [layout.versions_path(name) for name in models]
        self.snapshot.list_many(versions)
        folders = [f"{layout.model_path(name)}/{kind}" for name in models for kind in _POINTERS]
        folders += [layout.version_path(name, n) for name in models for n in self.numbers(name)]
        files = zip(folders, self.snapshot.list_many(folders), strict=True)
        paths = [f"{folder}/{name}" for folder, names in files for name in names]
        self.snapshot.read_many([path for path in paths if path.endswith((".yaml", ".dvc"))])

    def model_annotations(self, name: str) -> Annotations:
        """Return a model's annotations."""
        path = layout.model_document_path(name)
        return manifest.read_model_document(self.snapshot.read(path), path)

    def annotations(self, model: str, version: int) -> Annotations:
        """Return a version's annotations."""
        path = layout.annotations_path(model, version)
        return manifest.read_annotations(self.snapshot.read(path), path)

    def version(self, model: str, version: int) -> ModelVersion:
        """Return a version with its stage, aliases and annotations.

        Raises:
            NotFound: it is not there.
            InvalidDocument: its manifest does not parse, or is another version's.
        """
        self._read_ahead(model, version)
        return self.version_of(self.pointers(model), version)

    def _read_ahead(self, model: str, version: int) -> None:
        """Read all files of a version at once; the snapshot caches them."""
        parts = ("stages", "aliases", f"versions/{version}")
        folders = [f"{layout.model_path(model)}/{part}" for part in parts]
        files = zip(folders, self.snapshot.list_many(folders), strict=True)
        paths = [f"{folder}/{name}" for folder, names in files for name in names]
        self.snapshot.read_many([path for path in paths if path.endswith((".yaml", ".dvc"))])

    def pointers(self, model: str) -> Model:
        """Return only a model's pointers, read once for many calls of `version_of`."""
        return Model(model, None, self.stages(model), self.aliases(model))

    def manifest(self, model: str, version: int) -> ModelVersion:
        """Return the immutable part of a version: its manifest, in one read.

        Raises:
            NotFound: it is not there.
            InvalidDocument: its manifest does not parse, or is another version's.
        """
        path = layout.manifest_path(model, version)
        data = self.snapshot.read(path)
        if data is None:
            self._fail_missing(model, version)
        found = manifest.read_manifest(data, path)
        if (found.model, found.version) != (model, version):
            raise InvalidDocument(f"{path}: it describes {found.reference}")
        return found

    def version_of(self, pointers: Model, version: int) -> ModelVersion:
        """Return a version with its stage and aliases, by pointers that were read before."""
        model = pointers.name
        found = self.manifest(model, version)
        said = self.annotations(model, version)
        return replace(
            found,
            artifact=replace(
                found.artifact, md5=self.artifact_md5(model, version, found.artifact.path)
            ),
            stage=pointers.stage_of(version),
            aliases=pointers.aliases_of(version),
            description=said.description,
            tags={key: value for key, value in said.tags.items() if value is not None},
            read_from=self.commit,
        )

    def artifact_md5(self, model: str, version: int, artifact: str) -> str:
        """Return the object name in DVC's cache of a version's artifact."""
        path = layout.dvc_pointer_path(model, version, artifact)
        data = self.snapshot.read(path)
        if data is None:
            raise InvalidDocument(f"{path}: missing; the version has a manifest without it")
        return manifest.read_dvc_pointer(data, path)

    def requirements(self, model: str, version: int) -> list[str]:
        """Return the lines of a version's frozen environment."""
        data = self.snapshot.read(layout.version_path(model, version, layout.REQUIREMENTS))
        return [] if data is None else data.decode("utf-8", "replace").splitlines()

    # References

    def resolve(self, reference: Reference) -> int:
        """Return the version that a reference names.

        Raises:
            NotFound: no such model, version, alias or stage, or an empty stage; near misses named.
        """
        model = reference.model
        if reference.version is not None:
            return self.check_version(model, reference.version)
        if reference.alias is not None:
            number = self._resolve_alias(model, reference.alias)
        elif reference.stage is not None:
            number = self._resolve_stage(model, reference.stage)
        elif reference.latest:
            self.check_model(model)
            latest = self.latest(model)
            if latest is None:
                left = "left: all were deleted" if self.numbers(model) else "yet"
                raise NotFound(f"{model} has no version {left}")
            return latest
        else:
            self.check_model(model)
            raise NotFound(
                f"{model!r} is a model: which version of it?",
                hint=f"{model}@latest is the newest; to choose one: gitreg list {model}",
            )
        if not self._lists(model, number):
            raise InvalidDocument(
                f"{reference} points at {format_version(model, number)}, which is not there",
                hint="gitreg doctor shows what else is wrong",
            )
        return number

    def _resolve_alias(self, model: str, alias: str) -> int:
        number = self.alias(model, alias)
        if number is None:
            self.check_model(model)
            known = self.aliases(model)
            hint = did_you_mean(alias, known)
            stage = alias.lower()
            if stage in (NO_STAGE, *self.policy.stages):
                hint = f"{stage} is a stage: {model}/{stage}"
            if hint is None:
                hint = f"it has {', '.join(known) or 'none'}"
            raise NotFound(f"{model!r} has no alias {alias!r}", hint=hint)
        return number

    def _resolve_stage(self, model: str, stage: str) -> int:
        if stage == NO_STAGE:
            self.check_model(model)
            staged = {n for versions in self.stages(model).values() for n in versions}
            versions = tuple(n for n in self.versions(model) if n not in staged)
        else:
            versions = self.stage(model, stage)
        if not versions:
            self.check_model(model)
            if stage != NO_STAGE and self.alias(model, stage) is not None:
                raise NotFound(f"{stage!r} is an alias of {model}", hint=f"{model}@{stage}")
            if stage != NO_STAGE:
                self.policy.stage(stage)
            raise NotFound(f"{model!r} has no version in stage {stage!r}")
        return versions[-1]
