"""What a person meant who typed a command or an option that gitreg does not have."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from gitreg.core.text.suggest import did_you_mean, near_misses

if TYPE_CHECKING:
    from gitreg.core.model.model import Model, ModelVersion

_COMMANDS = {
    "history": "log",
    "audit": "log",
    "blame": "log",
    "events": "log",
    "diff": "compare",
    "rm": "delete",
    "remove": "delete",
    "unregister": "delete",
    "drop": "delete",
    "stage": "promote",
    "transition": "promote",
    "deploy": "promote",
    "release": "promote",
    "ls": "list",
    "models": "list",
    "versions": "list",
    "info": "show",
    "describe": "show",
    "cat": "show",
    "view": "show",
    "which": "resolve",
    "download": "pull",
    "get": "pull",
    "checkout": "pull",
    "load": "pull",
    "undo": "rollback",
    "revert": "rollback",
    "restore": "rollback",
    "reset": "rollback",
    "add": "register",
    "log-model": "register",
    "commit": "register",
    "upload": "register",
    "publish": "push",
    "update": "fetch",
    "validate": "check",
    "lint": "check",
    "fsck": "doctor",
    "mv": "rename",
    "move": "rename",
    "server": "ui",
    "serve": "ui",
}
"""The command that is meant by another program's word; it takes the same arguments."""

_IN_GROUPS = {
    "alias": {"add": "set", "create": "set", "move": "set", "rm": "delete", "remove": "delete"},
    "policy": {"check": "test", "validate": "test", "get": "show", "cat": "show"},
    "tags": {"update": "sync", "fix": "sync", "create": "sync"},
}
_OF_GIT = frozenset(("branch", "merge", "clone", "remote", "switch", "stash", "rebase", "config"))
"""What Git does, and gitreg leaves to it."""

_OPTIONS = {
    "--stage": "--to",
    "--version": "--to",
    "--reason": "--message",
    "--comment": "--message",
    "--out": "--output",
    "--dir": "--output",
    "--dest": "--output",
    "--max-count": "--limit",
    "--after": "--since",
    "--before": "--until",
    "--who": "--author",
    "--path": "--repo",
    "--when": "--at",
    "--commit": "--rev",
    "--metrics": "--metric",
    "--order": "--sort",
    "--sort-by": "--sort",
}


def meant_command(words: Sequence[str], known: Collection[str], group: str = "") -> str | None:
    """Return a hint for an unknown command, with the user's own arguments, or ``None``.

    Args:
        words: the command and its arguments.
        known: the commands there are.
        group: what the command belongs to, as ``alias``.

    >>> meant_command(["rm", "churn@1", "-m", "too old"], ["delete"])
    "gitreg delete churn@1 -m 'too old'"
    >>> meant_command(["tag", "churn@1", "best"], []), meant_command(["tag", "churn@1", "a=b"], [])
    ('gitreg alias set churn@1 best', 'gitreg annotate churn@1 --tag a=b')
    """
    word, *rest = words
    instead = _IN_GROUPS.get(group, {}).get(word) if group else _COMMANDS.get(word)
    if instead:
        return " ".join(filter(None, ("gitreg", group, instead, shlex.join(rest))))
    special = None if group else _special(word, rest)
    return special or did_you_mean(word, known)


def _special(word: str, rest: Sequence[str]) -> str | None:
    """Return a hint for a word that stands for no one command, or ``None``."""
    there = shlex.join(rest)
    if word in ("tag", "label"):
        return _tagging(rest) if rest else "gitreg annotate sets tags, gitreg alias set aliases"
    if word in _OF_GIT:
        return f"that is Git's: git {shlex.join((word, *rest))}"
    return {
        "sync": "gitreg fetch, then gitreg push",
        "withdraw": f"gitreg rollback for a version, gitreg approve {there} --withdraw for an "
        "approval",
    }.get(word)


def _tagging(rest: Sequence[str]) -> str:
    """Return the command for ``tag REF WORDS``: tags have values, an alias has none."""
    first, more = shlex.quote(rest[0]), rest[1:]
    if len(more) == 1 and "=" not in more[0]:
        return f"gitreg alias set {shlex.join(rest)}"
    if not more:
        return (
            f"gitreg annotate {shlex.quote(first)} --tag, or gitreg alias set {shlex.quote(first)}"
        )
    pairs = [part for one in more for part in ("--tag", one)]
    return shlex.join(["gitreg", "annotate", first, *pairs])


def meant_option(option: str, known: Collection[str], given: Sequence[str]) -> str | None:
    """Return a hint for an unknown option of a command, with the value that was given.

    >>> meant_option("--stage", {"--to"}, ["churn@2", "--stage", "production"])
    '--to production'
    >>> meant_option("--auther", {"--author", "--at"}, [])
    'did you mean --author?'
    """
    instead = _OPTIONS.get(option)
    if instead is None or instead not in known:
        near = near_misses(
            option.lstrip("-"), [name.lstrip("-") for name in known if len(name) > 2]
        )
        return f"did you mean {' or '.join(f'--{name}' for name in near)}?" if near else None
    after = given[given.index(option) + 1 :][:1] if option in given else []
    value = "".join(shlex.quote(one) for one in after if not one.startswith("-"))
    return f"{instead} {value}".strip()


def meant_arguments(command: str, extra: Sequence[str]) -> str | None:
    """Return a hint for arguments that a command does not take, or ``None``.

    >>> meant_arguments("gitreg status", ["churn"])
    'gitreg show churn'
    """
    return f"gitreg show {shlex.join(extra)}" if command == "gitreg status" and extra else None


def meant_metric(metric: str, version: ModelVersion) -> str | None:
    """Return a hint for a metric that a version does not have, or ``None``."""
    return None if metric in version.metrics else did_you_mean(metric, version.metrics)


def meant_version(text: str, model: Model) -> str:
    """Return a hint for what is no version of a model.

    >>> from gitreg.core.model.model import Model
    >>> meant_version("champion", Model("loan", 6, {}, {"champion": 5}))
    '--to 5'
    >>> meant_version("other@2", Model("loan", 6))
    '--to 2 is a version of loan, other@2 is not'
    """
    word, _, number = text.rpartition("@")
    if number in model.aliases:
        return f"--to {model.aliases[number]}"
    if word and number.isdigit() and 0 < int(number) <= (model.latest or 0):
        return f"--to {number} is a version of {model.name}, {text} is not"
    return f"gitreg rollback {shlex.quote(model.name)} --list shows what it may go back to"


def new_alias(alias: str, known: Collection[str]) -> str | None:
    """Return a warning about an alias that looks like another one of its model, or ``None``."""
    is_known = alias.casefold() in map(str.casefold, known)
    hint = None if is_known else did_you_mean(alias, known)
    return f"@{alias} is a new alias: {hint}" if hint else None
