"""Rendered files: what a stage holds, as data for what deploys it; a policy's ``renders``.

A file is data in one of a few fixed forms: nothing in a policy is a template that runs. Its first
line names the pointer that it follows, so that gitreg never takes somebody else's file for its own.

>>> Render("deploy/{model}/{stage}/model.env", "env").path("churn", "production")
'deploy/churn/production/model.env'
>>> check_target("deploy/../{model}.env", "env")
Traceback (most recent call last):
gitreg.errors.InvalidRequest: 'deploy/../{model}.env' cannot be rendered: '..' is no name
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gitreg.core.documents import yaml
from gitreg.core.documents.fields import Fields
from gitreg.core.model import layout
from gitreg.core.model.names import fold, folder_of
from gitreg.errors import InvalidRequest

Form = Literal["env", "values", "kustomize"]
FORMS: tuple[Form, ...] = get_args(Form)
"""The forms of a rendered file: lines of ``NAME=value``, Helm's values, a kustomization."""

PLACEHOLDERS = ("{model}", "{stage}")

_MARK = "# Rendered by gitreg from "
_END = ": promote or roll back, do not edit"
_LONGEST = 200
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_PERCENT = re.compile(r"%[0-9A-F]{2}")
# A host, DVC or a package manager reads these wherever they are, or in the top folder.
_NO_NAMES = re.compile(r"registry|dvc\.yaml|\.?git(?:~\d+)?|.*\.dvc|node_modules")
_NAMES = {
    "env": (re.compile(r".*\.env"), "a name that ends in .env"),
    "values": (re.compile(r".*\.ya?ml"), "a name that ends in .yaml or .yml"),
    "kustomize": (re.compile(r".*/kustomization\.yaml"), "the name kustomization.yaml"),
}
_COMMIT = re.compile(
    rb"^(?:  - '?GITREG_COMMIT=|GITREG_COMMIT=|  commit: '?)([0-9a-f]{40})'?$", re.MULTILINE
)


@dataclass(frozen=True)
class Held:
    """What a stage holds, as a rendered file says it.

    Attributes:
        model: its name.
        stage: where the version is.
        version: its number.
        sha256: of its artifact.
        commit: the commit that registered it, 40 hex digits; ``None`` where no earlier commit did
            under this name.
    """

    model: str
    stage: str
    version: int
    sha256: str
    commit: str | None = None

    @property
    def values(self) -> dict[str, str | int]:
        """What is said, by its name, in the order of the file."""
        said: dict[str, str | int | None] = {
            "model": self.model,
            "stage": self.stage,
            "version": self.version,
            "sha256": self.sha256,
            "commit": self.commit,
            "uri": f"models:/{self.model}/{self.version}",
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Render:
    """One file that a stage renders.

    Attributes:
        to: its path, with ``{model}`` and perhaps ``{stage}`` in it.
        form: the form of the file.
    """

    to: str
    form: Form

    def path(self, model: str, stage: str) -> str:
        """Return the path of a model's file, from the root of the repository."""
        return self.to.replace("{model}", folder_of(model)).replace("{stage}", stage)

    def checked_path(self, model: str, stage: str) -> str:
        """Return the same path, if the file may be written there for this model.

        Raises:
            InvalidRequest: it leads to a place that is not for rendered files, or the form cannot
                hold the model's name.
        """
        path = self.path(model, stage)
        _refuse(path, _fault(_PERCENT.sub("_", path)))
        if self.form != "values" and folder_of(model) != model:
            _refuse(path, f"as {self.form} it cannot hold the name {model!a}: use 'as: values'")
        return path

    def content(self, held: Held) -> bytes:
        """Return the file for what a stage holds; the same bytes for the same values."""
        mark = mark_of(held.model, held.stage).encode()
        variables = [f"GITREG_{name.upper()}={value}" for name, value in held.values.items()]
        if self.form == "env":
            return mark + "".join(f"{line}\n" for line in variables).encode()
        if self.form == "values":
            named = {"name" if key == "model" else key: said for key, said in held.values.items()}
            return mark + yaml.dump({"model": {**named}})
        return mark + yaml.dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "configMapGenerator": [{"name": "gitreg-model", "literals": [*variables]}],
            }
        )


