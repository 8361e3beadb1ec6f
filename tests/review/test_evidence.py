"""The text of a request: what a reviewer has to know, and nothing that a registry smuggles in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model.model import Artifact, CodeCommit, DataDependency, Environment, Lineage
from gitreg.core.model.names import folder_of, parse_reference
from gitreg.core.operations.register import Registration, register
from gitreg.core.policy.verdict import Judgement, Verdict
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.review.evidence import LIMIT, evidence_text
from gitreg.review.hosts import host_of
from tests.core.text.test_markdown import NASTY, PARSER, texts
from tests.support.fakes import ADA, CREATED, MD5, SHA256, DictSnapshot

HOST = host_of("git@github.com:team/churn.git")


def registered(
    state: RegistryState,
    model: str = "churn",
    *,
    repository: str | None = "https://github.com/team/churn.git",
    **given: object,
) -> Change:
    lineage = Lineage(
        "models/churn",
        CodeCommit("ab" * 20, repository, dirty=True),
        (DataDependency("data/train.csv", MD5),),
    )
    request = Registration(
        model,
        Artifact("model", 10, 1, SHA256, MD5),
        CREATED,
        ADA,
        metrics={"auc": 0.5 + len(state.numbers(model)) / 10},
        params={"lr": 0.1, "layers": len(state.numbers(model))},
        lineage=lineage,
        environment=Environment("3.11.7", "linux", "requirements.txt"),
        requirements=f"numpy==2.{len(state.numbers(model))}\n".encode(),
    )
    return register(state, replace(request, **given))  # type: ignore[arg-type]


def stocked(*pointers: tuple[str, bytes], model: str = "churn", count: int = 2) -> RegistryState:
    snapshot = DictSnapshot()
    for _ in range(count):
        snapshot = snapshot.apply(registered(RegistryState(snapshot), model).edits)
    files = {f"registry/{model}/{path}": content for path, content in pointers}
    return RegistryState(DictSnapshot({**snapshot.files, **files}))


def pointer(state: RegistryState, path: str, content: bytes | None, model: str = "churn") -> Change:
    del state
    return Change("move", (Edit(f"registry/{model}/{path}", content),))


def test_a_candidate_beside_the_incumbent() -> None:
    state = stocked(("stages/production.yaml", b"versions:\n- 1\n"))
    change = pointer(state, "stages/production.yaml", b"versions:\n- 2\n")
    text = evidence_text(state, replace(change, reason="two\nlines", evidence=("auc 0.6",)), HOST)
    found = texts(text, "a", "h3", "ul", "li")
    for row in (
        ["churn", "production", "1", "2"],
        ["auc", "0.5", "0.6", "+0.1"],
        ["layers", "0", "1"],
        ["numpy", "2.0", "2.1"],
    ):
        at = found.index(row[0]) if row[0] != "churn" else 0
        assert found[at : at + len(row)] == row
    assert f'<a href="https://github.com/team/churn/commit/{"ab" * 20}">' in text
    assert "with uncommitted changes" in text
    assert "No difference: data." in text
    assert "<pre>two\nlines</pre>" in text
    assert "gitreg rollback churn --stage production -m WHY --pr" in text
    assert "- <code>auc 0.6</code>" in text


def test_without_an_incumbent_all_is_told() -> None:
    state = stocked()
    change = pointer(state, "stages/production.yaml", b"versions:\n- 2\n")
    text = evidence_text(state, change, HOST)
    assert "holds no other version to compare it with" in text
    found = texts(text, "a", "h3", "ul", "li")
    assert found[found.index("lr") + 1] == "0.1"
    assert MD5 in found
    assert "gitreg promote churn&#64;2 --to none -m WHY --pr" in text


@pytest.mark.parametrize(
    ("repository", "shown"),
    [
        ("https://evil.example/team/churn", "of <code>https"),
        ("javascript:alert(1)", "of <code>javascript"),
        (None, "<code>abababababab</code>, with"),
    ],
)
def test_nobody_is_sent_to_another_host(repository: str | None, shown: str) -> None:
    state = RegistryState(DictSnapshot())
    text = evidence_text(state, registered(state, repository=repository), HOST)
    assert "<a " not in text
    assert shown in text


def test_a_registration() -> None:
    state = stocked(("stages/production.yaml", b"versions:\n- 1\n"))
    text = evidence_text(state, registered(state), HOST)
    assert "<code>churn&#64;3</code> beside <code>churn&#64;1</code> (<code>production</code>)" in (
        text
    )
    assert "gitreg delete churn&#64;3 -m WHY --pr" in text


@pytest.mark.parametrize("text", [one for one in NASTY if "\n" not in one and "\x1b" not in one])
def test_nothing_of_a_registry_means_anything(text: str) -> None:
    state = RegistryState(DictSnapshot())
    change = registered(
        state,
        metrics={text: 0.5},
        params={text: text},
        created_by=f"{text} <x@example.com>",
        lineage=Lineage(text, None, (DataDependency(text, MD5),)),
    )
    verdict = Verdict("metric", passed=False, line=text)
    change = replace(
        change,
        reason=f"{text}\n{text}",
        evidence=(text,),
        warnings=(text,),
        judgements=(Judgement("churn", 1, "production", (verdict,)),),
    )
    written = evidence_text(state, change, HOST)
    rendered = PARSER.render(written)
    for tag in ("<a ", "<script", "<img", "<b>", "<em>", "<strong>x"):
        assert tag not in rendered
    for line in written.splitlines():
        assert not line.startswith("/")
        assert "@" not in line
        assert "#" not in line.lstrip("#").replace("&#", "")
    assert "failed" in written


def test_names_are_quoted_for_the_shell() -> None:
    name = "a b; rm -rf ~"
    state = stocked(("stages/production.yaml", b"versions:\n- 1\n"), model=name)
    files = {
        path.replace(f"registry/{name}/", f"registry/{folder_of(name)}/"): content
        for path, content in state.snapshot.files.items()  # type: ignore[attr-defined]
    }
    state = RegistryState(DictSnapshot(files))
    change = pointer(state, "stages/production.yaml", b"versions:\n- 2\n", folder_of(name))
    text = evidence_text(state, change, HOST)
    assert "gitreg rollback &#39;a b; rm -rf &#126;&#39; --stage production" in text


def test_going_back_from_each_move() -> None:
    state = stocked(
        ("stages/staging.yaml", b"versions:\n- 2\n"), ("aliases/old.yaml", b"version: 1\n")
    )

    def way(change: Change) -> str:
        return evidence_text(state, change, HOST).partition("Roll back after the merge")[2]

    assert "promote churn&#64;2 --to staging" in way(
        Change(
            "x",
            (
                *pointer(state, "stages/staging.yaml", None).edits,
                *pointer(state, "stages/archived.yaml", b"versions:\n- 2\n").edits,
            ),
        )
    )
    assert "gitreg alias set churn&#64;1 old" in way(
        pointer(state, "aliases/old.yaml", b"version: 2\n")
    )
    assert "gitreg alias delete churn&#64;new" in way(
        pointer(state, "aliases/new.yaml", b"version: 2\n")
    )
    assert "git revert COMMIT" in way(pointer(state, "model.yaml", b"owner: ada\n"))
    rolled = replace(
        pointer(stocked(), "stages/staging.yaml", b"versions:\n- 1\n"),
        trailers=(("Gitreg-Action", "rollback"),),
    )
    assert "gitreg promote churn&#64;2 --to staging" in way(rolled)


def test_a_host_takes_it_however_much_there_is() -> None:
    state = RegistryState(DictSnapshot())
    change = registered(
        state,
        params={f"p{number}": "x" * 300 for number in range(100)},
        requirements="".join(f"package{n}==1\n" for n in range(500)).encode(),
    )
    text = evidence_text(state, change, HOST)
    assert "… and 60 more" in text
    assert len(text) < LIMIT
    long = evidence_text(state, replace(change, reason="x" * 2 * LIMIT), HOST)
    assert len(long) < LIMIT
    assert "too long for a request" in long
    assert parse_reference("churn@1").model in long
