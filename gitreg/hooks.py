"""Git hooks: a server refuses pushes, a commit is checked, a merge gets its tags.

``gitreg hook install NAME`` writes a small shell script that calls `main` here. Every push waits
for a server's hook: it imports only what it needs.

>>> script_for("post-merge").splitlines()[1]
'# gitreg hook: post-merge'
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.check.finding import CheckFinding
from gitreg.check.past import IndexedPast, Past
from gitreg.check.ranges import CheckOptions, check_commit
from gitreg.check.step import is_registry
from gitreg.core.model import layout
from gitreg.core.text.counts import quantity
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import GitError, GitregError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository
from gitreg.render.reports import finding_line
from gitreg.render.terminal import line

if TYPE_CHECKING:
    from gitreg.git.history_index import HistoryIndex

NAMES = ("pre-receive", "pre-commit", "post-merge")

CHAINED = ".before-gitreg"
"""The suffix of a hook that was there before; it runs first."""

SHOWN = 20
"""The most findings that the answer to a push lists."""

_MARK = "# gitreg hook: {}"
_RESOURCES = Path(__file__).parent / "check" / "resources"

# Git names the place of the objects just received in a hook's environment. All other calls of Git
# drop these variables (see gitreg/git/process.py); only these are handed on here.
_RECEIVING = (
    "GIT_DIR",
    "GIT_QUARANTINE_PATH",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
_COMMITTING = ("GIT_INDEX_FILE",)

# Installing


@dataclass(frozen=True)
class Installed:
    """A hook that is in place.

    Attributes:
        path: the script.
        chained: the hook that was there before and runs first, or ``None``.
        changed: whether anything was written.
    """

    path: Path
    chained: Path | None
    changed: bool


def script_for(name: str) -> str:
    """Return the script of a hook: a program of ``check/resources``, filled in."""
    code = f"import sys; from gitreg.hooks import main; sys.exit(main({name!r}))"
    place = Path(__file__).absolute().parent.parent
    if place.name not in ("site-packages", "dist-packages"):
        code = (
            f"import sys; sys.path.insert(0, {str(place)!r}); {code.removeprefix('import sys; ')}"
        )
    # -I: neither the folder in which Git runs the hook nor the user's environment adds a module.
    call = f"{shlex.quote(sys.executable)} -I -c {shlex.quote(code)}"
    # pre-receive reads a push from stdin, and hands it to a hook before it, too.
    program = "pre-receive.sh" if name == "pre-receive" else "hook.sh"
    text = (_RESOURCES / program).read_text("utf-8")
    return text.replace("@NAME@", name).replace("@CALL@", call)


def install(repository: GitRepository, name: str) -> Installed:
    """Put a hook into a repository, bare or not, where Git looks for it (``core.hooksPath``).

    A hook that is there already is kept: it gets another name and runs first.

    Raises:
        InvalidRequest: there is no such hook, or both names are taken.
        GitError: the folder cannot be written.
    """
    if name not in NAMES:
        raise _no_hook(name)
    asked = repository.run("rev-parse", "--git-path", f"hooks/{name}")
    path = Path(repository.folder, os.fsdecode(asked.stdout.rstrip(b"\n"))).absolute()
    before = path.with_name(f"{name}{CHAINED}")
    text = script_for(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = path.read_text("utf-8", "replace") if os.path.lexists(path) else None
        if found is not None and _MARK.format(name) not in found.splitlines()[1:2]:
            if os.path.lexists(before):
                raise InvalidRequest(
                    f"{path} is not gitreg's, and {before.name} is taken",
                    hint=f"let {path.name} call: {sys.executable} -m gitreg hook run {name}",
                )
            path.rename(before)
        if found != text:
            fresh = path.with_name(f".{name}.gitreg")
            fresh.write_text(text, "utf-8")
            fresh.chmod(0o755)
            fresh.replace(path)
    except OSError as error:
        raise GitError(f"{path}: {error.strerror}") from None
    return Installed(path, before if before.exists() else None, found != text)


def _no_hook(name: str) -> InvalidRequest:
    near = did_you_mean(name, NAMES)
    return InvalidRequest(f"no hook {name!a}", hint=near or f"gitreg has {', '.join(NAMES)}")


# Running


def main(name: str) -> int:
    """Run a hook as Git calls it, and return the exit code; messages go to stderr."""
    try:
        code, lines = run(name, _lines(sys.stdin.buffer))
    except GitregError as error:
        # A push that cannot be judged is refused.
        code, lines = error.exit_code, [f"gitreg: {line(str(error))}"]
        lines += [f"  {line(error.hint)}"] if error.hint else []
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        code, lines = 1, [f"gitreg: {line(f'{place}{error.strerror or error}')}"]
    except (MemoryError, RecursionError) as error:
        code, lines = 1, [f"gitreg: {type(error).__name__}: {line(str(error))}"]
    except KeyboardInterrupt:
        return 130  # as a shell reports it; Git stops as well
    for text in lines:
        sys.stderr.write(f"{text}\n")
    return code


def _lines(stream: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines that Git writes: names of references need not be of this machine's text."""
    return map(os.fsdecode, stream)


