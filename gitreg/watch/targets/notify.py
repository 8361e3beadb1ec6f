"""People, by Apprise: Slack, Teams, mail and a hundred others. Needs the extra ``notify``."""

from __future__ import annotations

import os

from gitreg.errors import InvalidRequest
from gitreg.watch.targets.target import Failed, Notice

_FROM = "env:"


class Notify:
    """Sends people a message about each move.

    Args:
        url: Apprise's, such as ``slack://…``, or ``env:NAME`` for the variable that has it.

    Raises:
        InvalidRequest: the extra is not installed, or Apprise does not know the URL.
    """

    name = "notify"

    def __init__(self, url: str) -> None:
        try:
            import apprise
        except ImportError:
            raise InvalidRequest(
                "messages need the extra notify", hint="pip install 'gitreg[notify]'"
            ) from None
        given = os.environ.get(url.removeprefix(_FROM), "") if url.startswith(_FROM) else url
        self._apprise = apprise.Apprise()
        if not given or not self._apprise.add(given):
            # The URL itself is a secret.
            raise InvalidRequest(
                "Apprise does not know the URL of --notify",
                hint="see https://appriseit.com for how each service is written",
            )

    def __call__(self, notice: Notice) -> None:
        """Send the message; see the class."""
        import apprise

        move = notice.move
        title = f"{move.reference}: {move.names}"
        was = "" if move.previous is None else f" (before: {move.model}@{move.previous})"
        lines = [f"{move.action} by {move.author}{was}", move.reason or "", move.commit[:12]]
        body = "\n".join(filter(None, lines))
        if not self._apprise.notify(body, title, body_format=apprise.NotifyFormat.TEXT):
            raise Failed("the message of --notify was not taken")
