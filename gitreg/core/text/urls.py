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
# there, but people write it. If it has a slash, a path with a slash or `.git` must follow: an
# image with its digest (`host:5000/x@sha256:0a1b`) holds none, nor does a Windows path (`C:\\x`).
_SCP_HOST = r"(?:[\w.-]+|\[[^\[\]\s]*\]):"
_SCP_HOST_AND_PATH = _SCP_HOST + r"[^@]*(?:/|\.git)"
_SCP_PASSWORD = re.compile(
    rf"(?P<user>[^/@:\\]+):(?![\\/])(?:[^/]*@(?P<rest>.*)|.*@(?P<host>{_SCP_HOST_AND_PATH}.*))",
    re.DOTALL,
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
_BEFORE_SCP_HOST = re.compile(rf"@(?={_SCP_HOST})")
_BEFORE_SCP_HOST_AND_PATH = re.compile(rf"@(?={_SCP_HOST_AND_PATH})")
# The next parameter's URL ends this one, even where an '@' follows.
_NEXT_URL = re.compile(r"(@[^@]*?)&\w+=(?:https?|ssh)://.*", re.DOTALL | re.IGNORECASE)
_INNER_LIMIT = 8
"""How many URLs inside each other are shown."""

# pip joins a line and the next one if a backslash ends it, except for a line of comment.
_CONTINUED = re.compile(r"\\\r?\n")
_LINE = re.compile(r"[ \t]*#[^\n]*\n?|(?:\\\r?\n|[^\n])+\n?|\n")
# It splits options as a shell does. Here a quote without its second half is no quote.
_WORD = re.compile(
    r"""( (?: ' (?:\\\r?\n | [^'\n])* '
            | " (?:\\\r?\n | \\[^\r\n] | [^"\\\n])* "
            | \\\r?\n(?=\S)
            | \\[^\w\r\n]
            | (?!\\\r?\n)\S
        )+ )""",
    re.ASCII | re.VERBOSE,
)
# What quotes and backslashes protect. A backslash before a letter is part of a Windows path.
_QUOTED = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(\W)""")
_OPTION = re.compile(
    r"(?P<head>[^\w-]*(?:(?P<name>--[a-z][a-z-]*)(?:\s*=\s*|\s+|\Z)"
    r"|(?P<letter>-[a-z])(?:\s*=)?\s*))(?P<value>.*)",
    re.DOTALL | re.IGNORECASE,
)
_URL_START = re.compile(r"[a-z][a-z0-9.+-]{0,40}://", re.IGNORECASE)
# What pip reads behind a '#': a name, a folder or a hash, and no secret.
_FRAGMENT = re.compile(r"(#(?:(?:egg|subdirectory|md5|sha\d+)=[\w.,\[\]/%+~-]*(?:&|$))+)$")
# And behind the path of a repository's URL, the revision; its '@' ends no password.
_REVISION = re.compile(r"\+\w+://[^/\s]*@[\w.-]+(?::\d+)?/[\w./~+%-]*(@[\w./+-]+)$")
# pip fills these in from its environment, so the file holds no secret.
_VARIABLES = re.compile(r"\$\{[A-Z0-9_]+\}(?::\$\{[A-Z0-9_]+\})?")
# Options whose value is no host: an '@' in it ends no user name.
_NO_HOST = re.compile(
    r"-[a-hj-z]|--(?:find-links|requirement|constraint|editable|hash|config-settings?|global-option"
    r"|build-option|install-option|no-binary|only-binary|src|cert|client-cert|python|output-file)",
    re.IGNORECASE,
)
_BARE_USER = re.compile(r"(?<![\w/@.+%~-])(?!(?:mailto|file|md5|sha\d+):)[\w.+%~-]+:(?![\\/]).")

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
    return _WORD_IN_TEXT.sub(lambda word: _without_scp_login(word[0]), text)


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
    return "".join(map(_line_without_credentials, _LINE.findall(requirements)))


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


def _without_scp_login(word: str) -> str:
    """Return a word without the user and password of an SSH address in scp's form."""
    user = _SCP_USER.search(word) if "@" in word else None
    if user is None:
        return word
    slash = word.find("/", user.end())
    ends = [
        at.end()
        for at in _BEFORE_SCP_HOST.finditer(word, user.end() + 1)
        if not 0 <= slash < at.start() or _BEFORE_SCP_HOST_AND_PATH.match(word, at.start())
    ]
    return word[: user.start()] + word[ends[-1] :] if ends else word


def _shown_rest(rest: str) -> str:
    """Return a URL behind its scheme as a message shows it, and URLs inside it likewise."""
    shown: list[str] = []
    mark = "://"
    while mark and len(shown) < _INNER_LIMIT:
        login = _login(_NEXT_URL.sub(r"\1", rest), _HOST_IN_TEXT)
        before, mark, rest = rest[len(login) :].partition("://")
        shown.append(before)
    return _QUERY_IN_TEXT.sub("", "://".join(shown))


def _is_filled_in(login: str) -> bool:
    return _VARIABLES.fullmatch(login.removesuffix("@")) is not None


def _line_without_credentials(line: str) -> str:
    """Return a line of a requirements file, and those that continue it, as it may be committed."""
    parts = _WORD.split(line)
    option, comment = "", False
    for at in range(1, len(parts), 2):
        comment = comment or parts[at].startswith("#")
        parts[at], option = _word_without_credentials(parts[at], option, comment=comment)
    return "".join(parts)


def _word_without_credentials(word: str, option: str, *, comment: bool) -> tuple[str, str]:
    """Return a word as it may be committed, and the option if the next word is its value.

    Args:
        word: with its quotes, and with the line ends inside it.
        option: the one whose value the word is, if any.
        comment: whether the word is part of a comment.
    """
    raw = _CONTINUED.sub("", word)
    text = _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", raw)
    found = _OPTION.fullmatch(text)
    head, value = (found["head"], found["value"]) if found else ("", text)
    if found:
        option = found["name"] or (value and option) or found["letter"]
    if value in ("", "="):
        return word, option
    if not option:
        value = raw  # pip reads the quotes of options only
    cleaned = _value_without_credentials(value, option, comment=comment)
    if cleaned == value:
        return word, ""
    if not option:
        return cleaned, ""
    before = head if raw.startswith(head) else ""
    return before + _quoted_like(raw[len(before) :], (head + cleaned)[len(before) :]), ""


def _quoted_like(raw: str, text: str) -> str:
    """Return ``text`` in the quotes of ``raw``, or in those that it needs."""
    if raw[0] == raw[-1] and raw[0] in "'\"" and raw[0] not in text:
        return raw[0] + text + raw[0]
    if re.search(r"[\s'\"\\]", text) is None:
        return text
    from shlex import quote  # rarely needed

    return quote(text)


def _value_without_credentials(value: str, option: str, *, comment: bool) -> str:
    """Return the value of an option, or a word that is none if ``option`` is empty."""
    url = _URL_START.search(value)
    if option and not _NO_HOST.fullmatch(option) and (url is None or url.start() > 0):
        login, _, host = value.rpartition("@" if "@" in value else "%40")
        return re.split("[?#]", value if _is_filled_in(login) else host, maxsplit=1)[0]
    login, _, host = value.rpartition("@")
    user = _BARE_USER.search(login) if option or not comment else None
    if user is not None and (url is None or user.start() < url.start()):
        return value[: user.start()] + host
    if url is None:
        return _without_scp_login(value)
    end = len(value.rstrip("'\")"))
    address = _pip_url_without_credentials(value[url.start() : end])
    return value[: url.start()] + address + value[end:]


def _pip_url_without_credentials(url: str) -> str:
    """Return a URL as `without_credentials` does, but with what pip reads in it."""
    pip_s = ""
    for pattern in (_FRAGMENT, _REVISION):
        part = pattern.search(url)
        if part is not None:
            url, pip_s = url[: part.start(1)], part[1] + pip_s
    scheme, mark, rest = url.partition("://")
    login = _login(rest)
    if not _is_filled_in(login):
        return without_credentials(url) + pip_s
    cleaned = without_credentials(scheme + mark + rest[len(login) :])
    return cleaned.replace(mark, mark + login, 1) + pip_s
