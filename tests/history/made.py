"""Small registries with a random history, written by ``git fast-import``, and random filters."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitreg.core.documents.yaml import Value
from gitreg.core.model import layout
from gitreg.core.model.manifest import (
    Tombstone,
    write_alias,
    write_annotations,
    write_dvc_pointer,
    write_manifest,
    write_tombstone,
    write_versions,
)
from gitreg.core.model.model import (
    Annotations,
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelVersion,
    Run,
)
from tests.conftest import git

MODELS = ("churn", "Fraud net", "ünï%_")
TEXTS = (
    "recall",
    "Recall of the NOVEMBER cohort",
    'it\'s "quoted"',
    "100%_\\",
    "straße Ⅷ",
    "x" * 300,
)
STAGES = ("staging", "production")
ALIASES = ("champion", "best")
NUMBERS = (0, 1, 0.5, 1e-5, -3, 2**53, 7)
NESTED: tuple[Value, ...] = ([1, 2], {"C": 1})
VALUES: tuple[Value, ...] = (*NUMBERS, *TEXTS, *NESTED, "0.5", "1", True, None, 2**63)
ENVIRONMENTS = (
    b"numpy==1.26.0\nScikit_Learn==1.3.0\n",
    b"numpy==2.1.0rc1\ntool @ git+https://example.com/tool@4b65\n# numpy==3\n",
    b"torch==2.0.0+cu118 ; python_version > '3'\n",
)
ADA, BOB = "Ada <ada@example.com>", "Bob <bob@example.com>"


@dataclass
class Made:
    """The history: of each commit its object name and all files."""

    folder: Path
    commits: list[tuple[str, Mapping[str, bytes]]] = field(default_factory=list)


def make(folder: Path, seed: int, commits: int = 6) -> Made:
    """Write a registry with a random history."""
    git(folder, "init", "--quiet", "-b", "main")
    chance = random.Random(seed)
    files: dict[str, bytes] = {f"{layout.ROOT}/.gitignore": b"/x\n"}
    states: list[dict[str, bytes]] = []
    stream = bytearray()
    for number in range(commits):
        before = dict(files)
        for _ in range(chance.randint(1, 3) if number else 6):
            chance.choice(_STEPS)(files, chance)
        files[f"{layout.ROOT}/.gitignore"] = b"/%d\n" % number  # no commit is empty
        stream += _commit(number, before, files, chance.choice(("", *TEXTS)))
        states.append(dict(files))
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=folder, input=bytes(stream), check=True, timeout=60
    )
    oids = git(folder, "rev-list", "--first-parent", "--reverse", "main").split()
    return Made(folder, list(zip(oids, states, strict=True)))


def _commit(number: int, before: dict[str, bytes], after: dict[str, bytes], reason: str) -> bytes:
    message = f"step {number}\n\n{reason}\n".encode()
    who = b"Ada <ada@example.com> %d +0000" % (1_700_000_000 + 60 * number)
    parts = [b"commit refs/heads/main\ncommitter %s\ndata %d\n%s\n" % (who, len(message), message)]
    parts += [b"D %s\n" % _quoted(path) for path in before if path not in after]
    for path, data in after.items():
        if before.get(path) != data:
            parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(data), data))
    return b"".join(parts)


def _quoted(path: str) -> bytes:
    return path.encode()


# Steps


def present(files: Mapping[str, bytes]) -> list[tuple[str, int]]:
    """Return the versions that are there."""
    places = (layout.locate(path) for path in files)
    return sorted(
        (place.model, place.version)
        for place in places
        if place and place.kind == "manifest" and place.version
    )


def _register(files: dict[str, bytes], chance: random.Random) -> None:
    model = chance.choice(MODELS)
    folder = f"{layout.versions_path(model)}/"
    used = [int(path[len(folder) :].split("/")[0]) for path in files if path.startswith(folder)]
    version = max(used, default=0) + 1
    artifact = chance.choice(
        (
            Artifact("model", 5, 2, "ab" * 32, "cd" * 16 + ".dir"),
            Artifact("model.pkl", 2_500_000, 1, "12" * 32, "34" * 16),
        )
    )
    environment = chance.choice((None, *ENVIRONMENTS))
    pythons = (None, "3.9.1", "3.11.7", "3.11", "3.13.0rc1", "pypy")
    data = (
        DataDependency("data/a.csv", "91cc" + "0" * 28, 5),
        DataDependency("data/b", "91dd" + "0" * 28 + ".dir"),
        DataDependency("set", digest="Xy=="),
    )
    found = ModelVersion(
        model,
        version,
        chance.choice(("2026-11-02T06:00:00Z", "2026-11-02T23:59:59.999Z", "2026-11-03T00:00:00Z")),
        chance.choice((ADA, BOB)),
        artifact,
        {name: chance.choice(NUMBERS) for name in ("auc", "f 1", "a.b") if chance.random() < 0.6},
        {name: chance.choice(VALUES) for name in ("train", "lr") if chance.random() < 0.7},
        Lineage(
            chance.choice((None, "models/churn")),
            chance.choice(
                (None, CodeCommit("4b65" + "0" * 36, None, dirty=True), CodeCommit("f" * 40))
            ),
            tuple(item for item in data if chance.random() < 0.4),
            None,
            chance.choice((None, Run("0a1b"))),
        ),
        Environment(chance.choice(pythons), "linux", layout.REQUIREMENTS if environment else None),
    )
    files[layout.manifest_path(model, version)] = write_manifest(found)
    files[layout.dvc_pointer_path(model, version, artifact.path)] = write_dvc_pointer(artifact)
    if environment is not None:
        files[layout.version_path(model, version, layout.REQUIREMENTS)] = environment


def _delete(files: dict[str, bytes], chance: random.Random) -> None:
    there = present(files)
    if not there:
        return
    model, version = chance.choice(there)
    folder = f"{layout.version_path(model, version)}/"
    for path in [path for path in files if path.startswith(folder)]:
        del files[path]
    files[layout.tombstone_path(model, version)] = write_tombstone(
        Tombstone("2026-11-05T00:00:00Z", ADA)
    )
    _unplace(files, model, version)
    path = layout.alias_path(model, ALIASES[0])
    if files.get(path) == write_alias(version):
        del files[path]
    path = layout.alias_path(model, ALIASES[1])
    if files.get(path) == write_alias(version):
        del files[path]


def _unplace(files: dict[str, bytes], model: str, version: int) -> None:
    for stage in STAGES:
        path = layout.stage_path(model, stage)
        if files.get(path) == write_versions((version,)):
            del files[path]


def _move(files: dict[str, bytes], chance: random.Random) -> None:
    there = present(files)
    if there:
        model, version = chance.choice(there)
        _unplace(files, model, version)
        content = write_versions((version,))
        assert content is not None
        files[layout.stage_path(model, chance.choice(STAGES))] = content


def _name(files: dict[str, bytes], chance: random.Random) -> None:
    there = present(files)
    if there:
        model, version = chance.choice(there)
        files[layout.alias_path(model, chance.choice(ALIASES))] = write_alias(version)


def _annotate(files: dict[str, bytes], chance: random.Random) -> None:
    there = present(files)
    if not there:
        return
    model, version = chance.choice(there)
    tags = {
        key: chance.choice((*TEXTS, "1", "2.5")) for key in ("team", "a b") if chance.random() < 0.6
    }
    said = write_annotations(Annotations(chance.choice((None, *TEXTS)), tags=dict(tags)))
    of_model = chance.random() < 0.3
    path = (
        layout.model_document_path(model) if of_model else layout.annotations_path(model, version)
    )
    if said is None:
        files.pop(path, None)
    else:
        files[path] = said


_STEPS = (_register, _register, _register, _delete, _move, _move, _name, _annotate, _annotate)


# Filters

_PLACES = ("=", "!=", "<", "<=", ">", ">=")


def a_filter(chance: random.Random, depth: int = 3) -> str:
    """Return a filter that may match something."""
    dice = chance.random()
    if depth and dice < 0.25:
        return f"({a_filter(chance, depth - 1)} AND {a_filter(chance, depth - 1)})"
    if depth and dice < 0.5:
        return f"{a_filter(chance, depth - 1)} OR {a_filter(chance, depth - 1)}"
    if depth and dice < 0.65:
        return f"NOT ({a_filter(chance, depth - 1)})"
    return chance.choice(_KINDS)(chance)


def _text(chance: random.Random) -> str:
    text = chance.choice((*TEXTS, "0.5", "1", "true", "[1, 2]", ""))
    return "'" + text.replace("'", "''") + "'"


def _number_of(chance: random.Random) -> str:
    return str(chance.choice((*NUMBERS, "0.50", 2**70, 10**400)))


def _any(chance: random.Random) -> str:
    key = chance.choice(("params.train", "params.lr", "params.train.C", "tags.team", 'tags."a b"'))
    value = _text(chance) if chance.random() < 0.5 else _number_of(chance)
    return f"{key} {chance.choice(_PLACES)} {value}"


def _metric(chance: random.Random) -> str:
    key = chance.choice(("metrics.auc", "metrics.`f 1`", "metric.a.b", "metrics.none"))
    return f"{key} {chance.choice(_PLACES)} {_number_of(chance)}"


def _list(chance: random.Random) -> str:
    word = chance.choice(("IN", "NOT IN"))
    if chance.random() < 0.5:
        return f"name {word} ('churn', {_text(chance)})"
    return f"stage {word} ('production', '{chance.choice(('none', 'Staging'))}')"


def _like(chance: random.Random) -> str:
    key = chance.choice(
        ("name", "tags.team", "description", "stage", "alias", "created_by", "params.lr")
    )
    word = chance.choice(("LIKE", "ILIKE", "NOT LIKE"))
    pattern = chance.choice(("%", "ch%", "%ALL%", "_aff", "100\\%%", "%e%c%", "pro%", "%", "b_st"))
    return f"{key} {word} '{pattern}'"


def _fixed(chance: random.Random) -> str:
    return chance.choice(
        (
            "stage = 'none'",
            "stage != 'production'",
            "stage IS NULL",
            "alias = 'champion'",
            "alias != 'champion'",
            "alias IS NOT NULL",
            "version > 1",
            "version = '1'",
            "created_at = '2026-11-02'",
            "created_at > '2026-11-02'",
            "created_at <= '2026-11-02T23:59:59'",
            "created_at < 1793664000000",
            "code.commit = '4b65'",
            "code.commit != '4B65'",
            "code.dirty = true",
            "NOT code.dirty = 'true'",
            "data.md5 = '91cc'",
            "data.md5 != '91cc'",
            "data.path = 'data/a.csv'",
            "data.digest IS NULL",
            "dataset.digest = 'Xy=='",
            "environment.python < '3.11'",
            "environment.python = 3.11",
            "environment.python IS NULL",
            "requires 'scikit-learn==1.3.0'",
            "requires 'NumPy>1.26'",
            "NOT requires 'numpy<2'",
            "requires 'torch==2.0.0'",
            "requires 'tool'",
            "requires IS NULL",
            "size > '1MB'",
            "size <= 5",
            "format = 'pkl'",
            "format IN ('folder', 'onnx')",
            "sha256 = 'abab'",
            "run_id = '0a1b'",
            "evaluation.holdout.auc > 1",
            "evaluation.x IS NULL",
            "description IS NULL",
            "'recall'",
            "text MATCH 'november recall'",
            "NOT 'strasse'",
            "'rec*'",
            "'viii'",
        )
    )


_KINDS = (_any, _any, _metric, _list, _like, _fixed, _fixed, _fixed)

ORDERS = (
    "metrics.auc DESC",
    "metrics.auc, created_at DESC",
    "params.train",
    "params.train DESC, name DESC",
    "environment.python DESC",
    "tags.team DESC, version",
)
