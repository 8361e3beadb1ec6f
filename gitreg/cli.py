"""The command line: parameters to `Registry`, answers to stdout, everything else to stderr."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from gitreg import __version__
from gitreg.errors import GitError, GitregError, InvalidRequest, Refused
from gitreg.registry import Registry

# What a command prints with is imported when it prints: `gitreg resolve` prints one line.
if TYPE_CHECKING:
    from gitreg.digest import Progress
    from gitreg.moving import Report, Tell
    from gitreg.policy import Judgement
    from gitreg.publisher import Outcome
    from gitreg.workflows import HostFile

PIPE_WIDTH = 4096
"""How wide a table may be when no terminal shows it: a script's `grep` wants whole lines."""


BROKEN_PIPE, INTERRUPTED = 141, 130
"""What a shell reports for a process that the signal ended, as it does for Git's."""

# Where this class lives is Typer's business and has changed; that of a bad parameter has not.
UsageError: Any = typer.BadParameter.__mro__[1]


@contextmanager
def _errors_in_one_place() -> Iterator[None]:
    """Turn every error into one or two lines on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()  # a full disk is told here, not by Python at its very end
    except GitregError as error:
        _complain(str(error), error.hint)
        raise typer.Exit(error.exit_code) from None
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "gitreg"
        _complain(error.format_message().rstrip("."), f"{command} --help shows how")
        raise typer.Exit(2) from None
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain when it flushes.
        _give_up_stdout()
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt as interruption:
        _complain("interrupted: nothing is half done, run it again", str(interruption) or None)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _complain(f"{place}{error.strerror or error}", None)
        try:
            sys.stdout.flush()
        except OSError:
            _give_up_stdout()
        raise typer.Exit(3) from None
    except (MemoryError, RecursionError) as error:
        _complain(f"{type(error).__name__}: {error}", None)
        raise typer.Exit(3) from None


def _give_up_stdout() -> None:
    """Let what is not written yet go nowhere: Python would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ErrorsInOnePlace(TyperGroup):
    """A group of commands without a word of its own about errors; alone, it prints its help."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options in front of the command."""
        with _errors_in_one_place():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; without any there is nothing to do but to help."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _errors_in_one_place():
            return super().invoke(ctx)


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        cls=ErrorsInOnePlace, rich_markup_mode=None, pretty_exceptions_enable=False, help=words
    )


app = _group("A machine-learning model registry that is nothing but a Git repository.")
alias_app = _group("Set and delete aliases.")
tags_app = _group("Tags, derived from history.")
ci_app = _group("Files that let a Git host run gitreg.")
policy_app = _group("The rules that promotions are under.")
hook_app = _group("Hooks for Git, on a server and in a clone.")
import_app = _group("Bring another registry over into this one.")
export_app = _group("Take this registry over into another one.")
app.add_typer(alias_app, name="alias")
app.add_typer(tags_app, name="tags")
app.add_typer(ci_app, name="ci")
app.add_typer(policy_app, name="policy")
app.add_typer(hook_app, name="hook")
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")


def main() -> None:
    """Run the command line."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            # What this terminal cannot show is shown as its escape: better than a traceback.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="gitreg")


# Parameters that many commands share


def _completing(ctx: typer.Context) -> Registry:
    """Return the registry that the command line so far names; never one behind a URL."""
    place = Path(str(ctx.params.get("repo") or "."))
    return Registry(place if place.is_dir() else ".")


def _complete_reference(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return references that start as typed, for the shell."""
    found = []
    try:
        with _completing(ctx) as registry:
            for model in registry.models():
                found += [model.name, f"{model.name}@latest"]
                found += [f"{model.name}@{alias}" for alias in model.aliases]
                found += [f"{model.name}/{stage}" for stage in model.stages]
    except (GitregError, OSError):
        return []  # a shell that completes shows no errors
    return [name for name in found if name.startswith(incomplete)]


def _complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return models that start as typed, for the shell."""
    return [name for name in _complete_reference(ctx, incomplete) if not set("@/") & set(name)]


def _complete_stage(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the stages of the policy that start as typed, for the shell."""
    try:
        with _completing(ctx) as registry:
            return [name for name in registry.state().policy.stages if name.startswith(incomplete)]
    except (GitregError, OSError):
        return []


