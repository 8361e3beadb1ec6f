"""Who predicted: a line for each answer, from which `gitreg explain` explains it.

>>> request_id("order-7"), len(request_id("a\\nb")), len(request_id(None))
('order-7', 32, 32)

A prediction is recorded after it was answered, by a thread of its own: a slow disk or a callback
that raises neither delays an answer nor fails it. What does not fit into the queue is dropped and
counted.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitreg.errors import InvalidRequest, NotFound
from gitreg.serving.background import Background

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing itself since Python 3.11

_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}", re.ASCII)


def request_id(given: str | None) -> str:
    """Return a request's id: the one that came with it if it is harmless, else a new one."""
    if given is not None and _SANE.fullmatch(given):
        return given
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Prediction:
    """One answer of one version.

    Attributes:
        request_id: of the request; a shadow's answer has that of the answer beside it.
        time: when it was answered, in UTC, ``2026-11-22T20:25:06.123Z``.
        model: the model's name.
        version: its number.
        commit: of the registry, where the reference named this version.
        sha256: of the artifact.
        reference: what was followed, ``churn-predictor@champion``.
        shadow: whether it was only recorded.
        seconds: how long the model took.
        error: the type of the exception that it raised; ``None`` for an answer.
        answer: the answer, if answers are recorded and it can be written as JSON.
    """

    request_id: str
    time: str
    model: str
    version: int
    commit: str
    sha256: str
    reference: str
    shadow: bool
    seconds: float
    error: str | None = None
    answer: Any = None


class PredictionLog:
    """Records predictions in a file, one JSON document a line, or by a callback.

    Use it as a context manager, or call `close`, which waits until all is written.

    Args:
        to: the file, or what is called with each `Prediction`.
        answers: whether the answers are recorded too; they may be personal data.
        waiting: how many predictions may wait to be written.

    Raises:
        InvalidRequest: the file cannot be opened.
    """

    def __init__(
        self,
        to: str | os.PathLike[str] | Callable[[Prediction], object],
        *,
        answers: bool = False,
        waiting: int = 10_000,
    ) -> None:
        self.answers = answers
        write = to if callable(to) else _writing(Path(to))
        self._background = Background[Prediction](write, "gitreg-predictions", waiting)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lost(self) -> int:
        """How many predictions were not recorded: too many waited, or to write them failed."""
        return self._background.dropped + self._background.failed

    def record(self, prediction: Prediction) -> None:
        """Record a prediction soon; this neither waits nor raises."""
        self._background.offer(prediction)

    def close(self) -> None:
        """Wait until all is written, but not for ever; see `Background.close`."""
        self._background.close()


def _writing(path: Path) -> Callable[[Prediction], object]:
    """Return what appends a line to a file; it opens it anew each time, so it may be rotated."""

    def write(prediction: Prediction | None) -> None:
        # One system call a line, so that processes can share a file.
        with path.open("ab", buffering=0) as file:
            if prediction is not None:
                file.write(f"{_line(prediction)}\n".encode())

    try:
        write(None)
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror}") from None
    return write


def _line(prediction: Prediction) -> str:
    document = {key: value for key, value in asdict(prediction).items() if value is not None}
    try:
        return json.dumps(document, allow_nan=False, default=_plain)
    except (AttributeError, TypeError, ValueError):
        document.pop("answer", None)
        return json.dumps(document)


def _plain(value: Any) -> Any:
    """Return an array's numbers, or what else knows its own form as JSON."""
    if hasattr(value, "as_json"):
        return value.as_json()
    return value.tolist()


def find_prediction(log: Path, wanted: str, *, shadow: bool = False) -> Prediction:
    """Return the last prediction with a request id from a log of JSON lines.

    Args:
        log: the file.
        wanted: the request's id.
        shadow: whether the shadow's answer is wanted, not the one that was given.

    Raises:
        NotFound: it has no such prediction.
        InvalidRequest: the file cannot be read.
    """
    found = None
    with _reading(log) as lines:
        for line in lines:
            if wanted.encode() in line:
                one = _read(line)
                if one is not None and one.request_id == wanted and one.shadow is shadow:
                    found = one
    if found is None:
        raise NotFound(f"{log} has no prediction with the request id {wanted}")
    return found


@contextmanager
def _reading(log: Path) -> Iterator[Iterator[bytes]]:
    try:
        with log.open("rb") as lines:
            yield iter(lines)
    except OSError as error:
        raise InvalidRequest(f"{log}: {error.strerror}") from None


def _read(line: bytes) -> Prediction | None:
    """Return the prediction of a line; ``None`` for anything else, such as half a line."""
    try:
        found = Prediction(**json.loads(line))
    except (ValueError, TypeError):
        return None
    texts = (found.request_id, found.time, found.model, found.commit, found.reference)
    is_sound = all(isinstance(text, str) for text in texts) and type(found.version) is int
    return found if is_sound else None
