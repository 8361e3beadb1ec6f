"""Parameters that several commands share, and their shell completion."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeAlias

import typer

from gitreg.errors import GitregError, InvalidRequest
from gitreg.registry import Registry

if TYPE_CHECKING:
    from gitreg.core.state.state import RegistryState
    from gitreg.registry.options import ReadOptions, WriteOptions


_Completion: TypeAlias = Callable[[typer.Context, str], list[str]]

_NEWEST = 5
"""Of how many versions of a model the metrics are offered."""


def _completes(
    words: Callable[[typer.Context, RegistryState, str], Iterable[str]],
) -> _Completion:
    """Return a completion for the shell: the words that start as typed.

    It reads the registry of the command line typed so far, and never one behind a URL. Where there
    is none it offers nothing: completion shows no errors.

    Args:
        words: of the command line so far, the registry's state and the word as typed.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        place = Path(str(ctx.params.get("repo") or "."))
        try:
            with Registry(place if place.is_dir() else ".") as registry:
                found = words(ctx, registry.state(), incomplete)
                return [word for word in dict.fromkeys(found) if word.startswith(incomplete)]
        except (GitregError, OSError):
            return []

    return complete


@_completes
def complete_reference(_: typer.Context, state: RegistryState, incomplete: str) -> list[str]:
    """Offer models; once one is typed, or only one is left, its versions, aliases and stages."""
    known = state.model_names()
    begun = [name for name in known if re.match(re.escape(name) + "[@:/#]", incomplete)]
    left = [name for name in known if name.startswith(incomplete)]
    named = [max(begun, key=len)] if begun else left if len(left) == 1 else []
    return [*known, *(word for name in named for word in _references(state, name))]


def _references(state: RegistryState, name: str) -> Iterator[str]:
    """Yield what may be typed behind a model's name; the newest version first."""
    pointers = state.readable_pointers(name, [])
    yield f"{name}@latest"
    yield from (f"{name}@{alias}" for alias in pointers.aliases)
    yield from (f"{name}/{stage}" for stage in pointers.stages)
    for number in reversed(state.versions(name)):
        yield from (f"{name}{sign}{number}" for sign in "@:")


@_completes
def complete_model(_: typer.Context, state: RegistryState, __: str) -> list[str]:
    """Offer models."""
    return state.model_names()


@_completes
def complete_stage(_: typer.Context, state: RegistryState, __: str) -> Iterable[str]:
    """Offer the stages of the policy."""
    return state.policy.stages


@_completes
def complete_number(ctx: typer.Context, state: RegistryState, _: str) -> Iterable[str]:
    """Offer the numbers of versions of the models on the command line, the highest first."""
    numbers = [one for name in _typed_models(ctx, state) for one in state.versions(name)]
    return map(str, sorted(numbers, reverse=True))


@_completes
def complete_alias(ctx: typer.Context, state: RegistryState, _: str) -> Iterable[str]:
    """Offer the aliases of the models on the command line."""
    for name in _typed_models(ctx, state):
        yield from state.readable_pointers(name, []).aliases


@_completes
def complete_metric(ctx: typer.Context, state: RegistryState, _: str) -> Iterable[str]:
    """Offer the metrics of the models on the command line."""
    for name in _typed_models(ctx, state):
        for number in state.versions(name)[-_NEWEST:]:
            with suppress(GitregError):
                yield from state.manifest(name, number).metrics


def _typed_models(ctx: typer.Context, state: RegistryState) -> list[str]:
    """Return the models that the command line names so far, all of them where it names none."""
    known = state.model_names()
    # Click keeps no arguments of a line that it cannot parse yet, as one that ends in an option.
    typed = {re.split("[@:/#]", word.removeprefix("models:/"))[0] for word in ctx.obj or ()}
    return [name for name in known if name in typed] or known


def flag(name: str, words: str) -> Any:
    """Return an option that is on or off; ``words`` are its help."""
    return typer.Option(name, help=words)


def option(metavar: str, words: str, completion: _Completion | None = None) -> Any:
    """Return an option with a value, named after its parameter; see `argument`."""
    return typer.Option(metavar=metavar, help=words, autocompletion=completion)


def argument(metavar: str, words: str, completion: _Completion | None = None) -> Any:
    """Return an argument; ``words`` are its help, ``completion`` completes it in the shell."""
    return typer.Argument(metavar=metavar, help=words, autocompletion=completion)


REFERENCE = "NAME@5, NAME@champion, NAME@latest or NAME/production."


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


ReferenceArgument = Annotated[str, argument("REF", REFERENCE, complete_reference)]


ReferencesArgument = Annotated[
    list[str], argument("REF...", f"One or more: {REFERENCE}", complete_reference)
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
