"""What an object store says about the content of an object: its MD5, where it says one.

What it says is never taken for damage. An S3 ETag is the MD5 of an object that was uploaded in one
part, unless a key of KMS or of the customer encrypts it, which the ETag does not show. So an MD5
that is the object's name proves the object, for which no accident could make it so, and another
one is a reason to read the object.

>>> told_md5({"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}, "s3")
'd41d8cd98f00b204e9800998ecf8427e'
>>> told_md5({"ETag": '"d41d8cd98f00b204e9800998ecf8427e-2"'}, "s3")  # in two parts: no MD5
>>> told_md5({"md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "gs")
'd41d8cd98f00b204e9800998ecf8427e'
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

_ETAGS = frozenset({"s3", "oss"})
"""The protocols whose ETag may be an MD5. Anybody's HTTP server may make its own of anything."""

_HEX = re.compile(r"[0-9a-f]{32}")


def told_md5(info: Mapping[str, Any], protocol: str) -> str | None:
    """Return the MD5 that a store tells for an object, ``None`` when it tells none.

    Args:
        info: what fsspec's ``info`` returns for the object.
        protocol: of the file system, such as ``s3``.

    Returns:
        32 hex digits in lower case.
    """
    if protocol in _ETAGS:
        etag = str(info.get("ETag") or "").strip('"').lower()
        return etag if _HEX.fullmatch(etag) else None
    if protocol == "azure":
        return _from_bytes(_field(info.get("content_settings"), "content_md5"))
    return _from_bytes(info.get("md5Hash") or info.get("Content-MD5"))


def _field(settings: object, name: str) -> object:
    """Return a field of Azure's content settings, an object or a mapping by its version."""
    return settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)


def _from_bytes(value: object) -> str | None:
    """Return an MD5 that is given as bytes or as their base64."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None
    if isinstance(value, (bytes, bytearray)) and len(value) == 16:
        return value.hex()
    return None
