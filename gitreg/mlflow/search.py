"""Runs MLflow's searches over values in memory, with the semantics of its SQL store on SQLite.

MLflow itself parses filters and orders. This module evaluates them as SQLite does: a comparison
with NULL is never true, LIKE is case-sensitive, ILIKE ignores only the case of ASCII letters, and
texts are ordered by code points.

>>> matches("LIKE", "churn-eu", "churn-__"), matches("ILIKE", "Churn", "cHURN")
(True, True)
>>> matches("!=", None, "x")
False
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeVar

from mlflow.entities.model_registry.prompt_version import IS_PROMPT_TAG_KEY
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from gitreg.core.text.filter import (
    MOST_VALUES,
    Both,
    Comparison,
    Node,
    Not,
    Sign,
    like,
)
from gitreg.core.text.filter_fields import Field, bounded

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_TAG_COMPARATORS = ("=", "!=", "LIKE", "ILIKE")
_LISTS = ("IN", "NOT IN")
_COLUMNS = {
    "source_path": "source",
    "version_number": "version",
    "creation_timestamp": "created",
    "last_updated_timestamp": "updated",
    "timestamp": "updated",
}
"""The row's name for an attribute of a filter or an order, where the names differ."""


_FIELDS = {name: Field(name) for name in ("name", "version", "source", "run_id")}
"""The fields of the search index for attributes of a row; it does not have the others."""


_SIGNS: dict[str, Sign] = {"=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_SIGNS |= {"LIKE": "LIKE", "ILIKE": "ILIKE"}


class Row(Protocol):
    """A model or a version to search."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def tags(self) -> Mapping[str, str | None]:
        """Its own tags."""


_Found = TypeVar("_Found", bound=Row)


@dataclass(frozen=True)
class Clause:
    """One comparison of a filter: of a tag, or of an attribute of the row."""

    of_tag: bool
    key: str
    comparator: str
    value: Any

    def holds(self, row: Row) -> bool:
        """Return whether a row satisfies the comparison."""
        if self.of_tag:
            return matches(self.comparator, row.tags.get(self.key), self.value)
        return matches(self.comparator, getattr(row, self.key), self.value)


@dataclass(frozen=True)
class Query:
    """A search: its filter and its order.

    Attributes:
        clauses: the comparisons; a row must satisfy all of them.
        wants_prompts: whether the search is for prompts; otherwise they are left out.
        order: names of a row's attributes, and whether each is ascending.
    """

    clauses: tuple[Clause, ...]
    wants_prompts: bool
    order: tuple[tuple[str, bool], ...]

    @property
    def candidates(self) -> Node | None:
        """What the search index is asked for: no version that matches is left out.

        ``None`` without a comparison of anything but the name: models are found by their names.
        """
        if all(clause.key == "name" and not clause.of_tag for clause in self._applied):
            return None
        nodes = [node for clause in self._applied if (node := _node(clause)) is not None]
        return reduce(Both, nodes[:_MOST_ASKED]) if nodes else None

    @property
    def _applied(self) -> tuple[Clause, ...]:
        """The comparisons that count: with prompts left out, MLflow's SQL ignores their tag."""
        if self.wants_prompts:
            return self.clauses
        return tuple(c for c in self.clauses if not (c.of_tag and c.key == IS_PROMPT_TAG_KEY))

    def may_have(self, name: str) -> bool:
        """Return whether a model of this name, or a version of it, can match."""
        return all(
            matches(clause.comparator, name, clause.value)
            for clause in self.clauses
            if not clause.of_tag and clause.key == "name"
        )

    def select(self, rows: Sequence[_Found]) -> list[_Found]:
        """Return the matching rows, in order.

        A model counts as a prompt when one of its rows has the tag of prompts.
        """
        clauses = self._applied
        if not self.wants_prompts:
            prompts = {row.name for row in rows if is_prompt(row.tags)}
            rows = [row for row in rows if row.name not in prompts]
        found = [row for row in rows if all(clause.holds(row) for clause in clauses)]
        for attribute, ascending in reversed(self.order):
            found.sort(key=operator.attrgetter(attribute), reverse=not ascending)
        return found


_MOST_ASKED = 20
"""How many comparisons the search index is asked for; the others are made on what it finds."""

PROMPTS = Comparison(Field("tags", IS_PROMPT_TAG_KEY), "=", ("true",))
"""What the search index is asked for to find the models that are prompts."""


def _node(clause: Clause) -> Node | None:
    """Return a comparison for the search index, maybe of more than what MLflow finds."""
    field = Field("tags", clause.key) if clause.of_tag else _FIELDS.get(clause.key)
    sign, value = clause.comparator, clause.value
    if field is None or not _can_be_bound(clause.key) or not _can_be_bound(value):
        return None
    if sign in _LISTS:
        found: Node = Comparison(field, "=", tuple(value))
        return Not(found) if sign == "NOT IN" else found
    if sign == "!=":
        return Not(Comparison(field, "=", (value,)))
    if sign in ("LIKE", "ILIKE"):
        value = _without_escapes(value)
    return Comparison(field, _SIGNS[sign], (value,))


def _can_be_bound(value: Any) -> bool:
    """Tell whether SQLite takes a value: a request may have half a character, or huge numbers."""
    if isinstance(value, int):
        return isinstance(bounded(value), int)
    if not isinstance(value, str):
        return len(value) <= MOST_VALUES and all(map(_can_be_bound, value))
    return value.encode("utf-8", "replace").decode() == value


def is_prompt(tags: Mapping[str, str | None]) -> bool:
    """Return whether a model or version with these tags is a prompt."""
    return tags.get(IS_PROMPT_TAG_KEY) == "true"


# Comparisons


def matches(comparator: str, left: object, right: Any) -> bool:
    """Return whether a comparison is true in SQLite; ``None`` on the left is NULL."""
    return left is not None and _COMPARISONS[comparator](left, right)


def _like(text: str, pattern: str) -> bool:
    return like(_without_escapes(pattern))(text)


def _ilike(text: str, pattern: str) -> bool:
    return _like(text.translate(_ASCII_LOWER), pattern.translate(_ASCII_LOWER))


def _without_escapes(pattern: str) -> str:
    """Return a pattern of SQLite as `like` takes it: a backslash is only a backslash."""
    return pattern.replace("\\", "\\\\")


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "LIKE": _like,
    "ILIKE": _ilike,
    "IN": lambda left, right: left in right,
    "NOT IN": lambda left, right: left not in right,
}


