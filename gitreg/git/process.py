"""Runs Git: the one place for its environment, fixed options and errors."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError, InvalidRequest
from gitreg.git import damage, given_settings

# What a caller's environment may tell Git: who commits and when, how to reach a remote, which
# configuration files to read. Everything else that starts with GIT_ is dropped: inside a hook
# GIT_DIR and GIT_INDEX_FILE name another repository, and GIT_REPLACE_REF_BASE swaps objects.
# GIT_CONFIG_COUNT can set any option: gitreg/git/given_settings.py says which are kept.
_KEPT = re.compile(
    r"GIT_(?:(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL|DATE)|SSH(?:_COMMAND|_VARIANT)?|ASKPASS"
    r"|CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM)|CEILING_DIRECTORIES|HTTP_.*|SSL_.*|PROXY_.*|TRACE.*"
    r"|EXEC_PATH|TERMINAL_PROMPT|DEFAULT_HASH)"
)
_FIXED = {
    "LC_ALL": "C",  # messages are matched
    "GIT_NO_REPLACE_OBJECTS": "1",  # refs/replace would show other content under a commit's name
    "GIT_OPTIONAL_LOCKS": "0",  # a read must not take index.lock from the user
    "GIT_LITERAL_PATHSPECS": "1",  # a model's name is a path, never a pattern
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # ext:: and fd:: run commands
}
DURABLE = "core.fsync=committed,loose-object,reference"
"""What Git syncs to the disk; by default it does so neither for commits nor for references."""

_OPTIONS = (
    "-c",
    "core.fsmonitor=false",  # a repository's configuration may name any program there
    "-c",
    "core.quotePath=false",
    "-c",
    "log.showSignature=false",  # puts gpg's words into the output that is parsed
    "-c",
    DURABLE,
)
_NAMED = ("-c", "safe.bareRepository=all")

_TRUST = re.compile(r"git config --global --add safe\.directory .+")
_NOT_NAMED = re.compile(r"cannot use bare repository '(.+)' \(safe\.bareRepository")
_NO_LOGIN = re.compile("could not read (?:Username|Password)|Authentication failed|[Dd]enied")
_NO_ANSWER = "Could not read from remote repository"


@dataclass(frozen=True)
class Completed:
    """The result of a Git process; ``stderr`` has no credentials."""

    returncode: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text, without the last line break."""
        return self.stdout.decode("utf-8", "replace").rstrip("\n")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the caller's environment, cleaned for Git.

    Args:
        extra: gitreg's own variables for one call; its settings are added to those that are kept.

    Raises:
        InvalidRequest: GIT_CONFIG_COUNT and its variables do not fit together.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or _KEPT.fullmatch(key)
    }
    # A prompt on a terminal that nobody watches hangs a job for ever.
    kept.setdefault("GIT_TERMINAL_PROMPT", "0")
    # Git waits for ever for a web server that went silent. One that is busy (a slow hook) sends
    # something every few seconds.
    kept.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1")
    kept.setdefault("GIT_HTTP_LOW_SPEED_TIME", "60")
    return kept | _FIXED | dict(extra or {}) | given_settings.settings(os.environ, extra)


def command(folder: Path, *args: str) -> list[str]:
    """Return the argument list of a Git call in ``folder``, with the options that every call has.

    `safe.bareRepository=explicit` makes Git refuse a bare repository that it finds by itself: a
    stranger can put one into a work tree. A repository that the caller names was not found, and
    our own copies of repositories are bare. Git still checks to whom it belongs. Without a name,
    in the current folder, the user's setting decides.
    """
    named = _NAMED if folder != Path() and _is_bare(folder) else ()
    return ["git", *_OPTIONS, *named, *args]


def _is_bare(folder: Path) -> bool:
    return (folder / "objects").is_dir() and os.path.lexists(folder / "HEAD")


def run(
    cwd: Path,
    *args: str,
    stdin: bytes | None = None,
    check: bool = True,
    extra_env: Mapping[str, str] | None = None,
    interactive: bool = False,
) -> Completed:
    """Run Git in ``cwd`` and return its result.

    Args:
        cwd: the folder to run in.
        args: subcommand and arguments; values from outside only behind ``--end-of-options``.
        stdin: its standard input.
        check: whether a status other than 0 raises.
        extra_env: variables added to the cleaned environment.
        interactive: whether it may prompt the user (ssh: the passphrase of a key).

    Raises:
        GitError: Git is not installed, or it failed and ``check`` is set.
    """
    try:
        done = subprocess.run(
            command(cwd, *args),
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=environment(extra_env),
            check=False,
            # Ctrl-C goes to the whole foreground group and would interrupt Git in the middle of a
            # write. In a session of its own it finishes, and we stop at the next step. But there
            # it has no terminal for prompts, which only a remote needs.
            start_new_session=not interactive,
        )
    except OSError as error:
        raise no_git(cwd, error) from None
    completed = Completed(
        done.returncode, done.stdout, hide_credentials(done.stderr.decode("utf-8", "replace"))
    )
    if check and completed.returncode != 0:
        raise failure(_subcommand(args), completed, cwd)
    return completed


