"""Search: the versions for which a filter holds, in the grammar that MLflow's users know.

    from gitreg.history import search

    search(Registry("."), "metrics.roc_auc > 0.9 AND stage = 'production'")

The index that answers is brought to the searched commit first; see `gitreg.history.search_index`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gitreg.core.model.model import (
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Evaluation,
    Lineage,
    ModelSignature,
    ModelVersion,
    Predictions,
    Run,
    Slice,
)
from gitreg.core.model.names import NO_STAGE
from gitreg.core.text.filter import Comparison, Node, Not, Order, parse, parse_order
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest
from gitreg.git.history_database import transaction
from gitreg.git.history_past import PastRows
from gitreg.git.objects import ObjectReader
from gitreg.history.search_database import GONE, snapshot, with_database
from gitreg.history.search_index import SearchIndex
from gitreg.history.search_past import SearchPast
from gitreg.history.search_query import Query
from gitreg.registry import Registry

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.registry.options import ReadOptions


def search(
    registry: Registry,
    filter: str | Node | None = None,  # noqa: A002  the word of the grammar, and of MLflow
    *,
    order_by: str | None = None,
    limit: int | None = None,
    history: bool = False,
    broken: list[GitregError] | None = None,
    **options: Unpack[ReadOptions],
) -> list[ModelVersion]:
    """Return the versions for which a filter holds.

    Args:
        registry: which.
        filter: the grammar is that of `gitreg.core.text.filter`; all versions by default. A
            parsed filter is taken too.
        order_by: fields, ``"metrics.roc_auc DESC, created_at"``; by default by model, and the
            newest version first, as where these are equal.
        limit: the most versions to return.
        history: search all versions that ever were, also deleted ones; ``stage`` and ``alias`` are
            those that they ever had. What is gone is returned as the commit ``read_from`` had it,
            the last one with it.
        broken: takes an error for each file that does not parse, and what can be read is searched;
            without it, the first such file raises.
        **options: at which commit, see `ReadOptions`.

    Raises:
        FilterError: the filter or the order is malformed; it has the place.
        InvalidDocument: a file of the registry does not parse.
        NotFound: there is no registry.
    """
    node = parse(filter) if isinstance(filter, str) else filter
    orders = () if order_by is None else parse_order(order_by)
    if limit is not None and limit < 1:
        raise InvalidRequest(f"a limit is 1 or more, not {limit}")
    state = registry.state(**options)
    rows = registry.past(state).rows
    commit = str(state.commit)
    reader = registry.repository.reader

    def ask(db: sqlite3.Connection) -> tuple[list[ModelVersion], list[GitregError]]:
        return _Search(db, commit, rows, reader).ask(node, orders, limit, history=history)

    found, unreadable = with_database(registry.repository, ask)
    if broken is None and unreadable:
        raise unreadable[0]
    if broken is not None:
        broken += unreadable
    return found


def unknown_names(
    registry: Registry, wanted: str, **options: Unpack[ReadOptions]
) -> tuple[str, ...]:
    """Return what a filter names and no version has: why nothing matches, if it is mistyped.

    Args:
        registry: which.
        wanted: the filter; it parses.
        **options: at which commit, see `ReadOptions`.
    """
    known = with_database(
        registry.repository, lambda db: [path for (path,) in db.execute("SELECT path FROM fields")]
    )
    policy = registry.policy(**options)
    found = []
    for one in _comparisons(parse(wanted)):
        kind, key = one.field.name, one.field.key
        if key is not None and one.field.path not in known:
            near = did_you_mean(one.field.path, known)
            found.append(f"no version has {one.field.path}" + (f": {near}" if near else ""))
        stages = [word for word in one.operands if kind == "stage" and isinstance(word, str)]
        for stage in stages if one.sign == "=" else ():
            if stage.lower() not in (*policy.stages, NO_STAGE):
                near = did_you_mean(stage.lower(), policy.stages)
                found.append(f"there is no stage {stage!r}" + (f": {near}" if near else ""))
    return tuple(dict.fromkeys(found))


def _comparisons(node: Node) -> Iterator[Comparison]:
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from _comparisons(node.part)
    else:
        yield from _comparisons(node.left)
        yield from _comparisons(node.right)


class _Search:
    """One search of an index that is brought to its commit before.

    Args:
        db: the index.
        commit: the commit.
        rows: the past up to it.
        reader: reads the objects of the repository.
    """

    def __init__(
        self, db: sqlite3.Connection, commit: str, rows: PastRows, reader: ObjectReader
    ) -> None:
        self._db = db
        self._commit = commit
        self._rows = rows
        self._reader = reader

    def ask(
        self, node: Node | None, orders: Sequence[Order], limit: int | None, *, history: bool
    ) -> tuple[list[ModelVersion], list[GitregError]]:
        with snapshot(self._db):
            if self._is_there:
                return self._answer(node, orders, limit, history=history)
        # Within one transaction: another process may search at another commit.
        with transaction(self._db):
            if not self._is_there:
                self._follow()
            return self._answer(node, orders, limit, history=history)

    @property
    def _is_there(self) -> bool:
        query = "SELECT tip = ? FROM meta"
        return bool(self._db.execute(query, (self._commit,)).fetchone()[0])

    def _follow(self) -> None:
        index = SearchIndex(self._db, self._reader)
        index.follow(self._commit)
        SearchPast(self._db, index, self._rows, self._reader).follow()
        self._db.execute("UPDATE meta SET tip = ?", (self._commit,))

    def _answer(
        self, node: Node | None, orders: Sequence[Order], limit: int | None, *, history: bool
    ) -> tuple[list[ModelVersion], list[GitregError]]:
        query = Query(self._db, self._rows.seq, history=history)
        placed: dict[str, dict[int, dict[str, list[str]]]] = {}
        found = [self._version(row, placed) for row in query.found(node, orders, limit)]
        unreadable = self._db.execute(
            "SELECT message, hint FROM broken ORDER BY model, version"
        ).fetchall()
        return found, [InvalidDocument(message, hint=hint) for message, hint in unreadable]

    def _version(
        self, row: tuple[Any, ...], placed: dict[str, dict[int, dict[str, list[str]]]]
    ) -> ModelVersion:
        model, number, scope, document, commit = row
        found = json.loads(document) | {"commit": commit}
        if scope != GONE:
            if model not in placed:
                placed[model] = self._pointers(model)
            here = placed[model].get(number, {})
            found["stage"] = next(iter(here.get("stage", ())), None)
            found["aliases"] = here.get("alias", ())
            found["read_from"] = self._commit
        return _version_of(found)

    def _pointers(self, model: str) -> dict[int, dict[str, list[str]]]:
        """Return stage and aliases of a model's versions."""
        found: dict[int, dict[str, list[str]]] = {}
        query = "SELECT version, field, text FROM pointers WHERE model = ? ORDER BY text"
        for version, field, text in self._db.execute(query, (model,)):
            found.setdefault(version, {}).setdefault(field, []).append(text)
        return found


