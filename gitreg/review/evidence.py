"""The text of a pull request: what a reviewer must know about a change, in Markdown. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import CodeCommit, ModelVersion
from gitreg.core.model.names import ARCHIVE, NO_STAGE, format_version
from gitreg.core.state.change import OPERATION, Change
from gitreg.core.state.compare import Comparison, compare
from gitreg.core.state.state import RegistryState
from gitreg.core.text.counts import quantity
from gitreg.core.text.markdown import block, code, link, table
from gitreg.review.hosts import Host, host_of

LIMIT = 60_000
"""The longest text, in characters; GitHub accepts 65,536."""

_ROWS = 40
_CELL = 200


@dataclass(frozen=True)
class _Move:
    """A pointer before and after: the versions of a stage, or the one of an alias."""

    model: str
    pointer: str
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def shown(self) -> str:
        """The pointer as people write it, ``production`` or ``@champion``."""
        kind, _, name = self.pointer.partition("/")
        return f"@{name}" if kind == "aliases" else name

    @property
    def came(self) -> tuple[int, ...]:
        """The versions that it names only afterwards, ascending."""
        return tuple(version for version in self.after if version not in self.before)

    @property
    def left(self) -> tuple[int, ...]:
        """The versions that it no longer names, ascending."""
        return tuple(version for version in self.before if version not in self.after)


def evidence_text(before: RegistryState, change: Change, host: Host | None = None) -> str:
    """Return the text of a request, in Markdown; all text from the registry is escaped.

    Args:
        before: the registry as published.
        change: the change under review.
        host: the host of the request, for links.
    """
    after = before.after({edit.path: edit.content for edit in change.edits})
    moves = _moves(before, change)
    parts = [block(change.reason)] if change.reason else []
    if moves:
        rows = [
            (code(m.model), code(m.shown), code(_numbers(m.before)), code(_numbers(m.after)))
            for m in moves
        ]
        parts.append(table(("model", "pointer", "before", "after"), rows))
    parts += [f"**Note:** {code(warning)}" for warning in change.warnings]
    for model, version, incumbent, where in _candidates(before, change, moves):
        if ("Gitreg-Action", "rename") in change.trailers:
            break  # a rename does not change the versions
        parts += _beside(after, (model, version), incumbent, where, host)
    if any(judgement.verdicts for judgement in change.judgements):
        rows = [
            (verdict.word, code(verdict.rule), code(judgement.reference), code(verdict.line))
            for judgement in change.judgements
            for verdict in judgement.verdicts
        ]
        parts += ["### Policy verdicts", table(("verdict", "rule", "version", "why"), rows)]
    if change.evidence:
        parts.append("### Evidence in the commit message")
        parts.append("\n".join(f"- {code(line)}" for line in change.evidence))
    parts += _way_back(before, change, moves)
    operation = next((value for key, value in change.trailers if key == OPERATION), "")
    named = f"Operation {code(operation)}. " if operation else ""
    last = (
        f"{named}The same command with <code>--pr</code> updates this request; "
        "after the merge, <code>gitreg tags sync --push</code> creates the tags."
    )
    return _cut(parts, last)


def _cut(parts: Sequence[str], last: str) -> str:
    """Join paragraphs, without the largest ones if a host would not accept them all."""
    kept = list(parts)
    omitted = "*A part too long for a request is left out: see* <code>gitreg compare</code>"
    while sum(len(part) + 2 for part in kept) + len(last) > LIMIT:
        longest = max(range(len(kept)), key=lambda place: len(kept[place]))
        kept[longest] = omitted
    return "\n\n".join([*kept, last]) + "\n"


def _moves(before: RegistryState, change: Change) -> list[_Move]:
    found = []
    for edit in change.edits:
        place = layout.locate(edit.path)
        if place is None or place.pointer is None:
            continue
        sides = [
            _held(place.kind, data, edit.path)
            for data in (before.snapshot.read(edit.path), edit.content)
        ]
        found.append(_Move(place.model, place.pointer, *sides))
    return found


def _held(kind: str, data: bytes | None, path: str) -> tuple[int, ...]:
    if kind == "stages":
        return manifest.read_versions(data, path)
    return () if data is None else (manifest.read_alias(data, path),)


def _numbers(versions: tuple[int, ...]) -> str:
    return ", ".join(map(str, versions)) or "-"


def _candidates(
    before: RegistryState, change: Change, moves: Iterable[_Move]
) -> Iterable[tuple[str, int, int | None, str]]:
    """Return the versions to review: model, number, incumbent's number, incumbent's stage."""
    found: dict[tuple[str, int, int | None], str] = {}
    for move in moves:
        if move.pointer == f"stages/{ARCHIVE}":
            continue
        leaving = move.left or move.before
        for version in move.came:
            found.setdefault((move.model, version, leaving[-1] if leaving else None), move.shown)
    for edit in change.edits:
        place = layout.locate(edit.path)
        if place is None or place.kind != "manifest" or place.version is None or not edit.content:
            continue
        held = before.stages(place.model) if place.model in before.model_names() else {}
        stage = next((name for name in ("production", *held) if held.get(name)), "")
        found[place.model, place.version, held[stage][-1] if stage else None] = stage
    return [(*key, where) for key, where in found.items()]


def _beside(
    after: RegistryState,
    candidate: tuple[str, int],
    incumbent: int | None,
    where: str,
    host: Host | None,
) -> list[str]:
    """Return the paragraphs that compare a version with the incumbent."""
    new = after.version(*candidate)
    frozen = after.requirements(*candidate)
    if incumbent is None:
        empty = f": {code(where)} holds no other version to compare it with" if where else ""
        parts = [f"### {code(new.reference)}{empty}"]
        blank = replace(new, metrics={}, params={})
        found = compare(blank, new, frozen, frozen)
        old = None
    else:
        old = after.version(candidate[0], incumbent)
        at = f" ({code(where)})" if where else ""
        parts = [f"### {code(new.reference)} beside {code(old.reference)}{at}"]
        found = compare(old, new, after.requirements(candidate[0], incumbent), frozen)
    parts += _tables(found, old, new)
    codes = [(version, version.lineage.code) for version in (old, new) if version is not None]
    parts.append(
        "\n".join(f"- code of {code(v.reference)}: {_code(commit, host)}" for v, commit in codes)
    )
    artifact = new.artifact
    files = quantity(artifact.files, "file")
    made = f"{files}, {artifact.size} bytes, sha256 {artifact.sha256}"
    parts[-1] += f"\n- artifact: {code(made)}\n- registered by {code(new.created_by)}"
    parts[-1] += f" at {code(new.created_at)}"
    return parts


def _tables(found: Comparison, old: ModelVersion | None, new: ModelVersion) -> list[str]:
    columns = [code(version.reference) for version in (old, new) if version is not None]
    parts = []
    if found.metrics:
        rows = [
            (code(name), *_both(old, m.a, m.b), *([code(_signed(m.delta))] if old else []))
            for name, m in found.metrics.items()
        ]
        parts.append(_table(("metric", *columns, *(["difference"] if old else [])), rows))
    else:
        parts.append("No metrics are recorded.")
    sections: dict[str, Mapping[str, Any]] = {
        "param": found.params,
        "data": found.data,
        "environment": found.environment,
        "signature": found.signature,
    }
    for title, differing in sections.items():
        rows = [
            (code(_short(name)), *_both(old, pair.a, pair.b)) for name, pair in differing.items()
        ]
        if rows:
            parts.append(_table((title, *columns), rows))
    if old is None:
        rows = [(code(_short(item.path)), code(item.state or "-")) for item in new.lineage.data]
        parts += [_table(("data", *columns), rows)] if rows else []
    else:
        same = [
            title
            for title, differing in sections.items()
            if not differing and (title != "signature" or new.signature)
        ]
        parts += [f"No difference: {', '.join(same)}."] if same else []
    return parts


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    more = f"\n\n… and {len(rows) - _ROWS} more" if len(rows) > _ROWS else ""
    return table(headers, islice(rows, _ROWS)) + more


def _both(old: ModelVersion | None, a: object, b: object) -> list[str]:
    return [code(_short(value)) for value in ((a, b) if old is not None else (b,))]


def _signed(delta: float | None) -> str:
    return "-" if delta is None else f"{delta:+g}"


def _short(value: object) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return "-"
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}…"


def _code(commit: CodeCommit | None, host: Host | None) -> str:
    """Return the code commit of a version, as a link when it is on the request's host."""
    if commit is None:
        return "not known"
    place = None if commit.repository is None else host_of(commit.repository)
    if place is not None and host is not None and place.name == host.name:
        # The user may have configured the kind of this host.
        url = replace(place, kind=host.kind).commit_url(commit.commit)
    else:
        url = None  # a registry must not send people to hosts of its choice
    shown = link(code(commit.commit[:12]), url)
    whose = f" of {code(commit.repository)}" if commit.repository and url is None else ""
    return f"{shown}{whose}{f', with {commit.unrecorded}' if commit.unrecorded else ''}"


