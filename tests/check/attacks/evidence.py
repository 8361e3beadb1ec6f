"""Evaluations and reproductions: what attackers push, and its honest twins."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gitreg.core.model.evaluation import write_evaluation
from gitreg.core.model.layout import card_path, evaluation_path, reproduction_path, signature_path
from gitreg.core.model.manifest import read_manifest
from gitreg.core.model.model import DataDependency, Evaluation
from gitreg.core.model.statement import Statement, statement_id, write_statement
from tests.check.attacks.moves import TO_3
from tests.support.client import MANIFEST, Client
from tests.support.fakes import ADA, CREATED, MD5
from tests.support.signers import make_key

EVALUATION = evaluation_path("churn", 3, "q4")
GATE = "    - {metric: auc, at_least: 0.75}\n"
DEMANDED = "    - {reproduced: {by: other, verdict: equivalent}}\n"
NAMESPACE = "gitreg-reproduction"


def _sha256(client: Client, number: int = 3) -> str:
    path = MANIFEST.format(number)
    return read_manifest(client.read(path).encode(), path).artifact.sha256


def _evaluation(client: Client, auc: float = 0.9, number: int = 3) -> dict[str, str | None]:
    data = DataDependency("holdout.csv", MD5)
    made = Evaluation("q4", _sha256(client, number), CREATED, ADA, data, {"auc": auc})
    return {EVALUATION: write_evaluation(made).decode()}


def evaluate(client: Client) -> None:
    client.commit(_evaluation(client))


def _evaluated(client: Client) -> None:
    evaluate(client)
    assert client.push()[0] == 0


def evaluate_other_bytes(client: Client) -> None:
    client.commit(_evaluation(client, number=2))


def change_an_evaluation(client: Client) -> None:
    _evaluated(client)
    client.commit(_evaluation(client, auc=0.99))


def remove_an_evaluation(client: Client) -> None:
    _evaluated(client)
    client.commit({EVALUATION: None})


def evaluate_again_under_another_name(client: Client) -> None:
    _evaluated(client)
    text = client.read(EVALUATION).replace("name: q4", "name: q5")
    client.commit({evaluation_path("churn", 3, "q5"): text})


def _statement(client: Client) -> tuple[str, bytes]:
    """Return the path and the bytes of a statement on churn@3."""
    data = write_statement(Statement("churn@3", _sha256(client), "identical"))
    return reproduction_path("churn", 3, statement_id(data)), data


def state_under_another_name(client: Client) -> None:
    path, data = _statement(client)
    client.commit({path.replace(statement_id(data), "0" * 32): data.decode()})


def state(client: Client) -> None:
    path, data = _statement(client)
    client.commit({path: data.decode()})


def rename_a_statement(client: Client) -> None:
    state(client)
    assert client.push()[0] == 0
    path, data = _statement(client)
    client.git("mv", path, path.replace(statement_id(data), "0" * 32))
    client.commit()


def state_on_other_bytes(client: Client) -> None:
    data = write_statement(Statement("churn@3", _sha256(client, 2), "identical"))
    client.commit({reproduction_path("churn", 3, statement_id(data)): data.decode()})


def _demanded(client: Client) -> None:
    """Let production ask for a reproduction by somebody else."""
    policy = client.read("registry/policy.yaml")
    assert policy.count(GATE) == 1
    client.commit({"registry/policy.yaml": policy.replace(GATE, GATE + DEMANDED)})
    assert client.push()[0] == 0


def _promote_with(client: Client, key: Path | None, namespace: str = NAMESPACE) -> None:
    _demanded(client)
    path, data = _statement(client)
    files: dict[str, str | None] = {path: data.decode()}
    if key is not None:
        done = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key],
            input=data,
            capture_output=True,
            check=True,
        )
        files[signature_path(path)] = done.stdout.decode()
    client.commit(files)
    client.commit(TO_3)


def promote_by_an_unsigned_statement(client: Client) -> None:
    _promote_with(client, None)


def promote_by_a_strangers_statement(client: Client) -> None:
    _promote_with(client, make_key(client.keys, "stranger").private)


def promote_by_a_signature_for_something_else(client: Client) -> None:
    _promote_with(client, client.keys / "grace", "gitreg-approval")


def promote_by_ones_own_statement(client: Client) -> None:
    _promote_with(client, client.keys / "ada")


def promote_by_somebody_elses_statement(client: Client) -> None:
    _promote_with(client, client.keys / "grace")


def evaluate_by_a_symlink(client: Client) -> None:
    """A link would change with its target, and could name any file of a reader's machine."""
    place = client.folder / EVALUATION
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to("/etc/passwd")
    client.git("add", "--force", "--", EVALUATION)
    client.commit()


def evaluate_with_a_bomb(client: Client) -> None:
    """Anchors that grow to gigabytes where aliases are followed."""
    [text] = _evaluation(client).values()
    bomb = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 10))
    client.commit({EVALUATION: f"{text}x0: &x0 lol\n{bomb}"})


def evaluate_beyond_the_limit(client: Client) -> None:
    [text] = _evaluation(client).values()
    client.commit({EVALUATION: f"{text}# {'x' * 2**17}\n"})


def state_with_duplicate_keys(client: Client) -> None:
    """Readers that take the first key and those that take the last one see two verdicts."""
    _, data = _statement(client)
    text = data.decode().replace(
        '"verdict": "identical"', '"verdict": "different", "verdict": "identical"'
    )
    client.commit({reproduction_path("churn", 3, statement_id(text.encode())): text})


def write_a_card_with_anchors(client: Client) -> None:
    client.commit({card_path("churn"): "---\nlicense: &a mit\nbase_model: *a\n---\n# churn\n"})


def write_a_card(client: Client) -> None:
    client.commit({card_path("churn"): "---\nlicense: mit\n---\n# churn\n"})
