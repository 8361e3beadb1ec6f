"""What differs between the code, data and environment of two versions, in detail, as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from gitreg.core.state.differences import (
    CodeCommitEntry,
    CodeDifference,
    CodeSide,
    DataChange,
    DataDifference,
    EnvironmentDifference,
    FileChange,
)
from gitreg.core.text.counts import quantity
from gitreg.render.terminal import SHORT, line, person, size, table, when

SHOWN = 20
"""How many commits, files or packages are shown; ``--json`` has all."""


def code_text(found: CodeDifference, width: int) -> str:
    """Return the commits and files between the code of two versions."""
    first = [line(f"code: {_side(found.base)} → {_side(found.candidate)}")]
    first += map(line, _code_notes(found))
    parts = ["\n".join(first)]
    if found.commits:
        rows = [_commit_row(found, entry) for entry in found.commits[:SHOWN]]
        titles = ("COMMIT", "IN", "WHEN", "WHO", "SUBJECT")
        parts.append(table(titles, rows, width) + _more(found.commits))
    if found.files:
        rows = [_file_row(change) for change in found.files[:SHOWN]]
        parts.append(table(("FILE", "ADDED", "REMOVED"), rows, width) + _more(found.files))
        parts.append(line(f"    {_git_diff(found)}"))
    return "\n\n".join(parts)


def _side(side: CodeSide) -> str:
    return f"{side.version} {side.commit[:SHORT] if side.commit else 'names no commit'}"


def _code_notes(found: CodeDifference) -> Iterator[str]:
    """Yield what a reader has to know before the tables."""
    for side in (found.base, found.candidate):
        if side.commit is not None and not side.is_here:
            where = f" (it is of {side.repository})" if side.repository else ""
            how = f": {side.fetch}" if side.fetch else ""
            yield f"{side.version}: commit {side.commit[:SHORT]} is not in this clone{where}{how}"
        if side.unrecorded is not None:
            yield f"{side.version} was trained with {side.unrecorded}, which no commit has"
    if found.relation is None:
        return
    yield from _relation(found)
    if found.pipeline is None:
        yield "no DVC pipeline is known: all files outside registry/ count"
    else:
        named = ", ".join(found.pipeline[:SHOWN])
        yield f"limited to the files of the pipeline: {named}{_rest(found.pipeline)}"
    if not found.files:
        yield "none of these files differs"
    if found.elsewhere:
        named = ", ".join(found.elsewhere[:SHOWN])
        yield f"differs besides: {named}{_rest(found.elsewhere)}"


def _relation(found: CodeDifference) -> Iterator[str]:
    base, candidate = found.base.version, found.candidate.version
    common = (found.merge_base or "")[:SHORT]
    if found.relation == "same":
        yield "both are of the same commit"
    elif found.relation == "behind":
        yield f"the code of {candidate} is older than that of {base}"
    elif found.relation == "diverged":
        yield f"neither is an ancestor of the other: they parted after {common}"
    elif found.relation == "unrelated":
        why = "; this clone is shallow: git fetch --unshallow" if found.is_shallow else ""
        yield f"the commits have no common ancestor here{why}"


def _commit_row(found: CodeDifference, entry: CodeCommitEntry) -> tuple[str, ...]:
    side = found.base if entry.side == "base" else found.candidate
    return (
        entry.commit[:SHORT],
        side.version,
        when(entry.time),
        person(entry.author),
        entry.subject,
    )


def _file_row(change: FileChange) -> tuple[str, ...]:
    path = change.path if change.renamed_from is None else f"{change.renamed_from} → {change.path}"
    if change.added is None:
        return (path, "binary", "binary")
    return (path, f"+{change.added}", f"-{change.removed}")


def _git_diff(found: CodeDifference) -> str:
    """Return the command that shows the difference."""
    commits = " ".join(str(side.commit)[:SHORT] for side in (found.base, found.candidate))
    names = {name for one in found.files for name in (one.path, one.renamed_from) if name}
    for paths in () if found.pipeline is None else (names, found.pipeline):
        if len(paths) <= SHOWN:
            return f"git diff {commits} -- {' '.join(map(shlex.quote, sorted(paths)))}"
    return f"git diff {commits} -- . ':!registry'"


def data_text(found: DataDifference, width: int) -> str:
    """Return the data that differ between two versions, and which files of folders."""
    if not found.changes:
        known = quantity(len(found.same), "path") if found.same else "none is recorded"
        return line(f"data: the same, {known}")
    rows = [
        (one.path, one.kind, _amount(one, "before"), _amount(one, "after"))
        for one in found.changes[:SHOWN]
    ]
    titles = ("DATA", "", found.base, found.candidate)
    parts = [table(titles, rows, width) + _more(found.changes)]
    parts += [_folder_text(one, width) for one in found.changes[:SHOWN] if one.files]
    parts += [
        line(f"{one.path}: its files cannot be compared: {one.problem}")
        for one in found.changes[:SHOWN]
        if one.problem
    ]
    if found.same:
        named = ", ".join(found.same[:SHOWN])
        parts.append(line(f"the same: {named}{_rest(found.same)}"))
    return "\n\n".join(parts)


def _amount(change: DataChange, when: str) -> str:
    """Return hash, size and number of files of one side, as far as known."""
    state, count = getattr(change, when), getattr(change, f"size_{when}")
    files = getattr(change, f"files_{when}")
    facts = [
        *([state] if state else []),
        *([size(count)] if count is not None else []),
        *([quantity(files, "file")] if files is not None else []),
    ]
    return ", ".join(facts) or "-"


def _folder_text(change: DataChange, width: int) -> str:
    files = change.files or ()
    kinds = [(kind, sum(one.kind == kind for one in files)) for kind in ("added", "removed")]
    kinds.append(("changed", len(files) - sum(count for _, count in kinds)))
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
    rows = [
        (one.path or change.path, one.kind, _size(one.size_before), _size(one.size_after))
        for one in files[:SHOWN]
    ]
    titles = ("FILE", "", "SIZE BEFORE", "SIZE AFTER")
    return line(f"{change.path}: {counted}") + "\n" + table(titles, rows, width) + _more(files)


def _size(count: int | None) -> str:
    return "-" if count is None else size(count)


def environment_text(found: EnvironmentDifference, width: int) -> str:
    """Return the packages that differ, and Python and platform if they do."""
    rows: list[tuple[object, ...]] = [
        (name, "changed", pair.a, pair.b)
        for name, pair in (("python", found.python), ("platform", found.platform))
        if pair is not None
    ]
    rows += [(one.name, one.kind, one.before, one.after) for one in found.packages[:SHOWN]]
    rest = [line(f"{one} has no list of packages: none is compared") for one in found.unknown]
    same = quantity(found.same, "package")
    if not rows:
        said = "nothing known differs" if found.unknown else f"the same, {same}"
        return "\n".join([f"environment: {said}", *rest])
    titles = ("ENVIRONMENT", "", found.base, found.candidate)
    shown = table(titles, rows, width) + _more(found.packages)
    return "\n\n".join([shown, "\n".join(rest or [f"the same: {same}"])])


def _rest(named: Sequence[object]) -> str:
    return f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""


def _more(shown: Sequence[object]) -> str:
    """Return a last line under a table that does not have all."""
    return f"\n…{_rest(shown)}; --json has all" if len(shown) > SHOWN else ""
