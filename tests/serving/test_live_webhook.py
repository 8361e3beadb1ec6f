"""A webhook's signature: GitHub's, GitLab's and Standard Webhooks', and everything that is none."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone

import pytest
from standardwebhooks import Webhook

from gitreg.serving.webhook import is_signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"ref": "refs/heads/main"}'
NOW = 1_700_000_000.0


def standard(body: bytes = BODY, at: float = NOW, identity: str = "msg_1") -> dict[str, str]:
    moment = datetime.fromtimestamp(at, timezone.utc)
    signature = Webhook(SECRET).sign(identity, moment, body.decode())
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": signature,
    }


def github(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={digest}"}


@pytest.mark.parametrize(
    "headers",
    [
        github(),
        {"x-gitlab-token": SECRET},
        standard(),
        standard(at=NOW - 299),
        standard() | {"webhook-signature": "v1,AAAA " + standard()["webhook-signature"]},
    ],
)
def test_a_signed_request_wakes(headers: dict[str, str]) -> None:
    assert is_signed(SECRET, headers, BODY, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        github(b"another body"),
        github(secret="another"),
        {"x-hub-signature-256": ""},
        {"x-hub-signature-256": github()["x-hub-signature-256"].removeprefix("sha256=")},
        github(b"another body") | {"x-gitlab-token": "another"},
        {"x-gitlab-token": ""},
        {"x-gitlab-token": SECRET[:-1]},
        {"x-gitlab-token": "\udcff"},
        standard(b"another body"),
        standard(at=NOW - 301),
        standard(at=NOW + 301),
        standard() | {"webhook-id": "msg_2"},
        standard() | {"webhook-timestamp": str(int(NOW) + 1)},
        standard() | {"webhook-timestamp": "-1"},
        standard() | {"webhook-timestamp": "9" * 5000},
        standard() | {"webhook-timestamp": "\u0663"},
        {"webhook-signature": "v1,"},
        standard() | {"webhook-signature": "v1a," + standard()["webhook-signature"][3:]},
    ],
)
def test_anything_else_does_not(headers: dict[str, str]) -> None:
    assert not is_signed(SECRET, headers, BODY, NOW)


def test_a_secret_of_no_standard_form_is_none_of_theirs() -> None:
    """An empty key would verify what anybody can sign."""
    for secret in ("whsec_", "not base64!"):
        text = f"msg_1.{int(NOW)}.".encode() + BODY
        made = hmac.new(b"", text, hashlib.sha256).digest()
        import base64

        signed = {"webhook-signature": f"v1,{base64.b64encode(made).decode()}"}
        assert not is_signed(secret, standard() | signed, BODY, NOW)