_WAY_BACK = ("### Roll back after the merge",)
_REVERT = "git revert COMMIT    # the merge commit"


def _way_back(before: RegistryState, change: Change, moves: Sequence[_Move]) -> list[str]:
    """Return how to undo the change once it is merged."""
    taken_back = ("Gitreg-Action", "rollback") in change.trailers
    whole = _whole_models(change)
    commands: list[str] = []
    if ("Gitreg-Action", "create") in change.trailers:
        commands = [f"gitreg delete {shlex.quote(name)}" for name in whole]
    elif ("Gitreg-Action", "rename") in change.trailers:
        commands = [f"gitreg rename {' '.join(map(shlex.quote, reversed(whole)))}"]
    if whole:
        return [*_WAY_BACK, block("\n".join(f"{one} -m WHY --pr" for one in commands) or _REVERT)]
    for model in dict.fromkeys(move.model for move in moves):
        own = [move for move in moves if move.model == model]
        commands += _undo(before, model, own, goes_forth=not taken_back)
    for edit in change.edits:
        place = layout.locate(edit.path)
        if place is not None and place.kind == "manifest" and edit.content is not None:
            commands.append(f"gitreg delete {_quoted(place.model, place.version or 0)}")
    lines = [f"{command} -m WHY --pr" for command in commands]
    return [*_WAY_BACK, block("\n".join(lines) or _REVERT)]


