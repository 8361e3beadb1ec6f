"""Failures of a remote that a retry does not help against: their cause, and the way out."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why a remote cannot be used, and what to do.

    Attributes:
        text: the cause; empty where Git's own message says it.
        hint: what to do.
    """

    text: str
    hint: str


_USE_A_URL = "give the remote an https or ssh URL, or a folder: git remote set-url"
_ACCESS = "check your access to it: a token, a key, the permission to read and push"
_ADDRESS = "check its URL: git remote -v"

# Git's own words; the groups of a pattern go into the text.
_BEFORE_SENDING = (
    (
        r"^fatal: .*does not support --atomic",
        "it cannot move branch and tags together (git push --atomic)",
        "gitreg publishes only where the server can: Git 2.4 or later by ssh, https or a folder",
    ),
    (
        r"^fatal: .*(?:receiving end|helper \S+) does not support '?(--[a-z-]+)",
        "it does not support git push {0}, which gitreg needs",
        "publish on a server with a recent Git, by ssh, https or a folder",
    ),
    (
        r"^fatal: transport '([^']*)' not allowed",
        "gitreg uses no remote helpers, because they run commands, and {0} is one",
        _USE_A_URL,
    ),
    (
        r"(?:[Uu]nable to find remote helper for '|^git: 'remote-)([^']*)'",
        "Git has no helper for {0} URLs on this machine",
        "install git-remote-{0}, or " + _USE_A_URL,
    ),
    (
        r"^not be found on any remote",
        "submodules have commits that none of their remotes has",
        "git push --recurse-submodules=on-demand, or git config push.recurseSubmodules on-demand",
    ),
    (
        r"^fatal: unable to access .*: The requested URL returned error: 40[13]",
        "",
        _ACCESS,
    ),
    (
        r"^ERROR: ((?:Permission to|Write access|You are not).*)(?s:.*)^fatal: Could not read",
        "access is denied ({0})",
        _ACCESS,
    ),
)
_WHEN_READING = (
    (
        (
            r"^fatal: (?:Authentication failed|could not read (?:Username|Password))"
            r"|Permission denied \(\S*\)|Host key verification failed"
        ),
        "",
        _ACCESS,
    ),
    (
        (
            r"^fatal: .* does not appear to be a git repository"
            r"|^(?:fatal: r|ERROR: R|remote: R)epository .*not found"
        ),
        "",
        _ADDRESS,
    ),
)


def before_sending(stderr: str) -> Cause | None:
    """Return why a push failed before it sent anything, if Git says so."""
    return _first(_BEFORE_SENDING, stderr)


def when_reading(stderr: str) -> Cause | None:
    """Return why a remote cannot be read, if Git says so and a retry does not help."""
    return _first((*_BEFORE_SENDING, *_WHEN_READING), stderr)


def server_lines(stderr: str) -> tuple[str, ...]:
    """Return what the remote's hooks printed, as they printed it."""
    lines = [
        line.removeprefix("remote:").removeprefix(" ").rstrip()
        for line in stderr.splitlines()
        if line.startswith("remote:")
    ]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


def _first(known: tuple[tuple[str, str, str], ...], stderr: str) -> Cause | None:
    for pattern, text, hint in known:
        found = re.search(pattern, stderr, re.MULTILINE)
        if found:
            return Cause(text.format(*found.groups()), hint.format(*found.groups()))
    return None
