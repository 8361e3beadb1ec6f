"""The command line: parameters to `Registry`, answers to stdout, everything else to stderr."""

# Each module adds its commands, in the order in which `gitreg --help` then tells of them.
from gitreg.cli import writing  # isort: split

from gitreg.cli import reading  # isort: split

from gitreg.cli import reviewing  # isort: split

from gitreg.cli import sharing  # isort: split

from gitreg.cli import mlflow  # isort: split

from gitreg.cli.app import app, main

__all__ = ["app", "main", "mlflow", "reading", "reviewing", "sharing", "writing"]
