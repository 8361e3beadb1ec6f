"""Which path holds what: a path and the thing that it names, as inverse functions.

>>> stage_path("churn-predictor", "production")
'registry/churn-predictor/stages/production.yaml'
>>> locate(stage_path("churn-predictor", "production"))
Place(model='churn-predictor', kind='stages', name='production', version=None, principal=None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote

from gitreg.core.model.keys import check_principal
from gitreg.core.model.names import (
    ARCHIVE,
    FOLDER_LIMIT,
    check_evaluation_name,
    check_stage_name,
    folder_of,
    is_alias,
    is_evaluation_name,
    is_model_name,
    name_of,
)
from gitreg.errors import InvalidRequest

ROOT = "registry"
POLICY = f"{ROOT}/policy.yaml"
GITIGNORE = f"{ROOT}/.gitignore"
DVC_YAML = "dvc.yaml"
DVC_CONFIG = f"{ROOT}/.dvc/config"
DVC_IGNORE = f"{ROOT}/.dvc/.gitignore"
PROJECT_CONFIG = ".dvc/config"
"""The configuration of the user's own DVC project, around the registry's."""
REQUIREMENTS = "requirements.txt"

GITIGNORE_TEXT = b"""\
# Written by gitreg. A version's bytes are DVC's, its pointers are Git's.
/*/versions/*/model
/*/versions/*/model.*
!/*/versions/*/model.dvc
!/*/versions/*/model.*.dvc
"""

DVC_IGNORE_TEXT = b"/config.local\n/tmp\n/cache\n"
"""What DVC itself writes into a project's ``.dvc/.gitignore``."""

Kind = Literal[
    "stages",
    "aliases",
    "manifest",
    "deleted",
    "annotations",
    "approval",
    "withdrawal",
    "evaluation",
    "reproduction",
    "signature",
    "model",
    "card",
    "other",
]

ADDED = ("evaluation", "reproduction", "signature")
"""The kinds of files that may come to a version at any time, and then never change."""

ADDED_LIMIT = 100
"""How many such files a folder may get: every one is read when a gate asks for it."""

_APPROVED, _WITHDRAWN = ".sig", ".off"
_STATEMENT = re.compile(r"([0-9a-f]{32})\.json(\.sig)?")
_CHANGE_APPROVALS = f"{ROOT}/.approvals"  # no model's name starts with a dot

PointerKind = Literal["stages", "aliases"]

_VERSION_FOLDER = re.compile(r"[1-9][0-9]{0,8}")

TOLD = (".yaml", ".json", ".md", _APPROVED, _WITHDRAWN)
"""How the names of all files end that `locate` finds to be of another kind than ``other``."""

_MODEL_FILES: dict[str, Kind] = {
    "model.yaml": "model",
    "deleted.yaml": "deleted",
    "CARD.md": "card",
}
_VERSION_FILES: dict[str, Kind] = {
    "manifest.yaml": "manifest",
    "deleted.yaml": "deleted",
    "annotations.yaml": "annotations",
}


@dataclass(frozen=True)
class Place:
    """What a path under ``registry/`` holds: a pointer, or a file of a version or model.

    Attributes:
        model: the model's name.
        kind: the kind of file.
        name: the stage or alias of a pointer, the stage of an approval or its withdrawals, the
            name of an evaluation, or that of a reproduction's statement or its signature.
        version: the version's number, for a file of a version.
        principal: the approver, according to the file's name.
    """

    model: str
    kind: Kind
    name: str | None = None
    version: int | None = None
    principal: str | None = None

    @property
    def pointer(self) -> str | None:
        """``stages/production`` or ``aliases/champion``; ``None`` for any other file."""
        return f"{self.kind}/{self.name}" if self.kind in ("stages", "aliases") else None


def model_path(model: str) -> str:
    """Return the folder of a model."""
    return f"{ROOT}/{folder_of(model)}"


def model_document_path(model: str) -> str:
    """Return the path of ``model.yaml``."""
    return f"{model_path(model)}/model.yaml"


