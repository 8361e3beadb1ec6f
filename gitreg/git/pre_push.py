"""The user's pre-push hook, which Git runs in a push: what it needs, and whether it refused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitreg.errors import GitError
from gitreg.git import scratch
from gitreg.git.process import Completed

_LINES = 12
_GIT_ITSELF = re.compile(r"error: failed to push some refs to .*|To \S+|Done")


@dataclass(frozen=True)
class Watch:
    """A push in which a hook may run.

    Attributes:
        trace: where Git writes what it does.
    """

    trace: Path

    @property
    def variables(self) -> dict[str, str]:
        """The variables for the push.

        A hook gets Git as its user has it. Only Git's messages stay English, because they are
        matched.
        """
        get = os.environ.get
        return {
            "GIT_TRACE2_EVENT": str(self.trace),
            "GIT_LITERAL_PATHSPECS": "0",
            "GIT_OPTIONAL_LOCKS": "1",
            "LC_ALL": "",
            "LANGUAGE": "",
            "LC_MESSAGES": "C",
            "LC_CTYPE": get("LC_ALL") or get("LC_CTYPE") or get("LANG") or "C",
        }

    def refusal(self, done: Completed) -> GitError | None:
        """Return the error for a push that the hook refused; ``None`` if it did not."""
        if done.returncode == 0 or not self._hook_failed():
            return None
        output = f"{done.stderr}\n{done.stdout.decode('utf-8', 'replace')}"
        lines = [line.strip() for line in output.splitlines()]
        words = [line for line in lines if re.search(r"\w", line) and not _is_of_git(line)]
        told = "; ".join(words[:_LINES]) or "it gave no reason"
        return GitError(f"the pre-push hook refused: {told}", hint="nothing was published")

    def _hook_failed(self) -> bool:
        """Tell whether Git ran the hook and it failed; Git's exit status is that of a failed push.

        Git processes that the hook starts write into the same trace, under session names of their
        own.
        """
        try:
            events = [
                json.loads(line) for line in self.trace.read_text("utf-8", "replace").splitlines()
            ]
        except (OSError, ValueError):
            return False
        own = [event for event in events if event.get("sid") == events[0].get("sid")]
        hooks = {event.get("child_id") for event in own if event.get("hook_name") == "pre-push"}
        return any(
            event.get("event") == "child_exit"
            and event.get("child_id") in hooks
            and event.get("code") != 0
            for event in own
        )


def _is_of_git(line: str) -> bool:
    return _GIT_ITSELF.fullmatch(line) is not None


@contextmanager
def watched() -> Iterator[Watch]:
    """Yield what a push needs, so that its hook's verdict is known.

    Raises:
        GitError: there is no room for temporary files.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch.temporary("push"))
        except OSError as error:
            raise GitError(f"no temporary file can be made: {error.strerror}") from None
        yield Watch(folder / "trace")
