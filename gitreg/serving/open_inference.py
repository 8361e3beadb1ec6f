"""The Open Inference Protocol, version 2, over HTTP.

https://github.com/kserve/open-inference-protocol has it, and its OpenAPI schema. No extension is
offered: tensors are JSON. A version in the path has to be one that is served now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response  # noqa: TC002 - FastAPI evaluates annotations

from gitreg import __version__
from gitreg.errors import InvalidRequest
from gitreg.serving.app import Desk, Problem, answered, json_response
from gitreg.serving.plain import load_json
from gitreg.serving.scorers import Scorer, Tensors
from gitreg.serving.tensors import decode, encode

if TYPE_CHECKING:
    from gitreg.serving.traffic import Answer

_ID = 256
_PATHS = ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")


@dataclass(frozen=True)
class Inferred:
    """A model's outputs."""

    outputs: list[dict[str, Any]]

    def as_json(self) -> Any:
        """Return them for the log of predictions."""
        return self.outputs


@dataclass(frozen=True)
class Inference:
    """A request for an inference.

    Attributes:
        tensors: its inputs by name.
        wanted: the names of the outputs that it wants; none for all.
        id: its own id.
    """

    tensors: Tensors
    wanted: tuple[str, ...]
    id: str | None

    @classmethod
    def read(cls, body: bytes) -> Inference:
        """Return the request in a body.

        Raises:
            InvalidRequest: it does not have the protocol's form.
        """
        document = load_json(body)
        if not isinstance(document, dict):
            raise InvalidRequest("expected a JSON object with inputs")
        given = document.get("inputs")
        if not isinstance(given, list) or not given:
            raise InvalidRequest("inputs is a list of tensors, at least one")
        arrays = [decode(one) for one in given]
        tensors = dict(zip((one["name"] for one in given), arrays, strict=True))
        if len(tensors) != len(given):
            raise InvalidRequest("two inputs have the same name")
        own = document.get("id")
        if own is not None and (not isinstance(own, str) or len(own) > _ID):
            raise InvalidRequest(f"id is a text of at most {_ID} characters")
        return cls(tensors, _names(document.get("outputs", [])), own)

    def ask(self, model: Scorer) -> Inferred:
        """Return what a model answers."""
        found = model.infer(self.tensors)
        unknown = [name for name in self.wanted if name not in found]
        if unknown:
            raise InvalidRequest(f"no output {unknown[0][:100]!r}: there is {', '.join(found)}")
        return Inferred([encode(name, found[name]) for name in self.wanted or found])


def _names(outputs: object) -> tuple[str, ...]:
    if not isinstance(outputs, list) or any(
        not isinstance(one, dict) or not isinstance(one.get("name"), str) for one in outputs
    ):
        raise InvalidRequest("outputs is a list of objects with a name")
    return tuple(dict.fromkeys(one["name"] for one in outputs))


def add_routes(app: FastAPI, desk: Desk, model: str) -> None:
    """Add the protocol's routes to an application."""
    _add_server(app, desk)
    _add_model(app, desk, model)

    for path in _PATHS:

        @app.post(f"{path}/infer")
        async def infer(request: Request, name: str, version: str | None = None) -> Response:
            _check_name(name, model)
            number = None if version is None else _number(version)
            if "inference-header-content-length" in request.headers:
                raise Problem(400, "binary tensors are not offered: send JSON")
            body = await desk.body(request)
            read: list[Inference] = []

            def ask(scorer: Scorer) -> Inferred:
                if not read:  # here, in a thread, because it takes time; the shadow has it too
                    read.append(Inference.read(body))
                return read[0].ask(scorer)

            answer = await desk.answer(request, ask, version=number)
            return answered(answer, _response(answer, read[0].id))


def _response(answer: Answer[Inferred], own: str | None) -> Mapping[str, Any]:
    return {
        "model_name": answer.version.model,
        "model_version": str(answer.version.version),
        "id": own or answer.request_id,
        "outputs": answer.value.outputs,
    }


def _add_server(app: FastAPI, desk: Desk) -> None:
    @app.get("/v2")
    @app.get("/v2/")
    async def server() -> Response:
        return json_response({"name": "gitreg", "version": __version__, "extensions": []})

    @app.get("/v2/health/live")
    async def live() -> Response:
        return json_response({"live": True})

    @app.get("/v2/health/ready")
    async def ready() -> Response:
        is_ready = desk.traffic.is_serving
        return json_response({"live": True, "ready": is_ready}, 200 if is_ready else 503)


def _add_model(app: FastAPI, desk: Desk, model: str) -> None:
    for path in _PATHS:

        @app.get(path)
        async def metadata(name: str, version: str | None = None) -> Response:
            _check_name(name, model)
            number = None if version is None else _number(version)
            versions = {str(one.version) for one in desk.traffic.served()}
            traffic = desk.traffic
            with traffic.use_main() if number is None else traffic.use(version=number) as current:
                scorer = current.model
                return json_response(
                    {
                        "name": model,
                        "versions": sorted(versions, key=int),
                        "platform": scorer.platform,
                        "inputs": [one.as_json() for one in scorer.inputs],
                        "outputs": [one.as_json() for one in scorer.outputs],
                    }
                )

        @app.get(f"{path}/ready")
        async def ready(name: str, version: str | None = None) -> Response:
            _check_name(name, model)
            served = [one.version for one in desk.traffic.served()]
            is_ready = bool(served) if version is None else _number(version) in served
            return json_response({"name": model, "ready": is_ready}, 200 if is_ready else 404)


def _check_name(name: str, model: str) -> None:
    if name != model:
        raise Problem(404, f"no model {name[:100]!r}: this server has {model}")


def _number(version: str) -> int:
    if not version.isascii() or not version.isdecimal() or len(version) > 9:
        raise Problem(404, f"{version[:40]!r} is not the number of a version")
    return int(version)
