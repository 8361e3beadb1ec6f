"""Git's configuration from the environment: `GIT_CONFIG_COUNT`, its keys and its values.

CI gives Git tokens, proxies, certificates, `insteadOf` and `safe.directory` this way, without a
file. gitreg keeps the settings below and leaves out all others. The rule: a setting may say how to
reach a remote, which repository to trust, or who commits; it may not name a command. The list
names what is kept, because Git gets new settings that run commands.

Kept, and why:

==========================================  ====================================================
`url.*.insteadOf`, `url.*.pushInsteadOf`    where a repository is; `GIT_ALLOW_PROTOCOL` still
                                            refuses `ext::` and `fd::` in the rewritten URL
`http.*`                                    tokens in headers, proxies, certificates: no
                                            commands; not `saveCookies`, which writes a file
`credential.helper`                         a program of Git by its name (`store`, `cache`),
                                            with plain arguments, and the empty value that
                                            drops the others
`credential.*.username`, `useHttpPath`      which login a remote gets
`remote.*.url`, `pushUrl`, `proxy` …        where a remote is; not `uploadPack`, `receivePack`
                                            and `vcs`, which name commands
`safe.directory`, `safe.bareRepository`     whom the user trusts
`transfer.fsckObjects` …                    checks of what arrives
`user.name`, `author.*`, `committer.*` …    who commits, as `GIT_AUTHOR_NAME` does
`commit.gpgSign`, `gpg.format` …            whether to sign, and how; not `gpg.program` and
                                            `gpg.ssh.defaultKeyCommand`, which name commands
`lfs.url`, `lfs.*.access` …                 how Git LFS, in a hook of a push, gets to its server
`init.defaultBranch`, `push.pushOption`,    plain texts and numbers
`protocol.version`, `ssh.variant`
==========================================  ====================================================

Left out, for example: `core.fsmonitor`, `core.hooksPath`, `core.pager`, `core.editor`, `alias.*`,
`filter.*`, `diff.*`, `merge.*`, which run commands; `core.sshCommand` and `core.askPass`, for which
there are `GIT_SSH_COMMAND` and `GIT_ASKPASS`; `core.gitProxy`; `credential.helper` with `!`, a path
or a character that a shell reads; `include.path`, which brings any of these; `protocol.*.allow`,
which gitreg decides; `core.worktree`, which names another place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gitreg.errors import InvalidRequest

_COUNT, _KEY, _VALUE = "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_{}", "GIT_CONFIG_VALUE_{}"

_KEPT = re.compile(
    r"url\..*\.(?:insteadof|pushinsteadof)"
    r"|http\.(?:.*\.)?(?!savecookies$)[a-z0-9-]+"
    r"|credential\.(?:.*\.)?(?:helper|username|usehttppath)"
    r"|remote\.(?:pushdefault|.*\.(?:url|pushurl|proxy|proxyauthmethod|serveroption))"
    r"|safe\.(?:directory|barerepository)"
    r"|(?:transfer|fetch)\.fsckobjects|transfer\.credentialsinurl"
    r"|user\.(?:name|email|signingkey|useconfigonly)|(?:author|committer)\.(?:name|email)"
    r"|commit\.gpgsign|tag\.(?:gpgsign|forcesignannotated)|gpg\.format"
    r"|lfs\.(?:url|pushurl)|lfs\..*\.(?:access|locksverify)"
    r"|init\.defaultbranch|push\.pushoption|protocol\.version|ssh\.variant",
    re.DOTALL,
)
# Git gives a helper to a shell.
_HELPER = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]*(?: +[A-Za-z0-9_@%+=:,./~-]+)*)?")
_REACHES = re.compile(r"credential\.(?:.*\.)?helper|core\.(?:sshcommand|askpass|gitproxy)")


def settings(
    environment: Mapping[str, str], own: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables of the settings that Git gets.

    Args:
        environment: the caller's; what runs commands is left out.
        own: gitreg's own variables for this call; they come last, so that they win.

    Raises:
        InvalidRequest: a variable is missing or no number; Git would refuse every command.
    """
    pairs = [pair for _, *pair in _given(environment) if _is_kept(*pair)]
    pairs += [pair for _, *pair in _given(own or {})]
    if not pairs:
        return {}
    found = {_COUNT: str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        found |= {_KEY.format(number): key, _VALUE.format(number): value}
    return found


def unused_access(environment: Mapping[str, str]) -> str | None:
    """Return which settings would help to reach a remote, but run a command and are left out.

    A user whose login fails needs to know. The values can be secret.
    """
    unused = [
        f"{_KEY.format(number)} ({key})"
        for number, key, value in _given(environment)
        if not _is_kept(key, value) and _REACHES.fullmatch(key.lower())
    ]
    return ", ".join(unused) or None


def _is_kept(key: str, value: str) -> bool:
    """Return whether a setting is on the list.

    >>> _is_kept("http.https://host/.extraHeader", "Authorization: …"), _is_kept("alias.x", "!id")
    (True, False)
    >>> [_is_kept("credential.helper", v) for v in ("store --file=/f", "!id", "/bin/x", "store;id")]
    [True, False, False, False]
    """
    section, _, rest = key.lower().partition(".")
    if not _KEPT.fullmatch(f"{section}.{rest}"):
        return False
    return section != "credential" or not rest.endswith("helper") or bool(_HELPER.fullmatch(value))


def _given(variables: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Yield the number, key and value of each setting."""
    count = variables.get(_COUNT) or "0"
    if not count.isascii() or not count.isdigit():
        raise InvalidRequest(f"{_COUNT} is {count[:20]!a}, not a number", hint=f"unset {_COUNT}")
    for number in range(int(count)):
        names = _KEY.format(number), _VALUE.format(number)
        for name in names:
            if name not in variables:
                raise InvalidRequest(
                    f"{_COUNT} is {count}, but {name} is not set", hint=f"unset {_COUNT}"
                )
        yield number, variables[names[0]], variables[names[1]]
