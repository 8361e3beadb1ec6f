"""An API that serves the model of a stage or an alias, and reports its version.

    uvicorn serve:app

Set `MODEL_URI` to `models:/churn-predictor/Production` (the default) or to
`models:/churn-predictor@champion`. The process resolves the stage or alias when it starts, so a
restart is a deployment. Every answer has the loaded version.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mlflow.sklearn
import pandas as pd
from fastapi import FastAPI
from mlflow import MlflowClient
from pydantic import BaseModel

MODEL = "churn-predictor"
MODEL_URI = os.environ.get("MODEL_URI", f"models:/{MODEL}/Production")

loaded: dict[str, Any] = {}


def version_of(uri: str) -> str:
    """Return the current version number of a stage or an alias."""
    client = MlflowClient()
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if at:
        return str(client.get_model_version_by_alias(name, alias).version)
    name, _, stage = name.partition("/")
    return str(client.get_latest_versions(name, stages=[stage])[0].version)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Load the model once, before the first request."""
    # Load by number, so that the reported version is the loaded one even if the alias just moved.
    loaded["version"] = version_of(MODEL_URI)
    loaded["model"] = mlflow.sklearn.load_model(f"models:/{MODEL}/{loaded['version']}")
    yield
    loaded.clear()


app = FastAPI(lifespan=lifespan)


class Customers(BaseModel):
    """Rows by column name."""

    rows: list[dict[str, float]]


@app.get("/health")
def health() -> dict[str, str]:
    """Return the model and the version that this process serves."""
    return {"model": MODEL, "uri": MODEL_URI, "version": loaded["version"]}


@app.post("/predict")
def predict(customers: Customers) -> dict[str, Any]:
    """Return the probability of each row, and the version that computed it."""
    model = loaded["model"]
    frame = pd.DataFrame(customers.rows)[list(model.feature_names_in_)]
    scores = model.predict_proba(frame)[:, 1]
    return {"version": loaded["version"], "scores": [float(score) for score in scores]}
