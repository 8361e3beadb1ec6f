"""One contract: every rule says the same through promote, `policy test`, check and the hook.

Each case is a history and a move. `policy test` and `promote` judge the move before it is made;
then the same commit is made, by force where `promote` refuses it, and check and the server's hook
judge it afterwards. All four have to name the same rules.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.operations.judging import GateRefused
from gitreg.core.policy import Judgement
from gitreg.core.state.change import Change
from gitreg.errors import Refused
from tests.conftest import git, write_model
from tests.support.contract import CODE, Place, Verdicts, named
from tests.support.signers import Key, make_key, use_ssh

ADA, GRACE = "ada@example.com", "grace@example.com"
MANIFEST = "registry/churn/versions/3/manifest.yaml"
ALIAS = "registry/churn/aliases/champion.yaml"
PRODUCTION = "registry/churn/stages/production.yaml"
SIGNED_FILE = f"registry/churn/versions/3/approvals/production.{GRACE}.sig"
ALL_YEAR = "{from: 2020-01-01T00:00:00Z, until: 2090-01-01T00:00:00Z}"
LONG_AGO = "{from: 2020-01-01T00:00:00Z, until: 2020-01-02T00:00:00Z}"


def _not_passed(judgements: Iterable[Judgement]) -> Verdicts:
    return {
        verdict.rule: verdict.word
        for judgement in judgements
        for verdict in judgement.failed
        if verdict.rule != "override"
    }


def nothing(_place: Place) -> None:
    """The templates as they are."""


@dataclass(frozen=True)
class Case:
    """A move, and which rules do not let it pass.

    Attributes:
        rules: lines of the stage production in the policy.
        prepare: what happened before, on top of that policy.
        failed: what all four have to say.
        beside: other lines of the policy.
        hook: what the hook says, where a server cannot know what a clone does.
        options: of `promote`.
        lenient: whether the policy lets what is unknown pass.
    """

    rules: tuple[str, ...] = ()
    prepare: Callable[[Place], None] = nothing
    failed: Verdicts = field(default_factory=dict)
    beside: str = ""
    hook: Verdicts | None = None
    options: dict[str, object] = field(default_factory=dict)
    version: int = 3
    lenient: bool = False

    def accepts(self, found: Verdicts) -> bool:
        return not {"failed", *(() if self.lenient else ("unknown",))} & set(found.values())


def gate(text: str) -> tuple[str, ...]:
    return (f"gates: [{{{text}}}]",)


def staged(place: Place, hours: int = 0) -> None:
    """Version 3 is in staging, for some hours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", f"{int(time.time()) - hours * 3600} +0000")
        place.commit({"registry/churn/stages/staging.yaml": "versions:\n- 3\n"})


def staged_yesterday(place: Place) -> None:
    staged(place, 25)


def staged_today(place: Place) -> None:
    staged(place, 23)


def staged_again(place: Place) -> None:
    staged_yesterday(place)
    place.commit({"registry/churn/stages/staging.yaml": None})
    staged(place)


def single_file(place: Place) -> None:
    """Version 4 is one file, whose name a server knows."""
    write_model(place.work, "alone")
    with Registry(place.work) as registry:
        registry.register("churn", place.work / "models/churn/model.pkl", metrics={"auc": 0.95})


def without_a_copy(place: Place) -> None:
    shutil.rmtree(place.work.parent / "dvc-remote")
    (place.work.parent / "dvc-remote").mkdir()


def code_of(place: Place) -> str:
    text = (place.work / MANIFEST).read_text()
    found = re.search(r"commit: ([0-9a-f]{40})", text)
    assert found is not None
    return found[1]


def stale_branch(place: Place) -> None:
    """The remote's branch has the code; a local branch of the same name is older."""
    place.push(f"{code_of(place)}:refs/heads/prod")
    place.git("fetch", "--quiet", "origin")
    place.git("branch", "--quiet", "prod", f"{code_of(place)}~1")


