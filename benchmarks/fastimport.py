"""Write long Git histories in seconds, through one ``git fast-import``.

``git commit`` takes about 10 ms, so 100,000 commits take a quarter of an hour. fast-import writes
the same objects at the speed of the disk.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import final

NAME = "Benchmark"
EMAIL = "benchmark@example.com"
PERSON = f"{NAME} <{EMAIL}>"
ZONE = "+0000"
BRANCH = "refs/heads/main"

#: The time of the first commit, 2020-01-01; each later one is a minute later. The time is fixed,
#: so that a scale gives the same objects on every machine.
FIRST_COMMIT = 1_577_836_800

#: A file's path and its content, or the mark of a blob written earlier; ``None`` deletes it.
Edit = tuple[str, bytes | int | None]


@final
class FastImport:
    """A stream of blobs, of commits on ``main`` and of annotated tags."""

    def __init__(self, repository: Path, *, continues: bool = False) -> None:
        """Start ``git fast-import``.

        Args:
            repository: the repository to write to.
            continues: whether the first commit follows an existing ``main``.
        """
        self._process = subprocess.Popen(
            ["git", "-C", str(repository), "fast-import", "--quiet", "--done"],
            stdin=subprocess.PIPE,
        )
        if self._process.stdin is None:
            raise OSError("git fast-import has no stdin")
        self._stdin = self._process.stdin
        self._mark = 0
        self._parent = b"from %s^0\n" % BRANCH.encode() if continues else b""
        self.time = FIRST_COMMIT

    def __enter__(self) -> "FastImport":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._stdin.write(b"done\n")
        self._stdin.close()
        if self._process.wait() != 0 and kind is None:
            raise OSError(f"git fast-import: exit {self._process.returncode}")

    def blob(self, content: bytes) -> int:
        """Write a file's content before its commit; return its mark.

        Git stores a blob as a delta to the previous blob in the stream, so the successive states of
        one large file should follow each other.
        """
        self._mark += 1
        self._stdin.write(b"blob\nmark :%d\ndata %d\n" % (self._mark, len(content)))
        self._stdin.write(content)
        self._stdin.write(b"\n")
        return self._mark

    def commit(self, message: str, edits: Iterable[Edit] = ()) -> int:
        """Commit files on top of the last commit, a minute later; return the new mark."""
        self._mark += 1
        self.time += 60
        text = message.encode()
        who = f"{PERSON} {self.time} {ZONE}".encode()
        parts = [
            b"commit %s\nmark :%d\n" % (BRANCH.encode(), self._mark),
            b"author %s\ncommitter %s\n" % (who, who),
            b"data %d\n%s\n" % (len(text), text),
            self._parent,
        ]
        self._parent = b""
        for path, content in edits:
            name = path.encode()
            if content is None:
                parts.append(b"D %s\n" % name)
            elif isinstance(content, int):
                parts.append(b"M 100644 :%d %s\n" % (content, name))
            else:
                parts.append(b"M 100644 inline %s\ndata %d\n" % (name, len(content)))
                parts.append(content + b"\n")
        self._stdin.write(b"".join(parts))
        return self._mark

    def tag(self, name: str, target: int | str, message: str, time: int | None = None) -> None:
        """Tag a commit, given by mark or by name; the time is by default the newest commit's."""
        text = message.encode()
        who = f"{PERSON} {time or self.time} {ZONE}".encode()
        commit = f":{target}" if isinstance(target, int) else target
        self._stdin.write(
            b"tag %s\nfrom %s\ntagger %s\ndata %d\n%s\n"
            % (name.encode(), commit.encode(), who, len(text), text)
        )
