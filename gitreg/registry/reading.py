"""The methods of `Registry` that read: models, versions, history, bytes and the policy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import gitreg
from gitreg.core.model import layout
from gitreg.core.model.model import Model, ModelVersion, Resolved
from gitreg.core.model.names import Reference, check_model_name, check_stage_name
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest
from gitreg.registry.options import ReadOptions, Unpack, revision_and_time
from gitreg.registry.parts import Parts
from gitreg.registry.references import (
    ReferenceLike,
    checked_text,
    existing,
    listed,
    number_of,
    reference_of,
)


class Reading(Parts):
    """What reads; nothing here changes a file of the registry. See `Registry`."""

    # Models and versions

    def resolve(
        self,
        reference: ReferenceLike | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        stage: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Resolved:
        """Return the version that a reference names, and the commit that it was read from.

        Args:
            reference: which version.
            name: the model, instead of a reference.
            version: its number.
            alias: or an alias.
            stage: or a stage.
            **options: see `ReadOptions`.

        Raises:
            NotFound: no such model, version, alias or stage; the hint names the near misses.
        """
        revision_and_time(options)
        wanted = reference_of(reference, name, version, alias, stage)
        state = self._glance(**options)
        number = number_of(state, wanted)
        return Resolved(wanted.model, number, str(state.commit))

    def show(
        self,
        reference: ReferenceLike | None = None,
        *,
        name: str | None = None,
        version: int | None = None,
        alias: str | None = None,
        stage: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> ModelVersion:
        """Return a version: its manifest, pointers, annotations and registering commit."""
        revision_and_time(options)
        wanted = reference_of(reference, name, version, alias, stage)
        return self._show(self.state(**options), wanted)

    def governed(
        self, reference: ReferenceLike, **options: Unpack[ReadOptions]
    ) -> tuple[ModelVersion, gitreg.Policy]:
        """Return a version and the policy beside it; of a URL, only a few files are read.

        Args:
            reference: which version.
            **options: see `ReadOptions`.

        Raises:
            NotFound: there is no such version.
        """
        revision_and_time(options)
        wanted = reference_of(reference)
        state = self._glance(**options)
        return state.version(wanted.model, number_of(state, wanted)), state.policy

    def version_if_any(self, name: str, version: int) -> ModelVersion | None:
        """Return a version, or ``None`` if there is no such version any more."""
        state = self.state()
        return state.version(name, version) if state.has_version(name, version) else None

    def _show(self, state: RegistryState, wanted: Reference) -> ModelVersion:
        found = state.version(wanted.model, number_of(state, wanted))
        commit = self.past(state).registering_commit(found.model, found.version)
        return replace(found, commit=commit)

    def models(
        self, broken: list[GitregError] | None = None, **options: Unpack[ReadOptions]
    ) -> list[Model]:
        """Return all models with their pointers, by name.

        Args:
            broken: takes an error for each file that does not parse, and all that can be read is
                returned; without it, the first such file raises.
            **options: see `ReadOptions`.
        """
        return list(existing(self.state(**options)).models(broken))

    def model(self, name: str, **options: Unpack[ReadOptions]) -> Model:
        """Return one model with its pointers."""
        return existing(self.state(**options)).model(name)

    def versions(
        self,
        name: str,
        broken: list[GitregError] | None = None,
        **options: Unpack[ReadOptions],
    ) -> list[ModelVersion]:
        """Return the versions of a model, newest first; of ``broken`` see `models`."""
        state = existing(self.state(**options))
        state.check_model(name)
        state.read_ahead([name])
        read = state.pointers if broken is None else partial(state.readable_pointers, broken=broken)
        pointers = read(name)
        commits = self.past(state).registering_commits(name)
        found = []
        for number in reversed(state.versions(name)):
            try:
                version = state.version_of(pointers, number)
            except InvalidDocument as error:
                if broken is None:
                    raise
                broken.append(error)
            else:
                found.append(replace(version, commit=commits.get(number)))
        return found

    def approvals(
        self, reference: ReferenceLike, **options: Unpack[ReadOptions]
    ) -> list[gitreg.StoredApproval]:
        """Return the approvals of a version, and whether each one counts.

        They are verified under the policy of the state that is read: for a move made now, or, if
        the version is in the stage already, for the move that brought it there. Where that policy
        does not parse, the last one that did is in force.

        Raises:
            GitError: there are approvals, and ``ssh-keygen`` is not installed.
        """
        from gitreg.approvals.stored import stored_approvals
        from gitreg.git.valid_policy import policy_in_force

        revision_and_time(options)
        wanted = reference_of(reference)
        state = self.state(**options)
        found = state.version(wanted.model, number_of(state, wanted))
        past = self.past(state)
        state = state.ruled_by(policy_in_force(self._repository, state).policy)
        return stored_approvals(
            state, past, lambda: self._repository.root_of(str(state.commit)), found
        )

    def given_approvals(
        self, reference: ReferenceLike, **options: Unpack[ReadOptions]
    ) -> list[gitreg.GivenApproval]:
        """Return when a version was approved and by which key, withdrawals too, newest first."""
        from gitreg.approvals.given import given
        from gitreg.git.events import events_about

        revision_and_time(options)
        state = self.state(**options)
        wanted = reference_of(reference)
        numbered = Reference(wanted.model, version=number_of(state, wanted))
        return list(given(self._repository, events_about(self.past(state), state, numbered, None)))

    def preview_approval(self, reference: ReferenceLike, *, stage: str) -> gitreg.ApprovalPreview:
        """Return what an approval of a version for a stage would cover; nothing is signed.

        Raises:
            Refused: the version is in the stage already.
            GitError: the clone is shallow.
        """
        from gitreg.approvals.giving import preview

        state, wanted = self.state(), reference_of(reference)
        stage = checked_text(stage, "a stage")
        return preview(self._repository, state, self._history, wanted, stage)

    def compare(
        self, a: ReferenceLike, b: ReferenceLike, **options: Unpack[ReadOptions]
    ) -> gitreg.Comparison:
        """Return the differences between two versions, of one model or of two.

        Args:
            a: the base, such as the version in production.
            b: the candidate: a difference of metrics is how much it has more.
            **options: see `ReadOptions`.
        """
        from gitreg.core.state.compare import compare
        from gitreg.git.code import code_files

        state = self.state(**options)
        sides = [self._show(state, reference_of(given)) for given in (a, b)]
        frozen = [state.requirements(side.model, side.version) for side in sides]
        found = compare(sides[0], sides[1], *frozen)
        return replace(found, code_files=code_files(self._repository, *sides))

    # History

    def log(
        self,
        reference: ReferenceLike | None = None,
        *,
        limit: int | None = None,
        since: str | None = None,
        until: str | None = None,
        author: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> list[gitreg.Event]:
        """Return the events of all models, of one, or of one pointer or version, newest first.

        Args:
            reference: a model (``churn-predictor``), a stage or an alias of one, or one version.
            limit: the most events to return.
            since: a moment; no earlier events. See `gitreg.core.text.times.parse_instant`; a date
                alone is the beginning of its day.
            until: a moment; no later events.
            author: a part of the name or e-mail address of who did it.
            **options: which commit's history to read, see `ReadOptions`.
        """
        from gitreg.git.events import EventFilter, events_about

        state = self.state(**options)
        wanted = None if reference is None else reference_of(reference)
        about = EventFilter.of(since, until, author)
        events = events_about(self.past(state), state, wanted, None if about else limit)
        events = [event for event in events if about.takes(event)][:limit] if about else events
        if not any(event.action in ("approve", "withdraw") for event in events):
            return events
        from gitreg.approvals.given import with_principals

        return with_principals(self._repository, events)

    def tenures(
        self, name: str, *, stage: str = "production", **options: Unpack[ReadOptions]
    ) -> list[gitreg.Tenure]:
        """Return the versions that a stage held before, the last one first; see `rollback`.

        Like a rollback, it fetches the history that a shallow clone lacks.

        Args:
            name: the model.
            stage: the stage.
            **options: see `ReadOptions`.

        Raises:
            NotFound: there is no such model or stage.
            GitError: the clone is shallow, and the remote cannot be reached.
        """
        from gitreg.core.operations.rollback import tenures

        state = existing(self.state(**options))
        model = state.check_model(checked_text(name, "a model"))
        held = state.stage(model, check_stage_name(checked_text(stage, "a stage")))
        past = self.past(state, whole=True)
        return tenures(past.moves_of(model, f"stages/{stage.lower()}"), held)

    def activity(self, name: str, *, rev: str | None = None) -> gitreg.Timestamps:
        """Return when a model and its versions were created and last changed, from history.

        Raises:
            NotFound: there is no such model.
        """
        state = existing(self.state(rev=rev))
        model = state.check_model(name)
        return self.past(state).activity(model)

    def activities(self, *, rev: str | None = None) -> dict[str, gitreg.Timestamps]:
        """Return the same as `activity` for every model, by name."""
        from gitreg.core.state.timestamps import Timestamps

        state = existing(self.state(rev=rev))
        found = self.past(state).activities()
        return {name: found.get(name, Timestamps()) for name in state.model_names()}

    def operation_of(self, commit: str) -> str | None:
        """Return the id of the operation that made a commit; ``None`` for any other commit."""
        from gitreg.core.state.change import OPERATION, trailers_of

        return trailers_of(self._repository.message_of(commit)).get(OPERATION, (None,))[0]

    @property
    def is_shallow(self) -> bool:
        """Whether the clone is shallow, so that `log` returns recent events only."""
        return self._repository.is_shallow

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
        cache: Path | None = None,
        **options: Unpack[ReadOptions],
    ) -> Path:
        """Return the local path of a version's artifact, its bytes checked by SHA-256.

        Args:
            reference: which version.
            destination: the folder for the artifact, which becomes ``DIR/model`` or
                ``DIR/model.pkl``; by default the version's own folder in the registry, which Git
                ignores.
            name: the model, instead of a reference.
            version: its number.
            alias: or an alias.
            stage: or a stage.
            replace_existing: replace a different file or folder of that name in ``destination``.
            cache: for a registry without a work tree: a place whose name stands for a cache of its
                own, instead of the one that all pulls share; see `ArtifactStore.with_cache`.
            **options: see `ReadOptions`.

        Raises:
            DvcError: the bytes could not be downloaded, or are not what the manifest says.
        """
        revision_and_time(options)
        wanted = reference_of(reference, name, version, alias, stage)
        state = self._glance(**options)
        found = state.version(wanted.model, number_of(state, wanted))
        store = self._artifacts if cache is None else self._artifacts.with_cache(cache)
        return store.deliver(
            state.snapshot,
            found,
            None if destination is None else Path(destination),
            replace=replace_existing,
            progress=self._progress,
        )

    def sha256(self, reference: ReferenceLike, **options: Unpack[ReadOptions]) -> str:
        """Return the digest of a version's artifact that its manifest records, 64 hex digits."""
        revision_and_time(options)
        wanted = reference_of(reference)
        state = self._glance(**options)
        return state.manifest(wanted.model, number_of(state, wanted)).artifact.sha256

    def verify(
        self,
        *references: ReferenceLike,
        remote: bool = False,
        repair: bool = False,
        **options: Unpack[ReadOptions],
    ) -> Iterator[tuple[ModelVersion, list[gitreg.Finding]]]:
        """Hash artifacts again; yield each version with what differs from its manifest.

        Args:
            references: which versions, or whole models; all of the registry by default.
            remote: read every byte from the DVC remote, instead of the DVC cache.
            repair: upload wrong or missing bytes again from the cache. Each repair is a finding
                of the severity ``note``.
            **options: see `ReadOptions`.

        Raises:
            DvcError: with ``remote``: none is configured, or it cannot be reached or read.
        """
        from gitreg.artifacts.verify import verify, verify_remote

        if repair and (not remote or self._url is not None):
            raise InvalidRequest(
                "only a DVC remote can be repaired, and only from a clone's own cache",
                hint="in a clone: gitreg verify --remote --repair",
            )
        state = existing(self.state(**options))
        wanted = [reference_of(given) for given in references]
        if remote:
            return verify_remote(
                state, self._artifacts, wanted, repair=repair, progress=self._progress
            )
        return verify(state, self._artifacts, wanted)

    # The policy

    def policy(self, model: str | None = None, **options: Unpack[ReadOptions]) -> gitreg.Policy:
        """Return the rules for one model, or the general ones.

        Args:
            model: its name; it may be not registered yet.
            **options: which commit's policy to read, see `ReadOptions`.

        Raises:
            InvalidDocument: ``policy.yaml`` breaks a rule.
        """
        policy = existing(self.state(**options)).policy
        if model is None:
            return policy
        return policy.of(check_model_name(checked_text(model, "a model")))

    def uncommitted_policy(self) -> tuple[str, ...]:
        """Return a warning if the policy in the work tree differs from the committed one."""
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
        policy: str | os.PathLike[str] | None = None,
        **options: Unpack[ReadOptions],
    ) -> tuple[gitreg.Judgement, ...]:
        """Return what `promote` would decide and why, and write nothing.

        Args:
            references: which versions.
            stage: the stage that they would enter.
            if_better: metrics that must be higher than the incumbent's, besides the policy.
            if_lower: metrics that must be lower.
            override: the reason that ``promote`` would get as ``override``.
            policy: a file with the policy to judge by, instead of the committed one.
            **options: which registry and policy to read, see `ReadOptions`; the move is judged as
                if it were made now.

        Returns:
            All verdicts, version by version; none for a version that is in the stage already.

        Raises:
            Refused: a protected alias would move without its stage.
            InvalidDocument: ``policy`` breaks a rule; the message has the line.
            InvalidRequest: that file cannot be read.
        """
        from gitreg.core.operations.judging import GateRefused
        from gitreg.core.operations.promote import Promotion, promote

        request = Promotion(
            tuple(reference_of(given) for given in references),
            checked_text(stage, "a stage"),
            if_better=tuple(listed(if_better)),
            if_lower=tuple(listed(if_lower)),
            override=override,
        )
        state = existing(self.state(**options))
        if policy is not None:
            state = state.ruled_by(policy_in_file(Path(policy)))
        mover = self._mover(state, history=self.past(state))
        try:
            return promote(state, request, mover).judgements
        except GateRefused as refused:
            return refused.judgements


def policy_in_file(path: Path) -> gitreg.Policy:
    """Return the policy in a file.

    Raises:
        InvalidDocument: it breaks a rule; the message has the line.
        InvalidRequest: the file cannot be read.
    """
    from gitreg.core.policy import read_policy

    try:
        return read_policy(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from None
