"""A server with the hook, and an insider who commits by plain Git, by gitreg or by forged objects.

Each method of `Insider` that begins with a verb adds a commit to ``head``, which nobody has pushed
yet. Commits are written as objects, so that every shape of history is possible.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gitreg import Registry, hooks
from gitreg.core.state.change import Change
from gitreg.errors import GitregError
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.objects import Objects, Written

MODELS = ("churn", "toy", "tmp")
STAGES = ("staging", "production", "archived")
PEOPLE = ("grace", "lin", "mallory")
BRANCH = "refs/heads/main"
POLICY = "registry/policy.yaml"

RULES = """\
format: 1
stages:
  staging: {holds: any}
  production:
    holds: 1
    crowded: false
    replaced: archived
    from: [staging]
    aliases: [champion]
    gates:
@GATES@
@EXTRAS@
  archived: {holds: any}
aliases:
  champion: {protected: true}
models:
  toy: {stages: {production: {gates: [{metric: auc, at_least: 0.4}]}}}
@FREEZE@
@GUARD@
signers:
@SIGNERS@
roles:
  managers: [grace@example.com, lin@example.com]
"""
EXTRAS = (
    "approvals: {count: 1, by: [managers]}",
    "approvals: {count: 2, by: [managers]}",
    "signed: {by: [managers]}",
    "override: {by: [managers]}",
)
METRIC = "{metric: auc, at_least: 0.75}"
SOAK = "{soak: {in: staging, at_least: 3h}}"


def rules(
    public: Mapping[str, str],
    extras: Sequence[str],
    gate: str = METRIC,
    frozen: int | None = None,
    *,
    guarded: bool = False,
) -> bytes:
    """Return a policy; a freeze of production begins at ``frozen``, and lasts two hours."""
    window = ""
    if frozen is not None:
        start, end = (datetime.fromtimestamp(frozen + n, timezone.utc) for n in (0, 7200))
        times = f"from: '{start:%Y-%m-%dT%H:%M:%SZ}', until: '{end:%Y-%m-%dT%H:%M:%SZ}'"
        window = f"freeze: [{{{times}, stages: [production]}}]"
    text = RULES
    for name, lines in {
        "GATES": [f"    - {gate}"],
        "EXTRAS": [f"    {extra}" for extra in extras],
        "FREEZE": [window] if window else [],
        "GUARD": ["policy: {signed: {by: [managers]}}"] if guarded else [],
        "SIGNERS": [f"  {who}@example.com: ['{key}']" for who, key in public.items()],
    }.items():
        text = text.replace(f"@{name}@\n", "".join(f"{entry}\n" for entry in lines))
    return text.encode()


def version(model: str, number: int, auc: float, content: str) -> dict[str, bytes]:
    """Return the files of a new version, as gitreg would write them."""
    folder = f"registry/{model}/versions/{number}"
    sha, md5 = hashlib.sha256(content.encode()), hashlib.md5(content.encode())
    manifest = (
        f"format: 1\nmodel: {model}\nversion: {number}\n"
        "created_at: '2026-11-22T20:25:06Z'\ncreated_by: Mallory <mallory@example.com>\n"
        f"artifact:\n  path: model.bin\n  size: {len(content)}\n  files: 1\n"
        f"  sha256: {sha.hexdigest()}\nmetrics:\n  auc: {auc}\n"
    )
    pointer = (
        f"outs:\n- md5: {md5.hexdigest()}\n  size: {len(content)}\n  hash: md5\n  path: model.bin\n"
    )
    return {
        f"{folder}/manifest.yaml": manifest.encode(),
        f"{folder}/model.bin.dvc": pointer.encode(),
    }


def numbers(files: dict[str, bytes], model: str) -> list[int]:
    """Return the versions of a model."""
    start, end = f"registry/{model}/versions/", "/manifest.yaml"
    inside = (path.removeprefix(start) for path in files if path.startswith(start))
    return sorted(int(path.removesuffix(end)) for path in inside if path.endswith(end))


def held(files: dict[str, bytes], model: str, stage: str) -> list[int]:
    """Return what a stage holds."""
    return [
        int(line.removeprefix(b"- "))
        for line in files.get(f"registry/{model}/stages/{stage}.yaml", b"").splitlines()
        if line.startswith(b"- ")
    ]


def put(files: dict[str, bytes], model: str, stage: str, versions: list[int]) -> None:
    """Write what a stage holds."""
    path = f"registry/{model}/stages/{stage}.yaml"
    files.pop(path, None)
    if versions:
        lines = (f"- {number}\n" for number in sorted(set(versions)))
        files[path] = f"versions:\n{''.join(lines)}".encode()


def place(files: dict[str, bytes], model: str, number: int, stage: str) -> None:
    """Move a version as gitreg would: what production held goes to the archive."""
    for other in STAGES:
        put(files, model, other, [one for one in held(files, model, other) if one != number])
    if stage == "production":
        gone = held(files, model, stage)
        put(files, model, "archived", [*held(files, model, "archived"), *gone])
        put(files, model, stage, [number])
        files[f"registry/{model}/aliases/champion.yaml"] = f"version: {number}\n".encode()
    elif stage in STAGES:
        put(files, model, stage, [*held(files, model, stage), number])


def with_artifacts(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return files whose ``dvc.yaml`` names the newest version of each model."""
    lines = [
        f"  {model}:\n    path: registry/{model}/versions/{found[-1]}/model.bin\n    type: model\n"
        for model in MODELS
        if (found := numbers(files, model))
    ]
    rest = {path: data for path, data in files.items() if path != "dvc.yaml"}
    return rest | ({"dvc.yaml": f"artifacts:\n{''.join(lines)}".encode()} if lines else {})


