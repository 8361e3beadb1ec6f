"""Measure the pre-receive hook: pushes of one promotion each to a server, with and without it.

python -m benchmarks.hook [--models 1000] [--versions 10] [--pushes 30]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.population import bare
from benchmarks.scale import Scale
from gitreg import hooks
from gitreg.git.repository import GitRepository


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--pushes", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        scale = Scale(given.models, given.versions)
        server, client = bare(scale, folder), folder / "client"
        if not client.exists():
            _git(folder, "clone", "--quiet", "--no-checkout", str(server), str(client))
            _git(client, "read-tree", "HEAD")
        for path in (server / "hooks").glob("pre-receive*"):
            path.unlink()
        without = _pushes(client, scale, given.pushes)
        hooks.install(GitRepository(server), "pre-receive")
        _pushes(client, scale, 3)
        with_it = _pushes(client, scale, given.pushes)
        alone = _alone(server, given.pushes)
    print(f"{scale.label}, {given.pushes} pushes of one promotion, milliseconds: median, p95")
    for label, times in (
        ("push without the hook", without),
        ("push with it", with_it),
        ("the hook alone", alone),
    ):
        print(f"{label}: {statistics.median(times):.0f}, {_p95(times):.0f}")
    return 0


def _pushes(client: Path, scale: Scale, count: int) -> list[float]:
    """Commit and push promotions, one model after the other; return the milliseconds per push."""
    times = []
    for number in range(count):
        model = scale.names[number % len(scale.names)]
        path = f"registry/{model}/stages/staging.yaml"
        version = 1 + int(_git(client, "rev-list", "--count", "HEAD")) % 9
        blob = _git(client, "hash-object", "-w", "--stdin", stdin=f"versions:\n- {version}\n")
        _git(client, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = _git(client, "write-tree")
        commit = _git(client, "commit-tree", tree, "-p", "HEAD", "-m", "promote")
        _git(client, "update-ref", "HEAD", commit)
        start = time.perf_counter()
        _git(client, "push", "--quiet", "origin", "HEAD:main")
        times.append((time.perf_counter() - start) * 1000)
    return times


def _alone(server: Path, count: int) -> list[float]:
    """Run only the hook on the last pushes; return the milliseconds of each process."""
    times = []
    tip = _git(server, "rev-parse", "main")
    for number in range(count):
        old, new = (_git(server, "rev-parse", f"{tip}~{number + back}") for back in (1, 0))
        _git(server, "update-ref", "refs/heads/main", old)  # the hook refuses any other old value
        start = time.perf_counter()
        subprocess.run(
            [server / "hooks" / "pre-receive"],
            cwd=server,
            check=True,
            text=True,
            input=f"{old} {new} refs/heads/main\n",
        )
        times.append((time.perf_counter() - start) * 1000)
    _git(server, "update-ref", "refs/heads/main", tip)
    return times


def _p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, round(0.95 * len(times)))]


def _git(folder: Path, *args: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
