"""Git hosts for the tests: real Git behind a host's address, and stand-ins for gh and glab.

GitHub and GitLab cannot run here, so that their command-line programs are the one thing of which
the tests have a stand-in: scripts that take the documented arguments of the real ones, keep the
requests that were opened in a file, and write down what they were called with. Git, its transport
and the repository that it pushes to are real: only ``ssh`` is replaced, by a script that runs the
other side of Git in a local repository.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import git

if TYPE_CHECKING:
    import pytest

_PROGRAM = """\
#!{python}
import json, os, pathlib, sys
from urllib.parse import parse_qs, urlsplit
place = pathlib.Path({place!r})
argv = sys.argv[1:]
stdin = sys.stdin.read()
calls = place / "calls"
name = pathlib.Path(sys.argv[0]).name
strangers = [key for key in os.environ if key.startswith("GIT_")]
with calls.open("a") as out:
    out.write(json.dumps(dict(name=name, argv=argv, stdin=stdin, strangers=strangers)) + "\\n")
if (place / "trouble").exists():
    sys.exit((place / "trouble").read_text())
if (place / "rubbish").exists():
    print((place / "rubbish").read_text())
    sys.exit(0)
book = place / "requests.json"
requests = json.loads(book.read_text()) if book.exists() else []
"""

_GH = """
def option(flag):
    return argv[argv.index(flag) + 1]
assert argv[0] == "pr" and option("--repo") == "github.com/team/churn", argv
if argv[1] == "list":
    fields = option("--json").split(",")
    print(json.dumps([
        {field: request[field] for field in fields} for request in requests
        if request["state"] == option("--state") and request["head"] == option("--head")
        and request["base"] == option("--base")
    ]))
elif argv[1] == "create":
    assert option("--body-file") == "-"
    number = len(requests) + 1
    url = f"https://github.com/team/churn/pull/{number}"
    requests.append(dict(
        number=number, url=url, state="open", isCrossRepository=False, head=option("--head"),
        base=option("--base"), title=option("--title"), body=stdin,
    ))
    print("Creating pull request in team/churn", file=sys.stderr)
    print(url)
elif argv[1] == "edit":
    assert option("--body-file") == "-"
    request = requests[int(argv[2]) - 1]
    request.update(title=option("--title"), body=stdin)
    print(request["url"])
else:
    sys.exit(f"unknown command {argv[1]!r}")
book.write_text(json.dumps(requests))
"""

_GLAB = """
assert argv[:3] == ["api", "--hostname", "gitlab.com"], argv
method = argv[argv.index("--method") + 1]
endpoint = urlsplit(argv[-1])
start = "projects/ml%2Fmodels%2Fchurn/merge_requests"
assert endpoint.path.startswith(start), argv
if method == "GET":
    query = {key: values[0] for key, values in parse_qs(endpoint.query).items()}
    print(json.dumps([
        request for request in requests if all(request[key] == query[key] for key in query)
    ]))
else:
    assert argv[argv.index("--input") + 1] == "-"
    assert argv[argv.index("--header") + 1] == "Content-Type: application/json"
    document = json.loads(stdin)
    if method == "POST":
        number = len(requests) + 1
        requests.append(dict(
            iid=number, state="opened", source_project_id=9, target_project_id=9,
            web_url=f"https://gitlab.com/ml/models/churn/-/merge_requests/{number}", **document,
        ))
    else:
        number = int(endpoint.path.rpartition("/")[2])
        requests[number - 1].update(document)
    print(json.dumps(requests[number - 1]))
book.write_text(json.dumps(requests))
"""

_SSH = """\
#!/bin/sh
# The last argument is what Git wants to be run over there, with a path of the host's.
for last; do :; done
program=${{last%% *}}
exec git "${{program#git-}}" {repository}
"""

PROJECTS = {"github": "git@github.com:team/churn.git", "gitlab": "git@gitlab.com:ml/models/churn"}


@dataclass(frozen=True)
class Hosted:
    """A clone whose remote is on a host.

    Attributes:
        work: the clone.
        repository: the bare repository behind the host's address.
        place: where stand-ins keep what they know.
    """

    work: Path
    repository: Path
    place: Path

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests that the host has."""
        book = self.place / "requests.json"
        return json.loads(book.read_text()) if book.exists() else []

    def set_requests(self, requests: list[dict[str, Any]]) -> None:
        (self.place / "requests.json").write_text(json.dumps(requests))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What the programs were called with, in order."""
        path = self.place / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def fails(self, said: str) -> None:
        """Let the programs fail from now on."""
        (self.place / "trouble").write_text(said)

    def prints(self, said: str) -> None:
        """Let the programs print this and nothing else."""
        (self.place / "rubbish").write_text(said)


def hosted(
    stocked: Path, patch: pytest.MonkeyPatch, kind: str, *, with_program: bool = True
) -> Hosted:
    """Put the clone's remote on a host, whose command-line program is installed or not."""
    place = stocked.parent / "host"
    place.mkdir()
    found = Hosted(stocked, stocked.parent / "origin.git", place)
    ssh = _script(place / "ssh", _SSH.format(repository=shlex.quote(str(found.repository))))
    patch.setenv("GIT_SSH_COMMAND", shlex.quote(str(ssh)))
    patch.setenv("GIT_SSH_VARIANT", "simple")
    git(stocked, "remote", "set-url", "origin", PROJECTS[kind])
    # Nothing but Git: a gh that this machine may have is not to be run.
    programs = place / "bin"
    programs.mkdir()
    for program in ("git", "sh"):
        (programs / program).symlink_to(_which(program))
    if with_program:
        text = _PROGRAM.format(python=sys.executable, place=str(place))
        name, rest = ("gh", _GH) if kind == "github" else ("glab", _GLAB)
        _script(programs / name, text + rest)
    patch.setenv("PATH", str(programs))
    return found


def _which(program: str) -> str:
    path = shutil.which(program)
    assert path is not None
    return os.path.realpath(path) if program == "sh" else path


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
