"""`Change`: what an operation would do, as a value; dry run, review and commit render it.

>>> change = Change("promote churn@5 to production", trailers=(("Gitreg-Action", "promote"),))
>>> print(change.message(), end="")
promote churn@5 to production
<BLANKLINE>
Gitreg-Action: promote
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gitreg.core.policy.verdict import Judgement
from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidRequest

TRAILER_PREFIX = "Gitreg-"
OPERATION = "Gitreg-Op"
"""The trailer with an operation's id: an operation repeated under its id is done once."""

OVERRIDE = "Gitreg-Override"
"""The trailer with the reason for an override of the policy."""

ADOPTED = "Gitreg-Tag"
"""The trailer with GTO's tag of a move that an import repeats: the move needs no tag of its own."""

COUNTER = "Gitreg-Counter"
"""The trailer with the highest counter that tags of others have: gitreg's own are above it."""

TIME = "Gitreg-Time"
"""The trailer with the time of a call to the millisecond, because a commit's date has seconds."""

_TRAILER_LIKE = re.compile(r"^(\s*)(Gitreg-[\w-]+\s*:)", re.IGNORECASE | re.MULTILINE)
# Git's words; abbreviated by `git revert --reference`, and followed by more after a merge.
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)
_REVERTS_LIKE = re.compile(r"^(\s*)(This reverts commit)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Edit:
    """The new content of a path, in bytes; ``None`` removes it."""

    path: str
    content: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Change:
    """A future commit: file edits and message. It writes nothing.

    Attributes:
        subject: imperative, one line.
        edits: the files written or removed.
        reason: what the person gave with ``-m``.
        evidence: lines that support the change: metrics against the incumbent, gates passed.
        reverts: the commit that this one reverts, 40 hex digits.
        trailers: key and value; keys may repeat.
        warnings: warnings for the user; not part of the commit.
        judgements: the policy's verdicts on the versions that move; the evidence quotes them.
    """

    subject: str
    edits: tuple[Edit, ...] = ()
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    reverts: str | None = None
    trailers: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are written."""
        return tuple(edit.path for edit in self.edits)

    def message(self) -> str:
        """Return the commit message: subject, reason, evidence, trailers."""
        parts = [self.subject]
        if self.reason:
            parts.append(defuse(self.reason))
        if self.evidence:
            # Indented, so that gitreg's findings differ from a person's words. One line each: the
            # name of a metric must not forge a paragraph.
            parts.append("\n".join(f"  {' '.join(line.split())}" for line in self.evidence))
        if self.reverts:
            parts.append(f"This reverts commit {self.reverts}.")
        if self.trailers:
            parts.append("\n".join(f"{key}: {value}" for key, value in self.trailers))
        return "\n\n".join(parts) + "\n"

    def with_trailer(self, key: str, value: str) -> Change:
        """Return the same change with one more trailer."""
        return replace(self, trailers=(*self.trailers, (key, value)))


def check_reason(reason: str | None) -> str | None:
    """Return the reason for a change, trimmed; ``None`` when it is empty.

    Raises:
        InvalidRequest: it has control characters other than line breaks and tabs.
    """
    if reason is None or not reason.strip():
        return None
    lines = reason.replace("\r\n", "\n").strip().split("\n")
    if any(has_invisible(line.replace("\t", " ")) for line in lines):
        raise InvalidRequest("the reason has a control or invisible character")
    trimmed = "\n".join(line.rstrip() for line in lines)
    return re.sub("\n{3,}", "\n\n", trimmed)  # one blank line is enough, as Git has it


def defuse(text: str) -> str:
    """Return ``text`` with no line that could be read as a trailer or a revert.

    A reason may have several lines, and trailers are read from the last lines of a message. `> ` in
    front keeps the words and takes their effect away.
    """
    return _REVERTS_LIKE.sub(r"\1> \2", _TRAILER_LIKE.sub(r"\1> \2", text))


def parse_message(message: str) -> Change:
    """Return the change that a commit message describes, without its edits.

    The inverse of `Change.message` for gitreg's own messages. In a message by hand everything but
    evidence, reverts and trailers is the reason.

    >>> text = "promote m@5\\n\\nBetter.\\n\\n  auc 0.9\\n\\nGitreg-Action: promote\\n"
    >>> told = parse_message(text)
    >>> told.subject, told.reason, told.evidence, told.trailers
    ('promote m@5', 'Better.', ('auc 0.9',), (('Gitreg-Action', 'promote'),))
    """
    paragraphs = message.strip().split("\n\n")
    lines = paragraphs[-1].splitlines() if trailers_of(message) else []
    evidence = (part for part in paragraphs[1:] if lines and _is_evidence(part))
    reverts = re.search(r"^This reverts commit ([0-9a-f]{40})\.$", message, re.MULTILINE)
    subject, _, below = paragraphs[0].partition("\n")
    return Change(
        subject,
        reason="\n\n".join(filter(None, (below.strip(), reason_of(message)))) or None,
        evidence=tuple(line.strip() for part in evidence for line in part.splitlines()),
        reverts=reverts[1] if reverts else None,
        trailers=tuple(
            (key, value)
            for key, separator, value in (line.partition(": ") for line in lines)
            if separator and key.startswith(TRAILER_PREFIX)
        ),
    )


def _is_evidence(paragraph: str) -> bool:
    """Tell whether a paragraph is indented throughout, which is how evidence is written."""
    if not paragraph.startswith("  "):
        return not paragraph
    return all(line.startswith("  ") for line in paragraph.splitlines())


def trailers_of(message: str) -> dict[str, tuple[str, ...]]:
    """Return gitreg's trailers of a commit message; only the last paragraph can hold them.

    >>> trailers_of("promote\\n\\nGitreg-Model: a\\nGitreg-Model: b\\n")
    {'Gitreg-Model': ('a', 'b')}
    """
    return dict(_trailers_of(message))


@lru_cache(maxsize=64)  # a reader of history asks for those of one commit several times
def _trailers_of(message: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if TRAILER_PREFIX not in message:
        return found
    for line in message.rstrip().rpartition("\n\n")[2].splitlines():
        key, separator, value = line.partition(": ")
        if separator and key.startswith(TRAILER_PREFIX):
            found[key] = (*found.get(key, ()), value.strip())
    return found


def reverted_by(message: str) -> str | None:
    """Return the one commit that a message says its commit reverts, maybe abbreviated.

    ``None`` where it names none, or several.

    >>> reverted_by("Revert x\\n\\nThis reverts commit 0338151c8.")
    '0338151c8'
    """
    found: list[str] = _REVERTS.findall(message)
    return found[0] if len(found) == 1 else None


def reason_of(message: str) -> str | None:
    """Return the reason for a commit: what a person wrote below the subject.

    >>> reason_of("promote m@5\\n\\nBetter recall.\\n\\n  auc 0.9\\n\\nGitreg-Action: promote\\n")
    'Better recall.'
    """
    paragraphs = message.strip().split("\n\n")[1:]
    is_ours = bool(_trailers_of(message))
    kept = [
        paragraph
        for paragraph in paragraphs
        if not paragraph.startswith(("This reverts commit ", TRAILER_PREFIX))
        and not (is_ours and _is_evidence(paragraph))
    ]
    return "\n\n".join(kept).strip() or None
