"""The configuration of the registry's own DVC project, and its part of the project's around it.

``registry/`` is a DVC project inside the user's (what ``dvc init --subdir`` makes), so that DVC's
daily commands in the user's project leave registered versions alone. By default its remote is the
project's, with ``/registry`` behind the URL.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Mapping
from typing import Any, cast

from gitreg.dvc.foreign import default_remote, parse
from gitreg.errors import DvcError

FOLDER = "registry"
"""What is put behind the URL of the project's remote, and behind its ``cache.dir``."""

_UP = "../../.dvc"
"""From the registry's ``.dvc`` to the project's."""

_PATHS = frozenset(
    {"url", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"}
    | {"gdrive_user_credentials_file", "gdrive_service_account_json_file_path"}
)
"""The options of a remote that DVC reads as paths relative to their configuration file."""

_CLOUD_VERSIONED = ("version_aware", "worktree")
"""Remotes with these do not store objects by hash; gitreg's own remote always does."""

_CACHE = ("shared", "type", "slow_link_warning")
"""The settings of the project's cache that the registry's cache shares."""

_Remotes = Mapping[str, Mapping[str, Any]]


def registry_config(own: bytes | None, around: bytes | None) -> bytes:
    """Return the content of ``registry/.dvc/config``.

    It names a cache of its own, so that no setting of a machine lets two projects share one:
    ``dvc gc`` in one of them would remove the objects of the other.

    Args:
        own: what it has now; ``None`` before it is made. Nothing in it is changed.
        around: the committed ``.dvc/config`` of the project around it, if there is one.

    Raises:
        DvcError: one of them does not parse.
    """
    from configobj import ConfigObj

    outer = parse(around) if around else {}
    written = ConfigObj((own or b"").decode("utf-8").splitlines(), interpolation=False)
    written.encoding = "utf-8"  # else it writes ASCII only
    if own is None:
        written.indent_type = " " * 4  # as DVC writes it
        written["core"] = {}
        written["cache"] = _cache(outer.get("cache", {}))
    if default_remote(own or b"") is None and default_remote(around or b""):
        name = str(default_remote(around or b""))
        written.setdefault("core", {})["remote"] = name
        for remote, options in _chain(name, _remotes(outer)).items():
            written[f'remote "{remote}"'] = {
                option: _rebased(value) if option in _PATHS else value
                for option, value in options.items()
            }
    file = io.BytesIO()
    written.write(file)
    return file.getvalue().rstrip(b"\n") + b"\n"


def _cache(outer: object) -> dict[str, str]:
    """Return the section ``cache`` of the registry, from that of the project around it."""
    settings = outer if isinstance(outer, dict) else {}
    folder = settings.get("dir")
    place = posixpath.join(_rebased(folder), FOLDER) if isinstance(folder, str) else "cache"
    return {"dir": place, **{key: settings[key] for key in _CACHE if key in settings}}


def effective_config(
    own: Mapping[str, Any],
    repo: Mapping[str, Any],
    local: Mapping[str, Any],
    around: Mapping[str, Any],
    around_local: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the registry's configuration with what this machine knows of the project's remote.

    * Without a default remote of its own, the registry uses the one derived from the project's.
    * Credentials in the project's ``config.local`` are used for a remote of the same name, but only
      if its URL is the derived one: a commit that changes the URL does not get them.

    Args:
        own: the registry's configuration as DVC merges it.
        repo: the part in ``registry/.dvc/config``.
        local: the part in ``registry/.dvc/config.local``.
        around: the project's configuration as DVC merges it.
        around_local: the part in the project's ``config.local``.
    """
    remotes = {name: dict(options) for name, options in own["remote"].items()}
    given: _Remotes = around["remote"]
    name = around["core"].get("remote")
    core = dict(own["core"])
    derived = _chain(name.lower(), given) if name and name.lower() in given else {}
    if name and not repo["core"].get("remote") and not local["core"].get("remote"):
        core["remote"] = name
        remotes = {**remotes, **{key: dict(options) for key, options in derived.items()}}
    for key, options in around_local["remote"].items():
        if key in remotes and remotes[key].get("url") == derived.get(key, {}).get("url"):
            secrets = {option: value for option, value in options.items() if option != "url"}
            remotes[key] = {**remotes[key], **secrets, **local["remote"].get(key, {})}
    return {**own, "core": core, "remote": remotes}


def _remotes(sections: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the remotes of a parsed configuration, by name."""
    found = ((re.fullmatch(r'remote "(.*)"', key), value) for key, value in sections.items())
    return {match[1]: value for match, value in found if match and isinstance(value, dict)}


def _chain(name: str, remotes: _Remotes) -> dict[str, dict[str, Any]]:
    """Return the derived remote, and the ones that it refers to as ``remote://other/path``."""
    found: dict[str, dict[str, Any]] = {}
    last: str | None = name
    while last is not None and last not in found:
        options = {k: v for k, v in remotes[last].items() if k not in _CLOUD_VERSIONED}
        found[last] = options
        match = re.match(r"remote://([^/]+)", str(options["url"]))
        last = match[1].lower() if match and match[1].lower() in remotes else None
    found[name]["url"] = below(str(found[name]["url"]))
    return found


def below(url: str) -> str:
    """Return the URL or path of the folder for registries inside a remote.

    >>> below("s3://bucket/dvc/"), below("../storage")
    ('s3://bucket/dvc/registry', '../storage/registry')
    """
    place, mark, query = url.partition("?")
    return f"{place.rstrip('/')}/{FOLDER}{mark}{query}"


def _rebased(path: object) -> str:
    """Return a path of the project's configuration as one of the registry's."""
    text = cast("str", path)
    if not isinstance(path, str):
        raise DvcError(f".dvc/config: expected a path, not {path!a}")
    if re.match(r"\w+://", text) or posixpath.isabs(text) or text.startswith("~"):
        return text
    return posixpath.normpath(posixpath.join(_UP, text))
