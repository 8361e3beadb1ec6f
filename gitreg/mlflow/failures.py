"""gitreg's errors as MLflow's: the code tells a client what happened, the message what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    ABORTED,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
)

from gitreg.core.operations.judging import GateRefused
from gitreg.errors import (
    AlreadyExists,
    GitregError,
    InvalidDocument,
    InvalidRequest,
    LostRace,
    NotFound,
    Refused,
    WorldError,
)

# The first class that fits counts: what is special stands above what is general.
_CODES: tuple[tuple[type[GitregError], int], ...] = (
    (NotFound, RESOURCE_DOES_NOT_EXIST),
    (AlreadyExists, RESOURCE_ALREADY_EXISTS),
    # What a client sent is refused before it is a document. Not INVALID_STATE: that is HTTP's 500,
    # at which MLflow's client tries again for minutes, and then does not tell what the server said.
    (InvalidDocument, RESOURCE_CONFLICT),
    (InvalidRequest, INVALID_PARAMETER_VALUE),
    (Refused, PERMISSION_DENIED),
    (LostRace, TEMPORARILY_UNAVAILABLE),
    # Not INTERNAL_ERROR, for the same reason: a person shall read at once what is wrong with Git,
    # DVC or the disk. And of a push without an answer nobody knows whether it was done: MLflow's
    # client may not do it once more by itself.
    (WorldError, ABORTED),
    (GitregError, INTERNAL_ERROR),
)


def to_mlflow(error: GitregError) -> MlflowException:
    """Return what MLflow raises in place of an error, with its hint and a policy's verdicts.

    What the message says already is not said again: MLflow's pages show it for three seconds.
    """
    code = next(code for kind, code in _CODES if isinstance(error, kind))
    lines = [str(error)]
    if isinstance(error, GateRefused):
        lines += [
            f"{judgement.reference}: {verdict.line}"
            for judgement in error.judgements
            for verdict in judgement.verdicts
            if not verdict.passed and verdict.line not in lines[0]
        ]
    if error.hint:
        lines.append(error.hint)
    return MlflowException("\n".join(dict.fromkeys(lines)), error_code=code)


@contextmanager
def translated() -> Iterator[None]:
    """Raise gitreg's errors as MLflow's.

    Raises:
        MlflowException: one of gitreg's was raised inside.
    """
    try:
        yield
    except GitregError as error:
        raise to_mlflow(error) from error
