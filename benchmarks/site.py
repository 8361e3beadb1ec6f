"""Measure `gitreg site build`: of a whole registry, and again after one promotion.

python -m benchmarks.site [--models 1000] [--versions 100] [--folder DIR]
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.population import checkout
from benchmarks.scale import STAGE, Scale
from gitreg import Registry
from gitreg.site import build


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        scale = Scale(given.models, given.versions)
        clone, pages = checkout(scale, folder), folder / "site"
        shutil.rmtree(pages, ignore_errors=True)
        with Registry(clone) as registry:
            registry.log(limit=1)  # the index of the history is not what is measured
        print(f"{scale.label}, seconds")
        _measure("all pages", clone, pages)
        print(f"the overview: {(pages / 'index.html').stat().st_size:,} bytes")
        target = next(scale.targets())
        with Registry(clone) as registry:
            registry.promote(name=target.model, version=target.version, stage=STAGE)
        _measure("after one promotion", clone, pages)
    return 0


def _measure(label: str, clone: Path, pages: Path) -> None:
    start = time.perf_counter()
    with Registry(clone) as registry:
        counts = build(registry, pages).counts
    took = time.perf_counter() - start
    print(f"{label}: {took:.1f}, {counts.models:,} models read, {counts.written:,} pages written")


if __name__ == "__main__":
    raise SystemExit(main())
