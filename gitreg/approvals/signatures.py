"""Signatures: made with the user's Git signing key, verified against a policy's signers alone.

``ssh-keygen -Y verify`` does the arithmetic. All else is decided here: a signature names its key
and its namespace, the policy names whose key that is. Neither the user's configuration nor that
of the repository has a say in what is verified, so that a server judges as a laptop does.
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from gitreg.core.model.keys import PublicKey, Signers, key_of_blob, split_fields
from gitreg.errors import GitError, InvalidDocument, InvalidRequest, Refused, WorldError
from gitreg.git import process
from gitreg.git.repository import GitRepository

APPROVAL = "gitreg-approval"
"""The namespace of approvals; what was signed for another one is none."""

GIT = "git"
"""Git's own namespace, of commits and tags."""

SIZE_LIMIT = 16 * 1024
"""The largest signature file, in bytes."""

_MAGIC = b"SSHSIG"
_ARMOR = re.compile(
    rb"\s*-----BEGIN SSH SIGNATURE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END SSH SIGNATURE-----\s*"
)
_WHO = "signer"  # the one name that ssh-keygen is told; whose key it is was looked up before
_REMEMBERED = 64 * 1024  # bytes of the longest text whose verification is remembered
_AT_ONCE = 4


class Unverified(Refused):
    """A signature that does not count; the message says why."""


@dataclass(frozen=True)
class SshSignature:
    """A signature as it is written: nothing of it is verified.

    Attributes:
        key: that it says it was made with.
        namespace: what it says it was made for.
        armored: the text of it, as ``ssh-keygen`` writes it.
    """

    key: PublicKey
    namespace: str
    armored: bytes = field(repr=False)


def parse_signature(data: bytes) -> SshSignature:
    """Return what an armored SSH signature says of itself.

    Line breaks may have become CRLF on the way. What is handed to ``ssh-keygen`` is written anew,
    so that it cannot be read there in another way than here.

    Raises:
        InvalidDocument: it is none, or larger than `SIZE_LIMIT`.
    """
    if len(data) > SIZE_LIMIT:
        raise InvalidDocument(f"a signature of more than {SIZE_LIMIT // 1024} KiB")
    match = _ARMOR.fullmatch(data)
    if match is None:
        raise InvalidDocument("not an SSH signature, or cut off")
    try:
        blob = base64.b64decode(b"".join(match[1].split()), validate=True)
        if blob[:10] != _MAGIC + b"\0\0\0\1":
            raise InvalidDocument("not an SSH signature that is known here")
        key, namespace, _, _, _ = split_fields(blob[10:])
        parsed = key_of_blob(key)
    except (binascii.Error, ValueError):
        raise InvalidDocument("not an SSH signature, or cut off") from None
    except InvalidRequest as error:
        raise InvalidDocument(f"not an SSH signature that counts: {error}") from None
    encoded = base64.b64encode(blob)
    lines = [encoded[start : start + 70] for start in range(0, len(encoded), 70)]
    framed = (b"-----BEGIN SSH SIGNATURE-----", *lines, b"-----END SSH SIGNATURE-----", b"")
    return SshSignature(parsed, namespace.decode("utf-8", "replace"), b"\n".join(framed))


def verify(text: bytes, signature: bytes, namespace: str, signers: Signers) -> str:
    """Return the principal whose signature over a text this is.

    Args:
        text: what was signed.
        signature: armored.
        namespace: that it must have been made for, `APPROVAL` or `GIT`.
        signers: whose keys count.

    Raises:
        Unverified: it is malformed, of another namespace, of a key that counts for nobody, or
            over another text.
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
    # What was verified once holds: text, key and signature are all there is to it.
    ask = _is_good if len(text) <= _REMEMBERED else _is_good.__wrapped__
    if not ask(text, found):
        raise Unverified("it was made over something else")
    return principal


@lru_cache(maxsize=4096)
def _is_good(text: bytes, signature: SshSignature) -> bool:
    try:
        with tempfile.TemporaryDirectory(prefix="gitreg-") as place:
            allowed, armored = Path(place, "signers"), Path(place, "signature")
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
        raise GitError("this ssh-keygen cannot verify signatures", hint="OpenSSH 8.1 or later")
    return done.returncode == 0


def cannot_run(program: str, error: OSError) -> WorldError:
    """Return the error for a program that could not be started, or a file not written for it."""
    if isinstance(error, FileNotFoundError):
        return GitError(f"{program} is not there", hint="install OpenSSH's client")
    return WorldError(f"{program} cannot be run: {error.strerror}")


# Commits and tags


def signers_of_commits(
    repository: GitRepository, oids: Sequence[str], signers: Signers
) -> dict[str, str | None]:
    """Return who signed each commit, by the policy's signers.

    Author and committer of a commit are free text; only this says who made it.

    Args:
        repository: where they are.
        oids: of commits, 40 hex digits each.
        signers: whose keys count.

    Returns:
        A principal; ``None`` for a commit without signature, with one that does not hold or is of
        nobody listed, and with an OpenPGP or X.509 signature: a policy lists SSH keys.

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
    """Return what was signed of a commit object, and its signature; empty without one.

    Of several signatures none counts: Git would verify them strung together.
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
            return content, b""  # gpgsig-sha256: of another object format
    if len(signatures) != 1:
        return content, b""
    return b"\n".join(kept) + separator + message, b"\n".join(signatures[0]) + b"\n"
