"""What a registry holds, as frozen values: versions, artifacts, lineage, pointers.

>>> ModelVersion.reference.fget(ModelVersion("churn", 5, "", "", Artifact("model", 0, 1, "")))
'churn@5'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitreg.core.documents.yaml import Value
from gitreg.core.model.names import format_version


@dataclass(frozen=True)
class Artifact:
    """The bytes of a version.

    Attributes:
        path: file or folder name beside the manifest, ``model`` or ``model.pkl``.
        size: of all files together, in bytes.
        files: how many files; 1 for an artifact that is a file.
        sha256: of the file; of a folder, the digest of `gitreg.dvc.digest`. 64 hex digits.
        md5: the name of the object in DVC's cache; ends in ``.dir`` for a folder.
    """

    path: str
    size: int
    files: int
    sha256: str
    md5: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the artifact is a folder."""
        return self.md5 is not None and self.md5.endswith(".dir")


@dataclass(frozen=True)
class CodeCommit:
    """The commit of the code that produced a version.

    Attributes:
        commit: 40 hex digits.
        repository: URL of the remote, without credentials, or ``None`` when there is none.
        dirty: whether tracked files differed from the commit.
        untracked: whether there were code files that Git does not track.
        changed: files that differed, the first of them, from the root of the work tree; earlier
            releases named none.
    """

    commit: str
    repository: str | None = None
    dirty: bool = False
    untracked: bool = False
    changed: tuple[str, ...] = ()

    @property
    def unrecorded(self) -> str | None:
        """What the commit does not hold of the code, in words; ``None`` for a clean one."""
        kinds = ((self.dirty, "uncommitted changes"), (self.untracked, "untracked code files"))
        return " and ".join(words for present, words in kinds if present) or None


@dataclass(frozen=True)
class DataDependency:
    """Data that a version was made from.

    Attributes:
        path: its location, or the name of a data set that has none.
        md5: the hash of its bytes, as DVC names it.
        size: in bytes.
        digest: MLflow's fingerprint of a data set, which is no hash of its bytes.
    """

    path: str
    md5: str | None = None
    size: int | None = None
    digest: str | None = None

    @property
    def state(self) -> str | None:
        """The hash or digest that identifies this state of the data."""
        return self.md5 or self.digest


@dataclass(frozen=True)
class Run:
    """The tracking run that produced a version.

    Attributes:
        id: of the run; ``None`` where only a link to it is known.
        tracking_uri: the server that has it, without credentials.
        link: the page that shows it, without credentials.
    """

    id: str | None = None
    tracking_uri: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Lineage:
    """Where a version came from.

    Attributes:
        source: the registered path, relative to its repository; for a version that came through
            MLflow, the URI, without credentials.
        code: the commit of the code, or ``None`` outside any repository.
        data: what it was made from.
        command: the command line of the pipeline stage that made it.
        run: the tracking run, when known.
        logged_model: MLflow's id of the model that was registered, ``m-…``.
        tag: GTO's tag of a version that `gitreg import gto` brought, ``churn@v1.2.0``; it is on the
            commit of the code.
    """

    source: str | None = None
    code: CodeCommit | None = None
    data: tuple[DataDependency, ...] = ()
    command: str | None = None
    run: Run | None = None
    logged_model: str | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Environment:
    """The environment of a version.

    Attributes:
        python: the version of the interpreter.
        platform: operating system and machine.
        requirements: the name of the frozen list beside the manifest.
        requirements_digest: the SHA-256 of that file; versions of earlier releases have none.
    """

    python: str | None = None
    platform: str | None = None
    requirements: str | None = None
    requirements_digest: str | None = None


@dataclass(frozen=True)
class ModelSignature:
    """A model's inputs, outputs and parameters, as JSON text from its ``MLmodel`` file."""

    inputs: str | None = None
    outputs: str | None = None
    params: str | None = None


@dataclass(frozen=True)
class Annotations:
    """The description, owner and tags of a model or version, which commits may change.

    ``created_at`` belongs to a model that was created before its first version, and never changes.
    As in MLflow, a model's tag may have no value (``None``); a version's tag always has one.
    """

    description: str | None = None
    owner: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    created_at: str | None = None


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: its manifest, its pointers and its annotations.

    What the manifest holds, ``signature`` included, never changes. ``stage``, ``aliases``,
    ``description`` and ``tags`` are those of the commit ``read_from``. ``commit`` registered the
    version; it is ``None`` where a shallow clone's history does not reach back to it.
    """

    model: str
    version: int
    created_at: str
    created_by: str
    artifact: Artifact
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    environment: Environment = field(default_factory=Environment)
    stage: str | None = None
    aliases: tuple[str, ...] = ()
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    read_from: str | None = None
    signature: ModelSignature | None = None

    @property
    def reference(self) -> str:
        """``churn-predictor@5``."""
        return format_version(self.model, self.version)


@dataclass(frozen=True)
class Model:
    """A registered model and its pointers.

    Attributes:
        name: the model's name.
        latest: the highest version that is not deleted, or ``None``.
        stages: stage to the versions it holds, ascending; empty stages are left out.
        aliases: alias to version.
    """

    name: str
    latest: int | None
    stages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    description: str | None = None
    owner: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)

    def stage_of(self, version: int) -> str | None:
        """Return the stage that holds ``version``; if several do (a fault), the first by name."""
        return next((name for name in sorted(self.stages) if version in self.stages[name]), None)

    def aliases_of(self, version: int) -> tuple[str, ...]:
        """Return the aliases that name ``version``, sorted."""
        return tuple(sorted(name for name, number in self.aliases.items() if number == version))


@dataclass(frozen=True)
class Resolved:
    """The answer to 'which version is that?'; ``read_from`` is the commit it was read from."""

    model: str
    version: int
    read_from: str

    def __str__(self) -> str:
        return format_version(self.model, self.version)
