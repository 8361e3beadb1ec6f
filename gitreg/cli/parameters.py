"""Parameters that several commands share, and their shell completion."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeAlias

import typer

from gitreg.errors import GitregError, InvalidRequest
from gitreg.registry import Registry

if TYPE_CHECKING:
    from gitreg.registry.options import ReadOptions, WriteOptions


_Completion: TypeAlias = Callable[[typer.Context, str], list[str]]


def _completing(ctx: typer.Context) -> Registry:
    """Return the registry of the command line typed so far; never one behind a URL."""
    place = Path(str(ctx.params.get("repo") or "."))
    return Registry(place if place.is_dir() else ".")


def complete_reference(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return references that start as typed, for the shell."""
    found = []
    try:
        with _completing(ctx) as registry:
            for model in registry.models():
                found += [model.name, f"{model.name}@latest"]
                found += [f"{model.name}@{alias}" for alias in model.aliases]
                found += [f"{model.name}/{stage}" for stage in model.stages]
    except (GitregError, OSError):
        return []  # completion shows no errors
    return [name for name in found if name.startswith(incomplete)]


def complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return models that start as typed, for the shell."""
    return [name for name in complete_reference(ctx, incomplete) if not set("@/") & set(name)]


def complete_stage(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the stages of the policy that start as typed, for the shell."""
    try:
        with _completing(ctx) as registry:
            return [name for name in registry.state().policy.stages if name.startswith(incomplete)]
    except (GitregError, OSError):
        return []


def flag(name: str, words: str) -> Any:
    """Return an option that is on or off; ``words`` are its help."""
    return typer.Option(name, help=words)


def option(metavar: str, words: str) -> Any:
    """Return an option with a value, named after its parameter; ``words`` are its help."""
    return typer.Option(metavar=metavar, help=words)


def argument(metavar: str, words: str, completion: _Completion | None = None) -> Any:
    """Return an argument; ``words`` are its help, ``completion`` completes it in the shell."""
    return typer.Argument(metavar=metavar, help=words, autocompletion=completion)


_REFERENCE = "NAME@5, NAME@champion, NAME@latest or NAME/production."


RepoOption = Annotated[
    str, typer.Option("--repo", metavar="PATH|URL", help="The registry's repository.")
]


RepoPathOption = Annotated[
    str, typer.Option("--repo", metavar="PATH", help="The registry's repository.")
]


AllowRewindOption = Annotated[
    bool,
    flag("--allow-rewind", "Accept that the branch behind the URL was rewritten or went back."),
]


JsonOption = Annotated[bool, flag("--json", "Print JSON.")]


RevOption = Annotated[
    Optional[str], typer.Option("--rev", metavar="REV", help="Read the registry at this commit.")
]


AtOption = Annotated[
    Optional[str],
    typer.Option(
        "--at",
        metavar="TIME",
        help="Read the registry as of then, in UTC: 2026-11-22T20:25, '3 days ago', "
        "'2026-11-22 20:25 local'.",
    ),
]


ReasonOption = Annotated[
    Optional[str],
    typer.Option("-m", "--message", metavar="REASON", help="Why; goes into the commit message."),
]


DryRunOption = Annotated[bool, flag("--dry-run", "Show what would be committed, and do nothing.")]


PushOption = Annotated[
    bool, flag("--push", "Publish: bytes to the DVC remote, then branch and tags.")
]


PrOption = Annotated[bool, flag("--pr", "Push a branch and open a pull request instead.")]


OverrideOption = Annotated[
    Optional[str],
    typer.Option(
        "--override",
        metavar="REASON",
        help="Override a refusal, where the policy lets you.",
    ),
]


OperationOption = Annotated[
    Optional[str],
    typer.Option(
        "--op-id",
        metavar="ID",
        help="Names the operation: run again under the same ID, it happens once.",
    ),
]


ToStageOption = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="STAGE",
        help="A stage of the policy, or none.",
        autocompletion=complete_stage,
    ),
]


