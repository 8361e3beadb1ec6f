"""The metrics of a version: those of its run, or those that MLflow links to its logged model.

`log_model` links the metrics of one step to the model: of step 0, unless it is called with another
one. They are the metrics of a checkpoint that is logged with its step. For a model that is logged
without one they are those of the first epoch, and the last values of the run count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import LoggedModel, Metric
    from mlflow.tracking.client import MlflowClient


def metrics_of(client: MlflowClient, run: Any, model: LoggedModel | None) -> dict[str, float]:
    """Return the metrics of a model that a run logged.

    Args:
        client: of the tracking server.
        run: the run; ``None`` if it is not known.
        model: the logged model; ``None`` if there is none.

    Raises:
        MlflowException: the tracking server does not return another model of the run.
    """
    last = {} if run is None else {metric.key: metric for metric in run.data.to_proto().metrics}
    linked = _linked(model)
    if last and not (model and _is_checkpoint(client, run, model)):
        # A step after 0 shows that the training script linked the metric itself.
        linked = {
            name: metric
            for name, metric in linked.items()
            if name not in last or metric.step > 0 or metric.step >= last[name].step
        }
    # MLflow links 0.0 if the metric of the run is not a number.
    values = {name: metric.value for name, metric in last.items()}
    odd = {name for name, value in values.items() if not math.isfinite(value)}
    return values | {name: one.value for name, one in linked.items() if name not in odd}


def _linked(model: LoggedModel | None) -> Mapping[str, Metric]:
    """Return the last metric of each name that is linked to a model."""
    metrics = model.metrics or () if model else ()
    return {one.key: one for one in sorted(metrics, key=lambda one: (one.step, one.timestamp))}


def _is_checkpoint(client: MlflowClient, run: Any, model: LoggedModel) -> bool:
    """Tell whether a model was logged with a step of its own, which may be step 0."""
    outputs = run.outputs.model_outputs if run.outputs else ()
    steps = {output.model_id: output.step for output in outputs}
    if steps.get(model.model_id, 0) > 0:
        return True
    # Step 0 is the default, too. The first one of several checkpoints has later ones after it.
    later = [one for one, step in steps.items() if step > 0]
    if model.model_id not in steps or not later:
        return False
    after = client.get_logged_model(max(later, key=lambda one: steps[one]))
    return bool(after.creation_timestamp >= model.creation_timestamp)
