"""What `import gitreg` offers, and what it does not import for that."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator

import pytest

import gitreg
from gitreg import errors


def _python(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", gitreg.__all__)
def test_every_exported_name_resolves(name: str) -> None:
    value = getattr(gitreg, name)
    assert name in dir(gitreg)
    if name != "__version__":
        assert value.__name__ == name
        assert value.__module__.startswith("gitreg.")


def test_what_is_exported() -> None:
    raised = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.GitregError)
    }
    assert raised < set(gitreg.__all__)
    assert gitreg.__all__ == sorted(gitreg.__all__)
    calls = [call for owner in gitreg.Registry.__mro__ for call in _public_calls(owner)]
    assert len(calls) > 40
    taken = {kind for call in calls for kind in _kinds(typing.get_type_hints(call))}
    inner = {"ArtifactStore", "GitRepository"}  # for the packages on top of the registry's
    assert {kind.__name__ for kind in taken} - inner <= set(gitreg.__all__)


def test_every_annotation_that_can_be_reached_is_evaluated() -> None:
    """Of each exported class: its fields, its methods, and the classes that these name."""
    left = [getattr(gitreg, name) for name in gitreg.__all__ if name != "__version__"]
    seen: set[type] = set()
    while left:
        kind = left.pop()
        if kind in seen:
            continue
        seen.add(kind)
        hints = [typing.get_type_hints(one) for one in (kind, *_public_calls(kind))]
        left += [base for base in kind.__mro__ if base.__module__.startswith("gitreg")]
        left += [named for hint in hints for named in _kinds(hint)]
    assert {"Registry", "Moving", "WriteOptions", "Lineage", "Review"} <= {
        kind.__name__ for kind in seen
    }


INNER = {"repository", "past", "artifacts"}
"""What a registry gives to gitreg's own packages on top of it, such as `gitreg.history`."""


def _public_calls(kind: type) -> Iterator[object]:
    """Yield the methods and properties that a class itself has, with ``__init__`` and the like."""
    for name, value in vars(kind).items():
        if name in INNER:
            continue
        value = getattr(value, "__func__", getattr(value, "fget", value))  # noqa: PLW2901
        if inspect.isfunction(value) and (not name.startswith("_") or name.endswith("__")):
            yield value


def _kinds(hint: object) -> Iterator[type]:
    """Yield gitreg's classes that a type names, however deep."""
    if isinstance(hint, dict):
        for one in hint.values():
            yield from _kinds(one)
    elif inspect.isclass(hint) and hint.__module__.startswith("gitreg"):
        yield hint
    else:
        for one in typing.get_args(hint):
            yield from _kinds(one)


def test_options_are_known_by_name() -> None:
    hints = typing.get_type_hints(gitreg.Registry.promote)
    assert hints["return"] is gitreg.Outcome
    assert typing.get_args(hints["options"]) == (gitreg.WriteOptions,)
    assert typing.get_type_hints(gitreg.WriteOptions)["reason"] == (str | None)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gitreg' has no attribute 'Regstry'"):
        getattr(gitreg, "Regstry")  # noqa: B009


def test_the_import_imports_nothing_else_than_typing() -> None:
    script = (
        "import sys, typing, __future__; before = set(sys.modules)\n"
        "import gitreg; gitreg.__version__; dir(gitreg)\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    assert _python(script).split() == ["gitreg", "gitreg.errors"]


def test_an_error_needs_no_other_module() -> None:
    script = (
        "import sys; from gitreg import Refused\n"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] == 'gitreg'))"
    )
    assert _python(script).split() == ["gitreg", "gitreg.errors"]


def test_a_star_import_gives_everything() -> None:
    script = "from gitreg import *\nprint(Registry.__module__, CheckReport.__name__)"
    assert _python(script).split() == ["gitreg.registry.facade", "CheckReport"]


def test_errors_are_at_hand_after_a_plain_import() -> None:
    assert _python("import gitreg; print(gitreg.errors.GitregError.__name__)") == "GitregError\n"
