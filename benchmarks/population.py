"""Fill a Git repository with a gitreg registry of any size, as gitreg itself would write it.

Registering 100,000 versions one by one takes hours; this module takes minutes. Still, every commit,
file and tag is gitreg's own. gitreg's operations are functions from a state to a `Change` and need
no repository, so promotions and aliases run on files in memory, and their changes go through one
``git fast-import``. One registration really runs, with unique stand-ins for model and version. The
others are copies of its files and message, with other names in place of the stand-ins.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fastimport import FIRST_COMMIT, PERSON, ZONE, Edit, FastImport
from benchmarks.processes import program
from benchmarks.scale import ALIAS, STAGE, Scale
from gitreg import Registry
from gitreg.artifacts.store import ArtifactStore
from gitreg.check.clone_facts import CloneFacts
from gitreg.core.model import layout
from gitreg.core.model.dvc_yaml import set_artifact
from gitreg.core.model.manifest import Tombstone, read_manifest, write_tombstone
from gitreg.core.model.model import Artifact, Model, ModelVersion
from gitreg.core.model.names import Reference
from gitreg.core.operations.alias import set_alias
from gitreg.core.operations.judging import Mover
from gitreg.core.operations.promote import Promotion, promote
from gitreg.core.policy import DEFAULT, Policy, write_policy
from gitreg.core.state.change import Change, trailers_of
from gitreg.core.state.state import RegistryState
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository

SOURCE = "model.pkl"
METRICS = {"accuracy": 0.871, "f1": 0.69, "roc_auc": 0.921}
PARAMS = {"learning_rate": 0.01, "max_depth": 6, "n_estimators": 400}

#: Stand-ins that occur nowhere else in gitreg's files; the version has nine digits.
MODEL_STAND_IN = "stand-in-for-a-model"
VERSION_STAND_IN = 987_654_321
OPERATION = "Gitreg-Op"


def checkout(scale: Scale, folder: Path) -> Path:
    """Return a repository with a work tree and a registry of this scale.

    The repository is in ``folder``; it is created if needed.
    """
    repository = folder / "checkout"
    if not repository.exists():
        repository.mkdir(parents=True)
        _start(repository)
        with FastImport(repository, continues=True) as stream:
            _Writer(scale, repository, stream).write()
        _tag(repository)
        # Git itself does this every few thousand commits: one pack, a commit graph, and the tags in
        # one file. No real registry has 100,000 tags in separate files.
        _git(repository, "gc", "--quiet")
        _git(repository, "reset", "--quiet", "--hard", "main")
    return repository


def bare(scale: Scale, folder: Path) -> Path:
    """Return the same registry without a work tree in ``folder``, creating it if needed."""
    repository = folder / "bare.git"
    if not repository.exists():
        origin = checkout(scale, folder)
        _git(origin, "clone", "--quiet", "--bare", str(origin), str(repository))
    return repository


def _start(repository: Path) -> None:
    """Create the state before the first version: a registry, and a model tracked by DVC."""
    dvc, gitreg = program("dvc"), program("gitreg")
    if dvc is None or gitreg is None:
        raise FileNotFoundError("dvc and gitreg must be installed beside this Python")
    when = f"@{FIRST_COMMIT} {ZONE}"  # so that time never runs backwards along the history
    dated = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}

    def run(*argv: str) -> None:
        subprocess.run(argv, cwd=repository, env=dated, check=True, stdout=subprocess.DEVNULL)

    run("git", "init", "--quiet", "-b", "main")
    run(gitreg, "init")
    (repository / SOURCE).write_bytes(b"the bytes of a small model\n" * 40)
    run(dvc, "add", "--quiet", SOURCE)
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "-m", "Train")


def _tag(repository: Path) -> None:
    """Write the tags that gitreg derives from history, like `gitreg tags sync`, but fast."""
    git = GitRepository(repository)
    history = HistoryIndex(git)
    history.advance(_git(repository, "rev-parse", "HEAD").strip())
    with FastImport(repository) as stream:
        for tag in history.tags():
            stream.tag(tag.name, tag.target, f"{tag.message}\n", tag.time)
    history.close()
    git.close()


def _git(repository: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), *args], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


class _Memory:
    """A snapshot of files in memory: the `gitreg.core.state.state.Snapshot` for new history."""

    commit = None

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def list(self, path: str) -> Sequence[str]:
        inside = f"{path}/"
        names = (file[len(inside) :] for file in self.files if file.startswith(inside))
        return sorted({name.partition("/")[0] for name in names})

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]


class _State(RegistryState):
    """A state with a fixed policy and manifest, which need no YAML parsing."""

    def __init__(self, snapshot: _Memory, sample: ModelVersion) -> None:
        super().__init__(snapshot)
        self._sample = sample

    @property
    def policy(self) -> Policy:
        return DEFAULT

    def version_of(self, pointers: Model, version: int) -> ModelVersion:
        return replace(
            self._sample,
            model=pointers.name,
            version=version,
            stage=pointers.stage_of(version),
            aliases=pointers.aliases_of(version),
        )


@dataclass(frozen=True)
class _Registered:
    """The result of the real registration: its message, and its files by name."""

    message: str
    files: Mapping[str, bytes]
    created_at: str
    operation: str


def _register_once(repository: Path) -> _Registered:
    """Register the stand-ins for real, and return the result.

    This runs in a copy of the repository, where a deleted version before it gives the number.
    """
    copy = repository.with_name("stand-in")
    shutil.copytree(repository, copy)
    before = copy / layout.tombstone_path(MODEL_STAND_IN, VERSION_STAND_IN - 1)
    before.parent.mkdir(parents=True)
    before.write_bytes(write_tombstone(Tombstone("2020-01-01T00:00:00Z", PERSON)))
    _git(copy, "add", "--all")
    _git(copy, "commit", "--quiet", "-m", "Count")
    parent = _git(copy, "rev-parse", "HEAD").strip()
    with Registry(copy) as registry:
        registry.register(MODEL_STAND_IN, copy / SOURCE, metrics=METRICS, params=PARAMS)
    message = _git(copy, "log", "-1", "--format=%B").strip() + "\n"
    folder = copy / layout.version_path(MODEL_STAND_IN, VERSION_STAND_IN)
    head = _git(repository, "rev-parse", "HEAD").strip()
    files = {
        file.name: file.read_bytes().replace(parent.encode(), head.encode())
        for file in sorted(folder.iterdir())
    }
    shutil.rmtree(copy)
    version = read_manifest(files["manifest.yaml"], "manifest.yaml")
    return _Registered(message, files, version.created_at, trailers_of(message)[OPERATION][0])


class _Writer:
    """Writes the registry of one scale, model by model."""

    def __init__(self, scale: Scale, repository: Path, stream: FastImport) -> None:
        self._scale = scale
        self._stream = stream
        self._template = _register_once(repository)
        place = GitRepository(repository)
        # The default policy has no rule that needs these facts.
        facts = CloneFacts(
            place,
            HistoryIndex(place),
            lambda: ArtifactStore(place),
            RegistryState(place.snapshot(None)),
        )
        self._mover = Mover(PERSON, facts)
        self._sample = ModelVersion(
            MODEL_STAND_IN,
            VERSION_STAND_IN,
            self._template.created_at,
            PERSON,
            Artifact(SOURCE, 0, 1, ""),
            METRICS,
            PARAMS,
        )
        # Files that are equal in each registration, such as the environment, are written once.
        self._constant = {
            content: stream.blob(content)
            for content in self._template.files.values()
            if self._fill(content, "", 0) == content
        }

    def write(self) -> None:
        """Write all commits."""
        listing = b""
        for name in self._scale.names:
            listing = self._write_model(name, listing)

    def _write_model(self, name: str, listing: bytes) -> bytes:
        """Write one model's history; return the ``dvc.yaml`` after it."""
        memory = _Memory({layout.POLICY: write_policy(DEFAULT)})
        state = _State(memory, self._sample)
        marks, listing = self._listings(name, listing)
        for version, mark in enumerate(marks, 1):
            self._register(memory, name, version, mark)
            if version in self._scale.promoted:
                promotion = Promotion((Reference(name, version=version),), STAGE)
                self._move(memory, promote(state, promotion, self._mover))
        newest = Reference(name, version=self._scale.versions)
        self._move(memory, set_alias(state, newest, ALIAS))
        return listing

    def _listings(self, name: str, before: bytes) -> tuple[list[int], bytes]:
        """Write the ``dvc.yaml`` of each version; return the marks, and the last text."""
        first = layout.version_path(name, 1, SOURCE)
        content = listing = set_artifact(before, name, first)
        marks = []
        for version in range(1, self._scale.versions + 1):
            path = layout.version_path(name, version, SOURCE)
            content = listing.replace(first.encode(), path.encode())
            marks.append(self._stream.blob(content))
        return marks, content

    def _register(self, memory: _Memory, name: str, version: int, listing: int) -> None:
        edits: list[Edit] = [(layout.DVC_YAML, listing)]
        for file, text in self._template.files.items():
            path = layout.version_path(name, version, file)
            content = self._fill(text, name, version)
            edits.append((path, self._constant.get(content, content)))
            memory.files[path] = content
        message = self._fill(self._template.message.encode(), name, version).decode()
        self._stream.commit(message, edits)

    def _fill(self, text: bytes, name: str, version: int) -> bytes:
        """Return a text with model, version and time in place of the stand-ins."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._stream.time + 60))
        return (
            text.replace(MODEL_STAND_IN.encode(), name.encode())
            .replace(str(VERSION_STAND_IN).encode(), str(version).encode())
            .replace(self._template.created_at.encode(), when.encode())
            .replace(self._template.operation.encode(), self._operation().encode())
        )

    def _operation(self) -> str:
        """Return the id of the next operation; gitreg's own ids are random."""
        return f"{self._stream.time:016x}"

    def _move(self, memory: _Memory, change: Change) -> None:
        for edit in change.edits:
            if edit.content is None:
                memory.files.pop(edit.path, None)
            else:
                memory.files[edit.path] = edit.content
        edits: list[Edit] = [(edit.path, edit.content) for edit in change.edits]
        message = change.with_trailer(OPERATION, self._operation()).message()
        self._stream.commit(message, edits)