def card_path(model: str) -> str:
    """Return the path of a model's card."""
    return f"{model_path(model)}/CARD.md"


def model_tombstone_path(model: str) -> str:
    """Return the path of a deleted or renamed model's tombstone."""
    return f"{model_path(model)}/deleted.yaml"


def stage_path(model: str, stage: str) -> str:
    """Return the path of a stage's pointer file."""
    return f"{model_path(model)}/stages/{stage}.yaml"


def alias_path(model: str, alias: str) -> str:
    """Return the path of an alias's pointer file."""
    return f"{model_path(model)}/aliases/{folder_of(alias)}.yaml"


def versions_path(model: str) -> str:
    """Return the folder that holds a model's versions."""
    return f"{model_path(model)}/versions"


def version_path(model: str, version: int, file: str = "") -> str:
    """Return the folder of a version, or a file in it."""
    return f"{versions_path(model)}/{version}" + (f"/{file}" if file else "")


def manifest_path(model: str, version: int) -> str:
    """Return the path of a version's manifest."""
    return version_path(model, version, "manifest.yaml")


def annotations_path(model: str, version: int) -> str:
    """Return the path of a version's annotations."""
    return version_path(model, version, "annotations.yaml")


def tombstone_path(model: str, version: int) -> str:
    """Return the path of a deleted version's tombstone."""
    return version_path(model, version, "deleted.yaml")


def approvals_path(model: str, version: int) -> str:
    """Return the folder of a version's approvals."""
    return version_path(model, version, "approvals")


def approval_path(model: str, version: int, stage: str, principal: str) -> str:
    """Return the path of one principal's approval of a version for a stage.

    Raises:
        InvalidRequest: the principal's name is malformed, or too long for a file name.
    """
    return f"{approvals_path(model, version)}/{_approval_file(stage, principal)}"


def change_approval_path(principal: str) -> str:
    """Return the path of one principal's approval of a change of the policy.

    >>> change_approval_path("ada@example.com")
    'registry/.approvals/policy.ada@example.com.sig'

    Raises:
        InvalidRequest: the principal's name is malformed, or too long for a file name.
    """
    return f"{_CHANGE_APPROVALS}/{_approval_file('policy', principal)}"


def _approval_file(of: str, principal: str) -> str:
    """Return the name of the file of one principal's approval, of a stage or of the policy."""
    file = f"{of}.{_in_a_name(check_principal(principal))}{_APPROVED}"
    if len(file) > FOLDER_LIMIT:
        raise InvalidRequest(f"{principal!a}: too long a name for an approval's file")
    return file


def is_change_approval(path: str) -> bool:
    """Tell whether a path is that of an approval of a change of the policy."""
    folder, _, file = path.rpartition("/")
    name = file.removeprefix("policy.").removesuffix(_APPROVED)
    try:
        return folder == _CHANGE_APPROVALS and change_approval_path(unquote(name)) == path
    except InvalidRequest:
        return False


def withdrawal_path(approval: str) -> str:
    """Return the path of the file that counts how often an approval was withdrawn.

    >>> withdrawal_path("approvals/production.ada@example.com.sig")
    'approvals/production.ada@example.com.off'
    """
    return approval.removesuffix(_APPROVED) + _WITHDRAWN


def evaluations_path(model: str, version: int) -> str:
    """Return the folder of a version's evaluations."""
    return version_path(model, version, "evaluations")


def evaluation_path(model: str, version: int, name: str) -> str:
    """Return the path of an evaluation.

    Raises:
        InvalidRequest: no evaluation may have the name.
    """
    return f"{evaluations_path(model, version)}/{check_evaluation_name(name)}.yaml"


def evaluation_name(file: str) -> str | None:
    """Return the evaluation that a file under ``evaluations/`` stands for."""
    name = file.removesuffix(".yaml")
    return name if name != file and is_evaluation_name(name) else None


def reproductions_path(model: str, version: int) -> str:
    """Return the folder of the statements on a version's reproductions."""
    return version_path(model, version, "reproductions")


