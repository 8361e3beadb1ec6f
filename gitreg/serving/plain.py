"""MLflow's scoring protocol for models that are not MLflow's: JSON in, JSON out, without MLflow.

>>> parse(b'{"instances": [[1, 2]]}', "application/json").values
[[1, 2]]
>>> parse(b'[1]', "application/json")
Traceback (most recent call last):
...
gitreg.errors.InvalidRequest: expected a JSON object with exactly one of dataframe_records, \
dataframe_split, inputs, instances
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

from gitreg.errors import InvalidRequest

FORMS = ("dataframe_records", "dataframe_split", "inputs", "instances")


class UnsupportedMedia(InvalidRequest):
    """The body is of a type that is not read here."""


@dataclass(frozen=True)
class Asked:
    """What a request asks with.

    Attributes:
        values: rows, or for a table without columns, whatever JSON the request has.
        columns: the names of the rows' columns; ``None`` for no table.
    """

    values: Any
    columns: tuple[str, ...] | None = None


def load_json(body: bytes) -> Any:
    """Return a body's JSON.

    Raises:
        InvalidRequest: it is not JSON; it has NaN or an infinity, for which JSON has no words, a
            number that no float holds, or a key twice.
    """

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is not JSON")

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else refuse(text[:40])

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key is there twice")
        return found

    try:
        return json.loads(body, parse_constant=refuse, parse_float=number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {str(error)[:200]}") from None


def parse(body: bytes, content_type: str) -> Asked:
    """Return what a request of MLflow's protocol asks with.

    Raises:
        UnsupportedMedia: it is not JSON in UTF-8.
        InvalidRequest: it does not have one of the protocol's forms.
    """
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if kind != "application/json" or any(part != "charset=utf-8" for part in parameters):
        raise UnsupportedMedia("this model takes application/json in UTF-8")
    document = load_json(body)
    forms = [form for form in FORMS if isinstance(document, dict) and form in document]
    if len(forms) != 1:
        raise InvalidRequest(f"expected a JSON object with exactly one of {', '.join(FORMS)}")
    given = document[forms[0]]
    if forms[0] == "dataframe_split":
        return _split(given)
    return _records(given) if forms[0] == "dataframe_records" else Asked(given)


def _split(given: Any) -> Asked:
    found = given if isinstance(given, dict) else {}
    columns, rows = found.get("columns"), found.get("data")
    if not _are_names(columns) or not isinstance(rows, list):
        raise InvalidRequest("dataframe_split is an object with columns, a list of names, and data")
    if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise InvalidRequest(f"dataframe_split: not every row has {len(columns)} values")
    return Asked(rows, tuple(columns))


def _records(given: Any) -> Asked:
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise InvalidRequest("dataframe_records is a list of objects, at least one")
    columns = tuple(given[0])
    if any(set(one) != set(columns) for one in given):
        raise InvalidRequest("dataframe_records: not every row has the same names")
    return Asked([[one[name] for name in columns] for one in given], columns)


def _are_names(columns: Any) -> TypeGuard[list[str]]:
    return isinstance(columns, list) and all(isinstance(name, str) for name in columns)


def jsonable(value: Any) -> Any:
    """Return an answer as JSON: arrays as lists, tables as records, NaN and infinities as null."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        value = value.to_dict(orient="records")
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
