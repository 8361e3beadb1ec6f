"""The command line: parameters to `Registry`, answers to stdout, everything else to stderr.

============  =================================================================
`app`         the command groups, and the one place that reports errors
`parameters`  what several commands share: options, arguments, shell completion
`completion`  what a Tab offers, and the shells' scripts
`coloured`    whether text is coloured
`meant`       what a person meant who typed a command that gitreg does not have
`output`      prints answers, outcomes, warnings and progress
`writing`     register, promote, roll back, annotate, delete
`evaluating`  evaluate
`reproducing` reproduce
`papers`      card, dossier
`reading`     list, show, log, resolve, compare, pull, verify
`history`     timeline, explain
`search`      search versions by what is known about them
`watching`    watch, events
`bisect`      the search for the first bad version
`reviewing`   approvals, the policy, the check, hooks, files for Git hosts
`deploying`   rendered files
`sharing`     fetch, push, tags, doctor
`serving`     serve a model over HTTP
`mlflow`      MLflow's web pages, import and export
`gto`         the import of a project that used GTO
`site`        the registry as web pages
`transfers`   prints what was imported or exported
============  =================================================================

Each module adds its commands to `app.app`. A process runs one command, so `main` imports the module
of that one alone: a serving process runs ``gitreg resolve`` when it starts.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitreg.cli.app import app

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "writing": (
        *("init", "register", "promote", "archive", "alias", "rollback", "annotate"),
        *("create", "rename", "delete"),
    ),
    "evaluating": ("evaluate",),
    "reproducing": ("reproduce",),
    "papers": ("card", "dossier"),
    "reading": ("list", "show", "log", "resolve", "compare", "pull", "verify"),
    "history": ("timeline", "explain"),
    "search": ("search",),
    "bisect": ("bisect",),
    "watching": ("watch", "events"),
    "reviewing": ("approve", "policy", "check", "hook", "ci", "codeowners"),
    "deploying": ("deploy",),
    "sharing": ("fetch", "push", "status", "tags", "doctor"),
    "serving": ("serve",),
    "mlflow": ("ui", "import", "export"),
    "gto": ("import",),
    "site": ("site",),
}
"""The commands of each module; `gitreg --help` lists the modules in this order."""


def main() -> None:
    """Run the command line, or complete one."""
    if "_GITREG_COMPLETE" in os.environ:
        import_module(f"{__name__}.completion").main()
        return
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    modules = [module for module, names in COMMANDS.items() if wanted in names]
    if modules:
        for module in modules:
            import_module(f"{__name__}.{module}")
        groups = import_module(f"{__name__}.app")
        # The import has put the module here; who asks for `app` wants all commands.
        globals().pop("app", None)
    else:
        groups = _load()
    groups.main()


def _load() -> ModuleType:
    """Return the module `app` with all commands in its app."""
    for module in COMMANDS:
        import_module(f"{__name__}.{module}")
    groups = import_module(f"{__name__}.app")
    order = [f"{__name__}.{module}" for module in ("app", *COMMANDS)]
    groups.app.registered_commands.sort(key=lambda one: order.index(one.callback.__module__))
    globals()["app"] = groups.app
    return groups


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    return _load().app
