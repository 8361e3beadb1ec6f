"""The workflow files that make a Git host run gitreg: checks of pull requests, tags after a merge.

A workflow passes text from a registry to a shell only in variables, gives each job the least rights
that it needs, and does not install gitreg from the change that it checks.
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
"""The path of each host's file."""

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
        path: the path in the repository.
        text: the wanted content.
        state: ``shown`` when it was not to be written, otherwise the result of writing it.
        warnings: warnings for the user, one line each.
    """

    path: str
    text: str
    state: Literal["shown", "written", "unchanged"] = "shown"
    warnings: tuple[str, ...] = ()


def workflow(host: str, *, branch: str = "main", install: str = "", site: bool = False) -> HostFile:
    """Return the workflow file for a host, ``github`` or ``gitlab``.

    Args:
        host: ``github`` or ``gitlab``.
        branch: the default branch; GitLab determines it itself.
        install: the requirement that pip installs for gitreg; while it is empty, the jobs fail.
        site: publish the registry as web pages, too.

    Raises:
        InvalidRequest: gitreg has no workflow for the host, or ``install`` is not one requirement.
    """
    if install.startswith("-") or not install.isprintable():
        raise InvalidRequest(
            f"{install!a} is not one pip requirement",
            hint="write one such as git+https://git.example.com/ml/gitreg@v1",
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
                # From the metadata of what is installed: with the name gitreg[site] pip could
                # install another project of that name.
                "SITE_NEEDS": _resource("site_needs.sh"),
            }
            pages = _resource(f"{known}-site.yml") if site else ""
            return HostFile(path, _fill(_resource(f"{known}.yml") + pages, values))
    raise InvalidRequest(f"no workflow for {host!a}: there is one for {' and '.join(PATHS)}")


def write_file(top: Path, file: HostFile, *, force: bool = False, expected: str = "") -> HostFile:
    """Write a file into a work tree unless it is there already, unchanged.

    Args:
        top: the root of the work tree.
        file: the file to write.
        force: replace a different file.
        expected: the present content that may be replaced without ``force``.

    Raises:
        Refused: a different file is there.
        WorldError: the file cannot be read or written.
    """
    path = top / file.path
    try:
        for place in (path, *path.parents):
            if place == top:
                break
            if place.is_symlink():  # it may lead out of the work tree
                raise Refused(f"{file.path}: {place.name} is a symbolic link; nothing was written")
        there = path.read_bytes() if path.exists() else None
        content = file.text.encode()
        if there == content:
            return replace(file, state="unchanged")
        if there is not None and not force and there != expected.encode():
            raise Refused(
                f"{file.path} exists and differs; nothing was written",
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
