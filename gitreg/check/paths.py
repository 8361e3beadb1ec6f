"""Checks of paths: names, types of files, strays, and files that came along with a change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitreg.check.finding import CheckFinding
from gitreg.check.renders import follows
from gitreg.check.step import Step, is_registry, version_file
from gitreg.core.model import layout
from gitreg.core.model.manifest import is_artifact_name
from gitreg.core.model.names import fold
from gitreg.core.state.state import RegistryState
from gitreg.core.text.invisible import has_invisible
from gitreg.git.steps import Difference

FILE_MODES = (0o100644, 0o100755)

_KINDS = {
    0o120000: ("symlink", "a symbolic link"),
    0o160000: ("gitlink", "a submodule"),
}
# What file systems that ignore case, HFS+'s invisible characters or NTFS's short names, take for
# the folder in which Git keeps its own files: a checkout would write there.
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GIT_FOLDER = re.compile(r"\.git[ .]*(?::.*)?|git~\d+[ .]*", re.IGNORECASE)
_TOP = frozenset({layout.POLICY, layout.GITIGNORE})
# What makes `registry/` a DVC project. `.dvcignore` is what `dvc init --subdir` makes with it.
_DVC = frozenset({layout.DVC_CONFIG, layout.DVC_IGNORE, f"{layout.ROOT}/.dvcignore"})
_STRUCTURE = ("versions", "stages", "aliases")
# The names that are fixed, by depth. Deeper, every stray is an error anyway.
_FIXED = (
    frozenset({layout.ROOT, layout.DVC_YAML}),
    frozenset({".dvc", *(path.rpartition("/")[2] for path in _TOP)}),
    frozenset({*_STRUCTURE, "model.yaml"}),
)


def is_hostile(path: str) -> bool:
    """Tell whether a part of a path would be written outside, or into Git's own folder.

    >>> [is_hostile(path) for path in ("a/../b", "a/.GIT/hooks", "x/git~1", ".gitignore", "a..b")]
    [True, True, True, False, False]
    """
    return any(
        part in ("", ".", "..") or _GIT_FOLDER.fullmatch(_IGNORED_BY_HFS.sub("", part)) is not None
        for part in re.split(r"[/\\]", path)
    )


def names(step: Step) -> Iterator[CheckFinding]:
    """Find names that no checkout may write; Git accepts them in trees made by hand."""
    for change in step.changes:
        if change.mode == 0:
            continue
        if is_hostile(change.path):
            yield step.found(
                "bad-name", change.path, "a part of this path is '..' or '.git', or looks like it"
            )
        elif is_registry(change.path) and has_invisible(change.path):
            yield step.found(
                "bad-name",
                change.path,
                "this name has a control or invisible character, or is not UTF-8",
            )


def twins(step: Step) -> Iterator[CheckFinding]:
    """Find new paths that differ from a registry's only by case or Unicode form."""
    for change in step.changes:
        found = _twin(change.path) if change.mode else None
        if found is not None and not _is_there(step.before, found[0]):
            yield step.found(
                "name-collision",
                change.path,
                f"{found[0]} differs from {found[1]} only by case or Unicode form",
            )


def _twin(path: str) -> tuple[str, str] | None:
    """Return the part of a path that looks like a fixed path of the registry, and that one.

    >>> _twin("registry/churn/STAGES/production.yaml")
    ('registry/churn/STAGES', 'registry/churn/stages')
    """
    parts = path.split("/")
    for depth, (part, known) in enumerate(zip(parts, _FIXED, strict=False)):
        if part not in known:
            for name in known:
                if fold(_IGNORED_BY_HFS.sub("", part)) == name:
                    above = parts[:depth]
                    return "/".join((*above, part)), "/".join((*above, name))
            if depth == 0:
                return None
    return None


def _is_there(state: RegistryState, path: str) -> bool:
    above, _, name = path.rpartition("/")
    return name in state.snapshot.list(above)


def kinds(step: Step) -> Iterator[CheckFinding]:
    """Find symbolic links, submodules and odd modes where the registry has plain files."""
    for change in step.changes:
        if change.mode in (0, *FILE_MODES):
            continue
        if is_registry(change.path) or change.path == layout.DVC_YAML:
            code, words = _KINDS.get(change.mode, ("odd-mode", f"of mode {change.mode:o}"))
            yield step.found(code, change.path, f"it is {words}; a registry has plain files only")


