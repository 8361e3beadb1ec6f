"""Tells whether a webhook comes from the Git host. It says only that something moved.

=================  =====================================================================
GitHub, Gitea      ``X-Hub-Signature-256``: HMAC-SHA256 of the body
GitLab             ``X-Gitlab-Token``: the secret itself
Standard Webhooks  ``webhook-signature``: HMAC-SHA256 of id, time and body; also GitLab's
=================  =====================================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

LIMIT = 1 << 20
"""The most bytes of a body."""

_TOLERANCE = 300.0
"""Seconds that the clock of a sender of Standard Webhooks may differ from ours."""


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Tell whether a request carries a proof of the secret; every comparison takes constant time.

    Args:
        secret: what the Git host was given; for Standard Webhooks ``whsec_…``.
        headers: of the request, names in lower case.
        body: as it was sent.
        now: seconds since the epoch.

    >>> is_signed("s3cret", {"x-gitlab-token": "s3cret"}, b"", 0)
    True
    """
    if "x-hub-signature-256" in headers:
        made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return _same(headers["x-hub-signature-256"], f"sha256={made}")
    if "webhook-signature" in headers:
        return _is_standard(secret, headers, body, now)
    return "x-gitlab-token" in headers and _same(headers["x-gitlab-token"], secret)


def _is_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    identity, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (sent.isascii() and sent.isdigit() and len(sent) < 20):
        return False
    if abs(now - int(sent)) > _TOLERANCE:
        return False
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False  # a secret of another form proves nothing here
    text = f"{identity}.{sent}.".encode() + body
    made = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    given = headers["webhook-signature"].split(" ")[:10]  # several while keys are exchanged
    return bool(key) and any([_same(one, f"v1,{made}") for one in given])  # noqa: C419  all


def _same(given: str, made: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), made.encode())
