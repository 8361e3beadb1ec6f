"""The service of `test_live_workers`: one live model, which the environment names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gitreg.serving.live import LiveModel
from tests.serving.made import Loader

live = LiveModel(
    "churn@champion",
    os.environ["REGISTRY"],
    load=Loader(),
    poll=float(os.environ["POLL"]),
    folder=Path(os.environ["COPIES"]),
)
app = FastAPI(lifespan=live.lifespan)
app.include_router(live.router)


@app.get("/predict")
async def predict() -> dict[str, Any]:
    with live.use() as current:
        return {
            "pid": os.getpid(),
            "text": current.model.predict(),
            "version": current.version.version,
        }


@app.get("/state")
async def state() -> dict[str, Any]:
    status = live.status()
    return {
        "pid": os.getpid(),
        "version": status.serving and status.serving.version,
        "failed": status.failed and status.failed.version,
        "away": status.away_since is not None,
    }
