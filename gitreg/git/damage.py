"""Files of Git's that a power cut left empty: which one it is, and what brings it back.

By default Git syncs neither references nor the index, and older ones no loose objects. After a
power cut such a file can be there with no bytes in it. Git's own words for that are many, and some
of them say that there is no repository, or no such file in the commit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitreg.errors import GitError

_OBJECT = re.compile(r"object file (\S+) is empty|stored in ([^)\n]+)\) is corrupt")
_GARBLED = re.compile(r"unable to unpack ([0-9a-f]{2})([0-9a-f]{38})\b")
_PACK = re.compile(r"file (\S+\.(?:pack|idx)) is (?:far )?too (?:short|small)")
_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Damage:
    """An empty file of Git's.

    Attributes:
        path: the file.
        text: what that means.
        remedy: the command that brings it back.
    """

    path: Path
    text: str
    remedy: str


class Damaged(GitError):
    """Git cannot work, because one of its files is empty or corrupt."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(f"{damage.path} {damage.text}", hint=damage.remedy)
        self.damage = damage

    def __reduce__(self) -> tuple[type[Damaged], tuple[Damage]]:
        """Let it pass from one process to another: a pool waits for ever for what does not."""
        return type(self), (self.damage,)


def of_head(folder: Path) -> Damage | None:
    """Return the damage of the repository around a folder, if it is that its HEAD is empty.

    Git then says that there is no repository.
    """
    for place in (folder, *folder.absolute().parents):
        for git_dir in (place / ".git", place):
            head = git_dir / "HEAD"
            if _is_empty(head) and (git_dir / "objects").is_dir():
                branches = sorted(path.name for path in (git_dir / "refs/heads").glob("*"))
                branch = branches[0] if len(branches) == 1 else "main"
                what = shlex.quote(str(head))
                return Damage(
                    head,
                    "is empty, as after a power cut: Git does not know the repository without it",
                    f"echo 'ref: refs/heads/{branch}' > {what}",
                )
    return None


def of_references(
    common_dir: Path, known: Mapping[str, str] | None = None, *, is_remote: bool = False
) -> Iterator[Damage]:
    """Yield the references that are empty files.

    Args:
        common_dir: the Git folder that has them.
        known: reference to the commit that somebody else knows it at.
        is_remote: whether the folder is a remote of this clone's.
    """
    if _is_empty(common_dir / "packed-refs"):
        yield _packed(common_dir, is_remote=is_remote)
    for path in sorted((common_dir / "refs").rglob("*")):
        if path.suffix == ".lock" or not _is_empty(path):
            continue
        name = path.relative_to(common_dir).as_posix()
        remove = f"rm {shlex.quote(str(path))}"
        text = f"is empty, as after a power cut: Git does not know where {name} was"
        if name.startswith("refs/heads/"):
            last = _last_value(common_dir, name) or (known or {}).get(name)
            value = last or "COMMIT"
            at = f" -C {shlex.quote(str(common_dir))}" if is_remote else ""
            yield Damage(path, text, f"{remove} && git{at} update-ref {name} {value}")
        elif name.startswith("refs/tags/"):
            yield Damage(
                path, text, f"{remove} && gitreg tags sync{' --push' if is_remote else ''}"
            )
        elif name.startswith("refs/remotes/") and name.endswith("/HEAD"):
            yield Damage(path, text, f"{remove} && git remote set-head {name.split('/')[2]} --auto")
        elif name.startswith("refs/remotes/"):
            yield Damage(path, text, f"{remove} && git fetch {name.split('/')[2]}")
        else:
            yield Damage(path, text, remove)


def _packed(common_dir: Path, *, is_remote: bool) -> Damage:
    """Return the damage of an empty ``packed-refs``: branches and tags without a file are lost."""
    path = common_dir / "packed-refs"
    at = f"git -C {shlex.quote(str(common_dir))}" if is_remote else "git"
    steps = [f"rm {shlex.quote(str(path))}"]
    logs = common_dir / "logs"
    for log in sorted((logs / "refs" / "heads").rglob("*")):
        name = log.relative_to(logs).as_posix()
        last = _last_value(common_dir, name) if log.is_file() else None
        if last and not (common_dir / name).exists():
            steps.append(f"{at} update-ref {shlex.quote(name)} {last}")
    if is_remote:
        steps.append("git push --all && gitreg tags sync --push")
    else:
        steps.append("git fetch --quiet --tags && gitreg tags sync")
    text = "is empty, as after a power cut: Git does not know where its branches and tags were"
    return Damage(path, text, " && ".join(steps))


