"""What surrounded a training run: the commit of its code, its interpreter and packages.

>>> without_credentials("https://ada:s3cret@example.com/team/churn.git")
'https://example.com/team/churn.git'
>>> environment()[0].requirements
'requirements.txt'
"""

from __future__ import annotations

import json
import platform
import re
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from gitreg.core.model.model import CodeCommit, Environment
from gitreg.git.process import failure, hide_credentials, run

# A remote helper (`helper::https://…`) may stand in front of the scheme.
_URL = re.compile(
    r"(?P<front>(?:[\w.+-]+::)*(?P<scheme>[a-z][a-z0-9.+-]*)://)(?P<rest>.*)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
# scp's way to write an SSH address with a password put where URLs have it: SSH never reads one
# there, but people write it. A folder on a Windows drive (`C:\\x`) is none.
_SCP_PASSWORD = re.compile(
    r"(?P<user>[^/@:\\]+):(?![\\/])(?P<password>[^/]*)@(?P<rest>.*)", re.DOTALL
)
# Azure's stores have the container there.
_NO_SECRET = re.compile(r"(?:git\+)?ssh(?:\+git)?|sftp|wasbs?|abfss?", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")

# A URL among the words of a requirements file.
_WORD = re.compile(r"(?P<url>[a-z][a-z0-9.+-]*://\S*?)(?P<quote>['\"]*)(?!\S)", re.IGNORECASE)
# What pip reads behind a '#': a name, a folder or a hash, and no secret.
_FRAGMENT = re.compile(r"(#(?:(?:egg|subdirectory|md5|sha\d+)=[\w.,\[\]/%+~-]*(?:&|$))+)$")
# And behind the path of a repository's URL, the revision; its '@' ends no password.
_REVISION = re.compile(r"\+\w+://[^/@\s]*@[\w.-]+(?::\d+)?/[\w./~+%-]*(@[\w./+-]+)$")
# What a page reads behind a '#': where in its site it is.
_ROUTE = re.compile(r"#(!?/[\w./~%@:+-]*)")


def without_credentials(url: str) -> str:
    """Return ``url`` without password, token, query and fragment.

    The user stays where it names an SSH account (``git@example.com:team/x``,
    ``ssh://git@example.com/x``) or a container of Azure's stores; in other URLs it goes too, since
    tokens are put there.

    >>> without_credentials("ssh://git:s3cret@example.com:22/x.git?token=s3cret")
    'ssh://git@example.com:22/x.git'
    """
    match = _URL.fullmatch(url)
    if match is None:
        scp = _SCP_PASSWORD.fullmatch(url)
        return f"{scp['user']}@{scp['rest']}" if scp else hide_credentials(url)
    rest = match["rest"]
    userinfo, at, host = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    if ":" in userinfo or not _HOST.fullmatch(host):
        # People paste passwords unencoded: with a slash or a question mark in it, what looks like
        # host and path is part of one. It ends at the last @, at the cost of a path with one.
        userinfo, at, _ = rest.rpartition("@")
    account = userinfo.partition(":")[0] if _NO_SECRET.fullmatch(match["scheme"]) else ""
    after = re.split("[?#]", rest[len(userinfo + at) :], maxsplit=1)[0]
    return f"{match['front']}{account}{account and at}{after}"


def page_without_credentials(url: str) -> str:
    """Return the URL of a page as `without_credentials` does, but with the place in its site.

    >>> page_without_credentials("http://ada:pw@mlflow.internal/?t=s3cret#/experiments/1/runs/0a1b")
    'http://mlflow.internal/#/experiments/1/runs/0a1b'
    """
    route = _ROUTE.search(url)
    return without_credentials(url) + (route[0] if route else "")


def without_url_credentials(requirements: str) -> str:
    """Return the text of a requirements file with its URLs as they may be committed."""
    return _WORD.sub(_without_credentials, requirements)


def _without_credentials(found: re.Match[str]) -> str:
    """Return a URL of a requirements file as it may be committed; pip's own fragment stays."""
    url, pip_s = found["url"], ""
    for pattern in (_FRAGMENT, _REVISION):
        part = pattern.search(url)
        if part is not None:
            url, pip_s = url[: part.start(1)], part[1] + pip_s
    return f"{without_credentials(url)}{pip_s}{found['quote']}"


def code_commit(folder: Path) -> CodeCommit | None:
    """Return the commit checked out in the Git work tree that holds ``folder``.

    ``dirty`` means that tracked files differ from it. The repository is the URL of the remote
    ``origin``, or of the only remote there is.

    Returns:
        ``None`` outside of any work tree, and before the first commit.

    Raises:
        GitError: Git is not there, or it does not trust the repository.
        InvalidRequest: there is no such folder.
    """
    # One process answers both questions: headers begin with '#', each change is a line more.
    status = run(
        folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", check=False
    )
    if status.returncode != 0:
        if "not a git repository" in status.stderr or "in a work tree" in status.stderr:
            return None
        raise failure("status", status)
    commit = re.search(r"^# branch\.oid ([0-9a-f]{40,64})$", status.text, re.MULTILINE)
    if commit is None:
        return None
    dirty = any(not line.startswith("#") for line in status.text.splitlines())
    return CodeCommit(commit[1], _repository(folder), dirty)


def _repository(folder: Path) -> str | None:
    # Not `git remote get-url`: that applies url.*.insteadOf, where people keep their tokens.
    found = run(folder, "config", "-z", "--get-regexp", r"^remote\..*\.url$", check=False)
    urls: dict[str, str] = {}
    for entry in found.text.split("\0")[:-1]:
        key, _, url = entry.partition("\n")
        urls.setdefault(key, url)  # of several, the first is fetched from
    names = ["remote.origin.url", *(urls if len(urls) == 1 else ())]
    return next((without_credentials(urls[name]) for name in names if urls.get(name)), None)


def environment() -> tuple[Environment, bytes]:
    """Return the running interpreter's environment, and its packages as ``requirements.txt``.

    One package a line, sorted by normalised name. A package from a version control system is
    pinned to its commit; one from a local folder is named with its version and marked, because
    nobody else can install it.
    """
    described = Environment(
        python=platform.python_version(),
        platform=f"{sys.platform}-{platform.machine()}".lower(),
        requirements="requirements.txt",
    )
    return described, _frozen(tuple(map(_state, sys.path)))


def _state(folder: str) -> tuple[str, int]:
    """Return a folder of packages and when something was last installed there."""
    try:
        return folder, Path(folder).stat().st_mtime_ns
    except OSError:
        return folder, 0


@lru_cache(maxsize=1)
def _frozen(_folders: tuple[tuple[str, int], ...]) -> bytes:
    """Return the packages as ``requirements.txt``; read once, until something is installed."""
    pins: dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            described_by = distribution.metadata
        except FileNotFoundError:
            continue  # in the words of the backport, which answers once MLflow has imported it
        if not {"Name", "Version"} <= set(described_by):
            continue  # an installation that broke off leaves a folder without metadata behind
        name = re.sub(r"[-_.]+", "-", described_by["Name"]).lower()
        if name not in pins:  # of two with one name, Python imports the first on its path
            pins[name] = _pin(name, described_by["Version"], distribution)
    return "".join(f"{pins[key]}\n" for key in sorted(pins)).encode()


def _pin(name: str, version: str, distribution: metadata.Distribution) -> str:
    try:
        # https://packaging.python.org/en/latest/specifications/direct-url/
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = without_credentials(origin.get("url", ""))
        if "vcs_info" in origin and not url.startswith("file:"):
            vcs, commit = origin["vcs_info"]["vcs"], origin["vcs_info"]["commit_id"]
            folder = origin.get("subdirectory")
            return f"{name} @ {vcs}+{url}@{commit}" + (f"#subdirectory={folder}" if folder else "")
    except (ValueError, TypeError, AttributeError, KeyError):
        url = ""  # another installer's idea of that file
    if url and not url.startswith("file:"):
        return f"{name} @ {url}"
    return f"{name}=={version}" + ("  # local" if url else "")