def folder(files: dict[str, bytes], model: str) -> dict[str, bytes]:
    """Return the files of a model."""
    return {p: data for p, data in files.items() if p.startswith(f"registry/{model}/")}


@dataclass(frozen=True)
class Answer:
    """What a judge says about a push."""

    accepts: bool
    why: tuple[str, ...]


class Insider:
    """A server, and everything that somebody with push rights may try."""

    def __init__(self, home: Path, keys: Path, clock: int | None) -> None:
        self._clock = clock
        self.keys = keys
        self.server, self._mine = home / "origin.git", home / "mine.git"
        for repository in (self.server, self._mine):
            git(
                home,
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "--template=",
                repository.name,
            )
        (self._mine / "objects/info/alternates").write_text(f"{self.server / 'objects'}\n")
        hooks.install(GitRepository(self.server), "pre-receive")
        git(self.server, "config", "receive.fsckObjects", "true")
        self.objects = Objects(self.server)
        self.tip: str | None = None
        self.head: str | None = None
        self.known: list[str] = []
        self.misdated: set[str] = set()
        self.public = {
            who: " ".join((keys / f"{who}.pub").read_text().split()[:2]) for who in PEOPLE
        }
        self.registry = Registry(self._mine)

    def close(self) -> None:
        self.registry.close()

    @property
    def clock(self) -> int:
        """The time of this story: the real one where none was given."""
        return int(time.time()) if self._clock is None else self._clock

    def wait(self, seconds: int) -> None:
        """Let time pass, unless it is the real one."""
        if self._clock is not None:
            self._clock += seconds

    def line(self, old: str | None, new: str) -> list[str]:
        """Return a commit and its first parents, the oldest first, from ``old`` on."""
        found = [new]
        while found[-1] != old and (parents := self.objects.parents[found[-1]]):
            found.append(parents[0])
        return found[::-1]

    @property
    def files(self) -> dict[str, bytes]:
        """The files of the commit that was made last."""
        return {} if self.head is None else dict(self.objects.files[self.head])

    @contextlib.contextmanager
    def _at(self) -> Iterator[pytest.MonkeyPatch]:
        """Let it be the time of this story, for gitreg."""
        with pytest.MonkeyPatch.context() as patch:
            if self._clock is None:
                yield patch
                return
            patch.setattr(time, "time", lambda: float(self.clock))
            patch.setenv("GIT_COMMITTER_DATE", f"{self.clock} +0000")
            yield patch

    # Committing

    def commit(
        self,
        files: dict[str, bytes],
        *others: str,
        how: Written | None = None,
        first: str | None = None,
    ) -> None:
        """Commit on ``head``; ``others`` are merged."""
        mine = first or self.head
        parents = [*([mine] if mine else []), *others]
        how = how or Written(self.clock)
        self.head = self.objects.commit(files, parents, how)
        self.known.append(self.head)
        if how.when != self.clock:
            self.misdated.add(self.head)

    def by_gitreg(self, operation: Callable[[Registry], Change | None]) -> GitregError | None:
        """Commit what gitreg would on ``head``, or return why it refuses."""
        assert self.head is not None
        (self._mine / BRANCH).write_text(f"{self.head}\n")
        try:
            with self._at():
                change = operation(self.registry)
        except GitregError as error:
            return error
        if change is not None and change.edits:
            files = self.files
            for edit in change.edits:
                files.pop(edit.path, None)
                if edit.content is not None:
                    files[edit.path] = edit.content
            self.commit(files, how=Written(self.clock, change.message().rstrip("\n")))
        return None

    def approve(self, model: str, number: int, who: str) -> GitregError | None:
        """Let somebody approve a version for production."""

        def operation(registry: Registry) -> Change | None:
            seen = registry.preview_approval(f"{model}@{number}", stage="production")
            return registry.approve(seen, key=str(self.keys / who), dry_run=True).change

        return self.by_gitreg(operation)

    # Pushing

    def hook(self, old: str | None, new: str | None, name: str = BRANCH) -> Answer:
        """Return what the server's hook says about a push, without a push."""
        update = f"{old or '0' * 40} {new or '0' * 40} {name}\n"
        with self._at() as patch:
            patch.setenv("GIT_DIR", str(self.server))
            code, lines = hooks.run("pre-receive", [update])
        return Answer(code == 0, tuple(lines))

    def push(self, new: str) -> Answer:
        """Push for real."""
        (self._mine / BRANCH).write_text(f"{new}\n")
        done = subprocess.run(
            ["git", "push", "--quiet", self.server, "+main"],
            cwd=self._mine,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Answer(done.returncode == 0, tuple(done.stderr.splitlines()))

    def accept(self, new: str) -> None:
        """Let the server's branch be where a push brought it."""
        (self.server / BRANCH).write_text(f"{new}\n")
        self.tip = self.head = new

    def implied_tags(self) -> dict[str, bytes]:
        """Return the tags that gitreg would make, and their contents."""
        with contextlib.closing(GitRepository(self.server)) as repository:
            history = HistoryIndex(repository)
            history.advance(str(self.tip))
            found = {tag.name: tag.content for tag in history.tags()}
            history.close()
            return found

    def check(self, old: str | None, new: str) -> Answer:
        """Return what ``gitreg check`` says about a range; about all of history without ``old``."""
        (self._mine / BRANCH).write_text(f"{new}\n")
        wanted = new if old is None else f"{old}..{new}"
        with self._at():
            report = self.registry.check(wanted, history=old is None)
        return Answer(report.passed, tuple(str(f) for f in report.findings if f.is_error))
