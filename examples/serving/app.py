"""A service that predicts churn with the version that is in production, without a restart.

    GITREG_REPOSITORY=git@example.com:team/churn.git uvicorn app:app

GITREG_URI names the model; `models:/churn-predictor/5` stays at version 5, a stage or an alias is
followed. A version that cannot be had, does not load or fails the check changes nothing: the one
before goes on, and /version says what failed.
"""

import json
import logging
import math
import os
import pickle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from gitreg.serving import LiveModel, ModelUnavailable, unavailable

Row = dict[str, float]


class Model:
    """What the pipeline of `examples/churn` writes: a classifier, and the columns it expects."""

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "features.json").read_text())
        self.features: list[str] = description["features"]
        self.threshold: float = description["threshold"]
        # A pickle is a program: this runs only what your own registry has, checked by its digest.
        self._classifier: Any = pickle.loads((folder / "model.pkl").read_bytes())

    def scores(self, rows: list[Row]) -> list[float]:
        """Return a score from 0 to 1 for each row.

        Raises:
            KeyError: a row lacks a column.
        """
        table = np.array([[row[feature] for feature in self.features] for row in rows])
        return [float(score) for score in self._classifier.predict_proba(table)[:, 1]]


def check(model: Model) -> bool:
    """Tell whether a model answers, before it serves anybody."""
    [score] = model.scores([dict.fromkeys(model.features, 0.0)])
    return math.isfinite(score) and 0 <= score <= 1


class Question(BaseModel):
    """Customers, each with its measurements; columns that the model does not know are ignored."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=1000)]


class Answer(BaseModel):
    """A score and a prediction for each row, and the version that made them."""

    version: str
    scores: list[float]
    predictions: list[bool]


logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
live = LiveModel(
    os.environ.get("GITREG_URI", "churn-predictor/production"),
    os.environ["GITREG_REPOSITORY"],
    load=Model,
    check=check,
    poll=float(os.environ.get("POLL", "5")),
)
app = FastAPI(title="churn", lifespan=live.lifespan)
app.include_router(live.router)
app.add_exception_handler(ModelUnavailable, unavailable)


@app.post("/predict")
def predict(question: Question) -> Answer:
    """Score customers with one version, whatever moves meanwhile."""
    with live.use() as current:
        model, version = current.model, current.version
        try:
            scores = model.scores(question.rows)
        except KeyError as error:
            raise HTTPException(422, f"a row lacks the column {error}") from None
    predictions = [score >= model.threshold for score in scores]
    name = f"{version.model}@{version.version}"
    return Answer(version=name, scores=scores, predictions=predictions)
