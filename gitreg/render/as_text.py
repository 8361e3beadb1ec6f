"""Results for people: sentences and tables. No I/O; text from a registry is escaped.

>>> visible("a\\x1b[31mb")
'a\\\\x1b[31mb'
>>> line("two\\nlines")
'two\\\\nlines'
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from gitreg.core.model.names import ARCHIVE
from gitreg.core.policy.measured import data_of
from gitreg.core.policy.verdict import APPROVALS
from gitreg.core.policy.words import other_rows, stage_rows
from gitreg.core.state.compare import flatten, metrics_beside
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import ago
from gitreg.render.colour import paint, paint_verdict, stage_style
from gitreg.render.events import events_text
from gitreg.render.terminal import (
    SHORT,
    Piece,
    few,
    figure,
    line,
    metric_texts,
    metrics_cell,
    person,
    size,
    table,
    visible,
    when,
)

# For types only: printing a value does not need its class.
if TYPE_CHECKING:
    from gitreg.approvals.given import GivenApproval
    from gitreg.approvals.giving import ApprovalPreview
    from gitreg.approvals.stored import StoredApproval
    from gitreg.core.model.model import Evaluation, Model, ModelVersion
    from gitreg.core.policy import Judgement, Policy, Verdict
    from gitreg.core.state.change import Change
    from gitreg.findings import Finding
    from gitreg.publishing.outcome import Outcome, Review
    from gitreg.publishing.synchronise import FetchReport, PushReport
    from gitreg.publishing.tags import TagReport

SHOWN_COLUMNS = 5
"""How many columns of a signature are shown."""


def models_text(models: Sequence[Model], width: int) -> str:
    """Return the list of models."""
    rows = [
        (
            Piece(model.name),
            model.latest,
            [Piece(f"{s}: {_held(s, v)}", stage_style(s)) for s, v in model.stages.items()] or "-",
            [Piece(f"@{alias}: {number}") for alias, number in model.aliases.items()] or "-",
            (model.description or "-").partition("\n")[0],
        )
        for model in models
    ]
    return table(("MODEL", "LATEST", "STAGES", "ALIASES", "DESCRIPTION"), rows, width)


def _held(stage: str, versions: Sequence[int]) -> str:
    """Return what a stage holds; of the archive, how much."""
    return str(len(versions)) if stage == ARCHIVE else few(versions)


def versions_text(
    versions: Sequence[ModelVersion],
    width: int,
    metrics: Sequence[str] = (),
    *,
    tip: str | None = None,
) -> str:
    """Return a list of versions, with columns of their own for some metrics.

    Args:
        versions: in their order.
        width: of the terminal, in characters.
        metrics: which have columns.
        tip: the commit that was read; a version that an earlier one had is told as deleted.
    """
    rows = [
        (
            Piece(version.reference),
            *_standing(version, is_deleted=tip is not None and version.read_from != tip),
            *_measured(version, metrics),
            when(version.created_at),
            person(version.created_by),
        )
        for version in versions
    ]
    shown = tuple(name.upper() for name in metrics) or ("METRICS",)
    return table(("VERSION", "STAGE", "ALIASES", *shown, "CREATED", "BY"), rows, width)


def _standing(version: ModelVersion, *, is_deleted: bool) -> list[object]:
    """Return the cells of the stage and the aliases: a version that is gone has neither."""
    if is_deleted:
        return [Piece("deleted"), "-"]
    aliases = " ".join(f"@{alias}" for alias in version.aliases)
    return [Piece(version.stage or "-", stage_style(version.stage)), aliases or "-"]


def _measured(version: ModelVersion, metrics: Sequence[str]) -> list[object]:
    """Return the cells of some metrics, or one of all."""
    return [version.metrics.get(name) for name in metrics] or [metrics_cell(version.metrics)]


def version_text(
    version: ModelVersion,
    width: int,
    approvals: Sequence[StoredApproval] = (),
    given: Sequence[GivenApproval] = (),
    *,
    age: float | None = None,
) -> str:
    """Return everything that is known about a version."""
    code, run, artifact = version.lineage.code, version.lineage.run, version.artifact
    rows: list[tuple[str, object]] = [
        ("version", version.reference),
        ("stage", Piece(version.stage or "None", stage_style(version.stage))),
        ("aliases", version.aliases),
        ("description", version.description or None),
        ("created", f"{version.created_at} by {version.created_by}"),
        ("artifact", f"{artifact.path}, {quantity(artifact.files, 'file')}, {size(artifact.size)}"),
        ("sha256", artifact.sha256),
    ]
    for label, values in (
        ("metric", {name: figure(value) for name, value in version.metrics.items()}),
        ("param", flatten(version.params)),
        ("tag", version.tags),
    ):
        rows += [(f"{label} {name}", value) for name, value in values.items()]
    rows += [
        (f"evaluation {name}", _evaluation(evaluation))
        for name, evaluation in version.evaluations.items()
    ]
    rows.append(("source", version.lineage.source))
    if code:
        missing = f", with {code.unrecorded}" if code.unrecorded else ""
        place = f" of {code.repository}" if code.repository else ""
        rows.append(("code", f"{code.commit[:SHORT]}{place}{missing}"))
    else:
        rows.append(("code", "not known"))
    rows += [(f"data {item.path}", item.state) for item in version.lineage.data]
    if version.lineage.command:
        rows.append(("command", version.lineage.command))
    if run:
        where = f" at {run.tracking_uri}" if run.tracking_uri else ""
        rows.append(("run", (run.id or "") + where or None))
        rows += [("run's page", run.link)] if run.link else []
    if version.lineage.tag:
        rows.append(("GTO's tag", version.lineage.tag))
    if version.lineage.logged_model:
        rows.append(("logged model", version.lineage.logged_model))
    signature = asdict(version.signature) if version.signature else {}
    rows += [(f"signature {name}", _columns(text)) for name, text in signature.items() if text]
    environment = version.environment
    known = [word for word in (environment.python, environment.platform) if word]
    rows.append(("environment", ", ".join(["python " + known[0], *known[1:]]) if known else None))
    rows += [(f"approved for {one.stage}", _approval(one, given)) for one in approvals]
    rows += _withdrawn(approvals, given)
    rows.append(("registered in", version.commit and version.commit[:SHORT]))
    fetched = "" if age is None else f", fetched {ago(age)}"
    rows.append(("read from", version.read_from and f"{version.read_from[:SHORT]}{fetched}"))
    return page_of(rows, width)


def _evaluation(evaluation: Evaluation) -> str:
    """Return an evaluation in a line: its numbers, and what they are of."""
    numbers = [f"{name} {figure(value)}" for name, value in evaluation.metrics.items()]
    numbers += [quantity(len(evaluation.slices), "slice")] if evaluation.slices else []
    return f"{', '.join(numbers)} on {data_of(evaluation)}"


def page_of(rows: Iterable[tuple[str, object]], width: int) -> str:
    """Return facts, each behind its name."""
    named = ((Piece(name), value) for name, value in rows)
    return table(("", ""), named, width).lstrip("\n")


def _approval(stored: StoredApproval, given: Sequence[GivenApproval]) -> str:
    """Return whose approval counts, or why not, and when it was signed with which key."""
    verdict = "verified" if stored.verified else f"does not verify: {stored.reason}"
    who = (stored.stage, stored.principal)
    came = next((one for one in given if (one.stage, one.principal) == who), None)
    return f"{stored.principal}, {verdict}" + (f"; {_told(came)}" if came else "")


def _told(one: GivenApproval) -> str:
    key = f", key {one.key}" if one.key else ""
    return f"{one.time} in {one.commit[:SHORT]}, committed by {person(one.committer)}{key}"


def _withdrawn(
    approvals: Sequence[StoredApproval], given: Sequence[GivenApproval]
) -> Iterator[tuple[str, object]]:
    """Yield the approvals that are there no more, with what withdrew them."""
    told = {(one.stage, one.principal) for one in approvals}
    for place, one in enumerate(given):
        who = one.stage, one.principal
        if who in told:
            continue
        told.add(who)
        came = next(
            (
                other
                for other in given[place:]
                if other.action == "approve" and (other.stage, other.principal) == who
            ),
            None,
        )
        gone = f"withdrawn {one.time} in {one.commit[:SHORT]}"
        yield (
            f"was approved for {one.stage}",
            f"{one.principal}" + (f", {_told(came)}" if came else "") + f"; {gone}",
        )


def preview_text(preview: ApprovalPreview) -> str:
    """Return what the user is about to approve."""
    approval, candidate = preview.approval, preview.candidate
    artifact = candidate.artifact
    over = ", ".join(version.reference for version in preview.incumbents) or "nothing"
    incumbent = preview.incumbents[-1] if preview.incumbents else None
    lines = [
        f"approving {approval.reference} for {approval.stage}, which holds {over}",
        f"registered by {candidate.created_by} at {candidate.created_at}",
        f"sha256 {artifact.sha256}, {quantity(artifact.files, 'file')}, {size(artifact.size)}",
        *metrics_beside(candidate, incumbent),
    ]
    return "\n".join([line(lines[0]), *(f"    {line(text)}" for text in lines[1:])])


def _columns(signature: str) -> str:
    """Return the columns of a part of a signature, shortened; ``--json`` has all.

    >>> _columns('[{"name": "age", "type": "long"}, {"type": "tensor"}]')
    '2: age long, tensor'
    """
    try:
        found = json.loads(signature)
        names = [" ".join(str(c[k]) for k in ("name", "type") if k in c) for c in found]
    except (ValueError, TypeError, RecursionError):
        return signature  # not in the form that MLflow writes
    more = ", …" if len(names) > SHOWN_COLUMNS else ""
    return f"{len(names)}: {', '.join(names[:SHOWN_COLUMNS])}{more}"


def outcome_text(outcome: Outcome, *, dry_run: bool = False) -> str:
    """Return the result of a write."""
    subject = line(outcome.change.subject)
    if outcome.is_unchanged:
        return f"nothing to do, already up to date: {subject}"
    if outcome.review is not None:
        return _review_text(outcome, outcome.review, dry_run=dry_run)
    if dry_run:
        return change_text(outcome.change, outcome.tags)
    pushed = ", pushed" if outcome.pushed else ""
    pushed += f" to {outcome.branch}" if outcome.pushed and outcome.branch else ""
    pushed += ", done before" if outcome.repeated else ""
    replaced = ", ".join(str(version) for version in outcome.replaced)
    instead = f" instead of {replaced}" if replaced and not outcome.change.reverts else ""
    return f"[{str(outcome.commit)[:SHORT]}{pushed}] {subject}{line(instead)}"


def consequences(outcome: Outcome) -> list[str]:
    """Return what a write has not done yet, as the last lines that a command prints."""
    lines = []
    if outcome.unshared is not None:
        lines.append(f"not shared yet: {outcome.unshared}. Publish: gitreg push")
    elif outcome.branch is not None and outcome.pushed and outcome.review is None:
        lines.append(f"on the branch {outcome.branch}: no other branch has it until it is merged")
    return list(map(line, lines))


def verdicts_text(judgements: Sequence[Judgement], *, waiting: bool = False) -> str:
    """Return the policy's verdicts, one a line.

    Args:
        judgements: the verdicts, version by version.
        waiting: whether what is judged waits for a review, which brings the approvals.
    """
    several = len(judgements) > 1
    return "\n".join(
        (f"{line(judgement.reference)}  " if several else "")
        + paint_verdict(line(_verdict(verdict, waiting=waiting)))
        for judgement in judgements
        for verdict in judgement.verdicts
    )


def _verdict(verdict: Verdict, *, waiting: bool) -> str:
    if waiting and verdict.rule == APPROVALS and not verdict.passed:
        return f"waiting  {verdict.rule}: {verdict.line}"
    return verdict.text


def policy_text(policy: Policy) -> str:
    """Return a model's rules, stage by stage, then the rest."""
    parts = [(name, stage_rows(policy, rule)) for name, rule in policy.stages.items()]
    rest = other_rows(policy)
    parts += [("besides", rest)] if rest else []
    lines = []
    for title, rows in parts:
        lines.append(paint(line(title), stage_style(title)) if title != "besides" else title)
        lines += [line(f"  {key:<10} {value}") for key, value in rows]
    return "\n".join(lines)


