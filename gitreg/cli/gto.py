"""The command that imports a project which used GTO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from gitreg.cli.app import import_app
from gitreg.cli.output import warn
from gitreg.cli.parameters import DryRunOption, JsonOption, PushOption, ReasonOption, RepoOption
from gitreg.cli.transfers import counting, print_move
from gitreg.errors import InvalidRequest
from gitreg.git.repository import GitRepository
from gitreg.registry import Registry


@import_app.command("gto")
def import_gto(
    model: Annotated[
        Optional[list[str]],
        typer.Option("--model", metavar="GLOB", help="Only these models; may repeat."),
    ] = None,
    path: Annotated[
        Optional[list[str]],
        typer.Option(
            "--path",
            metavar="NAME=PATH",
            help="Where an artifact was that dvc.yaml does not name; may repeat.",
        ),
    ] = None,
    stage: Annotated[
        Optional[list[str]],
        typer.Option(
            "--stage",
            metavar="GTO=STAGE",
            help="A stage of GTO's, and its name in the policy; may repeat.",
        ),
    ] = None,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Import the versions and stages of GTO's tags.

    Each version tag becomes a version: the artifact at the tag's commit, from DVC's cache or
    remote or from Git, with its metrics, params and data. Each stage tag becomes a promotion. Both
    have the tag's date and person. GTO's tags stay as they are. A second run continues where the
    first stopped, and imports what is new. Exits 1 when something could not be imported.

    Example: gitreg import gto --dry-run
    """
    from gitreg.transfer.gto.importing import GtoOptions
    from gitreg.transfer.gto.importing import import_gto as bring

    if not Path(repo).is_dir():
        raise InvalidRequest(f"{repo} is not a folder: clone the repository first")
    with Registry(repo) as registry, counting("import") as tell:
        options = GtoOptions(
            model or (),
            _pairs(path, "--path NAME=PATH"),
            _pairs(stage, "--stage GTO=STAGE"),
            reason,
            dry_run,
            push,
            tell,
        )
        report = bring(registry, GitRepository(Path(repo)), options)
        warn(registry.warnings)
    print_move(report, json=json)


def _pairs(given: Sequence[str] | None, form: str) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, separator, value = text.rpartition("=")
        if not name or not separator or not value:
            raise InvalidRequest(f"{text!a} is not of the form {form}")
        pairs[name] = value
    return pairs
