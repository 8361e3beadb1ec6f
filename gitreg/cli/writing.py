"""Commands that write: versions, their stages and aliases, and models as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from gitreg.cli.app import alias_app, app
from gitreg.cli.output import print_outcome, progress_bar, showing_refusals, warn
from gitreg.cli.parameters import (
    JsonOption,
    OverrideOption,
    ReferenceArgument,
    ReferencesArgument,
    WriteArguments,
    assignments,
    check_model_argument,
    complete_model,
    complete_reference,
    complete_stage,
    with_write_options,
)
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry


@app.command()
def init(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder; made when missing.")
    ] = ".",
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
    if not json and outcome.is_unchanged:
        typer.echo("nothing to do: there is a registry already")
        warn(outcome.warnings)
        return
    print_outcome(outcome, WriteArguments(json=json))


@app.command()
@with_write_options
def register(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model.")],
    source: Annotated[
        str, typer.Argument(metavar="PATH", help="A file, a folder, or a .dvc file.")
    ],
    metrics: Annotated[
        Optional[str], typer.Option(metavar="FILE", help="Metrics: JSON, YAML or TOML.")
    ] = None,
    metric: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME=NUMBER", help="One metric; may repeat.")
    ] = None,
    params: Annotated[
        Optional[str], typer.Option(metavar="FILE", help="Hyperparameters: JSON, YAML or TOML.")
    ] = None,
    param: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME=VALUE", help="One param; may repeat.")
    ] = None,
    tag: Annotated[
        Optional[list[str]], typer.Option(metavar="KEY=VALUE", help="A tag; may repeat.")
    ] = None,
    data: Annotated[
        Optional[list[str]],
        typer.Option(metavar="PATH", help="Data it was trained on; may repeat."),
    ] = None,
    description: Annotated[
        Optional[str], typer.Option(metavar="TEXT", help="Description of the version.")
    ] = None,
    requirements: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help="Frozen environment, instead of this interpreter's."),
    ] = None,
    run_id: Annotated[
        Optional[str], typer.Option(metavar="ID", help="The tracking run that made it.")
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
            **shared.options,
        )
    number = outcome.versions[0].version
    print_outcome(outcome, shared, model=name, version=number)
    if outcome.commit and not outcome.pushed:
        typer.echo("not shared yet: publish with --push, or gitreg push", err=True)


@app.command()
@with_write_options
def promote(
    references: ReferencesArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STAGE",
            help="A stage of the policy, or none.",
            autocompletion=complete_stage,
        ),
    ],
    alias: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME", help="Move this alias too; may repeat.")
    ] = None,
    keep_existing: Annotated[
        bool, typer.Option("--keep-existing", help="Leave the incumbents where they are.")
    ] = False,
    if_better: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="METRIC", help="Only if it is higher than the incumbent's, or there is none."
        ),
    ] = None,
    if_lower: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="METRIC", help="Only if it is lower than the incumbent's, or there is none."
        ),
    ] = None,
    else_archive: Annotated[
        bool, typer.Option("--else-archive", help="Archive a candidate that a metric refuses.")
    ] = False,
    override: OverrideOption = None,
    *,
    shared: WriteArguments,
) -> None:
    """Put versions into a stage, if the policy allows it.

    Makes one commit. Each rule's verdict is shown and recorded in the commit. Exits 1 when a rule
    refuses, or a metric is not better. A version has at most one stage; promoting it moves it
    there.

    Example: gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion
    """
    if else_archive and not if_better and not if_lower:
        raise InvalidRequest("--else-archive needs --if-better or --if-lower")
    with Registry(shared.repo) as registry, showing_refusals(json=shared.json):
        outcome = registry.promote(
            *references,
            stage=to,
            alias=[name.removeprefix("@") for name in alias or ()],
            keep_existing=keep_existing,
            if_better=if_better or (),
            if_lower=if_lower or (),
            else_archive=else_archive,
            override=override,
            **shared.options,
        )
    print_outcome(outcome, shared)


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
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="champion, challenger, …")],
    *,
    shared: WriteArguments,
) -> None:
    """Point an alias at a version; stages do not change.

    Example: gitreg alias set churn-predictor@2 champion
    """
    with Registry(shared.repo) as registry:
        outcome = registry.set_alias(reference, alias.removeprefix("@"), **shared.options)
    print_outcome(outcome, shared)


@alias_app.command("delete")
@with_write_options
def alias_delete(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME@ALIAS",
            help="churn-predictor@challenger.",
            autocompletion=complete_reference,
        ),
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
        raise InvalidRequest(f"which alias? {wanted} names none", hint="churn-predictor@challenger")
    with Registry(shared.repo) as registry:
        outcome = registry.delete_alias(wanted.model, wanted.alias, **shared.options)
    print_outcome(outcome, shared)


@app.command()
@with_write_options
def rollback(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="One or more models.", autocompletion=complete_model),
    ],
    to: Annotated[
        Optional[int], typer.Option("--to", metavar="N", help="The version to go back to.")
    ] = None,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="The stage to roll back.")
    ] = "production",
    restage: Annotated[
        bool,
        typer.Option(
            "--restage", help="Put the withdrawn version where it came from, as git revert does."
        ),
    ] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Bring back the version that was in production before.

    Aliases that moved with it move back too. The withdrawn version is archived. Running it twice
    goes back two versions.

    Example: gitreg rollback churn-predictor -m "predictions drifted"
    """
    from gitreg.render import as_json, as_text

    for name in names:
        check_model_argument(name, "gitreg rollback {model} --to {version}")
    with Registry(shared.repo) as registry, showing_refusals(json=shared.json):
        outcome, plan = registry.rollback(
            *names, to=to, stage=stage, restage=restage, **shared.options
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


@app.command()
@with_write_options
def annotate(
    reference: ReferenceArgument,
    description: Annotated[
        Optional[str], typer.Option(metavar="TEXT", help="Description; an empty text removes it.")
    ] = None,
    owner: Annotated[
        Optional[str], typer.Option(metavar="WHO", help="Who answers for the model.")
    ] = None,
    tag: Annotated[
        Optional[list[str]], typer.Option(metavar="KEY=VALUE", help="A tag; may repeat.")
    ] = None,
    untag: Annotated[
        Optional[list[str]], typer.Option(metavar="KEY", help="Remove a tag; may repeat.")
    ] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Set description, owner and tags of a model or a version.

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
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new model's name.")],
    description: Annotated[
        Optional[str], typer.Option(metavar="TEXT", help="A description.")
    ] = None,
    owner: Annotated[
        Optional[str], typer.Option(metavar="WHO", help="Who answers for the model.")
    ] = None,
    tag: Annotated[
        Optional[list[str]], typer.Option(metavar="KEY=VALUE", help="A tag; may repeat.")
    ] = None,
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
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The model.", autocompletion=complete_model)
    ],
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    *,
    shared: WriteArguments,
) -> None:
    """Give a model another name.

    Versions, stages and aliases move to the new name, and a command that uses the old name shows
    the new one. Approvals do not move: their signatures cover the model's name.

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
        bool, typer.Option("--force", help="Delete it even if a stage or an alias names it.")
    ] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Delete a version or a whole model.

    A version's number stays taken. Refused while an alias or a stage other than the archive names
    it. The bytes stay until dvc gc finds no reference to them.

    Example: gitreg delete churn-predictor@1 -m "trained on leaked labels"
    """
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(reference)
    with Registry(shared.repo) as registry:
        remove = registry.delete_model if wanted.is_model else registry.delete
        outcome = remove(reference, force=force, **shared.options)
    print_outcome(outcome, shared)
