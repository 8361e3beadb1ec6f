"""SSH signatures: parsed, and verified against a policy's signers alone.

``ssh-keygen -Y verify`` does the arithmetic; everything else is decided here. A signature names its
key and its namespace, and the policy names the key's owner. Neither the user's nor the repository's
configuration influences the result, so that a server decides as a laptop does.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

from gitreg.core.model.keys import PublicKey, Signers, key_of_blob, split_fields
from gitreg.errors import GitError, InvalidDocument, InvalidRequest, Refused, WorldError
from gitreg.git import process, scratch
from gitreg.git.repository import GitRepository

APPROVAL = "gitreg-approval"
"""The namespace of approvals; a signature for another namespace is no approval."""

GIT = "git"
"""Git's own namespace, for commits and tags."""

SIZE_LIMIT = 16 * 1024
"""The largest signature file, in bytes."""

_MAGIC = b"SSHSIG"
_ARMOR = re.compile(
    rb"\s*-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END SSH SIGNATURE-----\s*"
)
_WHO = "signer"  # the only name that ssh-keygen gets; the owner was looked up before
_REMEMBERED = 64 * 1024  # the longest text whose verification is cached, in bytes
_AT_ONCE = 4


class Unverified(Refused):
    """The signature does not count; the message says why."""


class OfAnotherText(Unverified):
    """The signature is by a key that counts, but over some other text."""


@dataclass(frozen=True)
class SshSignature:
    """A parsed signature, not verified yet.

    Attributes:
        key: the key that it claims.
        namespace: the namespace that it claims.
        armored: its text, as ``ssh-keygen`` writes it.
    """

    key: PublicKey
    namespace: str
    armored: bytes = field(repr=False)


def parse_signature(data: bytes) -> SshSignature:
    """Return a parsed SSH signature.

    Its line breaks may be CRLF. The text for ``ssh-keygen`` is written again from the parsed data,
    so that both read the same.

    Raises:
        InvalidDocument: it is no SSH signature, or larger than `SIZE_LIMIT`.
    """
    if len(data) > SIZE_LIMIT:
        raise InvalidDocument(f"a signature of more than {SIZE_LIMIT // 1024} KiB")
    match = _ARMOR.fullmatch(data)
    if match is None:
        raise InvalidDocument("not an SSH signature, or a truncated one")
    try:
        blob = base64.b64decode(b"".join(match[1].split()), validate=True)
        if blob[:10] != _MAGIC + b"\0\0\0\1":
            raise InvalidDocument("an SSH signature of an unknown version")
        key, namespace, _, _, _ = split_fields(blob[10:])
        parsed = key_of_blob(key)
    except (binascii.Error, ValueError):
        raise InvalidDocument("not an SSH signature, or a truncated one") from None
    except InvalidRequest as error:
        raise InvalidDocument(f"an SSH signature that does not count: {error}") from None
    encoded = base64.b64encode(blob)
    lines = [encoded[start : start + 70] for start in range(0, len(encoded), 70)]
    framed = (b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b"")
    return SshSignature(parsed, namespace.decode("utf-8", "replace"), b"\n".join(framed))


@lru_cache(maxsize=256)
def fingerprint_of(data: bytes) -> str | None:
    """Return the fingerprint of the key that a signature claims; ``None`` if it does not parse."""
    try:
        return parse_signature(data).key.fingerprint
    except InvalidDocument:
        return None


def verify(text: bytes, signature: bytes, namespace: str, signers: Signers) -> str:
    """Return the principal who signed a text.

    Args:
        text: the signed text.
        signature: the armored signature.
        namespace: the required namespace, `APPROVAL` or `GIT`.
        signers: the keys that count.

    Raises:
        Unverified: the signature is malformed, for another namespace, by a key that the signers
            do not list.
        OfAnotherText: it signs another text.
        GitError: ``ssh-keygen`` cannot be run.
    """
    try:
        found = parse_signature(signature)
    except InvalidDocument as error:
        raise Unverified(str(error)) from None
    if found.namespace != namespace:
        raise Unverified(f"it was signed for {found.namespace[:40]!a}, not for {namespace}")
    principal = signers.principal_of(found.key)
    if principal is None:
        raise Unverified(signers.why_not(found.key))
    # The result depends on text, key and signature alone, so it can be cached.
    ask = _is_good if len(text) <= _REMEMBERED else _is_good.__wrapped__
    if not ask(text, found):
        raise OfAnotherText("it signs a different text")
    return principal


