"""Puts changes under review: a branch with the change, and a pull request for it.

The branch is named after the operation, so that running it again updates the same request. The text
of the request is the evidence: the candidate beside the incumbent, the gates' verdicts, how to roll
back. No tag is created: history implies the tags after the merge.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.names import folder_of
from gitreg.core.operations import Operation
from gitreg.core.state.change import OPERATION, Change
from gitreg.errors import InvalidRequest, WorldError
from gitreg.git.repository import GitRepository
from gitreg.publishing.outcome import Outcome, Review, ReviewBranch
from gitreg.publishing.publisher import Publisher
from gitreg.review.evidence import evidence_text
from gitreg.review.hostcli import HostCli, Request
from gitreg.review.hosts import KINDS, Host, Kind, host_of

PREFIX = "gitreg"
"""The prefix of all review branches."""

SETTING = "gitreg.host"
"""The Git setting that names the kind of a host whose name does not tell it."""

_PLAIN_BASES = ("main", "master")
_READABLE = 60


class Reviewer:
    """Puts operations under review.

    Args:
        repository: the repository that creates the commits.
        publisher: creates and pushes the commits.
        push_url: returns the URL to push to; it may hold credentials.
    """

    def __init__(
        self, repository: GitRepository, publisher: Publisher, push_url: Callable[[], str]
    ) -> None:
        self._repository = repository
        self._publisher = publisher
        self._push_url = push_url

    def propose(
        self,
        operation: Operation,
        reason: str | None,
        *,
        op_id: str | None = None,
        dry_run: bool = False,
        topic: str = "",
    ) -> Outcome:
        """Push an operation's commit to its own branch, and open or update its pull request.

        Args:
            operation: what to do.
            reason: why, for the commit message.
            op_id: identifies the operation; a new id by default.
            dry_run: only report what would be done.
            topic: distinguishes operations that would get the same branch name otherwise.

        Returns:
            The outcome with its `Review`; without one when everything is published already.
            When no request could be opened, the outcome has a warning: the branch is pushed.

        Raises:
            GitregError: as `Publisher.push_for_review`; nothing was published.
        """
        host = host_of(self._push_url(), self._kind())
        cli = HostCli.of(host, self._repository.folder)
        draft = _Draft(host, topic, asks_by_push=cli is None)
        pushed = self._publisher.push_for_review(
            operation, reason, draft, op_id=op_id, dry_run=dry_run
        )
        outcome = pushed.outcome
        if not pushed.branch:
            return outcome
        change = outcome.change
        if outcome.operation is not None:
            change = change.with_trailer(OPERATION, outcome.operation)
        text = evidence_text(pushed.before, change, host)
        request = Request(pushed.branch, pushed.base, change.subject, text)
        review = Review(request.head, request.base, request.title, request.body)
        if dry_run:
            return replace(outcome, review=review)
        review, warnings = _open(review, request, pushed, host, cli)
        return replace(outcome, review=review, warnings=(*outcome.warnings, *warnings))

    def _kind(self) -> Kind | None:
        """Return the kind of host that the user configured."""
        said = self._repository.config(SETTING)
        if said is not None and said not in KINDS:
            raise InvalidRequest(
                f"the setting {SETTING} is {said!a}: expected {', '.join(KINDS)}",
                hint=f"git config {SETTING} gitlab",
            )
        return said


def _open(
    review: Review, request: Request, pushed: ReviewBranch, host: Host | None, cli: HostCli | None
) -> tuple[Review, tuple[str, ...]]:
    """Open the request of a pushed branch, or find the page where the user can."""
    by_hand = None if host is None else host.compare_url(request.base, request.head)
    if cli is not None:
        try:
            url, was_open = cli.put(request)
        except WorldError as error:
            how = f": open it at {by_hand}" if by_hand else ""
            words = f"the branch is pushed, but no request was opened ({error}){how}"
            return replace(review, url=by_hand), (words,)
        return replace(review, url=url, state="updated" if was_open else "opened"), ()
    said = None if host is None else host.find_request(pushed.remote_words)
    if said is not None:
        return replace(review, url=said, state="opened"), ()
    return replace(review, url=by_hand), ()


@dataclass(frozen=True)
class _Draft:
    """Names the branch of a change, and makes GitLab open a request when there is no glab."""

    host: Host | None
    topic: str
    asks_by_push: bool

    def branch(self, change: Change, base: str) -> str:
        return branch_name(change, base, self.topic)

    def push_options(self, change: Change, base: str) -> Sequence[str]:
        if not self.asks_by_push or self.host is None or self.host.kind != "gitlab":
            return ()
        # No description: an option has one line. GitLab uses the commit message, which has the
        # evidence, too.
        return (
            "merge_request.create",
            f"merge_request.target={base}",
            f"merge_request.title={change.subject}",
            "merge_request.remove_source_branch",
        )


# The branch


def branch_name(change: Change, base: str = "main", topic: str = "") -> str:
    """Return the name of the review branch for a change.

    The same operation gets the same branch for every user and every run. A registration is
    identified by its bytes: its version number may differ the next time.

    Args:
        change: the change.
        base: the branch to merge it into.
        topic: distinguishes changes that would get the same name otherwise.

    >>> trailers = (("Gitreg-Action", "promote"), ("Gitreg-Model", "churn-predictor"))
    >>> trailers += (("Gitreg-Version", "5"), ("Gitreg-Stage", "production"))
    >>> branch_name(Change("", trailers=trailers))
    'gitreg/promote-churn-predictor-5-production'
    """
    action, *parts = _words(change)
    if action == "register":
        parts = [part for part in parts if not part.isdigit()]
        topic += "".join(_digests(change))
    text = "-".join([action, *parts])
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:_READABLE].strip("-")
    # Two numbers between dashes are ambiguous: m-1@2 is not m@1 and m@2.
    ambiguous = len(re.findall(r"-\d+(?![^-])", text)) > 1
    if topic or ambiguous or readable != text:
        digest = hashlib.sha256("\0".join([action, *parts, topic]).encode("utf-8", "replace"))
        readable += f"-{digest.hexdigest()[:8]}"
    into = "" if base in _PLAIN_BASES else re.sub(r"[^A-Za-z0-9_-]+", "-", base).strip("-") + "/"
    return f"{PREFIX}/{into}{readable}"


def _words(change: Change) -> list[str]:
    """Return the parts of a branch name: action, models, versions, stage and alias."""
    action, stage, alias = "change", "", ""
    named: list[str] = []
    for key, value in change.trailers:
        if key == "Gitreg-Action":
            action = value
        elif key in ("Gitreg-Model", "Gitreg-Version"):
            named.append(folder_of(value))
        elif key == "Gitreg-Stage":
            stage = value
        elif key == "Gitreg-Alias" and action == "alias":
            alias = value
    if action == "alias" and any(edit.content is None for edit in change.edits):
        action = "unalias"
    if action == "archive":
        stage = ""
    return [action, *named, *filter(None, (stage, alias))]


def _digests(change: Change) -> list[str]:
    """Return the digests of the artifacts that a change registers."""
    return [
        manifest.read_manifest(edit.content, edit.path).artifact.sha256
        for edit in change.edits
        if edit.content is not None and _kind_of(edit.path) == "manifest"
    ]


def _kind_of(path: str) -> str | None:
    place = layout.locate(path)
    return None if place is None else place.kind
