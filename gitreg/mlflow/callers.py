"""Who asks a server of MLflow's: the author of the commit that it makes for them.

Only MLflow's own authentication (``mlflow server --app-name basic-auth``) is believed, and only
what it keeps of a request that it has let through. A header by itself proves nothing. Its
administrators alone create users: that a user is called by an address is on their word.
"""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import quote

from gitreg.core.text.invisible import has_invisible
from gitreg.registry import Registry

DOMAIN = "mlflow.invalid"
"""Of users whose name is no address. Nobody's mail ends in ``.invalid`` (RFC 2606): no Git host
takes such an author for one of its accounts, and no policy means them by accident."""

# Narrower than mail's own rules: what Git would alter at the ends could become another's address.
_ADDRESS = re.compile(
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.+'-]*)@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
)
_UNFIT = "<>"
_ENDS = " .,:;\"\\'"


def on_behalf_of_caller(registry: Registry) -> AbstractContextManager[None]:
    """Let the user whose request this thread answers be the author of what is written meanwhile.

    Where there is none, or nobody has made sure who they are, the author is who it always is.
    """
    user = authenticated_user()
    return registry.authored_by(*author_of(user)) if user else nullcontext()


def authenticated_user() -> str | None:
    """Return the user whom MLflow's authentication has let through with this thread's request."""
    auth = sys.modules.get("mlflow.server.auth")  # a server that has it has imported it
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
    """Return name and address of a user; two users have two addresses.

    >>> author_of("ada@example.com"), author_of("ada"), author_of("Ada <ceo@example.com>")[1]
    (('ada', 'ada@example.com'), ('ada', 'ada@mlflow.invalid'), \
'Ada%20%3Cceo%40example.com%3E@mlflow.invalid')
    """
    address = _ADDRESS.fullmatch(user)
    if address is not None and not user.lower().endswith(f"@{DOMAIN}"):
        return address["name"], user
    local = quote(user, safe="", errors="surrogatepass")
    if local.startswith("."):  # which Git would take away
        local = f"%2E{local[1:]}"
    shown = "".join(" " if char in _UNFIT or has_invisible(char) else char for char in user)
    return " ".join(shown.split()).strip(_ENDS) or local, f"{local}@{DOMAIN}"