def run_for(cwd: Path, patience: float, *args: str) -> Completed:
    """Run Git in ``cwd`` with a time limit; it may prompt the user.

    Args:
        cwd: the folder to run in.
        patience: the time limit in seconds.
        args: see `run`.

    Raises:
        GitError: Git is not installed, or it exceeded the time limit.
    """
    try:
        return within(patience, command(cwd, *args), cwd, environment())
    except subprocess.TimeoutExpired:
        raise GitError(f"git {_subcommand(args)}: no answer in {patience:.0f} s") from None
    except OSError as error:
        raise no_git(cwd, error) from None


def within(
    patience: float,
    program: Sequence[str],
    cwd: Path,
    variables: Mapping[str, str],
    stdin: bytes | None = None,
) -> Completed:
    """Run any program with a time limit, and return its result.

    Its output goes to files: a pipe would stay open while an ssh that the program started waits for
    a host that does not answer, and so would this function.

    Args:
        patience: the time limit in seconds.
        program: its name or path, and its arguments.
        cwd: the folder to run in.
        variables: its environment.
        stdin: its standard input.

    Raises:
        subprocess.TimeoutExpired: it exceeded the time limit, and was killed.
        OSError: it cannot be started.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(
            program,
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=out,
            stderr=err,
            env=variables,
            check=False,
            timeout=patience,
        )
        for file in (out, err):
            file.seek(0)
        said = hide_credentials(err.read().decode("utf-8", "replace"))
        return Completed(done.returncode, out.read(), said)


def _subcommand(args: Sequence[str]) -> str:
    """Return the Git command that is called: the word behind the ``-c NAME=VALUE``.

    >>> _subcommand(["-c", "gc.auto=0", "fetch", "-c"])
    'fetch'
    """
    rest = list(args)
    while len(rest) > 2 and rest[0] == "-c":
        del rest[:2]
    return rest[0]


def no_git(cwd: Path, error: OSError) -> GitError | InvalidRequest:
    """Return the error for a Git process that did not start."""
    if not cwd.is_dir():
        return InvalidRequest(f"{cwd}: no such folder")
    return GitError(f"git cannot be run: {error.strerror}", hint="install Git 2.34 or later")


def failure(
    subcommand: str, completed: Completed, cwd: Path | None = None
) -> GitError | InvalidRequest:
    """Return the error for a Git process that failed, with the line that gives the reason.

    Args:
        subcommand: the Git command.
        completed: its result.
        cwd: where it ran; with it, a damaged repository is recognised.
    """
    harm = None if cwd is None else damage.in_output(completed.stderr, cwd)
    if harm is not None:
        return damage.Damaged(harm)
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip()]
    words = ("fatal:", "error:", "! [", "remote:")
    telling = [line for line in lines if line.startswith(words)] or lines or ["no message"]
    if _NO_ANSWER in telling[0] and lines[0] != telling[0]:
        # The message of ssh itself stands before it.
        telling = [lines[lines.index(telling[0]) - 1]]
    if "not a git repository" in completed.stderr:
        harm = None if cwd is None else damage.of_head(cwd)
        if harm is not None:
            return damage.Damaged(harm)
        return InvalidRequest("not a Git repository", hint="gitreg init makes one here")
    if "dubious ownership" in completed.stderr:
        command = _TRUST.search(completed.stderr)
        return GitError(
            "Git does not trust this repository: it belongs to somebody else",
            hint=command and command[0],
        )
    found = _NOT_NAMED.search(completed.stderr)
    if found:
        return GitError(
            f"Git does not use the bare repository {found[1]} unless it is named "
            "(safe.bareRepository is 'explicit')",
            hint=f"--repo {found[1]}",
        )
    message = f"git {subcommand}: {telling[0].removeprefix('fatal: ')}"
    if _NO_LOGIN.search(completed.stderr):
        unused = given_settings.unused_access(os.environ)
        if unused:
            message += f" (gitreg does not use {hide_credentials(unused)}, which runs a command)"
    return GitError(message)
