"""Model cards: what they say, by front matter and headings, and what only looks like it."""

from __future__ import annotations

import pytest

from gitreg.core.model.card import KEYS, SIZE_LIMIT, read_card, skeleton
from gitreg.errors import InvalidDocument


def says(text: str) -> dict[str, str]:
    card = read_card(text.encode(), "CARD.md")
    return {key: said for key in KEYS if (said := card.says(key)) is not None}


def test_a_new_card_says_nothing_and_reads_back() -> None:
    assert says(skeleton("churn: the model").decode()) == {}


def test_headings_of_any_level_and_case_are_sections() -> None:
    text = (
        "# churn\n\nWho leaves us.\n\n### intended USE\n\nOffers.\n\n## Users ##\nSales\n# B\nx\n"
    )
    assert says(text) == {"intended_use": "Offers.", "users": "Sales"}
    assert read_card(text.encode(), "it").summary == "Who leaves us."


def test_front_matter_says_texts_and_lists() -> None:
    front = "---\nlicense: mit\nbase_model: [a, b]\nrisk_rating:\nextra: {x: 1}\n---\nbody\n"
    assert says(front) == {"license": "mit", "base_model": "a, b"}
    assert says(front.replace("\n", "\r\n")) == {"license": "mit", "base_model": "a, b"}


@pytest.mark.parametrize(
    "text",
    [
        "## Limitations\n\n<!-- Where is it known to be wrong? -->\n",
        "## Limitations\n   \n## Users\n",
        "<!--\n## Limitations\n\nsaid in a comment\n-->\n",
        "```\n## Limitations\n\nsaid in an example\n```\n",
        "<!-- open\n## Limitations\n\nnever closed\n",
        "## Limitations of others\n\ntext\n",
    ],
)
def test_what_only_looks_like_a_limitation_says_nothing(text: str) -> None:
    assert "limitations" not in says(text)


@pytest.mark.parametrize(
    "data",
    [b"---\na: [\n---\n", b"---\na: 1\na: 2\n---\n", b"\xff\xfe", b"x" * (SIZE_LIMIT + 1)],
)
def test_what_is_no_card_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"^registry/churn/CARD\.md: "):
        read_card(data, "registry/churn/CARD.md")


def test_rules_of_dashes_below_the_front_are_text() -> None:
    assert says("# a\n\n---\nlicense: mit\n---\n") == {}
