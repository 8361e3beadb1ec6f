"""Search beside a scan of every version: random histories, random filters, commit after commit."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg import Registry
from gitreg.core.state.search import Document, matches, ordered, own_texts, packages_of
from gitreg.core.state.state import RegistryState
from gitreg.core.text.filter import parse, parse_order
from gitreg.history import search
from tests.history.made import ORDERS, Made, a_filter, make, present
from tests.support.fakes import DictSnapshot

Key = tuple[str, int]


def documents(made: Made, registry: Registry, last: int, *, history: bool) -> list[Document]:
    """Return what a search has to look at, at the commit of a number, by reading every commit."""
    known: dict[Key, Document] = {}
    stages: dict[Key, set[str]] = {}
    aliases: dict[Key, set[str]] = {}
    for number in range(last + 1) if history else (last,):
        oid, files = made.commits[number]
        state = RegistryState(DictSnapshot(files, oid))
        for model, version in present(files):
            found = state.version(model, version)
            requirements = state.requirements(model, version)
            known[model, version] = Document(
                found,
                packages_of(requirements) if found.environment.requirements else None,
                tuple(own_texts(found)),
            )
            if found.stage:
                stages.setdefault((model, version), set()).add(found.stage)
            aliases.setdefault((model, version), set()).update(found.aliases)
    oid, files = made.commits[last]
    here = set(present(files))
    state = RegistryState(DictSnapshot(files, oid))
    reasons: dict[Key, list[str]] = {}
    for event in registry.log(rev=oid):
        if event.version is not None and event.reason:
            reasons.setdefault((event.model, event.version), []).append(event.reason)
    return [
        Document(
            one.version,
            one.packages,
            (
                *one.texts,
                *reasons.get(key, ()),
                *(_model_texts(state, key[0]) if key in here else ()),
            ),
            tuple(stages.get(key, ())),
            tuple(aliases.get(key, ())),
        )
        for key, one in known.items()
    ]


def _model_texts(state: RegistryState, model: str) -> Iterable[str]:
    said = state.model_annotations(model)
    return [said.description or "", *(text for pair in said.tags.items() for text in pair if text)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_a_search_finds_what_a_scan_finds(seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        made = make(Path(name), seed)
        with Registry(name) as registry:
            for _ in range(4):  # back and forth in time: the index follows
                last = chance.randrange(len(made.commits))
                history = chance.random() < 0.5
                every = documents(made, registry, last, history=history)
                for _ in range(8):
                    text, order = a_filter(chance), chance.choice(ORDERS)
                    node = parse(text)
                    wanted = [one for one in every if matches(one, node)]
                    found = search(
                        registry,
                        text,
                        order_by=order,
                        history=history,
                        rev=made.commits[last][0],
                    )
                    expected = [
                        one.version.reference for one in ordered(wanted, parse_order(order))
                    ]
                    assert [one.reference for one in found] == expected, (text, order, history)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_is_what_show_gives(tmp_path: Path, seed: int) -> None:
    made = make(tmp_path, seed)
    with Registry(tmp_path) as registry:
        found = search(registry)
        assert found
        assert found == [registry.show(one.reference) for one in found]
        gone = [one for one in search(registry, history=True) if one not in found]
        for one in gone:
            shown = registry.show(one.reference, rev=one.read_from)
            assert one == shown
            position = [oid for oid, _ in made.commits].index(str(one.read_from))
            after = made.commits[position + 1][1]
            assert (one.model, one.version) not in present(after)  # the last commit with it