# Parsing


def models_query(filter_string: str | None, order_by: Sequence[str] | None) -> Query:
    """Return the requested search for registered models.

    Raises:
        MlflowException: MLflow does not allow the filter or the order.
    """
    parsed = SearchModelUtils.parse_search_filter(filter_string)
    clauses = tuple(_model_clause(part) for part in parsed)
    parts = [SearchUtils.parse_order_by_for_search_registered_models(by) for by in order_by or ()]
    return Query(clauses, _wants_prompts(clauses), _order(parts, order_by, [("name", True)]))


def versions_query(filter_string: str | None, order_by: Sequence[str] | None) -> Query:
    """Return the requested search for model versions.

    Raises:
        MlflowException: MLflow does not allow the filter or the order.
    """
    parsed = SearchModelVersionUtils.parse_search_filter(filter_string)
    clauses = tuple(_version_clause(part) for part in parsed)
    order_by = order_by or ["last_updated_timestamp DESC"]
    parts = [_version_order(by) for by in order_by]
    defaults = [("name", True), ("version", False)]
    return Query(clauses, _wants_prompts(clauses), _order(parts, order_by, defaults))


def _model_clause(part: Mapping[str, Any]) -> Clause:
    if part["type"] == "tag":
        return _tag_clause(part)
    if part["comparator"] not in (*_TAG_COMPARATORS, *_LISTS):
        raise _invalid(f"Invalid comparator for attribute: {part['comparator']}")
    return Clause(False, part["key"], part["comparator"], part["value"])


