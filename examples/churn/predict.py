"""Predict some held-out rows with the model in a folder: `python predict.py FOLDER`.

The rows come from scikit-learn's data set, so a machine that only serves needs just the model.
A pickle is a program: load it only from a registry that you trust.
"""

import json
import pickle
import sys
from pathlib import Path

import prepare

ROWS = 5


def main(folder: Path) -> None:
    """Print score, prediction and true answer of the first rows."""
    description = json.loads((folder / "features.json").read_text())
    model = pickle.loads((folder / "model.pkl").read_bytes())  # see above

    _, held_out = prepare.split(prepare.read_params())
    chosen = [held_out.columns.index(feature) for feature in description["features"]]
    scores = model.predict_proba(held_out.rows[:ROWS, chosen])[:, 1]

    print(f"{type(model[-1]).__name__} with {len(chosen)} features, from {folder}")
    for row, (score, answer) in enumerate(zip(scores, held_out.answers, strict=False)):
        prediction = "yes" if score >= description["threshold"] else "no"
        print(f"row {row}: {score:.3f}  predicts {prediction:3}  was {'yes' if answer else 'no'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
