"""Versions and events as data for the scripts: details, comparisons, plots, the audit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitreg.core.model.model import Evaluation, ModelVersion
from gitreg.core.policy.measured import data_of
from gitreg.core.state.compare import flatten
from gitreg.core.state.history import Event
from gitreg.core.state.intervals import Interval, Track
from gitreg.core.text.times import utc
from gitreg.site.texts import web_address
from gitreg.site.values import ModelSeen, Setting

PART = 250
"""How many versions' details are in a file: version 1 to 249 in the first."""

_MOST_SERIES = 60
"""How many metrics can be plotted."""


def version_record(version: ModelVersion, seen: ModelSeen, packages: int | None) -> dict[str, Any]:
    """Return all details of a version that are its own.

    Args:
        version: which.
        seen: its model.
        packages: the place of its packages among the environments of the same file.
    """
    number, artifact = version.version, version.artifact
    signature = version.signature
    found: dict[str, Any] = {
        "at": version.created_at,
        "by": version.created_by,
        "commit": version.commit,
        "artifact": [artifact.path, artifact.size, artifact.files, artifact.sha256, artifact.md5],
        "metrics": dict(version.metrics),
        "params": {name: _text(value) for name, value in flatten(version.params).items()},
        "lineage": _lineage(version),
        "environment": [version.environment.python, version.environment.platform, packages],
        "signature": signature
        and {"inputs": signature.inputs, "outputs": signature.outputs, "params": signature.params},
        "description": version.description,
        "tags": dict(version.tags),
        "evaluations": [_evaluation(one) for one in version.evaluations.values()],
        "approvals": [
            [one.stage, one.principal, one.verified, one.key, one.reason]
            for one in seen.approvals.get(number, ())
        ],
        "remade": [
            [one.verdict, one.signer, {key: _text(value) for key, value in one.facts.items()}]
            for one in seen.remade.get(number, ())
        ],
    }
    return {key: value for key, value in found.items() if value not in (None, {}, [], "")}


def _text(value: Any) -> Any:
    """Return a value as a script shows it: a large integer would lose its last digits there."""
    is_plain = isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 2**53)
    return value if is_plain else str(value)


def _lineage(version: ModelVersion) -> dict[str, Any]:
    lineage, code, run = version.lineage, version.lineage.code, version.lineage.run
    found = {
        "source": lineage.source,
        "code": code
        and [
            code.commit,
            code.repository,
            code.unrecorded,
            list(code.changed),
            web_address(code.repository),
        ],
        "data": [[item.path, item.state, item.size] for item in lineage.data],
        "command": lineage.command,
        "run": run and [run.id, run.tracking_uri, web_address(run.link)],
        "logged_model": lineage.logged_model,
        "tag": lineage.tag,
    }
    return {key: value for key, value in found.items() if value not in (None, [], "")}


def _evaluation(one: Evaluation) -> dict[str, Any]:
    found = {
        "name": one.name,
        "at": one.created_at,
        "by": one.created_by,
        "data": data_of(one),
        "state": one.data.state,
        "split": one.split,
        "metrics": dict(one.metrics),
        "intervals": {name: list(bounds) for name, bounds in one.intervals.items()},
        "threshold": one.threshold,
        "slices": [[part.where, part.rows, dict(part.metrics)] for part in one.slices],
        "command": one.command,
    }
    return {key: value for key, value in found.items() if value not in (None, {}, [], "")}


def part_records(seen: ModelSeen) -> dict[int, dict[str, Any]]:
    """Return the files of versions' details, by number; environments are in each once."""
    parts: dict[int, dict[str, Any]] = {}
    places: dict[tuple[int, tuple[tuple[str, str], ...]], int] = {}
    for version in seen.versions:
        part = version.version // PART
        record = parts.setdefault(part, {"packages": [], "versions": {}})
        packages = seen.packages.get(version.version) or {}
        place = None
        if packages:
            key = (part, tuple(packages.items()))
            if key not in places:
                places[key] = len(record["packages"])
                record["packages"].append(dict(packages))
            place = places[key]
        record["versions"][version.version] = version_record(version, seen, place)
    return parts


