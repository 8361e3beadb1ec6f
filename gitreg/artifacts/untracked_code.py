"""Code files that the code's commit does not hold, because nobody ever added them to Git.

`git status` calls a tree clean in which the notebook that trained the model was never committed.

A file is code by its ending (`ENDINGS`), or if it has no ending, is executable and begins as a
script or a program does. Files that Git ignores do not count, except those that a pipeline's
commands or dependencies name, and the script that is running. Not counted either are the registry,
what is registered itself, and what tools put into a tree: environments, packages, MLflow's runs,
copies that Jupyter makes. A repository inside the work tree that is no submodule counts if it has
code.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gitreg.artifacts.dvc_files import find_record
from gitreg.artifacts.environment import code_commit
from gitreg.core.model.layout import ROOT
from gitreg.core.model.model import CodeCommit
from gitreg.errors import GitError, GitregError
from gitreg.git.process import failure, run, run_for

ENDINGS = frozenset(
    (
        *("py", "pyx", "pxd", "pxi", "ipynb", "r", "rmd", "qmd", "jl", "m", "mlx", "stan", "sas"),
        *("sh", "bash", "zsh", "fish", "ps1", "bat", "cmd", "do", "pl", "rb", "lua", "sql", "hql"),
        *("scala", "sc", "java", "kt", "go", "rs", "swift", "cs", "fs", "hs", "smk", "nf", "wdl"),
        *("c", "h", "cc", "cpp", "cxx", "hh", "hpp", "hxx", "cu", "cuh", "f", "f90", "f95", "f03"),
    )
)
"""The endings of code files, in lower case."""

PATIENCE = 60.0
"""How long Git may list the files of a work tree, in seconds; 200,000 take 0.2."""

_NAMES = frozenset(("Makefile", "makefile", "GNUmakefile", "Snakefile", "Dockerfile", "justfile"))
_NOT_OURS = frozenset(
    ("site-packages", "node_modules", ".ipynb_checkpoints", "mlruns", "mlartifacts", "wandb")
)
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta/history")
_PROGRAMS = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def code_at(
    folder: Path, source: Path, named: Iterable[Path] = ()
) -> tuple[CodeCommit | None, tuple[str, ...]]:
    """Return the commit of the code in a folder, and a warning if there is untracked code.

    For the arguments see `untracked_code`, and for the errors `code_commit`.
    """
    code = code_commit(folder)
    if code is None:
        return None, ()
    try:
        names = untracked_code(folder, source, named)
    except GitError as error:  # what cannot be listed is not clean
        return replace(code, untracked=True), (f"untracked code is recorded: {error}",)
    if not names:
        return code, ()
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    warning = (
        f"untracked code is recorded, as no commit has {', '.join(names[:3])}{more}: commit it "
        "before you register, or list in .gitignore what is not this model's code"
    )
    return replace(code, untracked=True), (warning,)


def untracked_code(folder: Path, source: Path, named: Iterable[Path] = ()) -> tuple[str, ...]:
    """Return the untracked code files of a Git work tree and its submodules, sorted.

    Args:
        folder: a folder in the work tree.
        source: what is registered: it does not count.
        named: files and folders that a pipeline names; ignored code among them counts, too.

    Returns:
        Paths relative to the top of the work tree; a repository inside it ends in a slash.

    Raises:
        GitError: Git cannot list the files, or takes longer than `PATIENCE`.
    """
    top = Path(run(folder, "rev-parse", "--show-toplevel").text)
    found = {*_untracked(top), *_ignored(top, [*named, *_running_script()])}
    own = (_inside(top, source), top / ROOT)
    return tuple(
        sorted(
            os.fsencode(path.relative_to(top)).decode("utf-8", "replace")
            + ("/" if path.is_dir() else "")
            for path in found
            if not any(path == place or place in path.parents for place in own)
        )
    )


def _untracked(top: Path) -> Iterator[Path]:
    """Yield the untracked code of a work tree, and of the submodules in it."""
    listing = _listed(top, "--others", "--exclude-standard")
    for name in _code(top, listing):
        yield top / name
    for name in listing:
        if name.endswith("/") and _has_code(top, top / name):
            yield top / name
    if (top / ".gitmodules").is_file():
        for entry in _listed(top, "--stage"):
            mode, _, name = entry.partition("\t")
            if mode.startswith("160000 ") and os.path.lexists(top / name / ".git"):
                yield from _untracked(top / name)


def _ignored(top: Path, named: Iterable[Path]) -> Iterator[Path]:
    """Yield the untracked code that was named, also where Git ignores it.

    What DVC tracks is ignored by Git, and DVC has its bytes.
    """
    by_repository: dict[Path, list[str]] = {}
    for path in {_inside(top, one) for one in named}:
        around = (folder for folder in path.parents if os.path.lexists(folder / ".git"))
        if path.is_relative_to(top) and path != top and os.path.lexists(path):
            repository = next(around, top)
            by_repository.setdefault(repository, []).append(str(path.relative_to(repository)))
    for repository, paths in by_repository.items():
        for name in _code(repository, _listed(repository, "--others", "--", *sorted(paths))):
            if not _is_of_dvc(repository, repository / name):
                yield repository / name


def _is_of_dvc(top: Path, path: Path) -> bool:
    """Tell whether DVC tracks a file, or a folder that it is in."""
    around = [folder for folder in path.parents if folder.is_relative_to(top) and folder != top]
    return any(find_record(one) is not None for one in (path, *around))


def _running_script() -> list[Path]:
    """Return the script that calls gitreg, unless it is installed."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    path = Path(script or "").absolute()
    return [] if not script or path.is_relative_to(sys.prefix) else [path]


