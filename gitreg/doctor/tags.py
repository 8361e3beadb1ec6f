"""Compares the tags of the clone and of its Git remote with the tags that history implies."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from gitreg.core.model.names import parse_tag
from gitreg.core.text.counts import quantity
from gitreg.core.text.urls import hide_credentials
from gitreg.doctor.clone import RemoteState
from gitreg.doctor.inspection import Inspection
from gitreg.errors import GitError
from gitreg.findings import Finding
from gitreg.git import publish
from gitreg.publishing.tags import compare_tags, tagged_tip, without_known


def in_clone(inspection: Inspection) -> Iterator[Finding]:
    """Yield the clone's missing, wrong and foreign tags."""
    repository, history = inspection.repository, inspection.history
    tip = None if repository.is_shallow else tagged_tip(repository, inspection.clone)
    if tip is None:
        return
    report = compare_tags(repository, history, tip)
    yield from _counted(
        "missing-tag", report.made, "that history implies: missing here", "gitreg tags sync"
    )
    for name in report.wrong:
        yield Finding(
            "wrong-tag",
            "error",
            name,
            "it is not the tag that history implies",
            "gitreg tags sync --force",
        )
    yield from _counted(
        "abandoned-tag",
        report.abandoned,
        "on commits that no branch has any more",
        "gitreg tags sync",
    )
    published = _published_later(inspection, tip) if report.foreign else frozenset()
    for name in report.foreign:
        if name in published:
            continue
        yield Finding(
            "foreign-tag",
            "warning",
            name,
            "no event in history implies it: another tool's, somebody's, or of a move that git "
            "reset took back; gitreg leaves it",
            f"git show {shlex.quote(name)}",
        )


def _published_later(inspection: Inspection, tip: str) -> frozenset[str]:
    """Return the tags of published commits that a clone which is behind does not have yet."""
    history, clone = inspection.history, inspection.clone
    try:
        known = clone.last_published(clone.tip().branch)
    except GitError:
        return frozenset()
    if known in (None, tip) or not inspection.repository.is_ancestor(tip, str(known)):
        return frozenset()
    history.advance(str(known), exact=True)
    names = frozenset(tag.name for tag in history.tags())
    history.advance(tip, exact=True)
    return names


def on_remote(inspection: Inspection, remote_state: RemoteState) -> Iterator[Finding]:
    """Yield the remote's missing, wrong and foreign tags, judged by the published history."""
    if remote_state.upstream is None or remote_state.published is None:
        return
    if not inspection.clone.is_tagged(inspection.clone.tip().branch):
        return
    history = inspection.history
    history.advance(remote_state.published, exact=True)
    implied = history.tags()
    wanted = {tag.name: publish.tag_object_name(tag.content) for tag in implied}
    wanted |= publish.present_tags(inspection.repository, implied)
    present = inspection.clone.ignoring_signatures(
        remote_state.upstream, implied, wanted, remote_state.tags
    )
    remote = remote_state.upstream.shown
    wrong = [name for name, oid in wanted.items() if present.get(name, oid) != oid]
    # The remote refuses the whole push if one of its tags differs.
    sync = f"gitreg tags sync --push{' --force' if wrong else ''}"
    missing = [name for name in wanted if name not in present]
    yield from _counted(
        "remote-missing-tag",
        missing,
        f"of the published history: missing on {remote}",
        sync,
    )
    for name in wrong:
        yield Finding(
            "remote-wrong-tag",
            "error",
            name,
            f"on {remote} it is not the tag that history implies: GTO and DVC give wrong answers",
            sync,
        )
    models = {tag.model for tag in implied}
    extra = [
        name
        for name in present
        if name not in wanted and (parsed := parse_tag(name)) and parsed.model in models
    ]
    extra = without_known(inspection.repository, history, extra)
    yield from _foreign(remote_state.upstream.remote, extra)
    history.advance(str(inspection.state.commit), exact=True)


def _counted(code: str, names: Sequence[str], words: str, remedy: str) -> Iterator[Finding]:
    """Yield one warning about all of these tags, if there are any."""
    if names:
        yield Finding(code, "warning", names[0], f"{quantity(len(names), 'tag')} {words}", remedy)


def _foreign(remote: str, names: Sequence[str]) -> Iterator[Finding]:
    place = hide_credentials(remote)
    for name in names:
        yield Finding(
            "remote-foreign-tag",
            "warning",
            name,
            f"it is on {place}, but no event in history implies it: another tool's, or somebody's; "
            "gitreg leaves it",
            f"git ls-remote {shlex.quote(place)} {shlex.quote(f'refs/tags/{name}')}",
        )
