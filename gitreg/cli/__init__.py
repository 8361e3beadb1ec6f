"""The command line: parameters to `Registry`, answers to stdout, everything else to stderr.

============  =================================================================
`app`         the command groups, and the one place that reports errors
`parameters`  what several commands share: options, arguments, shell completion
`output`      prints answers, outcomes, warnings and progress
`writing`     register, promote, roll back, annotate, delete
`reading`     list, show, log, resolve, compare, pull, verify
`reviewing`   approvals, the policy, the check, hooks, files for Git hosts
`sharing`     fetch, push, tags, doctor
`mlflow`      MLflow's web pages, import and export
`gto`         the import of a project that used GTO
`transfers`   prints what was imported or exported
============  =================================================================
"""

# Each module adds its commands; `gitreg --help` lists them in this order.
from gitreg.cli import writing  # isort: split

from gitreg.cli import reading  # isort: split

from gitreg.cli import reviewing  # isort: split

from gitreg.cli import sharing  # isort: split

from gitreg.cli import mlflow  # isort: split

from gitreg.cli import gto  # isort: split

from gitreg.cli.app import app, main

__all__ = ["app", "gto", "main", "mlflow", "reading", "reviewing", "sharing", "writing"]
