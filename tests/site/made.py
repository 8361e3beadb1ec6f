"""A registry whose pages have everything, made by gitreg itself, and one that is hostile."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg import Registry
from gitreg.core.model.statement import Statement
from tests.conftest import git
from tests.support.signers import make_key, use_ssh

if TYPE_CHECKING:
    import pytest

START = 1_790_000_000
DAY = 86_400

POLICY = """\
format: 1
stages:
  staging: {{holds: any}}
  production:
    holds: 1
    replaced: archived
    gates:
    - metric: roc_auc
      at_least: {limit}
    approvals: {{count: 1, by: [leads]}}
    override: {{by: [ada@example.com]}}
    aliases: [champion]
  archived: {{holds: any}}
roles: {{leads: [grace@example.com]}}
signers:
  grace@example.com: [{key}]
"""

CARD = """\
---
license: apache-2.0
risk_rating: limited
---

# churn-predictor

Predicts which customers leave within a month, for the retention team.

## Intended use

Ranks customers for a call. A person decides about every offer.

## Limitations

| group | known problem |
|---|---|
| under 25 | fewer examples, *lower* recall |

See [the study](https://example.com/study).
"""

SCRIPT = "<script>document.title='ran'</script>"
HOSTILE = "x'><img src=a onerror=ran()>"
HOSTILE_CARD = f"""\
# {SCRIPT}

{SCRIPT}<img src=x onerror="document.title='ran'"><svg onload="document.title='ran'">
<a href="javascript:ran()">raw</a>

[script](javascript:document.title='ran') [data](data:text/html,<script>ran()</script>)
[odd](JaVaScRiPt&#58;ran()) ![picture](x onerror=ran()) <javascript:ran()>
[vb](vbscript:ran) [ok](https://example.com/"onmouseover="ran())

<style>body {{ display: none }}</style><iframe srcdoc="{SCRIPT}"></iframe>
<meta http-equiv=refresh content=0>
"""
RIGHT_TO_LEFT = "safe \u202etxt.exe\u202c \u2066hidden\u2069"


class Story:
    """Makes commits whose dates advance."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.work = folder / "work"
        self._patch = patch
        self._moment = START
        Registry.init(self.work)

    def at(self, days: float, name: str = "Ada Lovelace") -> None:
        """Go on by some days, as somebody."""
        self._moment += int(days * DAY)
        mail = f"{name.partition(' ')[0].lower()}@example.com"
        for role in ("AUTHOR", "COMMITTER"):
            self._patch.setenv(f"GIT_{role}_DATE", f"{self._moment} +0000")
            self._patch.setenv(f"GIT_{role}_NAME", name)
            self._patch.setenv(f"GIT_{role}_EMAIL", mail)

    def commit(self, path: str, text: str, subject: str) -> None:
        place = self.work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        git(self.work, "add", path)
        git(self.work, "commit", "--quiet", "-m", subject, "--", path)

    @contextmanager
    def opened(self) -> Iterator[Registry]:
        with Registry(self.work) as registry:
            yield registry


def rich(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make a registry of three models, and return its clone."""
    story = Story(folder, patch)
    work = story.work
    key = make_key(folder / "keys", "grace")
    story.at(0)
    story.commit("train.py", "print('train')\n", "Train")
    story.commit("registry/policy.yaml", POLICY.format(limit=0.8, key=key.line), "Rules")
    git(work, "remote", "add", "origin", "https://github.com/acme/models.git")
    for number, (auc, f1) in enumerate(
        ((0.81, 0.62), (0.85, 0.66), (0.84, 0.67), (0.89, 0.71), (0.86, 0.70), (0.93, 0.76)), 1
    ):
        story.at(4, "Bob Smith" if number % 2 else "Ada Lovelace")
        _register(story, number, auc, f1)
        if number in (1, 2, 4):
            _promote(story, number, key.file)
        if number == 4:
            story.at(3)
            with story.opened() as registry:
                registry.rollback("churn-predictor", reason="recall fell in one region")
            story.commit(
                "registry/policy.yaml", POLICY.format(limit=0.86, key=key.line), "Raise the bar"
            )
        if number == 5:
            story.at(2)
            with story.opened() as registry:
                registry.promote(
                    "churn-predictor@5", stage="production", override="the feed broke: on call"
                )
    story.at(1)
    with story.opened() as registry:
        registry.promote("churn-predictor@6", stage="staging", reason="candidate for December")
        registry.annotate("churn-predictor", description="Who leaves?", owner="growth-team")
        sha = registry.sha256("churn-predictor@5")
        said = Statement("churn-predictor@5", sha, "different", {"command": "python train.py"})
        registry.record_reproduction("churn-predictor@5", said)
    story.commit("registry/churn-predictor/CARD.md", CARD, "Say what it is for")
    _others(story)
    return work


def _register(story: Story, number: int, auc: float, f1: float) -> None:
    (story.work / "models").mkdir(exist_ok=True)
    source = story.work / "models" / "churn.pkl"
    source.write_text(f"weights {number}")
    data = story.work / "train.csv"
    data.write_text(f"age,left\n{20 + number // 3},1\n")
    frozen = story.folder / "requirements.txt"
    frozen.write_text(f"numpy==1.26.{number}\nscikit-learn==1.5.0\n")
    measured = story.folder / "holdout.json"
    slices = [
        {"where": "age < 25", "rows": 120, "metrics": {"roc_auc": auc - 0.08}},
        {"where": "age 25 to 60", "rows": 800, "metrics": {"roc_auc": auc + 0.01}},
        {"where": "age > 60", "rows": 80, "metrics": {"roc_auc": auc - 0.03}},
    ]
    numbers = {"roc_auc": auc - 0.01, "log_loss": round(0.4 - auc / 5, 4)}
    hashed = {"path": "data/holdout.csv", "md5": "0" * 32, "size": 90_211, "split": "test"}
    bounds = {"roc_auc": [auc - 0.03, auc + 0.01]}
    document = {"name": "holdout", "data": hashed, "metrics": numbers, "slices": slices}
    measured.write_text(json.dumps({**document, "intervals": bounds}))
    with story.opened() as registry:
        registry.register(
            "churn-predictor",
            source,
            metrics={"roc_auc": auc, "f1": f1},
            params={"learning_rate": 0.1 / number, "tree": {"depth": 4 + number // 2}},
            data=[data],
            requirements=frozen,
            description=f"Cohort {number}",
            tags={"cohort": f"2026-{number:02}"},
            evaluations=[measured] if number > 1 else [],
            reason=f"cohort {number}",
        )


def _promote(story: Story, number: int, key: Path) -> None:
    story.at(1, "Grace Hopper")
    use_ssh(story.work, str(key))
    with story.opened() as registry:
        registry.approve(registry.preview_approval(f"churn-predictor@{number}", stage="production"))
    git(story.work, "config", "--unset", "user.signingkey")
    story.at(0.5)
    with story.opened() as registry:
        registry.promote(
            f"churn-predictor@{number}", stage="production", reason=f"better on cohort {number}"
        )


def _others(story: Story) -> None:
    source = story.work / "models" / "fraud.bin"
    source.write_text("fraud")
    story.at(0.5, "Bob Smith")
    with story.opened() as registry:
        registry.register("Fraud net", source, metrics={"precision": 0.97})
        registry.register("tokenizer", source, reason="words")
        registry.set_alias("tokenizer@1", "stable")


def hostile(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make a registry in which every text tries to run something, and return its clone."""
    story = Story(folder, patch)
    story.at(0, "Eve")
    patch.setenv("GIT_AUTHOR_NAME", "Eve'\"><i onclick=ran()>".replace("<", "(").replace(">", ")"))
    source = story.work / "model.bin"
    source.write_text("evil")
    words = f"{SCRIPT} {HOSTILE} {RIGHT_TO_LEFT} </script><!-- {{{{ 7 * 7 }}}} \u2028"
    said = f"{SCRIPT} {HOSTILE} </script><!--"
    measured = folder / "odd.json"
    slices = [{"where": f"{HOSTILE}{SCRIPT}", "metrics": {HOSTILE: 0.5}}]
    document = {"name": "odd", "data": {"path": HOSTILE, "md5": "0" * 32}, "slices": slices}
    measured.write_text(json.dumps({**document, "metrics": {HOSTILE: 0.25}}))
    with story.opened() as registry:
        for number in (1, 2):
            source.write_text(f"evil {number}")
            registry.register(
                HOSTILE,
                source,
                metrics={HOSTILE: 0.5 * number, "__proto__": 1.0},
                params={SCRIPT: words, "constructor": number},
                tags={HOSTILE: words},
                description=words,
                evaluations=[measured],
                reason=said,
            )
        registry.promote(f"{HOSTILE}@1", stage="production", reason=said)
        registry.annotate(HOSTILE, description=words, owner=words, tags={SCRIPT: HOSTILE})
    story.commit(f"registry/{_folder(story.work)}/CARD.md", HOSTILE_CARD, f"{SCRIPT} {HOSTILE}")
    return story.work


def _folder(work: Path) -> str:
    return next(name for name in os.listdir(work / "registry") if name.startswith("x"))  # noqa: PTH208
