"""What services import comes from one place, and no more of it than they use."""

from __future__ import annotations

import subprocess
import sys

import gitreg.serving


def test_every_public_name_is_there() -> None:
    for name in gitreg.serving.__all__:
        assert getattr(gitreg.serving, name).__name__ == name


def test_a_name_imports_only_what_it_needs() -> None:
    script = (
        "import sys; from gitreg.serving import LiveModel, joblib_file; "
        "print(sorted({'fastapi', 'mlflow', 'sklearn', 'dvc'} & set(sys.modules)))"
    )
    run = [sys.executable, "-c", script]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "[]\n"