def _inside(top: Path, path: Path) -> Path:
    """Return a path as Git sees it, which reports the top of a work tree without links."""
    path = Path(os.path.normpath(path.absolute()))
    return top if path.resolve() == top else path.parent.resolve() / path.name


def _listed(top: Path, *options: str) -> list[str]:
    done = run_for(top, PATIENCE, "ls-files", "-z", *options)
    if done.returncode != 0:
        raise failure("ls-files", done)
    return [os.fsdecode(entry) for entry in done.stdout.split(b"\0") if entry]


def _has_code(top: Path, inner: Path) -> bool:
    """Tell whether a repository inside the work tree has code of its own.

    A linked work tree of the same repository has not: that is another place to work in.
    """
    where = ("rev-parse", "--path-format=absolute", "--git-common-dir")
    try:
        if run(inner, *where).text == run(top, *where).text:
            return False
        return any(_code(inner, _listed(inner, "--cached", "--others", "--exclude-standard")))
    except GitregError:
        return True  # it belongs to somebody else, or is broken: who knows


def _code(top: Path, names: list[str]) -> Iterator[str]:
    """Yield the code files among the files of a work tree."""
    environments = [
        name.removesuffix(mark)
        for name in names
        for mark in _ENVIRONMENTS
        if name.endswith(f"/{mark}")
    ]
    for name in names:
        path = PurePosixPath(name)
        if (
            not name.endswith("/")
            and (is_code_name(path) or _is_program(top / path))
            and _NOT_OURS.isdisjoint(path.parts)
            and not name.startswith(tuple(environments))
        ):
            yield name


def is_code_name(path: PurePosixPath) -> bool:
    """Tell whether a file is code by its name.

    >>> [is_code_name(PurePosixPath(name)) for name in ("a/Train.R", "Makefile", "a.csv", "py")]
    [True, True, False, False]
    """
    return path.suffix[1:].lower() in ENDINGS or path.name in _NAMES


def _is_program(path: Path) -> bool:
    """Tell whether a file without an ending is a script or a program."""
    if path.suffix:
        return False
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) or not mode & 0o111:
            return False
        with path.open("rb") as stream:
            return stream.read(4).startswith(_PROGRAMS)
    except OSError:
        return False
