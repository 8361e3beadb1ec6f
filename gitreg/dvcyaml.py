"""The ``artifacts`` section of ``dvc.yaml``, changed without touching anything else in the file.

The file is the user's (their pipeline, their comments), so it is edited as lines, and only the
lines of one entry; a file whose section is written in another way than block style is refused.

>>> print(set_artifact(b"stages: {}\\n", "churn", "registry/churn/versions/1/model").decode(), end="")
stages: {}
artifacts:
  churn:
    path: registry/churn/versions/1/model
    type: model
"""

from __future__ import annotations

import re

from gitreg.errors import InvalidDocument
from gitreg.layout import DVC_YAML

_SECTION = re.compile(r"""(?:artifacts|"artifacts"|'artifacts')\s*:\s*(?P<rest>.*)""")
_ENTRY = re.compile(r"""(?P<indent> +)(?P<quote>["']?)(?P<name>[\w/-]+)(?P=quote)\s*:\s*(?:#.*)?""")


def set_artifact(content: bytes, name: str, path: str | None) -> bytes:
    """Return ``content`` in which the artifact ``name`` has ``path``; ``None`` removes the entry.

    Raises:
        InvalidDocument: it is not UTF-8, or its section is not in block style.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{DVC_YAML}: not UTF-8 text") from None
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.removesuffix(newline).split(newline) if text else []
    start, end = _section(lines)
    if start is None:
        if path is None:
            return content
        lines += ["artifacts:", *_entry("  ", name, path)]
    else:
        _set_in_section(lines, start, end, name, path)
    return (newline.join(lines) + newline).encode() if lines else b""


def _entry(indent: str, name: str, path: str) -> list[str]:
    # A name of digits alone would be read as a number.
    key = f"'{name}'" if not re.search("[A-Za-z_-]", name) else name
    return [f"{indent}{key}:", f"{indent * 2}path: {path}", f"{indent * 2}type: model"]


def _section(lines: list[str]) -> tuple[int | None, int]:
    """Return the line after ``artifacts:`` and the line after the section's last."""
    for number, line in enumerate(lines):
        match = _SECTION.fullmatch(line)
        if match is None:
            continue
        rest = match["rest"].split("#")[0].strip()
        if rest == "{}":
            lines[number] = "artifacts:"
        elif rest:
            raise InvalidDocument(
                f"{DVC_YAML}: artifacts: not in block style, gitreg cannot add to it",
                hint="write each artifact on lines of its own",
            )
        end = number + 1
        last = end
        while end < len(lines) and (not lines[end].strip() or lines[end][0] in " #"):
            end += 1
            if lines[end - 1].startswith(" "):
                last = end
        return number + 1, last
    return None, len(lines)


def _set_in_section(lines: list[str], start: int, end: int, name: str, path: str | None) -> None:
    indent = None
    for number in range(start, end):
        match = _ENTRY.fullmatch(lines[number])
        if match is None:
            continue
        indent = indent or match["indent"]
        if match["name"] != name or match["indent"] != indent:
            continue
        stop = number + 1
        while stop < end and _depth(lines[stop]) > len(indent):
            stop += 1
        if path is None:
            del lines[number:stop]
            if not any(line.strip() for line in lines[start : end - (stop - number)]):
                lines[start - 1] = "artifacts: {}"
            return
        for inner in range(number + 1, stop):
            found = re.match(r"(\s+path\s*:\s*)\S", lines[inner])
            if found:
                lines[inner] = found[1] + path
                return
        raise InvalidDocument(f"{DVC_YAML}: artifacts.{name}: has no path on a line of its own")
    if path is not None:
        lines[end:end] = _entry(indent or "  ", name, path)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
