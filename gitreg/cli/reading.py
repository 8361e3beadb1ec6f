"""Commands that read: models and versions, their history and their bytes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import (
    opened,
    page,
    pointing_at_mistakes,
    print_json,
    progress_bar,
    say_age,
    terminal_width,
    warn,
)
from gitreg.cli.parameters import (
    ReadArguments,
    ReferenceArgument,
    argument,
    check_model_argument,
    complete_metric,
    complete_model,
    complete_reference,
    complete_stage,
    flag,
    option,
    with_read_options,
)
from gitreg.core.model.names import NO_STAGE
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import (
    GitError,
    GitregError,
    InvalidDocument,
    InvalidRequest,
    NotFound,
    Refused,
)

if TYPE_CHECKING:
    from gitreg.core.model.model import Model, ModelVersion
    from gitreg.registry import Registry


@app.command("list")
@with_read_options
def list_(
    name: Annotated[
        Optional[str], argument("NAME", "The model, or a pattern: 'churn-*'.", complete_model)
    ] = None,
    stage: Annotated[
        Optional[str],
        typer.Option(
            "--stage", metavar="STAGE", help="Only what is there.", autocompletion=complete_stage
        ),
    ] = None,
    metric: Annotated[
        Optional[list[str]],
        option("METRIC", "A column for a metric of versions; may repeat.", complete_metric),
    ] = None,
    sort: Annotated[
        Optional[str], option("METRIC", "Versions with the highest value first.", complete_metric)
    ] = None,
    where: Annotated[
        Optional[str], option("FILTER", "Only versions that match, or models with one.")
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """List the models, or the versions of one, newest first.

    Example: gitreg list churn-predictor --metric roc_auc --sort roc_auc
    """
    of_models = name is None or any(sign in name for sign in "*?[")
    if of_models and (metric or sort):
        raise InvalidRequest(
            "--metric and --sort are about versions of one model",
            hint="name it: gitreg list shows the models",
        )
    broken: list[GitregError] = []
    matching = _matching(where, shared)
    if of_models:
        _list_models(name, stage, matching, shared, broken)
    else:
        check_model_argument(str(name), "gitreg list {model}, or gitreg show {reference}")
        columns = list(dict.fromkeys([*(metric or ()), *([sort] if sort else [])]))
        _list_versions(str(name), stage, matching, columns, sort, shared, broken)
    if broken:
        raise InvalidDocument(
            "; ".join(map(str, broken)),
            hint="what does not parse is left out above; gitreg log shows who changed it",
        )


def _matching(where: str | None, shared: ReadArguments) -> frozenset[tuple[str, int]] | None:
    """Return the versions that match a filter; ``None`` without one."""
    if where is None:
        return None
    from gitreg.history import search

    with pointing_at_mistakes(), opened(shared.repo, shared.allow_rewind) as registry:
        found = search(registry, where, broken=[], **shared.options)
    return frozenset((version.model, version.version) for version in found)


def _list_models(
    pattern: str | None,
    stage: str | None,
    matching: frozenset[tuple[str, int]] | None,
    shared: ReadArguments,
    broken: list[GitregError],
) -> None:
    from gitreg.render import as_json, as_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        _check_stage(registry, stage, shared)
        every = registry.models(broken, **shared.options)
        say_age(registry, registry.commit, shared)
    models = [one for one in every if _is_listed(one, pattern, stage)]
    if matching is not None:
        names = {model for model, _ in matching}
        models = [one for one in models if one.name in names]
    if shared.json:
        print_json([as_json.model_json(model) for model in models])
    elif models:
        page(as_text.models_text(models, terminal_width()))
    elif every:
        typer.echo("nothing matches", err=True)
    elif not broken:
        typer.echo("no models yet: gitreg register --help shows how to add one", err=True)


def _list_versions(
    name: str,
    stage: str | None,
    matching: frozenset[tuple[str, int]] | None,
    columns: list[str],
    sort: str | None,
    shared: ReadArguments,
    broken: list[GitregError],
) -> None:
    from gitreg.render import as_json, as_text, terminal

    with opened(shared.repo, shared.allow_rewind) as registry:
        _check_stage(registry, stage, shared)
        every = registry.versions(name, broken, **shared.options)
        _check_columns(columns, every)
        say_age(registry, registry.commit, shared)
    wanted = None if stage is None or stage.lower() == NO_STAGE else stage.lower()
    versions = [one for one in every if stage is None or one.stage == wanted]
    if matching is not None:
        versions = [one for one in versions if (one.model, one.version) in matching]
    if sort is not None:
        versions.sort(key=lambda one: one.metrics.get(sort, float("-inf")), reverse=True)
    if shared.json:
        print_json([as_json.version_json(version) for version in versions])
    elif versions:
        page(as_text.versions_text(versions, terminal_width(), columns))
    elif every:
        typer.echo("nothing matches", err=True)
    elif not broken:
        shown = terminal.line(name)
        typer.echo(f"no versions of {shown} are left: gitreg log {shown} shows why", err=True)


def _check_columns(metrics: list[str], versions: list[ModelVersion]) -> None:
    """Refuse a metric that no version has; the error names the near misses."""
    known = {metric for version in versions for metric in version.metrics}
    for metric in metrics:
        if versions and metric not in known:
            raise NotFound(f"no version has a metric {metric!a}", hint=did_you_mean(metric, known))


def _check_stage(registry: Registry, stage: str | None, shared: ReadArguments) -> None:
    """Refuse a stage that the policy does not have; the error names the near misses."""
    if stage is not None and stage.lower() != NO_STAGE:
        registry.policy(**shared.options).stage(stage.lower())


def _is_listed(model: Model, pattern: str | None, stage: str | None) -> bool:
    """Tell whether a model matches a pattern and has a version in a stage."""
    from fnmatch import fnmatchcase

    if pattern is not None and not fnmatchcase(model.name, pattern):
        return False
    return stage is None or bool(model.stages.get(stage.lower()))


@app.command()
@with_read_options
def show(
    reference: ReferenceArgument,
    *,
    shared: ReadArguments,
) -> None:
    """Show a model, or everything known about a version.

    Of a model (MODEL): its stages and aliases, last moves and latest versions. Of a stage
    (MODEL/production): since when it holds what, by whom and why, and how to go back.

    Example: gitreg show churn-predictor@champion
    """
    from gitreg.core.model.names import parse_reference
    from gitreg.render import as_json, as_text, pages

    if parse_reference(reference).is_model:
        _show_model(reference, shared)
        return
    with opened(shared.repo, shared.allow_rewind) as registry:
        version = registry.show(reference, **shared.options)
        approvals = registry.approvals(reference, rev=version.read_from)
        given = registry.given_approvals(reference, rev=version.read_from)
        held = registry.held(reference, rev=version.read_from)
        age = registry.age if shared.is_current else None
        if held is not None and held[0].since is None:
            _say_cut_off(registry)
    if shared.json:
        answer = as_json.version_json(version) | as_json.approvals_json(approvals, given)
        print_json(answer | ({} if held is None else {"held": as_json.held_json(held[0])}))
    else:
        if held is not None:
            typer.echo(f"{pages.held_text(*held, terminal_width(), shared.repo)}\n")
        typer.echo(as_text.version_text(version, terminal_width(), approvals, given, age=age))


def _say_cut_off(registry: Registry) -> None:
    """Warn where an answer lacks what was before the history of a shallow clone."""
    if registry.is_shallow:
        warn(("this clone is shallow and has no older history: git fetch --unshallow",))


def _show_model(name: str, shared: ReadArguments) -> None:
    """Print a model's page."""
    from gitreg.render import as_json, pages

    broken: list[GitregError] = []
    with opened(shared.repo, shared.allow_rewind) as registry:
        model = registry.model(name, **shared.options)
        versions = registry.versions(name, broken, **shared.options)
        events = registry.log(name, **shared.options)
        say_age(registry, registry.commit, shared)
    moves = [event for event in events if event.pointer is not None]
    if shared.json:
        answer = as_json.model_json(model)
        answer["versions"] = [as_json.version_json(version) for version in versions]
        print_json(
            answer | {"moves": [as_json.event_json(event) for event in moves[: pages.SHOWN]]}
        )
    else:
        page(pages.model_page(model, versions, moves, terminal_width()))


