"""Imports DVC, and translates the errors of DVC and the file systems below it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import DvcError, GitregError

_CAUSE_LENGTH = 300


def load() -> None:
    """Import DVC, and restore the process's standard streams.

    DVC starts colorama, which wraps the streams. The wrapper removes the colours that a user
    requested for output that is not a terminal.
    """
    streams = sys.stdout, sys.stderr
    import dvc.logger  # noqa: F401

    sys.stdout, sys.stderr = streams


@contextmanager
def door(doing: str, secrets: Sequence[str] = (), hint: str | None = None) -> Iterator[None]:
    """Translate any error of DVC and the file systems below it into a one-line `DvcError`.

    Args:
        doing: the beginning of the message, such as ``cannot read x``.
        secrets: texts to hide in the message.
        hint: what to do next.

    Raises:
        DvcError: for any exception except gitreg's own, which pass unchanged.
    """
    try:
        yield
    except GitregError:
        raise
    except Exception as error:  # fsspec passes on any error of its client libraries
        hint = _dependency_hint(error) or hint
        raise DvcError(f"{doing}: {cause(error, secrets)}", hint=hint) from error


def _dependency_hint(error: Exception) -> str | None:
    """Return the command that installs a missing DVC plugin; DVC only mentions its name."""
    match = (
        re.search(r"requires '(dvc-\w+)'", str(error)) if isinstance(error, ImportError) else None
    )
    return f"pip install {match[1]}" if match else None


def cause(error: Exception, secrets: Sequence[str] = ()) -> str:
    r"""Return a one-line message for ``error``, without credentials.

    >>> cause(ValueError("no answer\nfrom https://ada:pw@host/x?sig=1"))
    'no answer from https://host/x'
    """
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = str(error)
    text = " ".join(text.split()) or type(error).__name__
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = hide_credentials(text)
    return text if len(text) <= _CAUSE_LENGTH else text[:_CAUSE_LENGTH] + "…"
