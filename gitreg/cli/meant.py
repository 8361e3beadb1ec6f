"""What a person meant who typed a command or an option that gitreg does not have."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitreg.core.text.suggest import did_you_mean

_COMMANDS = {
    "history": "log",
    "audit": "log",
    "diff": "compare",
    "rm": "delete",
    "remove": "delete",
    "tag": "annotate REF --tag KEY=VALUE, or gitreg alias set REF ALIAS",
    "stage": "promote",
    "ls": "list",
    "models": "list",
    "versions": "list MODEL",
    "info": "show",
    "describe": "show",
    "cat": "show",
    "download": "pull",
    "get": "pull",
    "undo": "rollback",
    "revert": "rollback",
    "add": "register",
    "log-model": "register",
    "commit": "register",
    "sync": "fetch, then gitreg push",
    "validate": "check",
    "lint": "check",
    "mv": "rename",
    "transition": "promote",
}
_OPTIONS = {
    "--stage": "--to",
    "--version": "--to",
    "--reason": "--message",
    "--comment": "--message",
    "--out": "--output",
    "--dir": "--output",
    "--dest": "--output",
    "--max-count": "--limit",
    "--path": "--repo",
    "--when": "--at",
    "--commit": "--rev",
}


def meant_command(word: str, known: Collection[str]) -> str | None:
    """Return a hint for an unknown command, or ``None``."""
    if word in _COMMANDS:
        return f"gitreg {_COMMANDS[word]}"
    return did_you_mean(word, known)


def meant_option(option: str, known: Collection[str], given: Sequence[str]) -> str | None:
    """Return a hint for an unknown option of a command, with the value that was given.

    >>> meant_option("--stage", {"--to"}, ["churn@2", "--stage", "production"])
    '--to production'
    """
    instead = _OPTIONS.get(option)
    if instead is None or instead not in known:
        return None
    after = given[given.index(option) + 1 :][:1] if option in given else []
    value = "".join(one for one in after if not one.startswith("-"))
    return f"{instead} {value}".strip()