def _version_of(document: dict[str, Any]) -> ModelVersion:
    """Return a version; its parts take the place of the JSON that the index has of them."""
    lineage = document["lineage"]
    code, run, signature = lineage["code"], lineage["run"], document["signature"]
    lineage["code"] = code and _code_of(code)
    lineage["run"] = run and Run(**run)
    lineage["data"] = tuple(DataDependency(**item) for item in lineage["data"])
    document["lineage"] = Lineage(**lineage)
    document["artifact"] = Artifact(**document["artifact"])
    document["environment"] = Environment(**document["environment"])
    document["aliases"] = tuple(document["aliases"])
    document["signature"] = signature and ModelSignature(**signature)
    evaluations = document["evaluations"]
    document["evaluations"] = {name: _evaluation_of(one) for name, one in evaluations.items()}
    return ModelVersion(**document)


def _code_of(document: dict[str, Any]) -> CodeCommit:
    return CodeCommit(**document | {"changed": tuple(document["changed"])})


def _evaluation_of(document: dict[str, Any]) -> Evaluation:
    code, predictions = document["code"], document["predictions"]
    document["data"] = DataDependency(**document["data"])
    document["intervals"] = {key: (low, high) for key, (low, high) in document["intervals"].items()}
    document["slices"] = tuple(Slice(**part) for part in document["slices"])
    document["predictions"] = predictions and Predictions(**predictions)
    document["code"] = code and _code_of(code)
    return Evaluation(**document)
