"""Reads the MD5 that an object store reports for an object, if it reports one.

A reported MD5 can prove an object, but never that it is damaged. An S3 ETag is the MD5 of an object
that was uploaded in one part, unless KMS or a customer's key encrypts the object, and the ETag does
not show that. If the reported MD5 is the object's name, the object is intact, because no accident
produces that value. If it is another one, gitreg reads the object.

>>> reported_md5({"ETag": '"d41d8cd98f00b204e9800998ecf8427e"'}, "s3")
'd41d8cd98f00b204e9800998ecf8427e'
>>> reported_md5({"ETag": '"d41d8cd98f00b204e9800998ecf8427e-2"'}, "s3")  # in two parts: no MD5
>>> reported_md5({"md5Hash": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "gs")
'd41d8cd98f00b204e9800998ecf8427e'
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

_ETAGS = frozenset({"s3", "oss"})
"""The protocols whose ETag can be an MD5. An HTTP server can use anything as an ETag."""

_HEX = re.compile(r"[0-9a-f]{32}")


def reported_md5(info: Mapping[str, Any], protocol: str) -> str | None:
    """Return the MD5 that a store reports for an object; ``None`` when it reports none.

    Args:
        info: the result of fsspec's ``info`` for the object.
        protocol: the protocol of the file system, such as ``s3``.

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
    """Return a field of Azure's content settings: an object or a mapping, depending on version."""
    return settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)


def _from_bytes(value: object) -> str | None:
    """Return the hex form of an MD5 given as bytes or as base64."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None
    if isinstance(value, (bytes, bytearray)) and len(value) == 16:
        return value.hex()
    return None
