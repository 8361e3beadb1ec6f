"""The command that serves what a reference names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import warn
from gitreg.cli.parameters import ReferenceArgument, RepoOption, flag, option
from gitreg.errors import InvalidRequest

if TYPE_CHECKING:
    from gitreg.serving.router import Router
    from gitreg.serving.scorers import Scorer

_PACKAGES = {"fastapi": "FastAPI", "uvicorn": "uvicorn", "prometheus_client": "prometheus-client"}


@app.command()
def serve(
    reference: ReferenceArgument,
    repo: RepoOption = ".",
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="The interface to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="The port to listen on; 0 for any free one.")
    ] = 8080,
    challenger: Annotated[
        Optional[list[str]],
        typer.Option(
            "--challenger",
            metavar="@ALIAS=PERCENT",
            help="Let another alias answer some requests; may repeat.",
        ),
    ] = None,
    shadow: Annotated[
        Optional[str],
        typer.Option("--shadow", metavar="@ALIAS", help="Let it answer too, for the log alone."),
    ] = None,
    key: Annotated[
        Optional[str],
        option("HEADER", "Requests with the same value of it go to the same alias."),
    ] = None,
    load: Annotated[
        Optional[str],
        option("MODULE:FUNCTION", "Makes a model of the artifact's path; else its format decides."),
    ] = None,
    trust: Annotated[
        bool, flag("--trust", "Run code that is in the artifact, as pickles have it.")
    ] = False,
    poll: Annotated[
        float, typer.Option("--poll", metavar="SECONDS", help="How often to ask for moves.")
    ] = 5.0,
    log: Annotated[
        Optional[Path],
        typer.Option("--log", metavar="FILE", help="Record which version answered, as JSON lines."),
    ] = None,
    concurrency: Annotated[
        int, option("N", "How many requests may be here at one time; more get 503.")
    ] = 64,
    max_body: Annotated[int, option("MIB", "The largest request.")] = 16,
) -> None:
    """Serve a model over HTTP, and follow its reference.

    Speaks MLflow's /invocations and the Open Inference Protocol v2, with the version in the header
    Gitreg-Version, and tells at /version what it serves. When the reference moves, the new version
    is pulled, verified and loaded beside the old one; if that fails, the old one serves on.

    Needs the extra: pip install 'gitreg[serve]'.

    Example: gitreg serve churn-predictor@champion --challenger @challenger=10 --trust
    """
    _check_packages()
    from gitreg.core.model.names import parse_reference
    from gitreg.serving.app import Limits, application
    from gitreg.serving.listening import bound, is_loopback, until_ended, url_of
    from gitreg.serving.server import serve as run

    wanted = parse_reference(reference)
    if concurrency < 1 or max_body < 1 or not poll > 0:
        raise InvalidRequest("--concurrency, --max-body and --poll are more than 0")
    limits = Limits(max_body * 1024 * 1024, concurrency, key)
    main = str(wanted).removeprefix(wanted.model)
    shares = _shares(main, challenger or [])
    if not is_loopback(host):
        warn((f"everybody who can reach {host} can ask this model: there is no login",))
    with until_ended(), bound(host, port) as listener:
        router = _router(shares, wanted.model, repo, _loading(load, trust=trust), shadow, log, poll)
        with router:
            with router.use_main() as current:
                serving = current.version
            listener.listen()  # who reads the URL may ask at once
            at = url_of(host, int(listener.getsockname()[1]))
            typer.echo(f"serving {serving.model}@{serving.version} at {at} (Ctrl-C ends it)")
            sys.stdout.flush()
            run(application(router, wanted.model, limits), listener)


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for package, name in _PACKAGES.items() if find_spec(package) is None]
    if missing:
        raise InvalidRequest(
            f"gitreg serve needs {', '.join(missing)}, which is not installed",
            hint="pip install 'gitreg[serve]'",
        )


def _shares(main: str, challengers: list[str]) -> dict[str, float]:
    """Return each reference's share; the main one has what the others leave."""
    percents: dict[str, float] = {}
    for given in challengers:
        name, _, percent = given.partition("=")
        _check_pointer("--challenger", name)
        try:
            percents[name] = float(percent.removesuffix("%"))
        except ValueError:
            raise InvalidRequest(f"--challenger: {given!r} is not @ALIAS=PERCENT") from None
        if name == main or not 0 <= percents[name] <= 100 or sum(percents.values()) > 100:
            raise InvalidRequest(f"--challenger: {given!r}: the shares of all are 100 percent")
    left = 100 - sum(percents.values())
    return {main: left / 100, **{name: percent / 100 for name, percent in percents.items()}}


def _check_pointer(option_name: str, name: str) -> None:
    if not name.startswith(("@", "/")) or len(name) < 2:
        raise InvalidRequest(f"{option_name}: {name!r} is not an alias such as @challenger")


def _loading(load: Optional[str], *, trust: bool) -> Callable[[Path], Scorer]:
    from gitreg.serving.guess import Scoring

    def tell(words: str) -> None:
        typer.echo(words, err=True)

    return Scoring(None if load is None else _function(load), trust=trust, tell=tell)


def _function(given: str) -> Callable[[Path], Any]:
    """Return the function that MODULE:FUNCTION names, as a program in this folder imports it."""
    from importlib import import_module

    module, _, name = given.partition(":")
    if not module or not name:
        raise InvalidRequest(f"--load: {given!r} is not module:function")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name, None)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InvalidRequest(f"--load: {module} cannot be imported: {cause}") from error
    if not callable(found):
        raise InvalidRequest(f"--load: {module} has no function {name}")
    function: Callable[[Path], Any] = found
    return function


def _router(
    shares: dict[str, float],
    model: str,
    repo: str,
    load: Callable[[Path], Scorer],
    shadow: Optional[str],
    log: Optional[Path],
    poll: float,
) -> Router[Scorer]:
    from gitreg.serving.predictions import PredictionLog
    from gitreg.serving.router import Router

    if shadow is not None:
        _check_pointer("--shadow", shadow)
    predictions = None if log is None else PredictionLog(log, answers=shadow is not None)
    return Router(shares, model, repo, load=load, shadow=shadow, predictions=predictions, poll=poll)
