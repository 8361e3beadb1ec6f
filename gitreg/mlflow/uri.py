"""URIs that MLflow is told: of a registry, and of a version's artifacts in it.

==================================================  ==============================================
``gitreg:///abs/path``                              the registry in a folder of this machine
``gitreg+ssh://…`` ``gitreg+https://…``             one by URL: what follows ``gitreg+`` is Git's
``gitreg+http://…`` ``gitreg+file:///…``
``…?push=true``                                     publish every write (by URL it always is)
``…?strict=true``                                   refuse what has no ``MLmodel``
``…?dest=URI``                                      where a server puts artifacts of other kinds
``<registry>/-/<folder>/<version>[/path]``          the artifact of a version, or a part of it
==================================================  ==============================================

>>> parse("gitreg:///srv/models?push=true")
RegistryUri(location='/srv/models', push=True, strict=False, dest=None)
>>> split("gitreg+https://host/r.git/-/churn/3/MLmodel")
('gitreg+https://host/r.git', 'churn/3/MLmodel')
>>> parse_version_path("churn/3/MLmodel")
VersionPath(model='churn', version=3, path='MLmodel')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from gitreg.core.model.layout import model_of_folder, version_of_folder
from gitreg.core.model.names import folder_of
from gitreg.core.text.suggest import did_you_mean
from gitreg.core.text.urls import has_scheme, hide_credentials, without_credentials
from gitreg.errors import InvalidRequest
from gitreg.git.copies import check_url

SCHEMES = ("gitreg", "gitreg+ssh", "gitreg+https", "gitreg+http", "gitreg+file")
"""The schemes that the package's entry points name, in lower case."""

INSIDE = "/-/"
"""Parts the registry from a version in it: no model's folder is named ``-``."""

_SWITCHES = {"true": True, "false": False}
_OPTIONS = ("push", "strict", "dest")


@dataclass(frozen=True)
class RegistryUri:
    """A registry, and how it is to be used.

    Attributes:
        location: what `gitreg.Registry` takes: an absolute path, or a URL of Git's.
        push: whether every write is to be published; by URL it is in any case.
        strict: whether a model folder without ``MLmodel`` is refused.
        dest: the URI where a server keeps artifacts that are not of registered versions.
    """

    location: str
    push: bool = False
    strict: bool = False
    dest: str | None = None

    @property
    def is_url(self) -> bool:
        """Whether the registry is used by URL, not in a folder."""
        return has_scheme(self.location)

    @property
    def root(self) -> str:
        """The URI without options, and without a login: it may be shown and stored."""
        if self.is_url:
            return f"gitreg+{without_credentials(self.location)}"
        # In a path of its own the mark is written so that `split` does not take it for one.
        path = f"{quote(self.location)}/".replace(INSIDE, "/%2D/")
        return f"gitreg://{path.rstrip('/') or '/'}"

    def __str__(self) -> str:
        options = [f"{name}=true" for name in ("push", "strict") if getattr(self, name)]
        if self.dest is not None:
            options.append(f"dest={quote(self.dest, safe='/:')}")
        uri = f"gitreg+{self.location}" if self.is_url else self.root
        return f"{uri}?{'&'.join(options)}" if options else uri

    def version_uri(self, model: str, version: int) -> str:
        """Return the URI of a version's artifact, without a login.

        >>> RegistryUri("/srv/my models").version_uri("Größe 2", 3)
        'gitreg:///srv/my%20models/-/Gr%C3%B6%C3%9Fe%202/3'
        """
        return f"{self.root}{INSIDE}{folder_of(model)}/{version}"


@dataclass(frozen=True)
class VersionPath:
    """What follows `INSIDE`: a version, and the path of a file or folder in its artifact."""

    model: str
    version: int
    path: str = ""


def split(uri: str) -> tuple[str, str]:
    """Return the URI of the registry and what is named in it; ``""`` when that is nothing.

    >>> split("gitreg:///r/-/churn?push=true")
    ('gitreg:///r?push=true', 'churn')
    """
    address, mark, options = uri.partition("?")
    registry, _, inner = f"{address}/".rpartition(INSIDE)
    if not registry:
        return uri, ""
    return f"{registry}{mark}{options}", inner.strip("/")


