"""Parameters that many commands share, and what a shell completes them with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gitreg.errors import GitregError, InvalidRequest
from gitreg.registry import Registry


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


def check_model_argument(text: str, instead: str) -> None:
    """Refuse a reference to one version where a whole model is meant."""
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