def run(name: str, stdin: Iterable[str]) -> tuple[int, list[str]]:
    """Return the exit code of a hook and its messages.

    Args:
        name: one of `NAMES`.
        stdin: Git's input: for ``pre-receive`` a line an update.

    Raises:
        GitregError: it cannot judge.
    """
    hooks: dict[str, Callable[[Iterable[str]], tuple[int, list[str]]]] = {
        "pre-receive": _pre_receive,
        "pre-commit": lambda _stdin: _pre_commit(),
        "post-merge": lambda _stdin: _post_merge(),
    }
    if name not in hooks:
        raise _no_hook(name)
    return hooks[name](stdin)


def _variables(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def _pre_receive(stdin: Iterable[str]) -> tuple[int, list[str]]:
    from gitreg.check.receive import receive

    variables = _variables(_RECEIVING)
    git_dir = Path(variables.get("GIT_DIR", ".")).absolute()
    variables["GIT_DIR"] = str(git_dir)
    repository = GitRepository(git_dir, variables)
    try:
        findings, notes = receive(repository, stdin, variables.get("GIT_QUARANTINE_PATH"))
    finally:
        repository.close()
    return _answer("push", findings, notes)


def _pre_commit() -> tuple[int, list[str]]:
    """Judge the index as if it were committed.

    1. Its tree is written, as the commit is about to do. 2. A commit of it is made that no
    reference names, and is judged as any commit. 3. The signer is not known yet: not judged.
    """
    with ExitStack() as opened:
        repository = opened.enter_context(
            closing(GitRepository(Path.cwd(), _variables(_COMMITTING)))
        )
        parents = _parents_to_be(repository)
        changed = [
            "diff-index",
            "--cached",
            "--quiet",
            *parents[:1],
            "--",
            layout.ROOT,
            layout.DVC_YAML,
        ]
        is_ours = not parents or _renders(repository, parents[0])
        if not is_ours and repository.run_at_root(*changed, check=False).returncode == 0:
            return 0, []
        tree = repository.run("write-tree").text
        links = [word for parent in parents for word in ("-p", parent)]
        commit = repository.run(
            "commit-tree", tree, *links, "-m", "what the index would be as a commit"
        ).text
        past = IndexedPast(lambda: _history(repository, opened), parents[0]) if parents else Past()
        report = check_commit(repository, commit, parents, CheckOptions(past=past))
    findings = [
        replace(finding, commit=None)
        for finding in report.findings
        if finding.code != "policy-signed"
        and finding.file is not None
        and (
            is_registry(finding.file)
            or finding.file == layout.DVC_YAML
            or finding.code == "wrong-render"
        )
    ]
    return _answer("commit", findings, [])


def _renders(repository: GitRepository, commit: str) -> bool:
    """Tell whether files outside of the registry follow it: then every commit may touch one."""
    from gitreg.core.operations.renders import has_renders
    from gitreg.core.state.state import RegistryState

    try:
        return has_renders(RegistryState(repository.snapshot(commit)).policy)
    except GitregError:
        return False


def _history(repository: GitRepository, opened: ExitStack) -> HistoryIndex:
    from gitreg.git.history_index import HistoryIndex

    return opened.enter_context(closing(HistoryIndex(repository)))


def _parents_to_be(repository: GitRepository) -> list[str]:
    """Return the parents that a commit would have now: several while a merge is under way."""
    head = repository.commit_of("HEAD")
    merged = repository.git_dir / "MERGE_HEAD"
    others = merged.read_text("ascii").split() if merged.exists() else []
    return [*([head] if head else []), *others]


def _post_merge() -> tuple[int, list[str]]:
    """Make the tags of what was merged; the merge itself is done already."""
    from gitreg.registry import Registry

    with Registry(Path.cwd()) as registry:
        if not registry.state().exists():
            return 0, []
        try:
            report = registry.sync_tags()
        except NotFound:
            return 0, []  # a branch under review has no tags
    lines = [f"gitreg: made {quantity(len(report.made), 'tag')}"] if report.made else []
    lines += [f"gitreg: {line(name)} is not the tag that history implies" for name in report.wrong]
    return 0, lines


def _answer(
    what: str, findings: Sequence[CheckFinding], notes: Sequence[str]
) -> tuple[int, list[str]]:
    """Return the exit code for findings, and the lines that report them, errors first."""
    errors = [finding for finding in findings if finding.is_error]
    others = [finding for finding in findings if not finding.is_error]
    lines = []
    for finding in [*errors, *others][:SHOWN]:
        lines.append(f"gitreg: {finding_line(finding)}")
        if finding.remedy:
            lines.append(f"  {line(finding.remedy)}")
    hidden = len(findings) - SHOWN
    if hidden > 0:
        lines.append(f"gitreg: and {hidden} more: gitreg check shows all")
    lines += [f"gitreg: note: {line(note)}" for note in notes]
    if errors:
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        lines.append(f"gitreg: this {what} is refused: {count}")
    return (1 if errors else 0), lines
