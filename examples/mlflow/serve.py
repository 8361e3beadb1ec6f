"""An API that serves the model of a stage or an alias, and says which version that is.

    uvicorn serve:app

`MODEL_URI` chooses: `models:/churn-predictor/Production` (the default) or
`models:/churn-predictor@champion`. What an alias or a stage means is looked up when the process
starts, so a restart is a deployment; the version that was loaded is in every answer.
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
    """Return the number that a stage or an alias stands for now."""
    client = MlflowClient()
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if at:
        return str(client.get_model_version_by_alias(name, alias).version)
    name, _, stage = name.partition("/")
    return str(client.get_latest_versions(name, stages=[stage])[0].version)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Load the model once, before the first request."""
    # By its number, so that the version told is the one loaded even if the alias moves meanwhile.
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
    """Tell which model serves."""
    return {"model": MODEL, "uri": MODEL_URI, "version": loaded["version"]}


@app.post("/predict")
def predict(customers: Customers) -> dict[str, Any]:
    """Return the probability of each row, and the version that says so."""
    model = loaded["model"]
    frame = pd.DataFrame(customers.rows)[list(model.feature_names_in_)]
    scores = model.predict_proba(frame)[:, 1]
    return {"version": loaded["version"], "scores": [float(score) for score in scores]}
