"""Git hosts by the URL of a remote: the kind of host, and the addresses of its pages. Pure.

>>> host = host_of("git@github.com:team/churn.git")
>>> host.kind, host.compare_url("main", "gitreg/promote-churn-5-production")
('github', 'https://github.com/team/churn/compare/main...gitreg/promote-churn-5-production?expand=1')
>>> host_of("ssh://git@gitlab.example.com:2222/ml/models/churn.git").project
'ml/models/churn'
>>> host_of("/srv/git/churn.git") is None
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote, urlencode

from gitreg.core.text.urls import address_of

Kind = Literal["github", "gitlab", "bitbucket", "bitbucket-server", "gitea"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SCHEMES = frozenset({"http", "https", "ssh", "git+ssh"})
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_SEGMENT = re.compile(r"[A-Za-z0-9_.~+-]*[A-Za-z0-9_~+-][A-Za-z0-9_.~+-]*")
_OBJECT = re.compile(r"[0-9a-f]{40}")
_REQUEST_PATH = re.compile(
    r"/[A-Za-z0-9_.~+/-]*/(?:pull|pulls|pull-requests|merge_requests)/[0-9]{1,12}"
)

# Hosts that also serve SSH at the HTTPS port, for networks that block everything else.
_SSH_NAMES = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_WELL_KNOWN: dict[str, Kind] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "bitbucket.org": "bitbucket",
    "codeberg.org": "gitea",
}
# A company's host is mostly named after its software; otherwise the Git setting `gitreg.host`
# names it.
_LABELS: dict[str, Kind] = {
    "github": "github",
    "gitlab": "gitlab",
    "bitbucket": "bitbucket-server",
    "gitea": "gitea",
    "forgejo": "gitea",
}


@dataclass(frozen=True)
class Host:
    """A repository on a Git host.

    Attributes:
        kind: the software of the host; ``None`` when the host's name does not tell.
        web: the start of all addresses, such as ``https://github.com``, without a last slash.
        project: the repository on the host, such as ``team/churn``; on GitLab with subgroups.
    """

    kind: Kind | None
    web: str
    project: str

    @property
    def name(self) -> str:
        """The host's name, with its port unless it is the default."""
        return self.web.partition("://")[2]

    def compare_url(self, base: str, head: str) -> str | None:
        """Return the page that opens a request for a branch, or ``None`` without one.

        Args:
            base: the branch to merge into, without ``refs/heads/``.
            head: the branch that holds the commit.
        """
        into, out_of = quote(base, safe="/"), quote(head, safe="/")
        pages = f"{self.web}/{self.project}"
        match self.kind:
            case "github":
                return f"{pages}/compare/{into}...{out_of}?expand=1"
            case "gitea":
                return f"{pages}/compare/{into}...{out_of}"
            case "gitlab":
                query = {
                    "merge_request[source_branch]": head,
                    "merge_request[target_branch]": base,
                }
                return f"{pages}/-/merge_requests/new?{urlencode(query)}"
            case "bitbucket":
                return f"{pages}/pull-requests/new?{urlencode({'source': head, 'dest': base})}"
            case "bitbucket-server":
                query = {
                    "sourceBranch": f"refs/heads/{head}",
                    "targetBranch": f"refs/heads/{base}",
                }
                return f"{self._server_pages()}/pull-requests?create&{urlencode(query)}"
        return None

    def commit_url(self, commit: str) -> str | None:
        """Return the page of a commit (40 hex digits), or ``None`` without one."""
        if self.kind is None or not _OBJECT.fullmatch(commit):
            return None
        if self.kind == "bitbucket-server":
            return f"{self._server_pages()}/commits/{commit}"
        page = {"gitlab": "-/commit", "bitbucket": "commits"}.get(self.kind, "commit")
        return f"{self.web}/{self.project}/{page}/{commit}"

    def _server_pages(self) -> str:
        owner, _, name = self.project.removeprefix("scm/").partition("/")
        if owner.startswith("~"):
            return f"{self.web}/users/{owner[1:]}/repos/{name}"
        return f"{self.web}/projects/{owner.upper()}/repos/{name}"

    def is_request(self, url: str) -> bool:
        """Tell whether an address is that of a pull request on this host.

        It may be in any repository of the host: a renamed one answers under its new name.
        """
        start = f"{self.web}/".casefold()
        return url.casefold().startswith(start) and (
            _REQUEST_PATH.fullmatch(url[len(start) - 1 :]) is not None
        )

    def find_request(self, text: str) -> str | None:
        """Return the last address of a pull request on this host in a program's output."""
        found = [word.strip("<>.,'\"()") for word in text.split()]
        return next((word for word in reversed(found) if self.is_request(word)), None)


def host_of(url: str, kind: Kind | None = None) -> Host | None:
    """Return the host of a remote, and the repository on it.

    Args:
        url: https, http, ssh, or scp's form; its user name and password are dropped.
        kind: the configured kind of host; by default the host's name tells.

    Returns:
        ``None`` for a path, and for a URL without web pages (``git://``, ``file://``).

    >>> host_of("https://ada:secret@git.example.com:8443/team/churn").web
    'https://git.example.com:8443'
    """
    if not url.isprintable() or any(char.isspace() for char in url):
        return None
    address = address_of(url)
    if address is None or address.scheme not in _SCHEMES:
        return None
    name = address.host.lower()
    if not _HOST_NAME.fullmatch(name) or ".." in name:
        return None
    segments = address.path.strip("/").removesuffix(".git").split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        return None
    kind, usual = kind or _kind_of(name), {"https": "443", "http": "80"}.get(address.scheme)
    if kind is not None and len(segments) < 2:  # an owner and a name
        return None
    name = _SSH_NAMES.get(name, name)
    # An SSH port does not tell the port of the web pages.
    at = f":{address.port}" if address.port and usual and address.port != usual else ""
    scheme = "http" if address.scheme == "http" else "https"
    return Host(kind, f"{scheme}://{name}{at}", "/".join(segments))


def _kind_of(name: str) -> Kind | None:
    known = _WELL_KNOWN.get(_SSH_NAMES.get(name, name))
    if known is not None:
        return known
    # Compare whole labels only: `notgithub.example.com` is somebody else's host.
    parts = {part for label in name.split(".") for part in label.split("-")}
    return next((kind for label, kind in _LABELS.items() if label in parts), None)
