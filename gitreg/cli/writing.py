"""Commands that write: versions, their stages and aliases, and models as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from gitreg.cli.app import alias_app, app
from gitreg.cli.output import print_outcome, progress_bar, showing_refusals
from gitreg.cli.parameters import (
    DryRunOption,
    JsonOption,
    OperationOption,
    OverrideOption,
    PrOption,
    PushOption,
    ReasonOption,
    ReferenceArgument,
    ReferencesArgument,
    RepoOption,
    _complete_model,
    _complete_reference,
    _complete_stage,
    assignments,
    check_model_argument,
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
    """Make a registry here, in one commit.

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
        return
    print_outcome(outcome, dry_run=False, json=json)


@app.command()
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
        Optional[list[str]], typer.Option(metavar="PATH", help="Data it was made from; may repeat.")
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
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Register the next version of a model.

    What DVC tracks already is taken by its known hash, and its stage's dependencies, params,
    metrics and command become the lineage by themselves; metrics and params that are given here
    stand instead of the stage's.

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
    with progress_bar("register") as progress, Registry(repo, progress=progress) as registry:
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
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    number = outcome.versions[0].version
    print_outcome(outcome, dry_run=dry_run, json=json, model=name, version=number)
    if outcome.commit and not outcome.pushed:
        typer.echo("not shared yet: publish with --push, or gitreg push", err=True)


@app.command()
def promote(
    references: ReferencesArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STAGE",
            help="A stage of the policy, or none.",
            autocompletion=_complete_stage,
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
        typer.Option(metavar="METRIC", help="Only if higher than the incumbent's, or without one."),
    ] = None,
    if_lower: Annotated[
        Optional[list[str]],
        typer.Option(metavar="METRIC", help="Only if lower than the incumbent's, or without one."),
    ] = None,
    else_archive: Annotated[
        bool, typer.Option("--else-archive", help="Archive a candidate that a metric refuses.")
    ] = False,
    override: OverrideOption = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Put versions into a stage, if the policy lets them.

    It is one commit. Each rule's verdict is shown and goes into the commit; exits 1 when one
    says no, or a metric that was asked for is not better. A version is in one stage at most.

    Example: gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion
    """
    if else_archive and not if_better and not if_lower:
        raise InvalidRequest("--else-archive needs --if-better or --if-lower")
    with Registry(repo) as registry, showing_refusals(json=json):
        outcome = registry.promote(
            *references,
            stage=to,
            alias=[name.removeprefix("@") for name in alias or ()],
            keep_existing=keep_existing,
            if_better=if_better or (),
            if_lower=if_lower or (),
            else_archive=else_archive,
            override=override,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@app.command()
def archive(
    references: ReferencesArgument,
    override: OverrideOption = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Put versions into the archive, in one commit.

    Example: gitreg archive churn-predictor@1 -m "superseded"
    """
    with Registry(repo) as registry, showing_refusals(json=json):
        outcome = registry.archive(
            *references,
            override=override,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@alias_app.command("set")
def alias_set(
    reference: ReferenceArgument,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="champion, challenger, …")],
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Point an alias at a version; stages are not touched.

    Example: gitreg alias set churn-predictor@2 champion
    """
    with Registry(repo) as registry:
        outcome = registry.set_alias(
            reference,
            alias.removeprefix("@"),
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@alias_app.command("delete")
def alias_delete(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME@ALIAS",
            help="churn-predictor@challenger.",
            autocompletion=_complete_reference,
        ),
    ],
    alias: Annotated[Optional[str], typer.Argument(metavar="ALIAS", hidden=True)] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Remove an alias; the version stays.

    Example: gitreg alias delete churn-predictor@challenger
    """
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(reference if alias is None else f"{reference}@{alias}")
    if wanted.alias is None:
        raise InvalidRequest(f"which alias? {wanted} names none", hint="churn-predictor@challenger")
    with Registry(repo) as registry:
        outcome = registry.delete_alias(
            wanted.model,
            wanted.alias,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@app.command()
def rollback(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="One or more models.", autocompletion=_complete_model),
    ],
    to: Annotated[
        Optional[int], typer.Option("--to", metavar="N", help="The version to go back to.")
    ] = None,
    stage: Annotated[
        str, typer.Option(metavar="STAGE", help="The stage that goes back.")
    ] = "production",
    restage: Annotated[
        bool,
        typer.Option(
            "--restage", help="Put the one withdrawn back where it was, as git revert does."
        ),
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Bring back the version that was in production before.

    The aliases that moved with it go back, too. The version withdrawn is archived. Twice in a
    row goes back twice.

    Example: gitreg rollback churn-predictor -m "predictions drifted"
    """
    from gitreg.render import as_json, as_text

    for name in names:
        check_model_argument(name, "gitreg rollback {model} --to {version}")
    with Registry(repo) as registry, showing_refusals(json=json):
        outcome, plan = registry.rollback(
            *names,
            to=to,
            stage=stage,
            restage=restage,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    if not json:
        for title, versions in (("withdrawn", plan.withdrawn), ("restored", plan.restored)):
            if versions:
                typer.echo(as_text.versions_with_metrics(title, versions))
    print_outcome(
        outcome,
        dry_run=dry_run,
        json=json,
        withdrawn=[as_json.moved_json(version) for version in plan.withdrawn],
        restored=[as_json.moved_json(version) for version in plan.restored],
    )


@app.command()
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
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Set description, owner and tags of a model or a version.

    Example: gitreg annotate churn-predictor@2 --tag validated=yes
    """
    with Registry(repo) as registry:
        outcome = registry.annotate(
            reference,
            description=description,
            owner=owner,
            tags=assignments(tag or [], "--tag"),
            untag=untag or (),
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@app.command()
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
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Create a model that has no version yet.

    Not needed before gitreg register, unless a model of that name was deleted: then this begins
    a new one, whose versions start at 1.

    Example: gitreg create churn-predictor --owner growth --description "Who leaves us"
    """
    with Registry(repo) as registry:
        outcome = registry.create_model(
            name,
            description=description,
            owner=owner,
            tags=assignments(tag or [], "--tag"),
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@app.command()
def rename(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The model.", autocompletion=_complete_model)
    ],
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Give a model another name.

    Versions, stages and aliases move along. Whoever asks for the old name is told the new one.
    Approvals stay behind: they name the model.

    Example: gitreg rename churn-predictor churn -m "one name for both teams"
    """
    check_model_argument(name, "gitreg rename {model} NEW")
    with Registry(repo) as registry:
        outcome = registry.rename_model(
            name, new_name, reason=reason, dry_run=dry_run, push=push, pr=pr, op_id=op_id
        )
    print_outcome(outcome, dry_run=dry_run, json=json)


@app.command()
def delete(
    reference: ReferenceArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Although a stage or an alias names it.")
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Delete a version, whose number stays taken, or a whole model.

    Refused while an alias or a stage other than the archive names it. The bytes stay until
    dvc gc finds nothing that names them.

    Example: gitreg delete churn-predictor@1 -m "trained on leaked labels"
    """
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(reference)
    with Registry(repo) as registry:
        remove = registry.delete_model if wanted.is_model else registry.delete
        outcome = remove(
            reference,
            force=force,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    print_outcome(outcome, dry_run=dry_run, json=json)
