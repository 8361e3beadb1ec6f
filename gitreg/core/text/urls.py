r"""URLs: what kind of address a text is, and the same without what may be a secret.

===================================  ==========================================================
`hide_credentials`                   any text that is shown: errors of Git, DVC and MLflow
`without_credentials`                a URL that is committed, as in a manifest
`page_without_credentials`           the URL of a page that is committed
`requirements_without_credentials`   a requirements file that is committed
`has_scheme` `is_repository`         which kind of address a text is
`address_of` `host_name`             its parts
===================================  ==========================================================

People paste passwords unencoded, with a ``/`` or ``@`` inside. Where a URL can be read in two ways,
the one is taken that shows less.

>>> hide_credentials("fatal: 'https://ada:s3cret@example.com/r.git?token=x' not found")
"fatal: 'https://example.com/r.git' not found"
>>> without_credentials("ssh://git:s3cret@example.com:22/x.git?token=s3cret")
'ssh://git@example.com:22/x.git'
>>> requirements_without_credentials("--proxy ada:s3cret@proxy:8080\nnumpy==2.1.0\n")
'--proxy proxy:8080\nnumpy==2.1.0\n'
"""

from __future__ import annotations

import re
from typing import NamedTuple

# A remote helper (`helper::https://…`) may stand in front of the scheme.
_URL = re.compile(
    r"(?P<front>(?:[\w.+-]+::)*(?P<scheme>[a-z][a-z0-9.+-]*)://)(?P<rest>.*)",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
# The user of these is an account, or a container of Azure's stores.
_HAS_ACCOUNT = re.compile(r"(?:git\+)?ssh(?:\+git)?|sftp|wasbs?|abfss?", re.IGNORECASE)
# scp's way to write an SSH address with a password put where URLs have it: SSH never reads one
# there, but people write it. A folder on a Windows drive (`C:\\x`) is none.
_SCP_PASSWORD = re.compile(
    r"(?P<user>[^/@:\\]+):(?![\\/])(?:[^/]*@(?P<rest>.*)|.*@(?P<host>[\w.-]+:.*))", re.DOTALL
)
# What a page reads behind a '#': where in its site it is.
_ROUTE = re.compile(r"#(!?/[\w./~%@:+-]*)")

# In a message a URL ends at white space, or at the quote that it began with.
_QUOTED_URL = re.compile(r"(?<=['\"])([\w.+-]+://)([^'\"\n]*)(?=['\"])")
_URL_IN_TEXT = re.compile(r"(?<=\w://)\S*")
_HOST_IN_TEXT = re.compile(_HOST.pattern + r"['\":,.;)]*")
_QUERY_IN_TEXT = re.compile(r"[?#].*?(?=['\":,.;)]*$)")
_WORD_IN_TEXT = re.compile(r"\S+")
_SCP_USER = re.compile(r"(?<![\w/@.+-])[\w.+-]+:(?!//)")
_SCP_HOST = re.compile(r"@(?=(?:[\w.-]+|\[[^\[\]\s]*\]):)")
_INNER_LIMIT = 8
"""How many URLs inside each other are shown."""

# pip puts a line and the next one together when a backslash ends it.
_CONTINUED = re.compile(r"\\\r?\n")
_WORD = re.compile(
    r"(?P<url>[a-z][a-z0-9.+-]{0,40}://(?:\\\r?\n(?=\S)|\S)*?)(?P<quote>['\"]*)(?!\S)",
    re.IGNORECASE,
)
# What pip reads behind a '#': a name, a folder or a hash, and no secret.
_FRAGMENT = re.compile(r"(#(?:(?:egg|subdirectory|md5|sha\d+)=[\w.,\[\]/%+~-]*(?:&|$))+)$")
# And behind the path of a repository's URL, the revision; its '@' ends no password.
_REVISION = re.compile(r"\+\w+://[^/\s]*@[\w.-]+(?::\d+)?/[\w./~+%-]*(@[\w./+-]+)$")
# pip fills these in from its environment, so the file holds no secret.
_VARIABLES = re.compile(r"\$\{[A-Z0-9_]+\}(?::\$\{[A-Z0-9_]+\})?")
_GAP = r"(?:[ \t]|\\\r?\n)"
_OPTION = re.compile(
    rf"(?P<head>(?<![^\s'\"(])(?:(?P<name>--[a-z][a-z-]*)(?:{_GAP}*={_GAP}*|{_GAP}+)|-i{_GAP}*=?{_GAP}*)['\"]?)"
    r"(?P<value>(?:\\\r?\n(?=\S)|[^\s'\"])+)",
    re.IGNORECASE,
)
# Options whose value is no host: an '@' in it ends no user name.
_NO_HOST = re.compile(
    r"--(?:find-links|requirement|constraint|editable|hash|config-settings?|global-option"
    r"|build-option|install-option|no-binary|only-binary|src|cert|client-cert|python)",
    re.IGNORECASE,
)
_BARE_WORD = re.compile(r"[^\s'\"]+")
_BARE_USER = re.compile(r"(?<![\w/@.+%-])(?P<option>-[a-z](?=\w))?(?!mailto:)[\w.+%~-]+:(?![\\/])")
_BARE_HOST = re.compile(r"@(?=[\w.-]|\[)")

# What Git reads as the URL of a repository and runs no program of the repository's choice for.
_REPOSITORY = re.compile(r"(?:file|git|https?|ssh)://[^-].*", re.DOTALL)
_SCP_REPOSITORY = re.compile(r"(?:[\w.-]+@)?[\w.][\w.-]*:(?!//)[^-:].*", re.DOTALL)
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/]*@)?(?P<host>[^/@:\[\]]+|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/(?P<path>.*)"
)
# Git's own rule for scp's form: a colon before the first slash. One letter is a Windows drive.
_SCP_ADDRESS = re.compile(
    r"(?:[^/@:]*@)?(?P<host>[^/@:\[\]]{2,}|\[[0-9A-Fa-f:.]+\]):(?!//|:)(?P<path>.*)"
)
_HOST_NAME = re.compile(r"[a-z]+://(?:[^/]*@)?([^/:]*)")


