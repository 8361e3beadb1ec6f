"""Commands that write: versions, their stages and aliases, and models as a whole."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from gitreg.cli.app import alias_app, app
from gitreg.cli.output import (
    print_json,
    print_outcome,
    progress_bar,
    showing_refusals,
    terminal_width,
    warn,
)
from gitreg.cli.parameters import (
    JsonOption,
    OverrideOption,
    OwnerOption,
    ReferenceArgument,
    ReferencesArgument,
    TagsOption,
    ToStageOption,
    WriteArguments,
    argument,
    assignments,
    check_model_argument,
    complete_alias,
    complete_metric,
    complete_model,
    complete_number,
    complete_reference,
    complete_stage,
    flag,
    option,
    with_write_options,
)
from gitreg.errors import InvalidRequest, NotFound
from gitreg.registry import Registry


@app.command()
def init(
    path: Annotated[str, argument("PATH", "The folder; created if missing.")] = ".",
    json: JsonOption = False,
) -> None:
    """Create a registry here, in one commit.

    Runs git init and dvc init as needed, and writes the policy.

    Example: gitreg init
    """
    folder = Path(path).absolute()
    standing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if not standing.is_dir():
        raise InvalidRequest(f"{standing} is not a folder")
    outcome = Registry.init(path)
    top = _top_of(path)
    if not json and outcome.is_unchanged:
        typer.echo(f"nothing to do: there is a registry already, in {top}")
        warn(outcome.warnings)
    else:
        print_outcome(outcome, WriteArguments(json=json))
        if top != folder.resolve():
            warn((f"the registry is in {top}, the root of the Git repository",))
    if not json and not Registry(path).state().model_names():
        typer.echo(_next_commands(top, Path.cwd()), err=True)


def _next_commands(top: Path, here: Path) -> str:
    """Return the three commands that follow the first one, with the user's own values."""
    from gitreg.artifacts.likely import likely_model
    from gitreg.core.model.names import folder_of, is_model_name
    from gitreg.render import terminal

    found = likely_model(top)
    is_inside = here.is_relative_to(top)
    source = os.path.relpath(found or top / "models" / "model.pkl", here if is_inside else top)
    is_plain = is_model_name(top.name) and folder_of(top.name) == top.name
    model = top.name if is_plain else "my-model"
    where = "" if is_inside else f" in {shlex.quote(str(top))}"
    commands = (
        f"gitreg register {model} {shlex.quote(source)}",
        f'gitreg promote {model}@1 --to production -m "the first one"',
        f"gitreg show {model}/production",
    )
    path = "" if found else ", with your model's path"
    return "\n    ".join(map(terminal.line, [f"next{where}{path}:", *commands]))


def _top_of(path: str) -> Path:
    """Return the root of the work tree that holds a folder."""
    from gitreg.git.repository import GitRepository

    folder = Path(path)
    return (GitRepository(folder).top_level or folder).resolve()


