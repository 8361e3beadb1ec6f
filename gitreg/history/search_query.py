"""A filter as SQL over the search index. Names are those of the index, and values are bound.

A comparison that is unknown is neither true nor false, as in `gitreg.core.state.search`: so each
part of a filter has two conditions, when it is true and when it is false, and `NOT` swaps them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gitreg.core.model.names import NO_STAGE
from gitreg.core.state.search import is_numeric, predicate
from gitreg.core.text.filter import Both, Comparison, Node, Not, Order
from gitreg.core.text.filter_fields import Field, Operand, Requirement, Span
from gitreg.history.search_database import GONE, LIVE

_OWN = "EXISTS (SELECT 1 FROM facts p WHERE p.doc = d.id AND p.field = ? AND {})"
_PLACED = (
    "EXISTS (SELECT 1 FROM pointers p WHERE d.scope = 1 AND p.model = d.model "
    "AND p.version = d.version AND p.field = ? AND {})"
)
_EVER = "EXISTS (SELECT 1 FROM held p WHERE p.line = d.line AND p.field = ? AND p.seq <= ? AND {})"
_SAID = (
    "(d.id IN (SELECT doc FROM texts WHERE id IN {0} AND doc IS NOT NULL) OR d.scope = 1 "
    "AND d.model IN (SELECT model FROM texts WHERE id IN {0} AND model IS NOT NULL) "
    "OR ifnull(d.line, 0) IN (SELECT line FROM texts WHERE id IN {0} AND seq <= ?))"
)
_WORD = "(SELECT rowid FROM words WHERE words MATCH ?)"
_DOCUMENT = (
    "SELECT d.model, d.version, d.scope, d.document, "
    "(SELECT oid FROM lines l WHERE l.line = d.line ORDER BY seq LIMIT 1) FROM docs d WHERE id = ?"
)
_NEEDS = (
    "d.environment IN (SELECT environment FROM packages WHERE name = ? AND satisfies(version, ?))"
)


class _Sql(NamedTuple):
    """A condition, and the values of its question marks."""

    text: str
    values: tuple[object, ...] = ()

    def negated(self) -> _Sql:
        return _Sql(f"NOT {self.text}", self.values)


def _joined(parts: Iterable[_Sql], word: str) -> _Sql:
    """Return conditions in one pair of parentheses: SQLite's parser nests only so deep."""
    every = list(parts)
    values = tuple(value for part in every for value in part.values)
    return _Sql(f"({f' {word} '.join(part.text for part in every)})", values)


def _chain(node: Node, *, either: bool) -> Iterator[Node]:
    """Yield the parts of a filter that one word joins, whatever their parentheses."""
    if isinstance(node, Both) and node.either == either:
        yield from _chain(node.left, either=either)
        yield from _chain(node.right, either=either)
    else:
        yield node


