"""URIs for MLflow: of a registry, and of a version's artifacts in it.

==================================================  ==============================================
``gitreg:///abs/path``                              the registry in a folder on this machine
``gitreg+ssh://…`` ``gitreg+https://…``             the registry at a Git URL, after ``gitreg+``
``gitreg+http://…`` ``gitreg+file:///…``
``…?push=true``                                     publish every write (always so by URL)
``…?strict=true``                                   refuse model folders without ``MLmodel``
``…?dest=URI``                                      where a server stores all other artifacts
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
"""Separates the registry from a version in it: no model's folder is named ``-``."""

_SWITCHES = {"true": True, "false": False}
_OPTIONS = ("push", "strict", "dest")


@dataclass(frozen=True)
class RegistryUri:
    """A registry, and the options for its use.

    Attributes:
        location: the argument for `gitreg.Registry`: an absolute path or a Git URL.
        push: whether every write is published; always true by URL.
        strict: whether a model folder without ``MLmodel`` is refused.
        dest: the URI where a server stores artifacts that do not belong to registered versions.
    """

    location: str
    push: bool = False
    strict: bool = False
    dest: str | None = None

    @property
    def is_url(self) -> bool:
        """Whether the registry is used by URL rather than in a folder."""
        return has_scheme(self.location)

    @property
    def root(self) -> str:
        """The URI without options and without a login, safe to show and store."""
        if self.is_url:
            return f"gitreg+{without_credentials(self.location)}"
        # A separator that is part of the path is escaped, so that `split` does not split there.
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
    """The part after `INSIDE`: a version, and the path of a file or folder in its artifact."""

    model: str
    version: int
    path: str = ""


def split(uri: str) -> tuple[str, str]:
    """Return the URI of the registry and the part after `INSIDE`; ``""`` when there is none.

    >>> split("gitreg:///r/-/churn?push=true")
    ('gitreg:///r?push=true', 'churn')
    """
    address, mark, options = uri.partition("?")
    registry, _, inner = f"{address}/".rpartition(INSIDE)
    if not registry:
        return uri, ""
    return f"{registry}{mark}{options}", inner.strip("/")


def parse(uri: str) -> RegistryUri:
    """Return the registry that a URI names; a version in the URI is ignored.

    >>> parse("gitreg:///r?pusch=true")
    Traceback (most recent call last):
    gitreg.errors.InvalidRequest: gitreg:///r?pusch=true: unknown option 'pusch'

    Raises:
        InvalidRequest: the URI is malformed, or has an unknown option.
    """
    registry, _ = split(uri)
    address, _, query = registry.partition("?")
    location = _location(uri, address)
    options = _options(uri, query)
    push = _switch(uri, options, "push", default=has_scheme(location))
    if has_scheme(location) and not push:
        raise _wrong(uri, "a registry used by URL publishes every write, so push cannot be false")
    return RegistryUri(location, push, _switch(uri, options, "strict"), options.get("dest"))


def parse_version_path(inner: str) -> VersionPath:
    """Return the version and the path in its artifact from the part after `INSIDE`.

    Raises:
        InvalidRequest: the part is malformed, or leads out of the artifact.
    """
    folder, _, rest = inner.strip("/").partition("/")
    number, _, path = rest.partition("/")
    model, version = model_of_folder(folder), version_of_folder(number)
    if model is None or version is None:
        raise InvalidRequest(
            f"{inner!a} does not name a version of a model",
            hint="give <registry>/-/<model>/<version>",
        )
    return VersionPath(model, version, check_path(path))


def check_path(path: str) -> str:
    """Return a path in an artifact in its shortest form; ``""`` is the artifact itself.

    >>> check_path("./data//model.pkl/")
    'data/model.pkl'

    Raises:
        InvalidRequest: the path leads out of the artifact.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or path.startswith("/") or "\0" in path:
        raise InvalidRequest(f"{path!a} is not a path inside an artifact")
    return "/".join(parts)


def undecoded_folder(model: str) -> str:
    """Return the name of a model's folder in paths that MLflow treats as URIs.

    MLflow's server decodes a path repeatedly, and its loaders decode local paths, too. So this
    encoding uses ``~``, which no folder's name contains, in place of ``%``.

    >>> undecoded_folder("Größe 2")
    'Gr~C3~B6~C3~9Fe~202'
    """
    return folder_of(model).replace("%", "~")


def _location(uri: str, address: str) -> str:
    """Return the path or Git URL of a URI without its options."""
    scheme, colon, rest = address.partition(":")
    if not colon or scheme.lower() not in SCHEMES:
        raise _wrong(uri, "its scheme is not one of " + ", ".join(SCHEMES))
    if scheme.lower() != "gitreg":
        return check_url(f"{scheme.lower().removeprefix('gitreg+')}:{rest}")
    path = unquote(rest.removeprefix("//") if rest.startswith("///") else rest, errors="replace")
    if not re.match(r"/(?!/)", path):
        raise _wrong(
            uri,
            "the path of a folder must be absolute",
            hint="gitreg:///path/to/repo, or for a Git URL gitreg+ssh://host/path",
        )
    if "#" in rest or "\0" in path:
        raise _wrong(uri, "write # in a path as %23")
    return path.rstrip("/") or "/"


def _options(uri: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    # Not urllib's parse_qsl, which turns a plus, as in dest=gitreg+…, into a space.
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _OPTIONS:
            raise _wrong(
                uri,
                f"unknown option {name!a}",
                hint=did_you_mean(name, _OPTIONS) or f"the options are {', '.join(_OPTIONS)}",
            )
        if name in options:
            raise _wrong(uri, f"{name} is given twice")
        options[name] = unquote(value)
    if options.get("dest") == "":
        raise _wrong(uri, "dest is empty", hint="dest=/srv/artifacts")
    return options


def _switch(uri: str, options: dict[str, str], name: str, *, default: bool = False) -> bool:
    if name not in options:
        return default
    value = _SWITCHES.get(options[name].lower())
    if value is None:
        raise _wrong(uri, f"{name} must be true or false, not {options[name][:40]!a}")
    return value


def _wrong(uri: str, problem: str, *, hint: str | None = None) -> InvalidRequest:
    # `hide_credentials` removes a query. gitreg's has no secrets and may be the error, so show it.
    address, mark, query = uri[:200].partition("?")
    return InvalidRequest(f"{hide_credentials(address)}{mark}{query}: {problem}", hint=hint)