class Address(NamedTuple):
    """The parts of a repository's address, without user and password.

    Attributes:
        scheme: such as ``https``; ``ssh`` for scp's form.
        host: a name or an address, as it was written.
        port: digits; ``None`` where it says none.
        path: what follows the host, without the slash or colon between them.
    """

    scheme: str
    host: str
    port: str | None
    path: str


# What kind of address it is


def has_scheme(text: str) -> bool:
    """Tell whether ``text`` is a URL with a scheme, rather than a path or scp's form.

    >>> has_scheme("s3://bucket/x"), has_scheme("git@host:x"), has_scheme("C:/x")
    (True, False, False)
    """
    return "://" in text


def is_repository(text: str) -> bool:
    """Tell whether Git reads ``text`` as a repository's URL, and not as a path or a helper.

    >>> [is_repository(t) for t in ("https://host/r.git", "git@host:r.git", "./r", "ext::sh -c id")]
    [True, True, False, False]
    """
    return any(pattern.fullmatch(text) for pattern in (_REPOSITORY, _SCP_REPOSITORY))


def address_of(url: str) -> Address | None:
    """Return the parts of a URL or of scp's form, ``None`` for a path and what is malformed.

    >>> address_of("git@example.com:team/churn.git")
    Address(scheme='ssh', host='example.com', port=None, path='team/churn.git')
    """
    found = _ADDRESS.fullmatch(url)
    if found is not None:
        return Address(found["scheme"], found["host"], found["port"], found["path"])
    if has_scheme(url) or (found := _SCP_ADDRESS.fullmatch(url)) is None:
        return None
    return Address("ssh", found["host"], None, found["path"])


def host_name(url: str) -> str:
    """Return the host of a URL with a scheme, however malformed the rest is; else no text.

    >>> host_name("ssh://ada@-oProxyCommand=id/x")
    '-oProxyCommand=id'
    """
    found = _HOST_NAME.match(url)
    return found[1] if found else ""


# Without what may be a secret


def hide_credentials(text: str) -> str:
    """Return ``text`` with user names, passwords and queries taken out of its URLs.

    >>> hide_credentials("ada:s3cret@example.com:r.git")
    'example.com:r.git'
    """
    text = _QUOTED_URL.sub(lambda found: found[1] + _shown_rest(found[2]), text)
    text = _URL_IN_TEXT.sub(lambda found: _shown_rest(found[0]), text)
    return _WORD_IN_TEXT.sub(lambda word: _without_login(word[0], _SCP_USER, _SCP_HOST), text)


def without_credentials(url: str) -> str:
    """Return ``url`` without password, token, query and fragment.

    The user stays where it names an SSH account (``git@example.com:team/x``,
    ``ssh://git@example.com/x``) or a container of Azure's stores; in other URLs it goes too, since
    tokens are put there.

    >>> without_credentials("https://ada:s3cret@example.com/team/churn.git")
    'https://example.com/team/churn.git'
    """
    match = _URL.fullmatch(url)
    if match is None:
        scp = _SCP_PASSWORD.fullmatch(url)
        return f"{scp['user']}@{scp['rest'] or scp['host']}" if scp else hide_credentials(url)
    login = _login(match["rest"])
    account = login.partition(":")[0].rstrip("@") if _HAS_ACCOUNT.fullmatch(match["scheme"]) else ""
    after = re.split("[?#]", match["rest"][len(login) :], maxsplit=1)[0]
    return f"{match['front']}{account}{account and '@'}{hide_credentials(after)}"


