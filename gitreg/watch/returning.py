"""The rollback after a failed delivery: a normal one, under the policy, and only once."""

from __future__ import annotations

from gitreg.core.model.names import ARCHIVE, format_version, parse_reference
from gitreg.core.state.history import named_by
from gitreg.errors import NotFound
from gitreg.registry import Registry
from gitreg.watch.moves import Move

_PREFIX = "watch-"
"""How the operations of a watcher begin: what one of them moved is never rolled back again."""

_LONGEST = 500
"""How much of a failure, which others may have worded, goes into the commit's message."""


def put_back(location: str, move: Move, why: str) -> tuple[bool, str]:
    """Move a reference back to the version that was delivered before.

    Args:
        location: the registry.
        move: whose delivery failed.
        why: the failure, for the commit's message.

    Returns:
        Whether the reference names another version than the failed one, and what was done or why
        nothing was, in words.

    Raises:
        Refused: the policy refuses.
        GitError: the registry cannot be reached; nothing was published.
    """
    wanted = parse_reference(move.reference)
    with Registry(location) as registry:
        if (registry.operation_of(move.commit) or "").startswith(_PREFIX):
            return False, "not rolled back: the move was a rollback of gitreg watch itself"
        if move.previous is None or move.version is None:
            return False, "not rolled back: no version was delivered before"
        if _named(registry, move.reference) != move.version:
            return True, f"not rolled back: {move.reference} has moved on"
        visible = "".join(sign if sign.isprintable() else " " for sign in why)[:_LONGEST]
        reason = f"gitreg watch: {move.names} failed: {visible}"
        remotes = "" if registry.url else registry.repository.run("remote").text
        push, name = bool(remotes), f"{_PREFIX}{move.id}"
        stage, to = _stage(registry, move, wanted.stage)
        if stage is not None:
            outcome, _ = registry.rollback(
                move.model, stage=stage, to=to, reason=reason, push=push, op_id=name
            )
        else:
            version = format_version(move.model, move.previous)
            outcome = registry.set_alias(
                version, str(wanted.alias), reason=reason, push=push, op_id=name
            )
    return True, f"rolled back in {str(outcome.commit)[:9]}: {outcome.change.subject}"


def _named(registry: Registry, reference: str) -> int | None:
    try:
        return registry.resolve(reference).version
    except NotFound:
        return None


def _stage(registry: Registry, move: Move, stage: str | None) -> tuple[str | None, int | None]:
    """Return the stage to roll back, and to which version.

    An alias that moved with a stage goes back with it.
    """
    if stage is not None:
        return stage, move.previous
    history = registry.past(registry.state())
    for event in history.events_of_commit(move.commit, move.model):
        name = (event.pointer or "").removeprefix("stages/")
        if name not in (event.pointer, ARCHIVE) and named_by(event.after) == move.version:
            return name, named_by(event.before)
    return None, None
