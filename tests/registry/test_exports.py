"""What `import gitreg` offers, and what it does not import for that."""

from __future__ import annotations

import inspect
import subprocess
import sys

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
    named = {
        "CheckReport",
        "Event",
        "GateRefused",
        "Model",
        "ModelVersion",
        "Outcome",
        "Policy",
        "Reference",
        "Registry",
        "__version__",
    }
    assert set(gitreg.__all__) == raised | named
    assert gitreg.__all__ == sorted(gitreg.__all__)


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
