"""The gates of a stage: small objects; the verdict of each says why a version passes or fails.

>>> str(MetricLimit("auc", at_least=0.9))
'auc is at least 0.9'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from gitreg.core.model.model import ModelVersion
from gitreg.core.policy import verdict as codes
from gitreg.core.policy.measured import Measure, other_data, unfair
from gitreg.core.policy.measures import format_duration, format_size, spoken_duration
from gitreg.core.policy.records import CardSays, Reproduced
from gitreg.core.policy.verdict import Case, Verdict, unknown

_SHOWN = 3
"""How many of several offending names a line lists."""

SHORT = 9
"""How many digits of a commit a line shows."""

LAST, PASS = "last", "pass"
"""What a version has to beat where a stage is empty: what it held last, or nothing."""

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


# Metrics


def _shown(*values: float) -> list[str]:
    """Return short numbers, or full ones where different numbers would look the same."""
    short = [f"{value:g}" for value in values]
    is_faithful = len(set(short)) == len(set(values))
    return short if is_faithful else [repr(value) for value in values]


@dataclass(frozen=True)
class MetricLimit:
    """A metric is present, and within limits when there are some.

    Attributes:
        metric: its name.
        at_least: the lowest value that passes.
        at_most: the highest value that passes.
        evaluation: the evaluation that has it; ``None`` for the metrics of the registration.
        slice: the part of that evaluation's data; ``*`` for each part, ``None`` for all of it.
    """

    metric: str
    at_least: int | float | None = None
    at_most: int | float | None = None
    evaluation: str | None = None
    slice: str | None = None

    @property
    def measure(self) -> Measure:
        """Which number is judged."""
        return Measure(self.metric, self.evaluation, self.slice)

    def __str__(self) -> str:
        limits = [
            f"{word} {limit:g}"
            for word, limit in (("at least", self.at_least), ("at most", self.at_most))
            if limit is not None
        ]
        return f"{self.measure} is {' and '.join(limits) or 'present'}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's value, or on each of its values."""
        values = self.measure.of(case.candidate)
        if isinstance(values, str):
            return Verdict(codes.METRIC, passed=False, line=values)
        return _all_of([self._judge_one(name, value) for name, value in values.items()])

    def _judge_one(self, name: str, value: float) -> tuple[bool, str]:
        parts, passed = [], True
        for words, limit, sign in (
            ("at least", self.at_least, 1),
            ("at most", self.at_most, -1),
        ):
            if limit is None:
                continue
            within = value >= limit if sign > 0 else value <= limit
            passed &= within
            parts.append(f"{'' if within else 'not '}{words} {_shown(value, limit)[1]}")
        shown = _shown(value, *(x for x in (self.at_least, self.at_most) if x is not None))[0]
        said = f" is {' and '.join(parts)}" if parts else " is present"
        return passed, f"{name} {shown}{said}"


def _all_of(verdicts: Sequence[tuple[bool, str]]) -> Verdict:
    """Return the verdict that several pass: what passed does not explain a refusal."""
    passed = all(one for one, _ in verdicts)
    return Verdict(codes.METRIC, passed, "; ".join(line for one, line in verdicts if one == passed))