def parse(uri: str) -> RegistryUri:
    """Return the registry that a URI names; what is named in it is left out of account.

    >>> parse("gitreg:///r?pusch=true")
    Traceback (most recent call last):
    gitreg.errors.InvalidRequest: gitreg:///r?pusch=true: unknown option 'pusch'

    Raises:
        InvalidRequest: it is of another form, or has an unknown option.
    """
    registry, _ = split(uri)
    address, _, query = registry.partition("?")
    location = _location(uri, address)
    options = _options(uri, query)
    push = _switch(uri, options, "push", default=has_scheme(location))
    if has_scheme(location) and not push:
        raise _wrong(uri, "a registry that is used by URL publishes every write")
    return RegistryUri(location, push, _switch(uri, options, "strict"), options.get("dest"))


def parse_version_path(inner: str) -> VersionPath:
    """Return the version, and the path in its artifact, that follow `INSIDE`.

    Raises:
        InvalidRequest: it is of another form, or leads out of the artifact.
    """
    folder, _, rest = inner.strip("/").partition("/")
    number, _, path = rest.partition("/")
    model, version = model_of_folder(folder), version_of_folder(number)
    if model is None or version is None:
        raise InvalidRequest(
            f"{inner!a} names no version of a model",
            hint="a version's artifact is at <registry>/-/<model>/<version>",
        )
    return VersionPath(model, version, check_path(path))


def check_path(path: str) -> str:
    """Return a path in an artifact in its shortest form; ``""`` is the artifact itself.

    >>> check_path("./data//model.pkl/")
    'data/model.pkl'

    Raises:
        InvalidRequest: it leads out of the artifact.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or path.startswith("/") or "\0" in path:
        raise InvalidRequest(f"{path!a} is no path in an artifact")
    return "/".join(parts)


def undecoded_folder(model: str) -> str:
    """Return the name of a model's folder in paths that MLflow takes for URIs.

    Its server decodes a path as often as it can be decoded, and its loaders decode a local one,
    too: what is encoded with ``%`` elsewhere, is with ``~`` here, which no folder's name has.

    >>> undecoded_folder("Größe 2")
    'Gr~C3~B6~C3~9Fe~202'
    """
    return folder_of(model).replace("%", "~")


def _location(uri: str, address: str) -> str:
    """Return the path or Git URL of a URI without its options."""
    scheme, colon, rest = address.partition(":")
    if not colon or scheme.lower() not in SCHEMES:
        raise _wrong(uri, "its scheme is none of " + ", ".join(SCHEMES))
    if scheme.lower() != "gitreg":
        return check_url(f"{scheme.lower().removeprefix('gitreg+')}:{rest}")
    path = unquote(rest.removeprefix("//") if rest.startswith("///") else rest, errors="replace")
    if not re.match(r"/(?!/)", path):
        raise _wrong(
            uri,
            "a folder is named by its absolute path",
            hint="gitreg:///path/to/repo, or gitreg+ssh://host/path for one by URL",
        )
    if "#" in rest or "\0" in path:
        raise _wrong(uri, "in a path # is written %23")
    return path.rstrip("/") or "/"


def _options(uri: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    # Not urllib's parse_qsl: to it a plus, as in dest=gitreg+…, is a space.
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _OPTIONS:
            raise _wrong(
                uri,
                f"unknown option {name!a}",
                hint=did_you_mean(name, _OPTIONS) or f"there are {', '.join(_OPTIONS)}",
            )
        if name in options:
            raise _wrong(uri, f"{name} is given twice")
        options[name] = unquote(value)
    if options.get("dest") == "":
        raise _wrong(uri, "dest names nothing", hint="dest=/srv/artifacts")
    return options


def _switch(uri: str, options: dict[str, str], name: str, *, default: bool = False) -> bool:
    if name not in options:
        return default
    value = _SWITCHES.get(options[name].lower())
    if value is None:
        raise _wrong(uri, f"{name} is true or false, not {options[name][:40]!a}")
    return value


def _wrong(uri: str, problem: str, *, hint: str | None = None) -> InvalidRequest:
    # A query is cut off by `hide_credentials`; ours has none, and it may be what is wrong.
    address, mark, query = uri[:200].partition("?")
    return InvalidRequest(f"{hide_credentials(address)}{mark}{query}: {problem}", hint=hint)
