"""What ``make mutants`` works with: its places are there, its faults are programs."""

from __future__ import annotations

import ast

import pytest

from tests.support.mutants import ROOT, TESTS, mutants_of, sample

DECISION = "gitreg/core/state/decision.py"


@pytest.mark.parametrize("path", [*TESTS, *(test for tests in TESTS.values() for test in tests)])
def test_every_place_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_fault_is_another_program() -> None:
    whole = ast.dump(ast.parse((ROOT / DECISION).read_text()))
    found = list(mutants_of(DECISION))
    assert {"another comparison", "returns None", "no not"} <= {fault.what for fault in found}
    for fault in found:
        assert ast.dump(ast.parse(fault.source)) != whole
        assert fault.diff().startswith(f"--- {DECISION}")


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert sample([DECISION], 1, 5) == sample([DECISION], 1, 5) != sample([DECISION], 2, 5)