@dataclass(frozen=True)
class MetricBetter:
    """A metric is better than that of every other version in a stage.

    Attributes:
        metric: its name.
        than: the stage whose versions the candidate has to beat. Of an empty stage those that it
            held last: else the incumbent is taken out first, and anything is better than nothing.
        by: the least difference; 0 for any. It is computed in decimals: 0.905 is better than 0.9 by
            0.005, which binary fractions get wrong.
        lower_is_better: whether a lower value is better.
        if_empty: `PASS` lets every version into an empty stage.
        evaluation: the evaluation that has it, of the same data for both versions; ``None`` for the
            metrics of the registration.
        slice: the part of that evaluation's data; ``*`` for each part, ``None`` for all of it.
        confidence: how sure the difference has to be, ``0.95``, by the predictions of both; 0 to
            compare only the numbers.
    """

    metric: str
    than: str
    by: int | float = 0
    lower_is_better: bool = False
    if_empty: str = LAST
    evaluation: str | None = None
    slice: str | None = None
    confidence: float = 0

    @property
    def measure(self) -> Measure:
        """Which number is judged."""
        return Measure(self.metric, self.evaluation, self.slice)

    def __str__(self) -> str:
        better = "lower" if self.lower_is_better else "higher"
        margin = f" by {self.by:g} or more" if self.by else ""
        sure = f" with {self.confidence:.4g} confidence" if self.confidence else ""
        return f"{self.measure} is {better} than that of {self.than}{margin}{sure}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict; the candidate must beat every incumbent."""
        candidate = case.candidate
        values = self.measure.of(candidate)
        if isinstance(values, str):
            return Verdict(codes.METRIC, passed=False, line=values)
        held: Sequence[ModelVersion] | None = case.held.get(self.than, ())
        if not held and self.if_empty == LAST:
            held = case.facts.last_held(candidate.model, self.than)
        if held is None:
            return unknown(codes.METRIC, f"what {self.than} held last cannot be read here")
        incumbents = [v for v in held if v.version != candidate.version]
        if not incumbents:
            shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
            none = f"no other version in {self.than} to compare with"
            return Verdict(codes.METRIC, passed=True, line=f"{shown}: {none}")
        compared = _all_of([one for v in incumbents for one in self._against(candidate, values, v)])
        if not compared.passed or not self.confidence:
            return compared
        return self._surely(case, incumbents, compared)

    def _against(
        self, candidate: ModelVersion, values: Mapping[str, int | float], incumbent: ModelVersion
    ) -> Iterator[tuple[bool, str]]:
        old = self.measure.of(incumbent)
        why = None if self.evaluation is None else unfair(candidate, incumbent, self.evaluation)
        if isinstance(old, str) or why is not None:
            yield False, why or str(old)
            return
        for name, before in old.items():
            if name in values:
                passed, line = self._beats(name, values[name], before, incumbent.reference)
                yield passed, line + self._doubt(candidate, incumbent)
            else:
                yield False, f"{name} is missing from {candidate.reference}"

    def _doubt(self, candidate: ModelVersion, incumbent: ModelVersion) -> str:
        """Return that metrics of registrations may be of different data, where hashes say so."""
        differing = () if self.evaluation is not None else other_data(candidate, incumbent)
        if not differing:
            return ""
        shown = ", ".join(ascii(path)[1:-1] for path in differing[:_SHOWN])
        return f", perhaps of different data: {shown}"

    def _beats(self, name: str, new: float, old: float, incumbent: str) -> tuple[bool, str]:
        gain = _exact(new) - _exact(old)
        gain = -gain if self.lower_is_better else gain
        passed = gain >= _exact(self.by) if self.by else gain > 0
        sign = "<" if self.lower_is_better else ">"
        new_shown, old_shown = _shown(new, old)
        margin = ""
        if self.by:
            margin = f" by {float(gain):g}, {'' if passed else 'not '}{self.by:g} or more"
            margin = margin if gain > 0 else f", let alone by {self.by:g}"
        found = sign if gain > 0 else f"is not {sign}"
        return passed, f"{name} {new_shown} {found} {old_shown}{margin} ({incumbent})"

    def _surely(self, case: Case, incumbents: Sequence[ModelVersion], compared: Verdict) -> Verdict:
        """Return the verdict on a difference that chance could have made."""
        verdicts = []
        for incumbent in incumbents:
            found = case.facts.difference(
                case.candidate, incumbent, str(self.evaluation), self.metric, self.confidence
            )
            if found is None or isinstance(found, str):
                line = found or f"the predictions of {self.evaluation} cannot be read here"
                return unknown(codes.METRIC, f"{compared.line}; {line}")
            least = -found.high if self.lower_is_better else found.low
            verdicts.append((least > 0 and _exact(least) >= _exact(self.by), str(found)))
        sure = _all_of(verdicts)
        return replace(sure, line=f"{compared.line}; {sure.line}")


def _exact(value: float) -> Decimal:
    """Return the decimal that a person wrote: the shortest one that equals this number."""
    return Decimal(repr(value))


# Lineage


