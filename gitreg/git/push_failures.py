"""Why a push failed: a lost race, a lock, a refusal of the remote, or an answer that got lost."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError, LostRace, ServerRefused, UnknownOutcome
from gitreg.git import causes, damage, locks, process

_RACED = (
    "fetch first",
    "non-fast-forward",
    "stale info",
    "failed to update ref",
    "cannot lock ref",
    "incorrect old value",
    "remote ref updated since checkout",
    "reference already exists",
)
_NO_RACE = (
    "No space left",
    "Disk quota",
    "Permission denied",
    "Read-only file system",
    "Input/output",
    "exists; cannot create",
    "hook declined",
)
_REMOTE_LINES = 2


class Locked(GitError):
    """The remote has a lock file: another push is running there, or was killed."""


def push_failure(
    shown: str, done: process.Completed, git_dir: Path, there: Path | None
) -> GitError:
    """Return the error for a push that failed.

    Args:
        shown: the remote without credentials.
        done: the push.
        git_dir: the ``.git`` of the clone.
        there: the Git folder of the remote, if it is on this machine.
    """
    report = hide_credentials(done.stdout.decode("utf-8", "replace"))
    output = done.stderr + report
    standing = _standing(shown, output, git_dir, there)
    if standing is not None:
        return standing
    # A hook's own words are no report of Git's, even when they sound alike.
    hooks = "\n".join(re.findall(r"^remote: (?!error: |fatal: ).*$", done.stderr, re.MULTILINE))
    from_git = "\n".join(line for line in output.splitlines() if line not in hooks.splitlines())
    if any(words in from_git for words in _RACED) and not any(w in from_git for w in _NO_RACE):
        return LostRace(f"{shown} moved: somebody else published at the same time")
    taken = re.search(r"refs/tags/(\S+)\s+\[rejected\] \(already exists\)", output)
    if taken:
        return GitError(
            f"{shown} has a different tag {taken[1]}; nothing was published",
            hint="gitreg doctor",
        )
    cause = _rejection(report, done)
    words = [text for text in _remote_words(done.stderr) if text not in cause]
    message = f"the push to {shown} failed: {': '.join([cause, *words])}"
    # A line "! from:to [rejected] (why)" is the remote's verdict on a reference, or the client's,
    # which then sent nothing. Without such a line the result is unknown.
    if re.search(r"^!\t\S+\t\[(?:remote )?rejected\]", report, re.MULTILINE):
        return _refusal(shown, cause, message, done)
    known = causes.before_sending(done.stderr)
    if known is not None:
        told = f"the push to {shown} failed: {known.text}" if known.text else message
        return GitError(
            told,
            hint=f"nothing was published; {known.hint}",
        )
    return UnknownOutcome(message)


def _standing(shown: str, output: str, git_dir: Path, there: Path | None) -> GitError | None:
    """Return the error for damage or a lock, which stay until a person removes them."""
    harm = damage.in_output(output, there or git_dir)
    if harm is not None:
        error = damage.Damaged(harm)
        return GitError(
            f"the push to {shown} failed: {error}", hint="nothing was published; gitreg doctor"
        )
    lock = locks.named_in(output)
    return None if lock is None else _locked(shown, git_dir / lock, git_dir, there)


def _locked(shown: str, lock: Path, git_dir: Path, there: Path | None) -> Locked:
    """Return the error for a push that a lock stopped, in the clone or on the remote."""
    if there is None and not lock.is_relative_to(git_dir):
        return Locked(
            f"the push to {shown} failed: its lock {lock} is in the way: another push is running "
            "there, or was killed and left that file",
            hint=f"if no push is running there, on that machine: rm {shlex.quote(str(lock))}",
        )
    found = locks.failure(lock)
    return Locked(f"the push to {shown} failed: {found}", hint=found.hint)


def _refusal(shown: str, cause: str, message: str, done: process.Completed) -> GitError:
    """Return the error for a remote that rejected a push: by a hook's decision, or for a fault."""
    nothing = "nothing was published"
    if "declined" not in cause:
        return GitError(message, hint=nothing)
    lines = causes.server_lines(done.stderr)
    return ServerRefused(f"{shown} refused the push: {cause}", lines, hint=nothing)


def _rejection(report: str, done: process.Completed) -> str:
    """Return why a push failed: the remote's reason, else Git's message."""
    causes = re.findall(r"\[remote rejected\] \((.*)\)", report)
    # In an atomic push one reference has the real reason; the others are rejected along with it.
    telling = [cause for cause in causes if "atomic" not in cause] or causes
    return telling[0] if telling else str(process.failure("push", done))


def _remote_words(stderr: str) -> list[str]:
    """Return the first lines that the remote's hooks printed, without purely decorative ones."""
    lines = causes.server_lines(stderr)
    return [line.strip() for line in lines if re.search(r"\w", line)][:_REMOTE_LINES]
