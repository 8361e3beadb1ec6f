"""`core.sharedRepository`: the modes that Git gives to what it writes in a repository of a group.

`git init --shared` sets it. Git then adds permissions to those that the umask leaves, and so does
gitreg for what it writes there itself: objects, lock, history index.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

from gitreg.git import process

_KEY = "core.sharedRepository"
_GROUP, _EVERYBODY = 0o660, 0o664
_NAMED = {
    **dict.fromkeys(("group", "true", "yes", "on", "1", ""), _GROUP),  # "" has no '=': true
    **dict.fromkeys(("all", "world", "everybody", "2"), _EVERYBODY),
    **dict.fromkeys(("umask", "false", "no", "off", "0"), 0),
}


def share(common_dir: Path, *paths: Path) -> None:
    """Give files and folders in a repository the modes that Git would give them.

    Paths that do not exist, or belong to somebody else, stay as they are.
    """
    found = _permissions(common_dir)
    if found is None:
        return
    wanted, exact = found
    for path in paths:
        with suppress(OSError):
            status = path.lstat()
            old = stat.S_IMODE(status.st_mode)
            new = shared_mode(old, wanted, exact, is_folder=stat.S_ISDIR(status.st_mode))
            if new != old and not stat.S_ISLNK(status.st_mode):
                path.chmod(new)


def shared_mode(mode: int, wanted: int, exact: bool, *, is_folder: bool) -> int:  # noqa: FBT001  one pair
    """Return the mode of a file or folder in a shared repository, by Git's own rules.

    Args:
        mode: its mode now.
        wanted: the permissions of a file that can be written.
        exact: whether they replace those that it has; otherwise they are added.
        is_folder: whether it is a folder; those keep their group (setgid).

    >>> oct(shared_mode(0o755, 0o660, False, is_folder=True))
    '0o2775'
    >>> oct(shared_mode(0o444, 0o640, True, is_folder=False))
    '0o440'
    """
    if not mode & stat.S_IWUSR:
        wanted &= ~0o222
    if mode & stat.S_IXUSR:
        wanted |= (wanted & 0o444) >> 2
    mode = (mode & ~0o777 if exact else mode) | wanted
    return mode | (stat.S_ISGID if is_folder and mode & 0o060 else 0)


def _permissions(common_dir: Path) -> tuple[int, bool] | None:
    """Return the permissions that are set and whether they are exact; ``None`` without sharing."""
    config = common_dir / "config"
    try:
        # A process costs more than all else here, and few repositories have the setting.
        if b"sharedrepository" not in config.read_bytes().lower():
            return None
    except OSError:
        return None
    asked = process.run(
        common_dir.parent, "config", "--file", str(config), "--get", _KEY, check=False
    )
    value = asked.text.lower() if asked.returncode == 0 else "umask"
    if value in _NAMED:
        return (_NAMED[value], False) if _NAMED[value] else None
    try:
        number = int(value, 8)
    except ValueError:
        return None  # Git itself refuses the repository
    return (number & 0o666, True) if number & 0o600 == 0o600 else None
