"""The parts that a registry works with: repository, history index, artifacts, publisher.

Each part is made when it is first needed, and so is its import: `gitreg resolve` is on the path of
a serving process's start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import gitreg
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository
from gitreg.registry.options import ReadOptions, Self, Unpack, WriteSettings, revision_and_time
from gitreg.registry.references import existing

if TYPE_CHECKING:
    from gitreg.core.operations import Operation
    from gitreg.core.operations.judging import Mover
    from gitreg.core.state.change import Change
    from gitreg.git.copies import Copy
    from gitreg.git.history_index import HistoryIndex
    from gitreg.git.objects import CommitSnapshot
    from gitreg.publishing.clone import Clone, Judge
    from gitreg.publishing.publisher import Publisher
    from gitreg.publishing.synchronise import Synchroniser
    from gitreg.review.reviewer import Reviewer


class Parts:
    """How a registry is opened, read and written; see `Registry`."""

    def __init__(
        self,
        location: str | os.PathLike[str] = ".",
        *,
        progress: gitreg.Progress | None = None,
        allow_rewind: bool = False,
    ) -> None:
        self._progress = progress
        self._url: str | None = None
        self._base: Path | None = None
        self._allow_rewind = allow_rewind
        self._last_state: RegistryState | None = None
        self._repeated: tuple[tuple[tuple[str, str], ...], int | None] = ((), None)
        self._moment: str | None = None
        if not isinstance(location, (str, os.PathLike)):
            raise InvalidRequest(f"a registry is at a path or a URL, not {type(location).__name__}")
        # An empty text is a variable that was not set. Path.is_dir raises for a name too long.
        if str(location) and os.path.isdir(location):  # noqa: PTH112
            self._repository = GitRepository(Path(location))
            self._repository.open_past = lambda: self._past_repository
            return
        from gitreg.git import copies

        self._url = copies.check_url(str(location))
        self._base = _work_tree_of(str(location))

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
        for part in ("_repository", "_past_repository", "_light", "_history", "_write_index"):
            if part in self.__dict__:
                (self._light.repository if part == "_light" else getattr(self, part)).close()

    @property
    def url(self) -> str | None:
        """The registry's URL with its login; ``None`` for a registry in a folder."""
        return self._url

    @property
    def name(self) -> str:
        """The repository's short name: the last part of its URL, or of its folder."""
        where = self._url or self._repository.config("remote.origin.url")
        if where is None:
            where = str(self._repository.top_level or self._repository.folder)
        return re.split("[/:]", where.rstrip("/"))[-1].removesuffix(".git") or "registry"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about stale data: why a URL was not reached, and how old the copy is."""
        opened = [self.__dict__.get(part) for part in ("_light", "_complete")]
        stale = [copy.stale for copy in opened if copy is not None and copy.stale]
        return tuple(dict.fromkeys(stale))

    @property
    def repository(self) -> GitRepository:
        """The Git repository, with all of its history; for a URL, its copy."""
        return self._repository

    @property
    def artifacts(self) -> gitreg.ArtifactStore:
        """The bytes of the versions, for the packages on top of this one."""
        return self._artifacts

    @property
    def private_dir(self) -> Path:
        """The folder for what belongs to this clone alone, such as the history index."""
        return self._repository.private_dir

    @contextmanager
    def authored_by(self, name: str, email: str) -> Iterator[None]:
        """Make somebody else the author of the commits inside the ``with`` block.

        A server that knows its users calls this. Rules about who moves or registers a version go
        by the author, and so do the messages; the committer, who also signs, stays the same.

        Raises:
            InvalidRequest: Git cannot store this name or address.
        """
        with self._written.authored_by(name, email):
            yield

    @contextmanager
    def repeating(
        self, trailers: Sequence[tuple[str, str]], at: int | None = None
    ) -> Iterator[None]:
        """Date the commits inside the ``with`` block back, and add trailers to their messages.

        An import calls this: its commits repeat what was done elsewhere.

        Args:
            trailers: keys and values.
            at: the author date, in seconds since the epoch; now by default.
        """
        before, self._repeated = self._repeated, (tuple(trailers), at)
        try:
            yield
        finally:
            self._repeated = before

    # The parts, made when they are first needed

    @cached_property
    def _repository(self) -> GitRepository:
        """The repository with all of its history; for a URL, the complete copy."""
        return self._complete.repository

    @cached_property
    def _complete(self) -> Copy:
        return self._open_copy(light=False)

    @cached_property
    def _light(self) -> Copy:
        """A copy of a URL from which a few files of the tip can be read."""
        return self._open_copy(light=True)

    def _open_copy(self, *, light: bool, to_write: bool = False) -> Copy:
        from gitreg.git.copies import open_copy

        copy = open_copy(
            str(self._url), light=light, to_write=to_write, allow_rewind=self._allow_rewind
        )
        self._allow_rewind = False  # accepted once, not for what happens later
        return copy

    @cached_property
    def _history(self) -> HistoryIndex:
        return self._history_of(self._repository, lambda: self._clone)

    @staticmethod
    def _history_of(repository: GitRepository, clone: Callable[[], Clone]) -> HistoryIndex:
        from gitreg.git.history_index import HistoryIndex
        from gitreg.git.model_tags import PublishedTags

        return HistoryIndex(
            repository,
            PublishedTags(repository, lambda: clone().upstream(clone().tip())),
        )

    @cached_property
    def _past_repository(self) -> GitRepository:
        """The history of a shallow clone."""
        from gitreg.git.past import open_past

        return open_past(self._repository, self._clone.upstream(self._clone.tip()))

    @cached_property
    def _written(self) -> GitRepository:
        """The repository that writes are made in: for a URL, the copy that has the least."""
        if self._url is None or "_repository" in self.__dict__:
            return self._repository
        if "_light" not in self.__dict__:
            self._light = self._open_copy(light=True, to_write=True)
        return self._light.repository

    @cached_property
    def _write_index(self) -> HistoryIndex:
        if self._written is self.__dict__.get("_repository"):
            return self._history
        return self._history_of(self._written, lambda: self._clone)

    @cached_property
    def _artifacts(self) -> gitreg.ArtifactStore:
        from gitreg.artifacts.store import ArtifactStore

        if self._url is None:
            return ArtifactStore(self._repository, self._base)
        from gitreg.git.copies import copies_folder

        # Both copies share one store, so that bytes are pulled once.
        opened = self._repository if "_repository" in self.__dict__ else self._light.repository
        return ArtifactStore(
            opened, self._base, copies_folder(self._url).resolve() / "repository.git"
        )

    @cached_property
    def _clone(self) -> Clone:
        from gitreg.git.copies import default_branch
        from gitreg.git.light import LightRepository
        from gitreg.publishing.clone import Clone

        light = isinstance(self._written, LightRepository)
        branch = default_branch(self._light) if light else None
        return Clone(
            self._written,
            self._write_index,
            self._judge(self._written, lambda: self._write_index),
            self._url,
            branch,
        )

    @staticmethod
    def _judge(repository: GitRepository, history: Callable[[], HistoryIndex]) -> Judge:
        def judge(base: str | None, head: str) -> None:
            from gitreg.check.clone_check import refuse_unfit

            refuse_unfit(repository, history, base, head)

        return judge

    @property
    def _whole_clone(self) -> Clone:
        """The clone with all of its history; for a URL, the complete copy."""
        from gitreg.publishing.clone import Clone

        whole = self._repository  # before `_written`, which is then the same
        if self._written is whole:
            return self._clone
        return Clone(whole, self._history, self._judge(whole, lambda: self._history), self._url)

    @cached_property
    def _publisher(self) -> Publisher:
        from gitreg.publishing.publisher import Publisher

        return Publisher(self._written, self._write_index, self._clone, self._send)

    @cached_property
    def _reviewer(self) -> Reviewer:
        from gitreg.review.reviewer import Reviewer

        return Reviewer(self._written, self._publisher, self._clone.push_url)

    @cached_property
    def _synchroniser(self) -> Synchroniser:
        from gitreg.publishing.synchronise import Synchroniser

        if self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL has nothing to fetch or push",
                hint="its copy is updated at every start, and every write is published at once",
            )
        return Synchroniser(self._repository, self._history, self._clone, self._send, self._mover)

    def _send(self, state: RegistryState, versions: Iterable[tuple[str, int]]) -> None:
        pairs = list(versions)
        self._artifacts.send(state, pairs, self._progress)
        top = None if self._url else self._repository.top_level
        if top is not None and pairs:
            from gitreg.artifacts.training_data import send_data

            send_data(top, [state.version(*pair) for pair in pairs], self._progress)

    def _mover(
        self,
        state: RegistryState,
        author: str | None = None,
        *,
        pr: bool = False,
        history: HistoryIndex | None = None,
    ) -> Mover:
        """Return who moves pointers here, with the facts that the rules may ask for.

        Args:
            state: the registry before the move.
            author: who moves, ``Name <email>``; Git's author by default.
            pr: whether the move is proposed.
            history: the index that is at this state; by default that of the writes.
        """
        from gitreg.check.clone_facts import CloneFacts
        from gitreg.core.operations.judging import Mover
        from gitreg.core.policy.verdict import APPROVALS

        if author is None:
            try:
                author = self._written.signature("AUTHOR").person
            except GitError:
                author = ""  # nobody; if a commit follows, its error says what is missing
        where = self._written if history is None else self._repository
        past = history or self._write_index
        facts = CloneFacts(where, past, lambda: self._artifacts, state)
        return Mover(author, facts, frozenset({APPROVALS}) if pr else frozenset())

    # The state

    def state(self, **options: Unpack[ReadOptions]) -> RegistryState:
        """Return the registry as it is now, at a commit, or at a moment.

        Args:
            **options: ``rev`` or ``at``, see `ReadOptions`.

        Raises:
            NotFound: there is no such commit, or none that old.
            InvalidRequest: both options are given, or one is malformed.
        """
        rev, at = revision_and_time(options)
        if rev is not None:
            commit: str | None = self._repository.parse_revision(rev)
        else:
            commit = self._repository.head_commit()
        if at is not None and commit is not None:
            commit = self._as_of(commit, at)
        return self._state_of(self._repository.snapshot(commit))

    def _as_of(self, tip: str, at: str) -> str:
        """Return the commit that was the branch's tip at a moment, and note which one it is."""
        from gitreg.core.text.times import parse_instant, utc

        moment = parse_instant(at)
        commit = self._repository.tip_at(tip, moment)
        if commit is None:
            raise NotFound(f"no commit is as old as {utc(moment)}")
        made = int(self._repository.run("log", "-1", "--format=%ct", commit).text)
        self._moment = f"as of {utc(moment)}: {commit[:9]}, committed {utc(made)}"
        return commit

    @property
    def moment(self) -> str | None:
        """Which moment and commit the last read with ``at`` used; ``None`` without such a read."""
        return self._moment

    def _state_of(self, snapshot: CommitSnapshot) -> RegistryState:
        if self._last_state is None or self._last_state.snapshot is not snapshot:
            self._last_state = RegistryState(snapshot)
        return self._last_state

    @property
    def commit(self) -> str | None:
        """The commit that the registry is at, 40 hex digits; ``None`` before the first one.

        Earlier answers stay valid as long as this commit does.
        """
        return self._glance().commit

    def _glance(self, **options: Unpack[ReadOptions]) -> RegistryState:
        """Return the same as `state`, for a caller that reads a few files and no history."""
        rev, at = revision_and_time(options)
        if self._url is None or "_repository" in self.__dict__ or at is not None:
            return self.state(**options)
        if rev is None or ("_light" in self.__dict__ and rev == self._light.commit):
            return self._state_of(self._light.repository.snapshot(self._light.commit))
        return self.state(**options)

    def _found(self) -> RegistryState:
        """Return the registry as a write finds it, before it looks at the remote."""
        return self._state_of(self._written.snapshot(self._written.head_commit()))

    def past(self, state: RegistryState, *, whole: bool = False) -> HistoryIndex:
        """Return the history index, at the state's commit.

        With ``whole``, what a shallow clone lacks is fetched, as for a write.
        """
        commit = str(existing(state).commit)
        if whole and self._repository.is_shallow:
            self._history.aim(commit)
        else:
            self._history.advance(commit)
        return self._history

    # Commits

    def _write(
        self,
        operation: Operation,
        settings: WriteSettings,
        *,
        topic: str = "",
        authored_at: int | None = None,
    ) -> gitreg.Outcome:
        """Plan, publish or propose an operation.

        Args:
            operation: what is done.
            settings: how.
            topic: for a pull request, tells operations apart whose branches would have one name.
            authored_at: when it was first done elsewhere, in seconds since the epoch.
        """
        trailers, at = self._repeated
        if trailers:
            operation = _with_trailers(operation, trailers)
        authored_at = at if authored_at is None else authored_at
        from gitreg.publishing.dvc_remote import with_remote
        from gitreg.publishing.renders import with_renders

        operation = with_remote(with_renders(operation, self._written, self._write_index))
        if settings.pr:
            return self._reviewer.propose(
                operation,
                settings.reason,
                op_id=settings.op_id,
                dry_run=settings.dry_run,
                topic=topic,
            )
        if settings.dry_run:
            publishes = self._publishes(settings)
            return self._publisher.plan(operation, settings.reason, push=publishes)
        outcome = self._publisher.apply(
            operation,
            settings.reason,
            push=self._publishes(settings),
            op_id=settings.op_id,
            authored_at=authored_at,
        )
        return self._placed(outcome) if outcome.commit else outcome

    def _placed(self, outcome: gitreg.Outcome) -> gitreg.Outcome:
        """Return the outcome with its branch, and with what others still see."""
        tip = self._clone.tip()
        beside = self._clone.default_beside(tip.branch)
        if beside is not None:
            outcome = replace(outcome, branch=tip.branch.removeprefix("refs/heads/"))
        if outcome.pushed:
            return outcome
        from gitreg.publishing.unshared import unshared

        try:
            published = self._clone.last_published(tip.branch)
        except GitError:
            return outcome  # there is nowhere to publish
        state = RegistryState(self._written.snapshot(published or (beside and beside[1])))
        return replace(outcome, unshared=unshared(state, outcome.change))

    def _publishes(self, settings: WriteSettings) -> bool:
        """Tell whether a write goes to the remotes: nobody would publish a URL's copy later."""
        return settings.push or settings.pr or self._url is not None

    def _default_beside(self, *, fetch: bool) -> Callable[[], tuple[str, RegistryState] | None]:
        """Return a function that reads the default branch, if another one is checked out."""

        def read() -> tuple[str, RegistryState] | None:
            found = self._clone.default_beside(self._clone.tip().branch, fetch=fetch)
            if found is None:
                return None
            return found[0], RegistryState(self._written.snapshot(found[1]))

        return read

    def _published_tags(self, model: str) -> Callable[[], Mapping[str, str]]:
        """Return a function that lists the remote's version tags of a model and their commits."""
        from gitreg.git import remote

        def listed() -> Mapping[str, str]:
            upstream = self._clone.upstream(self._clone.tip())
            return remote.version_tags(self._written, upstream, model)

        return listed


def _work_tree_of(url: str) -> Path | None:
    """Return the work tree behind a ``file://`` URL: a relative DVC remote is found from there."""
    path = Path(url.removeprefix("file://"))
    return path if url.startswith("file:///") and (path / ".git").exists() else None


def _with_trailers(operation: Operation, trailers: Sequence[tuple[str, str]]) -> Operation:
    def repeated(state: RegistryState) -> Change:
        change = operation(state)
        return replace(change, trailers=(*change.trailers, *trailers))

    return repeated
