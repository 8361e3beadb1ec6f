"""A dossier as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gitreg.core.state.intervals import Interval
from gitreg.core.text.times import utc
from gitreg.dossier.collect import Dossier, SignedApproval
from gitreg.dossier.frameworks import entries, gaps
from gitreg.dossier.verification import checks

_UNTOLD = ("start", "end", "override")
"""What no interval has in JSON: places in the index, and what its event tells."""


def as_json(found: Dossier) -> dict[str, Any]:
    """Return a dossier as what JSON can hold."""
    told, version = found.explanation, found.version
    return {
        "format": 1,
        "model": version.model,
        "version": version.version,
        "read_from": found.commit,
        "committed": found.committed,
        "manifest": asdict(version),
        "files": [asdict(one) for one in found.files],
        "card": None if found.card is None else {**asdict(found.card), "text": found.card_text},
        "incumbent": None if found.incumbent is None else asdict(found.incumbent),
        "explanation": {
            "place": told.place,
            "stage": told.stage,
            "packages": dict(told.packages),
            "intervals": _intervals(told.intervals),
            "served": _interval(told.served),
            "promoted": _interval(told.promoted),
            "before": _interval(told.before),
            "changed": None if told.changed is None else asdict(told.changed),
        },
        "events": [asdict(one) | {"time": utc(one.time)} for one in found.events],
        "signers": {commit: asdict(one) for commit, one in found.signers.items()},
        "approvals": [_approval(one) for one in found.approvals],
        "reproductions": [asdict(one) for one in found.reproductions],
        "policy": None if told.policy is None else told.policy.document,
        "policy_file": None if found.policy is None else asdict(found.policy),
        "check": asdict(found.judged),
        "frameworks": [asdict(one) for one in entries(found)],
        "missing": list(dict.fromkeys(words for _, words in gaps(found))),
        "verification": [asdict(one) for one in checks(found)],
    }


def _intervals(every: Iterable[Interval]) -> list[dict[str, Any] | None]:
    return [_interval(one) for one in every]


def _interval(one: Interval | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {key: value for key, value in asdict(one).items() if key not in _UNTOLD}


def _approval(one: SignedApproval) -> dict[str, Any]:
    text = None if one.text is None else one.text.decode()
    return {
        **asdict(one.stored),
        "path": one.path,
        "commit": one.commit,
        "signed": text,
        "public_key": one.key,
    }
