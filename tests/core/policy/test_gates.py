"""Each rule on its own: what passes, fails or cannot be known, and the line that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.model.model import (
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelVersion,
)
from gitreg.core.policy import Case, Freeze, Rule, Verdict
from gitreg.core.policy.gates import (
    Annotated,
    ArtifactOnRemote,
    CodeClean,
    CodeOn,
    DataHashed,
    EnvironmentPresent,
    Formats,
    Lenient,
    MetricBetter,
    MetricLimit,
    Size,
    Soak,
)
from gitreg.core.policy.transitions import Approved, From, Holds, MayOverride, NotFrozen, SignedBy
from tests.support.fakes import ADA, FakeFacts

GRACE = "Grace Hopper <grace@example.com>"
COMMIT = "4b" * 20
NAN, INF = float("nan"), float("inf")


def version(number: int = 2, /, **metrics: Any) -> ModelVersion:
    """A version of m; a caller without types may give any metric."""
    return ModelVersion("m", number, "", GRACE, Artifact("model", 10, 1, "", "d4" * 16), metrics)


def case(
    candidate: ModelVersion | None = None,
    *,
    came_from: str | None = "staging",
    held: Mapping[str, tuple[ModelVersion, ...]] | None = None,
    stage: str = "production",
    replaces: tuple[int, ...] = (),
    author: str = ADA,
    facts: FakeFacts | None = None,
) -> Case:
    return Case(
        candidate or version(), stage, came_from, held or {}, replaces, author, facts or FakeFacts()
    )


def told(rule: Rule, given: Case) -> tuple[bool, str]:
    verdict = rule.judge(given)
    assert verdict.known or not verdict.passed
    assert "\n" not in verdict.line
    return verdict.passed, verdict.line


# Metrics


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "auc is missing from m@2"),
        (NAN, "auc of m@2 is nan, not a finite number"),
        (INF, "auc of m@2 is inf, not a finite number"),
        (-INF, "auc of m@2 is -inf, not a finite number"),
        ("0.99", "auc of m@2 is text, not a number"),
        (True, "auc of m@2 is a boolean, not a number"),
        ([0.99], "auc of m@2 is a list, not a number"),
    ],
)
@pytest.mark.parametrize(
    "rule",
    [
        MetricLimit("auc"),
        MetricLimit("auc", at_least=0.1),
        MetricLimit("auc", at_most=2),
        MetricBetter("auc", "production"),
        MetricBetter("auc", "production", lower_is_better=True),
    ],
    ids=str,
)
def test_what_is_no_number_fails(rule: Rule, value: object, line: str) -> None:
    metrics: dict[str, Any] = {} if value is None else {"auc": value}
    assert told(rule, case(version(**metrics))) == (False, line)
    incumbent = {"production": (version(1, auc=0.5),)}
    assert told(rule, case(version(**metrics), held=incumbent)) == (False, line)


@pytest.mark.parametrize("value", [None, NAN, INF, "0.1", False])
def test_an_incumbent_without_a_number_is_not_beaten(value: object) -> None:
    metrics: dict[str, Any] = {} if value is None else {"auc": value}
    held = {"production": (version(1, **metrics),)}
    for lower in (True, False):
        passed, line = told(
            MetricBetter("auc", "production", lower_is_better=lower),
            case(version(auc=9), held=held),
        )
        assert not passed
        assert "m@1" in line


@pytest.mark.parametrize(
    ("rule", "value", "passed", "line"),
    [
        (MetricLimit("auc"), 0, True, "auc 0 is present"),
        (MetricLimit("auc"), -1.5, True, "auc -1.5 is present"),
        (MetricLimit("auc", at_least=0.9), 0.92, True, "auc 0.92 is at least 0.9"),
        (MetricLimit("auc", at_least=0.9), 0.9, True, "auc 0.9 is at least 0.9"),
        (MetricLimit("auc", at_least=0.9), 0.89, False, "auc 0.89 is not at least 0.9"),
        (MetricLimit("loss", at_most=0.3), 0.3, True, "loss 0.3 is at most 0.3"),
        (MetricLimit("loss", at_most=0.3), 0.31, False, "loss 0.31 is not at most 0.3"),
        (MetricLimit("auc", 0.5, 0.9), 0.95, False, "auc 0.95 is at least 0.5 and not at most 0.9"),
        (MetricLimit("auc", at_least=0.9), 0.89999999, False, "auc 0.89999999 is not at least 0.9"),
    ],
)
def test_limits(rule: MetricLimit, value: float, passed: bool, line: str) -> None:
    assert told(rule, case(version(**{rule.metric: value}))) == (passed, line)


@pytest.mark.parametrize(
    ("new", "old", "options", "passed", "line"),
    [
        (0.92, 0.9, {}, True, "auc 0.92 > 0.9 (m@1)"),
        (0.9, 0.9, {}, False, "auc 0.9 is not > 0.9 (m@1)"),
        (0.8, 0.9, {}, False, "auc 0.8 is not > 0.9 (m@1)"),
        (0.92000001, 0.92, {}, True, "auc 0.92000001 > 0.92 (m@1)"),
        (3, 4.5, {"lower_is_better": True}, True, "auc 3 < 4.5 (m@1)"),
        (5, 5, {"lower_is_better": True}, False, "auc 5 is not < 5 (m@1)"),
        (0.905, 0.9, {"by": 0.005}, True, "auc 0.905 > 0.9 by 0.005, 0.005 or more (m@1)"),
        (0.904, 0.9, {"by": 0.005}, False, "auc 0.904 > 0.9 by 0.004, not 0.005 or more (m@1)"),
        (0.9, 0.9, {"by": 0.005}, False, "auc 0.9 is not > 0.9, let alone by 0.005 (m@1)"),
        (
            0.295,
            0.3,
            {"by": 0.005, "lower_is_better": True},
            True,
            "auc 0.295 < 0.3 by 0.005, 0.005 or more (m@1)",
        ),
        (
            0.296,
            0.3,
            {"by": 0.005, "lower_is_better": True},
            False,
            "auc 0.296 < 0.3 by 0.004, not 0.005 or more (m@1)",
        ),
        (1e308, -1e308, {}, True, "auc 1e+308 > -1e+308 (m@1)"),
    ],
)
def test_better_than_the_incumbent(
    new: float, old: float, options: dict[str, Any], passed: bool, line: str
) -> None:
    rule = MetricBetter("auc", "production", **options)
    held = {"production": (version(1, auc=old),)}
    assert told(rule, case(version(auc=new), held=held)) == (passed, line)


@given(st.decimals(0, 1, places=3), st.decimals(0, 1, places=3))
def test_a_margin_is_what_a_person_works_out(new: Any, old: Any) -> None:
    """Binary fractions have 0.3 - 0.295 a little above 0.005, and 0.58 - 0.575 a little below."""
    rule = MetricBetter("auc", "production", by=0.005)
    held = {"production": (version(1, auc=float(old)),)}
    passed, _ = told(rule, case(version(auc=float(new)), held=held))
    assert passed == (new * 1000 - old * 1000 >= 5)


def test_whom_a_candidate_is_compared_with() -> None:
    rule = MetricBetter("auc", "production")
    none = "auc 0.5: no other version in production to compare with"
    assert told(rule, case(version(auc=0.5))) == (True, none)
    itself = {"production": (version(2, auc=0.9),), "staging": (version(7, auc=0.9),)}
    assert told(rule, case(version(2, auc=0.5), held=itself)) == (True, none)
    several = {"production": (version(1, auc=0.7), version(3, auc=0.9))}
    assert told(rule, case(version(2, auc=0.8), held=several)) == (
        False,
        "auc 0.8 is not > 0.9 (m@3)",
    )
    assert told(rule, case(version(2, auc=1.0), held=several)) == (
        True,
        "auc 1 > 0.7 (m@1); auc 1 > 0.9 (m@3)",
    )
    other = MetricBetter("auc", "staging")
    assert told(other, case(version(2, auc=0.8), held=several))[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("aa" * 16, "bb" * 16, ", perhaps of different data: d/train.csv"),
        ("aa" * 16, "aa" * 16, ""),
        ("aa" * 16, None, ""),
        (None, None, ""),
    ],
)
def test_a_gate_says_where_metrics_are_of_versions_of_other_data(
    old: str | None, new: str | None, said: str
) -> None:
    """What a version was made from is not what it was measured on, so nothing is refused."""

    def made(number: int, md5: str | None, auc: float) -> ModelVersion:
        script = DataDependency("train.py", f"{number:032}")  # a stage's code is no data
        lineage = Lineage(data=(DataDependency("d/train.csv", md5), script))
        return replace(version(number, auc=auc), lineage=lineage)

    rule = MetricBetter("auc", "production")
    held = {"production": (made(1, old, 0.8),)}
    better, worse = (case(made(2, new, auc), held=held) for auc in (0.9, 0.7))
    assert told(rule, better) == (True, f"auc 0.9 > 0.8 (m@1){said}")
    assert told(rule, worse) == (False, f"auc 0.7 is not > 0.8 (m@1){said}")


def test_an_empty_stage_is_as_good_as_what_it_held_last() -> None:
    """Else an incumbent is archived first, and the next one only has to be better than nothing."""
    rule = MetricBetter("auc", "production")
    was = FakeFacts(held_last=(version(1, auc=0.9),))
    assert told(rule, case(version(2, auc=0.8), facts=was)) == (False, "auc 0.8 is not > 0.9 (m@1)")
    assert told(rule, case(version(2, auc=0.95), facts=was))[0]
    # What was there last comes back; nothing was ever there; the policy says that it may.
    assert told(rule, case(version(1, auc=0.9), facts=was))[0]
    assert told(rule, case(version(2, auc=0.1)))[0]
    assert told(replace(rule, if_empty="pass"), case(version(2, auc=0.1), facts=was))[0]
    lost = rule.judge(case(version(2, auc=1.0), facts=FakeFacts(held_last=None)))
    assert (lost.passed, lost.known) == (False, False)


def test_a_lenient_gate_passes_where_its_facts_are_unknown() -> None:
    for rule in (CodeClean(), CodeOn("main"), ArtifactOnRemote(), Formats(allowed=("bin",))):
        candidate = made(code=CodeCommit(COMMIT))
        unknown = case(candidate, facts=FakeFacts(commits=None))
        assert not rule.judge(unknown).passed
        lenient = Lenient(rule).judge(unknown)
        assert (lenient.passed, lenient.word) == (True, "unknown")
        assert str(Lenient(rule)) == f"{rule}, where that is known"
    assert not Lenient(CodeClean()).judge(case()).passed


# Lineage


def made(**lineage: Any) -> ModelVersion:
    return replace(version(), lineage=Lineage(**lineage))


def test_code() -> None:
    clean, dirty = (made(code=CodeCommit(COMMIT, dirty=dirty)) for dirty in (False, True))
    assert told(CodeClean(), case(clean)) == (True, "code 4b4b4b4b4 clean")
    assert told(CodeClean(), case(dirty)) == (
        False,
        "code 4b4b4b4b4 with uncommitted changes",
    )
    untracked = CodeCommit(COMMIT, untracked=True)
    assert told(CodeClean(), case(made(code=untracked))) == (
        False,
        "code 4b4b4b4b4 with untracked code files",
    )
    assert told(CodeClean(), case(made(code=replace(untracked, dirty=True))))[1] == (
        "code 4b4b4b4b4 with uncommitted changes and untracked code files"
    )
    assert told(CodeClean(), case()) == (False, "the code's commit is not known")


@pytest.mark.parametrize("rule", [CodeClean(), CodeOn("main")])
@pytest.mark.parametrize("name", ["main", "HEAD", "4b4b4b4", "B" * 40, f"{COMMIT}~1", "", "a" * 41])
def test_code_is_the_full_name_of_a_commit(rule: CodeClean | CodeOn, name: str) -> None:
    everything = FakeFacts(reachable={(name, "main"): True})
    passed, line = told(rule, case(made(code=CodeCommit(name)), facts=everything))
    assert not passed
    assert line.endswith("is not the full name of a commit")


@pytest.mark.parametrize("rule", [CodeClean(), CodeOn("main")])
def test_code_is_a_commit_that_is_there(rule: CodeClean | CodeOn) -> None:
    candidate = made(code=CodeCommit(COMMIT))
    elsewhere = rule.judge(case(candidate, facts=FakeFacts(commits=None)))
    assert (elsewhere.passed, elsewhere.known) == (False, False)
    no_commit = rule.judge(case(candidate, facts=FakeFacts(commits=False)))
    assert (no_commit.passed, no_commit.known) == (False, True)


def test_code_on_a_branch() -> None:
    candidate, rule = made(code=CodeCommit(COMMIT)), CodeOn("main")
    assert told(rule, case(candidate, facts=FakeFacts(reachable={(COMMIT, "main"): True}))) == (
        True,
        "code 4b4b4b4b4 is on main",
    )
    assert told(rule, case(candidate, facts=FakeFacts(reachable={(COMMIT, "main"): False}))) == (
        False,
        "code 4b4b4b4b4 is not on main",
    )
    verdict = rule.judge(case(candidate))
    assert (verdict.passed, verdict.known, verdict.word) == (False, False, "unknown")
    nothing = FakeFacts()
    assert told(rule, case(facts=nothing)) == (False, "the code's commit is not known")
    assert nothing.asked == []


def test_data() -> None:
    hashed, bare = DataDependency("train.csv", "d4" * 16), DataDependency("x.csv")
    assert told(DataHashed(), case(made(data=(hashed,)))) == (
        True,
        "1 data dependencies, all hashed",
    )
    assert told(DataHashed(), case(made(data=(hashed, bare)))) == (False, "no hash of x.csv")
    # All of nothing is not enough where the policy asks for it.
    assert told(DataHashed(), case()) == (False, "no data dependency is known")
    many = tuple(DataDependency(f"{n}.csv") for n in range(9))
    assert told(DataHashed(), case(made(data=many)))[1] == (
        "no hash of 0.csv, 1.csv, 2.csv and 6 more"
    )


def test_environment() -> None:
    frozen = replace(version(), environment=Environment("3.11.7", None, "requirements.txt"))
    assert told(EnvironmentPresent(), case(frozen)) == (True, "requirements.txt, python 3.11.7")
    loose = replace(version(), environment=Environment("3.11.7"))
    assert told(EnvironmentPresent(), case(loose)) == (False, "no frozen environment")


# The artifact


@pytest.mark.parametrize(
    ("answer", "passed", "known"), [(True, True, True), (False, False, True), (None, False, False)]
)
def test_on_the_remote(answer: bool | None, passed: bool, known: bool) -> None:
    verdict = ArtifactOnRemote().judge(case(facts=FakeFacts(on_remote=answer)))
    assert (verdict.rule, verdict.passed, verdict.known) == ("remote", passed, known)


@pytest.mark.parametrize(
    ("rule", "files", "passed", "line"),
    [
        (Formats(forbidden=("pkl",)), ["a/model.onnx"], True, "1 file: no file is one of pkl"),
        (Formats(forbidden=("pkl",)), ["a/MODEL.PKL", "b"], False, "a/MODEL.PKL is forbidden: pkl"),
        (Formats(forbidden=("pkl",)), ["model.pkl.gz"], False, "model.pkl.gz is forbidden: pkl"),
        (Formats(forbidden=("pkl",)), ["model.pkl/weights"], True, "1 file: no file is one of pkl"),
        (
            Formats(forbidden=("tar.gz",)),
            ["x.tar.gz", "y.tar.gz"],
            False,
            "x.tar.gz, y.tar.gz are forbidden: tar.gz",
        ),
        (Formats(forbidden=("pkl",)), [".pkl"], False, ".pkl is forbidden: pkl"),
        (
            Formats(allowed=("onnx", "json")),
            ["m.onnx", "c.json"],
            True,
            "2 files: every file is one of onnx, json",
        ),
        (Formats(allowed=("onnx",)), ["m.onnx", "README"], False, "README is not one of onnx"),
        (Formats(allowed=("gz",)), ["x.tar.gz"], True, "1 file: every file is one of gz"),
        (Formats(allowed=("pkl",)), ["x.pkl.exe"], False, "x.pkl.exe is not one of pkl"),
        (Formats(forbidden=("pkl",)), [], False, "the artifact has no files"),
        (Formats(allowed=("pkl",)), [], False, "the artifact has no files"),
    ],
)
def test_formats(rule: Formats, files: list[str], passed: bool, line: str) -> None:
    assert told(rule, case(facts=FakeFacts(names=files))) == (passed, line)


def test_formats_of_files_that_cannot_be_listed() -> None:
    assert not Formats(forbidden=("pkl",)).judge(case()).known


def test_size() -> None:
    assert told(Size(10), case()) == (True, "10 bytes, at most 10 B")
    assert told(Size(9), case()) == (False, "10 bytes, more than 9 B")


# Time and words


def test_soak() -> None:
    rule = Soak("staging", 86400)
    for elapsed, passed, line in (
        (86400, True, "1d in staging, at least 1d"),
        (86399, False, "23h 59m in staging, not yet 1d"),
        (-5, False, "0s in staging, not yet 1d"),  # a clock that is wrong
    ):
        facts = FakeFacts(now=10**6, since={("m", 2, "staging"): 10**6 - elapsed})
        assert told(rule, case(facts=facts)) == (passed, line)
    assert not rule.judge(case()).known
    asked = FakeFacts()
    assert told(rule, case(came_from=None, facts=asked)) == (False, "m@2 is not in staging")
    assert asked.asked == []


@pytest.mark.parametrize(
    ("said", "passed"), [({"card": "yes"}, True), ({"card": " "}, False), ({"Card": "x"}, False)]
)
def test_annotations(said: dict[str, str], passed: bool) -> None:
    line = "card is present" if passed else "card is missing or empty"
    assert told(Annotated("card"), case(replace(version(), tags=said))) == (passed, line)


def test_the_description_is_an_annotation() -> None:
    assert told(Annotated("description"), case(replace(version(), description="x")))[0]
    assert not told(Annotated("description"), case())[0]


# Transitions


def test_from() -> None:
    rule = From("production", ("staging", "none"))
    assert told(rule, case()) == (True, "it comes from staging")
    assert told(rule, case(came_from=None)) == (True, "it comes from no stage")
    assert told(rule, case(came_from="archived")) == (
        False,
        "it comes from archived, and only staging or none leads to production",
    )


def test_holds() -> None:
    held = {"production": (version(1),)}
    assert told(Holds("production", 1), case(held=held, replaces=(1,))) == (
        True,
        "production would hold 1 of at most 1",
    )
    assert told(Holds("production", 1), case(held=held)) == (
        False,
        "production would hold 2 of at most 1",
    )


def test_freeze() -> None:
    window = Freeze(1000, 2000, ("production",), "Christmas")
    rule = NotFrozen(("production", "staging"), (window,))
    for now, passed in ((999, True), (1000, False), (1999, False), (2000, True)):
        assert told(rule, case(facts=FakeFacts(now=now)))[0] is passed
    assert told(rule, case(facts=FakeFacts(now=1500)))[1] == (
        "production is frozen until 1970-01-01T00:33:20Z: Christmas"
    )
    everything = NotFrozen(("staging",), (Freeze(1000, 2000),))
    assert not told(everything, case(facts=FakeFacts(now=1500)))[0]
    assert told(NotFrozen(("staging",), (window,)), case(facts=FakeFacts(now=1500))) == (
        True,
        "staging is not frozen at 1970-01-01T00:25:00Z",
    )


ROLE = ("ada@example.com", "grace@example.com", "lin@example.com", "kim@example.com")


@pytest.mark.parametrize(
    ("given", "count", "passed", "line"),
    [
        (
            ["lin@example.com", "kim@example.com"],
            2,
            True,
            "2 of 2 approvals by managers: lin@example.com, kim@example.com",
        ),
        (["lin@example.com"], 2, False, "1 of 2 approvals by managers: lin@example.com"),
        ([], 1, False, "0 of 1 approvals by managers"),
        (
            ["lin@example.com", "lin@example.com"],
            2,
            False,
            "1 of 2 approvals by managers: lin@example.com",
        ),
        # Ada moves it and Grace registered it; Bob is none of them.
        (
            ["ada@example.com", "grace@example.com", "bob@example.com"],
            1,
            False,
            f"0 of 1 approvals by managers (one's own does not count: {', '.join(ROLE[:2])})",
        ),
        (
            ["ADA@example.com"],
            1,
            False,
            "0 of 1 approvals by managers (one's own does not count: ADA@example.com)",
        ),
    ],
)
def test_approvals(given: list[str], count: int, passed: bool, line: str) -> None:
    facts = FakeFacts(approved=lambda *_: given)
    assert told(Approved(count, ROLE, ("managers",)), case(facts=facts)) == (passed, line)


def test_who_signs_the_move_does_not_approve_it() -> None:
    facts = FakeFacts(approved=lambda *_: ["lin@example.com"], signed_by="lin@example.com")
    assert not told(Approved(1, ROLE, ("managers",)), case(facts=facts))[0]


def test_an_approval_is_for_what_the_stage_holds() -> None:
    """All of it: where it keeps several, it is not only whoever makes room."""
    seen: list[object] = []

    def approved(_: ModelVersion, stage: str, replaces: tuple[int, ...]) -> list[str]:
        seen.append((stage, replaces))
        return []

    facts = FakeFacts(approved=approved)
    held = {"production": (version(1), version(2), version(3))}
    told(Approved(1, ROLE, ("managers",)), case(held=held, replaces=(1,), facts=facts))
    assert seen == [("production", (1, 3))]


def test_nobody_can_approve_or_sign_for_an_empty_role() -> None:
    facts = FakeFacts(approved=lambda *_: ["lin@example.com"], signed_by="lin@example.com")
    assert not told(Approved(1, (), ("empty",)), case(facts=facts))[0]
    assert not told(Approved(0, (), ()), case(facts=facts))[0]
    assert not told(SignedBy("production", (), ("empty",)), case(facts=facts))[0]
    assert not told(MayOverride("production", (), (), False), case(facts=facts))[0]


def test_signed() -> None:
    rule = SignedBy("production", ROLE, ("managers",))
    assert told(rule, case(facts=FakeFacts(signed_by="lin@example.com"))) == (
        True,
        "signed by lin@example.com",
    )
    assert told(rule, case()) == (
        False,
        "not signed by a known key, and moves of production are signed by managers",
    )
    assert told(rule, case(facts=FakeFacts(signed_by="bob@example.com"))) == (
        False,
        "signed by bob@example.com, and moves of production are signed by managers",
    )


@pytest.mark.parametrize(
    ("author", "signer", "needed", "passed"),
    [
        (ADA, None, False, True),
        (ADA, None, True, False),  # anybody can write Ada's name
        (ADA, "ada@example.com", True, True),
        ("Bob <bob@example.com>", "ada@example.com", True, True),
        (ADA, "bob@example.com", False, False),  # the signature tells who it is
        ("Bob <bob@example.com>", None, False, False),
        ("ada@example.com <bob@example.com>", None, False, False),
        ("", None, False, False),
    ],
)
def test_who_may_override(author: str, signer: str | None, needed: bool, passed: bool) -> None:
    rule = MayOverride("production", ("ada@example.com",), ("leads",), needed)
    verdict = rule.judge(case(author=author, facts=FakeFacts(signed_by=signer)))
    assert verdict.passed is passed
    assert "override" in verdict.line


def test_a_verdict_in_words() -> None:
    assert Verdict("soak", passed=False, line="1h").text == "failed  soak: 1h"
    assert Verdict("soak", passed=False, line="1h", known=False).text == "unknown  soak: 1h"
