"""Public SSH keys and their owners: what a policy's ``signers`` and ``revoked`` mean.

A signature carries its key, so this module looks up the owner by the key's bytes. No name of a
policy reaches ``ssh-keygen``, whose own list of signers has patterns and options (``*``,
``cert-authority``) that would accept more keys than the policy lists.

>>> key = parse_key(
...     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGXvTu4XyMSKL+hzimVyyeWprt4GYphb6WqaGTOKHcg2 laptop"
... )
>>> key.fingerprint
'SHA256:2MHYBpDZKqfSszj97xcViy5C+YcwwowuhAkmrmd3R3E'
>>> Signers.of({"ada@example.com": [str(key)]}).principal_of(key)
'ada@example.com'
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidRequest

PRINCIPAL_LIMIT = 100
"""The longest principal, in characters."""

RSA_BITS = 2048
"""The shortest RSA key that counts."""

_ED25519_BYTES = 32
_KEY_LIMIT = 16 * 1024
_CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}  # bytes of an uncompressed point
_KINDS = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        *(f"ecdsa-sha2-{curve}" for curve in _CURVES),
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")


@dataclass(frozen=True)
class PublicKey:
    """A public SSH key: its type (``ssh-ed25519``) and its bytes, as base64 has them."""

    kind: str
    blob: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode('ascii')}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ``ssh-keygen -l`` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii")
        return f"SHA256:{digest.rstrip('=')}"


def parse_key(text: str) -> PublicKey:
    """Return the key on a line of a ``.pub`` file, without the comment behind it.

    Accepted are Ed25519, ECDSA, RSA of at least `RSA_BITS`, and both kinds of security keys.

    Raises:
        InvalidRequest: the text is no such key; options and certificates are refused too.
    """
    kind, _, rest = text.strip().partition(" ")
    encoded = rest.split(" ", 1)[0]
    if len(text) > _KEY_LIMIT or has_invisible(text.strip()):
        raise InvalidRequest("a public key is one line, as in a .pub file")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not blob:
        raise InvalidRequest(
            f"{text[:40]!a} is not a public key", hint="a line such as ssh-ed25519 AAAA…"
        )
    key = key_of_blob(blob)
    if key.kind != kind:
        raise InvalidRequest(f"the line says {kind[:40]!a}, but the key is {key.kind}")
    return key


def key_of_blob(blob: bytes) -> PublicKey:
    """Return the key that these bytes encode.

    Raises:
        InvalidRequest: the bytes are not a key that `parse_key` accepts.
    """
    name = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii", "replace")
    if name not in _KINDS:
        raise InvalidRequest(
            f"keys of type {name[:40]!a} are not accepted",
            hint="ed25519, ecdsa, rsa, or a security key: no certificates",
        )
    _, *parts = split_fields(blob)
    if name == "ssh-rsa" and len(parts) == 2:
        bits = int.from_bytes(parts[1], "big").bit_length()
        if bits < RSA_BITS:
            raise InvalidRequest(f"an RSA key of {bits} bits is too short: it needs {RSA_BITS}")
    elif not _is_curve(name, parts):
        raise InvalidRequest(f"the bytes are not those of a key of type {name}")
    return PublicKey(name, blob)


def _is_curve(kind: str, parts: list[bytes]) -> bool:
    if kind == "ssh-ed25519":
        return [len(part) for part in parts] == [_ED25519_BYTES]
    if kind == "sk-ssh-ed25519@openssh.com":
        return len(parts) == 2 and len(parts[0]) == _ED25519_BYTES
    fields = {"sk-ecdsa-sha2-nistp256@openssh.com": 3}.get(kind, 2)
    if len(parts) != fields:
        return False
    curve = parts[0].decode("ascii", "replace")
    names = (f"ecdsa-sha2-{curve}", f"sk-ecdsa-sha2-{curve}@openssh.com")
    return kind in names and len(parts[1]) == _CURVES.get(curve, -1)


def split_fields(data: bytes) -> list[bytes]:
    """Return the fields of an SSH structure: each has four bytes of length, then its bytes.

    Raises:
        InvalidRequest: the data is truncated.
    """
    fields = []
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise InvalidRequest("the key or signature is truncated")
        (length,) = struct.unpack_from(">I", data, position)
        position += 4 + length
        if position > len(data):
            raise InvalidRequest("the key or signature is truncated")
        fields.append(data[position - length : position])
    return fields or [b""]


def check_principal(name: str) -> str:
    """Return ``name`` when it may stand for a person or a machine that signs.

    Raises:
        InvalidRequest: it is empty, longer than `PRINCIPAL_LIMIT`, starts with ``-``, or has a
            space, a quote, a comma, an invisible character or a wildcard in it.
    """
    if not 0 < len(name) <= PRINCIPAL_LIMIT:
        rule = f"1 to {PRINCIPAL_LIMIT} characters"
    elif name.startswith(("-", "!", "#")):
        rule = "it may not start with - ! or #"
    elif has_invisible(name) or re.search(r"[\s*?,\"'\\<>]", name):
        rule = "no spaces, quotes, commas, wildcards or invisible characters"
    else:
        return name
    raise InvalidRequest(f"{name[:40]!a} cannot be a signer's name: {rule}")


def email_of(person: str) -> str:
    """Return the e-mail of ``Name <email>``; other texts unchanged.

    >>> email_of("Ada Lovelace <ada@example.com>")
    'ada@example.com'
    """
    _, opened, rest = person.rpartition("<")
    return rest.rstrip("> ") if opened else person.strip()


def check_fingerprint(text: str) -> str:
    """Return a fingerprint as `PublicKey.fingerprint` has it.

    Raises:
        InvalidRequest: it is no fingerprint, or one by another hash than SHA-256.
    """
    if not _FINGERPRINT.fullmatch(text):
        raise InvalidRequest(
            f"{text[:60]!a} is not a fingerprint", hint="SHA256:…, as ssh-keygen -l shows it"
        )
    return text.rstrip("=")


@dataclass(frozen=True)
class Signers:
    """The keys that a policy accepts, and their owners.

    A key that is listed for two principals proves neither of them, so it counts for none. A
    malformed key or name counts for none either; reading a policy refuses it, with the reason.

    Attributes:
        principals: each key to the principals that it is listed for.
        revoked: fingerprints of keys that no longer count, even if they are listed.
    """

    principals: Mapping[PublicKey, tuple[str, ...]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, signers: Mapping[str, Iterable[str]], revoked: Iterable[str] = ()) -> Signers:
        """Return the signers of a policy, given the public keys of each principal."""
        found: dict[PublicKey, list[str]] = {}
        for principal, texts in signers.items():
            for text in texts:
                try:
                    names = found.setdefault(parse_key(text), [])
                    if check_principal(principal) not in names:
                        names.append(principal)
                except InvalidRequest:
                    continue
        return cls(
            {key: tuple(names) for key, names in found.items()},
            frozenset(text.rstrip("=") for text in revoked),
        )

    def principal_of(self, key: PublicKey) -> str | None:
        """Return the owner of a key; ``None`` when the key counts for nobody."""
        names = self.principals.get(key, ())
        return names[0] if len(names) == 1 and not self.is_revoked(key) else None

    def is_revoked(self, key: PublicKey) -> bool:
        """Whether a key no longer counts."""
        return key.fingerprint in self.revoked

    def why_not(self, key: PublicKey) -> str:
        """Return why a key counts for nobody, in a few words."""
        if self.is_revoked(key):
            return f"the key {key.fingerprint} is revoked"
        names = self.principals.get(key, ())
        if len(names) > 1:
            listed = f"the key {key.fingerprint} is listed for {' and '.join(names)}"
            return f"{listed}, so it counts for none of them"
        return f"the key {key.fingerprint} belongs to no signer of the policy"
