"""Commands that print papers about a model: its card, and a dossier for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import opened, print_json
from gitreg.cli.parameters import ReadArguments, ReferenceArgument, flag, with_read_options
from gitreg.errors import AlreadyExists, InvalidRequest, NotFound, WorldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitreg.core.model.card import Card
    from gitreg.dossier import Dossier
    from gitreg.registry import Registry


@app.command()
@with_read_options
def card(
    reference: ReferenceArgument,
    init: Annotated[bool, flag("--init", "Write a card to fill in, and print its path.")] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Print a model's card: what people say, and what is recorded.

    REF may also be a model's name: then the facts are those of what is in production, else of the
    newest version. People write registry/MODEL/CARD.md, and review it like code.

    Example: gitreg card churn-predictor --init
    """
    from gitreg.core.model.names import parse_reference
    from gitreg.dossier import card_text
    from gitreg.render.terminal import visible

    wanted = parse_reference(reference)
    with opened(shared.repo, shared.allow_rewind) as registry:
        if init:
            typer.echo(_begun(registry, wanted.model))
            return
        state = registry.state(**shared.options)
        found = state.card(state.check_model(wanted.model))
        if wanted.is_model:
            reference = _foremost(registry, wanted.model, shared)
        version = registry.show(reference, **shared.options)
    if shared.json:
        print_json({"model": version.model, "version": version.version, **_as_json(found)})
        return
    typer.echo(visible(card_text(version, found)), nl=False)


def _foremost(registry: Registry, model: str, shared: ReadArguments) -> str:
    """Return the version whose facts stand for a model."""
    try:
        return str(registry.resolve(f"{model}/production", **shared.options))
    except NotFound:
        return f"{model}@latest"


def _begun(registry: Registry, model: str) -> str:
    """Write a card to fill in, and return its path.

    Raises:
        InvalidRequest: there is no work tree to write into.
        AlreadyExists: the model has a card.
    """
    from gitreg.core.model import layout
    from gitreg.core.model.card import skeleton

    registry.state().check_model(model)
    top, path = registry.top_level, layout.card_path(model)
    if top is None:
        raise InvalidRequest(f"a card is a file in a work tree, and {registry.name} has none")
    place = top / path
    if place.exists():
        raise AlreadyExists(f"{path} is there already", hint=f"gitreg card {model} prints it")
    place.write_bytes(skeleton(model))
    return path


def _as_json(card: Card | None) -> dict[str, Any]:
    from gitreg.core.model.card import KEYS

    said = {key: None if card is None else card.says(key) for key in KEYS}
    return {"said": said, "missing": [key for key, text in said.items() if text is None]}


@app.command()
@with_read_options
def dossier(
    reference: ReferenceArgument,
    output: Annotated[
        Optional[Path],
        typer.Option("-o", "--output", metavar="FILE", help="A file: .html, .md or .json."),
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Write everything that is known of a version, for an auditor.

    What served, when and why; card, evaluations, lineage, approvals, policy; what is missing; and
    the commands that verify it with Git, DVC and ssh-keygen alone. The same state gives the same
    bytes. Without -o, Markdown is printed.

    Example: gitreg dossier churn-predictor/production -o dossier.html
    """
    from gitreg.dossier import dossier as dossier_of

    writer = None if output is None else _writer(output)
    with opened(shared.repo, shared.allow_rewind) as registry:
        found = dossier_of(registry, reference, **shared.options)
    if output is not None and writer is not None:
        _write(output, writer(found))
    if shared.json:
        from gitreg.dossier.as_json import as_json

        print_json(as_json(found))
    elif output is not None:
        typer.echo(str(output))
    else:
        typer.echo(_as_markdown(found), nl=False)


def _writer(output: Path) -> Callable[[Dossier], str]:
    """Return what writes the form that a file's name asks for.

    Raises:
        InvalidRequest: it is none of the three.
    """
    writers = {".html": _as_html, ".md": _as_markdown, ".json": _as_json_text}
    writer = writers.get(output.suffix.lower())
    if writer is None:
        raise InvalidRequest(
            f"{str(output)!a} does not say which form the dossier has",
            hint="end the name in .html, .md or .json",
        )
    return writer


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise WorldError(f"{output} cannot be written: {error.strerror}") from None


def _as_html(found: Dossier) -> str:
    from gitreg.dossier.as_html import as_html

    return as_html(found)


def _as_markdown(found: Dossier) -> str:
    from gitreg.dossier.as_markdown import as_markdown

    return as_markdown(found)


def _as_json_text(found: Dossier) -> str:
    from gitreg.dossier.as_json import as_json
    from gitreg.render.as_json import to_json

    return to_json(as_json(found)) + "\n"
