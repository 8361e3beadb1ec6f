"""Searches by looking at every version: what the index of `gitreg.history` must agree with. Pure.

A comparison is true, false or unknown. It is unknown where the version does not have the field, and
so is its opposite; ``AND`` and ``OR`` follow SQL. What is not true is not found.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gitreg.core.documents.yaml import Value as Plain
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import NO_STAGE
from gitreg.core.state.compare import flatten, packages
from gitreg.core.text.filter import Comparison, Node, Not, Order, like
from gitreg.core.text.filter_fields import (
    Field,
    Operand,
    Requirement,
    Span,
    bounded,
    number_in,
    python_key,
    satisfies,
    words_of,
)
from gitreg.core.text.times import milliseconds

Value: TypeAlias = "tuple[int | float | None, str | None]"
"""A value as number and as text; a number that is a param, or a text that spells one, is both."""

Packages: TypeAlias = "tuple[tuple[str, str], ...]"


@dataclass(frozen=True)
class Document:
    """What a search knows of a version.

    Attributes:
        version: with its stage, aliases and annotations.
        packages: of its frozen environment, as `packages_of` gives them; ``None`` without one.
        texts: what free text is searched in: descriptions, tags, reasons.
        stages: where it is; in a search of the past, where it ever was.
        aliases: likewise.
    """

    version: ModelVersion
    packages: Packages | None = None
    texts: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def packages_of(requirements: Iterable[str]) -> Packages:
    """Return the packages of an environment: the name as PEP 503 writes it, and the version."""
    from packaging.utils import canonicalize_name

    found = {}
    for name, version in packages(requirements).items():
        bare = name.partition("[")[0].strip()
        found[canonicalize_name(bare)] = str(version).partition(";")[0].strip()
    return tuple(sorted(found.items()))


def own_texts(version: ModelVersion) -> list[str]:
    """Return a version's own texts: its description, and the keys and values of its tags."""
    tags = [text for pair in version.tags.items() for text in pair]
    return [*([version.description] if version.description else []), *tags]


# Values


def values_of(version: ModelVersion) -> Iterator[tuple[str, Value]]:
    """Yield the fields that a version has, with their values, but for stage, alias and packages."""
    code, environment = version.lineage.code, version.environment
    artifact, lineage = version.artifact, version.lineage
    yield from _keyed_values(version)
    texts = {
        "name": version.model,
        "created_by": version.created_by,
        "description": version.description,
        "source": lineage.source,
        "command": lineage.command,
        "run_id": lineage.run and lineage.run.id,
        "code.commit": code and code.commit,
        "code.repository": code and code.repository,
        "code.dirty": code and ("true" if code.dirty else "false"),
        "environment.python": python_key(environment.python or "", whole=True),
        "environment.platform": environment.platform,
        "format": _format(version),
        "sha256": artifact.sha256,
    }
    for name, text in texts.items():
        if text:
            yield name, (None, text)
    for item in lineage.data:
        for name, text in (("path", item.path), ("md5", item.md5), ("digest", item.digest)):
            if text:
                yield f"data.{name}", (None, text)
    created = milliseconds(version.created_at)
    numbers = {"version": version.version, "size": artifact.size, "files": artifact.files}
    for name, number in (numbers | ({"created_at": created} if created else {})).items():
        yield name, (bounded(number), None)


def _keyed_values(version: ModelVersion) -> Iterator[tuple[str, Value]]:
    """Yield metrics, those of evaluations, params and tags."""
    for key, number in version.metrics.items():
        yield f"metrics.{key}", (bounded(number), None)
    for name, evaluation in version.evaluations.items():
        for key, number in evaluation.metrics.items():
            yield f"evaluation.{name}.{key}", (bounded(number), None)
    for key, value in flatten(version.params).items():
        if value is not None:
            yield f"params.{key}", _any(value)
    for key, value in version.tags.items():
        yield f"tags.{key}", _any(value)


def _any(value: Plain) -> Value:
    if isinstance(value, str):
        return number_in(value), value
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bounded(value), text
    return None, text


def _format(version: ModelVersion) -> str | None:
    """Return the ending of an artifact's name, or ``folder``."""
    if version.artifact.is_folder:
        return "folder"
    return version.artifact.path.partition(".")[2].lower() or None


# Comparisons


