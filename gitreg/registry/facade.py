"""`Registry`: everything that gitreg does, as a Python API.

    from gitreg import Registry

    registry = Registry(".")
    version = registry.resolve("churn-predictor@champion")
    path = registry.pull(version)                  # a verified local path

A version is named by a reference (``"churn-predictor@champion"``, see `gitreg.core.model.names`), or by the
keywords ``name`` and one of ``version``, ``alias`` and ``stage``. Reads take ``rev`` (any commit)
and ``at`` (a moment). Nothing is printed, asked or changed outside the repository.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gitreg.core.model import layout
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Artifact, Model, ModelVersion, Resolved
from gitreg.core.model.names import (
    ARCHIVE,
    Reference,
    check_model_name,
    check_operation_id,
    check_stage_name,
    parse_reference,
)
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository

# What a plain read does not need it does not import: `gitreg resolve` is on the path of a
# serving process's start.
if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self  # in typing itself since Python 3.11

    from gitreg.approvals.giving import ApprovalPreview
    from gitreg.approvals.stored import StoredApproval
    from gitreg.artifacts.provenance import Provenance
    from gitreg.artifacts.store import ArtifactStore
    from gitreg.check import CheckReport
    from gitreg.core.documents.yaml import Value
    from gitreg.core.operations.judging import Mover
    from gitreg.core.operations.rollback import RollbackPlan
    from gitreg.core.policy import Judgement, Policy
    from gitreg.core.state.change import Change
    from gitreg.core.state.compare import Comparison
    from gitreg.core.state.history import Event
    from gitreg.core.state.timestamps import Timestamps
    from gitreg.dvc.digest import Progress
    from gitreg.findings import Finding
    from gitreg.git.copies import Copy
    from gitreg.git.history_index import HistoryIndex
    from gitreg.git.objects import CommitSnapshot
    from gitreg.publishing.clone import Clone
    from gitreg.publishing.publisher import Publisher
    from gitreg.publishing.outcome import Outcome
    from gitreg.core.operations import Operation
    from gitreg.publishing.synchronise import FetchReport, PushReport, Synchroniser
    from gitreg.publishing.tags import TagReport
    from gitreg.review.reviewer import Reviewer
    from gitreg.review.workflows import HostFile

ReferenceLike: TypeAlias = "str | Reference | Resolved | ModelVersion"


class Registry:
    """A registry in a Git repository.

    One may be handed from thread to thread, and used by one of them at a time; after a fork a child
    may go on with it.

    Args:
        location: a folder in the repository (a bare one too), or the URL of a repository, of
            which a copy is kept in the user's cache and brought up to date when it is first read.
        progress: told the bytes done of long transfers.
        allow_rewind: accept that the branch behind a URL went backwards or sideways since it was
            seen last. Without it such a read raises `GitError`, as it does when the URL cannot
            be reached and there is no copy to answer from.

    Raises:
        InvalidRequest: ``location`` is neither.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] = ".",
        *,
        progress: Progress | None = None,
        allow_rewind: bool = False,
    ) -> None:
        self._progress = progress
        self._url: str | None = None
        self._base: Path | None = None
        self._allow_rewind = allow_rewind
        self._last_state: RegistryState | None = None
        if not isinstance(location, (str, os.PathLike)):
            raise InvalidRequest(f"a registry is at a path or a URL, not {type(location).__name__}")
        # An empty text is a variable that was not set. Of a name too long, Path.is_dir raises.
        if str(location) and os.path.isdir(location):  # noqa: PTH112
            self._repository = GitRepository(Path(location))
            return
        from gitreg.git import copies

        self._url = copies.check_url(str(location))
        self._base = _work_tree_of(str(location))

    @classmethod
    def init(cls, location: str | os.PathLike[str] = ".") -> Outcome:
        """Make a registry: ``git init`` and ``dvc init`` as needed, the policy, one commit.

        Returns:
            The commit; an outcome without edits when everything was there already.
        """
        from gitreg.publishing.init import initialise

        return initialise(Path(location))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes that read objects and close the history index."""
        for part in ("_repository", "_light", "_history"):
            if part in self.__dict__:
                (self._light.repository if part == "_light" else getattr(self, part)).close()

    @property
    def url(self) -> str | None:
        """The URL by which the registry is used, with its login; of one in a folder ``None``."""
        return self._url

    @property
    def name(self) -> str:
        """What people call the repository: the end of the URL that it is at, or of its folder."""
        where = self._url or self._repository.config("remote.origin.url")
        if where is None:
            where = str(self._repository.top_level or self._repository.folder)
        return re.split("[/:]", where.rstrip("/"))[-1].removesuffix(".git") or "registry"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of where the answers so far came from.

        Of a URL that cannot be reached: why, and how old the copy is that answered instead.
        """
        opened = [self.__dict__.get(part) for part in ("_light", "_complete")]
        stale = [copy.stale for copy in opened if copy is not None and copy.stale]
        return tuple(dict.fromkeys(stale))

    @property
    def private_dir(self) -> Path:
        """The folder for what belongs to this clone alone, such as its index of history."""
        return self._repository.private_dir

    @contextmanager
    def authored_by(self, name: str, email: str) -> Iterator[None]:
        """Let the commits made meanwhile have somebody else as author; the committer stays.

        For a server that knows who asks. Rules on who moves or registers a version, and what is
        said of who did, go by the author; a signature is the committer's.

        Raises:
            InvalidRequest: it is no name or address that Git can hold.
        """
        with self._repository.authored_by(name, email):
            yield

    # Parts, made when they are first needed

    @cached_property
    def _repository(self) -> GitRepository:
        """The repository with all of its history; of a URL the complete copy."""
        return self._complete.repository

    @cached_property
    def _complete(self) -> Copy:
        return self._open_copy(light=False)

    @cached_property
    def _light(self) -> Copy:
        """A copy of a URL from which a few files of the tip can be read."""
        return self._open_copy(light=True)

    def _open_copy(self, *, light: bool) -> Copy:
        from gitreg.git.copies import open_copy

        copy = open_copy(str(self._url), light=light, allow_rewind=self._allow_rewind)
        self._allow_rewind = False  # accepted once, not whatever happens from now on
        return copy

    @cached_property
    def _history(self) -> HistoryIndex:
        from gitreg.git.history_index import HistoryIndex

        return HistoryIndex(self._repository)

    @cached_property
    def _artifacts(self) -> ArtifactStore:
        from gitreg.artifacts.store import ArtifactStore

        if self._url is None:
            return ArtifactStore(self._repository, self._base)
        from gitreg.git.copies import copies_folder

        # Whichever copy names them, the bytes are pulled once.
        opened = self._repository if "_repository" in self.__dict__ else self._light.repository
        return ArtifactStore(opened, self._base, copies_folder(self._url).resolve() / "repository.git")

    @cached_property
    def _clone(self) -> Clone:
        from gitreg.publishing.clone import Clone

        return Clone(self._repository, self._history, self._url)

    @cached_property
    def _publisher(self) -> Publisher:
        from gitreg.publishing.publisher import Publisher

        return Publisher(self._repository, self._history, self._clone, self._send)

    @cached_property
    def _reviewer(self) -> Reviewer:
        from gitreg.review.reviewer import Reviewer

        return Reviewer(self._repository, self._publisher, self._clone.push_url)

    @cached_property
    def _synchroniser(self) -> Synchroniser:
        from gitreg.publishing.synchronise import Synchroniser

        if self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL has nothing to fetch or push",
                hint="its copy is brought up to date at every start, and what is written published",
            )
        return Synchroniser(self._repository, self._history, self._clone, self._send, self._mover)

    def _send(self, state: RegistryState, versions: Iterable[tuple[str, int]]) -> None:
        self._artifacts.send(state, versions, self._progress)

    # Where to read

    def state(self, *, rev: str | None = None, at: str | None = None) -> RegistryState:
        """Return the registry at the tip, at a commit, or at the commit that was the tip then.

        Args:
            rev: any commit: a branch, a tag, a hash, ``HEAD~2``.
            at: a moment; see `gitreg.core.text.times.parse_instant`.

        Raises:
            NotFound: there is no such commit, or none that old.
            InvalidRequest: both are given, or one is malformed.
        """
        if rev is not None and at is not None:
            raise InvalidRequest("give --rev or --at, not both")
        if rev is not None:
            commit: str | None = self._repository.parse_revision(rev)
        else:
            commit = self._repository.head_commit()
        if at is not None and commit is not None:
            from gitreg.core.text.times import parse_instant

            commit = self._repository.tip_at(commit, parse_instant(at))
            if commit is None:
                raise NotFound(f"no commit is as old as {at}")
        return self._state_of(self._repository.snapshot(commit))

    def _state_of(self, snapshot: CommitSnapshot) -> RegistryState:
        if self._last_state is None or self._last_state.snapshot is not snapshot:
            self._last_state = RegistryState(snapshot)
        return self._last_state

    @property
    def commit(self) -> str | None:
        """The commit that the registry is at, 40 hex digits; ``None`` before the first one.

        Whatever was read is the same for as long as this is.
        """
        return self._glance(None, None).commit

    def _glance(self, rev: str | None, at: str | None) -> RegistryState:
        """Return the registry as `state` does, to read a few files of it and no history."""
        if self._url is None or "_repository" in self.__dict__ or at is not None:
            return self.state(rev=rev, at=at)
        if rev is None or ("_light" in self.__dict__ and rev == self._light.commit):
            return self._state_of(self._light.repository.snapshot(self._light.commit))
        return self.state(rev=rev)

    def _past(self, state: RegistryState) -> HistoryIndex:
        self._history.advance(str(_existing(state).commit))
        return self._history

    # Reads

    def resolve(
        self,
        reference: ReferenceLike | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        stage: str | None = None,
        rev: str | None = None,
        at: str | None = None,
    ) -> Resolved:
        """Return which version a reference names, and the commit that says so.

        Raises:
            NotFound: no such model, version, alias or stage; the hint names the near misses.
        """
        wanted = _reference(reference, name, version, alias, stage)
        state = self._glance(rev, at)
        number = _resolve(state, wanted)
        return Resolved(wanted.model, number, str(state.commit))

    def show(
        self,
        reference: ReferenceLike | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        stage: str | None = None,
        rev: str | None = None,
        at: str | None = None,
    ) -> ModelVersion:
        """Return a version: its manifest, pointers, annotations and registering commit."""
        wanted = _reference(reference, name, version, alias, stage)
        state = self.state(rev=rev, at=at)
        return self._show(state, wanted)

    def _show(self, state: RegistryState, wanted: Reference) -> ModelVersion:
        found = state.version(wanted.model, _resolve(state, wanted))
        commit = self._past(state).registering_commit(found.model, found.version)
        return replace(found, commit=commit)

    def models(self, *, rev: str | None = None, at: str | None = None) -> list[Model]:
        """Return all models with their pointers, by name."""
        return list(_existing(self.state(rev=rev, at=at)).models())

    def model(self, name: str, *, rev: str | None = None, at: str | None = None) -> Model:
        """Return one model with its pointers."""
        return _existing(self.state(rev=rev, at=at)).model(name)

    def approvals(
        self,
        reference: ReferenceLike,
        *,
        rev: str | None = None,
        at: str | None = None,
    ) -> list[StoredApproval]:
        """Return the approvals of a version, and whether each verifies.

        By the policy as it is, for a move as it would be made now; of a version that is in the
        stage already, for the move that brought it there.

        Raises:
            GitError: there are some, and ``ssh-keygen`` is not there.
        """
        from gitreg.approvals.stored import stored_approvals

        wanted = _reference(reference)
        state = self.state(rev=rev, at=at)
        found = state.version(wanted.model, _resolve(state, wanted))
        past = self._past(state)
        return stored_approvals(
            state,
            lambda: self._repository.root_of(str(state.commit)),
            found,
            lambda stage: past.held_before(found.model, found.version, stage),
        )

    def versions(
        self, name: str, *, rev: str | None = None, at: str | None = None
    ) -> list[ModelVersion]:
        """Return the versions of a model, newest first."""
        state = _existing(self.state(rev=rev, at=at))
        state.check_model(name)
        state.read_ahead([name])
        pointers = state.pointers(name)
        commits = self._past(state).registering_commits(name)
        return [
            replace(state.version_of(pointers, number), commit=commits.get(number))
            for number in reversed(state.versions(name))
        ]

    def log(
        self,
        reference: ReferenceLike | None = None,
        *,
        limit: int | None = None,
        rev: str | None = None,
        at: str | None = None,
    ) -> list[Event]:
        """Return what happened, newest first: to all models, one, or one of its pointers.

        Args:
            reference: a model (``churn-predictor``), a stage or an alias of one, or one version.
            limit: the most events that are returned.
            rev: read the history of this commit.
            at: read the history up to this moment.
        """
        state = self.state(rev=rev, at=at)
        past = self._past(state)
        if limit is not None and limit < 0:
            raise InvalidRequest(f"limit: {limit} is less than 0")
        most = -1 if limit is None else limit
        if reference is None:
            return past.events(limit=most)
        wanted = _reference(reference)
        if wanted.is_model and state.tombstone(wanted.model) is not None:
            return past.events(wanted.model, limit=most)  # a deleted or renamed one has a past, too
        model = state.check_model(wanted.model)
        if wanted.is_model:
            return past.events(model, limit=most)
        if wanted.alias is not None or wanted.stage is not None:
            pointer = f"aliases/{wanted.alias}" if wanted.alias else f"stages/{wanted.stage}"
            found = past.events(model, pointer, limit=most)
            if not found:
                state.resolve(wanted)  # says what is wrong with the name, if it is wrong
            return found
        number = wanted.version
        if number is None or number not in state.numbers(model):  # a deleted one has a past, too
            number = state.resolve(wanted)
        events = [event for event in past.events(model) if _concerns(event, number)]
        return events[:limit]

    def activity(self, name: str, *, rev: str | None = None) -> Timestamps:
        """Return when a model and its versions came to be and last changed, by history.

        Raises:
            NotFound: there is no such model.
        """
        state = _existing(self.state(rev=rev))
        model = state.check_model(name)
        return self._past(state).activity(model)

    def activities(self, *, rev: str | None = None) -> dict[str, Timestamps]:
        """Return the same of all models that are there, by name."""
        from gitreg.core.state.timestamps import Timestamps

        state = _existing(self.state(rev=rev))
        found = self._past(state).activities()
        return {name: found.get(name, Timestamps()) for name in state.model_names()}

    def operation_of(self, commit: str) -> str | None:
        """Return the id of the operation that a commit did, ``None`` for what is no operation."""
        from gitreg.core.state.change import OPERATION, trailers_of

        return trailers_of(self._repository.message_of(commit)).get(OPERATION, (None,))[0]

    @property
    def is_shallow(self) -> bool:
        """Whether the clone's history is cut off, so that `log` tells only its end."""
        return self._repository.is_shallow

    def compare(
        self,
        a: ReferenceLike,
        b: ReferenceLike,
        *,
        rev: str | None = None,
        at: str | None = None,
    ) -> Comparison:
        """Return what differs between two versions; of the same model or of two."""
        from gitreg.core.state.compare import compare

        state = self.state(rev=rev, at=at)
        sides = [self._show(state, _reference(given)) for given in (a, b)]
        frozen = [state.requirements(side.model, side.version) for side in sides]
        return compare(sides[0], sides[1], *frozen)

    # Bytes

    def pull(
        self,
        reference: ReferenceLike | None = None,
        destination: str | os.PathLike[str] | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        stage: str | None = None,
        replace_existing: bool = False,
        rev: str | None = None,
        at: str | None = None,
    ) -> Path:
        """Return the local path of a version's artifact, its bytes checked by SHA-256.

        Args:
            reference: which version.
            destination: the folder that gets it, as ``DIR/model`` or ``DIR/model.pkl``; by default
                the version's own folder in the registry, which Git ignores.
            name: the model, instead of a reference.
            version: its number.
            alias: or an alias.
            stage: or a stage.
            replace_existing: whether something else of that name in ``destination`` may go.
            rev: read the registry at this commit.
            at: read the registry at this moment.

        Raises:
            DvcError: the bytes cannot be had, or are not what the manifest says.
        """
        wanted = _reference(reference, name, version, alias, stage)
        state = self._glance(rev, at)
        found = state.version(wanted.model, _resolve(state, wanted))
        return self._artifacts.deliver(
            state.snapshot,
            found,
            None if destination is None else Path(destination),
            replace=replace_existing,
            progress=self._progress,
        )

    def sha256(
        self, reference: ReferenceLike, *, rev: str | None = None, at: str | None = None
    ) -> str:
        """Return the digest of a version's artifact that its manifest records, 64 hex digits."""
        wanted = _reference(reference)
        state = self._glance(rev, at)
        return state.manifest(wanted.model, _resolve(state, wanted)).artifact.sha256

    def verify(
        self,
        *references: ReferenceLike,
        remote: bool = False,
        repair: bool = False,
        rev: str | None = None,
        at: str | None = None,
    ) -> Iterator[tuple[ModelVersion, list[Finding]]]:
        """Re-hash artifacts against their manifests; yield each version with what is wrong.

        Args:
            references: which versions, or whole models; all of the registry by default.
            remote: read every byte from the DVC remote, in place of the DVC cache.
            repair: upload what is wrong there again, where the cache has it; what was put right is
                a finding of the severity ``note``.
            rev: read the registry at this commit.
            at: read the registry at this moment.

        Raises:
            DvcError: with ``remote``: none is configured, or it cannot be reached or read.
        """
        from gitreg.artifacts.verify import verify, verify_remote

        if repair and (not remote or self._url is not None):
            raise InvalidRequest(
                "only a DVC remote can be repaired, and only from a clone's own cache",
                hint="in a clone: gitreg verify --remote --repair",
            )
        state = _existing(self.state(rev=rev, at=at))
        wanted = [_reference(given) for given in references]
        if remote:
            return verify_remote(
                state, self._artifacts, wanted, repair=repair, progress=self._progress
            )
        return verify(state, self._artifacts, wanted)

    # Writes

    def register(
        self,
        name: str,
        source: str | os.PathLike[str],
        *,
        metrics: Mapping[str, int | float] | str | os.PathLike[str] | None = None,
        params: Mapping[str, Value] | str | os.PathLike[str] | None = None,
        tags: Mapping[str, str] | None = None,
        data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        description: str | None = None,
        requirements: str | os.PathLike[str] | None = None,
        run_id: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Register the next version of a model; its first one creates the model.

        Args:
            name: of the model.
            source: a file, a folder, or a ``.dvc`` file. What DVC tracks already is taken by its
                known hash, and its stage's dependencies, params, metrics and command with it.
            metrics: values, or a JSON, YAML or TOML file of them; instead of the stage's.
            params: values, or a file of them; instead of the stage's.
            tags: free texts, which may change later.
            data: files or folders that it was made from, besides those that DVC knows.
            description: a text, which may change later.
            requirements: a frozen environment, instead of that of this interpreter.
            run_id: of the tracking run that made it; an MLflow model folder says it by itself.
            reason: why, for the commit's message.
            dry_run: return what would be done, and do nothing.
            push: publish on the DVC remote and the Git remote first; by URL that is always done.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.
        """
        from gitreg.artifacts.collect import found_out

        if not os.fspath(source):
            raise InvalidRequest("the path of the source is empty")
        paths = (data,) if isinstance(data, (str, os.PathLike)) else tuple(data)
        return self._register(
            name,
            lambda: found_out(
                self._repository,
                Path(source),
                metrics=metrics,
                params=params,
                tags=tags,
                data=tuple(Path(path) for path in paths),
                description=description,
                requirements=None if requirements is None else Path(requirements),
                run_id=run_id,
            ),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def register_artifact(
        self,
        name: str,
        material: Provenance,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Register a version of which the caller knows all, instead of what is found out here.

        Args:
            name: of the model.
            material: the bytes, and everything that is known of them. Its ``created_at`` is the
                author's date of the commit, too.
            reason: why, for the commit's message.
            dry_run: return what would be done, and do nothing.
            push: publish on the DVC remote and the Git remote first; by URL that is always done.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Returns:
            The outcome; its warnings say what was left out, as it did not fit into a manifest.

        Raises:
            AlreadyExists: the number that it shall have is given.
        """
        from gitreg.artifacts.provenance import fitting

        return self._register(
            _text(name, "a model"),
            lambda: fitting(material),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            authored_at=_moment(material.created_at),
        )

    def _register(
        self,
        name: str,
        provenance: Callable[[], Provenance],
        reason: str | None,
        *,
        dry_run: bool,
        push: bool,
        pr: bool,
        op_id: str | None,
        authored_at: int | None = None,
    ) -> Outcome:
        from gitreg.artifacts.collect import collect
        from gitreg.core.state.change import check_reason

        _check_way(push=push, pr=pr)
        check_reason(reason)  # before a gigabyte is read for nothing
        if op_id is not None:
            check_operation_id(op_id)
        state = self.state()
        operation = collect(
            self._repository,
            self._artifacts,
            state,
            self._past(state),
            name,
            provenance,
            push=push or pr or self._url is not None,
            dry_run=dry_run,
            progress=self._progress,
        )
        return self._write(
            operation,
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            authored_at=authored_at,
        )

    def promote(
        self,
        *references: ReferenceLike,
        stage: str,
        name: str | None = None,
        version: int | None = None,
        alias: str | Sequence[str] = (),
        keep_existing: bool = False,
        if_better: Sequence[str] = (),
        if_lower: Sequence[str] = (),
        else_archive: bool = False,
        override: str | None = None,
        replaced_to: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Put versions into a stage, in one commit, if the policy lets them.

        Args:
            references: which versions, of one model or several.
            stage: where to; ``none`` takes them out of their stage.
            name: the model, instead of a reference.
            version: its number.
            alias: aliases that shall name each version, in the same commit.
            keep_existing: leave the versions that the stage holds where they are.
            if_better: metrics that must be higher than the incumbent's.
            if_lower: metrics that must be lower than the incumbent's.
            else_archive: archive a candidate that a metric speaks against, in a commit of its own;
                the refusal is raised all the same.
            override: why it shall be done even if it is refused, where the policy lets one.
            replaced_to: the stage (``none`` for none) where every other version goes that the stage
                holds, instead of as many as must make room going where the policy says.
            reason: why, for the commit's message.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            GateRefused: a rule of the policy, or a metric asked for, says no; its ``judgements``
                have every verdict. Without an incumbent nothing is to be beaten.
            Refused: a protected alias would move without its stage.
        """
        from gitreg.core.operations.judging import GateRefused
        from gitreg.core.operations.promote import Promotion, archive_instead, promote

        wanted = [_reference(given) for given in references]
        if name is not None or version is not None:
            wanted.append(_reference(None, name, version))
        request = Promotion(
            tuple(wanted),
            _text(stage, "a stage"),
            tuple(_list(alias)),
            keep_existing,
            tuple(_list(if_better)),
            tuple(_list(if_lower)),
            override,
            None if replaced_to is None else _text(replaced_to, "a stage"),
        )
        try:
            return self._write(
                lambda state: promote(state, request, self._mover(state, pr=pr)),
                reason,
                dry_run=dry_run,
                push=push,
                pr=pr,
                op_id=op_id,
            )
        except GateRefused as refused:
            if else_archive and not dry_run and refused.losers:
                refusal = refused  # Python forgets the name, and the lambda needs it
                archived = self._write(
                    lambda state: archive_instead(
                        state, request, refusal, self._mover(state, pr=pr)
                    ),
                    reason,
                    push=push,
                    pr=pr,
                    op_id=None if op_id is None else _followed_by(op_id, "archive"),
                )
                where = f"archived instead, in {str(archived.commit)[:9]}"
                refused.hint = where if archived.commit else "nothing was archived"
            raise

    def _mover(self, state: RegistryState, author: str | None = None, *, pr: bool = False) -> Mover:
        """Return who moves pointers here, and what the rules may ask of the world."""
        from gitreg.check.clone_facts import CloneFacts
        from gitreg.core.operations.judging import Mover
        from gitreg.core.policy.verdict import APPROVALS

        if author is None:
            try:
                author = self._repository.signature("AUTHOR").person
            except GitError:
                author = ""  # nobody; where a commit follows, that says what is missing
        facts = CloneFacts(self._repository, self._history, lambda: self._artifacts, state)
        return Mover(author, facts, frozenset({APPROVALS}) if pr else frozenset())

    def policy(
        self, model: str | None = None, *, rev: str | None = None, at: str | None = None
    ) -> Policy:
        """Return the rules that a model is under, or the general ones.

        Args:
            model: its name; it may be one that is not registered yet.
            rev: read the policy of this commit.
            at: read the policy of this moment.

        Raises:
            InvalidDocument: ``policy.yaml`` breaks a rule.
        """
        policy = _existing(self.state(rev=rev, at=at)).policy
        return policy if model is None else policy.of(check_model_name(_text(model, "a model")))

    def uncommitted_policy(self) -> tuple[str, ...]:
        """Return a warning when the work tree has another policy than the commit that counts."""
        if self._url is not None or self._repository.top_level is None:
            return ()
        asked = self._repository.run_at_root("status", "--porcelain", "--", layout.POLICY)
        if not asked.stdout:
            return ()
        return (f"{layout.POLICY} has changes that are not committed, and do not count yet",)

    def test_policy(
        self,
        *references: ReferenceLike,
        stage: str,
        if_better: Sequence[str] = (),
        if_lower: Sequence[str] = (),
        override: str | None = None,
        rev: str | None = None,
        at: str | None = None,
    ) -> tuple[Judgement, ...]:
        """Return what `promote` would decide and why, and write nothing.

        Args:
            references: which versions.
            stage: where to.
            if_better: metrics that must be higher than the incumbent's, beside the policy.
            if_lower: metrics that must be lower.
            override: what ``promote`` would be given as such.
            rev: read the registry and its policy at this commit; the move is judged as made now.
            at: read them at this moment.

        Returns:
            All verdicts, version by version; none of a version that is there already.

        Raises:
            Refused: a protected alias would move without its stage.
        """
        from gitreg.core.operations.judging import GateRefused
        from gitreg.core.operations.promote import Promotion, promote

        request = Promotion(
            tuple(_reference(given) for given in references),
            _text(stage, "a stage"),
            if_better=tuple(_list(if_better)),
            if_lower=tuple(_list(if_lower)),
            override=override,
        )
        state = _existing(self.state(rev=rev, at=at))
        self._past(state)
        try:
            return promote(state, request, self._mover(state)).judgements
        except GateRefused as refused:
            return refused.judgements

    def archive(
        self,
        *references: ReferenceLike,
        override: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Put versions into the archive, in one commit."""
        return self.promote(
            *references,
            stage=ARCHIVE,
            override=override,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def preview_approval(self, reference: ReferenceLike, *, stage: str) -> ApprovalPreview:
        """Return what an approval of a version for a stage would be for; nothing is signed.

        Raises:
            Refused: the version is in the stage already.
            GitError: the clone is shallow.
        """
        from gitreg.approvals.giving import preview

        wanted = _reference(reference)
        return preview(self._repository, self.state(), wanted, _text(stage, "a stage"))

    def approve(
        self,
        preview: ApprovalPreview,
        *,
        key: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Approve that a version moves into a stage: sign what was seen, and keep it.

        Args:
            preview: what `preview_approval` gave, as it was looked at.
            key: in place of Git's ``user.signingkey``: a file, or ``key::`` and a public key.
            reason: why, for the commit's message.
            dry_run: sign, so that it is known that one can, and write nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            Refused: the key would not count (none of the policy's signers', revoked, of who
                registered the version), or what was seen has changed.
            GitError: there is no key, or it cannot sign; nothing was written.
        """
        from gitreg.approvals.giving import approving

        operation = approving(self._repository, self.state(), preview, key)
        return self._write(
            operation,
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            topic=f"by {key or self._repository.config('user.signingkey')}",
        )

    def withdraw_approval(
        self,
        reference: ReferenceLike,
        *,
        stage: str,
        key: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Take back the approval that was made with a key; see `approve`.

        Raises:
            NotFound: there is none.
            Refused: the key is none of the policy's signers'.
        """
        from gitreg.approvals.giving import withdrawing

        operation = withdrawing(
            self._repository, self.state(), _reference(reference), _text(stage, "a stage"), key
        )
        return self._write(
            operation,
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            topic=f"by {key or self._repository.config('user.signingkey')}",
        )

    def set_alias(
        self,
        reference: ReferenceLike | None = None,
        alias: str = "",
        *,
        name: str | None = None,
        version: int | None = None,
        stage: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Let an alias name a version; stages are not touched."""
        from gitreg.core.operations.alias import set_alias

        wanted = _reference(reference, name, version, None, stage)
        return self._write(
            lambda state: set_alias(state, wanted, _text(alias, "an alias")),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def delete_alias(
        self,
        name: str,
        alias: str,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Remove an alias; the version stays."""
        from gitreg.core.operations.alias import delete_alias

        return self._write(
            lambda state: delete_alias(state, name, alias),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def rollback(
        self,
        *names: str,
        to: int | None = None,
        stage: str = "production",
        restage: bool = False,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> tuple[Outcome, RollbackPlan]:
        """Bring back the version that a stage held before, found by history.

        Args:
            names: the models that go back.
            to: the version to go back to, instead of the one before.
            stage: the stage that goes back.
            restage: put the version withdrawn back where it was, as ``git revert`` would, instead
                of into the archive.
            reason: why, for the commit's message.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            Refused: nothing was in the stage before.
            DvcError: the bytes of the version to go back to cannot be had.
        """
        from gitreg.core.operations.rollback import Rollback, roll_back

        request = Rollback(names, check_stage_name(stage), to, restage)
        plans: list[RollbackPlan] = []

        def operation(state: RegistryState) -> Change:
            plan = roll_back(state, self._history, request, self._mover(state, pr=pr))
            for restored in plan.restored:
                self._artifacts.require(state.snapshot, restored)
            plans.append(plan)
            return plan.change

        outcome = self._write(operation, reason, dry_run=dry_run, push=push, pr=pr, op_id=op_id)
        return outcome, plans[-1]

    def annotate(
        self,
        reference: ReferenceLike,
        *,
        description: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        untag: Sequence[str] = (),
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Set description, owner and tags of a model, or description and tags of a version."""
        from gitreg.core.operations.annotate import Annotation, annotate

        request = Annotation(
            _reference(reference), description, owner, dict(tags or {}), tuple(_list(untag))
        )
        return self._write(
            lambda state: annotate(state, request),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            topic=repr(request),  # what is said, for it is not in the name of what it is said of
        )

    def delete(
        self,
        reference: ReferenceLike,
        *,
        force: bool = False,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Delete a version; its number stays taken, and who deleted it and why stays said.

        Args:
            reference: which version.
            force: take it out of its stage, and its aliases away, in the same commit.
            reason: why, for the commit's message and for whoever asks for it later.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            Refused: without force, a stage other than the archive holds it, or an alias names it;
                with force, a rule of the stage says no, or the alias is protected.
        """
        from gitreg.core.operations.delete import delete

        wanted = _reference(reference)
        tombstone = self._tombstone(reason)
        return self._write(
            lambda state: delete(state, wanted, tombstone, self._mover(state, pr=pr), force=force),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def create_model(
        self,
        name: str,
        *,
        description: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        created_at: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Create a model that has no version yet; `register` creates one with its first version.

        Under the name of a deleted model it is a new one, whose versions begin at 1.

        Args:
            name: of the model.
            description: a text, which may change later.
            owner: who answers for it, likewise.
            tags: free texts, likewise.
            created_at: when, if that was elsewhere, UTC, ``2026-11-22T20:25:06Z``; the author's
                date of the commit, too. Now by default.
            reason: why, for the commit's message.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            AlreadyExists: it is there.
            InvalidRequest: the name is malformed, or taken but for case or Unicode form.
        """
        from gitreg.core.operations.create import Creation, create_model

        request = Creation(
            _text(name, "a model"),
            created_at or self._repository.signature("AUTHOR").utc,
            description,
            owner,
            dict(tags or {}),
        )
        return self._write(
            lambda state: create_model(state, request),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
            authored_at=_moment(created_at),
        )

    def delete_model(
        self,
        name: str,
        *,
        force: bool = False,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Delete a model with all its versions; who deleted it and why stays said.

        Args:
            name: of the model.
            force: delete it although a stage holds a version of it, or an alias names one.
            reason: why, for the commit's message and for whoever asks for it later.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            NotFound: there is none; of one that was deleted before, who did it and why.
            Refused: without force, it is in use; with force, a rule of a stage says no.
        """
        from gitreg.core.operations.delete_model import delete_model

        wanted = check_model_name(_text(name, "a model"))
        tombstone = self._tombstone(reason)
        return self._write(
            lambda state: delete_model(
                state, wanted, tombstone, self._mover(state, pr=pr), force=force
            ),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def rename_model(
        self,
        name: str,
        new_name: str,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
    ) -> Outcome:
        """Give a model another name; its versions, stages and aliases move along.

        Approvals do not: what was signed names the model.

        Args:
            name: of the model.
            new_name: what it shall be called.
            reason: why, for the commit's message and for whoever asks for the old name.
            dry_run: return what would be done, and do nothing.
            push: publish on the remotes first.
            pr: push a branch with it and open a pull request, instead; see `Outcome.review`.
            op_id: identifies the operation: repeated under its id, it is done once.

        Raises:
            NotFound: there is no such model.
            AlreadyExists: the new name is another model's.
            GateRefused: the new name is under other rules, and they say no.
        """
        from gitreg.core.operations.rename import rename_model

        wanted = check_model_name(_text(name, "a model"))
        new = check_model_name(_text(new_name, "a model"))
        tombstone = replace(self._tombstone(reason), renamed_to=new)
        return self._write(
            lambda state: rename_model(state, wanted, tombstone, self._mover(state, pr=pr)),
            reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )

    def _tombstone(self, reason: str | None) -> Tombstone:
        """Return what stays of something that is deleted by whoever works here, now."""
        who = self._repository.signature("AUTHOR")
        return Tombstone(who.utc, who.person, reason)

    def fetch(self, *, allow_rewind: bool = False) -> FetchReport:
        """Bring the clone to what is published, without touching the user's work.

        Branch, index, work tree and tags follow; what was staged or changed stays as it is.

        Args:
            allow_rewind: accept that the published branch does not lead on from where it was.

        Raises:
            Refused: the clone has commits of its own beside new ones over there, or the user's
                work is in the way; nothing was changed.
            GitError: the remote cannot be reached, or its branch went backwards.
        """
        return self._synchroniser.fetch(allow_rewind=allow_rewind)

    def push(self, *, dry_run: bool = False) -> PushReport:
        """Publish what was committed here without being published: bytes, branch and tags.

        When the remote has moved, the operations are done again on top of it, one by one; what
        does not hold any more is told and left, and so are commits that are no operations.

        Args:
            dry_run: return what would be published, and do nothing.

        Raises:
            GitError: the remote cannot be reached or refused; nothing was published.
            DvcError: the bytes cannot be put on the DVC remote; nothing was published.
        """
        return self._synchroniser.push(dry_run=dry_run)

    def sync_tags(
        self, *, dry_run: bool = False, push: bool = False, force: bool = False
    ) -> TagReport:
        """Make the tags that history implies; the same objects on any clone.

        Args:
            dry_run: only compare.
            push: publish the tags on the Git remote.
            force: also replace tags of gitreg's names that are not what history implies.
        """
        from gitreg.publishing.tags import sync_tags

        state = self.state()
        return sync_tags(
            self._repository,
            self._past(state),
            self._clone,
            dry_run=dry_run,
            push=push,
            force=force,
        )

    def check(
        self,
        commits: str | None = None,
        *,
        history: bool = False,
        only_registry: bool = False,
        strict: bool = False,
        remote: bool = False,
    ) -> CheckReport:
        """Judge every commit of a range against each of its parents, under its base's policy.

        Args:
            commits: ``BASE..HEAD`` (what Git understands as commits), ``BASE...HEAD`` from where
                they parted, or ``BASE`` up to the checked-out commit; by default what is not
                upstream yet, and where there is no upstream all of history.
            history: judge all commits since the start, each under the policy that the branch had
                when it came onto it; the tags of this clone, too. ``commits`` may then name the
                last one.
            only_registry: refuse commits that change the registry and other files.
            strict: what cannot be known here (no DVC remote) is an error, not a warning.
            remote: ask if the bytes of new versions are on the DVC remote.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: the base does not lead to the head, or its policy does not parse.
            GitError: a shallow clone does not have what has to be judged.
        """
        from gitreg.check.clone_check import CheckedClone, check_clone
        from gitreg.publishing.tags import tagged_tip

        clone = CheckedClone(
            self._repository,
            lambda: self._history,
            lambda: self._artifacts,
            lambda: tagged_tip(self._repository, self._clone),
        )
        return check_clone(
            clone,
            commits,
            history=history,
            only_registry=only_registry,
            strict=strict,
            remote=remote,
        )

    def workflow(
        self, host: str, *, install: str = "", write: bool = False, force: bool = False
    ) -> HostFile:
        """Return the file that lets a Git host check, tag and deploy; see `gitreg.review.workflows`.

        It is for the default branch of the remote, or the one that is checked out where the remote
        did not say.

        Args:
            host: ``github`` or ``gitlab``.
            install: what pip installs for gitreg there, such as a URL with a release's tag.
            write: write it into the work tree; committing it is left to a person.
            force: replace one that is something else.

        Raises:
            InvalidRequest: there is none for the host, or no work tree to write into.
            Refused: the file is there and is something else.
        """
        from gitreg.review.workflows import workflow, write_file

        file = workflow(host, branch=self._default_branch(), install=install)
        return write_file(self._top(), file, force=force) if write else file

    def _default_branch(self) -> str:
        """Return the short name of the branch that holds the registry."""
        from gitreg.git.remote import default_branches

        told = default_branches(self._repository)
        head = self._repository.head_branch() or "main"
        return told.get("origin") or next(iter(told.values()), head.removeprefix("refs/heads/"))

    def codeowners(self, *, write: bool = False) -> HostFile:
        """Return the CODEOWNERS file with the lines that the policy implies, others as they are.

        Args:
            write: write it into the work tree; committing it is left to a person.

        Raises:
            InvalidRequest: the policy names no owners, or there is no work tree to write into.
        """
        from gitreg.review.codeowners import codeowners
        from gitreg.review.workflows import write_file

        policy = _existing(self.state()).policy
        file, text = codeowners(policy, None if self._url else self._repository.top_level)
        return write_file(self._top(), file, expected=text) if write else file

    def _top(self) -> Path:
        """Return the root of the work tree."""
        top = None if self._url is not None else self._repository.top_level
        if top is None:
            raise InvalidRequest("there is no work tree to write into", hint="in a clone: --repo")
        return top

    def doctor(self, *, fix: bool = False) -> list[Finding]:
        """Return what is wrong with the registry and this clone of it, with the remedies.

        Nothing is changed without ``fix``. The Git remote and the DVC remote are asked.

        Args:
            fix: put right first what is safe to put right. What was done comes first in the list,
                each a note of the code ``fixed``; what is left follows.

        Raises:
            InvalidRequest: something is to be put right in a registry that is used by URL.
        """
        from gitreg.doctor import Inspection, examine, mend

        if fix and self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL has nothing to put right here",
                hint="run gitreg doctor --fix in a clone",
            )
        inspection = Inspection(
            self._repository, self.state(), self._history, self._artifacts, self._clone
        )
        done = mend(inspection) if fix else []
        return done + examine(inspection)

    def _write(
        self,
        operation: Operation,
        reason: str | None,
        *,
        dry_run: bool = False,
        push: bool = False,
        pr: bool = False,
        op_id: str | None = None,
        topic: str = "",
        authored_at: int | None = None,
    ) -> Outcome:
        if op_id is not None:
            check_operation_id(op_id)
        _check_way(push=push, pr=pr)
        if pr:
            return self._reviewer.propose(
                operation, reason, op_id=op_id, dry_run=dry_run, topic=topic
            )
        if dry_run:
            return self._publisher.plan(operation, reason)
        # A copy has nobody who would publish it later.
        return self._publisher.apply(
            operation,
            reason,
            push=push or self._url is not None,
            op_id=op_id,
            authored_at=authored_at,
        )


def _moment(created_at: str | None) -> int | None:
    """Return the seconds since the epoch of when something was done elsewhere."""
    from gitreg.core.text.times import parse_instant

    return None if created_at is None else parse_instant(created_at)


def _check_way(*, push: bool, pr: bool) -> None:
    """Refuse to do at once what is asked to be reviewed first."""
    if pr and push:
        raise InvalidRequest("--pr asks for a review, --push does it without: give one of them")


def _reference(
    given: ReferenceLike | None,
    name: str | None = None,
    version: int | None = None,
    alias: str | None = None,
    stage: str | None = None,
) -> Reference:
    """Return the reference that a caller gave, in whichever way."""
    keywords = [value for value in (version, alias, stage) if value is not None]
    if given is not None:
        if name is not None or keywords:
            raise InvalidRequest("give a reference, or name with version, alias or stage; not both")
        if isinstance(given, Reference):
            return given
        if isinstance(given, (Resolved, ModelVersion)):
            return Reference(given.model, version=given.version)
        return parse_reference(_text(given, "a reference"))
    if name is None or len(keywords) > 1:
        raise InvalidRequest("give a reference, or name with one of version, alias and stage")
    if stage is not None:
        return parse_reference(f"{name}/{stage}")
    if version is not None:
        return parse_reference(f"{name}@{version}")
    return parse_reference(name if alias is None else f"{name}@{alias}")


def _followed_by(op_id: str, what: str) -> str:
    """Return the id of what an operation does in a second commit."""
    digest = hashlib.sha256(op_id.encode()).hexdigest()[:32]
    return f"{what}-{digest}"


def _text(given: object, what: str) -> str:
    """Return a text that a caller gave; without type checking they may give anything."""
    if not isinstance(given, str):
        raise InvalidRequest(f"{what} is text, not {type(given).__name__}")
    return given


def _existing(state: RegistryState) -> RegistryState:
    """Return the state of a registry that is there."""
    if not state.exists():
        raise NotFound("no registry here", hint="gitreg init makes one")
    return state


def _resolve(state: RegistryState, wanted: Reference) -> int:
    """Return the version that a reference names; where it names none, say first what lacks."""
    try:
        return state.resolve(wanted)
    except NotFound:
        # Asked only now: serving processes resolve often, and in a registry that is there.
        _existing(state)
        raise


def _list(given: str | Sequence[str]) -> Sequence[str]:
    """Return a list of one for a text: a text is a sequence of letters, too."""
    return [given] if isinstance(given, str) else given


def _concerns(event: Event, version: int) -> bool:
    if event.version == version:
        return True
    return (version in event.before) != (version in event.after)


def _work_tree_of(url: str) -> Path | None:
    """Return the work tree behind a ``file://`` URL: its relative DVC remote lies beside it."""
    path = Path(url.removeprefix("file://"))
    return path if url.startswith("file:///") and (path / ".dvc").is_dir() else None