def _review_text(outcome: Outcome, review: Review, *, dry_run: bool) -> str:
    """Return where a change waits for review; in a dry run, the text of the request."""
    if dry_run:
        return visible(f"would push {review.branch} and request: {review.title}\n\n{review.body}")
    done = "unchanged" if outcome.repeated else "pushed"
    first = f"[{str(outcome.commit)[:SHORT]}, {done}: {review.branch}] {review.title}"
    if review.url is None:
        second = f"open a pull request from that branch into {review.base} on your Git host"
    elif review.state == "by hand":
        second = f"open the pull request: {review.url}"
    else:
        second = f"{review.state}: {review.url}"
    return "\n".join(map(line, (first, second)))


def fetch_text(report: FetchReport, width: int) -> str:
    """Return the result of a fetch."""
    if report.before != report.after:
        before = report.before[:SHORT] if report.before else "nothing"
        moved = f"{before} → {str(report.after)[:SHORT]}, {report.upstream}"
        return "\n".join(
            [line(moved), *([events_text(report.events, width)] if report.events else [])]
        )
    unpublished = f"; not published: {quantity(report.unpublished, 'commit')}: gitreg push"
    return line(f"up to date with {report.upstream}{unpublished if report.unpublished else ''}")


def push_text(report: PushReport, *, dry_run: bool = False) -> str:
    """Return the result of a push."""
    lines = []
    for sent in report.sent:
        again = f" (was {sent.was[:SHORT]})" if sent.was else ""
        where = "would publish" if dry_run else f"[{str(sent.commit)[:SHORT]}, pushed]"
        lines.append(f"{where} {sent.subject}{again}")
    lines += [
        f"not pushed: {left.commit[:SHORT]} {left.subject}: {left.reason}" for left in report.left
    ]
    if not lines:
        lines.append(f"nothing to publish on {report.upstream}")
    return "\n".join(map(line, lines))


