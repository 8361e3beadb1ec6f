"""Translates gitreg's errors into MLflow's: the code says what happened, the message what to do."""

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

from gitreg import errors
from gitreg.core.operations.judging import GateRefused

# The first class that matches counts, so subclasses come before their base class.
_CODES: tuple[tuple[type[errors.GitregError], int], ...] = (
    (errors.NotFound, RESOURCE_DOES_NOT_EXIST),
    (errors.AlreadyExists, RESOURCE_ALREADY_EXISTS),
    # A stored document is invalid; a client's bad input is an InvalidRequest. Not INVALID_STATE:
    # that is HTTP status 500, which makes MLflow's client retry for minutes and then hide the
    # server's message.
    (errors.InvalidDocument, RESOURCE_CONFLICT),
    (errors.InvalidRequest, INVALID_PARAMETER_VALUE),
    (errors.Refused, PERMISSION_DENIED),
    (errors.LostRace, TEMPORARILY_UNAVAILABLE),
    # Not INTERNAL_ERROR, for the same reason: the user must see a problem with Git, DVC or the disk
    # at once. Moreover, a push without an answer may have succeeded, so MLflow's client must not
    # repeat it by itself.
    (errors.WorldError, ABORTED),
    (errors.GitregError, INTERNAL_ERROR),
)


def to_mlflow(error: errors.GitregError) -> MlflowException:
    """Return MLflow's exception for an error, with its hint and the policy's verdicts.

    The text repeats nothing, because MLflow's pages show it for only three seconds.
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
    """Translate gitreg's errors in the ``with`` block into MLflow's.

    Raises:
        MlflowException: the block raised a `GitregError`.
    """
    try:
        yield
    except errors.GitregError as error:
        raise to_mlflow(error) from error
