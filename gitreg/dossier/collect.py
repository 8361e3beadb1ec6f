"""What is known of one version, gathered for an auditor as one value: a `Dossier`.

A dossier depends on a commit alone: not on the clock, the machine, the clone or the URL that it was
read by. It reads what concerns the version, not what else the model or the registry has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitreg.approvals.reproductions import REPRODUCTION
from gitreg.approvals.signatures import (
    APPROVAL,
    GIT,
    Unverified,
    fingerprint_of,
    parse_signature,
    split_commit,
    verify,
)
from gitreg.approvals.stored import StoredApproval, entries_of, signers_of
from gitreg.check.clone_check import judged_commit
from gitreg.check.finding import CheckFinding
from gitreg.core.model import layout
from gitreg.core.model.card import Card
from gitreg.core.model.keys import Signers
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import Reference
from gitreg.core.model.statement import Statement, read_statement_of
from gitreg.core.operations.approve import Approval
from gitreg.core.policy import Policy
from gitreg.core.state.history import Event
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import InvalidDocument, NotFound
from gitreg.git.valid_policy import policy_in_force
from gitreg.history.explaining import Explanation, explain
from gitreg.registry import Registry
from gitreg.registry.references import ReferenceLike

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.registry.options import ReadOptions

DVC_FILES = ("*.dvc", "*dvc.lock")
"""The files in which DVC names data by its hash."""


@dataclass(frozen=True)
class FileHash:
    """A file of the version at the dossier's commit: its path from the root, and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Signer:
    """Who signed a commit, by the policy before it, and the public key."""

    principal: str
    key: str


@dataclass(frozen=True)
class SignedApproval:
    """An approval, and what it takes to verify it again.

    Attributes:
        stored: whose it is, for which stage, and whether it verifies.
        path: of the signature, from the root of the repository.
        commit: a commit that has the file.
        wanted: what was approved; ``None`` where that is not known any more.
        text: the text that was signed; ``None`` where it does not verify.
        key: the public key, ``ssh-ed25519 AAAA…``; ``None`` where it does not verify.
    """

    stored: StoredApproval
    path: str
    commit: str
    wanted: Approval | None = None
    text: bytes | None = None
    key: str | None = None


@dataclass(frozen=True)
class Reproduced:
    """A statement on a reproduction, and who signed it.

    Attributes:
        path: of the statement, from the root of the repository.
        statement: what it says.
        signed: whether a signature is beside it.
        fingerprint: of the key in the signature.
        signer: who signed, by the policy at the dossier's commit; ``None`` for nobody it lists.
    """

    path: str
    statement: Statement
    signed: bool
    fingerprint: str | None
    signer: Signer | None


@dataclass(frozen=True)
class PolicyFile:
    """``policy.yaml`` at a commit, as it is, and its SHA-256."""

    commit: str
    text: str
    sha256: str


@dataclass(frozen=True)
class Judged:
    """What `gitreg check` finds in the history of a version.

    Attributes:
        commits: which were judged, each with what it merged, newest first.
        findings: what is wrong.
    """

    commits: tuple[str, ...]
    findings: tuple[CheckFinding, ...]


@dataclass(frozen=True)
class Dossier:
    """Everything that a repository proves about one version, as of a commit.

    Attributes:
        version: the version, as `gitreg show` has it.
        committed: when the commit that it was read from was made, UTC.
        explanation: what served, when, by whom, why, and under which rules.
        card: what people say of the model; ``None`` where they say nothing.
        card_text: the file, as they wrote it.
        files: the files of the version, by path.
        incumbent: what was in the stage before this version entered it, as it was then; ``None``
            where the stage was empty, or the version was in none.
        events: everything that happened to the version, the oldest first.
        moves: the commits that put it somewhere or took it away, under its present name, newest
            first: what ``git log -G`` finds.
        signers: by commit, for those moves that a key of the policy signed.
        approvals: those of its last promotion; before one, those that it has.
        reproductions: statements of people who made it again.
        policy: the file with the rules of its last promotion.
        judged: what the checks find.
        code_is_here: whether the code commit is in the history of the dossier's commit.
        data_in_code: the hashes of data that a DVC file of the code commit names, too.
    """

    version: ModelVersion
    committed: str
    explanation: Explanation
    card: Card | None
    card_text: str | None
    files: tuple[FileHash, ...]
    incumbent: ModelVersion | None
    events: tuple[Event, ...]
    moves: tuple[str, ...]
    signers: Mapping[str, Signer]
    approvals: tuple[SignedApproval, ...]
    reproductions: tuple[Reproduced, ...]
    policy: PolicyFile | None
    judged: Judged
    code_is_here: bool
    data_in_code: frozenset[str]

    @property
    def commit(self) -> str:
        """The commit that everything was read from."""
        return str(self.version.read_from)


