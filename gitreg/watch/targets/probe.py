"""A service's ``/version``, asked until it tells the new version."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gitreg.core.text.urls import hide_credentials
from gitreg.watch.moves import Move
from gitreg.watch.targets.asking import answer_to
from gitreg.watch.targets.http import checked_url
from gitreg.watch.targets.target import Failed, Notice

_PAUSE = 0.2
_ANSWER = 5
_MOST = 65_536


class Probe:
    """Waits until a service tells that it serves the version, and says how long that took.

    What it asks is what `gitreg.serving` answers: JSON with ``model``, ``version`` and ``sha256``,
    and in ``failed`` which version it refused and why. Such a refusal ends the wait.

    Args:
        url: the service's; ``/version`` is added where it is not there.

    Raises:
        InvalidRequest: the URL is none of HTTP.
    """

    name = "probe"

    def __init__(self, url: str) -> None:
        parts = urlsplit(checked_url(url))
        path = parts.path.rstrip("/").removesuffix("/version") + "/version"
        self._url = urlunsplit(parts._replace(path=path, fragment=""))
        self._opener = urllib.request.build_opener()

    def __call__(self, notice: Notice) -> None:
        """Wait; see the class.

        Raises:
            Failed: the service refused the version, or still told another when the time was over.
        """
        move = notice.move
        if move.version is None:
            return
        begun = time.monotonic()
        while True:
            told, is_it = self._asked(notice)
            seconds = time.monotonic() - begun
            if is_it:
                notice.say(f"{move.names} serves after {seconds:.1f} s")
                return
            if seconds >= notice.timeout:
                shown = hide_credentials(self._url)
                raise Failed(f"{shown}: {told} after {seconds:.0f} s, not {move.names}")
            time.sleep(_PAUSE)

    def _asked(self, notice: Notice) -> tuple[str, bool]:
        """Return what the service told, and whether it is the version."""
        wanted = notice.move
        try:
            request = urllib.request.Request(self._url)  # noqa: S310  http or https: it was checked
            found: Any = json.loads(answer_to(request, self._opener, _ANSWER, _MOST))
        except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
            return f"no answer ({hide_credentials(str(error))[:100]})", False
        if not isinstance(found, dict) or type(found.get("version")) is not int:
            return "an answer without a version", False
        _refuse_refused(found.get("failed"), wanted)
        same = {"version": wanted.version, "model": wanted.model, "sha256": wanted.sha256}
        is_it = all(value is None or found.get(key, value) == value for key, value in same.items())
        return f"it tells version {str(found['version'])[:20]}", is_it


def _refuse_refused(failed: Any, wanted: Move) -> None:
    """Raise if the service says that it refused the version since the move."""
    if not isinstance(failed, dict) or failed.get("version") != wanted.version:
        return
    if str(failed.get("since")) >= wanted.time:  # both in UTC; an earlier refusal says nothing
        raise Failed(f"the service refused {wanted.names}: {str(failed.get('why'))[:200]}")
