"""The service that `benchmarks.serving` measures: a live model of bytes behind one route."""

import os
import time
from pathlib import Path

from fastapi import FastAPI

from gitreg.serving.live import LiveModel

_parts: dict[str, float] = {}


def _load(path: Path) -> bytes:
    """Read the file: nothing of a format is measured."""
    start = time.monotonic()
    content = path.read_bytes()
    _parts["load"] = time.monotonic() - start
    return content


live = LiveModel(
    "model@champion",
    os.environ["REGISTRY"],
    load=_load,
    poll=float(os.environ["POLL"]),
    folder=Path(os.environ["COPIES"]),
    keep=1,
)
_take, _has_moved = live._copies.take, live._pointer.has_moved  # noqa: SLF001


def _timed_take(*args):  # noqa: ANN002, ANN202
    start = time.monotonic()
    copy = _take(*args)
    _parts["pull"] = time.monotonic() - start
    return copy


def _timed_look() -> bool:
    """Note when the look began that found the move."""
    start = time.monotonic()
    moved = _has_moved()
    if moved:
        _parts["noticed"] = start
        _parts["asked"] = time.monotonic() - start
    return moved


live._copies.take = _timed_take  # noqa: SLF001  # type: ignore[method-assign]
live._pointer.has_moved = _timed_look  # noqa: SLF001  # type: ignore[method-assign]
app = FastAPI(lifespan=live.lifespan)


@app.get("/predict")
async def predict() -> dict[str, int]:
    with live.use() as current:
        return {"version": current.version.version, "size": len(current.model)}


@app.get("/parts")
async def parts() -> dict[str, float]:
    return _parts
