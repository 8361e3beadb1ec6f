"""Commands about evaluations: versions measured by one command on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import print_outcome, progress_bar
from gitreg.cli.parameters import ReferencesArgument, WriteArguments, option, with_write_options
from gitreg.registry import Registry


@app.command()
@with_write_options
def evaluate(
    references: ReferencesArgument,
    name: Annotated[str, option("NAME", "Of the evaluation, such as holdout-2026q4.")],
    data: Annotated[str, option("PATH", "The file or folder that all are measured on.")],
    run: Annotated[
        str, option("COMMAND", "What measures, with {model}, {data} and {metrics} in it.")
    ],
    split: Annotated[Optional[str], option("WORDS", "Which part of the data it measures.")] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Measure versions on the same data, and record the numbers.

    Each version is pulled, and COMMAND runs once for it, here, without a shell. It writes a JSON
    file to {metrics}: metrics to numbers, and perhaps "slices", "intervals" and "threshold". Where
    it writes a CSV file of label and score to {predictions}, a gate can ask how sure a difference
    is. A version that has the evaluation on these bytes is not measured again. COMMAND also gets
    GITREG_PATH, GITREG_MODEL, GITREG_VERSION, GITREG_REFERENCE and GITREG_SHA256.

    Example: gitreg evaluate churn-predictor@5 churn-predictor/production --name holdout
    --data holdout.csv --run "python evaluate.py {model} {data} {metrics}"
    """
    from gitreg.evaluation import Evaluating
    from gitreg.evaluation import evaluate as measure
    from gitreg.render.terminal import line

    def say(told: str) -> None:
        typer.echo(line(told), err=True)

    what = Evaluating(name, Path(data), run, split)
    with progress_bar("pull") as progress, Registry(shared.repo, progress=progress) as registry:
        outcome = measure(registry, references, what, say, **shared.options)
    print_outcome(outcome, shared)