def matches(document: Document, node: Node) -> bool | None:
    """Return whether a filter holds for a version; ``None`` if that is unknown."""
    if isinstance(node, Comparison):
        return _holds(document, node)
    if isinstance(node, Not):
        part = matches(document, node.part)
        return None if part is None else not part
    found = {matches(document, node.left), matches(document, node.right)}
    if node.either in found:
        return node.either  # what is true makes OR true, what is false makes AND false
    return None if None in found else not node.either


def _holds(document: Document, comparison: Comparison) -> bool | None:
    field, sign = comparison.field, comparison.sign
    if sign == "REQUIRES" or field.name == "requires":
        return _requires(document, comparison)
    if sign == "MATCH":
        return all(_has_word(document.texts, str(word)) for word in comparison.operands)
    values = _values(document, field)
    if sign == "NULL":
        return not values or (field.type == "stage" and values == [(None, NO_STAGE)])
    if not values and not field.is_always_known:
        return None
    tests = [predicate(comparison, each) for each in comparison.operands]
    if any(is_numeric(comparison, each) for each in comparison.operands):
        values = [value for value in values if value[0] is not None]
        if not values:
            return None
    return any(test(value) for test in tests for value in values)


def is_numeric(comparison: Comparison, given: Operand | Requirement) -> bool:
    """Return whether only numbers can be compared: with ``<``, what is no number is unknown."""
    return comparison.sign in ("<", "<=", ">", ">=") and not isinstance(given, str)


def _values(document: Document, field: Field) -> list[Value]:
    if field.type == "stage":
        return [(None, stage) for stage in document.stages or (NO_STAGE,)]
    if field.name == "alias":
        return [(None, alias) for alias in document.aliases]
    return [value for path, value in values_of(document.version) if path == field.path]


def _requires(document: Document, comparison: Comparison) -> bool | None:
    if comparison.sign == "NULL":
        return document.packages is None
    if document.packages is None:
        return None
    (wanted,) = comparison.operands
    assert isinstance(wanted, Requirement)
    return any(
        name == wanted.name and satisfies(version, wanted.specifier)
        for name, version in document.packages
    )


def _has_word(texts: Iterable[str], word: str) -> bool:
    words = (each for text in texts for each in words_of(text))
    if word.endswith("*"):
        return any(each.startswith(word[:-1]) for each in words)
    return word in words


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def predicate(comparison: Comparison, given: Operand | Requirement) -> Callable[[Value], bool]:
    """Return what tells whether a value satisfies one operand of a comparison."""
    sign = comparison.sign
    if isinstance(given, Span):
        return lambda value: value[0] is not None and _in_span(sign, value[0], given)
    if sign in ("LIKE", "ILIKE"):
        test = like(str(given), ignore_case=sign == "ILIKE")
        return lambda value: value[1] is not None and test(value[1])
    if sign == "STARTS":
        return lambda value: value[1] is not None and value[1].startswith(str(given))
    compare = _SIGNS[sign]
    if isinstance(given, (int, float)):
        return lambda value: value[0] is not None and compare(value[0], given)
    if comparison.field.type == "python":
        length = len(str(given))
        return lambda value: value[1] is not None and compare(value[1][:length], given)
    return lambda value: value[1] is not None and compare(value[1], given)


def _in_span(sign: str, moment: float, span: Span) -> bool:
    return {
        "=": span.first <= moment < span.end,
        "<": moment < span.first,
        "<=": moment < span.end,
        ">": moment >= span.end,
        ">=": moment >= span.first,
    }[sign]


# Orders


def ordered(documents: Sequence[Document], orders: Sequence[Order]) -> list[Document]:
    """Return documents in an order; where that is equal, by name, the newest version first.

    Numbers come before texts, and what is absent comes last, in either direction.
    """
    found = sorted(documents, key=lambda one: (one.version.model, -one.version.version))
    for order in reversed(orders):
        keyed = [(_first(one, order.field), one) for one in found]
        numbers = [pair for pair in keyed if pair[0] is not None and pair[0][0] is not None]
        texts = [pair for pair in keyed if pair[0] is not None and pair[0][0] is None]
        for part, index in ((numbers, 0), (texts, 1)):
            part.sort(key=lambda pair, i=index: pair[0][i], reverse=order.descending)  # type: ignore[misc]
        absent = [pair for pair in keyed if pair[0] is None]
        found = [one for part in (numbers, texts, absent) for _, one in part]
    return found


def _first(document: Document, field: Field) -> Value | None:
    return min(_values(document, field), key=lambda value: value[1] or "", default=None)
