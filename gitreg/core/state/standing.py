"""Earlier values of a pointer: which of its moves still stand, the stack that a rollback goes down.

Pure: it is computed from the events of `gitreg.core.state.history`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gitreg.core.state.history import Event

_REVERT_OF = re.compile(r'(?:(Revert)|Reapply) "')

Values = tuple[tuple[int, ...], tuple[int, ...]]
"""What a pointer held before a move, and after it."""


def is_return(moves: Iterable[Values], held: tuple[int, ...]) -> bool:
    """Tell whether a stage that holds ``held`` would be back where it was before a standing move.

    Only the values count: a message proves nothing. A move to a value that a standing move started
    from takes that move and all later ones back. So what was withdrawn does not return this way,
    whoever withdrew it and however: by a rollback, a merge of one, or by hand.

    >>> first, second = ((), (1,)), ((1,), (2,))
    >>> is_return([first, second], (1,)), is_return([first, second, ((2,), (1,))], (2,))
    (True, False)
    >>> archived = [first, second, ((2,), ())]
    >>> is_return(archived, (2,)), is_return([*archived, ((), (3,))], (2,))
    (True, False)

    Args:
        moves: all earlier moves of the stage, oldest first.
        held: what it would hold, ascending.
    """
    standing: list[Values] = []
    for before, after in moves:
        # An archived version leaves nothing in its stage: only of the first move is that a return.
        back = [n for n, move in enumerate(standing) if move[0] == after]
        back = back if after else [n for n in back if n == len(standing) - 1]
        if back:
            del standing[back[-1] :]
        else:
            standing.append((before, after))
    if not held:
        return bool(standing) and not standing[-1][0]
    # What was only taken out, with nothing in its place, returns as the next move or not at all.
    replacing = [(before, after) for before, after in standing[:-1] if set(after) - set(before)]
    return any(set(held) <= set(before) for before, _ in (*replacing, *standing[-1:]))


def entry_of(events: Iterable[Event], version: int) -> Event | None:
    """Return the event by which a version last entered a stage; ``None`` where none did.

    Args:
        events: the moves of the stage, newest first.
        version: which one.
    """
    return next(
        (event for event in events if version in event.after and version not in event.before),
        None,
    )


def stack_of(events: Iterable[Event]) -> list[Event]:
    """Return the moves of one pointer that still stand, oldest first.

    A rollback or a revert is not a new move: it takes back a move and all later ones. So a second
    rollback goes back one more step, not forth. A revert of a rollback or revert is a new move.

    An event may lead to a value from which no move on the stack started, as a rollback to a version
    that an earlier rollback withdrew. It amends the last move, which then leads to this value.

    Args:
        events: all moves of one pointer, oldest first.
    """
    stack: list[Event] = []
    taking_back: list[str] = []
    for event in events:
        if not event.is_taking_back or _is_forth(event, taking_back):
            stack.append(event)
        else:
            taking_back.append(event.commit)
            _take_back(stack, event)
    return stack


def _is_forth(event: Event, taking_back: Sequence[str]) -> bool:
    """Tell whether an event reverts a rollback or revert, as a reapplication does."""
    if event.action != "revert":
        return False
    if any(map(event.reverts_commit, taking_back)):
        return True
    # After a rebase the commit has another name; then the subject decides. Git writes
    # `Reapply "x"` for the older `Revert "Revert "x""`, gitreg `roll back …` over several moves.
    subject, turns = event.subject, 0
    while match := _REVERT_OF.match(subject):
        turns += 1 if match[1] else 2
        subject = subject[match.end() :]
    turns += bool(turns) and subject.startswith("roll back ")
    return turns > 0 and turns % 2 == 0


def _take_back(stack: list[Event], event: Event) -> None:
    """Remove the moves that an event takes back from a stack."""
    by_name = [n for n, move in enumerate(stack) if event.reverts_commit(move.commit)]
    led_away = by_name or [n for n, move in enumerate(stack) if _restores(event, move)]
    if led_away:
        place = led_away[-1]
        is_whole = stack[place].before == event.after
        # A revert with a conflict solved by hand leads elsewhere: its move is amended below.
        del stack[place if _restores(event, stack[place]) else place + 1 :]
        if is_whole:
            return
    withdrawn = set(event.before) - set(event.after)
    while stack and (stack[-1].before == event.after or withdrawn & set(stack[-1].before)):
        stack.pop()  # a withdrawn version must not come back as an earlier value
    if stack:
        stack[-1] = replace(stack[-1], after=event.after)


def _restores(event: Event, move: Event) -> bool:
    """Tell whether an event restores the value before a move, or, as a rollback, a part of it."""
    if move.before == event.after:
        return True
    return event.action == "rollback" and bool(event.after) and set(event.after) <= set(move.before)