def unpublished_branch(place: Place) -> None:
    """The local branch has the code; the remote's is older."""
    place.push(f"{code_of(place)}~1:refs/heads/prod")
    place.git("fetch", "--quiet", "origin")
    place.git("branch", "--quiet", "prod", code_of(place))


def only_local_branch(place: Place) -> None:
    place.git("branch", "--quiet", "prod", code_of(place))


def branch_of_a_fork(place: Place) -> None:
    """Another remote's branch has the code; that of the remote that is published to does not."""
    unpublished_branch(place)
    place.git("branch", "--quiet", "-D", "prod")
    git(place.work.parent, "clone", "--quiet", "--bare", "origin.git", "fork.git")
    git(place.work.parent / "fork.git", "branch", "--force", "prod", code_of(place))
    place.git("remote", "add", "fork", "../fork.git")
    place.git("fetch", "--quiet", "fork")


def remote_of_another_name(place: Place) -> None:
    """The branch that is worked on has an upstream; no remote is called origin."""
    branch_of_a_fork(place)
    place.git("remote", "rename", "origin", "team")


def approved(place: Place) -> None:
    use_ssh(place.work, str(place.keys[GRACE].file))
    with Registry(place.work) as registry:
        registry.approve(registry.preview_approval("churn@3", stage="production"))


def approved_by_its_mover(place: Place) -> None:
    use_ssh(place.work, str(place.keys[ADA].file))
    place.edit(MANIFEST, f"<{ADA}>", "<eve@example.com>")
    with Registry(place.work) as registry:
        registry.approve(registry.preview_approval("churn@3", stage="production"))


def approved_beside_another(place: Place) -> None:
    """What production held when it was approved is not what it holds now."""
    approved(place)
    place.commit({PRODUCTION: "versions:\n- 1\n"})


def overtaken(place: Place) -> None:
    """Production has held something else since, and holds the same again."""
    approved(place)
    place.commit({PRODUCTION: "versions:\n- 1\n"})
    place.commit({PRODUCTION: "versions:\n- 2\n"})


def approved_in_the_earlier_form(place: Place) -> None:
    approved(place)
    with Registry(place.work) as registry:
        text = registry.preview_approval("churn@3", stage="production").approval.earlier
    place.git("reset", "--quiet", "--hard", "HEAD~1")
    place.commit({SIGNED_FILE: place.keys[GRACE].sign(text).decode()})


def overtaken_in_the_earlier_form(place: Place) -> None:
    approved_in_the_earlier_form(place)
    signature = (place.work / SIGNED_FILE).read_text()
    place.commit({PRODUCTION: "versions:\n- 1\n"})
    place.commit({PRODUCTION: "versions:\n- 2\n", SIGNED_FILE: None})
    place.commit({SIGNED_FILE: signature})


def signing(who: str) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        use_ssh(place.work, str(place.keys[who].file), commits=True)

    return prepare


def annotated(place: Place) -> None:
    with Registry(place.work) as registry:
        registry.annotate("churn@3", tags={"validated": "by Grace"})


def with_data(place: Place) -> None:
    data = f"  data:\n  - path: train.csv\n    md5: {'d4' * 16}\n    size: 1\n"
    place.edit(MANIFEST, "environment:\n", f"{data}environment:\n")


def dirty(place: Place) -> None:
    place.edit(MANIFEST, "dirty: false", "dirty: true")


def clean(place: Place) -> None:
    text = (place.work / MANIFEST).read_text()
    if "dirty: true" in text:
        place.edit(MANIFEST, "dirty: true", "dirty: false")


def without_an_environment(place: Place) -> None:
    place.edit(MANIFEST, "  requirements: requirements.txt\n", "")


def emptied(place: Place) -> None:
    place.commit({PRODUCTION: None})


def emptied_and_deleted(place: Place) -> None:
    """What was there last is not there any more, and was better."""
    emptied(place)
    place.commit({ALIAS: None})
    with Registry(place.work) as registry:
        registry.delete("churn@2", reason="it is bad")


def code_by_name(place: Place) -> None:
    place.edit(MANIFEST, f"commit: {code_of(place)}", "commit: main")


