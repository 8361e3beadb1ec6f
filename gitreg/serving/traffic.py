"""Requests shared out among live models of one model, and a shadow beside them.

The first reference is the main one: it has to serve before the first request, and it serves in
place of another one that names no version or whose version does not load. `Traffic.status` says so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from datetime import datetime, timezone
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from gitreg.errors import GitregError, NotFound
from gitreg.serving.background import PATIENCE, Background
from gitreg.serving.predictions import Prediction, PredictionLog, request_id
from gitreg.serving.split import Key, Split
from gitreg.serving.status import ModelUnavailable

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing itself since Python 3.11

    from gitreg.serving.served import Current, ServedVersion
    from gitreg.serving.status import LiveStatus

_T = TypeVar("_T")
_R = TypeVar("_R")

_log = logging.getLogger("gitreg.serving")

AGAIN = 10.0
"""After how many seconds a reference that could not be served is tried again."""


class Live(Protocol[_T]):
    """What `LiveModel` offers to a router."""

    def start(self) -> object:
        """Load a version, or raise."""

    def stop(self) -> None:
        """Free it."""

    def use(self) -> AbstractContextManager[Current[_T]]:
        """Give the model that serves now."""

    def status(self) -> LiveStatus:
        """Tell what serves, and what failed."""


@dataclass(frozen=True)
class Answer(Generic[_R]):
    """What a model answered.

    Attributes:
        value: its answer.
        version: which version gave it.
        request_id: the id under which it is recorded.
    """

    value: _R
    version: ServedVersion
    request_id: str


@dataclass(frozen=True)
class TargetStatus:
    """One reference of a router at a moment.

    Attributes:
        share: its share of the requests.
        is_shadow: whether it only answers for the record.
        served_by: which reference answers its requests: another one where it cannot serve;
            ``None`` for a shadow that cannot.
        live: of its live model.
        problem: the class of the error for which it did not start; ``None`` once it has.
        answered: how many requests its model answered.
        failed: for how many its model raised.
        elsewhere: how many it could not take.
        dropped: of a shadow: how many were too many to wait.
    """

    share: float
    is_shadow: bool
    served_by: str | None
    live: LiveStatus
    problem: str | None
    answered: int
    failed: int
    elsewhere: int
    dropped: int


class _Target(Generic[_T]):
    """One reference: its live model, and what came to it."""

    def __init__(self, name: str, live: Live[_T]) -> None:
        self.name = name
        self.live = live
        self.is_started = False
        self.problem: str | None = None
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    @property
    def has_model(self) -> bool:
        """Whether a version is loaded."""
        return self.is_started and self.live.status().serving is not None

    @property
    def serves(self) -> bool:
        """Whether a version is loaded, and its reference still names one."""
        if not self.is_started:
            return False
        status = self.live.status()
        is_gone = status.failed is not None and status.failed.step == "reference"
        return status.serving is not None and not is_gone

    def start(self) -> None:
        self.live.start()
        self.is_started, self.problem = True, None

    def try_start(self) -> bool:
        try:
            self.start()
        except GitregError as error:
            kind = type(error).__name__  # its words may name files of this machine
            if kind != self.problem:
                _log.warning("%s cannot be served yet: %s", self.name, error)
            self.problem = kind
        return self.is_started

    def stop(self) -> None:
        if self.is_started:
            self.is_started = False
            self.live.stop()


class Traffic(Generic[_T]):
    """Requests to several live models.

    Args:
        shares: reference to share, ``{"@champion": 0.9, "@challenger": 0.1}``; they add up to 1.
            The first is the main one.
        lives: the live model of each reference, the shadow's too.
        key: makes of what `use` and `answer` get as ``key`` what the request sticks to; by default
            that is it.
        shadow: a reference that answers too, for the record alone.
        predictions: where answers are recorded.
        waiting: how many requests may wait for the shadow; more are dropped, and counted.
        again: after how many seconds a reference that could not be served is tried again.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        lives: Mapping[str, Live[_T]],
        *,
        key: Callable[[Any], Key | None] | None = None,
        shadow: str | None = None,
        predictions: PredictionLog | None = None,
        waiting: int = 64,
        again: float = AGAIN,
    ) -> None:
        self._split = Split(shares)
        self._key = key
        self._targets = {name: _Target(name, live) for name, live in lives.items()}
        self._main = self._targets[self._split.main]
        self._shadow = None if shadow is None else self._targets[shadow]
        self._behind = Background[Callable[[], object]](lambda job: job(), "gitreg-shadow", waiting)
        self._predictions = predictions
        self._again = again
        self._ended = threading.Event()
        self._trying: threading.Thread | None = None

    # Its life

    def start(self) -> None:
        """Load what the references name.

        Raises:
            GitregError: the main reference cannot be served. Others are tried again later.
        """
        self._ended.clear()
        self._main.start()
        if not self._all_start():
            self._trying = threading.Thread(
                target=self._try_again, name="gitreg-router", daemon=True
            )
            self._trying.start()

    def _try_again(self) -> None:
        while not self._ended.wait(self._again):
            if self._all_start():
                return

    def _all_start(self) -> bool:
        """Start what does not serve yet; tell whether all serve now."""
        missing = [one for one in self._targets.values() if not one.is_started]
        return [one.try_start() for one in missing].count(False) == 0

    def stop(self) -> None:
        """Free the models, after the shadow's and the log's work is done."""
        self._ended.set()
        if self._trying is not None:
            self._trying.join(PATIENCE)  # one that downloads ends with the process
            self._trying = None
        self._behind.close()
        for target in self._targets.values():
            target.stop()
        if self._predictions is not None:
            self._predictions.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Start before the first request, and stop after the last: FastAPI's ``lifespan``."""
        await asyncio.to_thread(self.start)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stop)

    # Answers

    @contextmanager
    def use(self, key: Any = None, *, version: int | None = None) -> Iterator[Current[_T]]:
        """Give the model for a key, for the length of a request; the shadow does not see it.

        Args:
            key: what the request sticks to, or what the router's own ``key`` makes that of; without
                one, any reference by the shares.
            version: the number of a version that has to answer, whatever the key.

        Raises:
            NotFound: no reference serves this version now.
        """
        with self._chosen(key, version) as (_, current):
            yield current

    def use_main(self) -> AbstractContextManager[Current[_T]]:
        """Give the model of the main reference."""
        return self._main.live.use()

    def answer(
        self,
        call: Callable[[Current[_T]], _R],
        *,
        key: Any = None,
        version: int | None = None,
        request: str | None = None,
    ) -> Answer[_R]:
        """Return what the model for a key answers; record it; let the shadow answer afterwards.

        Args:
            call: asks a model. The shadow calls it again later, in another thread, so it must not
                change what it asks with.
            key: see `use`.
            version: see `use`.
            request: the request's id, ``X-Request-ID``; without a sane one, a new one is made.
        """
        asked = request_id(request)
        with self._chosen(key, version) as (target, current):
            with self._recorded(target, current, asked) as note:
                value = note(call(current))
            found = current.version
        self._offer(call, asked, target)
        return Answer(value, found, asked)

    async def answer_async(
        self,
        call: Callable[[Current[_T]], Awaitable[_R]],
        *,
        key: Any = None,
        version: int | None = None,
        request: str | None = None,
    ) -> Answer[_R]:
        """Return the same for a call that is awaited; see `answer`."""
        asked = request_id(request)
        with self._chosen(key, version) as (target, current):
            with self._recorded(target, current, asked) as note:
                value = note(await call(current))
            found = current.version
        self._offer(call, asked, target)
        return Answer(value, found, asked)

    @contextmanager
    def _chosen(self, key: Any, version: int | None) -> Iterator[tuple[_Target[_T], Current[_T]]]:
        if version is not None:
            with self._of_version(version) as found:
                yield found
            return
        chosen = self._split.choose(key if self._key is None else self._key(key))
        with ExitStack() as stack:
            yield self._entered(self._targets[chosen], stack)

    def _entered(self, target: _Target[_T], stack: ExitStack) -> tuple[_Target[_T], Current[_T]]:
        """Begin to use the model of a reference; that of the main one where it has none."""
        if target is not self._main:
            if target.serves:
                with suppress(ModelUnavailable):
                    return target, stack.enter_context(target.live.use())
            target.count("elsewhere")
        return self._main, stack.enter_context(self._main.live.use())

    @contextmanager
    def _of_version(self, version: int) -> Iterator[tuple[_Target[_T], Current[_T]]]:
        for name in self._split.shares:
            target = self._targets[name]
            if target.has_model:
                with target.live.use() as current:
                    if current.version.version == version:
                        yield target, current
                        return
        raise NotFound(f"version {version} is not served now")

    @contextmanager
    def _recorded(
        self, target: _Target[_T], current: Current[_T], asked: str, *, shadow: bool = False
    ) -> Iterator[Callable[[_R], _R]]:
        """Count and record what happens inside; what is yielded takes the answer."""
        values: list[Any] = []
        error: str | None = None
        begun = time.perf_counter()

        def note(value: _R) -> _R:
            values.append(value)
            return value

        try:
            yield note
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            target.count("failed" if error else "answered")
            if self._predictions is not None:
                served = current.version
                self._predictions.record(
                    Prediction(
                        asked,
                        _now(),
                        served.model,
                        served.version,
                        served.commit,
                        served.sha256,
                        served.reference,
                        shadow,
                        round(time.perf_counter() - begun, 6),
                        error,
                        values[0] if self._predictions.answers and values else None,
                    )
                )

    def _offer(self, call: Callable[[Current[_T]], Any], asked: str, target: _Target[_T]) -> None:
        shadow = self._shadow
        if shadow is None or shadow is target:
            return
        if not shadow.serves:
            shadow.count("elsewhere")
            return

        def job() -> None:
            with (
                shadow.live.use() as current,
                self._recorded(shadow, current, asked, shadow=True) as note,
            ):
                value = call(current)
                note(asyncio.run(_awaited(value)) if isawaitable(value) else value)

        self._behind.offer(job)

    # What it tells

    @property
    def is_serving(self) -> bool:
        """Whether the main reference serves."""
        return self._main.has_model

    def served(self) -> list[ServedVersion]:
        """Return which versions answer now, that of the main reference first."""
        found = [one.live.status().serving for one in self._targets.values() if one.has_model]
        return [one for one in found if one is not None]

    def status(self) -> dict[str, TargetStatus]:
        """Return what each reference is served by, and what it answered; the main one first."""
        return {
            name: TargetStatus(
                self._split.shares.get(name, 0.0),
                target is self._shadow,
                name if target.serves or target is self._main else self._instead(target),
                target.live.status(),
                target.problem,
                target.counts["answered"],
                target.counts["failed"],
                target.counts["elsewhere"],
                self._behind.dropped if target is self._shadow else 0,
            )
            for name, target in self._targets.items()
        }

    def _instead(self, target: _Target[_T]) -> str | None:
        return None if target is self._shadow else self._main.name


async def _awaited(value: Awaitable[_R]) -> _R:
    return await value


def _now() -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return now.replace("+00:00", "Z")
