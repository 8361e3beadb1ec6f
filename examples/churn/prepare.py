"""Split the data into `data/train.csv` and `data/test.csv`: the first stage of the pipeline.

The data are real, but not about customers: we found no small package with churn data under a
permissive licence, and the pipeline downloads nothing. It uses the Wisconsin diagnostic breast
cancer data set of scikit-learn instead: 569 cases, 30 measurements each, 37 % of the cases
malignant. The problem has the shape of churn: a table of numbers, a yes or no, and a missed yes
that costs more than a false alarm. Only `load` depends on the data set: replace it to learn from
your own customers.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


class Table(NamedTuple):
    """Rows of measurements, and for each row the answer: yes (1) or no (0)."""

    columns: list[str]
    rows: NDArray[np.float64]
    answers: NDArray[np.int64]

    def write(self, path: Path) -> None:
        """Write a CSV file whose last column is the answer."""
        path.parent.mkdir(parents=True, exist_ok=True)
        header = ",".join([*self.columns, "answer"])
        values = np.column_stack([self.rows, self.answers])
        np.savetxt(path, values, fmt="%.10g", delimiter=",", header=header, comments="")


def load() -> Table:
    """Return the whole data set; yes is malignant (scikit-learn has it the other way round)."""
    data = load_breast_cancer()
    return Table([str(name) for name in data.feature_names], data.data, 1 - data.target)


def split(params: dict[str, Any]) -> tuple[Table, Table]:
    """Return training rows and held-out rows; the same parameters always give the same rows."""
    table = load()
    train_rows, test_rows, train_answers, test_answers = train_test_split(
        table.rows,
        table.answers,
        test_size=params["test_size"],
        random_state=params["seed"],
        stratify=table.answers,
    )
    return (
        Table(table.columns, train_rows, train_answers),
        Table(table.columns, test_rows, test_answers),
    )


def read_params() -> dict[str, Any]:
    """Return this stage's part of `params.yaml`."""
    params: dict[str, Any] = YAML(typ="safe").load(HERE / "params.yaml")["prepare"]
    return params


def main() -> None:
    """Run the stage, in the working folder."""
    train, test = split(read_params())
    train.write(Path("data/train.csv"))
    test.write(Path("data/test.csv"))
    print(f"{len(train.rows)} rows to train on, {len(test.rows)} held out")


if __name__ == "__main__":
    main()