def _code_of(case: Case, rule: str) -> tuple[str, Verdict | None]:
    """Return the commit of a version's code, and the verdict that refuses it if it is none.

    A manifest is free text: a branch's name there would mean another commit every day.
    """
    code = case.candidate.lineage.code
    if code is None:
        return "", Verdict(rule, passed=False, line="the code's commit is not known")
    if not _OID.fullmatch(code.commit):
        line = f"code {code.commit[:SHORT]!a} is not the full name of a commit"
        return "", Verdict(rule, passed=False, line=line)
    found = case.facts.has_commit(code.commit)
    if found is None:
        line = f"code {code.commit[:SHORT]} is not a commit of this repository"
        return "", unknown(rule, line)
    if not found:
        return "", Verdict(rule, passed=False, line=f"code {code.commit[:SHORT]} is no commit")
    return code.commit, None


@dataclass(frozen=True)
class CodeClean:
    """The code's commit is known and there, and the code was committed, all of it."""

    def __str__(self) -> str:
        return "the code's commit is known, without uncommitted changes or untracked code"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's lineage."""
        code = case.candidate.lineage.code
        if code is not None and code.unrecorded:
            line = f"code {code.commit[:SHORT]} with {code.unrecorded}"
            return Verdict(codes.CODE, passed=False, line=line)
        commit, wrong = _code_of(case, codes.CODE)
        return wrong or Verdict(codes.CODE, passed=True, line=f"code {commit[:SHORT]} clean")


@dataclass(frozen=True)
class CodeOn:
    """The commit of the code is on a branch, by the evidence of `gitreg.git.branches`."""

    branch: str

    def __str__(self) -> str:
        return f"the code's commit is on the branch {self.branch}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's lineage, by the branch in Git."""
        commit, wrong = _code_of(case, codes.CODE_ON)
        if wrong is not None:
            return wrong
        found = case.facts.is_reachable(commit, self.branch)
        name = f"code {commit[:SHORT]}"
        if found is None:
            line = (
                f"{name} or the branch {self.branch} is not known here: push it, or git "
                "fetch what the remote has"
            )
            return unknown(codes.CODE_ON, line)
        return Verdict(codes.CODE_ON, found, f"{name} is {'' if found else 'not '}on {self.branch}")


@dataclass(frozen=True)
class DataHashed:
    """The data that the version was made from is known, each item with its hash."""

    def __str__(self) -> str:
        return "data dependencies are known, each with its hash"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's lineage; it fails without any data."""
        data = case.candidate.lineage.data
        if not data:
            return Verdict(codes.DATA, passed=False, line="no data dependency is known")
        bare = [item.path for item in data if not item.md5]
        if bare:
            return Verdict(codes.DATA, passed=False, line=f"no hash of {_some(bare)}")
        return Verdict(codes.DATA, passed=True, line=f"{len(data)} data dependencies, all hashed")


@dataclass(frozen=True)
class EnvironmentPresent:
    """The environment was frozen with the version."""

    def __str__(self) -> str:
        return "the environment is frozen beside the version"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's environment."""
        environment = case.candidate.environment
        if not environment.requirements:
            return Verdict(codes.ENVIRONMENT, passed=False, line="no frozen environment")
        python = f", python {environment.python}" if environment.python else ""
        return Verdict(codes.ENVIRONMENT, passed=True, line=f"{environment.requirements}{python}")


# The artifact


@dataclass(frozen=True)
class ArtifactOnRemote:
    """All of the artifact is on the DVC remote."""

    def __str__(self) -> str:
        return "the artifact is on the DVC remote"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict, by the answer of the DVC remote."""
        found = case.facts.is_on_remote(case.candidate.artifact)
        if found is None:
            return unknown(codes.REMOTE, "the DVC remote cannot be asked for the artifact")
        where = "on" if found else "not on"
        return Verdict(codes.REMOTE, found, f"the artifact is {where} the DVC remote")


@dataclass(frozen=True)
class Formats:
    """No file has a forbidden extension, or every file has an allowed one.

    A forbidden extension counts anywhere in a name: ``model.pkl.gz`` is a pickle, too.

    Attributes:
        allowed: extensions in lower case without the dot; ``None`` where ``forbidden`` is given.
        forbidden: likewise; ``None`` where ``allowed`` is given.
    """

    allowed: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] | None = None

    def __str__(self) -> str:
        if self.allowed is not None:
            return f"every file is one of {', '.join(self.allowed)}"
        return f"no file is one of {', '.join(self.forbidden or ())}"

    def takes(self, path: str) -> bool:
        """Tell whether a file of this name may be in the artifact."""
        if self.allowed is not None:
            return bool(_endings(path) & set(self.allowed))
        return not (_endings(path) | _parts(path)) & set(self.forbidden or ())

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the names of the artifact's files."""
        files = case.facts.files(case.candidate.artifact)
        if files is None:
            return unknown(codes.FORMATS, "the artifact's files cannot be listed here")
        if not files:
            return Verdict(codes.FORMATS, passed=False, line="the artifact has no files")
        wrong = [path for path in files if not self.takes(path)]
        if wrong:
            verb = "is" if len(wrong) == 1 else "are"
            if self.allowed is not None:
                rule = f"{verb} not one of {', '.join(self.allowed)}"
            else:
                rule = f"{verb} forbidden: {', '.join(sorted(self.forbidden or ()))}"
            return Verdict(codes.FORMATS, passed=False, line=f"{_some(wrong)} {rule}")
        count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
        return Verdict(codes.FORMATS, passed=True, line=f"{count}: {self}")


