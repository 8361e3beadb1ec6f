"""The history of a shallow clone, fetched into a repository of its own when an operation needs it.

The clone stays as shallow as its user made it, and no setting of it changes. The commits and their
folders are in ``.git/gitreg/past.git``, which can be deleted at any time; the next operation that
needs history fetches only what is new.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from gitreg.core.text.urls import is_repository
from gitreg.errors import GitError
from gitreg.git import process
from gitreg.git.light import QUIET, REMOTE, LightRepository, out_of_reach
from gitreg.git.remote import Upstream
from gitreg.git.repository import GitRepository

_TIP = "refs/heads/gitreg/tip"


def open_past(clone: GitRepository, upstream: Upstream) -> GitRepository:
    """Return a repository that has a shallow clone's commits and all before them.

    Args:
        clone: the shallow clone.
        upstream: where it is published.

    Raises:
        GitError: the remote cannot be reached.
    """
    past = PastRepository(clone, _place(clone, upstream), upstream.branch)
    past.update()
    return past


def _place(clone: GitRepository, upstream: Upstream) -> str:
    """Return the URL or absolute path that a clone reads from."""
    place = upstream.place
    named = clone.run("remote", "get-url", "--end-of-options", place, check=False)
    place = named.text if named.returncode == 0 else place
    return place if is_repository(place) else str((clone.top_level or clone.folder) / place)


class PastRepository(LightRepository):
    """The history beside a shallow clone: what it lacks is read from the clone.

    Args:
        clone: the shallow clone.
        url: where its history is fetched from.
        branch: the full name of the branch there.
    """

    def __init__(self, clone: GitRepository, url: str, branch: str) -> None:
        super().__init__(clone.private_dir / "past.git", url)
        self._branch = branch
        self._settings = clone.common_dir / "config"
        # Only to read: with the clone's references, Git would ask for nothing before them.
        self._variables = {
            **self._environment,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(clone.common_dir / "objects"),
        }
        self.reader = self._reader_with(self._variables)

    def update(self) -> None:
        """Fetch the commits of the branch, and their folders, without files.

        Raises:
            GitError: the remote cannot be reached.
        """
        is_new = not (self.folder / "HEAD").exists()
        if is_new:
            self._init()
        wanted = [f"+{self._branch}:{_TIP}"]
        fetched = self._fetch_with_folders(refs=wanted)
        if fetched.returncode != 0 and not is_new:  # a killed fetch may have left anything
            self._init()
            fetched = self._fetch_with_folders(refs=wanted)
        if fetched.returncode != 0:
            raise out_of_reach(self._url, "the history is", fetched)

    def bring(self, oids: Sequence[str]) -> None:
        """Fetch blobs, or folders with all folders in them; see `LightRepository.bring`.

        A remote that sends only what its references name sends all of the branch.

        Raises:
            GitError: something is missing here, and the remote cannot be reached.
        """
        try:
            super().bring(oids)
        except GitError:
            if not self._fetch_files():
                raise

    def _fetch_files(self) -> bool:
        """Fetch the branch again, with all files; tell whether that worked."""
        everything = ("fetch", *QUIET, "--refetch", "--no-filter", "--stdin", REMOTE)
        return self._fetch(*everything, refs=[f"+{self._branch}:{_TIP}"]).returncode == 0

    def _init(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        bare = ("init", "--bare", "--quiet", "--template=", str(self.folder))
        process.run(self.folder.parent, "-c", "init.defaultRefFormat=files", *bare)
        # The clone's settings say how to log in, as actions/checkout writes them. They come first,
        # because the last value counts, and this repository is bare.
        config = self.folder / "config"
        own = config.read_bytes()
        include = f"[include]\n\tpath = {_quoted(self._settings)}\n"
        config.write_bytes(os.fsencode(include) + own)


def _quoted(path: Path) -> str:
    """Return a path as Git reads it in settings, and in lists that a colon would divide."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
