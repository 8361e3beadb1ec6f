"""A DVC remote that is a folder of the repository's own tree, as small artifacts may have it.

A registry that is read by URL has no such folder, but the commit has its files.
"""

from __future__ import annotations

import configparser
import json
import posixpath
from collections.abc import Iterator

from gitreg.core.model import layout
from gitreg.core.state.state import Snapshot
from gitreg.core.text.urls import has_scheme


def configs(snapshot: Snapshot) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of DVC's configurations in a commit: the registry's, the project's."""
    paths = (layout.DVC_CONFIG, layout.PROJECT_CONFIG)
    for path, config in zip(paths, snapshot.read_many(list(paths)), strict=True):
        if config is not None:
            yield path, config


def remote_in_tree(path: str, config: bytes) -> str | None:
    """Return the default DVC remote as a folder of the repository, if it is one.

    Args:
        path: of the configuration, in the repository.
        config: its content.
    """
    url = _default_remote(config)
    if url is None:
        return None
    folder = posixpath.normpath(posixpath.join(posixpath.dirname(path), url))
    outside = has_scheme(url) or folder.startswith(("..", "/"))
    return None if outside else folder


def _default_remote(config: bytes) -> str | None:
    """Return the URL of the default remote in a ``.dvc/config``, if there is one."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(config.decode("utf-8"))
        name = parser.get("core", "remote")
        return parser.get(f"'remote \"{name}\"'", "url")
    except (configparser.Error, UnicodeDecodeError):
        return None


def md5_and_members(snapshot: Snapshot, folder: str, md5: str) -> Iterator[str]:
    """Yield an object and, of a folder, its members, by the listing in a remote of the tree."""
    yield md5
    if not md5.endswith(".dir"):
        return
    listing = snapshot.read(f"{folder}/files/md5/{md5[:2]}/{md5[2:]}") or b"[]"
    try:
        members = [str(entry["md5"]) for entry in json.loads(listing)]
    except (ValueError, TypeError, KeyError):
        return  # `read_listing` reports what is wrong when the listing is used
    yield from (oid for oid in members if len(oid) == 32 and oid.isalnum())