_REFERENCE = "churn-predictor@5, @champion, @latest, or churn-predictor/production."
RepoOption = Annotated[
    str, typer.Option("--repo", metavar="PATH|URL", help="The registry's repository.")
]
RepoPathOption = Annotated[
    str, typer.Option("--repo", metavar="PATH", help="The registry's repository.")
]
AllowRewindOption = Annotated[
    bool,
    typer.Option(
        "--allow-rewind", help="Accept that the branch behind the URL went back or sideways."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RevOption = Annotated[
    Optional[str], typer.Option("--rev", metavar="REV", help="Read the registry at this commit.")
]
AtOption = Annotated[
    Optional[str],
    typer.Option(
        "--at", metavar="TIME", help="Read it as it was then: 2026-11-22T20:25Z, '3 days ago'."
    ),
]
ReasonOption = Annotated[
    Optional[str],
    typer.Option("-m", "--message", metavar="REASON", help="Why: goes into the commit."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be committed, and do nothing.")
]
PushOption = Annotated[
    bool, typer.Option("--push", help="Publish: bytes to the DVC remote, then branch and tags.")
]
PrOption = Annotated[
    bool,
    typer.Option("--pr", help="Push a branch with it and open a pull request, instead."),
]
OverrideOption = Annotated[
    Optional[str],
    typer.Option(
        "--override",
        metavar="REASON",
        help="Do it though it is refused, where the policy lets you.",
    ),
]
OperationOption = Annotated[
    Optional[str],
    typer.Option(
        "--op-id",
        metavar="ID",
        help="Identifies the operation: run again under its id, it is done once.",
    ),
]
ReferenceArgument = Annotated[
    str,
    typer.Argument(metavar="REF", help=_REFERENCE, autocompletion=_complete_reference),
]
ReferencesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="REF", help=f"One or more: {_REFERENCE}", autocompletion=_complete_reference
    ),
]


def _complain(message: str, hint: str | None) -> None:
    from gitreg import render

    typer.echo(render.errors_text(message, hint), err=True)


def _warn(warnings: tuple[str, ...]) -> None:
    from gitreg import render

    for warning in warnings:
        typer.echo(f"warning: {render.line(warning)}", err=True)


@contextmanager
def _reading(
    repo: str, allow_rewind: bool, progress: Progress | None = None, *, streams: bool = False
) -> Iterator[Registry]:
    """Open a registry to read from, and say where its answers came from before they are shown.

    They are shown when this is left; of a command that ``streams`` already before.
    """
    with Registry(repo, progress=progress, allow_rewind=allow_rewind) as registry:
        try:
            if streams:
                registry.state()
                _warn(registry.warnings)
            yield registry
        finally:
            if registry.warnings and not streams:  # what prints them is not imported for nothing
                _warn(registry.warnings)


def _width() -> int:
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return PIPE_WIDTH


def _print_json(value: object) -> None:
    from gitreg import render

    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    # Escapes of another kind than JSON's own would be no JSON.
    typer.echo(render.to_json(value, ascii_only=not encoding.startswith("utf")))


def _print_outcome(outcome: Outcome, *, dry_run: bool, as_json: bool, **more: object) -> None:
    from gitreg import render

    _warn(outcome.warnings)
    if not as_json:
        _show_verdicts(outcome.change.judgements)
    if as_json:
        _print_json({**render.outcome_json(outcome), **more})
    else:
        typer.echo(render.outcome_text(outcome, dry_run=dry_run))


def _show_verdicts(judgements: tuple[Judgement, ...]) -> None:
    from gitreg import render

    if judgements:
        typer.echo(render.verdicts_text(judgements), err=True)


@contextmanager
def _showing_refusals(*, as_json: bool) -> Iterator[None]:
    """Print all verdicts of a refusal, those that passed too, before the error sums it up."""
    try:
        yield
    except Refused as refused:
        judgements = getattr(refused, "judgements", ())
        if as_json and judgements:
            from gitreg import render

            _print_json(render.refusal_json(str(refused), judgements))
        else:
            _show_verdicts(judgements)
        raise


@contextmanager
def _progress(words: str) -> Iterator[Progress | None]:
    """Give a callback that draws a bar, or ``None`` where no person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TransferSpeedColumn,
    )

    columns = (SpinnerColumn(), TextColumn(words), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done: bar.advance(task, done)


def _check_model_name(text: str, instead: str) -> None:
    """Refuse a reference to one version where a whole model is meant."""
    from gitreg.names import parse_reference

    wanted = parse_reference(text)
    if not wanted.is_model:
        known = {"model": wanted.model, "reference": wanted, "version": wanted.version or "N"}
        raise InvalidRequest(
            f"{wanted} is one version: name the model", hint=instead.format_map(known)
        )


def _assignments(given: list[str], what: str) -> dict[str, str]:
    from gitreg.values import parse_assignment

    return dict(parse_assignment(text, what) for text in given)


# Commands


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gitreg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder; made when missing.")
    ] = ".",
    as_json: JsonOption = False,
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
    if not as_json and outcome.is_unchanged:
        typer.echo("nothing to do: there is a registry already")
        return
    _print_outcome(outcome, dry_run=False, as_json=as_json)


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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Register the next version of a model.

    What DVC tracks already is taken by its known hash, and its stage's dependencies, params,
    metrics and command become the lineage by themselves; metrics and params that are given here
    stand instead of the stage's.

    Example: gitreg register churn-predictor models/churn --metrics metrics.json
    """
    from gitreg import values

    known_metrics: Any = metrics
    if metric:
        known_metrics = values.read_metrics(Path(metrics)) if metrics else {}
        known_metrics |= dict(values.parse_metric(text) for text in metric)
    known_params: Any = params
    if param:
        known_params = values.read_params(Path(params)) if params else {}
        known_params |= dict(values.parse_param(text) for text in param)
    with _progress("register") as progress, Registry(repo, progress=progress) as registry:
        outcome = registry.register(
            name,
            source,
            metrics=known_metrics,
            params=known_params,
            tags=_assignments(tag or [], "--tag"),
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
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json, model=name, version=number)
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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Put versions into a stage, if the policy lets them.

    It is one commit. Each rule's verdict is shown and goes into the commit; exits 1 when one
    says no, or a metric that was asked for is not better. A version is in one stage at most.

    Example: gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion
    """
    if else_archive and not if_better and not if_lower:
        raise InvalidRequest("--else-archive needs --if-better or --if-lower")
    with Registry(repo) as registry, _showing_refusals(as_json=as_json):
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
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


@app.command()
def approve(
    reference: ReferenceArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STAGE",
            help="The stage that it may enter.",
            autocompletion=_complete_stage,
        ),
    ],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take your approval back, instead.")
    ] = False,
    key: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help="The SSH key, instead of Git's user.signingkey."),
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Approve that a version enters a stage, with your signature.

    Shows what you approve, and signs it with the SSH key that Git signs with: for this version,
    stage and what the stage holds now, and no other. Exits 1 when your approval would not count.

    Example: gitreg approve churn-predictor@2 --to production -m "recall holds on November"
    """
    from gitreg import render

    with Registry(repo) as registry:
        if withdraw:
            outcome = registry.withdraw_approval(
                reference,
                stage=to,
                key=key,
                reason=reason,
                dry_run=dry_run,
                push=push,
                pr=pr,
                op_id=op_id,
            )
        else:
            preview = registry.preview_approval(reference, stage=to)
            typer.echo(render.preview_text(preview), err=True)
            outcome = registry.approve(
                preview, key=key, reason=reason, dry_run=dry_run, push=push, pr=pr, op_id=op_id
            )
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


@app.command()
def archive(
    references: ReferencesArgument,
    override: OverrideOption = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Put versions into the archive, in one commit.

    Example: gitreg archive churn-predictor@1 -m "superseded"
    """
    with Registry(repo) as registry, _showing_refusals(as_json=as_json):
        outcome = registry.archive(
            *references,
            override=override,
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


@alias_app.command("set")
def alias_set(
    reference: ReferenceArgument,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="champion, challenger, …")],
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    pr: PrOption = False,
    op_id: OperationOption = None,
    as_json: JsonOption = False,
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
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Remove an alias; the version stays.

    Example: gitreg alias delete churn-predictor@challenger
    """
    from gitreg.names import parse_reference

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
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Bring back the version that was in production before.

    The aliases that moved with it go back, too. The version withdrawn is archived. Twice in a
    row goes back twice.

    Example: gitreg rollback churn-predictor -m "predictions drifted"
    """
    from gitreg import render

    for name in names:
        _check_model_name(name, "gitreg rollback {model} --to {version}")
    with Registry(repo) as registry, _showing_refusals(as_json=as_json):
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
    if not as_json:
        for title, versions in (("withdrawn", plan.withdrawn), ("restored", plan.restored)):
            if versions:
                typer.echo(render.versions_with_metrics(title, versions))
    _print_outcome(
        outcome,
        dry_run=dry_run,
        as_json=as_json,
        withdrawn=[render.moved_json(version) for version in plan.withdrawn],
        restored=[render.moved_json(version) for version in plan.restored],
    )


@app.command("list")
def list_(
    name: Annotated[
        Optional[str],
        typer.Argument(metavar="NAME", help="The model.", autocompletion=_complete_model),
    ] = None,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """List the models, or the versions of one, newest first.

    Example: gitreg list churn-predictor
    """
    from gitreg import render

    if name is not None:
        _check_model_name(name, "gitreg list {model}, or gitreg show {reference}")
    with _reading(repo, allow_rewind) as registry:
        if name is None:
            models = registry.models(rev=rev, at=at)
            text = render.models_text(models, _width()) if not as_json and models else ""
            entries = [render.model_json(model) for model in models]
        else:
            versions = registry.versions(name, rev=rev, at=at)
            text = render.versions_text(versions, _width()) if not as_json and versions else ""
            entries = [render.version_json(version) for version in versions]
    if as_json:
        _print_json(entries)
    elif text:
        typer.echo(text)
    else:
        none = "no models yet" if name is None else f"no versions of {render.line(name)} are left"
        typer.echo(f"{none}: gitreg register {render.line(name or 'NAME')} PATH", err=True)


@app.command()
def show(
    reference: ReferenceArgument,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Show everything that is known of a version.

    Example: gitreg show churn-predictor@champion
    """
    from gitreg import render

    with _reading(repo, allow_rewind) as registry:
        version = registry.show(reference, rev=rev, at=at)
        approvals = registry.approvals(reference, rev=version.read_from)
    if as_json:
        answer = render.version_json(version)
        _print_json(answer | {"approvals": render.approvals_json(approvals)})
    else:
        typer.echo(render.version_text(version, _width(), approvals))


@app.command()
def log(
    reference: Annotated[
        Optional[str],
        typer.Argument(
            metavar="REF",
            help="A model, one of its stages or aliases, or a version.",
            autocompletion=_complete_reference,
        ),
    ] = None,
    limit: Annotated[
        Optional[int],
        typer.Option("-n", "--limit", min=1, metavar="N", help="Show at most N events."),
    ] = None,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Show what happened, newest first.

    When, who, what, from which version to which, why, in which commit.

    Example: gitreg log churn-predictor/production
    """
    from gitreg import render

    with _reading(repo, allow_rewind) as registry:
        events = registry.log(reference, limit=limit, rev=rev, at=at)
        if registry.is_shallow and not events:
            raise GitError(
                "no events in what there is: this clone is shallow, its history cut off",
                hint="git fetch --unshallow",
            )
        if registry.is_shallow:
            _warn(("this clone is shallow, its history cut off: git fetch --unshallow",))
    if as_json:
        _print_json([render.event_json(event) for event in events])
    elif events:
        typer.echo(render.events_text(events, _width()))
    else:
        typer.echo("no events", err=True)


@app.command()
def resolve(
    reference: ReferenceArgument,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Print which version a reference names.

    Example: gitreg resolve models:/churn-predictor/Production
    """
    with _reading(repo, allow_rewind) as registry:
        resolved = registry.resolve(reference, rev=rev, at=at)
    if as_json:
        from gitreg import render

        _print_json(render.resolved_json(resolved))
    else:
        typer.echo(str(resolved))


@app.command()
def compare(
    a: ReferenceArgument,
    b: ReferenceArgument,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Show how two versions differ.

    Metrics, params, data, code and environment; DIFFERENCE is the second less the first.

    Example: gitreg compare churn-predictor@2 churn-predictor/production
    """
    from gitreg import render

    with _reading(repo, allow_rewind) as registry:
        comparison = registry.compare(a, b, rev=rev, at=at)
    if as_json:
        _print_json(render.comparison_json(comparison))
    else:
        typer.echo(render.comparison_text(comparison, _width()))


@app.command()
def pull(
    reference: ReferenceArgument,
    output: Annotated[
        Optional[str],
        typer.Option("-o", "--output", metavar="DIR", help="The folder that gets the artifact."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace something else of that name in DIR.")
    ] = False,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Download a version's files, verified, and print where.

    They are checked against the SHA-256 of the manifest before they appear.

    Example: gitreg pull churn-predictor@champion -o /srv/model
    """
    from gitreg import render

    with _progress("pull") as progress, _reading(repo, allow_rewind, progress) as registry:
        resolved = registry.resolve(reference, rev=rev, at=at)
        path = registry.pull(resolved, output, replace_existing=force, rev=resolved.read_from)
        sha256 = registry.sha256(resolved, rev=resolved.read_from)
    typer.echo(f"{resolved}, read from {resolved.read_from[: render.SHORT]}", err=True)
    if as_json:
        answer = render.resolved_json(resolved)
        _print_json(answer | {"path": str(path), "sha256": sha256})
    else:
        typer.echo(str(path))


@app.command()
def verify(
    references: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="REF",
            help="Versions or models; all by default.",
            autocompletion=_complete_reference,
        ),
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Read every byte from the DVC remote, not the cache.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Upload again what is wrong there, if the cache has it."),
    ] = False,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Compare artifacts with their manifests.

    Hashes their bytes anew; exits 1 when one differs or is missing. With --remote it is what
    others would pull that is read, and nothing is written unless --repair is given.

    Example: gitreg verify --remote churn-predictor@champion
    """
    from gitreg import render

    findings = []
    count = bad = 0
    with ExitStack() as stack:
        bar = stack.enter_context(_progress("verify")) if remote else None
        registry = stack.enter_context(_reading(repo, allow_rewind, bar, streams=not remote))
        verified = registry.verify(
            *(references or ()), remote=remote, repair=repair, rev=rev, at=at
        )
        if remote:  # read to the end, for the bar takes stdout while it is drawn
            verified = iter(list(verified))
            stack.close()
        for version, found in verified:
            count += 1
            bad += any(finding.severity == "error" for finding in found)
            findings += found
            if not as_json:
                typer.echo(render.findings_text(found) or f"{render.line(version.reference)}: ok")
    if as_json:
        _print_json([render.finding_json(finding) for finding in findings])
    if not count:
        typer.echo("no versions to verify", err=True)
    if bad:
        where = " on the DVC remote" if remote else ""
        raise Refused(f"{bad} of {count} versions: not what their manifests say{where}")


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
    as_json: JsonOption = False,
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
            tags=_assignments(tag or [], "--tag"),
            untag=untag or (),
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


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
    as_json: JsonOption = False,
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
            tags=_assignments(tag or [], "--tag"),
            reason=reason,
            dry_run=dry_run,
            push=push,
            pr=pr,
            op_id=op_id,
        )
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Give a model another name.

    Versions, stages and aliases move along. Whoever asks for the old name is told the new one.
    Approvals stay behind: they name the model.

    Example: gitreg rename churn-predictor churn -m "one name for both teams"
    """
    _check_model_name(name, "gitreg rename {model} NEW")
    with Registry(repo) as registry:
        outcome = registry.rename_model(
            name, new_name, reason=reason, dry_run=dry_run, push=push, pr=pr, op_id=op_id
        )
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


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
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Delete a version, whose number stays taken, or a whole model.

    Refused while an alias or a stage other than the archive names it. The bytes stay until
    dvc gc finds nothing that names them.

    Example: gitreg delete churn-predictor@1 -m "trained on leaked labels"
    """
    from gitreg.names import parse_reference

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
    _print_outcome(outcome, dry_run=dry_run, as_json=as_json)


@policy_app.command("show")
def policy_show(
    model: Annotated[
        Optional[str],
        typer.Argument(metavar="MODEL", help="A model.", autocompletion=_complete_model),
    ] = None,
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Show the rules that a model is under, or the general ones.

    What its name or a glob of the policy says is worked in, and what the file leaves away spelled
    out.

    Example: gitreg policy show churn-predictor
    """
    from gitreg import render
    from gitreg.policy import policy_document
    from gitreg.suggest import did_you_mean

    if model is not None:
        _check_model_name(model, "gitreg policy show {model}")
    with _reading(repo, allow_rewind) as registry:
        policy = registry.policy(model, rev=rev, at=at)
        there = registry.state(rev=rev, at=at).model_names()
        if rev is None and at is None:
            _warn(registry.uncommitted_policy())
    # They may come later, and so may rules for them; mistyped, they would go unnoticed.
    for name in policy.naming_none_of(there) if model is None else {model} - set(there):
        near = did_you_mean(name, there)
        _warn((f"no model {name!a} is registered" + (f": {near}" if near else ""),))
    if as_json:
        _print_json(policy_document(policy, with_defaults=True))
    else:
        typer.echo(render.policy_text(policy))


@policy_app.command("test")
def policy_test(
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
    as_json: JsonOption = False,
    rev: RevOption = None,
    at: AtOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Show what a promotion would be told, rule by rule, and do nothing.

    Exits 1 when it would be refused. With --rev, of a branch say, it is asked what the policy there
    says of the versions there.

    Example: gitreg policy test churn-predictor@2 --to production
    """
    from gitreg import render

    with _reading(repo, allow_rewind) as registry:
        judgements = registry.test_policy(*references, stage=to, rev=rev, at=at)
        if rev is None and at is None:
            _warn(registry.uncommitted_policy())
    if as_json:
        _print_json(render.verdicts_json(judgements))
    else:
        none = "no rule of the policy is about this"
        typer.echo(render.verdicts_text(judgements) or none)
    failed = sum(len(judgement.failed) for judgement in judgements)
    if failed:
        every = sum(len(judgement.verdicts) for judgement in judgements)
        raise Refused(f"it would be refused: {failed} of {every} rules say no")


@app.command()
def fetch(
    allow_rewind: Annotated[
        bool,
        typer.Option(
            "--allow-rewind", help="Accept a remote branch that went backwards, and follow it."
        ),
    ] = False,
    as_json: JsonOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Bring this clone to what is published.

    Branch, work tree and tags follow; what you have staged or changed stays as it is.

    Example: gitreg fetch
    """
    from gitreg import render

    with Registry(repo) as registry:
        report = registry.fetch(allow_rewind=allow_rewind)
    _warn(report.warnings)
    if as_json:
        _print_json(render.fetch_json(report))
    else:
        typer.echo(render.fetch_text(report, _width()))


@app.command()
def push(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published, and do nothing.")
    ] = False,
    as_json: JsonOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Publish what was done here without --push.

    Bytes first, then branch and tags. When the remote has moved, the operations are done again
    on top of it, one by one; exits 1 when one does not hold any more, and leaves it.

    Example: gitreg push
    """
    from gitreg import render

    with _progress("push") as progress, Registry(repo, progress=progress) as registry:
        report = registry.push(dry_run=dry_run)
    _warn(report.warnings)
    if as_json:
        _print_json(render.push_json(report))
    else:
        typer.echo(render.push_text(report, dry_run=dry_run))
    if report.own:
        typer.echo(render.own_commits_text(report), err=True)
    if report.left:
        take_back = (
            f"git reset --keep {str(report.commit)[: render.SHORT]} && gitreg tags sync"
            if not report.own
            else "the command above, which keeps your own commits"
        )
        raise Refused(
            f"{len(report.left)} operation(s) do not hold any more, and were left",
            hint=f"they stay on this branch; to take them back: {take_back}",
        )


@tags_app.command("sync")
def tags_sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only compare.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Publish the tags too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace tags that are not what history implies.")
    ] = False,
    as_json: JsonOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Make the tags that history implies.

    GTO and DVC read the registry by them.

    Example: gitreg tags sync --push
    """
    from gitreg import render

    with Registry(repo) as registry:
        report = registry.sync_tags(dry_run=dry_run, push=push, force=force)
    if as_json:
        _print_json(render.tags_json(report))
    else:
        typer.echo(render.tags_text(report, dry_run=dry_run))
    if report.wrong:
        raise Refused(
            f"{len(report.wrong)} tags are not what history implies",
            hint="gitreg tags sync --force replaces them",
        )


@app.command()
def check(
    commits: Annotated[
        Optional[str],
        typer.Argument(
            metavar="BASE..HEAD", help="What to judge; by default what is not upstream yet."
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Every commit since the start, by its time's policy.")
    ] = False,
    only_registry: Annotated[
        bool,
        typer.Option(
            "--only-registry", help="Refuse commits that change the registry and other files."
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="What cannot be known here is an error.")
    ] = False,
    remote: Annotated[
        bool, typer.Option("--remote", help="Ask the DVC remote for the bytes of new versions.")
    ] = False,
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORM", help="text, markdown, sarif, github or gitlab."),
    ] = "text",
    as_json: JsonOption = False,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Judge commits: what the registry's rules refuse.

    Each commit is judged against each of its parents, under the policy of BASE: a policy that is
    changed in between judges what comes after it. Exits 1 when something is refused.

    Example: gitreg check origin/main..HEAD --format markdown
    """
    from gitreg import render, reports
    from gitreg.suggest import did_you_mean

    if form not in reports.FORMATS:
        near = did_you_mean(form, reports.FORMATS)
        known = f"one of {', '.join(reports.FORMATS)}"
        raise InvalidRequest(f"--format: no {form!a}", hint=near or known)
    if as_json and form != "text":
        raise InvalidRequest(f"--json is a format of its own: without --format {form}")
    with _reading(repo, allow_rewind) as registry:
        report = registry.check(
            commits,
            history=history,
            only_registry=only_registry,
            strict=strict,
            remote=remote,
        )
    if as_json:
        _print_json(reports.report_json(report))
    else:
        text = reports.formatted(report, form, __version__)
        if text:
            typer.echo(text if form in ("sarif", "gitlab") else render.visible(text))
    if not report.passed:
        raise typer.Exit(1)


@hook_app.command("install")
def hook_install(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="pre-receive, pre-commit or post-merge.")
    ],
    as_json: JsonOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Put a hook into a repository.

    One that is there already is kept, and runs first. pre-receive, on a server, refuses what
    check refuses on the default branch (or that of the configuration gitreg.branch), force
    pushes of it, tags that are not what history implies, and refs/replace. pre-commit judges
    what is about to be committed. post-merge makes tags.

    Example: gitreg hook install pre-receive --repo /srv/git/models.git
    """
    from gitreg import hooks, render
    from gitreg.git.repository import GitRepository

    repository = GitRepository(Path(repo))
    installed = hooks.install(repository, name)
    if as_json:
        chained = None if installed.chained is None else str(installed.chained)
        _print_json({"path": str(installed.path), "chained": chained, "changed": installed.changed})
        return
    state = "written" if installed.changed else "unchanged"
    typer.echo(f"{state}: {render.line(str(installed.path))}")
    if name == "pre-receive" and repository.top_level is not None:
        _warn(("pre-receive judges what is pushed into this clone, and nothing that it pushes",))
    if installed.chained is not None:
        typer.echo(f"{render.line(installed.chained.name)} runs before it", err=True)


@hook_app.command("run")
def hook_run(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="pre-receive, pre-commit or post-merge.")
    ],
) -> None:
    """Run a hook as Git would: what an installed script calls.

    Example: gitreg hook run pre-commit
    """
    from gitreg import hooks

    code = hooks.main(name)
    if code:
        raise typer.Exit(code)


@app.command()
def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Put right first what is safe to put right.")
    ] = False,
    as_json: JsonOption = False,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Examine the registry, this clone of it and its remotes.

    Says what is wrong, and what mends it; exits 1 when something is. Whether bytes are there is
    looked at, not what is in them: gitreg verify reads the cache, gitreg verify --remote the DVC
    remote.

    With --fix, what a crash left is put right: tags that are missing or stand for commits on no
    branch, a publication that files have not followed, unfinished files of gitreg's, a damaged
    history index. Never Git's locks, your edits or others' tags; nothing is pushed.

    Example: gitreg doctor --fix
    """
    from gitreg import render

    with _reading(repo, allow_rewind) as registry:
        findings = registry.doctor(fix=fix)
    if as_json:
        _print_json([render.finding_json(finding) for finding in findings])
    else:
        typer.echo(render.findings_text(findings) or "nothing is wrong")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


@app.command()
def ui(
    repo: RepoOption = ".",
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="The interface to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Where to listen; 0 for any that is free.")
    ] = 5000,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="How many processes answer.")
    ] = 4,
    backend_store_uri: Annotated[
        Optional[str],
        typer.Option(
            "--backend-store-uri",
            metavar="URI",
            help="Where MLflow keeps runs; a database in your data folder by default.",
        ),
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Publish every change at once.")] = False,
    no_authentication: Annotated[
        bool,
        typer.Option(
            "--no-authentication",
            help="Let everybody who reaches the host change the registry.",
        ),
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the pages in a browser.")] = False,
) -> None:
    """Serve MLflow's web pages and REST API.

    They show the registry, until Ctrl-C ends them. What is changed in the pages, or by MLflow's
    clients, becomes a commit by your Git identity. The server asks nobody for a login, so it
    listens on this machine alone.

    Needs MLflow: pip install 'gitreg[mlflow]'.

    Example: gitreg ui --open
    """
    from gitreg.mlflow.ui import Settings, run

    def tell(url: str) -> None:
        typer.echo(f"listening on {url} (Ctrl-C ends it)")
        sys.stdout.flush()
        if open_:
            typer.launch(url)

    run(Settings(repo, host, port, workers, backend_store_uri, push, no_authentication), tell)


WriteOption = Annotated[
    bool, typer.Option("--write", help="Write the file into the work tree, for you to commit.")
]
ForceFileOption = Annotated[
    bool, typer.Option("--force", help="Replace the file, whatever is in it.")
]
InstallOption = Annotated[
    str,
    typer.Option(
        "--install",
        metavar="REQUIREMENT",
        help="What pip installs for gitreg there: git+https://git.example.com/ml/gitreg@v1.",
    ),
]


def _print_workflow(host: str, install: str, *, write: bool, force: bool, repo: str) -> None:
    if force and not write:
        raise InvalidRequest("--force needs --write")
    with Registry(repo) as registry:
        file = registry.workflow(host, install=install, write=write, force=force)
    _print_file(file)
    if not install:
        _warn(("its jobs fail until GITREG says what pip installs: --install, or by hand",))


def _print_file(file: HostFile) -> None:
    _warn(file.warnings)
    if file.state == "shown":
        typer.echo(file.text, nl=False)
    else:
        typer.echo(f"{file.state}: {file.path}")


@ci_app.command("github")
def ci_github(
    install: InstallOption = "",
    write: WriteOption = False,
    force: ForceFileOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Print or write a workflow for GitHub Actions.

    It checks pull requests, makes tags after a merge, and has a place for your deploy command,
    which runs when production moved.

    Example: gitreg ci github --install git+https://git.example.com/ml/gitreg@v1 --write
    """
    _print_workflow("github", install, write=write, force=force, repo=repo)


@ci_app.command("gitlab")
def ci_gitlab(
    install: InstallOption = "",
    write: WriteOption = False,
    force: ForceFileOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Print or write jobs for GitLab CI.

    They are to be included in .gitlab-ci.yml, check merge requests, make tags after a merge,
    and have a place for your deploy command, which runs when production moved.

    Example: gitreg ci gitlab --install git+https://git.example.com/ml/gitreg@v1 --write
    """
    _print_workflow("gitlab", install, write=write, force=force, repo=repo)


@app.command()
def codeowners(write: WriteOption = False, repo: RepoPathOption = ".") -> None:
    """Print or write CODEOWNERS, by the owners in the policy.

    A new file is at the root, where GitHub and GitLab look; lines of others stay as they are.

    Example: gitreg codeowners --write
    """
    with Registry(repo) as registry:
        _warn(registry.uncommitted_policy())
        _print_file(registry.codeowners(write=write))


# Move in and out


UriOption = Annotated[
    str,
    typer.Option(
        "--uri", metavar="URI", help="The MLflow registry: http://mlflow:5000, sqlite:////srv/m.db."
    ),
]
TrackingUriOption = Annotated[
    Optional[str],
    typer.Option(
        "--tracking-uri", metavar="URI", help="Its tracking server, where that is another."
    ),
]
ModelsOption = Annotated[
    Optional[list[str]],
    typer.Option("--models", metavar="GLOB", help="Only these models; may repeat."),
]


@contextmanager
def _with_mlflow() -> Iterator[None]:
    """Let MLflow be used for one command: without it, say how to get it; with it, keep it quiet."""
    import logging
    from importlib import import_module
    from importlib.util import find_spec

    # A bar for each file that is moved is no use; there is one for all of it.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's seven would take minutes; what is cut off goes on when it is run again.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    if find_spec("mlflow") is None:
        raise InvalidRequest("this needs MLflow: pip install 'gitreg[mlflow]'")
    import_module("gitreg.mlflow.foreign")  # MLflow sets its loggers when it is imported
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    yield


@contextmanager
def _counting(words: str) -> Iterator[Tell | None]:
    """Give a callback that draws how many are done, or ``None`` where no person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from gitreg import render

    columns = (SpinnerColumn(), TextColumn(words), BarColumn(), MofNCompleteColumn())
    shown = TextColumn("{task.fields[next]}", markup=False)
    with Progress(*columns, shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None, next="")
        yield lambda done, total, name: bar.update(
            task, completed=done, total=total, next=render.line(name)
        )


def _print_move(report: Report, *, as_json: bool) -> None:
    from gitreg import render

    if as_json:
        _print_json(render.move_json(report))
    else:
        typer.echo(render.move_text(report, _width()))
    if not report.is_complete:
        raise typer.Exit(1)


@import_app.command("mlflow")
def import_mlflow(
    uri: UriOption,
    tracking_uri: TrackingUriOption = None,
    models: ModelsOption = None,
    no_links: Annotated[
        bool,
        typer.Option(
            "--no-links",
            help="Leave versions whose artifacts cannot be had, instead of linking to them.",
        ),
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    as_json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Bring a registry of MLflow's over.

    All of it: models, prompts, versions, stages, aliases, tags, artifacts. One commit a version,
    with its own number and dated as it was. Run again, it goes on where it stopped, and brings
    what is new. Exits 1 when something stayed behind.

    Example: gitreg import mlflow --uri http://mlflow.internal:5000
    """
    with _with_mlflow(), Registry(repo) as registry:
        from gitreg.mlflow.foreign import ForeignRegistry
        from gitreg.mlflow.importing import Wishes, import_registry

        with _counting("import") as tell:
            report = import_registry(
                registry,
                ForeignRegistry(uri, tracking_uri),
                models or (),
                Wishes(reason, dry_run, push, not no_links, tell),
            )
        _warn(registry.warnings)
    _print_move(report, as_json=as_json)


@export_app.command("mlflow")
def export_mlflow(
    uri: UriOption,
    tracking_uri: TrackingUriOption = None,
    models: ModelsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go, and do nothing.")
    ] = False,
    as_json: JsonOption = False,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Take this registry over into one of MLflow's.

    Versions keep their numbers. Artifacts, metrics and params go into runs of an experiment that
    is named after the repository. Run again, it goes on where it stopped. Exits 1 when something
    stayed behind.

    Example: gitreg export mlflow --uri http://mlflow.internal:5000
    """
    with _with_mlflow(), _reading(repo, allow_rewind) as registry:
        from gitreg.mlflow.exporting import export_registry
        from gitreg.mlflow.foreign import ForeignRegistry

        with _counting("export") as tell:
            report = export_registry(
                registry,
                ForeignRegistry(uri, tracking_uri, make=not dry_run),
                models or (),
                dry_run=dry_run,
                tell=tell,
            )
    _print_move(report, as_json=as_json)
