"""The files that let a Git host run gitreg: a check of every pull request, tags after a merge.

A workflow hands nothing that a registry says to a shell but in a variable, has the least rights
that its job needs, and installs gitreg from elsewhere than the change that it checks.
"""

from __future__ import annotations

import re
import secrets
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gitreg.errors import InvalidRequest, Refused, WorldError

CiHost = Literal["github", "gitlab"]

PATHS: dict[CiHost, str] = {
    "github": ".github/workflows/gitreg.yml",
    "gitlab": ".gitlab/gitreg.yml",
}
"""Where each host's file is."""

_RESOURCES = "gitreg.review.resources"

_PLACEHOLDER = re.compile(r"(?:^( +))?__([A-Z]+(?:_[A-Z]+)*)__", re.MULTILINE)


def _resource(name: str) -> str:
    from importlib.resources import files  # of all commands only `gitreg ci` needs it

    return (files(_RESOURCES) / name).read_text("utf-8")


def _fill(template: str, values: dict[str, str]) -> str:
    """Return a template with a value in place of each ``__NAME__``.

    Where a placeholder begins a line, all lines of its value get that line's indentation.
    """

    def fill(match: re.Match[str]) -> str:
        return textwrap.indent(values[match[2]].rstrip("\n"), match[1] or "")

    return _PLACEHOLDER.sub(fill, template)


def _quote(text: str) -> str:
    """Return text as a YAML scalar in single quotes."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class HostFile:
    """A file that a Git host reads.

    Attributes:
        path: in the repository.
        text: what it holds, or shall hold.
        state: ``shown`` when nothing was to be written, else what became of it.
        warnings: what a person should know of it, one line each.
    """

    path: str
    text: str
    state: Literal["shown", "written", "unchanged"] = "shown"
    warnings: tuple[str, ...] = ()


def workflow(host: str, *, branch: str = "main", install: str = "") -> HostFile:
    """Return the workflow file for a host, ``github`` or ``gitlab``.

    Args:
        host: which.
        branch: the default branch; GitLab knows it by itself.
        install: what pip installs for gitreg, one requirement; the jobs fail while it is empty.

    Raises:
        InvalidRequest: gitreg has none for the host, or pip takes no such requirement.
    """
    if install.startswith("-") or not install.isprintable():
        raise InvalidRequest(
            f"{install!a} is not one requirement of pip's",
            hint="such as git+https://git.example.com/ml/gitreg@v1",
        )
    for known, path in PATHS.items():
        if host == known:
            values = {
                "BRANCH": branch,
                "BRANCH_PATTERN": _quote(re.sub(r"([]!+])", r"\\\1", branch)),  # a glob
                "INSTALL": _quote(install),
                # A push that created the branch, or a forced one, has no earlier commit here:
                # then the empty tree stands for it.
                "CHANGED_STAGES": _resource("changed_stages.sh"),
                # A model's folder percent-encodes all but letters and digits. An empty stage has
                # no file; a registry that cannot be read fails the job and deploys nothing.
                "DEPLOY": _resource("deploy.sh"),
            }
            return HostFile(path, _fill(_resource(f"{known}.yml"), values))
    raise InvalidRequest(f"no workflow for {host!a}: there is one for {' and '.join(PATHS)}")


def write_file(top: Path, file: HostFile, *, force: bool = False, expected: str = "") -> HostFile:
    """Write a file into a work tree, and nothing when it is there already.

    Args:
        top: the root of the work tree.
        file: what.
        force: replace one that is something else.
        expected: what the file may hold to be replaced without that.

    Raises:
        Refused: the file is something else.
        WorldError: it cannot be read or written.
    """
    path = top / file.path
    try:
        for place in (path, *path.parents):
            if place == top:
                break
            if place.is_symlink():  # it may lead anywhere
                raise Refused(f"{file.path}: {place.name} is a symbolic link; nothing was written")
        there = path.read_bytes() if path.exists() else None
        content = file.text.encode()
        if there == content:
            return replace(file, state="unchanged")
        if there is not None and not force and there != expected.encode():
            raise Refused(
                f"{file.path} is there and differs; nothing was written",
                hint="--force replaces it",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with draft.open("xb") as handle:
            handle.write(content)
        draft.replace(path)
    except OSError as error:
        raise WorldError(f"{file.path}: {error.strerror}") from None
    return replace(file, state="written")