def _parts(path: str) -> set[str]:
    return set(path.rpartition("/")[2].lower().split(".")[1:])


def _endings(path: str) -> set[str]:
    parts = path.rpartition("/")[2].lower().split(".")[1:]
    return {".".join(parts[n:]) for n in range(len(parts))}


@dataclass(frozen=True)
class Size:
    """The artifact is not too large; ``at_most`` in bytes."""

    at_most: int

    def __str__(self) -> str:
        return f"the artifact has at most {format_size(self.at_most)}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the size in the manifest."""
        size = case.candidate.artifact.size
        passed = size <= self.at_most
        more = "at most" if passed else "more than"
        return Verdict(codes.SIZE, passed, f"{size:,} bytes, {more} {format_size(self.at_most)}")


# Time and words


@dataclass(frozen=True)
class Soak:
    """The version has been in a stage long enough; ``at_least`` in seconds."""

    stage: str
    at_least: int

    def __str__(self) -> str:
        return f"it has been in {self.stage} for {format_duration(self.at_least)}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict, by history and the time of the move."""
        candidate = case.candidate
        if case.came_from != self.stage:
            line = f"{candidate.reference} is not in {self.stage}"
            return Verdict(codes.SOAK, passed=False, line=line)
        entered = case.facts.entered(candidate.model, candidate.version, self.stage)
        if entered is None:
            line = f"when {candidate.reference} entered {self.stage} is not known here"
            return unknown(codes.SOAK, line)
        elapsed = case.facts.moment() - entered
        passed = elapsed >= self.at_least
        wanted = format_duration(self.at_least)
        line = f"{spoken_duration(max(elapsed, 0))} in {self.stage}, {{}} {wanted}"
        return Verdict(codes.SOAK, passed, line.format("at least" if passed else "not yet"))


@dataclass(frozen=True)
class Annotated:
    """The version has a tag of this name that is not empty, or a description."""

    name: str

    def __str__(self) -> str:
        return f"the annotation {self.name} is present"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the candidate's annotations."""
        said = case.candidate.tags.get(self.name)
        if said is None and self.name == "description":
            said = case.candidate.description
        passed = bool(said and said.strip())
        state = "present" if passed else "missing or empty"
        return Verdict(codes.ANNOTATION, passed, f"{self.name} is {state}")


CanBeUnknown: TypeAlias = CodeClean | CodeOn | ArtifactOnRemote | Formats | Soak | MetricBetter

CAN_BE_UNKNOWN = (CodeClean, CodeOn, ArtifactOnRemote, Formats, Soak, MetricBetter)
"""The gates whose facts are not known everywhere: a server has no access to the bytes, say."""


@dataclass(frozen=True)
class Lenient:
    """A gate that passes, with a warning, where its facts are not known."""

    gate: CanBeUnknown

    def __str__(self) -> str:
        return f"{self.gate}, where that is known"

    def judge(self, case: Case) -> Verdict:
        """Return the gate's verdict, passed where it is unknown."""
        verdict = self.gate.judge(case)
        return verdict if verdict.known else replace(verdict, passed=True)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


Gate: TypeAlias = (
    MetricLimit
    | MetricBetter
    | CodeClean
    | CodeOn
    | DataHashed
    | EnvironmentPresent
    | ArtifactOnRemote
    | Formats
    | Size
    | Soak
    | Annotated
    | Reproduced
    | CardSays
    | Lenient
)
