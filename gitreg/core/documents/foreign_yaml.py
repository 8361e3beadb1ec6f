"""YAML files of other tools, which are larger than ours, and looser: `dvc.yaml`, `MLmodel`.

They are read as DVC reads its own, by ruamel.yaml, so that gitreg sees the values that DVC sees.

>>> load(b"stages: {train: {cmd: 'python train.py'}}", "dvc.yaml")
{'stages': {'train': {'cmd': 'python train.py'}}}
>>> top_level_text(b"run_id: 1e5", "MLmodel", "run_id")
'1e5'
>>> load(b"a: [", "dvc.lock")
Traceback (most recent call last):
...
gitreg.errors.InvalidDocument: dvc.lock: line 1: not YAML: expected the node content, but found \
'<stream end>'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gitreg.errors import InvalidDocument

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_T = TypeVar("_T")


def load(data: bytes, where: str) -> object:
    """Return the value of a document, ``None`` for an empty one.

    Args:
        data: the document.
        where: its file, for messages.

    Raises:
        InvalidDocument: it is no YAML, or has a value that cannot be built.
    """
    return _safely(where, lambda: _reader().load(data))


def top_level_text(data: bytes, where: str, name: str) -> str | None:
    """Return the scalar at a key of the top level as it is written there, ``None`` without one.

    MLflow writes the id of a run, hex digits, without quotes, also where all but an ``e`` are
    decimal; YAML 1.2 reads such an id as a number. So the value is never built.

    Raises:
        InvalidDocument: it is no YAML mapping, or the value is a list or a mapping.
    """
    return _safely(where, lambda: _text_of(data, name))


def _text_of(data: bytes, name: str) -> str | None:
    from ruamel.yaml.nodes import MappingNode, ScalarNode

    node = _reader().compose(data)
    if not isinstance(node, MappingNode):
        raise TypeError("expected a mapping")
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == name:
            if not isinstance(value, ScalarNode):
                raise TypeError(f"{name}: expected text")
            return None if value.tag == "tag:yaml.org,2002:null" else str(value.value)
    return None


def _reader() -> YAML:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # legal, and a library does not print
    return yaml


def _safely(where: str, parse: Callable[[], _T]) -> _T:
    """Return what ``parse`` returns; all that ruamel.yaml raises becomes one error."""
    from ruamel.yaml.error import YAMLError

    try:
        return parse()
    except RecursionError:
        raise InvalidDocument(f"{where}: nested too deep") from None
    except (
        YAMLError,
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        AssertionError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["unreadable"])[0]
        raise InvalidDocument(f"{where}:{line} not YAML: {problem[:200]}") from None
