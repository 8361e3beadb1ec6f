"""`LiveModel`: a model in a process that follows its reference.

    live = LiveModel("churn@champion", "git@example.com:team/churn.git", load=load, check=smoke)
    with live:                       # loads, or raises
        with live.use() as current:  # current.model and current.version, for one request
            current.model.predict(…)

A thread asks the registry at each poll. Each move goes these steps, and a step that fails changes
nothing: read the reference, download and verify, load, check, swap.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from gitreg.core.model.names import parse_reference
from gitreg.core.text.times import ago
from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitregError, InvalidRequest, WorldError
from gitreg.git.copies import check_url, copies_folder
from gitreg.registry.options import Self
from gitreg.serving.copies import Copies, Copy
from gitreg.serving.following import Named, Pointer, RemoteAway, View, pause
from gitreg.serving.loaders import under
from gitreg.serving.served import Current, ServedVersion
from gitreg.serving.status import Failure, LiveStatus, ModelUnavailable, Step

if TYPE_CHECKING:
    from fastapi import APIRouter

_T = TypeVar("_T")
_log = logging.getLogger("gitreg.serving")

DRAIN = 60.0
"""Seconds that a swap that frees first waits for the requests of the old version."""

_LOOK = 1.0
"""Seconds after which a waiting process looks whether another one got the webhook."""

_AGAIN = 300.0
"""The longest pause in seconds before bytes that could not be had are asked for again."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")

_ONLY_ONCE = frozenset({"reference", "load", "check"})
"""What fails again in the same way until the reference names another version."""

_followers: weakref.WeakSet[LiveModel[Any]] = weakref.WeakSet()


class CannotServe(WorldError):
    """The version that the reference names cannot come into service.

    Attributes:
        step: what failed.
        named: the version; ``None`` when the reference names none.
        kind: the class of the error behind it.
    """

    def __init__(self, step: Step, named: Named | None, error: BaseException) -> None:
        words = hide_credentials(str(error)) or type(error).__name__
        which = "" if named is None else f"{named.model}@{named.version}: "
        super().__init__(
            words if isinstance(error, GitregError) else f"{which}{_FAILS[step]}: {words}",
            hint=error.hint if isinstance(error, GitregError) else _HINTS.get(step),
        )
        self.step: Step = step
        self.named = named
        self.kind = type(error).__name__


_FAILS = {"load": "it does not load", "check": "it fails the smoke check"}
_HINTS = {
    "load": "look whether `load` fits the version's format, or move the reference to another one",
    "check": "move the reference to a version that passes `check`",
}


class _Served(Generic[_T]):
    """A model in memory, and how many requests use it."""

    def __init__(self, model: _T, version: ServedVersion, named: Named, copy: Copy) -> None:
        self.current = Current(model, version)
        self.named = named
        self.copy = copy
        self.users = 0


