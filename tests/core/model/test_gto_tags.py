"""GTO's grammar, compared with GTO's own."""

from __future__ import annotations

import pytest
from gto.tag import parse_name
from hypothesis import example, given
from hypothesis import strategies as st

from gitreg.core.model.gto_tags import LENGTH, parse_gto_tag

NAMED = [
    "churn@v1.2.3",
    "churn@v1.2.3!",
    "churn@v1.2.3!#9",
    "churn@v1.2.3#9",
    "churn@v1.2.3-rc.1+build.5",
    "churn@v01.2.3",
    "churn@1.2.3",
    "churn@v1.2",
    "churn#prod",
    "churn#prod#1",
    "churn#prod!",
    "churn#prod!#12",
    "churn#prod#x",
    "churn#-prod#1",
    "nlp/churn#a/b#1",
    "models=churn@v1.0.0",
    "a/b/c.d=churn#prod#3",
    "churn@deprecated",
    "churn@deprecated#4",
    "churn@created#4",
    "churn@other",
    "churn",
    "v1.0.0",
    "",
    "@v1.0.0",
    "größe@v1.0.0",
    "churn@v1.0.0\n",
]


def said_by_gto(name: str) -> tuple[object, ...] | None:
    found = parse_name(name, raise_on_fail=False)
    if not found:
        return None
    action = found["action"].value if "action" in found else "create"
    return (
        found["name"].replace(":", "="),
        action,
        found.get("version"),
        found.get("stage"),
        found.get("counter"),
    )


def said_here(name: str) -> tuple[object, ...] | None:
    tag = parse_gto_tag(name)
    return None if tag is None else (tag.artifact, tag.action, tag.version, tag.stage, tag.counter)


@pytest.mark.parametrize("name", NAMED)
def test_names_mean_what_gto_reads(name: str) -> None:
    assert said_here(name) == (None if name.endswith("\n") else said_by_gto(name))


@given(
    st.from_regex(
        r"([a-z./]{1,5}=)?[a-z0-9/_-]{1,5}(@v[0-9]{1,2}\.[0-9]\.[0-9](-[a-z0-9.]{1,3})?|#[a-z/]{1,4})"
        r"!?(#[0-9]{1,3})?",
        fullmatch=True,
    )
)
@example("a@v0.0.0-00")
@example("a@v0.0.0-0.0a.-0")
def test_any_name_means_what_gto_reads(name: str) -> None:
    assert said_here(name) == said_by_gto(name)


def test_long_names_and_huge_numbers_are_no_tags() -> None:
    assert parse_gto_tag(f"{'a' * LENGTH}@v1.0.0") is None
    assert parse_gto_tag(f"a@v{'9' * 19}.0.0") is None
    assert parse_gto_tag(f"a#prod#{'9' * 10}") is None


def test_versions_sort_as_semver_does() -> None:
    ascending = ["v1.0.0-1", "v1.0.0-rc.1", "v1.0.0-rc.2", "v1.0.0", "v1.2.0", "v1.10.0", "v2.0.0"]
    tags = [parse_gto_tag(f"a@{version}") for version in reversed(ascending)]
    found = sorted((tag for tag in tags if tag), key=lambda tag: tag.order)
    assert [tag.version for tag in found] == ascending