def code_elsewhere(place: Place) -> None:
    place.edit(MANIFEST, f"commit: {code_of(place)}", f"commit: {'4b' * 20}")
    clean(place)


APPROVALS = (f"approvals: {{count: 1, by: [{GRACE}, {ADA}]}}",)
SIGNED = (f"signed: {{by: [{GRACE}]}}",)
UNKNOWN_BYTES = {"remote": "unknown"}
MODELS = "models:\n  churn*:\n    stages:\n      production:\n        gates: [{}]\n"

CASES: dict[str, Case] = {
    "no rule": Case(),
    "metric: present": Case(gate("metric: auc")),
    "metric: missing": Case(gate("metric: f1"), failed={"metric": "failed"}),
    "metric: high enough": Case(gate("metric: auc, at_least: 0.9")),
    "metric: too low": Case(gate("metric: auc, at_least: 0.91"), failed={"metric": "failed"}),
    "metric: low enough": Case(gate("metric: auc, at_most: 0.9")),
    "metric: too high": Case(gate("metric: auc, at_most: 0.8"), failed={"metric": "failed"}),
    "better than": Case(gate("metric: auc, better_than: production, by: 0.1")),
    "not better by so much": Case(
        gate("metric: auc, better_than: production, by: 0.2"), failed={"metric": "failed"}
    ),
    "not lower": Case(
        gate("metric: auc, better_than: production, lower_is_better: true"),
        failed={"metric": "failed"},
    ),
    "better than what was there last": Case(
        gate("metric: auc, better_than: production, by: 0.1"), emptied
    ),
    "not better than what was there last": Case(
        gate("metric: auc, better_than: production, by: 0.2"), emptied, {"metric": "failed"}
    ),
    "not better than what was deleted": Case(
        gate("metric: auc, better_than: production, by: 0.2"),
        emptied_and_deleted,
        {"metric": "failed"},
    ),
    "better than nothing, where the policy says so": Case(
        gate("metric: auc, better_than: production, by: 0.2, if_empty: pass"), emptied
    ),
    "better than what never was": Case(gate("metric: auc, better_than: staging, by: 0.2")),
    "code: clean": Case(gate("code: clean"), clean),
    "code: a name": Case(gate("code: clean"), code_by_name, {"code": "failed"}),
    "code on main, by that name": Case(gate("code_on: main"), code_by_name, {"code-on": "failed"}),
    "code: elsewhere": Case(gate("code: clean"), code_elsewhere, {"code": "unknown"}),
    "code: elsewhere, and that may be": Case(
        gate("code: clean, unknown: warn"), code_elsewhere, {"code": "unknown"}, lenient=True
    ),
    "code: dirty": Case(gate("code: clean"), dirty, {"code": "failed"}),
    "code on main": Case(gate("code_on: main")),
    "code on a branch, stale here": Case(gate("code_on: prod"), stale_branch),
    "code on a branch, not published": Case(
        gate("code_on: prod"), unpublished_branch, {"code-on": "failed"}
    ),
    "code on a branch of a fork": Case(
        gate("code_on: prod"), branch_of_a_fork, {"code-on": "failed"}
    ),
    "code on a branch of a fork, no origin": Case(
        gate("code_on: prod"), remote_of_another_name, {"code-on": "failed"}
    ),
    "code on a branch that nobody else has": Case(
        gate("code_on: prod"), only_local_branch, {"code-on": "unknown"}
    ),
    "data: hashed": Case(gate("data: hashed"), with_data),
    "data: not known": Case(gate("data: hashed"), failed={"data": "failed"}),
    "environment: frozen": Case(gate("environment: present")),
    "environment: none": Case(
        gate("environment: present"), without_an_environment, {"environment": "failed"}
    ),
    "bytes on the remote": Case(gate("artifact: on_remote"), hook=UNKNOWN_BYTES),
    "bytes nowhere": Case(
        gate("artifact: on_remote"), without_a_copy, {"remote": "failed"}, hook=UNKNOWN_BYTES
    ),
    "bytes on the remote, and a server need not know": Case(
        gate("artifact: on_remote, unknown: warn"), hook=UNKNOWN_BYTES, lenient=True
    ),
    "formats, and no server need know anything": Case(
        gate("formats: {allowed: [pkl, json]}"),
        beside="unknown: warn\n",
        hook={"formats": "unknown"},
        lenient=True,
    ),
    "formats: allowed": Case(gate("formats: {allowed: [pkl, json]}"), hook={"formats": "unknown"}),
    "formats: forbidden": Case(
        gate("formats: {forbidden: [pkl]}"),
        failed={"formats": "failed"},
        hook={"formats": "unknown"},
    ),
    "formats: a file, allowed": Case(gate("formats: {forbidden: [bin]}"), single_file, version=4),
    "formats: a file, forbidden": Case(
        gate("formats: {forbidden: [pkl]}"), single_file, {"formats": "failed"}, version=4
    ),
    "size: small": Case(gate("size: {at_most: 1 MB}")),
    "size: large": Case(gate("size: {at_most: 1}"), failed={"size": "failed"}),
    "soak: long enough": Case(gate("soak: {in: staging, at_least: 24h}"), staged_yesterday),
    "soak: too short": Case(
        gate("soak: {in: staging, at_least: 24h}"), staged_today, {"soak": "failed"}
    ),
    "soak: begun anew": Case(
        gate("soak: {in: staging, at_least: 24h}"), staged_again, {"soak": "failed"}
    ),
    "soak: elsewhere": Case(gate("soak: {in: staging, at_least: 24h}"), failed={"soak": "failed"}),
    "annotation": Case(gate("annotation: validated"), annotated),
    "annotation: missing": Case(gate("annotation: validated"), failed={"annotation": "failed"}),
    "from": Case(("from: [staging]",), staged),
    "from elsewhere": Case(("from: [staging]",), failed={"from": "failed"}),
    "crowded": Case(
        ("crowded: false",), failed={"holds": "failed"}, options={"keep_existing": True}
    ),
    "not crowded": Case(("crowded: false",), emptied, options={"keep_existing": True}),
    "freeze": Case(beside=f"freeze: [{ALL_YEAR}]\n", failed={"freeze": "failed"}),
    "freeze: over": Case(beside=f"freeze: [{LONG_AGO}]\n"),
    "freeze of the stage that it leaves": Case(
        beside=f"freeze: [{ALL_YEAR[:-1]}, stages: [staging]}}]\n",
        prepare=staged,
        failed={"freeze": "failed"},
    ),
    "approvals": Case(APPROVALS, approved),
    "approvals: none": Case(APPROVALS, failed={"approvals": "failed"}),
    "approvals: one's own": Case(APPROVALS, approved_by_its_mover, {"approvals": "failed"}),
    "approvals: of another move": Case(APPROVALS, approved_beside_another, {"approvals": "failed"}),
    "approvals: spent": Case(APPROVALS, overtaken, {"approvals": "failed"}),
    "approvals: in the earlier form": Case(APPROVALS, approved_in_the_earlier_form),
    "approvals: spent in the earlier form": Case(
        APPROVALS, overtaken_in_the_earlier_form, {"approvals": "failed"}
    ),
    "signed": Case(SIGNED, signing(GRACE)),
    "signed: by another": Case(SIGNED, signing(ADA), {"signed": "failed"}),
    "signed: by nobody": Case(SIGNED, failed={"signed": "failed"}),
    "override": Case(
        (*gate("metric: f1"), f"override: {{by: [{ADA}]}}"),
        failed={"metric": "overridden"},
        options={"override": "why this once"},
    ),
    "override: by another": Case(
        (*gate("metric: f1"), f"override: {{by: [{GRACE}]}}"),
        failed={"metric": "failed"},
        options={"override": "why this once"},
    ),
    "of some models": Case(beside=MODELS.format("{metric: auc, at_least: 0.9}")),
    "of some models, refused": Case(
        beside=MODELS.format("{metric: auc, at_least: 0.91}"), failed={"metric": "failed"}
    ),
    "an alias moves along": Case(
        ("aliases: [champion]",), beside="aliases: {champion: {protected: true}}\n"
    ),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {f"{name}@example.com": make_key(folder, name) for name in ("ada", "grace")}


def policy(case: Case, keys: dict[str, Key]) -> str:
    signers = ", ".join(f"{who}: [{key.line}]" for who, key in keys.items())
    rules = "".join(f"    {line}\n" for line in case.rules)
    return (
        "format: 1\nstages:\n  staging: {}\n"
        f"  production:\n    holds: 1\n    replaced: archived\n{rules}"
        f"  archived: {{}}\nsigners: {{{signers}}}\n{case.beside}"
    )


@pytest.fixture
def place(stocked: Path, keys: dict[str, Key]) -> Place:
    return Place(stocked, keys)


def begin(place: Place, case: Case) -> str:
    """Publish the policy and what happened before the move; nobody judges these.

    Returns:
        The commit that the move is made on.
    """
    place.commit({"registry/policy.yaml": policy(case, place.keys)})
    case.prepare(place)
    place.git("push", "--quiet", place.git("remote").splitlines()[-1], "HEAD:main")
    return place.git("rev-parse", "HEAD")


def force(place: Place, change: Change) -> None:
    """Commit a change that `promote` refused."""
    for edit in change.edits:
        path = place.work / edit.path
        if edit.content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(edit.content)
    place.git("add", "--all", "registry")
    place.git("commit", "--quiet", "--message", change.message())


def promoted(place: Place, case: Case) -> Verdicts:
    """Promote; return the verdicts. The commit is there afterwards, whatever they are."""
    with Registry(place.work) as registry:
        try:
            outcome = registry.promote(
                f"churn@{case.version}",
                stage="production",
                **case.options,  # type: ignore[arg-type]
            )
        except GateRefused as refused:
            error = refused
        else:
            return dict.fromkeys(_not_passed(outcome.change.judgements), "overridden")
    assert error.change is not None
    force(place, error.change)
    return _not_passed(error.judgements)


def judged_before(place: Place, case: Case) -> Verdicts:
    override = case.options.get("override")
    with Registry(place.work) as registry:
        judgements = registry.test_policy(
            f"churn@{case.version}",
            stage="production",
            override=None if override is None else str(override),
        )
    return _not_passed(judgements)


def checked(folder: Path, base: str) -> tuple[bool, Verdicts]:
    with Registry(folder) as registry:
        report = registry.check(f"{base}..HEAD", remote=True)
    found = [CODE.fullmatch(finding.code) for finding in report.findings]
    return report.passed, named((match[1], match[2]) for match in found if match)


@pytest.mark.parametrize("name", CASES)
def test_all_four_judge_alike(place: Place, name: str) -> None:
    case = CASES[name]
    base = begin(place, case)
    before = judged_before(place, case)
    said = promoted(place, case)
    assert said == ({} if case.lenient else case.failed)
    if "keep_existing" not in case.options:  # `policy test` has no such option
        # An override that counts is no more than a note beside the verdicts.
        assert before == {
            rule: "failed" if word == "overridden" else word for rule, word in said.items()
        }
    passed, found = checked(place.work, base)
    assert found == case.failed
    assert passed is case.accepts(case.failed)
    accepted, on_the_server = place.hook()
    assert on_the_server == (case.failed if case.hook is None else case.hook)
    assert accepted is case.accepts(on_the_server)


def test_a_protected_alias_moves_with_its_stage_alone(place: Place) -> None:
    case = Case(("aliases: [champion]",), beside="aliases: {champion: {protected: true}}\n")
    base = begin(place, case)
    with Registry(place.work) as registry, pytest.raises(Refused, match="@champion is protected"):
        registry.set_alias("churn@3", "champion")
    place.commit({ALIAS: "version: 3\n"})
    assert checked(place.work, base) == (False, {"alias": "failed"})
    assert place.hook() == (False, {"alias": "failed"})


def test_an_alias_that_is_not_protected_moves(place: Place) -> None:
    base = begin(place, Case(beside="aliases: {champion: {protected: false}}\n"))
    with Registry(place.work) as registry:
        registry.set_alias("churn@3", "champion")
    assert checked(place.work, base) == (True, {})
    assert place.hook() == (True, {})


FROZEN = Case(gate("metric: f1"), beside=f"freeze: [{ALL_YEAR}]\n")


def test_a_rollback_needs_no_gate_and_no_end_of_a_freeze(place: Place) -> None:
    base = begin(place, FROZEN)
    with Registry(place.work) as registry:
        registry.rollback("churn")
    assert checked(place.work, base) == (True, {})
    assert place.hook() == (True, {})


def test_what_only_says_that_it_is_a_rollback(place: Place) -> None:
    """Version 3 never was in production."""
    base = begin(place, FROZEN)
    with Registry(place.work) as registry, pytest.raises(Refused, match=r"churn@3 was never in"):
        registry.rollback("churn", to=3)
    said = "roll back production to churn@3\n\nGitreg-Action: rollback\n"
    place.commit({PRODUCTION: "versions:\n- 3\n"}, "--message", said)
    failed = {"metric": "failed", "freeze": "failed"}
    assert checked(place.work, base) == (False, failed)
    assert place.hook() == (False, failed)


@pytest.mark.parametrize(
    ("start", "end", "is_frozen"),
    [(-10, 600, True), (-60, -10, True), (-600, -60, False), (10, 600, False)],
    ids=["it began since", "it ended since", "before", "later"],
)
def test_a_freeze_is_over_the_commit_and_over_the_push(
    place: Place, monkeypatch: pytest.MonkeyPatch, start: int, end: int, is_frozen: bool
) -> None:
    """A move of half an hour ago: neither a date before a freeze nor waiting for its end helps."""
    now = int(time.time())
    window = ", ".join(
        f"{key}: '{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + minutes * 60))}'"
        for key, minutes in (("from", start), ("until", end))
    )
    base = begin(place, Case(beside=f"freeze: [{{{window}}}]\n"))
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{now - 1800} +0000")
    archived = "registry/churn/stages/archived.yaml"
    place.commit({PRODUCTION: "versions:\n- 3\n", archived: "versions:\n- 1\n- 2\n"})
    failed = {"freeze": "failed"} if is_frozen else {}
    assert checked(place.work, base) == (not is_frozen, failed)
    assert place.hook() == (not is_frozen, failed)


def test_what_leaves_passes_no_gate_but_is_frozen(place: Place) -> None:
    base = begin(place, FROZEN)
    with Registry(place.work) as registry:
        with pytest.raises(GateRefused) as refused:
            registry.archive("churn@2")
        assert _not_passed(refused.value.judgements) == {"freeze": "failed"}
        assert refused.value.change is not None
        force(place, refused.value.change)
    assert checked(place.work, base) == (False, {"freeze": "failed"})
    assert place.hook() == (False, {"freeze": "failed"})


@pytest.mark.parametrize("name", ["stale here", "not published"])
def test_wherever_a_commit_is_checked(place: Place, tmp_path: Path, name: str) -> None:
    """A checkout as CI makes it, with a detached HEAD, and the server itself."""
    case = CASES[f"code on a branch, {name}"]
    base = begin(place, case)
    assert promoted(place, case) == case.failed
    place.push("HEAD:refs/heads/topic")
    ci = tmp_path / "ci"
    git(tmp_path, "clone", "--quiet", str(place.server), "ci")
    git(ci, "checkout", "--quiet", "--detach", "origin/topic")
    git(ci, "branch", "--quiet", "prod", place.git("rev-parse", "prod"))
    git(place.server, "symbolic-ref", "HEAD", "refs/heads/topic")
    for folder in (ci, place.server):
        assert checked(folder, base) == (not case.failed, case.failed)