def check_target(to: str, form: str) -> str:
    """Return the path of a render as a policy gives it.

    Raises:
        InvalidRequest: it leads out of the repository or to a place that is not for rendered files,
            is of no model alone, or does not suit its form.
    """
    shown = to
    for placeholder in PLACEHOLDERS:
        shown = shown.replace(placeholder, "x")
    fault = _fault(shown)
    if fault is None and "{model}" not in to:
        fault = "{model} has to be in it: each model has a file of its own"
    matches, words = _NAMES[form]
    if fault is None and not matches.fullmatch(to):
        fault = f"as {form} it has {words}"
    return _refuse(to, fault)


def read_renders(fields: Fields, stage: str) -> tuple[Render, ...]:
    """Return what a stage renders, by the fields of its rule.

    Raises:
        InvalidDocument: a path or form is not allowed, or two files are in each other's way.
    """
    found = []
    for entry in fields.entries("renders"):
        entry.only(("to", "as"))
        to, form = entry.text("to"), entry.text("as")
        entry.one_of("as", FORMS, "env, values or kustomize", form)
        try:
            check_target(to, form)
        except InvalidRequest as error:
            entry.fail("to", str(error))
        found.append(Render(to, next(one for one in FORMS if one == form)))
    check_renders(fields, {stage: found}, "renders")
    return tuple(found)


def check_renders(
    fields: Fields, renders: Mapping[str, Sequence[Render]], field: str | None = None
) -> None:
    """Refuse two files of one model that are in each other's way.

    Raises:
        InvalidDocument: there are such files.
    """
    files = [(one.path("model", name), name) for name, every in renders.items() for one in every]
    for path, name, other in clash(files):
        fields.fail(
            field or f"{name}.renders",
            f"{path!a} is one file with what {other!a} renders already, or in its place",
            "put {stage} into the paths",
        )


def _refuse(path: str, fault: str | None) -> str:
    if fault is not None:
        raise InvalidRequest(f"{path[:_LONGEST]!a} cannot be rendered: {fault}")
    return path


def _fault(path: str) -> str | None:
    """Return why no file is rendered at a path, ``None`` if it may be."""
    if len(path) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    parts = path.split("/")
    if len(parts) == 1:
        return "it has to be in a folder"
    for part in parts:
        if not _NAME.fullmatch(part):
            return f"{part!a} is no name" if part else "a name in it is empty"
        if _NO_NAMES.fullmatch(fold(part)):
            return f"{part!a} is not for rendered files"
    return None


def mark_of(model: str, stage: str) -> str:
    """Return the first line of a rendered file, which says what it follows."""
    return f"{_MARK}{layout.stage_path(model, stage)}{_END}\n"


def followed_by(data: bytes | None) -> str | None:
    """Return the path of the pointer that a rendered file follows, ``None`` for other files.

    >>> followed_by(mark_of("churn", "production").encode())
    'registry/churn/stages/production.yaml'
    """
    line = (data or b"")[:1000].partition(b"\n")[0].decode("utf-8", "replace")
    if not line.startswith(_MARK) or not line.endswith(_END):
        return None
    path = line.removeprefix(_MARK).removesuffix(_END)
    return path if layout.is_stage(path) else None


def commit_in(data: bytes) -> str | None:
    """Return the commit that a rendered file says registered its version."""
    found = _COMMIT.search(data)
    return None if found is None else found[1].decode()


def clash(paths: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield each path that another one takes, with who wants it and who has it.

    Two files are one where case does not count, and no file can be in the place of a folder.

    Args:
        paths: pairs of a path and who renders it.

    >>> list(clash([("deploy/A/m.env", "A"), ("deploy/a/m.env", "a")]))
    [('deploy/a/m.env', 'a', 'A')]
    """
    taken: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path, who in paths:
        folded = fold(path)
        above = [folded[:at] for at, char in enumerate(folded) if char == "/"]
        other = taken.get(folded) or folders.get(folded)
        other = other or next((taken[folder] for folder in above if folder in taken), None)
        if other is not None:
            yield path, who, other
            continue
        taken[folded] = who
        folders.update(dict.fromkeys(above, who))
