"""A model card in Hugging Face's form: what people wrote, and what the registry knows of a version.

The front matter is that of ``CARD.md``, with the version's numbers as Hugging Face's
``model-index``: https://huggingface.co/docs/hub/model-cards#evaluation-results. Text from the
registry cannot become Markdown. What people wrote in ``CARD.md`` is kept as they wrote it, below
what is recorded, so that it cannot hide that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from gitreg.core.model.card import SECTIONS, Card
from gitreg.core.model.model import Evaluation, ModelVersion
from gitreg.core.policy.measured import data_of
from gitreg.core.state.compare import flatten
from gitreg.core.text.markdown import code, escape

_TASK = {"type": "other"}  # Hugging Face wants one, and no registry knows it
_TITLE = re.compile(r"\A\s*#[ \t]+[^\n]*\n?")


def card_text(version: ModelVersion, card: Card | None) -> str:
    """Return the card of a version.

    Args:
        version: whose facts are filled in.
        card: what people wrote; ``None`` where there is nothing yet. Then a description is used.
    """
    front: dict[str, Value] = {key: value for key, value in (card or Card()).front.items() if value}
    front.setdefault("tags", ["gitreg"])
    results = list(_results(version))
    if results:
        front["model-index"] = [{"name": version.model, "results": results}]
    if card is not None:
        body = _TITLE.sub("", card.body)
    else:
        body = "\n".join(map(escape, (version.description or "").splitlines()))
    parts = [f"---\n{yaml.dump(front).decode()}---", f"# {escape(version.reference)}"]
    parts.append("## Facts from the registry\n\n" + "\n".join(_facts(version)))
    parts += _evaluations(version)
    parts += _unsaid(card)
    # Last: an unclosed comment, block of code or HTML element hides whatever comes after it.
    parts.append(body.strip())
    return "\n\n".join(part for part in parts if part) + "\n"


def _results(version: ModelVersion) -> Iterator[Value]:
    for evaluation in version.evaluations.values():
        yield _result(
            evaluation.data.path, evaluation.name, evaluation.metrics, evaluation.data.state
        )
    if version.metrics:
        yield _result("not recorded", "registration", version.metrics, None)


def _result(
    name: str, kind: str, metrics: Mapping[str, int | float], revision: str | None
) -> Value:
    dataset: dict[str, Value] = {"name": name, "type": kind}
    if revision is not None:
        dataset["revision"] = revision
    values: list[Value] = [
        {"type": metric, "name": metric, "value": value} for metric, value in metrics.items()
    ]
    return {"task": dict(_TASK), "dataset": dataset, "metrics": values}


def _unsaid(card: Card | None) -> Iterator[str]:
    """Yield a line on what nobody has said: a reader must not take silence for an answer."""
    silent = [title for key, (title, _) in SECTIONS.items() if card is None or not card.says(key)]
    if silent:
        yield f"## Not said\n\n{', '.join(silent)}."


def _facts(version: ModelVersion) -> Iterator[str]:
    lineage, environment = version.lineage, version.environment
    yield "| fact | value |"
    yield "|---|---|"
    rows: list[tuple[str, object]] = [
        ("stage", version.stage or "none"),
        ("aliases", ", ".join(version.aliases)),
        ("registered", f"{version.created_at} by {version.created_by}"),
        ("SHA-256", version.artifact.sha256),
        ("size", f"{version.artifact.size:,} bytes, {version.artifact.files} files"),
        ("code", f"{lineage.code.commit}" if lineage.code else ""),
        ("code not in the commit", (lineage.code and lineage.code.unrecorded) or ""),
        ("command", lineage.command or ""),
        *(("data", f"{item.path} {item.state or 'without a hash'}") for item in lineage.data),
        ("Python", environment.python or ""),
        ("platform", environment.platform or ""),
        *((f"param {name}", value) for name, value in flatten(version.params).items()),
    ]
    for name, value in rows:
        if value != "":
            yield f"| {code(name)} | {code(value)} |"


def _evaluations(version: ModelVersion) -> Iterator[str]:
    for evaluation in version.evaluations.values():
        yield f"## Evaluation {code(evaluation.name)}\n\n" + "\n".join(_rows(evaluation))


def _rows(evaluation: Evaluation) -> Iterator[str]:
    when = f"{code(evaluation.created_at)} by {code(evaluation.created_by)}"
    yield f"On {code(data_of(evaluation))}, {when}."
    yield ""
    yield "| where | metric | value | interval |"
    yield "|---|---|---|---|"
    for metric, value in evaluation.metrics.items():
        low_high = evaluation.intervals.get(metric)
        interval = f"{low_high[0]:g} to {low_high[1]:g}" if low_high else ""
        yield f"| all | {code(metric)} | {value:g} | {interval} |"
    for part in evaluation.slices:
        for metric, value in part.metrics.items():
            yield f"| {code(part.where)} | {code(metric)} | {value:g} | |"
