"""Runs GitHub's ``gh`` and GitLab's ``glab``: finds the request of a branch, or opens one.

They are the user's own programs, logged in as the user. Each is called with a fixed argument list,
never through a shell; long text goes to its standard input. The only output that is trusted is the
address of a request on the same host.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import WorldError
from gitreg.git import process
from gitreg.review.hosts import Host, Kind

PATIENCE = 60
"""How long a program may take, in seconds: without a network it may wait forever."""

# Inside a hook Git's variables name another repository; the others change the output, or the
# repository.
_DROPPED = re.compile(
    r"GIT_.*|GH_(?:REPO|DEBUG|FORCE_TTY|HOST)|GITLAB_(?:REPO|HOST|URI)|DEBUG|CLICOLOR_FORCE"
)
_FIXED = {
    "GH_PROMPT_DISABLED": "1",  # a prompt that nobody sees would hang
    "GH_NO_UPDATE_NOTIFIER": "1",
    "GLAB_NO_PROMPT": "1",
    "NO_PROMPT": "1",  # the name in earlier releases of glab
    "GLAB_CHECK_UPDATE": "false",
    "NO_COLOR": "1",
    "LC_ALL": "C",
}
_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


@dataclass(frozen=True)
class Request:
    """A pull request to open.

    Attributes:
        head: the branch that holds the commit.
        base: the branch to merge into.
        title: one line.
        body: Markdown.
    """

    head: str
    base: str
    title: str
    body: str


class HostCli:
    """The command-line program that acts on a host as the user.

    Args:
        program: its path.
        host: the repository on the host.
        folder: where it runs; it may keep settings of its own with a clone.
    """

    name: ClassVar[str]
    """What the program is called."""

    def __init__(self, program: str, host: Host, folder: Path) -> None:
        self._program = program
        self._host = host
        self._folder = folder

    @staticmethod
    def of(host: Host | None, folder: Path) -> HostCli | None:
        """Return the program for a host; ``None`` when there is none or it is not installed."""
        if host is None or host.kind not in _PROGRAMS:
            return None
        kind = _PROGRAMS[host.kind]
        program = shutil.which(kind.name)
        return None if program is None else kind(program, host, folder)

    def put(self, request: Request) -> tuple[str, bool]:
        """Open a request, or give the open one this title and body.

        Returns:
            Its address, and whether it was open before.

        Raises:
            WorldError: the program failed, or printed no address on this host.
        """
        for number, url in self._open_requests(request):
            if _NUMBER.fullmatch(str(number)) and isinstance(url, str):
                self._update(str(number), request)
                return self._checked(url), True
        return self._checked(self._open(request)), False

    def _checked(self, url: str) -> str:
        if not self._host.is_request(url):
            raise WorldError(f"{self.name} printed no address of a request on {self._host.name}")
        return url

    # What each program does in its own way

    def _open_requests(self, request: Request) -> list[tuple[object, object]]:
        """Return number and address of the requests that are open for the branch."""
        raise NotImplementedError

    def _open(self, request: Request) -> str:
        """Open a request; return what the program printed as its address."""
        raise NotImplementedError

    def _update(self, number: str, request: Request) -> None:
        """Give an open request this title and body."""
        raise NotImplementedError

    # Running it

    def _parsed(self, printed: str, kind: type) -> Any:
        try:
            found = json.loads(printed)
        except ValueError:
            found = None
        if not isinstance(found, kind) or (
            isinstance(found, list) and not all(isinstance(one, dict) for one in found)
        ):
            raise WorldError(f"{self.name} printed something unexpected")
        return found

    def _run(self, *args: str, stdin: str | None = None) -> str:
        try:
            done = process.within(
                PATIENCE,
                (self._program, *args),
                self._folder,
                _environment(),
                None if stdin is None else stdin.encode("utf-8", "replace"),
            )
        except subprocess.TimeoutExpired:
            raise WorldError(f"{self.name} did not answer within {PATIENCE} s") from None
        except OSError as error:
            raise WorldError(f"{self.name} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            raise WorldError(f"{self.name} {args[0]} failed: {_cause(done.stderr, done.text)}")
        return done.text


class _GitHubCli(HostCli):
    name = "gh"

    def _open_requests(self, request: Request) -> list[tuple[object, object]]:
        wanted = ("--state", "open", "--json", "number,url,isCrossRepository")
        listing = self._pull_request("list", options=(*_branches(request), *wanted))
        # A fork may have a branch of the same name.
        return [
            (one.get("number"), one.get("url"))
            for one in self._parsed(listing, list)
            if one.get("isCrossRepository") is False
        ]

    def _open(self, request: Request) -> str:
        options = (*_branches(request), *_content(request))
        printed = self._pull_request("create", options=options, stdin=request.body)
        return self._host.find_request(printed) or ""

    def _update(self, number: str, request: Request) -> None:
        self._pull_request("edit", number, options=_content(request), stdin=request.body)

    def _pull_request(self, *command: str, options: Sequence[str], stdin: str | None = None) -> str:
        """Run a command of ``gh pr`` on the repository, such as ``github.com/team/churn``."""
        repository = f"{self._host.name}/{self._host.project}"
        return self._run("pr", *command, "--repo", repository, *options, stdin=stdin)


def _branches(request: Request) -> tuple[str, ...]:
    return "--head", request.head, "--base", request.base


def _content(request: Request) -> tuple[str, ...]:
    return "--title", request.title, "--body-file", "-"


class _GitLabCli(HostCli):
    name = "glab"

    def _open_requests(self, request: Request) -> list[tuple[object, object]]:
        query = {
            "source_branch": request.head,
            "target_branch": request.base,
            "state": "opened",
        }
        listing = self._api("GET", f"{self._requests}?{urlencode(query)}")
        return [
            (one.get("iid"), one.get("web_url"))
            for one in self._parsed(listing, list)
            if one.get("source_project_id") == one.get("target_project_id")
        ]

    def _open(self, request: Request) -> str:
        document = {
            "source_branch": request.head,
            "target_branch": request.base,
            "title": request.title,
            "description": request.body,
            "remove_source_branch": True,
        }
        made = self._parsed(self._api("POST", self._requests, document), dict)
        return str(made.get("web_url"))

    def _update(self, number: str, request: Request) -> None:
        document = {"title": request.title, "description": request.body}
        self._api("PUT", f"{self._requests}/{number}", document)

    @property
    def _requests(self) -> str:
        return f"projects/{quote(self._host.project, safe='')}/merge_requests"

    def _api(self, method: str, endpoint: str, document: dict[str, Any] | None = None) -> str:
        """Call GitLab's own API, which takes a long text where glab's options do not."""
        body = [] if document is None else ["--header", "Content-Type: application/json"]
        body += [] if document is None else ["--input", "-"]
        return self._run(
            "api",
            "--hostname",
            self._host.name,
            "--method",
            method,
            *body,
            endpoint,
            stdin=None if document is None else json.dumps(document),
        )


_PROGRAMS: dict[Kind, type[HostCli]] = {"github": _GitHubCli, "gitlab": _GitLabCli}


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not _DROPPED.fullmatch(key)}
    return kept | _FIXED


def _cause(*printed: str) -> str:
    """Return the first line of a program's output, standard error first."""
    lines: Sequence[str] = [
        line.strip() for output in printed for line in output.splitlines() if re.search(r"\w", line)
    ]
    return hide_credentials(lines[0])[:200] if lines else "no message"
