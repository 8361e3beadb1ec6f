"""What a dossier has for the EU AI Act's Annex IV and ISO/IEC 42001, and what it lacks. Pure.

It is a map, not a judgement: whether a document satisfies a law or a standard is for people to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gitreg.core.model.card import SECTIONS
from gitreg.dossier.collect import Dossier
from gitreg.dossier.words import Words

HERE, PARTLY, MISSING, ELSEWHERE = "here", "partly", "missing", "elsewhere"
"""All of it is here; some is; nothing is, but could be; a registry of models does not have it."""


@dataclass(frozen=True)
class Entry:
    """A point of a framework, and what the dossier has for it.

    Attributes:
        framework: ``EU AI Act, Annex IV`` or ``ISO/IEC 42001:2023``.
        point: its number there.
        about: what it asks for, in short.
        state: `HERE`, `PARTLY`, `MISSING` or `ELSEWHERE`.
        has: what the dossier has, in words.
        lacks: what it could have and does not.
    """

    framework: str
    point: str
    about: str
    state: str
    has: str
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Point:
    number: str
    about: str
    has: str
    needs: tuple[str, ...] = ()
    partly: bool = True


AI_ACT = "EU AI Act, Annex IV"
ISO = "ISO/IEC 42001:2023"

_ANNEX_IV = (
    _Point(
        "1",
        "General description: intended purpose, version, how it relates to earlier versions",
        "card, version and hashes, what differs from the version before",
        ("intended_use", "users", "out_of_scope"),
    ),
    _Point(
        "2",
        "Elements and development: methods, data, human oversight, validation and testing",
        "lineage, environment, parameters, evaluations, reproductions",
        (
            *("code", "clean code", "data", "hashed data", "environment", "evaluation"),
            *("hashed evaluation", "data_provenance", "human_oversight", "reproduction"),
        ),
    ),
    _Point(
        "3",
        "Monitoring, functioning and control: capabilities, limits, accuracy for groups of persons",
        "limitations of the card, slices and intervals of evaluations, who can stop it",
        ("limitations", "slices", "intervals", "human_oversight"),
    ),
    _Point(
        "4",
        "Why the performance metrics are appropriate",
        "the gates of the policy name the metrics; the reasons of moves may say why",
        ("gates",),
    ),
    _Point(
        "5",
        "Risk management system (Article 9)",
        "the risk rating of the card",
        ("risk_rating",),
    ),
    _Point(
        "6",
        "Relevant changes through the lifecycle",
        "every event of the version with its commit, and what differs from the version before",
        ("reasons",),
        partly=False,
    ),
    _Point("7", "Harmonised standards that were applied", ""),
    _Point("8", "EU declaration of conformity", ""),
    _Point("9", "Post-market monitoring (Article 72)", ""),
)

_ISO = (
    _Point(
        "A.4.3",
        "Data resources",
        "data of the lineage and of evaluations, by hash",
        ("data", "hashed data", "hashed evaluation"),
    ),
    _Point(
        "A.4.4, A.4.5",
        "Tooling, system and computing resources",
        "Python, platform and packages",
        ("environment",),
    ),
    _Point("A.5", "Impact assessments", "the risk rating of the card", ("risk_rating",)),
    _Point(
        "A.6.2.3",
        "Documentation of design and development",
        "code commit, command, parameters, environment",
        ("code", "clean code", "environment"),
    ),
    _Point(
        "A.6.2.4",
        "Verification and validation",
        "evaluations, gates, reproductions",
        ("evaluation", "hashed evaluation", "gates", "reproduction"),
        partly=False,
    ),
    _Point(
        "A.6.2.5",
        "Deployment",
        "every move with who, when and why; approvals; the policy of the time",
        ("approval", "policy", "reasons"),
        partly=False,
    ),
    _Point("A.6.2.6", "Operation and monitoring", ""),
    _Point(
        "A.6.2.7",
        "Technical documentation",
        "this dossier and the card",
        ("intended_use", "limitations"),
    ),
    _Point(
        "A.6.2.8",
        "Event logs",
        "events of the registry; what the model answers in operation is logged elsewhere",
    ),
    _Point(
        "A.7.5",
        "Data provenance",
        "data of the lineage by hash, and what the card says",
        ("data", "hashed data", "data_provenance"),
        partly=False,
    ),
    _Point(
        "A.8.2, A.9.4",
        "Information for users, intended use",
        "intended use, users, out-of-scope use and limitations of the card",
        ("intended_use", "users", "out_of_scope", "limitations"),
        partly=False,
    ),
    _Point(
        "7.5.3",
        "Control of documented information",
        "Git's history: hashes, authors, signatures; commands that verify them",
        ("signed moves",),
        partly=False,
    ),
)


def entries(found: Dossier) -> tuple[Entry, ...]:
    """Return each point of the frameworks with what the dossier has for it."""
    lacks = dict(gaps(found))
    return tuple(
        _entry(framework, point, lacks)
        for framework, points in ((AI_ACT, _ANNEX_IV), (ISO, _ISO))
        for point in points
    )


def _entry(framework: str, point: _Point, lacks: dict[str, str]) -> Entry:
    missing = tuple(lacks[key] for key in point.needs if key in lacks)
    if not point.has:
        state = ELSEWHERE
    elif point.needs and len(missing) == len(point.needs):
        state = MISSING
    else:
        state = PARTLY if missing or point.partly else HERE
    return Entry(framework, point.number, point.about, state, point.has, missing)


def gaps(found: Dossier) -> Iterator[tuple[str, str]]:
    """Yield what the dossier lacks: a key, and what a person reads; `Words` name nothing there."""
    asked: tuple[Callable[[Dossier], Iterator[tuple[str, str]]], ...] = (
        _of_card,
        _of_making,
        _of_measuring,
        _of_moves,
    )
    for ask in asked:
        yield from ask(found)


def _of_card(found: Dossier) -> Iterator[tuple[str, str]]:
    titles = {key: title.lower() for key, (title, _) in SECTIONS.items()}
    titles["risk_rating"] = "risk rating"
    titles["license"] = "licence"
    for key, title in titles.items():
        if found.card is None:
            yield key, Words(f"no card, so no {title}")
        elif not found.card.says(key):
            yield key, Words(f"no {title} in the card")


def _of_making(found: Dossier) -> Iterator[tuple[str, str]]:
    lineage = found.version.lineage
    if lineage.code is None:
        yield "code", Words("no code commit")
        yield "clean code", Words("no code commit, so unknown changes")
    elif lineage.code.unrecorded:
        yield "clean code", Words(f"code with {lineage.code.unrecorded}")
    if not lineage.data:
        yield "data", Words("no training data in the lineage")
        yield "hashed data", Words("no hash of training data")
    unhashed = [item.path for item in lineage.data if item.md5 is None]
    if unhashed:
        yield "hashed data", f"data without hash: {', '.join(unhashed)}"
    if found.version.environment.requirements is None:
        yield "environment", Words("no frozen environment")
    if not found.reproductions:
        yield "reproduction", Words("no reproduction")
    elif not any(one.signer for one in found.reproductions):
        yield "reproduction", Words("no reproduction that is signed with a key of the policy")


def _of_measuring(found: Dossier) -> Iterator[tuple[str, str]]:
    evaluations = found.version.evaluations.values()
    if not evaluations:
        yield "evaluation", Words("no evaluation")
    unhashed = [one.name for one in evaluations if one.data.md5 is None]
    if unhashed or not evaluations:
        what = ", ".join(unhashed)
        words: str = Words("no evaluation")
        yield "hashed evaluation", f"data without hash in {what}" if what else words
    if not any(one.slices for one in evaluations):
        yield "slices", Words("no evaluation of slices")
    if not any(one.intervals for one in evaluations):
        yield "intervals", Words("no evaluation with intervals")


def _of_moves(found: Dossier) -> Iterator[tuple[str, str]]:
    then = found.explanation.policy
    rule = None if then is None else then.policy.stages.get(then.stage)
    if then is None:
        yield "policy", Words("no promotion, so no policy that judged it")
    elif found.policy is None:
        yield "policy", Words("no policy file: gitreg's default rules")
    if rule is None or not rule.gates:
        yield "gates", Words("no gates")
    if not any(one.stored.verified for one in found.approvals):
        yield "approval", Words("no approval that verifies")
    moves = {event.commit: event for event in found.events if event.pointer is not None}
    silent = [commit[:9] for commit, event in moves.items() if not event.reason]
    if silent:
        yield "reasons", f"moves without a reason: {', '.join(silent)}"
    if any(commit not in found.signers for commit in moves):
        yield "signed moves", Words("moves that no key of the policy signed")
