"""Evaluations and reproductions on a server with the hook: plain Git that tries to forge them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.attacks import evidence
from tests.conftest import git
from tests.support.client import Act, Client

REPRODUCED = evidence.promote_by_somebody_elses_statement

ATTACKS: dict[str, tuple[str, Act, Act]] = {
    "evaluation changed": (
        "immutable",
        evidence.change_an_evaluation,
        evidence.evaluate_again_under_another_name,
    ),
    "evaluation removed": ("immutable", evidence.remove_an_evaluation, evidence.evaluate),
    "evaluation of other bytes": (
        "bad-evaluation",
        evidence.evaluate_other_bytes,
        evidence.evaluate,
    ),
    "evaluation by a symlink": ("symlink", evidence.evaluate_by_a_symlink, evidence.evaluate),
    "evaluation that is a YAML bomb": (
        "bad-evaluation",
        evidence.evaluate_with_a_bomb,
        evidence.evaluate,
    ),
    "evaluation beyond the limit": (
        "bad-evaluation",
        evidence.evaluate_beyond_the_limit,
        evidence.evaluate,
    ),
    "statement with two verdicts": (
        "bad-reproduction",
        evidence.state_with_duplicate_keys,
        evidence.state,
    ),
    "card with anchors": ("bad-card", evidence.write_a_card_with_anchors, evidence.write_a_card),
    "statement of another name": (
        "bad-reproduction",
        evidence.state_under_another_name,
        evidence.state,
    ),
    "statement renamed": ("immutable", evidence.rename_a_statement, evidence.state),
    "statement on other bytes": (
        "bad-reproduction",
        evidence.state_on_other_bytes,
        evidence.state,
    ),
    "unsigned statement": (
        "policy-reproduced",
        evidence.promote_by_an_unsigned_statement,
        REPRODUCED,
    ),
    "stranger's statement": (
        "policy-reproduced",
        evidence.promote_by_a_strangers_statement,
        REPRODUCED,
    ),
    "signature for something else": (
        "policy-reproduced",
        evidence.promote_by_a_signature_for_something_else,
        REPRODUCED,
    ),
    "one's own statement": (
        "policy-reproduced",
        evidence.promote_by_ones_own_statement,
        REPRODUCED,
    ),
}
HONEST = {honest.__name__: honest for _, _, honest in ATTACKS.values()}


@pytest.mark.parametrize("name", ATTACKS)
def test_forged_evidence_is_refused(client: Client, base: Path, name: str) -> None:
    code, attack, _ = ATTACKS[name]
    attack(client)
    before = git(base / "origin.git", "rev-parse", "main")
    status, said = client.push()
    assert status != 0, said
    assert f"error: {code}: " in said, said
    assert "Traceback" not in said
    assert git(base / "origin.git", "rev-parse", "main") == before


@pytest.mark.parametrize("name", HONEST)
def test_honest_evidence_passes(client: Client, name: str) -> None:
    HONEST[name](client)
    status, said = client.push()
    assert status == 0, said
    assert "error:" not in said
