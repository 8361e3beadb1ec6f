"""Reads GTO's tags from a repository, without those that gitreg made itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitreg.core.model.gto_tags import GtoTag, parse_gto_tag
from gitreg.git import publish
from gitreg.git.history_index import HistoryIndex
from gitreg.git.objects import GitObject
from gitreg.git.repository import GitRepository

_PERSON = re.compile(rb"^(?:tagger|author) (.*) <(.*)> (-?[0-9]+) [-+][0-9]{4}$", re.MULTILINE)
_LATEST = 253402214400
"""The last day but one of the year 9999: later dates are on no calendar."""

_OWN_WORDS = re.compile(
    r"\S+ (?:no longer )?names .+@[0-9]+|[^ ]+@[0-9]+(?: was deleted| has another name now)?"
)
"""The messages of gitreg's own tags, as `gitreg.core.state.tags` writes them."""


@dataclass(frozen=True)
class Record:
    """One of GTO's tags.

    Attributes:
        tag: what its name says.
        commit: the commit that it is on, 40 hex digits.
        name: of the tagger; of a lightweight tag, the commit's author.
        email: theirs.
        time: when, in seconds since the epoch.
        message: of the tag; empty for a lightweight one.
    """

    tag: GtoTag
    commit: str
    name: str
    email: str
    time: int
    message: str


def read_records(repository: GitRepository, history: HistoryIndex) -> list[Record]:
    """Return GTO's tags in a repository, in no order.

    Args:
        repository: where to look.
        history: the index, advanced to the tip: it knows which tags are gitreg's own.
    """
    found = {name: tag for name in repository.tags() if (tag := parse_gto_tag(name))}
    own = publish.present_tags(repository, history.tags())
    names = [name for name in found if name not in own]
    objects = repository.reader.get_many([f"refs/tags/{name}" for name in names])
    commits = repository.reader.get_many([f"refs/tags/{name}^{{commit}}" for name in names])
    records = []
    for name, there, commit in zip(names, objects, commits, strict=True):
        if there is None or commit is None or commit.kind != "commit":
            continue  # a tag of a blob or a tree
        record = _record(found[name], there, commit)
        # gitreg's own, too, for an operation that was taken back since.
        if not _OWN_WORDS.fullmatch(record.message):
            records.append(record)
    return records


def _record(tag: GtoTag, there: GitObject, commit: GitObject) -> Record:
    head, _, message = there.data.partition(b"\n\n")
    person = _PERSON.search(head)
    if there.kind != "tag":
        message = b""
    if person is None:
        person = _PERSON.search(commit.data.partition(b"\n\n")[0])
    name, email, time = (person[1], person[2], person[3]) if person else (b"", b"", b"0")
    return Record(
        tag,
        commit.oid,
        name.decode("utf-8", "replace").strip(),
        email.decode("utf-8", "replace").strip(),
        min(max(int(time[:19]), 0), _LATEST),
        message.partition(b"\n-----BEGIN ")[0].decode("utf-8", "replace").strip(),
    )
