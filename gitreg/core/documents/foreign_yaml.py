"""YAML files of other tools: larger than ours, and looser; whatever is wrong with one is one error.

>>> safely("dvc.yaml", lambda: {}["stages"])
Traceback (most recent call last):
...
gitreg.errors.InvalidDocument: dvc.yaml: not YAML: 'stages'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gitreg.errors import InvalidDocument

_T = TypeVar("_T")


def safely(where: str, parse: Callable[[], _T]) -> _T:
    """Return what ``parse`` returns; whatever a parser may trip over is one error.

    Raises:
        InvalidDocument: so, with the line where it is known.
    """
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
