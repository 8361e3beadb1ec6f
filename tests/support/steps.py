"""A commit beside its parent as a check sees it, over states in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitreg.check.judge import judge_step
from gitreg.check.step import Step
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.policy import DEFAULT, Policy
from gitreg.core.policy.verdict import Sure
from gitreg.core.state.decision import Move
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.standing import Values
from gitreg.core.state.state import RegistryState
from gitreg.git.steps import Difference
from tests.support.fakes import ADA, DictSnapshot, branch_with

Files = Mapping[str, "bytes | None"]


COMMIT = CommitInfo("c" * 40, "b" * 40, ADA, ADA, 1_000_000, "+0000", "by hand")


MANIFEST = "registry/churn/versions/1/manifest.yaml"


DVC = "registry/churn/versions/1/model.pkl.dvc"


class NoFacts:
    """A world in which nothing can be known but the time."""

    def moment(self) -> int:
        return COMMIT.time

    def moments(self) -> Sequence[int]:
        return (COMMIT.time,)

    def has_commit(self, commit: str) -> bool | None:
        return None

    def last_held(self, model: str, stage: str) -> Sequence[ModelVersion] | None:
        return ()

    def difference(
        self,
        candidate: ModelVersion,
        incumbent: ModelVersion,
        evaluation: str,
        metric: str,
        confidence: float,
    ) -> Sure | str | None:
        return None

    def entered(self, model: str, version: int, stage: str) -> int | None:
        return None

    def had_pointers(self, model: str) -> bool:
        return False

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        return None

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        return None

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        return None

    def approvers(self, version: object, stage: str, replaces: tuple[int, ...]) -> Sequence[str]:
        return ()

    def spent(self, version: object, stage: str, replaces: tuple[int, ...]) -> Mapping[str, str]:
        return {}

    def reproductions(self, version: ModelVersion) -> Sequence[tuple[str, str]]:
        return ()

    def signer(self) -> str | None:
        return None


class World:
    """Judges moves without any history but what a test says."""

    def __init__(self, *been: tuple[str, str, tuple[Values, ...]]) -> None:
        self.been = {(model, stage): moves for model, stage, moves in been}

    def facts(self, step: Step) -> NoFacts:
        return NoFacts()

    def moves(self, model: str, stage: str) -> Sequence[Values]:
        return self.been.get((model, stage), ())

    def had_pointers(self, model: str) -> bool:
        return False

    def maker(self, move: Move) -> CommitInfo | None:
        return None


def step(
    before: Mapping[str, bytes],
    changes: Files,
    *,
    policy: Policy = DEFAULT,
    mode: int = 0o100644,
    highest: int = 0,
    message: str = "by hand",
) -> Step:
    """Return what a commit does that changes these files."""
    after = {**before, **{p: c for p, c in changes.items() if c is not None}}
    for path, content in changes.items():
        if content is None:
            del after[path]
    return Step(
        CommitInfo(COMMIT.oid, COMMIT.parent, ADA, ADA, COMMIT.time, "+0000", message),
        COMMIT.parent,
        tuple(
            Difference(
                path,
                0o100644 if path in before else 0,
                0 if content is None else mode,
                "1" * 40 if path in before else None,
                None if content is None else "2" * 40,
            )
            for path, content in changes.items()
        ),
        RegistryState(DictSnapshot(before)),
        RegistryState(DictSnapshot(after)),
        policy,
        lambda _model: highest,
    )


def files(*versions: Mapping[str, float]) -> dict[str, bytes]:
    """Return the files of a registry with these versions of churn."""
    branch = branch_with(*versions)
    return dict(branch.snapshot.files)


ONE = files({"auc": 0.7})


TWO = files({"auc": 0.7}, {"auc": 0.8})


SECOND = {path: content for path, content in TWO.items() if ONE.get(path) != content}


def codes(judged: Step, world: World | None = None, *, only_registry: bool = False) -> list[str]:
    found = judge_step(judged, world=world, only_registry=only_registry)
    return sorted({finding.code for finding in found})


def without(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text
    return text.replace(old.encode(), new.encode())