def reproduction_path(model: str, version: int, name: str) -> str:
    """Return the path of a statement; see `gitreg.core.model.statement.statement_id`."""
    return f"{reproductions_path(model, version)}/{name}.json"


def signature_path(statement: str) -> str:
    """Return the path of a statement's signature."""
    return statement + _APPROVED


def dvc_pointer_path(model: str, version: int, artifact: str) -> str:
    """Return the path of the ``.dvc`` file of a version's artifact."""
    return version_path(model, version, f"{artifact}.dvc")


@lru_cache(maxsize=4096)
def model_of_folder(folder: str) -> str | None:
    """Return the model that a folder under ``registry/`` stands for, or ``None``."""
    name = name_of(folder)
    return name if name is not None and is_model_name(name) else None


def version_of_folder(folder: str) -> int | None:
    """Return the number that a folder under ``versions/`` stands for, or ``None``."""
    return int(folder) if _VERSION_FOLDER.fullmatch(folder) else None


def pointer_name(file: str, kind: PointerKind) -> str | None:
    """Return the stage or alias that a file under ``stages/`` or ``aliases/`` stands for."""
    stem = file.removesuffix(".yaml")
    if stem == file:
        return None
    if kind == "aliases":
        alias = name_of(stem)
        return alias if alias is not None and is_alias(alias) else None
    try:
        return stem if check_stage_name(stem) == stem else None
    except InvalidRequest:
        return None


def approval_name(file: str) -> tuple[str, str] | None:
    """Return the stage and the principal that a file under ``approvals/`` stands for."""
    return _signed_name(file, _APPROVED)


def _signed_name(file: str, suffix: str) -> tuple[str, str] | None:
    stem = file.removesuffix(suffix)
    stage, _, folder = stem.partition(".")
    if stem == file or pointer_name(f"{stage}.yaml", "stages") is None:
        return None
    try:
        principal = check_principal(unquote(folder, errors="strict"))
    except (InvalidRequest, UnicodeDecodeError):
        return None
    return (stage, principal) if _in_a_name(principal) == folder else None


def _in_a_name(principal: str) -> str:
    """Return a principal as a part of a file's name: an e-mail address stays readable."""
    return quote(principal, safe="@+")


@lru_cache(maxsize=4096)
def locate(path: str) -> Place | None:
    """Return what ``path`` holds, or ``None`` when it belongs to no model."""
    root, *parts = path.split("/")
    model = model_of_folder(parts[0]) if root == ROOT and parts[1:] else None
    if model is None:
        return None
    match parts[1:]:
        case [file] if kind := _MODEL_FILES.get(file):
            return Place(model, kind)
        case [("stages" | "aliases") as kind, file] if name := pointer_name(file, kind):
            return Place(model, kind, name=name)
        case ["versions", folder, file] if version := version_of_folder(folder):
            return Place(model, _VERSION_FILES.get(file, "other"), version=version)
        case ["versions", folder, inner, file] if version := version_of_folder(folder):
            return _added(model, version, inner, file)
    return Place(model, "other")


def _added(model: str, version: int, folder: str, file: str) -> Place:
    """Return what a file holds that was added to a version after its registration."""
    if folder == "evaluations" and (name := evaluation_name(file)):
        return Place(model, "evaluation", name, version)
    if folder == "reproductions" and (statement := _STATEMENT.fullmatch(file)):
        return Place(model, "signature" if statement[2] else "reproduction", statement[1], version)
    kinds: dict[str, Kind] = {_APPROVED: "approval", _WITHDRAWN: "withdrawal"}
    for suffix, kind in kinds.items():
        if folder == "approvals" and (named := _signed_name(file, suffix)):
            return Place(model, kind, named[0], version, named[1])
    return Place(model, "other")


def is_stage(path: str) -> bool:
    """Tell whether a path is a stage's pointer file."""
    place = locate(path) if "/stages/" in path else None
    return place is not None and place.kind == "stages"


def stage_order(stage: str) -> tuple[bool, str]:
    """Return the key that sorts stages for people: the archive comes last."""
    return (stage == ARCHIVE, stage)