class Query:
    """Compiles one search of an index.

    Args:
        db: the index.
        seq: up to which commit the past counts.
        history: whether it is about all versions that ever were.
    """

    def __init__(self, db: sqlite3.Connection, seq: int, *, history: bool) -> None:
        self._db = db
        self._seq = seq
        self._history = history

    def found(
        self, node: Node | None, orders: Sequence[Order], limit: int | None
    ) -> list[tuple[object, ...]]:
        """Return the matching versions in their order.

        Returns:
            Of each: model, number, scope, document, and the commit that registered it.
        """
        joins: list[_Sql] = []
        keys: list[str] = []
        values: list[object] = []
        for number, order in enumerate(orders):
            direction = "DESC" if order.descending else "ASC"
            key = f"o{number}"
            joins.append(self._order(key, order.field))
            values += joins[-1].values
            keys += [f"{key}.text IS NULL AND {key}.num IS NULL", f"{key}.num IS NULL"]
            keys += [f"{key}.num {direction}", f"{key}.text {direction}"]
        scope = f"d.scope IN ({LIVE}, {GONE})" if self._history else f"d.scope = {LIVE}"
        where = _Sql(scope) if node is None else _joined((_Sql(scope), self.holds(node)), "AND")
        tables = " ".join(("docs d", *(join.text for join in joins)))
        keys += ["d.model", "d.version DESC", "d.line DESC"]
        by = ", ".join(keys)
        statement = f"SELECT d.id FROM {tables} WHERE {where.text} ORDER BY {by} LIMIT ?"  # noqa: S608
        most = -1 if limit is None else min(limit, 2**62)
        # Documents are read last: to sort them all takes longer than all the rest.
        numbers = self._db.execute(statement, (*values, *where.values, most)).fetchall()
        return [self._db.execute(_DOCUMENT, number).fetchone() for number in numbers]

    def _order(self, key: str, field: Field) -> _Sql:
        """Return the join that has the value to sort by."""
        on = f"{key}.doc = d.id AND {key}.field = ? AND {key}.place = 0"
        return _Sql(f"LEFT JOIN facts {key} ON {on}", (self._number(field),))

    def _number(self, field: Field) -> int:
        """Return the number of a field in the index; one that no version has has none."""
        row = self._db.execute("SELECT id FROM fields WHERE path = ?", (field.path,)).fetchone()
        return -1 if row is None else int(row[0])

    def holds(self, node: Node, *, opposite: bool = False) -> _Sql:
        """Return when a part of a filter is true, or when it is false."""
        if isinstance(node, Not):
            return self.holds(node.part, opposite=not opposite)
        if isinstance(node, Comparison):
            return self._comparison(node, opposite=opposite)
        parts = [self.holds(each, opposite=opposite) for each in _chain(node, either=node.either)]
        return _joined(parts, "OR" if node.either != opposite else "AND")

    def _comparison(self, comparison: Comparison, *, opposite: bool) -> _Sql:
        field = comparison.field
        if comparison.sign == "MATCH":
            return self._words(comparison.operands, opposite=opposite)
        if field.type == "pin":
            return self._packages(comparison, opposite=opposite)
        anything = self._exists(field, _Sql("1"))
        if comparison.sign == "NULL":
            return anything if opposite else anything.negated()
        condition = self._any(comparison)
        true = self._exists(field, condition)
        if field.type == "stage":
            none = (None, NO_STAGE)
            if any(predicate(comparison, given)(none) for given in comparison.operands):
                true = _joined((true, anything.negated()), "OR")
        if not opposite:
            return true
        if field.is_always_known:
            return true.negated()
        if any(is_numeric(comparison, given) for given in comparison.operands):
            anything = self._exists(field, _Sql("p.num IS NOT NULL"))
        return _joined((anything, true.negated()), "AND")

    def _exists(self, field: Field, condition: _Sql) -> _Sql:
        """Return that a version has a value of a field that satisfies a condition."""
        if field.type != "stage" and field.name != "alias":
            return _Sql(_OWN.format(condition.text), (self._number(field), *condition.values))
        placed = _Sql(_PLACED.format(condition.text), (field.name, *condition.values))
        if not self._history:
            return placed
        ever = _Sql(_EVER.format(condition.text), (field.name, self._seq, *condition.values))
        return _joined((placed, ever), "OR")

    def _any(self, comparison: Comparison) -> _Sql:
        return _joined((_condition(comparison, given) for given in comparison.operands), "OR")

    def _words(self, words: Sequence[Operand | Requirement], *, opposite: bool) -> _Sql:
        """Return that every word is in a text of a version, of its model, or in a reason."""
        parts = []
        for word in words:
            text = str(word)
            asked = f'"{text[:-1]}"*' if text.endswith("*") else f'"{text}"'
            parts.append(_Sql(_SAID.format(_WORD), (asked, asked, asked, self._seq)))
        every = _joined(parts, "AND")
        return every.negated() if opposite else every

    def _packages(self, comparison: Comparison, *, opposite: bool) -> _Sql:
        known = _Sql("d.environment IS NOT NULL")
        if comparison.sign == "NULL":
            return known if opposite else _Sql("d.environment IS NULL")
        (wanted,) = comparison.operands
        assert isinstance(wanted, Requirement)
        found = _Sql(_NEEDS, (wanted.name, wanted.specifier))
        return _joined((known, found.negated()), "AND") if opposite else found


def _condition(comparison: Comparison, given: Operand | Requirement) -> _Sql:
    """Return that a value, in the row ``p``, satisfies one operand."""
    sign = comparison.sign
    if isinstance(given, Span):
        return {
            "=": _Sql("(p.num >= ? AND p.num < ?)", (given.first, given.end)),
            "<": _Sql("p.num < ?", (given.first,)),
            "<=": _Sql("p.num < ?", (given.end,)),
            ">": _Sql("p.num >= ?", (given.end,)),
            ">=": _Sql("p.num >= ?", (given.first,)),
        }[sign]
    if sign in ("LIKE", "ILIKE"):
        return _Sql("like_text(p.text, ?, ?)", (given, int(sign == "ILIKE")))
    if sign == "STARTS":
        return _Sql("substr(p.text, 1, ?) = ?", (len(str(given)), given))
    if isinstance(given, (int, float)):
        return _Sql(f"p.num {sign} ?", (given,))
    if comparison.field.type == "python":
        return _Sql(f"substr(p.text, 1, ?) {sign} ?", (len(str(given)), given))
    return _Sql(f"p.text {sign} ?", (given,))