@lru_cache(maxsize=4096)
def _is_good(text: bytes, signature: SshSignature) -> bool:
    try:
        with scratch.temporary("verify") as place:
            allowed, armored = place / "signers", place / "signature"
            line = f'{_WHO} namespaces="{signature.namespace}" {signature.key}\n'
            allowed.write_text(line, "ascii")
            armored.write_bytes(signature.armored)
            done = subprocess.run(
                [
                    "ssh-keygen",
                    "-Y",
                    "verify",
                    "-q",
                    "-f",
                    str(allowed),
                    "-I",
                    _WHO,
                    "-n",
                    signature.namespace,
                    "-s",
                    str(armored),
                ],
                input=text,
                capture_output=True,
                check=False,
                env=process.environment(),
            )
    except OSError as error:
        raise cannot_run("ssh-keygen", error) from None
    if done.returncode != 0 and b"usage:" in done.stderr:
        raise GitError(
            "this ssh-keygen cannot verify signatures", hint="install OpenSSH 8.1 or later"
        )
    return done.returncode == 0


def cannot_run(program: str, error: OSError) -> WorldError:
    """Return the error for a program that cannot be started, or whose input cannot be written."""
    if isinstance(error, FileNotFoundError):
        return GitError(f"{program} is not installed", hint="install OpenSSH's client")
    return WorldError(f"{program} cannot be run: {error.strerror}")


# Commits and tags


def signers_of_commits(
    repository: GitRepository, oids: Sequence[str], signers: Signers
) -> dict[str, str | None]:
    """Return who signed each commit, according to the policy's signers.

    Author and committer of a commit are free text; only a signature proves who made it.

    Args:
        repository: the repository that has the commits.
        oids: commits, 40 hex digits each.
        signers: the keys that count.

    Returns:
        A principal for each commit; ``None`` when it has no signature, an invalid one, one by an
        unlisted key, or an OpenPGP or X.509 signature: a policy lists SSH keys.

    Raises:
        GitError: ``ssh-keygen`` or Git cannot be run.
    """
    found = repository.reader.get_many(list(oids))
    contents = [None if one is None or one.kind != "commit" else one.data for one in found]

    def ask(content: bytes | None) -> str | None:
        return None if content is None else _signer_of(split_commit(content), signers)

    if len(contents) < 2:
        return dict(zip(oids, map(ask, contents), strict=True))
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return dict(zip(oids, pool.map(ask, contents), strict=True))


def signer_of_commit(repository: GitRepository, oid: str, signers: Signers) -> str | None:
    """Return who signed one commit; see `signers_of_commits`."""
    return signers_of_commits(repository, [oid], signers)[oid]


def _signer_of(parts: tuple[bytes, bytes], signers: Signers) -> str | None:
    text, signature = parts
    if not signature:
        return None
    try:
        return verify(text, signature, GIT, signers)
    except Unverified:
        return None


def split_commit(content: bytes) -> tuple[bytes, bytes]:
    """Return the signed part of a commit object, and its signature; empty without one.

    Several signatures count as none: Git would verify them joined together.
    """
    header, separator, message = content.partition(b"\n\n")
    kept: list[bytes] = []
    signatures: list[list[bytes]] = []
    inside = False
    for line in header.split(b"\n"):
        if line.startswith(b" ") and inside:
            signatures[-1].append(line[1:])
            continue
        inside = line.startswith(b"gpgsig ")
        if inside:
            signatures.append([line.removeprefix(b"gpgsig ")])
        elif not line.startswith(b"gpgsig"):
            kept.append(line)
        else:
            return content, b""  # gpgsig-sha256: for another object format
    if len(signatures) != 1:
        return content, b""
    return b"\n".join(kept) + separator + message, b"\n".join(signatures[0]) + b"\n"
