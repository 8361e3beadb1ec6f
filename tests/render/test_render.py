"""Values to text: nothing from a registry reaches a terminal raw, and nothing gets lost."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.model.model import (
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    Model,
    ModelVersion,
    Run,
)
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.compare import compare
from gitreg.core.state.history import Event
from gitreg.findings import Finding
from gitreg.publishing.outcome import Outcome
from gitreg.publishing.tags import TagReport
from gitreg.render import as_json, as_text, terminal
from gitreg.render.comparison import comparison_text
from gitreg.render.events import events_text

WIDE = 4096
ARTIFACT = Artifact("model.pkl", 184312, 1, "0" * 64, "1" * 32)
BARE = ModelVersion("churn", 1, "2026-11-22T20:25:06Z", "Ada <ada@example.com>", ARTIFACT)
FULL = ModelVersion(
    "churn",
    2,
    "2026-11-22T20:25:06Z",
    "Ada <ada@example.com>",
    Artifact("model", 512, 4, "0" * 64, "1" * 32 + ".dir"),
    metrics={"auc": 0.921, "loss": 1, "f1": 0.5, "recall": 0.25, "precision": 0.75},
    params={"train": {"lr": 0.1, "layers": [64, 8]}, "deep": True, "off": None},
    lineage=Lineage(
        "models/churn",
        CodeCommit("a" * 40, "git@example.com:team/churn.git", dirty=True),
        (DataDependency("data/train.csv", "2" * 32, 7),),
        "python train.py",
        Run("0a1b", "http://mlflow.internal"),
    ),
    environment=Environment("3.11.7", "linux-x86_64", "requirements.txt"),
    stage="production",
    aliases=("best", "champion"),
    description="in\nwords",
    tags={"team": "growth"},
    commit="b" * 40,
    read_from="c" * 40,
)
HOSTILE = "\x1b]0;x\x07\x9b31m\u202e\u2066\u200b\ufeff\u2028\u2029\ud800\r\t\U000e0041"


def words(text: str) -> str:
    """Return text without its columns."""
    return " ".join(text.split())


def is_safe(text: str) -> bool:
    """Tell whether text has nothing that moves the cursor, hides or reorders, but line breaks."""
    return all(
        char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        for char in text
    )


# Escapes


@given(st.text(st.characters()))
def test_no_text_is_unsafe_to_show(text: str) -> None:
    assert is_safe(terminal.visible(text))
    assert is_safe(terminal.line(text))
    assert "\n" not in terminal.line(text)
    assert terminal.visible(text).count("\n") == text.count("\n")


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    assert terminal.visible(text) == terminal.line(text) == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)


@given(value=JSON, ascii_only=st.booleans())
def test_json_is_safe_to_show_and_says_the_same(*, value: object, ascii_only: bool) -> None:
    text = as_json.to_json(value, ascii_only=ascii_only)
    assert json.loads(text) == value
    assert is_safe(text)
    assert text.isascii() or not ascii_only


def test_json_has_no_numbers_of_its_own() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_json.to_json(float("nan"))


WHEN = "2026-11-22T20:25:06+01:00"


def test_hostile_text_everywhere() -> None:
    version = ModelVersion(
        HOSTILE,
        1,
        HOSTILE,
        HOSTILE,
        Artifact(HOSTILE, 1, 1, HOSTILE, HOSTILE),
        {HOSTILE: 1.0},
        {HOSTILE: HOSTILE},
        Lineage(
            HOSTILE,
            CodeCommit(HOSTILE, HOSTILE),
            (DataDependency(HOSTILE, HOSTILE),),
            HOSTILE,
            Run(HOSTILE, HOSTILE),
        ),
        Environment(HOSTILE, HOSTILE),
        HOSTILE,
        (HOSTILE,),
        HOSTILE,
        {HOSTILE: HOSTILE},
        HOSTILE,
        HOSTILE,
    )
    event = Event(HOSTILE, WHEN, HOSTILE, HOSTILE, HOSTILE, 1, HOSTILE, (), (1,), HOSTILE, HOSTILE)
    change = Change(
        HOSTILE, (Edit(HOSTILE + ".yaml", HOSTILE.encode("utf-8", "replace")),), HOSTILE
    )
    outcome = Outcome(change, "0" * 40, (HOSTILE,), warnings=(HOSTILE,))
    model = Model(HOSTILE, 1, {HOSTILE: (1,)}, {HOSTILE: 1}, HOSTILE, HOSTILE, {})
    report = TagReport((HOSTILE,), (), (HOSTILE,), (HOSTILE,), (HOSTILE,))
    finding = Finding(HOSTILE, "error", HOSTILE, HOSTILE, HOSTILE)
    for text in (
        as_text.version_text(version, WIDE),
        as_text.versions_text([version], 80),
        as_text.models_text([model], 80),
        events_text([event], WIDE),
        comparison_text(compare(version, BARE, [HOSTILE], []), WIDE),
        as_text.outcome_text(outcome),
        as_text.outcome_text(outcome, dry_run=True),
        as_text.outcome_text(Outcome(Change(HOSTILE))),
        as_text.versions_with_metrics("withdrawn", [version]),
        as_text.findings_text([finding]),
        as_text.tags_text(report, dry_run=False),
        as_text.tags_text(report, dry_run=True),
        as_text.errors_text(HOSTILE, HOSTILE),
    ):
        assert is_safe(text), ascii(text)


def test_a_line_break_forges_no_line() -> None:
    forged = "x\nm@1: ok"
    assert as_text.errors_text(forged, forged) == "gitreg: x\\nm@1: ok\n  x\\nm@1: ok"
    assert as_text.errors_text("no", None) == "gitreg: no"
    finding = Finding("code", "error", forged, forged, forged)
    assert as_text.findings_text([finding]).count("\n") == 1
    model = Model(forged, 1)
    assert len(as_text.models_text([model], WIDE).splitlines()) == 2
    assert as_text.versions_with_metrics("restored", [BARE, BARE]).count("\n") == 1


# Tables


def test_models() -> None:
    models = [
        Model("churn", 5, {"production": (5,), "archived": (1, 2)}, {"champion": 5}, "two\nlines"),
        Model("empty", None),
    ]
    head, first, second = as_text.models_text(models, WIDE).splitlines()
    assert head.split() == ["MODEL", "LATEST", "STAGES", "ALIASES", "DESCRIPTION"]
    assert words(first) == "churn 5 production: 5 archived: 2 @champion: 5 two"
    assert second.split() == ["empty", "-", "-", "-", "-"]


def test_versions() -> None:
    _, first, second = as_text.versions_text([FULL, BARE], WIDE).splitlines()
    assert words(first) == (
        "churn@2 production @best @champion auc 0.921 loss 1 f1 0.5 recall 0.25"
        " 2026-11-22 20:25:06Z Ada"
    )
    assert words(second) == "churn@1 - - - 2026-11-22 20:25:06Z Ada"


def test_a_version_of_which_all_is_known() -> None:
    text = words(as_text.version_text(FULL, WIDE))
    for said in (
        "version churn@2",
        "stage production",
        "aliases best, champion",
        "description in words",
        "created 2026-11-22T20:25:06Z by Ada <ada@example.com>",
        "artifact model, 4 files, 512 B",
        "metric auc 0.921",
        "param train.lr 0.1",
        "param train.layers [64, 8]",
        "param deep yes",
        "param off -",
        "tag team growth",
        "source models/churn",
        "code aaaaaaaaa of git@example.com:team/churn.git, with uncommitted changes",
        f"data data/train.csv {'2' * 32}",
        "command python train.py",
        "run 0a1b at http://mlflow.internal",
        "environment python 3.11.7, linux-x86_64",
        "registered in bbbbbbbbb",
        "read from ccccccccc",
    ):
        assert said in text


def test_a_version_of_which_little_is_known() -> None:
    text = words(as_text.version_text(BARE, WIDE))
    assert "stage None aliases - description -" in text
    assert "artifact model.pkl, 1 file, 180.0 KiB" in text
    assert "environment - registered in - read from -" in text
    assert "command" not in text


def test_events() -> None:
    def event(
        pointer: str | None, before: tuple[int, ...], after: tuple[int, ...], reason: str | None
    ) -> Event:
        return Event(
            "d" * 40,
            "2026-11-22T20:25:06+01:00",
            "Ada <ada@example.com>",
            "churn",
            "promote",
            2,
            pointer,
            before,
            after,
            reason,
            "subject",
        )

    lines = events_text(
        [
            event("stages/production", (1, 3), (2,), "why\nand more"),
            event("stages/archived", (), (1, 3), "why\nand more"),
            event("aliases/champion", (), (2,), None),
            event(None, (), (), None),
        ],
        WIDE,
    ).splitlines()
    when = "2026-11-22 19:25:06Z Ada promote churn@2"
    assert words(lines[1]) == f"{when} production @champion 1, 3 → 2 why ddddddddd"
    assert words(lines[2]) == f"{when} - - - ddddddddd"
    many = tuple(range(1, 30))
    alone = [event("stages/staging", many[:-1], many, None), event("aliases/a", (), (2,), None)]
    (row,) = events_text(alone[:1], WIDE).splitlines()[1:]
    assert words(row) == f"{when} staging +29 - ddddddddd"
    (row,) = events_text(alone[1:], WIDE).splitlines()[1:]
    assert words(row) == f"{when} @a - → 2 - ddddddddd"


def test_words_and_times_stay_whole_at_80_columns() -> None:
    rows = [("churn-predictor@12", "2026-11-22 19:25:06Z", "Ada Lovelace", "because " * 9, "d" * 9)]
    headers = ("VERSION", "WHEN", "WHO", "WHY", "COMMIT")
    for width in (40, 80, 120):
        text = terminal.table(headers, rows * 3, width, folds="WHY")
        for word in ("churn-predictor@12", "2026-11-22", "19:25:06Z", "Lovelace", "because"):
            assert text.count(word) == 3 * "".join(rows[0]).count(word)
    wide = max(map(len, terminal.table(headers, rows, 80, folds="WHY").splitlines()))
    assert wide <= 80


def test_comparison() -> None:
    text = comparison_text(compare(BARE, FULL, ["dvc==3.56"], ["dvc==3.67"]), WIDE)
    blocks = [words(block) for block in text.split("\n\n")]
    assert blocks[0].startswith("METRIC churn@1 churn@2 DIFFERENCE auc - 0.921 - loss - 1 -")
    assert [block.split()[0] for block in blocks] == [
        "METRIC",
        "PARAM",
        "DATA",
        "CODE",
        "ENVIRONMENT",
    ]
    assert "dvc 3.56 3.67" in blocks[4]
    assert "are the same" not in text


def test_comparison_says_what_is_the_same() -> None:
    same = "params, data, code and environment are the same"
    assert comparison_text(compare(BARE, BARE), WIDE) == same
    assert comparison_text(compare(FULL, FULL), WIDE).endswith(f"\n\n{same}")
    only_params = ModelVersion("churn", 3, "", "", ARTIFACT, params={"seed": 1})
    text = comparison_text(compare(BARE, only_params), WIDE)
    assert words(text) == "PARAM churn@1 churn@3 seed - 1"


def test_a_small_difference_is_not_rounded_away() -> None:
    a = ModelVersion("m", 1, "", "", ARTIFACT, {"auc": 0.91234567}, {"seed": 1234567.0})
    b = ModelVersion("m", 2, "", "", ARTIFACT, {"auc": 0.91234568}, {"seed": 1234568.0})
    text = words(comparison_text(compare(a, b), WIDE))
    assert "auc 0.91234567 0.91234568 +1e-08" in text
    assert "seed 1234567 1234568" in text


@pytest.mark.parametrize("width", [-5, 0, 1, 39, 40, 41, 60])
def test_a_narrow_table_keeps_every_word(width: int) -> None:
    rows = [("first", "word " * 20, "模型" * 20, 0.5, True, None, ())]
    text = terminal.table(("A", "B", "C", "D", "E", "F", "G"), rows, width)
    assert text.count("word") == 20
    assert text.count("模") == text.count("型") == 20
    cells = [
        sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in line)
        for line in text.split("\n")
    ]
    assert max(cells) <= max(width, terminal.NARROWEST)


def test_markup_is_text() -> None:
    text = terminal.table(("A",), [("[red]:smile:[/red] [link=x]",)], WIDE)
    assert text.splitlines()[1] == "[red]:smile:[/red] [link=x]"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (184312, "180.0 KiB"),
        (1024**2, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2048 * 1024**3, "2048.0 GiB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert terminal.size(count) == text


# Writes


CHANGE = Change(
    "promote churn@2 to production",
    (
        Edit("registry/churn/stages/production.yaml", b"versions:\n- 2\n"),
        Edit("registry/churn/aliases/old.yaml", None),
        Edit("registry/churn/versions/2/requirements.txt", b"dvc==3.56\n"),
    ),
    reason="why",
    trailers=(("Gitreg-Action", "promote"),),
)


def test_outcomes() -> None:
    done = Outcome(CHANGE, "e" * 40)
    assert as_text.outcome_text(done) == "[eeeeeeeee] promote churn@2 to production"
    pushed = Outcome(CHANGE, "e" * 40, pushed=True)
    assert as_text.outcome_text(pushed) == "[eeeeeeeee, pushed] promote churn@2 to production"
    nothing = Outcome(Change("archive churn@2"))
    for dry_run in (False, True):
        said = as_text.outcome_text(nothing, dry_run=dry_run)
        assert said == "nothing to do, already up to date: archive churn@2"


def test_a_dry_run_shows_message_files_and_tags() -> None:
    planned = Outcome(CHANGE, tags=("churn#production#3",))
    assert as_text.outcome_text(planned, dry_run=True) == (
        "would commit:\n"
        "    promote churn@2 to production\n\n"
        "    why\n\n"
        "    Gitreg-Action: promote\n"
        "write registry/churn/stages/production.yaml\n"
        "    versions:\n    - 2\n"
        "remove registry/churn/aliases/old.yaml\n"
        "write registry/churn/versions/2/requirements.txt\n"
        "tag churn#production#3"
    )


def test_tags() -> None:
    report = TagReport(("a",), ("b", "c"), ("d",), ("e",), ("f",), pushed=True)
    assert as_text.tags_text(report, dry_run=False).splitlines() == [
        "made a",
        "replaced e",
        "wrong: d is not the tag that history implies",
        "foreign: f has no event of history behind it",
        "1 made, 2 right already, pushed",
    ]
    planned = as_text.tags_text(TagReport(("a",), replaced=("e",)), dry_run=True)
    assert planned.splitlines() == ["would make a", "would replace e", "1 to make, 0 right already"]