def model_record(seen: ModelSeen, setting: Setting) -> dict[str, Any]:
    """Return what a model's pages know of all of its versions: pointers, plots, times, events."""
    model = seen.model
    return {
        "name": model.name,
        "main": setting.main,
        "commits": setting.commit_url,
        "part": PART,
        "versions": [
            [
                one.version,
                one.created_at,
                one.stage or "",
                list(one.aliases),
            ]
            for one in seen.versions
        ],
        "series": series_of(seen.versions),
        "stood": [
            [one.version, track.pointer, *_interval(one)]
            for track in seen.tracks
            for one in track.intervals
            if one.version is not None and not track.is_over
        ],
        "beside": {
            number: other
            for number, other in incumbents(seen, setting.main).items()
            if other != number
        },
        "events": [event_record(event) for event in seen.events],
        "deleted": {
            number: [gone.deleted_at, gone.deleted_by, gone.reason or ""]
            for number, gone in seen.deleted.items()
        },
    }


def _interval(one: Interval) -> list[Any]:
    return [
        one.since,
        one.until,
        one.author,
        one.reason,
        one.action,
        one.ended_by,
        one.commit,
        one.override,
    ]


def event_record(event: Event) -> list[Any]:
    """Return an event as a list: commit, time, author, model, action and so on."""
    return [
        event.commit,
        utc(event.time),
        event.author,
        event.model,
        event.action,
        event.version,
        event.pointer or event.stage or "",
        list(event.before) if event.pointer else [],
        list(event.after) if event.pointer else [],
        event.override or event.reason or "",
        event.subject,
        int(event.override is not None),
        event.renamed_to or event.renamed_from or event.principal or "",
    ]


def series_of(versions: Sequence[ModelVersion]) -> list[dict[str, Any]]:
    """Return the metrics that can be plotted, each with a value a version or ``None``.

    Of an evaluation's metric the data is named, and whether it was the same for all versions.
    """
    names: dict[tuple[str, str], None] = {}
    for version in versions:
        names.update(dict.fromkeys(("", metric) for metric in version.metrics))
        for name, one in version.evaluations.items():
            names.update(dict.fromkeys((name, metric) for metric in one.metrics))
    return [_series(evaluation, metric, versions) for evaluation, metric in [*names][:_MOST_SERIES]]


def _series(evaluation: str, metric: str, versions: Sequence[ModelVersion]) -> dict[str, Any]:
    values: list[float | None] = []
    measured: dict[str, None] = {}
    states: set[object] = set()
    for version in versions:
        one = version.evaluations.get(evaluation)
        metrics: Mapping[str, float] = version.metrics
        if evaluation:
            metrics = one.metrics if one else {}
        values.append(metrics.get(metric))
        if one is not None and metric in one.metrics:
            measured[data_of(one)] = None
            states.add(one.measured_on)
    found: dict[str, Any] = {
        "name": f"{evaluation}: {metric}" if evaluation else metric,
        "values": values,
    }
    if evaluation:
        found["data"] = list(measured)[:4]
        found["same"] = len(states) == 1 and None not in states
    return found


def incumbents(seen: ModelSeen, main: str) -> dict[int, int]:
    """Return the version beside which each one is judged.

    That is what it replaced in the serving stage; for one that never served, what serves now.
    """
    found: dict[int, int] = {}
    track = next(
        (one for one in seen.tracks if one.pointer == f"stages/{main}" and not one.is_over), None
    )
    serving = seen.model.stages.get(main, ())
    if serving:
        found = {version.version: serving[-1] for version in seen.versions}
    if track is not None:
        found |= _replaced(track)
    return found


def _replaced(track: Track) -> dict[int, int]:
    found: dict[int, int] = {}
    before: int | None = None
    for one in track.intervals:
        if one.version is None:
            continue
        if one.version not in found and before is not None:
            found[one.version] = before
        elif before is None:
            found[one.version] = one.version  # the first one had nothing beside it
        before = one.version
    return found


def served(tracks: Iterable[Track], main: str) -> frozenset[int]:
    """Return the versions that were ever in the serving stage."""
    return frozenset(
        one.version
        for track in tracks
        if track.pointer == f"stages/{main}" and not track.is_over
        for one in track.intervals
        if one.version is not None
    )
