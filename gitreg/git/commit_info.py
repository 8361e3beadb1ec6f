"""One reader of commit objects, for history, checks and hooks alike.

Git's own commands disagree on malformed commits: of two ``committer`` lines `git log` shows the
last, and `git rev-list` sorts by the first.
"""

from __future__ import annotations

import codecs
import re

from gitreg.core.state.history import CommitInfo
from gitreg.git.objects import GitObject

_PERSON = re.compile(r"(?P<who>.*?<[^<>]*>)(?: (?P<time>-?\d{1,15}) (?P<zone>[-+]\d{1,8}))?.*")
# What Git writes, without signature, encoding or other headers: read at once, for speed.
_USUAL = re.compile(
    rb"(tree [0-9a-f]{40}\n(?:parent [0-9a-f]{40}\n)*)"
    rb"author ([^<>\n\0]*<[^<>\n\0]*>) \d{1,12} [-+]\d{4}\n"
    rb"committer ([^<>\n\0]*<[^<>\n\0]*>) (\d{1,12}) ([-+]\d{4})\n\n"
)
_COMMITTER = re.compile(rb"committer [^<>\0]*<[^<>\0]*> \d{1,12} [-+]\d{4}")


def read_commit_info(found: GitObject) -> CommitInfo:
    """Return the fields of a commit object, even of a malformed one."""
    usual = _USUAL.match(found.data)
    if usual is None:
        return _read_any(found)
    tree_and_parents, author, committer, time, zone = usual.groups()
    return CommitInfo(
        found.oid,
        tree_and_parents[53:93].decode() or None,
        author.decode("utf-8", "replace"),
        committer.decode("utf-8", "replace"),
        int(time),
        zone.decode(),
        found.data[usual.end() :].decode("utf-8", "replace"),
    )


def _read_any(found: GitObject) -> CommitInfo:
    header, _, message = found.data.partition(b"\n\n")
    values: dict[str, str] = {}
    parents = []
    encoding = _encoding(header)
    for line in header.decode(encoding, "replace").split("\n"):
        key, _, value = line.partition(" ")
        if key == "parent":
            parents.append(value)
        elif key:
            values.setdefault(key, value)
    people = {role: _PERSON.fullmatch(values.get(role, "")) for role in ("author", "committer")}
    author, committer = people["author"], people["committer"]
    return CommitInfo(
        found.oid,
        parents[0] if parents else None,
        author["who"] if author else values.get("author", ""),
        committer["who"] if committer else values.get("committer", ""),
        int(committer["time"] or 0) if committer else 0,
        (committer["zone"] or "+0000") if committer else "+0000",
        message.decode(encoding, "replace"),
    )


def _encoding(header: bytes) -> str:
    """Return the encoding that a commit names, as `git log` recodes by it; else UTF-8."""
    _, found, rest = header.partition(b"\nencoding ")
    name = rest.partition(b"\n")[0].decode("ascii", "replace") if found else "utf-8"
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return "utf-8"
    return info.name if getattr(info, "_is_text_encoding", True) else "utf-8"


def fault_of_commit(data: bytes) -> str | None:
    """Return why programs read a commit object differently; ``None`` for a sound one.

    >>> fault_of_commit(b"author A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000\\n\\nmessage\\n")
    """
    header = data.partition(b"\n\n")[0].split(b"\n")
    if b"\0" in data:
        return "it has a NUL byte, behind which Git does not read"
    for role in (b"author", b"committer"):
        count = sum(line.startswith(role + b" ") for line in header)
        if count != 1:
            return f"it has {count} {role.decode()} lines"
    committer = next(line for line in header if line.startswith(b"committer "))
    if not _COMMITTER.fullmatch(committer):
        return "its committer line is not 'Name <email> seconds zone'"
    return None
