"""The ``artifacts`` section of ``dvc.yaml``, changed without touching anything else in the file.

The file is the user's, with their pipeline and comments. So gitreg edits only the lines of one
entry, and refuses a file whose section is not in block style.

>>> print(set_artifact(b"stages: {}\\n", "churn", "registry/churn/model").decode(), end="")
stages: {}
artifacts:
  churn:
    path: registry/churn/model
    type: model
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from gitreg.core.model.layout import DVC_YAML, versions_path
from gitreg.errors import InvalidDocument

_LINE = re.compile("[^\n]*\n|[^\n]+")

# `key: value  # comment` on a line of its own; the value may be absent.
_KEY = re.compile(
    r"""(?P<head> *(?P<quote>["']?)(?P<name>[\w./-]+)(?P=quote)[ \t]*:)"""
    r"(?P<value>(?:[ \t]+(?!\#)\S.*?)?)(?P<comment>(?:[ \t]+\#.*?)?[ \t]*)(?P<end>\r?\n?)"
)

# A key that no YAML reader, of 1.1 or 1.2, takes for a number, a date, a boolean or null.
_PLAIN_KEY = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z][\w-]*", re.IGNORECASE)


# What may stand behind a key whose mapping is below: an anchor.
_BARE = re.compile(r"[ \t]+&\S+")


@dataclass(frozen=True)
class _Entry:
    """An artifact: its first line, the line after its last, and the parsed line of its key."""

    start: int
    stop: int
    key: re.Match[str]


def set_artifact(content: bytes, name: str, path: str | None) -> bytes:
    """Return ``content`` in which the artifact ``name`` has ``path``; ``None`` removes the entry.

    Raises:
        InvalidDocument: the file is not UTF-8, or not in block style where the edit would be.
    """
    lines, newline = _lines(content)
    head = next((n for n, line in enumerate(lines) if _key(line, "artifacts")), None)
    if head is not None:
        _edit_section(lines, head, name, path, newline)
    elif path is not None:
        _refuse_other_top_level(lines)
        _insert(lines, len(lines), [f"artifacts:{newline}", *_entry("  ", name, path, newline)])
    return "".join(lines).encode()


def is_others(content: bytes, name: str) -> bool:
    """Tell whether the artifact ``name`` is there and is the user's: its path is none of gitreg's.

    >>> is_others(b"artifacts:\\n  churn:\\n    path: models/churn\\n", "churn")
    True

    Raises:
        InvalidDocument: as `set_artifact`.
    """
    lines, mine = _located(content, name)
    if mine is None:
        return False
    if not is_own_path(_BARE.sub("", mine.key["value"]), name):
        place = _path_line(lines, mine)
        path = "" if place is None else _parts(lines[place])["value"]
        return not is_own_path(path, name)
    return False


def is_own_path(path: str, name: str) -> bool:
    """Tell whether the path of an artifact, maybe quoted, is one that gitreg gives ``name``."""
    return f"{versions_path(name)}/" in path


def rename_artifact(content: bytes, name: str, new: str, path: str) -> bytes:
    """Return ``content`` in which an artifact has another name and path, and all else stays.

    Raises:
        InvalidDocument: as `set_artifact`.
    """
    lines, mine = _located(content, name)
    if mine is None:
        return set_artifact(content, new, path)
    indent = " " * _depth(lines[mine.start])
    key = new if _PLAIN_KEY.fullmatch(new) else f"'{new}'"
    lines[mine.start] = indent + key + lines[mine.start][len(mine.key["head"]) - 1 :]
    return set_artifact("".join(lines).encode(), new, path)


def _located(content: bytes, name: str) -> tuple[list[str], _Entry | None]:
    """Return the lines of a document, and its entry of an artifact."""
    lines, _ = _lines(content)
    head = next((n for n, line in enumerate(lines) if _key(line, "artifacts")), None)
    return lines, None if head is None else _find(lines, head, name)


def _find(lines: list[str], head: int, name: str) -> _Entry | None:
    """Return an entry of the section that begins at ``head``."""
    if _parts(lines[head])["value"].replace(" ", "") not in ("", "{}"):
        _refuse("artifacts")
    return next((e for e in _entries(lines, head + 1) if e.key["name"] == name), None)


def _lines(content: bytes) -> tuple[list[str], str]:
    """Return the lines of the file, and its line break."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{DVC_YAML}: not UTF-8 text") from None
    return _LINE.findall(text), "\r\n" if "\r\n" in text else "\n"


def _edit_section(lines: list[str], head: int, name: str, path: str | None, newline: str) -> None:
    value = _parts(lines[head])["value"].replace(" ", "")
    if value not in ("", "{}"):
        _refuse("artifacts")
    entries = list(_entries(lines, head + 1))
    mine = next((entry for entry in entries if entry.key["name"] == name), None)
    if mine is not None and _BARE.sub("", mine.key["value"]):
        _refuse(f"artifacts.{name}")
    if mine is not None and path is not None:
        _set_path(lines, mine, path)
    elif mine is not None:
        del lines[mine.start : mine.stop]
        if len(entries) == 1:
            _set_value(lines, head, " {}")
    elif path is not None:
        indent = " " * _depth(lines[entries[0].start]) if entries else "  "
        _set_value(lines, head, "")
        _insert(lines, _section_end(lines, head), _entry(indent, name, path, newline))


def _entries(lines: list[str], start: int) -> Iterator[_Entry]:
    """Yield the artifacts of the section whose lines begin at ``start``."""
    end = start
    while end < len(lines) and (not _says(lines[end]) or lines[end].startswith(" ")):
        end += 1
    telling = [number for number in range(start, end) if _says(lines[number])]
    indent = _depth(lines[telling[0]]) if telling else 0
    starts = [number for number in telling if _depth(lines[number]) <= indent]
    for number, following in zip(starts, [*starts, end][1:], strict=True):
        key = _KEY.fullmatch(lines[number])
        if key is None or _depth(lines[number]) < indent:
            _refuse("artifacts")
        last = telling[bisect_left(telling, following) - 1]
        yield _Entry(number, last + 1, key)


def _section_end(lines: list[str], head: int) -> int:
    """Return the line after the section's last indented one, which may be a comment."""
    last = number = head
    while number + 1 < len(lines) and (
        lines[number + 1][0] in " #" or not _says(lines[number + 1])
    ):
        number += 1
        if lines[number].startswith(" ") and lines[number].strip():
            last = number
    return last + 1


def _path_line(lines: list[str], entry: _Entry) -> int | None:
    """Return the line that has the path of an artifact, and all of it."""
    inside = [number for number in range(entry.start + 1, entry.stop) if _says(lines[number])]
    for number, following in zip(inside, [*inside, None][1:], strict=True):
        if _depth(lines[number]) > _depth(lines[inside[0]]) or not _key(
            lines[number].strip(), "path"
        ):
            continue
        if following is not None and _depth(lines[following]) > _depth(lines[number]):
            break  # the value goes on below, as a folded text does
        return number
    return None


def _set_path(lines: list[str], entry: _Entry, path: str) -> None:
    number = _path_line(lines, entry)
    if number is None:
        raise InvalidDocument(
            f"{DVC_YAML}: artifacts.{entry.key['name']}: has no path on a line of its own"
        )
    anchor = _BARE.match(_parts(lines[number])["value"])
    _set_value(lines, number, f"{anchor[0] if anchor else ''} {path}")


def _set_value(lines: list[str], number: int, value: str) -> None:
    parts = _parts(lines[number])
    lines[number] = parts["head"] + value + parts["comment"] + parts["end"]


def _insert(lines: list[str], number: int, new: list[str]) -> None:
    """Insert lines, and add a missing line break before them."""
    if number and not lines[number - 1].endswith("\n"):
        lines[number - 1] += "\r\n" if new[0].endswith("\r\n") else "\n"
    lines[number:number] = new


def _entry(indent: str, name: str, path: str, newline: str) -> list[str]:
    key = name if _PLAIN_KEY.fullmatch(name) else f"'{name}'"
    texts = (f"{indent}{key}:", f"{indent * 2}path: {path}", f"{indent * 2}type: model")
    return [text + newline for text in texts]


def _key(line: str, name: str) -> bool:
    """Tell whether a line that is not indented has the key ``name``."""
    match = None if line.startswith(" ") else _KEY.fullmatch(line)
    return match is not None and match["name"] == name


def _parts(line: str) -> re.Match[str]:
    match = _KEY.fullmatch(line)
    assert match is not None
    return match


def _says(line: str) -> bool:
    """Tell whether a line is more than a blank or a comment."""
    return line.strip()[:1] not in ("", "#")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _refuse_other_top_level(lines: list[str]) -> None:
    """Refuse a document to whose end no key can be added."""
    telling = [line for line in lines if _says(line) and not line.startswith(("---", "%"))]
    if telling and (telling[0][0] in " {[" or any(line.startswith("...") for line in telling)):
        _refuse("the top level")


def _refuse(where: str) -> NoReturn:
    raise InvalidDocument(
        f"{DVC_YAML}: {where}: not in block style, gitreg cannot edit it",
        hint="write each artifact on lines of its own",
    )