@app.command()
@with_read_options
def log(
    reference: Annotated[
        Optional[str],
        argument("REF", "A model, one of its stages or aliases, or a version.", complete_reference),
    ] = None,
    limit: Annotated[
        Optional[int],
        typer.Option("-n", "--limit", min=1, metavar="N", help="Show at most N events."),
    ] = None,
    since: Annotated[Optional[str], option("TIME", "Nothing earlier; see --at.")] = None,
    until: Annotated[Optional[str], option("TIME", "Nothing later.")] = None,
    author: Annotated[
        Optional[str], option("WHO", "A part of the name or address of who did it.")
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Show events, newest first.

    When, who, what, from which version to which, why, and in which commit. A promotion is one row;
    --json has every pointer that moved.

    Example: gitreg log churn-predictor/production --since 2026-11-01
    """
    from gitreg.render import as_json
    from gitreg.render.events import events_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        events = registry.log(
            reference,
            limit=limit if shared.json else None,  # rows are counted when they are made
            since=since,
            until=until,
            author=author,
            **shared.options,
        )
        if registry.is_shallow and not events:
            raise GitError(
                "no events: this clone is shallow and has no older history",
                hint="git fetch --unshallow",
            )
        say_age(registry, registry.commit, shared)
        _say_cut_off(registry)
    if shared.json:
        print_json([as_json.event_json(event) for event in events])
    elif events:
        page(events_text(events, terminal_width(), limit))
    else:
        typer.echo("no events", err=True)


@app.command()
@with_read_options
def resolve(
    reference: ReferenceArgument,
    *,
    shared: ReadArguments,
) -> None:
    """Print which version a reference names.

    Example: gitreg resolve models:/churn-predictor/Production
    """
    with opened(shared.repo, shared.allow_rewind) as registry:
        resolved = registry.resolve(reference, **shared.options)
        say_age(registry, resolved.read_from, shared)
    if shared.json:
        from gitreg.render import as_json

        print_json(as_json.resolved_json(resolved))
    else:
        typer.echo(str(resolved))


@app.command()
@with_read_options
def compare(
    base: Annotated[str, argument("BASE", "What it is compared with.", complete_reference)],
    candidate: Annotated[str, argument("CANDIDATE", "The other version.", complete_reference)],
    code: Annotated[
        bool, flag("--code", "Only the code: commits and changed lines between the two.")
    ] = False,
    data: Annotated[bool, flag("--data", "Only the data: files that came, went, changed.")] = False,
    environment: Annotated[
        bool, flag("--environment", "Only the environment: packages that changed.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Show how two versions differ.

    Metrics, params, data, code and environment. DIFFERENCE is CANDIDATE minus BASE. Of code, the
    files outside the registry that differ between the two commits.

    --code, --data and --environment show these in detail, instead; together or alone.

    Example: gitreg compare churn-predictor/production churn-predictor@2
    """
    from gitreg.render import as_json
    from gitreg.render.comparison import comparison_text

    if code or data or environment:
        _compare_in_detail((base, candidate), shared, code, data, environment)
        return
    with opened(shared.repo, shared.allow_rewind) as registry:
        comparison = registry.compare(base, candidate, **shared.options)
        say_age(registry, comparison.b.read_from, shared)
    if shared.json:
        print_json(as_json.comparison_json(comparison))
    else:
        typer.echo(comparison_text(comparison, terminal_width()))


def _compare_in_detail(
    pair: tuple[str, str], shared: ReadArguments, code: bool, data: bool, environment: bool
) -> None:
    """Print how code, data or environment of two versions differ."""
    from dataclasses import asdict

    from gitreg.history import differences
    from gitreg.render import differences as text

    document, parts, width = {}, [], terminal_width()
    with opened(shared.repo, shared.allow_rewind) as registry:
        if code:
            of_code = differences.code_difference(registry, *pair, **shared.options)
            document["code"] = asdict(of_code)
            parts.append(text.code_text(of_code, width))
        if data:
            of_data = differences.data_difference(registry, *pair, **shared.options)
            document["data"] = asdict(of_data)
            parts.append(text.data_text(of_data, width))
        if environment:
            packages = differences.environment_difference(registry, *pair, **shared.options)
            document["environment"] = asdict(packages)
            parts.append(text.environment_text(packages, width))
    if shared.json:
        print_json(document)
    else:
        page("\n\n".join(parts))


@app.command()
@with_read_options
def pull(
    reference: ReferenceArgument,
    output: Annotated[
        Optional[str],
        typer.Option("-o", "--output", metavar="DIR", help="The folder to put the artifact into."),
    ] = None,
    force: Annotated[
        bool, flag("--force", "Replace a different file or folder of that name in DIR.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Download a version, verify it, and print its path.

    It is a folder, or one file; the output says which. It appears at that path only after it
    matches the manifest's SHA-256.

    Example: gitreg pull churn-predictor@champion -o /srv/model
    """
    from gitreg.render import as_json, terminal

    with (
        progress_bar("pull") as progress,
        opened(shared.repo, shared.allow_rewind, progress) as registry,
    ):
        resolved = registry.resolve(reference, **shared.options)
        path = registry.pull(resolved, output, replace_existing=force, rev=resolved.read_from)
        sha256 = registry.sha256(resolved, rev=resolved.read_from)
        say_age(registry, resolved.read_from, shared)
    kind = "folder" if path.is_dir() else "file"
    said = f"{resolved}, read from {resolved.read_from[: terminal.SHORT]}: a {kind}"
    typer.echo(said, err=True)
    if shared.json:
        answer = as_json.resolved_json(resolved)
        print_json(answer | {"path": str(path), "kind": kind, "sha256": sha256})
    else:
        typer.echo(str(path))


@app.command()
@with_read_options
def verify(
    references: Annotated[
        Optional[list[str]],
        argument("REF...", "Versions or models; all by default.", complete_reference),
    ] = None,
    remote: Annotated[
        bool, flag("--remote", "Read every byte from the DVC remote instead of the cache.")
    ] = False,
    repair: Annotated[
        bool, flag("--repair", "Replace damaged or missing bytes there from a good cache.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Compare artifacts with their manifests.

    Hashes their bytes again; exits 1 when one differs or is missing. With --remote it reads what
    others would pull, and writes nothing without --repair.

    Example: gitreg verify --remote churn-predictor@champion
    """
    from gitreg.render import as_json, as_text, terminal
    from gitreg.render.colour import paint_verdict

    findings = []
    count = bad = 0
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar("verify")) if remote else None
        registry = stack.enter_context(
            opened(shared.repo, shared.allow_rewind, bar, streams=not remote)
        )
        verified = registry.verify(
            *(references or ()), remote=remote, repair=repair, **shared.options
        )
        if remote:  # read to the end: the bar owns the terminal while it is drawn
            verified = iter(list(verified))
            say_age(registry, registry.commit, shared)
            stack.close()
        for version, found in verified:
            count += 1
            bad += any(finding.severity == "error" for finding in found)
            findings += found or [as_text.well(version)]
            if not shared.json:
                well = f"{terminal.line(version.reference)}: {paint_verdict('ok')}"
                typer.echo(as_text.findings_text(found) or well)
        if not remote:
            say_age(registry, registry.commit, shared)
    if shared.json:
        print_json([as_json.finding_json(finding) for finding in findings])
    if not count:
        typer.echo("no versions to verify", err=True)
    if bad:
        where = " on the DVC remote" if remote else ""
        raise Refused(f"{bad} of {count} versions do not match their manifests{where}")
