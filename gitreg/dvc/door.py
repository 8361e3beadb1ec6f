"""Importing DVC, and translating what it and the file systems below it raise."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import DvcError, GitregError

_CAUSE_LENGTH = 300


def load() -> None:
    """Import DVC, and give the process its standard streams back.

    DVC starts colorama, which puts a wrapper around them that takes away the colours that a person
    asked for where the output is not a terminal.
    """
    streams = sys.stdout, sys.stderr
    import dvc.logger  # noqa: F401

    sys.stdout, sys.stderr = streams


@contextmanager
def door(doing: str, secrets: Sequence[str] = (), hint: str | None = None) -> Iterator[None]:
    """Translate whatever DVC and the file systems below it raise into one line of ours.

    Args:
        doing: what was tried, the beginning of the message.
        secrets: what the message may not show.
        hint: what to do next.

    Raises:
        DvcError: for any exception but our own, which pass.
    """
    try:
        yield
    except GitregError:
        raise
    except Exception as error:  # fsspec's file systems raise whatever their client libraries do
        hint = _dependency_hint(error) or hint
        raise DvcError(f"{doing}: {cause(error, secrets)}", hint=hint) from error


def _dependency_hint(error: Exception) -> str | None:
    """Return what to install when a remote's plugin is missing; DVC says it in words only."""
    match = (
        re.search(r"requires '(dvc-\w+)'", str(error)) if isinstance(error, ImportError) else None
    )
    return f"pip install {match[1]}" if match else None


def cause(error: Exception, secrets: Sequence[str] = ()) -> str:
    r"""Return one line for ``error``, without credentials.

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