def page_without_credentials(url: str) -> str:
    """Return the URL of a page as `without_credentials` does, but with the place in its site.

    >>> page_without_credentials("http://ada:pw@mlflow.internal/?t=s3cret#/experiments/1/runs/0a1b")
    'http://mlflow.internal/#/experiments/1/runs/0a1b'
    """
    route = _ROUTE.search(url)
    return without_credentials(url) + (route[0] if route else "")


def requirements_without_credentials(requirements: str) -> str:
    r"""Return the text of a requirements file without passwords, tokens and queries.

    pip's own parts of a URL stay: the revision, and the hash, name or folder behind the ``#``.
    Variables that pip fills in stay as well.

    >>> requirements_without_credentials("-i https://${TOKEN}@h/simple\nx @ git+https://t@h/x@v1")
    '-i https://${TOKEN}@h/simple\nx @ git+https://h/x@v1'
    """
    text = _OPTION.sub(_option_without_credentials, requirements)
    text = _WORD.sub(_word_without_credentials, text)
    return _BARE_WORD.sub(lambda word: _without_login(word[0], _BARE_USER, _BARE_HOST), text)


def _login(rest: str, host: re.Pattern[str] = _HOST) -> str:
    """Return the user and password in front of a URL's host, with the ``@`` that ends them.

    Args:
        rest: the URL behind its scheme.
        host: what a host and its port look like.
    """
    userinfo, at, name = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    if ":" in userinfo or not host.fullmatch(name) or (at and not name):
        # With a slash or a question mark in a password, what looks like host and path is part of
        # it. It ends at the last @, encoded or not, at the cost of a path with one.
        before, at, _ = rest.rpartition("@" if "@" in rest else "%40")
        return before + at
    return userinfo + at


def _without_login(word: str, user: re.Pattern[str], host: re.Pattern[str]) -> str:
    """Return a word without the user and password that it holds outside of a URL.

    Args:
        word: no white space in it.
        user: what begins a login, up to the colon; a group ``option`` stays.
        host: the ``@`` before a host.
    """
    if "@" not in word:
        return word
    end = max((found.end() for found in host.finditer(word)), default=0)
    start = user.search(word, 0, end)
    if start is None or start.end() >= end - 1:
        return word
    return word[: start.start()] + (start.groupdict().get("option") or "") + word[end:]


def _shown_rest(rest: str) -> str:
    """Return a URL behind its scheme as a message shows it, and URLs inside it likewise."""
    shown: list[str] = []
    mark = "://"
    while mark and len(shown) < _INNER_LIMIT:
        before, mark, rest = rest[len(_login(rest, _HOST_IN_TEXT)) :].partition("://")
        shown.append(before)
    return _QUERY_IN_TEXT.sub("", "://".join(shown))


def _is_filled_in(login: str) -> bool:
    return _VARIABLES.fullmatch(login.removesuffix("@")) is not None


def _word_without_credentials(found: re.Match[str]) -> str:
    """Return a URL of a requirements file as it may be committed; pip's own fragment stays."""
    whole = url = _CONTINUED.sub("", found["url"])
    pip_s = ""
    for pattern in (_FRAGMENT, _REVISION):
        part = pattern.search(url)
        if part is not None:
            url, pip_s = url[: part.start(1)], part[1] + pip_s
    scheme, mark, rest = url.partition("://")
    login = _login(rest)
    if login and _is_filled_in(login):
        front = scheme + mark + login
        cleaned = front + without_credentials(f"x://{rest[len(login) :]}")[len("x://") :] + pip_s
    else:
        cleaned = without_credentials(url) + pip_s
    return found[0] if cleaned == whole else cleaned + found["quote"]


def _option_without_credentials(found: re.Match[str]) -> str:
    """Return an option with its value as it may be committed, if that is a host without scheme."""
    value = _CONTINUED.sub("", found["value"])
    if has_scheme(value) or (found["name"] and _NO_HOST.fullmatch(found["name"])):
        return found[0]
    before, _, host = value.rpartition("@" if "@" in value else "%40")
    cleaned = re.split("[?#]", value if _is_filled_in(before) else host, maxsplit=1)[0]
    return found[0] if cleaned == value else found["head"] + cleaned