def dossier(
    registry: Registry, reference: ReferenceLike, **options: Unpack[ReadOptions]
) -> Dossier:
    """Return everything that the repository proves about a version.

    Args:
        registry: which.
        reference: a version, a stage or an alias.
        **options: ``rev`` or ``at``, see `ReadOptions`.

    Raises:
        NotFound: no such model, version, alias or stage.
        GitError: the clone is shallow, or ``ssh-keygen`` is not installed.
    """
    registry.repository.refuse_shallow()
    commit = str(registry.state(**options).commit)
    committed = int(registry.repository.run("log", "-1", "--format=%ct", commit).text)
    found = explain(registry, reference, now=committed, rev=commit)
    return _Collector(registry, commit, found).collected(utc(committed))


class _Collector:
    """Reads the parts of a dossier from a registry."""

    def __init__(self, registry: Registry, commit: str, found: Explanation) -> None:
        self._registry = registry
        self._repository = registry.repository
        self._commit = commit
        self._version = found.version
        self._found = self._without_chance(found)
        self._state = registry.state(rev=commit)

    def collected(self, committed: str) -> Dossier:
        version, state = self._version, self._state
        numbered = Reference(version.model, version=version.version)
        events = tuple(reversed(self._registry.log(numbered, rev=self._commit)))
        card = state.snapshot.read(layout.card_path(version.model))
        code_is_here = self._is_here(version)
        return Dossier(
            version,
            committed,
            self._found,
            state.card(version.model),
            None if card is None else card.decode("utf-8", "replace"),
            tuple(self._files()),
            self._incumbent(),
            events,
            self._moves(),
            self._signers(events),
            tuple(self._approvals()),
            tuple(self._reproductions()),
            self._policy(),
            self._judged(events),
            code_is_here,
            self._data_in_code() if code_is_here else frozenset(),
        )

    def _without_chance(self, found: Explanation) -> Explanation:
        """Return an explanation without what only some clones know: commits of other branches."""
        changed = found.changed
        if changed is None or all(map(self._is_here, (changed.a, changed.b))):
            return found
        return replace(found, changed=replace(changed, code_files=None))

    def _is_here(self, version: ModelVersion) -> bool:
        code = version.lineage.code
        known = None if code is None else self._repository.commit_of(code.commit)
        return known is not None and self._repository.is_ancestor(known, self._commit)

    def _files(self) -> Iterator[FileHash]:
        """Yield the files of the version and the card, without those that may change any day."""
        version, snapshot = self._version, self._state.snapshot
        top = layout.version_path(version.model, version.version)
        paths = [f"{top}/{name}" for name in snapshot.list(top)]
        for name in ("approvals", "evaluations", "reproductions"):
            paths += [f"{top}/{name}/{file}" for file in snapshot.list(f"{top}/{name}")]
        paths.append(layout.card_path(version.model))
        for path, data in zip(paths, snapshot.read_many(paths), strict=True):
            if data is not None:
                yield FileHash(path, hashlib.sha256(data).hexdigest())

    def _incumbent(self) -> ModelVersion | None:
        promoted, stage = self._found.promoted, self._found.stage
        before = self._before(promoted.commit if promoted else None)
        if promoted is None or stage is None or before is None:
            return None
        try:
            held = before.stage(promoted.model, stage)
            others = [number for number in held if number != promoted.version]
            return before.version(promoted.model, max(others)) if others else None
        except (InvalidDocument, NotFound):
            return None

    def _before(self, commit: str | None) -> RegistryState | None:
        parent = None if commit is None else self._repository.commit_of(f"{commit}^1")
        return None if parent is None else self._registry.state(rev=parent)

    def _moves(self) -> tuple[str, ...]:
        model = layout.model_path(self._version.model)
        listing = self._repository.run_at_root(
            *("log", "--no-show-signature", "--first-parent", "-m"),
            *("-G", moved_lines(self._version.version)),
            *("--format=%H", self._commit, "--", f"{model}/stages", f"{model}/aliases"),
        )
        return tuple(listing.text.split())

    def _signers(self, events: Sequence[Event]) -> dict[str, Signer]:
        """Return who signed the moves, by the policy before each."""
        found = {}
        for commit in dict.fromkeys(event.commit for event in events if event.pointer):
            before = self._before(commit)
            content = self._repository.reader.get(commit)
            if before is None or content is None:
                continue
            text, signature = split_commit(content.data)
            signers = signers_of(self._rules(before)) if signature else Signers()
            signer = _signer(text, signature, GIT, signers)
            if signer is not None:
                found[commit] = signer
        return found

    def _rules(self, state: RegistryState) -> Policy:
        return policy_in_force(self._repository, state).policy

    def _approvals(self) -> Iterator[SignedApproval]:
        promoted = self._found.promoted
        before = self._before(promoted.commit if promoted else None)
        if promoted is None or promoted.commit is None or before is None:
            model, number = self._version.model, self._version.version
            numbered = Reference(model, version=number)
            stored = tuple(self._registry.approvals(numbered, rev=self._commit))
            before, after = self._state, self._state
        else:
            model, number, stored = promoted.model, promoted.version or 0, self._found.approvals
            after = self._registry.state(rev=promoted.commit)
        for one in stored:
            yield self._approval(one, model, number, before, after)

    def _approval(
        self,
        one: StoredApproval,
        model: str,
        number: int,
        before: RegistryState,
        after: RegistryState,
    ) -> SignedApproval:
        path = layout.approval_path(model, number, one.stage, one.principal)
        found = SignedApproval(one, path, str(after.commit))
        data = after.snapshot.read(path)
        if not one.verified or data is None:
            return found
        root = self._repository.root_of(str(after.commit))
        entry = entries_of(self._registry.past(before))(model, one.stage)
        held = before.stage(model, one.stage) if before.has_model(model) else ()
        version = after.version(model, number)
        wanted = Approval.over(after.snapshot, root, version, one.stage, held, entry)
        wanted = wanted.by(one.principal, after.snapshot)
        signers = signers_of(self._rules(before))
        for text in (wanted.text, wanted.earlier):
            signer = _signer(text, data, APPROVAL, signers)
            if signer is not None:
                return replace(found, wanted=wanted, text=text, key=signer.key)
        return found

    def _reproductions(self) -> Iterator[Reproduced]:
        version, snapshot = self._version, self._state.snapshot
        folder = layout.reproductions_path(version.model, version.version)
        signers = signers_of(self._rules(self._state))
        for file in sorted(snapshot.list(folder)):
            path = f"{folder}/{file}"
            place = layout.locate(path)
            if place is None or place.kind != "reproduction":
                continue
            data, signature = snapshot.read_many([path, layout.signature_path(path)])
            try:
                statement = read_statement_of(data or b"", path, version.artifact.sha256)
            except InvalidDocument:
                continue  # the checks report it
            signer = _signer(data or b"", signature or b"", REPRODUCTION, signers)
            key = fingerprint_of(signature) if signature else None
            yield Reproduced(path, statement, signature is not None, key, signer)

    def _policy(self) -> PolicyFile | None:
        then = self._found.policy
        commit = self._commit if then is None else then.read_at
        data = self._registry.state(rev=commit).snapshot.read(layout.POLICY)
        if data is None:
            return None
        digest = hashlib.sha256(data).hexdigest()
        return PolicyFile(commit, data.decode("utf-8", "replace"), digest)

    def _judged(self, events: Sequence[Event]) -> Judged:
        """Judge the commits of the version, and those that changed the rules."""
        listing = self._repository.run_at_root(
            "rev-list", "--first-parent", self._commit, "--", layout.POLICY, layout.DVC_CONFIG
        ).text.split()
        commits = tuple(dict.fromkeys([*(event.commit for event in reversed(events)), *listing]))
        past = self._registry.past(self._state)
        found = [
            finding
            for commit in reversed(commits)
            for finding in judged_commit(self._repository, lambda: past, commit).findings
        ]
        self._registry.past(self._state)  # the checks read it as of earlier commits
        return Judged(commits, tuple(dict.fromkeys(found)))

    def _data_in_code(self) -> frozenset[str]:
        """Return which hashes of data the DVC files of the code commit name."""
        version = self._version
        hashes = [item.md5 for item in version.lineage.data if item.md5]
        hashes += [one.data.md5 for one in version.evaluations.values() if one.data.md5]
        if not hashes or version.lineage.code is None:
            return frozenset()
        wanted = [word for one in dict.fromkeys(hashes) for word in ("-e", one)]
        listing = self._repository.run_at_root(
            *("--no-literal-pathspecs", "grep", "--no-line-number", "--no-column", "-h", "-o"),
            *("--fixed-strings", *wanted, version.lineage.code.commit, "--", *DVC_FILES),
            check=False,
        )
        return frozenset(listing.text.split())


def moved_lines(version: int) -> str:
    """Return the expression for the lines of pointer files that name a version."""
    return f"^(- {version}|version: {version})$"


def _signer(text: bytes, signature: bytes, namespace: str, signers: Signers) -> Signer | None:
    """Return who signed a text; ``None`` where the signature does not verify."""
    try:
        principal = verify(text, signature, namespace, signers)
    except Unverified:
        return None
    return Signer(principal, str(parse_signature(signature).key))
