"""Finds the user of a request to an MLflow server: the author of the resulting commit.

Only MLflow's own authentication (``mlflow server --app-name basic-auth``) is trusted, and only the
user that it stored for an accepted request. A header alone proves nothing. Only MLflow's
administrators create users, so they vouch for a user name that is an address.
"""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import quote

from gitreg.core.text.invisible import has_invisible
from gitreg.registry import Registry

DOMAIN = "mlflow.invalid"
"""The mail domain of users whose name is not an address. No real address ends in ``.invalid`` (RFC
2606), so no Git host mistakes the author for one of its accounts, and no policy names them by
accident."""

# Stricter than the rules for mail: Git strips characters at the ends, and the result could be
# somebody else's address.
_ADDRESS = re.compile(
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.+'-]*)@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
)
_UNFIT = "<>"
_ENDS = " .,:;\"\\'"


def on_behalf_of_caller(registry: Registry) -> AbstractContextManager[None]:
    """Make the user of this thread's request the author of commits in the ``with`` block.

    Without an authenticated user, the author is the configured one.
    """
    user = authenticated_user()
    return registry.authored_by(*author_of(user)) if user else nullcontext()


def authenticated_user() -> str | None:
    """Return the user of this thread's request, authenticated by MLflow; ``None`` without one."""
    auth = sys.modules.get("mlflow.server.auth")  # a server that uses it has imported it
    if auth is None:
        return None
    from flask import current_app, g, has_request_context

    if not has_request_context():
        return None
    if auth._before_request not in current_app.before_request_funcs.get(None, ()):
        return None
    user = g.get("mlflow_authenticated_user")
    return user if isinstance(user, str) and user else None


def author_of(user: str) -> tuple[str, str]:
    """Return name and address of a user; different users have different addresses.

    >>> author_of("ada@example.com"), author_of("ada"), author_of("Ada <ceo@example.com>")[1]
    (('ada', 'ada@example.com'), ('ada', 'ada@mlflow.invalid'), \
'Ada%20%3Cceo%40example.com%3E@mlflow.invalid')
    """
    address = _ADDRESS.fullmatch(user)
    if address is not None and not user.lower().endswith(f"@{DOMAIN}"):
        return address["name"], user
    local = quote(user, safe="", errors="surrogatepass")
    if local.startswith("."):  # Git would strip it
        local = f"%2E{local[1:]}"
    shown = "".join(" " if char in _UNFIT or has_invisible(char) else char for char in user)
    return " ".join(shown.split()).strip(_ENDS) or local, f"{local}@{DOMAIN}"
