"""Reads a registry into the values that pages show; writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial

from gitreg.approvals.reproductions import REPRODUCTION
from gitreg.approvals.signatures import Unverified, verify
from gitreg.approvals.stored import signers_of
from gitreg.core.model import layout
from gitreg.core.model.card import Card
from gitreg.core.model.manifest import Tombstone, read_tombstone
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import ARCHIVE
from gitreg.core.model.statement import read_statement_of
from gitreg.core.policy import DEFAULT, Policy, read_policy
from gitreg.core.state.compare import packages
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import GitError, GitregError, InvalidDocument
from gitreg.git.commit_info import read_commit_info
from gitreg.history.timelines import tracks_at
from gitreg.registry import Registry
from gitreg.review.hosts import KINDS, Host, host_of
from gitreg.review.reviewer import SETTING
from gitreg.site.values import ModelSeen, PolicyChange, Remade, Setting, Signed

_MOST_CHANGES = 100
"""How many changes of the policy are shown, the latest ones."""

_SIGNATURE_FREE = "a"


def setting_of(registry: Registry, state: RegistryState, title: str | None) -> Setting:
    """Return what all pages have in common."""
    host = _host(registry)
    # The host's page of a commit, without the commit.
    sample = _SIGNATURE_FREE * 40
    page = (host.commit_url(sample) or "") if host else ""
    stages = tuple(policy_of(state).stages)
    return Setting(
        title or (host.project if host else "Model registry"),
        page.removesuffix(sample),
        f"{host.web}/{host.project}" if host and host.kind else "",
        stages,
        main_stage(stages),
        is_cut=registry.is_shallow,
    )


def _host(registry: Registry) -> Host | None:
    configured = registry.repository.config(SETTING)
    kind = next((one for one in KINDS if one == configured), None)
    url = registry.url or registry.repository.config("remote.origin.url")
    return host_of(url, kind) if url else None


def policy_of(state: RegistryState) -> Policy:
    """Return the rules; those of a new registry where they do not parse, which a page says."""
    try:
        return state.policy
    except InvalidDocument:
        return DEFAULT


def main_stage(stages: Sequence[str]) -> str:
    """Return the stage that serves: ``production``, else the last one but the archive."""
    others = [stage for stage in stages if stage != ARCHIVE]
    return "production" if "production" in others or not others else others[-1]


def model_seen(registry: Registry, state: RegistryState, name: str) -> ModelSeen:
    """Return all that pages show of a model."""
    broken: list[GitregError] = []
    model = state.readable_model(name, broken)
    past = registry.past(state)
    commits = past.registering_commits(name)
    pointers = state.readable_pointers(name, [])
    versions, frozen = [], {}
    for number in state.versions(name):
        try:
            found = state.version_of(pointers, number)
        except InvalidDocument as error:
            broken.append(error)
            continue
        versions.append(_registered(found, commits.get(number)))
        frozen[number] = _packages(
            state.snapshot.read(layout.version_path(name, number, layout.REQUIREMENTS)) or b""
        )
    tracks = tracks_at(registry, state, (name,), 0)
    return ModelSeen(
        model,
        tuple(versions),
        frozen,
        dict(_deleted(state, name)),
        _card(state, name, broken),
        tuple(one for one in tracks if one.model == name and not one.is_over),
        tuple(registry.log(name, rev=state.commit)),
        {one.version: some for one in versions if (some := _approvals(registry, state, one))},
        {one.version: made for one in versions if (made := tuple(_remade(state, one)))},
        tuple(dict.fromkeys(map(str, broken))),
    )


@lru_cache(maxsize=256)
def _packages(requirements: bytes) -> Mapping[str, str]:
    """Return the packages of a frozen environment; most versions share theirs with others."""
    lines = requirements.decode("utf-8", "replace").splitlines()
    return {key: str(value) for key, value in packages(lines).items()}


def _registered(version: ModelVersion, commit: str | None) -> ModelVersion:
    return replace(version, commit=commit)


def _card(state: RegistryState, name: str, broken: list[GitregError]) -> Card | None:
    try:
        return state.card(name)
    except InvalidDocument as error:
        broken.append(error)
        return None


def _deleted(state: RegistryState, name: str) -> Iterator[tuple[int, Tombstone]]:
    numbers = state.numbers(name)
    paths = [layout.tombstone_path(name, number) for number in numbers]
    contents = state.snapshot.read_many(paths)
    for number, path, content in zip(numbers, paths, contents, strict=True):
        if content is not None:
            with suppress(InvalidDocument):
                yield number, read_tombstone(content, path)


def _approvals(
    registry: Registry, state: RegistryState, version: ModelVersion
) -> tuple[Signed, ...]:
    folder = layout.version_path(version.model, version.version)
    if "approvals" not in state.snapshot.list(folder):
        return ()
    try:
        found = registry.approvals(version.reference, rev=state.commit)
    except (GitError, InvalidDocument):
        # ssh-keygen is not installed, history is cut off, or another file does not parse.
        inside = state.snapshot.list(f"{folder}/approvals")
        names = map(layout.approval_name, sorted(inside))
        return tuple(Signed(*name, None) for name in names if name is not None)
    return tuple(
        Signed(one.stage, one.principal, one.verified, one.key or "", one.reason or "")
        for one in found
    )


def _remade(state: RegistryState, version: ModelVersion) -> Iterator[Remade]:
    if "reproductions" not in state.snapshot.list(
        layout.version_path(version.model, version.version)
    ):
        return
    folder = layout.reproductions_path(version.model, version.version)
    signers = partial(signers_of, policy_of(state))
    for file in sorted(state.snapshot.list(folder))[: 2 * layout.ADDED_LIMIT]:
        path = f"{folder}/{file}"
        place = layout.locate(path)
        if place is None or place.kind != "reproduction":
            continue
        data, signature = state.snapshot.read_many([path, layout.signature_path(path)])
        with suppress(InvalidDocument):
            statement = read_statement_of(data or b"", path, version.artifact.sha256)
            signer = ""
            if data is not None and signature is not None:
                with suppress(Unverified, GitError):
                    signer = verify(data, signature, REPRODUCTION, signers())
            yield Remade(statement.verdict, statement.facts, signer)


def policy_changes(
    registry: Registry, state: RegistryState, since: str | None = None
) -> list[PolicyChange]:
    """Return how the policy became what it is, newest first.

    Args:
        registry: which.
        state: of it.
        since: leave out the changes up to this commit.
    """
    repository = registry.repository
    upto = [str(state.commit), *([f"^{since}"] if since else [])]
    listed = repository.run_at_root(
        "rev-list",
        "--first-parent",
        f"--max-count={_MOST_CHANGES}",
        *upto,
        "--",
        layout.POLICY,
    ).text.split()
    found = []
    for commit, one in zip(listed, repository.reader.get_many(listed), strict=True):
        if one is None:
            continue
        info = read_commit_info(one)
        content = repository.snapshot(commit).read(layout.POLICY)
        policy = None
        with suppress(InvalidDocument):
            policy = read_policy(content, layout.POLICY)
        subject = info.message.partition("\n")[0]
        found.append(PolicyChange(commit, utc(info.when), info.author, subject, policy))
    return found


def moment_of(registry: Registry, state: RegistryState) -> int:
    """Return the date of the state's commit, in seconds since the epoch."""
    found = registry.repository.reader.get(str(state.commit))
    return 0 if found is None else read_commit_info(found).time