def own_commits_text(report: PushReport) -> str:
    """Return how the user moves their own commits on top of the published one."""
    names = " ".join(commit[:SHORT] for commit in report.own)
    return line(
        f"not published: {quantity(len(report.own), 'commit')} of your own; to move: "
        f"git reset --keep {str(report.commit)[:SHORT]} && git cherry-pick {names} "
        "&& gitreg tags sync"
    )


def change_text(change: Change, tags: Sequence[str]) -> str:
    """Return what a change would do: message, files, tags."""
    lines = ["would commit:", *_indented(change.message().rstrip())]
    for edit in change.edits:
        lines.append(f"{'remove' if edit.content is None else 'write'} {line(edit.path)}")
        if edit.content is not None and edit.path.endswith(".yaml") and len(edit.content) < 400:
            lines += _indented(edit.content.decode("utf-8", "replace").rstrip())
    lines += [line(f"tag {tag}") for tag in tags]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"    {part}".rstrip() for part in visible(text).split("\n")]


def versions_with_metrics(title: str, versions: Iterable[ModelVersion]) -> str:
    """Return versions with their metrics, one a line."""
    return "\n".join(
        line("  ".join([f"{title} {version.reference}", *metric_texts(version.metrics)]))
        for version in versions
    )


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings, one a line, each with its remedy below."""
    lines = []
    for finding in findings:
        kind = "fixed" if finding.code == "fixed" else finding.severity
        lines.append(paint_verdict(line(f"{kind}: {finding.subject}: {finding.message}")))
        if finding.remedy:
            lines.append(f"    {line(finding.remedy)}")
    return "\n".join(lines)


def well(version: ModelVersion) -> Finding:
    """Return the finding on a version whose bytes match its manifest, for ``verify --json``."""
    from gitreg.findings import Finding

    return Finding("ok", "note", version.reference, "its bytes match its manifest")


def tags_text(report: TagReport, *, dry_run: bool) -> str:
    """Return the result of ``gitreg tags sync``."""
    lines = [f"{'would make' if dry_run else 'made'} {name}" for name in report.made]
    lines += [f"{'would replace' if dry_run else 'replaced'} {name}" for name in report.replaced]
    lines += [f"{'would put' if dry_run else 'put'} {name} right" for name in report.abandoned]
    lines += [f"wrong: {name} is not the tag that history implies" for name in report.wrong]
    lines += [f"foreign: {name} has no event of history behind it" for name in report.foreign]
    pushed = ", pushed" if report.pushed else ""
    made = f"{len(report.made)} {'to make' if dry_run else 'made'}"
    lines.append(f"{made}, {len(report.kept)} right already{pushed}")
    return "\n".join(paint_verdict(line(one)) for one in lines)


def errors_text(message: str, hint: str | None) -> str:
    """Return an error in one line, and its hint in another."""
    return "\n".join([f"gitreg: {line(message)}", *([f"  {line(hint)}"] if hint else [])])
