"""MLflow's model folders: the run that made one, read from its ``MLmodel`` file."""

from __future__ import annotations

import re
from pathlib import Path

from gitreg.artifacts.files import read_file
from gitreg.core.documents.foreign_yaml import top_level_text
from gitreg.core.model.model import Run
from gitreg.errors import InvalidDocument

MLMODEL = "MLmodel"
"""The file that makes a folder an MLflow model."""

MLMODEL_LIMIT = 1024 * 1024
"""The largest `MLmodel` file that is read, in bytes."""

_RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)


def mlflow_run(artifact: Path) -> Run | None:
    """Return the tracking run that made an MLflow model folder; ``None`` for anything else.

    Raises:
        InvalidDocument: the ``MLmodel`` file does not parse, or its ``run_id`` is malformed.
        WorldError: that file cannot be read.
    """
    path = artifact / MLMODEL
    data = read_file(path, MLMODEL, MLMODEL_LIMIT) if path.is_file() else None
    if data is None:
        return None
    run_id = top_level_text(data, MLMODEL, "run_id")
    if run_id is None:
        return None
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidDocument(f"{path}: run_id: {run_id[:100]!a} is not the id of a run")
    return Run(run_id)