def _whole_models(change: Change) -> tuple[str, ...]:
    """Return the models that a change creates, renames (old name, new name) or deletes whole."""
    keys = [key for key, _ in change.trailers]
    action = dict(change.trailers).get("Gitreg-Action")
    if action not in ("create", "rename", "delete") or "Gitreg-Version" in keys:
        return ()
    return tuple(value for key, value in change.trailers if key == "Gitreg-Model")


def _undo(
    before: RegistryState, model: str, moves: Sequence[_Move], *, goes_forth: bool
) -> list[str]:
    """Return the commands that undo the moves of a model's pointers."""
    stages = [move for move in moves if move.pointer.startswith("stages/")]
    swapped = [m for m in stages if m.shown != ARCHIVE and m.came and m.left]
    if swapped and goes_forth:  # a rollback moves the aliases back, too
        return [f"gitreg rollback {shlex.quote(model)} --stage {move.shown}" for move in swapped]
    if swapped:
        return [
            f"gitreg promote {_quoted(model, *move.left)} --to {move.shown}" for move in swapped
        ]
    places: dict[str, list[int]] = {}
    for version in sorted({v for move in stages for v in (*move.came, *move.left)}):
        places.setdefault(before.stage_of(model, version) or NO_STAGE, []).append(version)
    commands = [
        f"gitreg promote {_quoted(model, *held)} --to {stage}" for stage, held in places.items()
    ]
    for move in moves:
        alias = move.shown.removeprefix("@")
        if move in stages:
            continue
        if move.before:
            commands.append(f"gitreg alias set {_quoted(model, *move.before)} {shlex.quote(alias)}")
        else:
            commands.append(f"gitreg alias delete {shlex.quote(f'{model}@{alias}')}")
    return commands


def _quoted(model: str, *versions: int) -> str:
    """Return references quoted for a shell."""
    return " ".join(shlex.quote(format_version(model, version)) for version in versions)
