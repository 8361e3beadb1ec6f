"""The card as people and Hugging Face read it: front matter, what is missing, facts, numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.core.documents import yaml
from gitreg.core.model.card import KEYS, read_card
from gitreg.core.model.model import DataDependency, Evaluation, ModelVersion, Slice
from gitreg.dossier import card_text
from tests.conftest import git
from tests.core.policy.test_gates import version
from tests.support.commands import error, gitreg
from tests.support.fakes import ADA, CREATED, MD5, SHA256

WRITTEN = b"""---
license: mit
tags: [churn]
---
# churn

## Limitations

One country. <!-- more to come -->
"""
HOSTILE = "x|y\n\n# Approved <script>alert(1)</script> [a](javascript:b) \x1b[2J"


def measured(name: str = "q4", path: str = "h.csv", where: str = "young") -> ModelVersion:
    found = Evaluation(
        name,
        SHA256,
        CREATED,
        ADA,
        DataDependency(path, MD5),
        {"auc": 0.9},
        intervals={"auc": (0.88, 0.92)},
        slices=(Slice(where, {"recall": 0.7}, 9),),
    )
    return replace(version(2, auc=0.95), evaluations={name: found})


def front_of(text: str) -> Any:
    start, front, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.parse(front.encode(), "the card")


def test_the_front_matter_has_what_people_said_and_what_was_measured() -> None:
    text = card_text(measured(), read_card(WRITTEN, "CARD.md"))
    front = front_of(text)
    assert (front["license"], front["tags"]) == ("mit", ["churn"])
    [index] = front["model-index"]
    evaluated, registered = index["results"]
    assert evaluated["dataset"] == {"name": "h.csv", "type": "q4", "revision": MD5}
    assert evaluated["metrics"] == [{"type": "auc", "name": "auc", "value": 0.9}]
    assert registered["dataset"] == {"name": "not recorded", "type": "registration"}


def test_the_body_says_what_nobody_said() -> None:
    text = card_text(measured(), read_card(WRITTEN, "CARD.md"))
    assert "\n# m&#64;2\n" in text
    assert "# churn" not in text
    assert "## Not said\n\nIntended use, Users, Out-of-scope use, Data provenance," in text
    assert "One country." in text
    assert "| all | <code>auc</code> | 0.9 | 0.88 to 0.92 |" in text
    assert "| <code>young</code> | <code>recall</code> | 0.7 | |" in text
    assert read_card(text.encode(), "it").says("limitations") == "One country."


def test_without_a_card_the_description_stands_for_it() -> None:
    text = card_text(replace(version(), description="Who leaves us."), None)
    assert front_of(text)["tags"] == ["gitreg"]
    assert "\nWho leaves us&#46;\n" in text


def test_text_from_a_manifest_stays_text() -> None:
    hostile = measured(path=HOSTILE, where=HOSTILE)
    hostile = replace(
        hostile,
        params={HOSTILE: HOSTILE},
        lineage=replace(hostile.lineage, command=HOSTILE),
        created_by=HOSTILE,
        description=HOSTILE,
    )
    body = card_text(hostile, None).split("---\n", 2)[2]
    assert "<script" not in body
    assert "](javascript" not in body
    assert "\x1b" not in body
    assert "\n# Approved" not in body
    rows = [row for row in body.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {3, 5}


def test_a_card_is_begun_filled_and_printed(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "m.txt").write_text("weights")
    registry.register("churn", folder / "m.txt", metrics={"auc": 0.9})
    assert gitreg("card", "churn", "--json").json["missing"] == list(KEYS)
    assert gitreg("card", "churn", "--init").out == "registry/churn/CARD.md\n"
    assert "is there already" in error("card", "churn", "--init")
    (folder / "registry/churn/CARD.md").write_bytes(WRITTEN + b"\x1b[2J\n")
    git(folder, "add", "registry")
    git(folder, "commit", "--quiet", "--message", "card")
    said = gitreg("card", "churn", "--json").json["said"]
    assert (said["license"], said["limitations"][:12]) == ("mit", "One country.")
    shown = gitreg("card", "churn@1").out
    assert "# churn&#64;1" in shown
    assert "\x1b" not in shown
    with Registry(folder) as read:
        assert list(read.check().findings) == []


@pytest.mark.parametrize("hiding", ["<!--", "```", "~~~~", "<details>", "<script>", "<style>"])
def test_what_people_leave_open_hides_no_fact(hiding: str) -> None:
    written = f"# churn\n\n{hiding}\n## Limitations\n\nNone.\n".encode()
    text = card_text(measured(), read_card(written, "CARD.md"))
    for fact in ("## Facts from the registry", "## Evaluation", "## Not said"):
        assert text.index(fact) < text.index(f"\n{hiding}\n")
    assert read_card(b"\n<!--\n## Limitations\n\nNone.\n", "it").says("limitations") is None


@pytest.mark.parametrize("evil", ["holdout", HOSTILE, "---\nlicense: gpl", "é: [1, {a: b}]"])
def test_hugging_face_reads_it(evil: str, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    written = WRITTEN.replace(b"One country.", f"One country. {evil}".encode())
    text = card_text(measured(path=evil, where=evil), read_card(written, "CARD.md"))
    file = tmp_path / "README.md"
    file.write_text(text, "utf-8")
    card = hub.ModelCard.load(file)
    assert card.text.lstrip().startswith("# m&#64;2")
    assert card.data.license == "mit"
    assert card.data.tags == ["churn"]
    assert card.data.model_name == "m"
    found = {
        (one.dataset_name, one.dataset_type, one.metric_type): one for one in card.data.eval_results
    }
    assert set(found) == {(evil, "q4", "auc"), ("not recorded", "registration", "auc")}
    evaluated = found[evil, "q4", "auc"]
    assert (evaluated.metric_value, evaluated.dataset_revision) == (0.9, MD5)
    # Written by Hugging Face's library, it is the same model-index.
    assert card.data.to_dict()["model-index"][0]["name"] == "m"
    assert hub.ModelCard(str(card)).data.to_dict() == card.data.to_dict()
