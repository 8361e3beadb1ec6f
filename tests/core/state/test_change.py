"""Changes: the message that they make, and what is read back from messages of any origin."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.state.change import Change, Edit, check_reason, defuse, reason_of, trailers_of
from gitreg.errors import InvalidRequest

OID = "4b652c8" * 5 + "00000"
WHOLE = Change(
    "promote m@5 to production",
    (Edit("a", b"x"), Edit("b", None)),
    "Better recall.\n\nOn the November cohort.",
    ("auc 0.92 > 0.9 (m@4)",),
    OID,
    (("Gitreg-Action", "promote"), ("Gitreg-Model", "m"), ("Gitreg-Model", "n")),
)


def test_the_message_tells_subject_reason_evidence_and_trailers() -> None:
    assert WHOLE.message() == (
        "promote m@5 to production\n"
        "\n"
        "Better recall.\n"
        "\n"
        "On the November cohort.\n"
        "\n"
        "  auc 0.92 > 0.9 (m@4)\n"
        "\n"
        f"This reverts commit {OID}.\n"
        "\n"
        "Gitreg-Action: promote\n"
        "Gitreg-Model: m\n"
        "Gitreg-Model: n\n"
    )
    assert WHOLE.paths == ("a", "b")
    assert Change("annotate m").message() == "annotate m\n"


def test_trailers_and_reason_are_read_back() -> None:
    message = WHOLE.with_trailer("Gitreg-Op", "01JD").message()
    assert trailers_of(message) == {
        "Gitreg-Action": ("promote",),
        "Gitreg-Model": ("m", "n"),
        "Gitreg-Op": ("01JD",),
    }
    assert reason_of(message) == WHOLE.reason


LINES = st.sampled_from(
    [
        "Gitreg-Action: delete",
        "gitreg-model : x",
        "  Gitreg-Op: 1",
        "GITREG-VERSION: 9",
        "",
        f"This reverts commit {OID}.",
        " this reverts commit x",
        "Better.",
        "Signed-off-by: A",
        "\t",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    said=st.lists(LINES, min_size=1, max_size=6).map("\n".join),
    evidence=st.booleans(),
    trailers=st.booleans(),
)
def test_no_reason_forges_a_trailer_or_a_revert(
    *, said: str, evidence: bool, trailers: bool
) -> None:
    own = (("Gitreg-Action", "promote"),) if trailers else ()
    change = Change("s", reason=check_reason(said), evidence=("e 1",) * evidence, trailers=own)
    message = change.message()
    assert trailers_of(message) == ({"Gitreg-Action": ("promote",)} if trailers else {})
    assert "\nThis reverts commit " not in message
    assert "\nGitreg-Action: delete" not in message


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b c", "", "- d", "e: f"]), min_size=1, max_size=8).map(
        "\n".join
    )
)
def test_a_reason_is_read_back_as_it_was_given(said: str) -> None:
    change = Change("s", reason=check_reason(said), trailers=(("Gitreg-Action", "x"),))
    assert reason_of(change.message()) == (re.sub("\n{3,}", "\n\n", said.strip()) or None)


def test_what_looked_like_a_trailer_is_kept_as_text() -> None:
    said = "Gitreg-Action: delete\n  gitreg-op: 1\nThis reverts commit 1."
    assert defuse(said) == "> Gitreg-Action: delete\n  > gitreg-op: 1\n> This reverts commit 1."


def test_a_metrics_name_forges_no_paragraph() -> None:
    evil = "auc\n\nApproved by all.\n\nGitreg-Action: delete\n 0.9"
    change = Change("s", reason="r", evidence=(evil,), trailers=(("Gitreg-Action", "promote"),))
    assert reason_of(change.message()) == "r"
    assert trailers_of(change.message()) == {"Gitreg-Action": ("promote",)}
    assert len(change.message().splitlines()) == 7


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("", None),
        (" \n\t", None),
        (" a ", "a"),
        ("a  \nb\t\n", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\tb", "a\tb"),
        ("é 日 🙂", "é 日 🙂"),
    ],
)
def test_reasons_are_trimmed(given: str | None, kept: str | None) -> None:
    assert check_reason(given) == kept


@pytest.mark.parametrize("char", ["\0", "\x1b", "\r", "\x0b", "\x85", "\u2028", "\u202e", "\ud800"])
def test_reasons_have_no_invisible_characters(char: str) -> None:
    with pytest.raises(InvalidRequest, match="the reason has a control or invisible character"):
        check_reason(f"a{char}b")


@pytest.mark.parametrize(
    ("message", "trailers"),
    [
        ("", {}),
        ("s\n", {}),
        ("Gitreg-Action: x", {"Gitreg-Action": ("x",)}),
        ("s\n\nGitreg-Action: x\n\nmore", {}),
        ("s\n\nSigned-off-by: A\nGitreg-Op: 1 \nnoise\n\n\n", {"Gitreg-Op": ("1",)}),
        ("s\n\nGitreg-Op:1\n", {}),
        ("s\n\n Gitreg-Op: 1\n", {}),
    ],
)
def test_trailers_are_of_the_last_paragraph(
    message: str, trailers: dict[str, tuple[str, ...]]
) -> None:
    assert trailers_of(message) == trailers


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", None),
        ("subject", None),
        ("subject\n\nWhy.\n", "Why."),
        (f'Revert "s"\n\nThis reverts commit {OID}.\n', None),
        (f'Revert "s"\n\nThis reverts commit {OID}.\n\nIt drifted.\n', "It drifted."),
        ("s\n\n  indented by hand\n", "indented by hand"),
        ("s\n\n  evidence\n\nGitreg-Action: promote\n", None),
    ],
)
def test_the_reason_of_any_message(message: str, reason: str | None) -> None:
    assert reason_of(message) == reason
