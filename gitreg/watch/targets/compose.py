"""A service of Docker Compose: created again, with the move in its environment."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from gitreg.errors import InvalidRequest
from gitreg.watch.targets.programs import installed, run
from gitreg.watch.targets.target import Notice

_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")


class Compose:
    """Creates a service's containers again.

    The file may use the variables of the move, such as ``${GITREG_VERSION}``. A reference that
    names no version any more changes nothing.

    Args:
        file: the compose file.
        service: one of its services.

    Raises:
        InvalidRequest: there is no such file, the name is malformed, or there is no Docker.
    """

    name = "compose"

    def __init__(self, file: str, service: str) -> None:
        if not Path(file).is_file():
            raise InvalidRequest(f"{file}: no such file")
        if not _SERVICE.fullmatch(service):
            raise InvalidRequest(f"{service!a} is no service's name")
        alone = shutil.which("docker") is None and shutil.which("docker-compose") is not None
        self._compose = ["docker-compose"] if alone else [installed("docker"), "compose"]
        self._file, self._service = str(Path(file).absolute()), service

    def __call__(self, notice: Notice) -> None:
        """Create the containers again; see the class."""
        if notice.move.version is None:
            notice.say(f"{self._service} is left as it is: {notice.move.reference} names nothing")
            return
        up = ["up", "--detach", "--force-recreate", self._service]
        run([*self._compose, "--file", self._file, *up], notice)
