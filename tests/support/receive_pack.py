"""A push spoken by hand: a client that claims whatever it likes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import git


def speak(server: Path, client: Path, commands: Sequence[str], objects: Sequence[str] = ()) -> str:
    """Send commands to ``git receive-pack`` and return what it reports.

    Args:
        server: the repository that is pushed to.
        client: the repository that has the objects.
        commands: ``OLD NEW REFERENCE``, each.
        objects: what the server gets, with everything behind it that it lacks.
    """
    with subprocess.Popen(
        ["git", "receive-pack", str(server)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        while size := int(running.stdout.read(4), 16):  # the references; a flush ends them
            running.stdout.read(size - 4)
        for number, command in enumerate(commands):
            line = command.encode() + (b"\0 report-status side-band-64k" if number == 0 else b"")
            running.stdin.write(b"%04x" % (len(line) + 4) + line)
        running.stdin.write(b"0000" + _pack(server, client, objects))
        running.stdin.close()
        return running.stdout.read().decode("utf-8", "replace")


def _pack(server: Path, client: Path, objects: Sequence[str]) -> bytes:
    has = git(server, "for-each-ref", "--format=^%(objectname)").splitlines()
    return subprocess.run(
        ["git", "-C", client, "pack-objects", "--revs", "--stdout", "--quiet"],
        input="".join(f"{name}\n" for name in (*objects, *has)).encode(),
        capture_output=True,
        check=True,
    ).stdout
