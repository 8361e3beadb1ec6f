"""A webhook: a CloudEvent in a POST that is signed as Standard Webhooks says.

See https://www.standardwebhooks.com and https://cloudevents.io (version 1.0, JSON, structured).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import InvalidRequest
from gitreg.watch.targets.asking import answer_to
from gitreg.watch.targets.target import Failed, Notice

SECRET = "GITREG_WEBHOOK_SECRET"  # noqa: S105  the name of a variable
"""The variable that is read where the command line names none."""

TYPE = "gitreg.pointer.moved"
"""The type of the event."""

_TIMEOUT = 20
"""Seconds for an answer; Standard Webhooks wants 15 to 30."""

_LONGEST_WAIT = 3600.0
_HINT = "a secret is base64, perhaps after whsec_: echo whsec_$(openssl rand -base64 32)"


class Webhook:
    """Posts each move to a URL. Redirects are not followed: the secret is for one receiver.

    Args:
        url: where to.
        secret_env: the variable with the secret, or with several, old and new, with a space
            between them; ``GITREG_WEBHOOK_SECRET`` by default.
        secret_file: a file with it, instead.

    Raises:
        InvalidRequest: the URL is none of HTTP, or there is no secret, or one is malformed.
    """

    name = "http"

    def __init__(
        self, url: str, secret_env: str | None = None, secret_file: str | None = None
    ) -> None:
        self._url = checked_url(url)
        self._keys = _keys(_secret(secret_env, secret_file))
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __call__(self, notice: Notice) -> None:
        """Post a move.

        Raises:
            Failed: the receiver did not take it; finally, unless it is overloaded or away.
        """
        body = json.dumps(cloud_event(notice)).encode()
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=UTF-8",
            "User-Agent": "gitreg",
            "webhook-id": notice.move.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._keys, notice.move.id, stamp, body),
        }
        shown = hide_credentials(self._url)
        # The scheme was checked: http or https.
        request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310
        try:
            answer_to(request, self._opener, _TIMEOUT)
        except urllib.error.HTTPError as error:
            raise _refused(shown, error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise Failed(f"{shown}: {hide_credentials(str(why)) or type(error).__name__}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Let a redirect be the error that it is here."""


def _refused(shown: str, error: urllib.error.HTTPError) -> Failed:
    is_later = error.code in (408, 429) or error.code >= 500
    try:
        wait = min(max(0.0, float(error.headers.get("Retry-After") or 0)), _LONGEST_WAIT)
    except ValueError:
        wait = 0.0  # a date: the usual wait is as good
    what = "redirects elsewhere, which is not followed" if error.code < 400 else "refused the event"
    words = f"answered {error.code}" if is_later else f"{what} ({error.code})"
    return Failed(f"{shown}: {words}", is_final=not is_later, wait=wait if is_later else 0)


def signature(keys: Sequence[bytes], name: str, stamp: str, body: bytes) -> str:
    """Return the value of ``webhook-signature``: one signature for each key.

    >>> signature([b"key"], "msg_1", "1700000000", b"{}")
    'v1,XaXLFEFQ69Q4+demDWPEv5ydXczDW2mM5crCUEFcFBA='
    """
    signed = f"{name}.{stamp}.".encode() + body
    made = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)


def cloud_event(notice: Notice) -> dict[str, object]:
    """Return a move as a CloudEvent."""
    move = notice.move
    return {
        "specversion": "1.0",
        "id": move.id,
        "source": notice.source,
        "type": TYPE,
        "subject": move.reference,
        "time": move.time,
        "datacontenttype": "application/json",
        "data": asdict(move),
    }


def checked_url(url: str) -> str:
    """Return a URL of HTTP.

    Raises:
        InvalidRequest: it is another one, or it has a user or a password, which is not sent.
    """
    shown = ascii(hide_credentials(url)[:100])
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
        is_good = is_good and " " not in url and url.isascii() and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good:
        raise InvalidRequest(f"{shown} is no URL of HTTP")
    if "@" in parts.netloc:
        raise InvalidRequest(f"{shown} must have no user and no password")
    return url


def _secret(variable: str | None, file: str | None) -> str:
    if variable is not None and file is not None:
        raise InvalidRequest("the secret is in a variable or in a file: name one of them")
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{file}: {getattr(error, 'strerror', error)}") from None
    name = variable or SECRET
    if not os.environ.get(name):
        raise InvalidRequest(
            f"the variable {name!a} has no secret to sign with",
            hint="--secret-env NAME or --secret-file FILE says where it is",
        )
    return os.environ[name]


def _keys(secret: str) -> list[bytes]:
    try:
        keys = [
            base64.b64decode(word.removeprefix("whsec_"), validate=True) for word in secret.split()
        ]
    except binascii.Error:
        raise InvalidRequest("the secret of the webhook is malformed", hint=_HINT) from None
    if not keys or not all(keys):
        raise InvalidRequest("the secret of the webhook is empty", hint=_HINT)
    return keys