TagsOption = Annotated[Optional[list[str]], option("KEY=VALUE", "A tag; may repeat.")]


OwnerOption = Annotated[Optional[str], option("WHO", "Who answers for the model.")]


ReferenceArgument = Annotated[str, argument("REF", _REFERENCE, complete_reference)]


ReferencesArgument = Annotated[
    list[str], argument("REF...", f"One or more: {_REFERENCE}", complete_reference)
]


# What many commands share


@dataclass(frozen=True)
class CloneArguments:
    """The options of a command about one clone; see `with_clone_options`."""

    json: JsonOption = False
    repo: RepoPathOption = "."


@dataclass(frozen=True)
class RepositoryArguments:
    """The options of a command about a clone, or a repository that is read by URL.

    See `with_repository_options`.
    """

    json: JsonOption = False
    repo: RepoOption = "."
    allow_rewind: AllowRewindOption = False


@dataclass(frozen=True)
class ReadArguments:
    """The options of every command that reads; see `with_read_options`."""

    json: JsonOption = False
    rev: RevOption = None
    at: AtOption = None
    repo: RepoOption = "."
    allow_rewind: AllowRewindOption = False

    @property
    def options(self) -> ReadOptions:
        """What the methods of `Registry` take."""
        return {"rev": self.rev, "at": self.at}

    @property
    def is_current(self) -> bool:
        """Whether the newest state is read."""
        return self.rev is None and self.at is None


@dataclass(frozen=True)
class WriteArguments:
    """The options of every command that writes; see `with_write_options`."""

    reason: ReasonOption = None
    dry_run: DryRunOption = False
    push: PushOption = False
    pr: PrOption = False
    op_id: OperationOption = None
    json: JsonOption = False
    repo: RepoOption = "."

    @property
    def options(self) -> WriteOptions:
        """What the methods of `Registry` take."""
        return {
            "reason": self.reason,
            "dry_run": self.dry_run,
            "push": self.push,
            "pr": self.pr,
            "op_id": self.op_id,
        }


def _sharing(kind: Callable[..., object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the fields of ``kind`` to a command's signature.

    Typer makes a command's options from that signature. The command itself gets one value of
    ``kind``, as its keyword ``shared``.
    """
    fields = inspect.signature(kind, eval_str=True).parameters

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        parameters = [p for p in own.parameters.values() if p.name != "shared"]
        parameters += fields.values()

        @functools.wraps(command)
        def run(**values: object) -> None:
            shared = kind(**{name: values.pop(name) for name in fields})
            command(**values, shared=shared)

        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return decorate


with_clone_options = _sharing(CloneArguments)
"""Gives a command ``--json`` and ``--repo``."""

with_repository_options = _sharing(RepositoryArguments)
"""Gives a command ``--json``, ``--repo`` and ``--allow-rewind``."""

with_read_options = _sharing(ReadArguments)
"""Gives a command ``--json``, ``--rev``, ``--at``, ``--repo`` and ``--allow-rewind``."""

with_write_options = _sharing(WriteArguments)
"""Gives a command ``-m``, ``--dry-run``, ``--push``, ``--pr``, ``--op-id``, ``--json``, ``--repo``.
"""


# What commands do with their parameters


def check_model_argument(text: str, instead: str) -> None:
    """Refuse a reference to one version where a command wants a model."""
    from gitreg.core.model.names import parse_reference

    wanted = parse_reference(text)
    if not wanted.is_model:
        known = {"model": wanted.model, "reference": wanted, "version": wanted.version or "N"}
        raise InvalidRequest(
            f"{wanted} is one version: name the model", hint=instead.format_map(known)
        )


def assignments(given: list[str], what: str) -> dict[str, str]:
    """Return the pairs of options such as ``--tag key=value``."""
    from gitreg.artifacts.metrics_and_params import parse_assignment

    return dict(parse_assignment(text, what) for text in given)
