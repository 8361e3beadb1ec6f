"""A clone and its remote with a hook, and the verdicts that a check or a hook names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitreg import hooks
from tests.conftest import git
from tests.support.signers import Key

CODE = re.compile(r"\b(policy|unknown|overridden)-([a-z-]+)")

Verdicts = dict[str, str]
"""A rule that does not pass, to ``failed``, ``unknown`` or ``overridden``."""


@dataclass
class Place:
    """A clone, its remote with a hook, and people's keys."""

    work: Path
    keys: dict[str, Key]

    @property
    def server(self) -> Path:
        return self.work.parent / "origin.git"

    def git(self, *args: str) -> str:
        return git(self.work, *args)

    def commit(self, files: Mapping[str, str | None], *args: str) -> None:
        for path, text in files.items():
            if text is None:
                (self.work / path).unlink()
            else:
                (self.work / path).parent.mkdir(parents=True, exist_ok=True)
                (self.work / path).write_text(text)
            self.git("add", "--force", "--all", "--", path)
        self.git("commit", "--quiet", "--message", "by hand", *args)

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file of the history that nobody judges any more."""
        text = (self.work / path).read_text()
        assert old in text
        self.commit({path: text.replace(old, new)})

    def push(self, *references: str) -> None:
        """Publish what the case begins with; the server has no hook yet."""
        self.git("push", "--quiet", "origin", *(references or ("HEAD:main",)))

    def hook(self) -> tuple[bool, Verdicts]:
        """Return what the hook says of a push of the clone's tip to the server's main."""
        (self.server / "objects" / "info" / "alternates").write_text(
            f"{self.work / '.git' / 'objects'}\n"
        )
        update = f"{git(self.server, 'rev-parse', 'main')} {self.git('rev-parse', 'HEAD')}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_DIR", str(self.server))
            code, lines = hooks.run("pre-receive", [f"{update} refs/heads/main\n"])
        found = (CODE.search(line) for line in lines)
        return code == 0, named((match[1], match[2]) for match in found if match)


def named(found: Iterable[tuple[str, str]]) -> Verdicts:
    return {rule: "failed" if word == "policy" else word for word, rule in found}
