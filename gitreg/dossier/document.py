"""A dossier as sections of paragraphs, tables and commands, which every writer writes alike. Pure.

A plain ``str`` in it is from the registry, and writers escape it. Only `Words` are this code's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gitreg.core.model.card import FRONT, SECTIONS
from gitreg.core.model.model import Evaluation, ModelVersion
from gitreg.core.policy.words import stage_rows
from gitreg.core.state.compare import Comparison, Difference, flatten
from gitreg.core.state.history import Event
from gitreg.core.state.intervals import Interval
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import lasting, utc
from gitreg.dossier.collect import Dossier, Reproduced, SignedApproval
from gitreg.dossier.frameworks import entries, gaps
from gitreg.dossier.verification import Check, checks
from gitreg.dossier.words import Mark, Words

Cell: TypeAlias = str
"""Text from the registry, or `Words`."""


@dataclass(frozen=True)
class Table:
    """Rows under headers; without headers, names and values."""

    rows: Sequence[Sequence[Cell]]
    headers: Sequence[str] = ()


@dataclass(frozen=True)
class Source:
    """Text of several lines, shown as it is."""

    text: str
    language: str = "text"


@dataclass(frozen=True)
class Command:
    """A command that verifies something, and what."""

    what: str
    shell: str


Block: TypeAlias = "Words | Table | Source | Command"


@dataclass(frozen=True)
class Section:
    """A part of a dossier, under a heading; its key is also the anchor in HTML."""

    key: str
    title: str
    blocks: tuple[Block, ...]


_VERIFIED, _BAD, _NONE = Mark("verified"), Mark("does not verify"), Words("none")


def title_of(found: Dossier) -> str:
    """Return the title of a dossier."""
    return f"Dossier of {found.version.reference}"


def sections(found: Dossier) -> tuple[Section, ...]:
    """Return the parts of a dossier, each with the commands that verify it."""
    commands = checks(found)
    parts = (
        ("state", "In short", _summary(found)),
        ("missing", "What is missing", _missing(found)),
        ("files", "Files and bytes", _files(found)),
        ("card", "Model card", _card(found)),
        ("evaluations", "Metrics and evaluations", _evaluations(found)),
        ("lineage", "Lineage", _lineage(found.version)),
        ("environment", "Environment", _environment(found)),
        ("changes", "What changed", _changes(found)),
        ("moves", "History", _history(found)),
        ("approvals", "Approvals", _approvals(found)),
        ("reproductions", "Reproductions", _reproductions(found)),
        ("policy", "The policy that judged it", _policy(found)),
        ("check", "What the checks find", _judged(found)),
        ("frameworks", "EU AI Act and ISO/IEC 42001", _frameworks(found)),
        ("verify", "How to verify this", _how()),
    )
    return tuple(
        Section(key, title, (*blocks, *_commands(commands, key))) for key, title, blocks in parts
    )


def _commands(every: Iterable[Check], key: str) -> Iterator[Block]:
    for check in every:
        if check.part == key:
            yield Command(check.what, check.command)


def _summary(found: Dossier) -> Iterator[Block]:
    version, told = found.version, found.explanation
    rows: list[tuple[str, Cell]] = [
        ("version", version.reference),
        ("stage", version.stage or _NONE),
        ("aliases", ", ".join(version.aliases) or _NONE),
        ("registered", f"{version.created_at} by {version.created_by}"),
        ("description", version.description or _NONE),
        ("SHA-256 of the model", version.artifact.sha256),
        ("read from commit", found.commit),
        ("of", found.committed),
    ]
    rows += [(f"tag {name}", value) for name, value in version.tags.items()]
    if told.served is not None and told.place is not None:
        rows.insert(3, ("served", f"{told.place}, {_span(told.served)}"))
    yield Table(rows)
    yield Words(
        "This document says what the repository holds at this commit. It was made by reading alone;"
        " the same commit gives the same bytes. The commands below verify it in a clone, with Git,"
        " DVC and OpenSSH, without gitreg. See [How to verify this](#verify)."
    )


def _missing(found: Dossier) -> Iterator[Block]:
    rows = [(Mark("missing"), words) for words in dict.fromkeys(words for _, words in gaps(found))]
    yield Table(rows) if rows else Words("Nothing that this document looks for is missing.")


def _files(found: Dossier) -> Iterator[Block]:
    artifact = found.version.artifact
    yield Table(
        [
            ("model", artifact.path),
            ("size", f"{artifact.size:,} bytes, {quantity(artifact.files, 'file')}"),
            ("SHA-256", artifact.sha256),
            ("name in DVC's cache", artifact.md5 or _NONE),
        ]
    )
    yield Table([(file.path, file.sha256) for file in found.files], ("file", "SHA-256"))


def _card(found: Dossier) -> Iterator[Block]:
    if found.card is None or found.card_text is None:
        yield Words("There is no card: nobody has said what the model is for.")
        return
    titles = {key: title for key, (title, _) in SECTIONS.items()} | {key: key for key in FRONT}
    yield Table(
        [(titles[key], found.card.says(key) or Mark("missing")) for key in titles],
        ("part", "what people say"),
    )
    yield Words("The file as they wrote it:")
    yield Source(found.card_text, "markdown")


def _evaluations(found: Dossier) -> Iterator[Block]:
    version, other = found.version, found.incumbent
    if other is None:
        yield Words("There is no incumbent to compare with: its stage was empty, or it has none.")
    else:
        yield Table([("incumbent when it was promoted", other.reference)])
    headers = ("metric", "value", "incumbent")
    if version.metrics:
        yield Words("Metrics of the registration, whose data is not named:")
        rows = [(name, f"{value:g}", _of(other, name)) for name, value in version.metrics.items()]
        yield Table(rows, headers)
    for name, evaluation in version.evaluations.items():
        theirs = None if other is None else other.evaluations.get(name)
        yield from _evaluation(evaluation, theirs)
    if not version.evaluations:
        yield Words("There is no evaluation on named data.")


def _of(version: ModelVersion | None, metric: str) -> str:
    value = None if version is None else version.metrics.get(metric)
    return "" if value is None else f"{value:g}"


def _evaluation(one: Evaluation, theirs: Evaluation | None) -> Iterator[Block]:
    is_fair = theirs is not None and theirs.measured_on == one.measured_on is not None
    compared: Cell = _NONE
    if theirs is not None:
        compared = Words("on the same data") if is_fair else Mark("on different or unknown data")
    yield Table(
        [
            ("evaluation", one.name),
            ("data", one.data.path),
            ("hash of the data", one.data.state or Mark("missing")),
            ("part", one.split or Words("all")),
            ("measured", f"{one.created_at} by {one.created_by}"),
            ("of the bytes", one.sha256),
            ("command", one.command or _NONE),
            ("code", one.code.commit if one.code else _NONE),
            ("threshold", _NONE if one.threshold is None else f"{one.threshold:g}"),
            ("predictions", one.predictions.md5 if one.predictions else _NONE),
            ("incumbent", compared),
        ]
    )
    rows: list[tuple[Cell, ...]] = [
        (Words("all"), name, f"{value:g}", _range(one, name), _other(theirs, name, None))
        for name, value in one.metrics.items()
    ]
    rows += [
        (_where(part.where, part.rows), name, f"{value:g}", "", _other(theirs, name, part.where))
        for part in one.slices
        for name, value in part.metrics.items()
    ]
    yield Table(rows, ("where", "metric", "value", "interval", "incumbent"))


def _where(where: str, rows: int | None) -> str:
    return where if rows is None else f"{where} ({quantity(rows, 'row')})"


def _range(one: Evaluation, metric: str) -> str:
    both = one.intervals.get(metric)
    return "" if both is None else f"{both[0]:g} to {both[1]:g}"


def _other(theirs: Evaluation | None, metric: str, where: str | None) -> str:
    if theirs is None:
        return ""
    parts = {part.where: part.metrics for part in theirs.slices}
    metrics: Mapping[str, float] = theirs.metrics if where is None else parts.get(where, {})
    return f"{metrics[metric]:g}" if metric in metrics else ""


def _lineage(version: ModelVersion) -> Iterator[Block]:
    lineage = version.lineage
    code, run = lineage.code, lineage.run
    facts: list[tuple[str, object]] = [
        ("source", lineage.source),
        ("code commit", code.commit if code else Mark("missing")),
        ("repository of the code", code.repository if code else None),
        ("not in the commit", code.unrecorded if code else None),
        ("changed files", ", ".join(code.changed) if code else None),
        ("command", lineage.command),
        ("tracking run", run.id if run else None),
        ("tracking server", run.tracking_uri if run else None),
        ("page of the run", run.link if run else None),
        ("MLflow's model", lineage.logged_model),
        ("GTO's tag", lineage.tag),
        *((f"param {name}", value) for name, value in flatten(version.params).items()),
    ]
    yield Table([(name, _cell(value)) for name, value in facts if value not in (None, "")])
    data = [
        (item.path, item.state or Mark("missing"), "" if item.size is None else f"{item.size:,}")
        for item in lineage.data
    ]
    yield Table(data, ("data", "hash", "bytes")) if data else Words("No data is recorded.")


def _cell(value: object) -> Cell:
    return value if isinstance(value, str) else str(value)


def _environment(found: Dossier) -> Iterator[Block]:
    environment = found.version.environment
    yield Table(
        [
            ("Python", environment.python or _NONE),
            ("platform", environment.platform or _NONE),
            ("frozen in", environment.requirements or Mark("missing")),
            ("SHA-256 of it", environment.requirements_digest or _NONE),
        ]
    )
    listed = sorted(found.explanation.packages.items())
    if listed:
        yield Table([(name, str(value)) for name, value in listed], ("package", "version"))


def _changes(found: Dossier) -> Iterator[Block]:
    changed, before = found.explanation.changed, found.explanation.before
    if changed is None:
        yield Words("Nothing to compare with." if before is None else "It is not here any more.")
        return
    yield Table([("before", changed.a.reference), ("this version", changed.b.reference)])
    rows = list(_differences(changed))
    yield Table(rows, ("what", "before", "this version")) if rows else Words("Nothing differs.")
    if changed.code_files:
        yield Table([(path,) for path in changed.code_files], ("files of the code that differ",))


def _differences(changed: Comparison) -> Iterator[tuple[str, str, str]]:
    for name, one in changed.metrics.items():
        yield f"metric {name}", _shown(one.a), _shown(one.b)
    kinds: tuple[tuple[str, Mapping[str, Difference]], ...] = (
        ("param", changed.params),
        ("data", changed.data),
        ("code", changed.code),
        ("environment", changed.environment),
        ("signature", changed.signature),
    )
    for kind, differing in kinds:
        for name, two in differing.items():
            yield f"{kind} {name}", _shown(two.a), _shown(two.b)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _history(found: Dossier) -> Iterator[Block]:
    headers = ("when", "who", "what", "why", "commit", "signed by")
    yield Table([_event(found, event) for event in found.events], headers)
    overrides = [event for event in found.events if event.override is not None]
    if overrides:
        yield Words("Moves that overrode the policy:")
        yield Table(
            [(event.commit, str(event.override)) for event in overrides], ("commit", "override")
        )
    else:
        yield Words("The policy was never overridden for this version.")
    if found.explanation.intervals:
        yield Words("Where it stood:")
        rows = [_interval(one) for one in found.explanation.intervals]
        yield Table(rows, ("where", "since", "until", "how long", "ended by"))


def _event(found: Dossier, event: Event) -> tuple[Cell, ...]:
    signer = found.signers.get(event.commit)
    signed: Cell = signer.principal if signer else _NONE if event.pointer else ""
    return utc(event.time), event.author, _what(event), event.reason or "", event.commit, signed


def _what(event: Event) -> str:
    if event.pointer is not None:
        before, after = (", ".join(map(str, held)) for held in (event.before, event.after))
        return f"{event.action} {event.pointer}: {before or '-'} → {after or '-'}"
    of = " ".join(filter(None, (event.stage, event.principal)))
    return f"{event.action} {of}".strip()


def _interval(one: Interval) -> tuple[str, ...]:
    length = "" if one.seconds is None else lasting(one.seconds)
    return one.pointer, one.since or "", one.until or "", length, one.ended_by or ""


def _span(one: Interval) -> str:
    return f"since {one.since}" + (f" until {one.until}" if one.until else "")


def _approvals(found: Dossier) -> Iterator[Block]:
    if not found.approvals:
        yield Words("There is no approval of this version.")
        return
    rows = [_approval(one) for one in found.approvals]
    yield Table(rows, ("stage", "who", "key", "result", "file"))


def _approval(one: SignedApproval) -> tuple[Cell, ...]:
    stored = one.stored
    result: Cell = _VERIFIED if stored.verified else f"{_BAD}: {stored.reason}"
    return stored.stage, stored.principal, stored.key or "", result, one.path


def _reproductions(found: Dossier) -> Iterator[Block]:
    if not found.reproductions:
        yield Words("Nobody has recorded a reproduction.")
        return
    headers = ("when", "who", "verdict", "signature", "key", "statement")
    yield Table([_reproduction(one) for one in found.reproductions], headers)


def _reproduction(one: Reproduced) -> tuple[Cell, ...]:
    facts = one.statement.facts
    signature: Cell = Mark("not signed")
    if one.signer is not None:
        signature = f"{_VERIFIED}, {one.signer.principal}"
    elif one.signed:
        signature = _BAD
    when, who = (str(facts.get(key, "")) for key in ("at", "by"))
    return when, who, one.statement.verdict, signature, one.fingerprint or "", one.path


def _policy(found: Dossier) -> Iterator[Block]:
    then, file = found.explanation.policy, found.policy
    if then is None:
        yield Words("It was never promoted, so no policy has judged it. This is the present one:")
    else:
        made = then.commit or Words("no file: gitreg's default")
        yield Table(
            [("stage", then.stage), ("read at commit", then.read_at), ("last changed by", made)]
        )
        rule = then.policy.stages.get(then.stage)
        if rule is not None:
            yield Table(stage_rows(then.policy, rule), ("rule", "in words"))
    if file is None:
        yield Words("The registry had no policy file.")
    else:
        yield Source(file.text, "yaml")


def _judged(found: Dossier) -> Iterator[Block]:
    judged = found.judged
    count = quantity(len(judged.commits), "commit")
    yield Words(
        f"`gitreg check` judged {count}: those that concern this version, and those that changed"
        " the policy. `gitreg check --history` judges all of the history in the same way. To verify"
        " its result takes gitreg; what it is made of is verified by the commands of this document."
    )
    if not judged.findings:
        yield Words("Nothing is wrong.")
        return
    rows = [
        (Mark(one.severity), one.code, one.subject, one.message, one.commit or "")
        for one in judged.findings
    ]
    yield Table(rows, ("severity", "code", "where", "what", "commit"))


def _frameworks(found: Dossier) -> Iterator[Block]:
    yield Words(
        "This table is a map, not a legal judgement: it shows where to look, and what is not there."
        " Partly means that people have to add to it. Elsewhere means that a registry of models"
        " does not have it."
    )
    rows = [
        (
            Words(f"{one.framework}: {one.point}"),
            Words(one.about),
            Mark(one.state),
            Words(one.has),
            _joined(one.lacks),
        )
        for one in entries(found)
    ]
    yield Table(rows, ("point", "asks for", "state", "this document has", "missing"))


def _joined(lacks: Sequence[str]) -> Cell:
    text = "; ".join(lacks)
    return Words(text) if all(isinstance(one, Words) for one in lacks) else text


def _how() -> Iterator[Block]:
    yield Words(
        "Every command of this document succeeds (exit code 0) only if what stands above it holds."
        " Run them in a POSIX shell in the root of a clone with all of its history. They need Git"
        " 2.34, DVC 3, OpenSSH 8.1 and GNU's `sha256sum`. If your clone is newer than this"
        " document, check the commit of this document out first: `git checkout --detach COMMIT`."
    )
    yield Words(
        "A commit's hash covers its files, author, date, message and all earlier commits. So it is"
        " enough to get the hash of the commit from somebody you trust. A signature proves who"
        " says something, not that it is true."
    )