def of_settings(common_dir: Path) -> Iterator[Damage]:
    """Yield the damage of a configuration, and of the ends of a shallow history, that are empty."""
    config, shallow = common_dir / "config", common_dir / "shallow"
    if _is_empty(config):
        again = "git init --quiet && git remote add origin URL"
        yield Damage(config, "is empty, as after a power cut: remotes and settings are lost", again)
    if _is_empty(shallow):
        yield Damage(
            shallow,
            "is empty, as after a power cut: Git does not know where its history ends",
            f"rm {shlex.quote(str(shallow))} && git fetch --quiet --refetch",
        )


def of_index(git_dir: Path) -> Iterator[Damage]:
    """Yield the damage of an index that is an empty file."""
    path = git_dir / "index"
    if _is_empty(path):
        yield Damage(
            path,
            "is empty, as after a power cut: your files are all there, but nothing is staged",
            f"rm {shlex.quote(str(path))} && git reset --quiet",
        )


def of_objects(common_dir: Path, clone: Path | None = None) -> Iterator[Damage]:
    """Yield the loose objects that are empty files.

    Args:
        common_dir: the Git folder that has them.
        clone: of a remote, the clone that may have them.
    """
    for path in sorted((common_dir / "objects").glob("[0-9a-f][0-9a-f]/*")):
        if _is_empty(path) and len(path.name) == 38:
            yield _object(path, common_dir, clone)
    for path in sorted((common_dir / "objects" / "pack").glob("*.*")):
        if path.suffix in (".pack", ".idx") and _is_empty(path):
            yield _pack(path, common_dir, clone)


def _pack(path: Path, common_dir: Path | None = None, clone: Path | None = None) -> Damage:
    """Return the damage of a pack or of its index, which Git makes again from the pack."""
    quoted = shlex.quote(str(path))
    if path.suffix == ".idx" and not _is_empty(path.with_suffix(".pack")):
        text = "is empty, as after a power cut: Git does not find the objects of that pack"
        pack = shlex.quote(str(path.with_suffix(".pack")))
        return Damage(path, text, f"rm -f {quoted} && git index-pack {pack}")
    stem = shlex.quote(str(path.with_suffix("")))
    text = "is empty or cut off, as after a power cut: many objects are lost"
    return Damage(path, text, f"rm -f {stem}.* && {_fetched_again(common_dir, clone)}")


def _object(path: Path, common_dir: Path | None = None, clone: Path | None = None) -> Damage:
    again = f"rm -f {shlex.quote(str(path))} && {_fetched_again(common_dir, clone)}"
    return Damage(path, "is empty or corrupt, as after a power cut: an object is lost", again)


def _fetched_again(common_dir: Path | None, clone: Path | None) -> str:
    """Return the command that brings lost objects from the other side."""
    if clone is None:
        return "git fetch --quiet --refetch"
    place, source = shlex.quote(str(common_dir)), shlex.quote(str(clone))
    return f"git -C {place} fetch --quiet --refetch {source} HEAD"


def in_output(output: str, folder: Path) -> Damage | None:
    """Return the damaged object that made Git fail, if its output names one.

    Args:
        output: what Git wrote.
        folder: where it ran.
    """
    found, pack = _OBJECT.search(output), _PACK.search(output)
    if found is not None:
        return _object(_existing(folder, found[1] or found[2]))
    garbled = _GARBLED.search(output)
    if garbled is not None:  # by its name alone
        name = f"objects/{garbled[1]}/{garbled[2]}"
        inside = _existing(folder, f".git/{name}")
        return _object(inside if inside.exists() else _existing(folder, name))
    return None if pack is None else _pack(_existing(folder, pack[1]))


def _existing(folder: Path, path: str) -> Path:
    """Return the file that Git named: its path starts where the work tree or repository does."""
    if (folder / path).exists():
        return folder / path
    places = (parent / path for parent in folder.absolute().parents)
    return next((place for place in places if place.exists()), folder / path)


def _last_value(common_dir: Path, name: str) -> str | None:
    """Return what a reference was at, by its reflog or the branch of the remote."""
    try:
        log = (common_dir / "logs" / name).read_text("utf-8", "replace").splitlines()
        words = log[-1].split()
    except (OSError, IndexError):
        words = []
    if len(words) > 1 and _OID.fullmatch(words[1]):
        return words[1]
    short = name.removeprefix("refs/heads/")
    for path in sorted((common_dir / "refs/remotes").glob(f"*/{short}")):
        text = path.read_text("ascii", "replace").strip()
        if _OID.fullmatch(text):
            return text
    return None


def _is_empty(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return status.st_size == 0 and path.is_file() and not path.is_symlink()
