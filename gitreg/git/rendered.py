"""What Git knows of rendered files: where they are, and whether a commit registered a version."""

from __future__ import annotations

import os
from collections.abc import Callable

from gitreg.core.model import layout
from gitreg.core.policy.renders import followed_by
from gitreg.git.repository import GitRepository

_ENDINGS = (b".env", b".yaml", b".yml")
_LARGEST = 4096
_PLAIN = b"100644"


def registers(repository: GitRepository, head: str) -> Callable[[str, str], bool]:
    """Return a function that tells whether a commit, up to ``head``, made a manifest as it is now.

    It takes the commit and the manifest's path. In a shallow clone it fetches the history.
    """

    def made(commit: str, path: str) -> bool:
        whole = repository.with_history()
        now, then, before = whole.reader.get_many(
            [f"{head}:{path}", f"{commit}:{path}", f"{commit}^:{path}"]
        )
        is_new = then is not None and now == then and before is None
        return is_new and whole.is_ancestor(commit, head)

    return made


def rendered_files(repository: GitRepository, commit: str) -> dict[str, bool]:
    """Return the files of a commit that gitreg rendered, and whether each is a plain file."""
    listing = repository.run_at_root("ls-tree", "-r", "-l", "-z", "--full-tree", commit).stdout
    modes: dict[str, bytes] = {}
    for entry in filter(None, listing.split(b"\0")):
        fields, _, name = entry.partition(b"\t")
        mode, kind, _, size = fields.split()
        if kind == b"blob" and name.endswith(_ENDINGS) and int(size) <= _LARGEST:
            modes[os.fsdecode(name)] = mode
    paths = [path for path in modes if not path.startswith(f"{layout.ROOT}/")]
    contents = repository.snapshot(commit).read_many(paths)
    return {
        path: modes[path] == _PLAIN
        for path, data in zip(paths, contents, strict=True)
        if followed_by(data) is not None
    }