def _version_clause(part: Mapping[str, Any]) -> Clause:
    if part["type"] == "tag":
        return _tag_clause(part)
    key, comparator, value = part["key"], part["comparator"], part["value"]
    if key in SearchModelVersionUtils.NUMERIC_ATTRIBUTES:
        if comparator not in SearchModelVersionUtils.VALID_NUMERIC_ATTRIBUTE_COMPARATORS:
            raise _invalid(f"Invalid comparator for attribute {key}: {comparator}")
        value = _whole_number(key, value)
    elif comparator not in SearchModelVersionUtils.VALID_STRING_ATTRIBUTE_COMPARATORS or (
        comparator in _LISTS and key not in ("run_id", "name")
    ):
        raise _invalid(f"Invalid comparator for attribute: {comparator}")
    return Clause(False, _COLUMNS.get(key, key), comparator, value)


def _whole_number(key: str, value: object) -> int:
    if isinstance(value, (int, str)):
        try:
            return int(value)
        except ValueError:
            pass
    raise _invalid(f"Invalid value for numeric attribute '{key}': {value!r}")


def _tag_clause(part: Mapping[str, Any]) -> Clause:
    if part["comparator"] not in _TAG_COMPARATORS:
        raise _invalid(f"Invalid comparator for tag: {part['comparator']}")
    return Clause(True, part["key"], part["comparator"], part["value"])


def _wants_prompts(clauses: Sequence[Clause]) -> bool:
    for clause in clauses:
        if clause.of_tag and clause.key == IS_PROMPT_TAG_KEY:
            value = clause.value.lower()
            return (clause.comparator, value) in (("=", "true"), ("!=", "false"))
    return False


def _version_order(order_by: str) -> tuple[str, bool]:
    _, key, ascending = SearchModelVersionUtils.parse_order_by_for_search_model_versions(order_by)
    if key not in SearchModelVersionUtils.VALID_ORDER_BY_ATTRIBUTE_KEYS:
        known = SearchModelVersionUtils.VALID_ORDER_BY_ATTRIBUTE_KEYS
        raise _invalid(f"Invalid order by key '{key}' specified. Valid keys are {known}")
    return key, ascending


def _order(
    parts: Sequence[tuple[str, bool]], given: object, defaults: Sequence[tuple[str, bool]]
) -> tuple[tuple[str, bool], ...]:
    """Return the requested order, followed by the default order of what is left."""
    order: dict[str, bool] = {}
    for key, ascending in parts:
        column = _COLUMNS.get(key, key)
        if column in order:
            raise MlflowException(f"`order_by` contains duplicate fields: {given}")
        order[column] = ascending
    for column, ascending in defaults:
        order.setdefault(column, ascending)
    return tuple(order.items())


def _invalid(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


# Pages


def check_model_results(max_results: object) -> None:
    """Refuse a page of registered models that is too large or has no valid size.

    Raises:
        MlflowException: ``max_results`` is larger than MLflow's limit, or no integer.
    """
    if isinstance(max_results, (int, float)):
        _check_most(max_results, SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD)
    if not isinstance(max_results, int):
        raise _invalid(
            f"Invalid value for max_results. It must be an integer, but got {max_results}"
        )


def check_version_results(max_results: object) -> None:
    """Refuse a page of versions that is too large or has no valid size.

    Raises:
        MlflowException: ``max_results`` is larger than MLflow's limit, or no positive integer.
    """
    if not isinstance(max_results, int) or max_results < 1:
        raise _invalid(
            f"Invalid value for max_results. It must be a positive integer, but got {max_results}"
        )
    _check_most(max_results, SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD)


def _check_most(max_results: float, most: int) -> None:
    if max_results > most:
        raise _invalid(
            "Invalid value for request parameter max_results. It must be at most "
            f"{most}, but got value {max_results}"
        )


def page(
    rows: Sequence[_Found],
    max_results: int,
    page_token: str | bytes | None,
    make: Callable[[_Found], Any],
) -> PagedList:
    """Return one page of entities, with the token of the next page.

    As in SQLite, a negative limit means no limit, and a negative start means 0. If there is one row
    more than requested, there is a next page.
    """
    start = SearchUtils.parse_start_offset_from_page_token(page_token)
    limit = max_results + 1
    rest = rows[max(start, 0) :]
    taken = rest if limit < 0 else rest[:limit]
    more = len(taken) == limit
    token = SearchUtils.create_page_token(start + max_results) if more else None
    return PagedList([make(row) for row in taken[:max_results]], token)