@app.command()
@with_write_options
def register(
    name: Annotated[str, argument("NAME", "The model.", complete_model)],
    source: Annotated[str, argument("PATH", "A file, a folder, or a .dvc file.")],
    metrics: Annotated[Optional[str], option("FILE", "Metrics: JSON, YAML or TOML.")] = None,
    metric: Annotated[Optional[list[str]], option("NAME=NUMBER", "One metric; may repeat.")] = None,
    params: Annotated[Optional[str], option("FILE", "Hyperparameters: JSON, YAML or TOML.")] = None,
    param: Annotated[Optional[list[str]], option("NAME=VALUE", "One param; may repeat.")] = None,
    tag: TagsOption = None,
    data: Annotated[
        Optional[list[str]], option("PATH", "Data it was trained on; may repeat.")
    ] = None,
    description: Annotated[Optional[str], option("TEXT", "Description of the version.")] = None,
    requirements: Annotated[
        Optional[str], option("FILE", "Frozen environment, instead of this interpreter's.")
    ] = None,
    run_id: Annotated[Optional[str], option("ID", "The tracking run that made it.")] = None,
    evaluation: Annotated[
        Optional[list[str]], option("FILE", "What was measured on named data; may repeat.")
    ] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Register the next version of a model.

    If DVC tracks PATH, its known hash is used, and the dependencies, params, metrics and command
    of its DVC stage become the lineage. Metrics and params given here replace those of the stage.

    Example: gitreg register churn-predictor models/churn --metrics metrics.json
    """
    from gitreg.artifacts.metrics_and_params import (
        parse_metric,
        parse_param,
        read_metrics,
        read_params,
    )

    if not os.path.lexists(source) and ("/" in name or Path(name).suffix) and os.path.exists(name):  # noqa: PTH110
        raise InvalidRequest(
            f"{name} is a path, and {source} is not there: the model's name comes first",
            hint=f"gitreg register {shlex.quote(source)} {shlex.quote(name)}",
        )
    known_metrics: Any = metrics
    if metric:
        known_metrics = read_metrics(Path(metrics)) if metrics else {}
        known_metrics |= dict(parse_metric(text) for text in metric)
    known_params: Any = params
    if param:
        known_params = read_params(Path(params)) if params else {}
        known_params |= dict(parse_param(text) for text in param)
    with progress_bar("register") as progress, Registry(shared.repo, progress=progress) as registry:
        outcome = registry.register(
            name,
            source,
            metrics=known_metrics,
            params=known_params,
            tags=assignments(tag or [], "--tag"),
            data=data or (),
            description=description,
            requirements=requirements,
            run_id=run_id,
            evaluations=evaluation or (),
            **shared.options,
        )
    number = outcome.versions[0].version
    print_outcome(outcome, shared, model=name, version=number)


@app.command()
@with_write_options
def promote(
    references: ReferencesArgument,
    to: ToStageOption,
    alias: Annotated[
        Optional[list[str]], option("NAME", "Move this alias too; may repeat.", complete_alias)
    ] = None,
    keep_existing: Annotated[
        bool, flag("--keep-existing", "Leave the incumbents where they are.")
    ] = False,
    if_better: Annotated[
        Optional[list[str]],
        option(
            "METRIC",
            "Only if METRIC is higher than the incumbent's, or nothing is there.",
            complete_metric,
        ),
    ] = None,
    if_lower: Annotated[
        Optional[list[str]],
        option(
            "METRIC",
            "Only if METRIC is lower than the incumbent's, or nothing is there.",
            complete_metric,
        ),
    ] = None,
    else_archive: Annotated[
        bool, flag("--else-archive", "Archive a candidate that a metric refuses.")
    ] = False,
    override: OverrideOption = None,
    force: Annotated[
        bool, flag("--force", "Move a version even if that leaves its stage empty.")
    ] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Put versions into a stage, if the policy allows it.

    Makes one commit. Each rule's verdict is shown and recorded in the commit. Exits 1 if a rule
    refuses or a metric is not better. A version has at most one stage; promoting it moves it there,
    unless that leaves production (or another later stage of the policy) empty.

    Example: gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion
    """
    if else_archive and not if_better and not if_lower:
        raise InvalidRequest("--else-archive needs --if-better or --if-lower")
    if "@" in to:
        raise InvalidRequest(
            f"--to {to!a} is a version, and names a stage here",
            hint=f"gitreg promote {shlex.quote(to)} --to production",
        )
    aliases = [name.removeprefix("@") for name in alias or ()]
    with Registry(shared.repo) as registry, showing_refusals(json=shared.json):
        _check_metrics(registry, references, [*(if_better or ()), *(if_lower or ())])
        _warn_of_new_aliases(registry, references, aliases)
        outcome = registry.promote(
            *references,
            stage=to,
            alias=aliases,
            keep_existing=keep_existing,
            if_better=if_better or (),
            if_lower=if_lower or (),
            else_archive=else_archive,
            override=override,
            force=force,
            **shared.options,
        )
    print_outcome(outcome, shared)


def _check_metrics(registry: Registry, references: Sequence[str], metrics: Sequence[str]) -> None:
    """Refuse a mistyped metric: a version without it would look worse than the incumbent."""
    from gitreg.cli.meant import meant_metric

    if not metrics:
        return
    for version in map(registry.show, references):
        for metric in metrics:
            hint = meant_metric(metric, version)
            if hint is not None:
                raise NotFound(f"{version.reference} has no metric {metric!a}", hint=hint)


def _warn_of_new_aliases(
    registry: Registry, references: Sequence[str], aliases: Sequence[str]
) -> None:
    """Warn of an alias that is one letter away from another one of its model."""
    from gitreg.cli.meant import new_alias
    from gitreg.core.model.names import parse_reference

    if aliases:
        for name in dict.fromkeys(parse_reference(one).model for one in references):
            state = registry.state()
            known = state.readable_pointers(name, []).aliases if state.has_model(name) else {}
            warn(tuple(filter(None, (new_alias(alias, known) for alias in aliases))))


@app.command()
@with_write_options
def archive(
    references: ReferencesArgument,
    override: OverrideOption = None,
    *,
    shared: WriteArguments,
) -> None:
    """Put versions into the archive, in one commit.

    Example: gitreg archive churn-predictor@1 -m "superseded"
    """
    with Registry(shared.repo) as registry, showing_refusals(json=shared.json):
        outcome = registry.archive(*references, override=override, **shared.options)
    print_outcome(outcome, shared)


@alias_app.command("set")
@with_write_options
def alias_set(
    reference: ReferenceArgument,
    alias: Annotated[str, argument("ALIAS", "champion, challenger, …", complete_alias)],
    *,
    shared: WriteArguments,
) -> None:
    """Point an alias at a version; stages do not change.

    Example: gitreg alias set churn-predictor@2 champion
    """
    name = alias.removeprefix("@")
    with Registry(shared.repo) as registry:
        _warn_of_new_aliases(registry, [reference], [name])
        outcome = registry.set_alias(reference, name, **shared.options)
    print_outcome(outcome, shared)


@alias_app.command("delete")
@with_write_options
def alias_delete(
    reference: Annotated[
        str, argument("NAME@ALIAS", "The alias: churn-predictor@challenger.", complete_reference)
    ],
    alias: Annotated[Optional[str], typer.Argument(metavar="ALIAS", hidden=True)] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Delete an alias; the version stays.

    Example: gitreg alias delete churn-predictor@challenger
    """
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(reference if alias is None else f"{reference}@{alias}")
    if wanted.alias is None:
        raise InvalidRequest(
            f"which alias? {wanted} names none", hint=f"gitreg alias delete {wanted.model}@ALIAS"
        )
    with Registry(shared.repo) as registry:
        outcome = registry.delete_alias(wanted.model, wanted.alias, **shared.options)
    print_outcome(outcome, shared)


@app.command()
@with_write_options
def rollback(
    names: Annotated[list[str], argument("NAME...", "One or more models.", complete_model)],
    to: Annotated[Optional[str], option("N", "The version to go back to.", complete_number)] = None,
    stage: Annotated[
        str, option("STAGE", "The stage to roll back.", complete_stage)
    ] = "production",
    restage: Annotated[
        bool, flag("--restage", "Put the withdrawn version where it came from, as git revert does.")
    ] = False,
    list_: Annotated[bool, flag("--list", "Show what it may go back to, and do nothing.")] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Bring back the version that was in production before.

    Aliases that moved with it move back too. The withdrawn version is archived. Running it twice
    goes back two versions. --list shows what was there, when, with metrics, and how to go back.

    Example: gitreg rollback churn-predictor -m "predictions drifted"
    """
    from gitreg.render import as_json, as_text

    for name in names:
        check_model_argument(name, "gitreg rollback {model} --to {version}")
    with Registry(shared.repo) as registry, showing_refusals(json=shared.json):
        if list_:
            _print_tenures(registry, names, stage, shared)
            return
        number = None if to is None else _version_to(registry, to, names)
        outcome, plan = registry.rollback(
            *names, to=number, stage=stage, restage=restage, **shared.options
        )
    if not shared.json:
        for title, versions in (("withdrawn", plan.withdrawn), ("restored", plan.restored)):
            if versions:
                typer.echo(as_text.versions_with_metrics(title, versions))
    print_outcome(
        outcome,
        shared,
        withdrawn=[as_json.moved_json(version) for version in plan.withdrawn],
        restored=[as_json.moved_json(version) for version in plan.restored],
    )


def _version_to(registry: Registry, text: str, names: Sequence[str]) -> int:
    """Return the number that ``--to`` names: ``5``, ``v5`` or ``churn-predictor@5``."""
    from gitreg.cli.meant import meant_version
    from gitreg.core.model.names import parse_reference

    plain = text.removeprefix("v")
    if plain.isascii() and plain.isdigit() and len(plain) < 10 and int(plain):
        return int(plain)
    wanted = None
    with suppress(InvalidRequest):
        wanted = parse_reference(text)
    if wanted is not None and wanted.version is not None and list(names) == [wanted.model]:
        return wanted.version
    raise InvalidRequest(
        f"--to {text!a} is not a version of {', '.join(names)}",
        hint=meant_version(text, registry.model(names[0])),
    )


def _print_tenures(
    registry: Registry, names: Sequence[str], stage: str, shared: WriteArguments
) -> None:
    """Print what a rollback of each model may go back to."""
    from gitreg.render import as_json
    from gitreg.render.events import tenures_text

    is_here = shared.repo == "."
    answers: list[dict[str, Any]] = []
    for name in names:
        found = [
            (tenure, registry.version_if_any(name, tenure.version))
            for tenure in registry.tenures(name, stage=stage)
        ]
        answers += [as_json.tenure_json(name, *one) for one in found]
        if not shared.json and found:
            typer.echo(tenures_text(name, stage, found, terminal_width(), is_here=is_here))
        elif not shared.json:
            typer.echo(f"{name}: no other version was in {stage}", err=True)
    if shared.json:
        print_json(answers)


@app.command()
@with_write_options
def annotate(
    reference: ReferenceArgument,
    description: Annotated[
        Optional[str], option("TEXT", "Description; an empty text removes it.")
    ] = None,
    owner: OwnerOption = None,
    tag: TagsOption = None,
    untag: Annotated[Optional[list[str]], option("KEY", "Remove a tag; may repeat.")] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Set description, owner and tags of a model or a version.

    REF may also be a model's name. Only a model has an owner.

    Example: gitreg annotate churn-predictor@2 --tag validated=yes
    """
    with Registry(shared.repo) as registry:
        outcome = registry.annotate(
            reference,
            description=description,
            owner=owner,
            tags=assignments(tag or [], "--tag"),
            untag=untag or (),
            **shared.options,
        )
    print_outcome(outcome, shared)


@app.command()
@with_write_options
def create(
    name: Annotated[str, argument("NAME", "The new model's name.")],
    description: Annotated[Optional[str], option("TEXT", "A description.")] = None,
    owner: OwnerOption = None,
    tag: TagsOption = None,
    *,
    shared: WriteArguments,
) -> None:
    """Create a model without versions.

    gitreg register creates a model by itself, unless a model of that name was deleted. Then this
    command starts a new one, whose versions start at 1.

    Example: gitreg create churn-predictor --owner growth --description "Who leaves us"
    """
    with Registry(shared.repo) as registry:
        outcome = registry.create_model(
            name,
            description=description,
            owner=owner,
            tags=assignments(tag or [], "--tag"),
            **shared.options,
        )
    print_outcome(outcome, shared)


@app.command()
@with_write_options
def rename(
    name: Annotated[str, argument("NAME", "The model.", complete_model)],
    new_name: Annotated[str, argument("NEW", "Its new name.")],
    *,
    shared: WriteArguments,
) -> None:
    """Give a model another name.

    Versions, stages and aliases move to the new name. A command that uses the old name fails and
    names the new one. Approvals do not move: their signatures cover the model's name.

    Example: gitreg rename churn-predictor churn -m "one name for both teams"
    """
    check_model_argument(name, "gitreg rename {model} NEW")
    with Registry(shared.repo) as registry:
        outcome = registry.rename_model(name, new_name, **shared.options)
    print_outcome(outcome, shared)


@app.command()
@with_write_options
def delete(
    reference: ReferenceArgument,
    force: Annotated[
        bool, flag("--force", "Delete it even if a stage or an alias names it.")
    ] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Delete a version or a whole model.

    REF may also be a model's name. A version's number stays taken. Refused while an alias or a
    stage other than the archive names it. The bytes stay until dvc gc finds no reference to them.

    Example: gitreg delete churn-predictor@1 -m "trained on leaked labels"
    """
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(reference)
    with Registry(shared.repo) as registry:
        remove = registry.delete_model if wanted.is_model else registry.delete
        outcome = remove(reference, force=force, **shared.options)
    print_outcome(outcome, shared)
