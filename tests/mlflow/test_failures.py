"""What MLflow's clients are told of gitreg's errors, and at which of them they try again."""

from __future__ import annotations

import pytest

pytest.importorskip("mlflow")

from mlflow.utils.rest_utils import _TRANSIENT_FAILURE_RESPONSE_CODES

from gitreg.errors import (
    AlreadyExists,
    DvcError,
    GitregError,
    InvalidDocument,
    InvalidRequest,
    LostRace,
    NotFound,
    Refused,
    UnknownOutcome,
)
from gitreg.mlflow.failures import to_mlflow


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound, 404),
        (AlreadyExists, 400),
        (InvalidRequest, 400),
        (Refused, 403),
        (InvalidDocument, 409),
        (UnknownOutcome, 409),
        (DvcError, 409),
        (LostRace, 503),
    ],
)
def test_only_what_passes_is_tried_again(error: type[GitregError], status: int) -> None:
    told = to_mlflow(error("what is wrong", hint="what to do"))
    assert told.get_http_status_code() == status
    assert told.message == "what is wrong\nwhat to do"
    tried_again = status in _TRANSIENT_FAILURE_RESPONSE_CODES
    assert tried_again == (error is LostRace)
