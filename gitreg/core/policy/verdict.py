"""What rules get and return: a `Case`, the `Facts` that they may ask for, a `Verdict`.

A rule is a small frozen object with ``judge(case) -> Verdict``. It reads the case alone, and asks
for facts only when it needs them: a policy without a rule on artifacts never imports DVC.

>>> Verdict("metric", passed=True, line="auc 0.92 is at least 0.9").word
'passed'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitreg.core.model.card import Card
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.model.names import format_version

METRIC = "metric"
FROM = "from"
HOLDS = "holds"
FREEZE = "freeze"
ALIAS = "alias"
CODE = "code"
CODE_ON = "code-on"
DATA = "data"
ENVIRONMENT = "environment"
REMOTE = "remote"
FORMATS = "formats"
SIZE = "size"
SOAK = "soak"
ANNOTATION = "annotation"
REPRODUCED = "reproduced"
CARD = "card"
APPROVALS = "approvals"
SIGNED = "signed"
OVERRIDE = "override"


@dataclass(frozen=True)
class Verdict:
    """A rule's answer about a case.

    Attributes:
        rule: the kind of rule, one of this module's stable codes.
        passed: whether the case obeys it.
        line: why, in one line with the numbers.
        known: whether the facts that the rule needs are known here; false without a DVC remote or
            history, say. Then it passes only where the policy says ``unknown: warn``.
    """

    rule: str
    passed: bool
    line: str
    known: bool = True

    @property
    def word(self) -> str:
        """``passed``, ``failed`` or ``unknown``."""
        return ("passed" if self.passed else "failed") if self.known else "unknown"

    @property
    def text(self) -> str:
        """One line for people: ``failed  soak: …``."""
        return f"{self.word}  {self.rule}: {self.line}"


def unknown(rule: str, line: str) -> Verdict:
    """Return the verdict of a rule whose facts are not known here; it does not pass.

    `gitreg.core.policy.gates.Lenient` lets it pass.
    """
    return Verdict(rule, passed=False, line=line, known=False)


@dataclass(frozen=True)
class Sure:
    """The interval in which the true difference of a metric lies, candidate minus incumbent.

    Attributes:
        low: its lower end.
        high: its upper end.
        confidence: how sure that is, between 0 and 1.
        method: how it was computed: ``DeLong``, ``bootstrap``.
        rows: of how many predictions.
    """

    low: float
    high: float
    confidence: float
    method: str
    rows: int

    def __str__(self) -> str:
        return (
            f"the difference is {self.low:+.4g} to {self.high:+.4g} with {self.confidence:.4g} "
            f"confidence ({self.method}, {self.rows:,} rows)"
        )


class Facts(Protocol):
    """The facts that rules ask for; ``None`` where one is not known here."""

    def moment(self) -> int:
        """Return when the move is made, in seconds since the epoch."""

    def moments(self) -> Sequence[int]:
        """Return every time at which a freeze must not be: when it was made, and when it lands."""

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return when a version last entered its stage, in seconds since the epoch."""

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a model's name, in any life of the name."""

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        """Tell whether a commit is on a branch; see `gitreg.git.branches`."""

    def has_commit(self, commit: str) -> bool | None:
        """Tell whether a commit of the code is here; ``None`` where another repository has it."""

    def last_held(self, model: str, stage: str) -> Sequence[ModelVersion] | None:
        """Return the versions that a stage held before it became empty; none if it never held any.

        ``None`` where their manifests cannot be read.
        """

    def difference(
        self,
        candidate: ModelVersion,
        incumbent: ModelVersion,
        evaluation: str,
        metric: str,
        confidence: float,
    ) -> Sure | str | None:
        """Return how much better a version's metric is, by the predictions of both, row by row.

        A text says why there is no answer; ``None`` where the predictions cannot be read here.
        """

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote."""

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files, relative to it; of a file, its name."""

    def approvers(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Sequence[str]:
        """Return the principals whose approval of this very move verifies, each once.

        ``replaces`` are the other versions that the stage holds before the move, ascending.
        """

    def spent(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Mapping[str, str]:
        """Return the principals whose approval does not count any more, and why: ``was …``."""

    def reproductions(self, version: ModelVersion) -> Sequence[tuple[str, str]]:
        """Return who says that a version was made again, and the verdict; signed, by signers."""

    def signer(self) -> str | None:
        """Return the principal that signs the move, if any does."""


@dataclass(frozen=True)
class Case:
    """One version that would move, and everything that rules may read to judge it.

    Attributes:
        candidate: the version, with its annotations.
        stage: where to; `gitreg.core.model.names.NO_STAGE` for no stage.
        came_from: the stage that it leaves, or ``None``.
        held: what each stage of the model holds before the move.
        replaces: the versions that leave the stage for it, ascending.
        author: ``Name <email>`` of who moves it.
        facts: answers the questions of rules.
        returns: whether this takes back an earlier move (a rollback or a revert): the version was
            in the stage before, and passed then.
        card: gives the model's card, ``None`` without one.
    """

    candidate: ModelVersion
    stage: str
    came_from: str | None
    held: Mapping[str, tuple[ModelVersion, ...]]
    replaces: tuple[int, ...]
    author: str
    facts: Facts
    returns: bool = False
    card: Callable[[], Card | None] = lambda: None


class Rule(Protocol):
    """One condition of a move."""

    def judge(self, case: Case) -> Verdict:
        """Return whether the case obeys it, and why, in one line with the numbers."""


@dataclass(frozen=True)
class Judgement:
    """All verdicts on one version that moves, in the policy's order."""

    model: str
    version: int
    stage: str
    verdicts: tuple[Verdict, ...]

    @property
    def reference(self) -> str:
        """``churn-predictor@5``."""
        return format_version(self.model, self.version)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The verdicts that did not pass, also those whose facts are unknown."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    @property
    def passed(self) -> bool:
        """Whether every rule passed."""
        return not self.failed
