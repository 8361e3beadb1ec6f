"""Commands that print papers about a model: its card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gitreg.cli.app import app
from gitreg.cli.output import opened, print_json
from gitreg.cli.parameters import ReadArguments, ReferenceArgument, flag, with_read_options
from gitreg.errors import AlreadyExists, InvalidRequest, NotFound

if TYPE_CHECKING:
    from gitreg.core.model.card import Card
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