class LiveModel(Generic[_T]):
    """A model that is at any time the version that a reference names.

    Args:
        reference: a model with an alias, a stage or ``latest``.
        location: of the registry: a URL, or a folder, whose checked-out branch is followed.
        load: makes the model of the path of its verified artifact.
        check: the smoke check of a loaded model; it fails by an exception, or by ``False``.
        poll: seconds between two looks at the remote.
        folder: for the copies on disk, which all processes share; by default in gitreg's cache.
        keep: how many versions stay on disk.
        swap: ``beside``: the new version is loaded while the old one answers, so that both are in
            memory; ``free-first``: the old one is freed before, and nothing answers meanwhile.
        webhook_secret: gives `router` a route for the webhooks of a Git host.
        name: tells live models of a process apart: the prefix of `router`, a label of its metrics.

    Raises:
        InvalidRequest: an argument is malformed.
    """

    def __init__(  # noqa: PLR0913  each is one choice of whom it serves
        self,
        reference: str,
        location: str | os.PathLike[str],
        *,
        load: Callable[[Path], _T],
        check: Callable[[_T], object] | None = None,
        poll: float = 5.0,
        folder: Path | None = None,
        keep: int = 2,
        swap: Literal["beside", "free-first"] = "beside",
        webhook_secret: str | None = None,
        name: str | None = None,
    ) -> None:
        parsed = parse_reference(reference)
        if parsed.is_model:
            raise InvalidRequest(
                f"{reference} names a model, not a version of it", hint=f"{reference}@champion"
            )
        if poll <= 0 or keep < 1 or swap not in {"beside", "free-first"}:
            raise InvalidRequest("poll and keep are above 0, and swap is beside or free-first")
        if webhook_secret == "":
            raise InvalidRequest("a webhook's secret is not empty")
        if name is not None and not _NAME.fullmatch(name):
            raise InvalidRequest(f"the name {name!a} is not made of letters, digits, '-' and '_'")
        place = os.fspath(location)
        if os.path.isdir(place):  # noqa: PTH112  of a name too long, Path.is_dir raises
            place = str(Path(place).resolve())
        else:
            check_url(place)
        self.reference = reference
        self.name = name or ""
        self.webhook_secret = webhook_secret
        self._model = parsed.model
        self._load, self._check = load, check
        self._poll, self._frees_first = poll, swap == "free-first"
        self._pointer = Pointer(place, parsed)
        self._copies = Copies(folder or copies_folder(place) / "serving", keep)
        self._callbacks: list[Callable[[ServedVersion], object]] = []
        self._served: _Served[_T] | None = None
        self._failed: Failure | None = None
        self._refused: tuple[str, int, str] | None = None
        self._tries = 0
        self._retry_at: float | None = None
        self._unanswered = 0
        self._checked_at: str | None = None
        self._away_since: str | None = None
        self._swaps = self._failures = 0
        self._thread: threading.Thread | None = None
        self._stopped = True
        self._make_locks()
        _followers.add(self)

    def _make_locks(self) -> None:
        self._turn = threading.RLock()  # one step at a time
        self._requests = threading.Condition()  # guards what serves, and its users
        self._wake = threading.Event()

    # Life

    def start(self) -> None:
        """Load the version that the reference names, and follow the reference from here on.

        Where that version cannot be had or does not load, the version that served last starts from
        its copy on disk, verified anew, and `status` says what failed. Without one, it raises.

        Raises:
            GitregError: nothing can serve.
        """
        with self._turn:
            if not self._stopped:
                return
            self._stopped = False
            try:
                self._first()
            except BaseException:
                self._stopped = True
                raise
            self._spawn()

    def stop(self) -> None:
        """Stop following, and let go of the model; requests that use it keep it to their end."""
        self._stopped = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)  # one that loads ends later, without a swap
        with self._requests:
            self._served = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:  # noqa: ARG002
        """Start and stop with an ASGI application: ``FastAPI(lifespan=live.lifespan)``."""
        import asyncio

        await asyncio.to_thread(self.start)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stop)

    # What a request does

    @contextmanager
    def use(self) -> Iterator[Current[_T]]:
        """Give the model and its version for the length of a request; never waits.

        Raises:
            ModelUnavailable: nothing serves.
        """
        with self._requests:
            served = self._served
            if served is None:
                raise ModelUnavailable(
                    f"{self.reference}: no version serves at this moment",
                    hint="start it first; during a swap that frees first, try again in a moment",
                )
            served.users += 1
        try:
            yield served.current
        finally:
            with self._requests:
                served.users -= 1
                if not served.users:
                    self._requests.notify_all()

    # What an operator does

    def refresh(self) -> LiveStatus:
        """Look at the registry now, try again what failed, and return the result."""
        self._step(force=True)
        return self.status()

    def wake(self) -> None:
        """Look at the registry soon, in all processes that share the copies; never waits."""
        self._copies.ring()
        self._wake.set()

    def status(self) -> LiveStatus:
        """Return what serves, what failed, and when the registry last answered."""
        served = self._served
        return LiveStatus(
            self.name,
            self._model,
            self.reference,
            None if served is None else served.current.version,
            self._failed,
            self._checked_at,
            self._away_since,
            self._swaps,
            self._failures,
        )

    def subscribe(self, callback: Callable[[ServedVersion], object]) -> Callable[[], None]:
        """Call a function after each swap, in the thread that follows; return what ends that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    @cached_property
    def router(self) -> APIRouter:
        """The routes ``/health/live``, ``/health/ready``, ``/version``, ``/metrics``.

        With a secret also ``/webhook``; with a name, all below ``/NAME``.
        """
        from gitreg.serving.health import routes

        return routes(self)

    # The thread that follows

    def _spawn(self) -> None:
        self._thread = threading.Thread(
            target=self._follow, name=f"gitreg {self.reference}", daemon=True
        )
        self._thread.start()

    def _follow(self) -> None:
        rung = self._copies.rung()
        me = threading.current_thread()
        while self._thread is me:
            rung = self._pause(rung)
            if self._thread is not me:
                return
            try:
                self._step()
            except Exception:  # noqa: BLE001  a fault of ours does not end the following
                _log.exception("%s: the registry was not looked at", self.reference)

    def _pause(self, rung: int) -> int:
        """Wait for the next look, or for a webhook, here or in another process."""
        chance = random.random()  # noqa: S311
        until = time.monotonic() + pause(self._poll, self._unanswered, chance)
        while (left := until - time.monotonic()) > 0:
            if self._wake.wait(left if self.webhook_secret is None else min(left, _LOOK)):
                break
            if self._copies.rung() != rung:
                break
        self._wake.clear()
        return self._copies.rung()

    def _after_fork(self) -> None:
        """Go on in the child of a fork: its threads are gone, and locks may be held for ever."""
        self._make_locks()
        if self._served is not None:
            self._served.users = 0
        if self._thread is not None and not self._stopped:
            self._spawn()

    # A look at the registry

    def _step(self, *, force: bool = False) -> None:
        with self._turn:
            if self._stopped:
                return
            try:
                moved = self._pointer.has_moved()
                self._answered()
                if moved or force or self._is_due():
                    self._renew(force=force)
            except RemoteAway as error:
                self._missed(error)
            except CannotServe as error:
                if not self._stopped:
                    self._note(error)

    def _is_due(self) -> bool:
        return self._retry_at is not None and time.monotonic() >= self._retry_at

    def _renew(self, *, force: bool) -> None:
        """Bring the version that the reference names into service, unless it is or was refused."""
        with self._reading() as view:
            self._answered()
            if self._serves(view.named):
                self._settle()
                return
            if not force and self._served is not None and self._is_refused(view.named):
                return
            copy = self._taken(view)
        self._exchange(view.named, copy)

    def _serves(self, named: Named) -> bool:
        # Not a variable of the caller's: it would keep the old model while a new one is loaded.
        served = self._served
        return served is not None and served.named.key == named.key

    def _is_refused(self, named: Named) -> bool:
        """Return whether a version failed in a way that time does not mend."""
        failed = self._failed
        return failed is not None and failed.step in _ONLY_ONCE and self._refused == named.key

    @contextmanager
    def _reading(self) -> Iterator[View]:
        """Open the registry, and say which step failed."""
        try:
            opened = self._pointer.read()
            view = opened.__enter__()
        except RemoteAway:
            raise
        except InvalidRequest as error:
            raise CannotServe("reference", None, error) from error
        except GitregError as error:
            raise CannotServe("registry", None, error) from error
        try:
            yield view
        finally:
            opened.__exit__(None, None, None)

    def _taken(self, view: View) -> Copy:
        try:
            return self._copies.take(view, lambda: self._stopped)
        except Exception as error:
            raise CannotServe("fetch", view.named, error) from error

    # Swaps

    def _exchange(self, named: Named, copy: Copy) -> None:
        if not self._frees_first:
            self._install(self._made(named, copy))
            return
        self._free(named)
        try:
            made = self._made(named, copy)
        except CannotServe:
            self._go_back()
            raise
        self._install(made)

    def _go_back(self) -> None:
        """Load the version again that was freed for one that does not load."""
        remembered = self._copies.recall(self.reference)
        if remembered is None:
            return
        try:
            made = self._made(remembered.named, self._copies.again(remembered), is_known=True)
        except GitregError as error:
            _log.warning("%s: the version before cannot serve either: %s", self.reference, error)
            return
        with self._requests:
            self._served = None if self._stopped else made

    def _free(self, named: Named) -> None:
        """Let go of what serves, once its requests have ended."""
        with self._requests:
            old, self._served = self._served, None
            if old is not None and not self._requests.wait_for(lambda: not old.users, DRAIN):
                self._served = old
                late = TimeoutError(f"requests of {old.named.version} ran for {DRAIN:.0f} s")
                raise CannotServe("swap", named, late)

    def _made(self, named: Named, copy: Copy, *, is_known: bool = False) -> _Served[_T]:
        """Return a loaded and checked model; one that served before is not checked again."""
        step: Step = "load"
        try:
            model = under(self._load, copy.allowed)(copy.path)
            step = "check"
            if self._check is not None and not is_known and self._check(model) is False:
                raise ValueError("the smoke check returned False")  # noqa: TRY301
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also a panic of Rust's: the user's code may raise anything
            raise CannotServe(step, named, error) from error
        version = ServedVersion(
            named.model, named.version, named.commit, named.sha256, _now(), self.reference
        )
        return _Served(model, version, named, copy)

    def _install(self, made: _Served[_T]) -> None:
        with self._requests:
            if self._stopped:
                return
            self._served = made
        self._swaps += 1
        self._settle()
        try:
            self._copies.remember(self.reference, made.named, made.copy.path)
        except WorldError as error:
            _log.warning("%s: %s", self.reference, error)
        version = made.current.version
        _log.info("%s: version %d serves", self.reference, version.version)
        for callback in tuple(self._callbacks):
            try:
                callback(version)
            except Exception:  # noqa: BLE001  the user's code
                _log.exception("%s: a subscriber failed", self.reference)

    # The first version

    def _first(self) -> None:
        try:
            with self._reading() as view:
                self._answered()
                copy = self._taken(view)
            self._install(self._made(view.named, copy))
        except (RemoteAway, CannotServe) as error:
            if self._stopped:
                raise _loud(error) from None
            self._serve_from_disk(error)

    def _serve_from_disk(self, error: RemoteAway | CannotServe) -> None:
        """Start with the version that served last, since the named one cannot.

        Raises:
            GitregError: there is none, or it does not load any more.
        """
        remembered = self._copies.recall(self.reference)
        if remembered is None:
            raise _loud(error)
        try:
            copy = self._copies.again(remembered)
            made = self._made(remembered.named, copy)
        except GitregError as second:
            raise WorldError(
                f"{error}; and the version that served last cannot either: {second}",
                hint=error.hint,
            ) from None
        if self._checked_at is None:
            self._checked_at = _utc(remembered.reached)
        with self._requests:
            self._served = made
        age = ago(max(0.0, time.time() - remembered.reached))
        _log.warning(
            "%s: version %d serves from its copy; the registry last answered %s: %s",
            self.reference,
            remembered.named.version,
            age,
            error,
        )
        if isinstance(error, RemoteAway):
            self._missed(error)
        else:
            self._note(error)

    # Notes

    def _answered(self) -> None:
        self._checked_at, self._away_since, self._unanswered = _now(), None, 0
        self._copies.touch(self.reference)

    def _missed(self, error: RemoteAway) -> None:
        """Note a question without an answer; the next answer is acted on, moved or not."""
        if self._away_since is None:
            self._away_since = _now()
            _log.warning("%s: %s", self.reference, hide_credentials(str(error)))
        self._unanswered += 1
        self._retry_at = time.monotonic()

    def _settle(self) -> None:
        """Note that the version that the reference names serves."""
        self._failed, self._refused, self._retry_at, self._tries = None, None, None, 0

    def _note(self, error: CannotServe) -> None:
        """Note what failed, and when it is worth another try by itself."""
        key = None if error.named is None else error.named.key
        version = None if error.named is None else error.named.version
        before = self._failed
        same = before is not None and (before.version, before.step) == (version, error.step)
        same = same and key == self._refused
        since = before.since if before is not None and same else _now()
        self._failed = Failure(version, since, error.step, error.kind, str(error))
        self._refused = key
        self._failures += 1
        self._tries = self._tries + 1 if same else 1
        again = min(_AGAIN, self._poll * 2 ** min(self._tries, 16))
        waits = error.step in _ONLY_ONCE and self._served is not None
        self._retry_at = None if waits else time.monotonic() + again
        if not same:
            _log.warning("%s: %s", self.reference, error)


def _loud(error: RemoteAway | CannotServe) -> GitregError:
    """Return what a first start raises: the error behind it, if it is one of gitreg's."""
    behind = error.__cause__
    return behind if isinstance(behind, GitregError) else error


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> str:
    return _utc(time.time())


def _restart() -> None:
    for live in tuple(_followers):
        live._after_fork()  # noqa: SLF001  this module's own


os.register_at_fork(after_in_child=_restart)
