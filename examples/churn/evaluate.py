"""Measure a model on a CSV file: `python evaluate.py MODEL DATA METRICS`.

`gitreg evaluate` runs it for each version, on the same bytes. MODEL is the folder that `train.py`
writes, METRICS the JSON file that this writes: the metrics of all rows, and of two slices.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
from train import Values, evaluate, read

SLICED_BY = "worst area"


def slices(rows: Values, values: Values, answers: Values, scores: Values) -> list[dict[str, Any]]:
    """Return the metrics of the rows below and from the median of one column."""
    middle = float(np.median(values))
    found = []
    for sign, chosen in (("<", values < middle), (">=", values >= middle)):
        metrics = evaluate(answers[chosen], scores[chosen])
        where = f"{SLICED_BY} {sign} {middle:g}"
        found.append({"where": where, "rows": len(rows[chosen]), "metrics": metrics})
    return found


def main(folder: Path, data: Path, metrics: Path) -> None:
    """Write the metrics of the model in a folder."""
    description = json.loads((folder / "features.json").read_text())
    model = pickle.loads((folder / "model.pkl").read_bytes())  # a program; see predict.py
    columns, rows, answers = read(data)
    features = [columns.index(feature) for feature in description["features"]]
    scores = model.predict_proba(rows[:, features])[:, 1]
    sliced = slices(rows, rows[:, columns.index(SLICED_BY)], answers, scores)
    found = {**evaluate(answers, scores), "threshold": description["threshold"], "slices": sliced}
    metrics.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
