"""A sample of faults put into the rules and the hook, to see whether the tests find them.

``python -m tests.support.mutants --help`` shows the options. A fault is one small change: another
comparison, ``and`` for ``or``, a number that is off by one, a refusal that is gone. The tests of
the same room run on a copy of the tree; a fault that they do not find is printed as a diff.

mutmut runs every test first, to learn which functions each one calls, and then tries all faults;
cosmic-ray changes the tree that it works in. A sample by seed in a few minutes needs neither.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("gitreg", "tests", "docs", "examples", "registry", "README.md", "pyproject.toml")

TESTS = {
    "gitreg/check": ("tests/check",),
    "gitreg/hooks.py": ("tests/check/test_hooks.py", "tests/check/test_hook_attacks.py"),
    "gitreg/core/policy": ("tests/core/policy",),
    "gitreg/core/state/decision.py": ("tests/core/state",),
    "gitreg/core/operations/judging.py": ("tests/core/operations",),
    "gitreg/publishing/publisher.py": ("tests/publishing",),
}
"""What is changed, and which tests have to find it."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
CALLS = {"max": "min", "min": "max", "any": "all", "all": "any"}


class Result(Enum):
    """How the tests took a fault."""

    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        path: of the module, from the root of the tree.
        line: where the fault is.
        what: what it is, in a few words.
        source: the whole text of the module with the fault.
    """

    path: str
    line: int
    what: str
    source: str

    def diff(self) -> str:
        """Return the fault as a diff."""
        before = (ROOT / self.path).read_text().splitlines()
        after = self.source.splitlines()
        return "\n".join(difflib.unified_diff(before, after, self.path, self.path, "", "", 1, ""))


def _replacements(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what can go in the place of a node: in words, and as source."""
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            other = COMPARISONS[type(operator)]()
            yield "another comparison", ast.unparse(ast.Compare(left, [other], [right]))
        case ast.BoolOp(op=ast.And(), values=values):
            yield "or for and", f"({ast.unparse(ast.BoolOp(ast.Or(), values))})"
        case ast.BoolOp(op=ast.Or(), values=values):
            yield "and for or", ast.unparse(ast.BoolOp(ast.And(), values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "no not", f"({ast.unparse(operand)})"
        case ast.Constant(value=bool(value)):
            yield "the other truth", str(not value)
        case ast.Constant(value=int(value)):
            yield "one more", str(value + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in CALLS:
            yield (
                f"{CALLS[name]} for {name}",
                ast.unparse(ast.Call(ast.Name(CALLS[name]), args, keywords)),
            )
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            yield "returns None", "return None"
        case ast.Raise():
            yield "no refusal", "pass"
        case ast.Expr(value=ast.Call()):
            yield "no call", "pass"
        case _:
            return


def _is_code(node: ast.AST) -> bool:
    """Tell whether a node is more than types, which no test can see."""
    return not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that can be changed, without annotations and f-strings."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "format_spec"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and _is_code(child):
                yield child
                # Places in an f-string are not those of its source before Python 3.12.
                if not isinstance(child, ast.JoinedStr):
                    yield from _nodes(child)


def mutants_of(path: str) -> Iterator[Mutant]:
    """Yield every fault that is known for a module."""
    text = (ROOT / path).read_bytes()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _nodes(ast.parse(text)):
        for what, replacement in _replacements(node):
            assert isinstance(node, ast.expr | ast.stmt)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            source = text[:begin] + replacement.encode() + text[end:]
            yield Mutant(path, node.lineno, what, source.decode())


def sample(paths: Sequence[str], seed: int, count: int) -> list[Mutant]:
    """Return some faults of modules and folders; the same for the same seed and tree."""
    modules = [
        file.relative_to(ROOT).as_posix()
        for path in paths
        for file in sorted((ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path])
    ]
    found = [mutant for module in modules for mutant in mutants_of(module)]
    return random.Random(seed).sample(found, min(count, len(found)))


def tests_of(path: str) -> tuple[str, ...]:
    """Return the tests that have to find a fault in a module: its room's, and its doctests."""
    room = next(room for room in TESTS if f"{path}/".startswith(f"{room}/"))
    return (*TESTS[room], path)


class Bench:
    """Runs tests on a copy of the tree, which is changed and put right again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._time = int(time.time())
        self._patience: dict[tuple[str, ...], float] = {}
        ignored = shutil.ignore_patterns("__pycache__")
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
            else:
                shutil.copy(ROOT / name, folder / name)

    def _write(self, path: str, text: str) -> None:
        file = self._folder / path
        file.write_text(text)
        # Python recompiles what has another time, in whole seconds, or another size.
        self._time += 2
        os.utime(file, (self._time, self._time))

    def _passes(self, tests: Sequence[str], patience: float | None) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, *tests],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(self._folder)},
                capture_output=True,
                text=True,
                check=False,
                timeout=patience,
            )
        except subprocess.TimeoutExpired:
            return False
        # 2: the module cannot be imported; what else there is says nothing about the fault.
        assert done.returncode in {0, 1, 2}, done.stdout + done.stderr
        return done.returncode == 0

    def try_out(self, mutant: Mutant) -> Result:
        """Run the tests on a fault."""
        tests = tests_of(mutant.path)
        room = tests[:-1]
        if room not in self._patience:
            start = time.monotonic()
            assert self._passes(room, None), f"{' '.join(room)} fails without any fault"
            self._patience[room] = 60 + 5 * (time.monotonic() - start)
        self._write(mutant.path, mutant.source)
        try:
            passes = self._passes(tests, self._patience[room])
        finally:
            self._write(mutant.path, (ROOT / mutant.path).read_text())
        return Result.SURVIVED if passes else Result.KILLED


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="another sample")
    parser.add_argument("--count", type=int, default=30, help="how many faults (30)")
    parser.add_argument(
        "--only", action="append", metavar="PATH", help="a module or folder; may repeat"
    )
    parser.add_argument("--list", action="store_true", help="print the faults, try none")
    return parser.parse_args()


def main() -> int:
    """Try a sample of faults; return 1 when the tests do not find one."""
    options = _options()
    paths = [path.rstrip("/") for path in options.only or TESTS]
    chosen = sample(paths, options.seed, options.count)
    if options.list:
        for mutant in chosen:
            print(f"{mutant.path}:{mutant.line} {mutant.what}")
        return 0
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for mutant in chosen:
            result = bench.try_out(mutant)
            print(f"{result.value:8} {mutant.path}:{mutant.line} {mutant.what}", flush=True)
            if result is Result.SURVIVED:
                survived += 1
                print(mutant.diff(), flush=True)
    print(f"{len(chosen)} faults, {len(chosen) - survived} found, {survived} not found")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