def strays(step: Step) -> Iterator[CheckFinding]:
    """Find files under ``registry/`` that do not belong to a registry."""
    for change in step.registry_changes:
        if change.mode == 0 or is_hostile(change.path) or _belongs(change):
            continue
        file = version_file(change.path)
        if file is not None and is_artifact_name(file.name.partition("/")[0]):
            yield step.found(
                "artifact-in-git",
                change.path,
                "DVC keeps a version's bytes; Git gets only their .dvc file",
                remedy=f"git rm -r --cached {layout.version_path(file.model, file.version)}/model*",
            )
            continue
        is_inside = change.path.split("/")[2:3] and change.path.split("/")[2] in _STRUCTURE
        yield step.found(
            "stray-file",
            change.path,
            "this file belongs to no model, version or pointer",
            severity="error"
            if is_inside or _is_below_a_file(change.path) or _is_dvcs(change.path)
            else "warning",
        )


def _is_dvcs(path: str) -> bool:
    """Tell whether DVC reads a file in the registry's project: commands, remotes, what to pull."""
    if path.startswith(f"{layout.ROOT}/.dvc/"):
        return fold(path) == f"{layout.ROOT}/.dvc/config.local"
    if ".dvc" in fold(path).split("/"):  # a project of its own, which the registry's passes over
        return True
    name = path.rpartition("/")[2]
    return name.endswith(".dvc") or fold(name) in ("dvc.yaml", "dvc.lock", ".dvcignore", ".dvc")


def _is_below_a_file(path: str) -> bool:
    """Tell whether a path lies below a file, such as the policy, as if that were a folder."""
    return "/".join(path.split("/")[:2]) in _TOP


def _belongs(change: Difference) -> bool:
    if change.path in (*_TOP, *_DVC) or layout.is_change_approval(change.path):
        return True
    if _is_below_a_file(change.path):
        return False
    file = version_file(change.path)
    if file is not None and (
        file.name == layout.REQUIREMENTS
        or (file.name.endswith(".dvc") and is_artifact_name(file.name.removesuffix(".dvc")))
    ):
        return True
    place = layout.locate(change.path)
    return place is not None and place.kind != "other"


def smuggled(step: Step) -> Iterator[CheckFinding]:
    """Find files outside the registry that changed in the same commit.

    The artifacts of ``dvc.yaml`` may change: gitreg changes them. The commit that makes a registry
    (gitreg init) may bring DVC's own files. Another DVC remote is a change of its own; the first
    one comes with what is published first.
    """
    if not step.registry_changes:
        return
    starts = not step.before.exists()
    for change in step.changes:
        path = change.path
        if path == layout.DVC_CONFIG and len(step.registry_changes) > 1 and _repoints(step):
            yield step.found(
                "smuggled",
                path,
                "it says where the registry's bytes are, and changed in the same commit",
                remedy="commit it in another commit than the rest of the registry",
            )
        if is_registry(path) or (starts and path.partition("/")[0] in (".dvc", ".dvcignore")):
            continue
        if path == layout.DVC_YAML and _same_pipeline(step):
            continue
        if follows(step, path):
            continue
        yield step.found(
            "smuggled",
            path,
            "this file is not part of the registry, and changed in the same commit",
            remedy="commit it in another commit than the registry",
        )


def _repoints(step: Step) -> bool:
    """Tell whether the registry had a DVC remote before."""
    return b"url" in (step.before.snapshot.read(layout.DVC_CONFIG) or b"")


def _same_pipeline(step: Step) -> bool:
    """Tell whether ``dvc.yaml`` differs in its artifacts at most."""
    from gitreg.check.dvc_yaml import is_own_edit, read_dvc_yaml
    from gitreg.errors import InvalidDocument

    if is_own_edit(step):
        return True
    try:
        sides = [
            read_dvc_yaml(state.snapshot.read(layout.DVC_YAML))
            for state in (step.before, step.after)
        ]
    except InvalidDocument:
        return False
    for side in sides:
        side.pop("artifacts", None)
    return _is_same(sides[0], sides[1], set())


def _is_same(one: object, other: object, known: set[tuple[int, int]]) -> bool:
    """Tell whether two documents are equal; each pair of their parts is compared once.

    A few YAML aliases make a list of a billion, and ``==`` would visit every element.
    """
    if type(one) is not type(other):
        return False
    if not isinstance(one, (dict, list)) or (id(one), id(other)) in known:
        return isinstance(one, (dict, list)) or one == other
    known.add((id(one), id(other)))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(
            _is_same(one[key], other[key], known) for key in one
        )
    assert isinstance(one, list)
    assert isinstance(other, list)
    return len(one) == len(other) and all(
        _is_same(mine, theirs, known) for mine, theirs in zip(one, other, strict=True)
    )
