"""The DVC configuration of a repository that is not the user's own, and may be hostile.

gitreg takes only the default remote: its location, how to talk to it, and its own credentials. It
refuses every other option of that remote by name, above all

* ``bearer_token_command``, which runs a command;
* ``keyfile``, ``cert_path``, ``key_path``, ``credentialpath``, ``configpath``, ``kerb_ticket`` and
  ``gdrive_…_file…``, which make DVC read local files and send their content or proof to a server;
* ``ask_password`` and ``ask_passphrase``, which read the terminal.

It ignores other sections: ``cache.dir`` could name any folder, ``hydra`` loads plugins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitreg.core.text.urls import hide_credentials
from gitreg.dvc.door import cause, load
from gitreg.errors import DvcError

SIZE_LIMIT = 64 * 1024
"""The largest configuration that is read, in bytes."""

_SAFE = {
    "any": "url jobs checksum_jobs no_traverse verify version_aware worktree",
    "folder": "type protected shared slow_link_warning",
    "s3": "region profile endpointurl access_key_id secret_access_key session_token listobjects "
    "use_ssl allow_anonymous_login ssl_verify sse sse_kms_key_id sse_customer_algorithm "
    "sse_customer_key acl grant_read grant_read_acp grant_write_acp grant_full_control "
    "cache_regions read_timeout connect_timeout",
    "gs": "projectname",
    "azure": "connection_string sas_token account_name account_key tenant_id client_id "
    "client_secret exclude_environment_credential exclude_visual_studio_code_credential "
    "exclude_shared_token_cache_credential exclude_managed_identity_credential timeout "
    "connection_timeout",
    "ssh": "port user password passphrase gss_auth allow_agent max_sessions",
    "http, webdav": "auth custom_auth_header method token",
    "hdfs": "replication kerberos kerberos_principal proxy_to use_https data_proxy_target",
    "oss": "oss_key_id oss_key_secret oss_endpoint",
}
_SAFE_OPTIONS = frozenset(option for options in _SAFE.values() for option in options.split())

# Google Drive is not among them: it opens a browser to ask for permission.
_SAFE_SCHEMES = frozenset(
    {"", "remote", "s3", "gs", "azure", "ssh", "http", "https", "webdav", "webdavs", "oss"}
    | {"hdfs", "webhdfs"}
)
_CLONE = "clone the repository and run gitreg in the clone, if you trust it"


def read_foreign_config(text: bytes, base: Path | None) -> dict[str, Any]:
    """Return the safe part of a repository's ``.dvc/config``, in DVC's form.

    Args:
        text: the content of the file.
        base: the folder that contains ``.dvc``, for a remote that is a folder beside it.

    Raises:
        DvcError: the file does not parse, or sets an option of the default remote that is refused.
    """
    load()
    from dvc.config import Config

    sections = parse(text)
    core = sections.get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    remotes: dict[str, dict[str, str]] = {}
    if isinstance(name, str):
        _take(name.lower(), sections, base, remotes)
    chosen = {"remote": name} if remotes else {}
    found: dict[str, Any] = Config.validate({"core": chosen, "remote": remotes, "cache": {}})
    return found


def default_remote(text: bytes) -> str | None:
    """Return the name of the default remote, in lower case, if a ``.dvc/config`` gives its URL.

    A name whose URL is elsewhere, as in ``config.local``, is none; nor is one in a file that does
    not parse.
    """
    try:
        sections = parse(text)
    except DvcError:
        return None
    core = sections.get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    found: str | None = name.lower() if isinstance(name, str) else None
    return found if found and _has_url(found, sections, set()) else None


def _has_url(name: str, sections: Mapping[str, Any], before: set[str]) -> bool:
    """Tell whether a remote, and the one that it refers to, has a URL."""
    options = sections.get(f'remote "{name}"')
    url = options.get("url") if isinstance(options, dict) else None
    if not isinstance(url, str) or name in before:
        return False
    parts = urlsplit(url)
    return parts.scheme != "remote" or _has_url(parts.netloc.lower(), sections, before | {name})


def _take(
    name: str, sections: Mapping[str, Any], base: Path | None, remotes: dict[str, dict[str, str]]
) -> None:
    """Add a remote, and the one it refers to as ``remote://other/path``."""
    if name in remotes:
        raise DvcError(f".dvc/config: the remote {name!a} refers to itself")
    options = sections.get(f'remote "{name}"')
    if not isinstance(options, dict) or not isinstance(options.get("url"), str):
        raise DvcError(f".dvc/config names the remote {name!a}, but sets no url for it")
    remotes[name] = _checked(name, options, base)
    url = urlsplit(remotes[name]["url"])
    if url.scheme == "remote":
        _take(url.netloc.lower(), sections, base, remotes)


def parse(text: bytes) -> dict[str, Any]:
    """Return the sections of a ``.dvc/config``, with names in lower case.

    Raises:
        DvcError: it does not parse, or is larger than `SIZE_LIMIT`.
    """
    from configobj import ConfigObj, ConfigObjError

    if len(text) > SIZE_LIMIT:
        raise DvcError(f".dvc/config is larger than {SIZE_LIMIT // 1024} KiB")
    try:
        # Without interpolation, by which 64 KiB can grow without bound.
        parsed = ConfigObj(text.decode("utf-8").splitlines(), interpolation=False).dict()
    except (UnicodeDecodeError, ConfigObjError) as error:
        raise DvcError(f".dvc/config does not parse: {cause(error)}") from None
    return _lowered(parsed)


def _lowered(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with lower-case keys and section names, as DVC reads them."""
    return {
        key.strip().lower(): _lowered(value) if isinstance(value, dict) else value
        for key, value in mapping.items()
    }


def _checked(name: str, options: Mapping[str, Any], base: Path | None) -> dict[str, str]:
    """Return a remote's options if all of them are harmless."""
    url: str = options["url"]
    scheme = _scheme(url)
    if scheme not in _SAFE_SCHEMES:
        raise DvcError(
            f".dvc/config: the remote {name!a} has a URL with the scheme {scheme!a}", hint=_CLONE
        )
    refused = sorted(option for option in options if not _is_safe(option, options[option], scheme))
    if refused:
        raise DvcError(
            f".dvc/config: the remote {name!a} sets {refused[0]!a}, which could name a local file "
            "or command",
            hint=_CLONE,
        )
    return {**options, "url": url if scheme else _local_url(name, url, base)}


def _is_safe(option: str, value: object, scheme: str) -> bool:
    if option == "endpointurl" and scheme == "gs":
        return False  # Google's client sends the user's own access token to whatever this names
    if option == "ssl_verify":
        return str(value).lower() in ("true", "false")  # anything else is a file
    return option in _SAFE_OPTIONS


def _scheme(url: str) -> str:
    """Return a URL's scheme, empty for a local path."""
    scheme = urlsplit(url).scheme
    return "" if len(scheme) == 1 and os.name == "nt" else scheme


def _local_url(name: str, url: str, base: Path | None) -> str:
    """Return a local remote's folder; as in DVC, a relative one starts at ``.dvc``."""
    if Path(url).is_absolute():
        return url
    if base is None:
        raise DvcError(
            f"the DVC remote {name!a} is the folder {hide_credentials(url)!a} beside the "
            "repository, which cannot be reached from here",
            hint=f"dvc remote modify {name} url with an absolute path or a URL, commit and push "
            "that; or run gitreg in a clone",
        )
    return os.path.normpath(base.absolute() / ".dvc" / url)
