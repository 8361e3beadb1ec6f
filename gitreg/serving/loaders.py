"""Loaders: functions from the folder or file of a verified artifact to a model in memory.

>>> joblib_file("model.joblib", trust=True)
joblib_file('model.joblib', trust=True)
>>> onnx_file("../model.onnx")
Traceback (most recent call last):
...
gitreg.errors.InvalidRequest: '../model.onnx' is not a path inside an artifact

`LiveModel` takes any function of a path as ``load``; these are for the usual formats. A verified
artifact holds the bytes that were registered: that makes nobody trustworthy who registered them.
So a loader of a format that runs code from the file when it loads it, a pickle say, refuses unless
it is made with ``trust=True``, or the policy's gate of the stage that the version is in allows the
format by name (``formats: {allowed: [joblib]}``), see `allowed_by`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, Refused

if TYPE_CHECKING:
    from gitreg.core.model.model import ModelVersion
    from gitreg.core.policy import Policy

_T = TypeVar("_T")

JOBLIB = ("joblib",)
PICKLE = ("pkl", "pickle")
SAFETENSORS = ("safetensors",)
ONNX = ("onnx",)

_FLAVOUR = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


def nothing(_name: str) -> bool:
    """Tell that no file is allowed."""
    return False


@dataclass(frozen=True, repr=False)
class Loader(Generic[_T]):
    """Loads the model in an artifact; call it with the artifact's path.

    Attributes:
        name: of the function below that made it, for messages.
        read: loads a file, or a folder for `whole`.
        inside: the file's path in the artifact; ``None`` for the one with one of the `endings`.
        endings: the extensions of such files, in lower case without the dot.
        whole: whether the artifact is loaded as a whole, a folder.
        runs_code: whether to load it is to run code that it holds or names.
        trust: whether the caller accepts that.
        allowed: whether the policy does, for a file's name; see `allowed_by`.
    """

    name: str
    read: Callable[[Path], _T]
    inside: str | None = None
    endings: tuple[str, ...] = ()
    whole: bool = False
    runs_code: bool = False
    trust: bool = False
    allowed: Callable[[str], bool] = nothing

    def __repr__(self) -> str:
        given = [repr(self.inside)] if self.inside is not None else []
        return f"{self.name}({', '.join([*given, *(['trust=True'] if self.trust else [])])})"

    def __call__(self, artifact: Path) -> _T:
        """Return the model in an artifact.

        Raises:
            Refused: to load it is to run its code, and neither caller nor policy accepts that.
            NotFound: the artifact has no such file, or several.
            InvalidRequest: the path leads out of the artifact, or a package is missing here.
            InvalidDocument: it does not load; the message has the cause.
        """
        path = artifact if self.whole else self.file(artifact)
        if self.runs_code and not (self.trust or self._is_allowed(path.name)):
            raise Refused(f"{path.name}: to load it is to run code from it", hint=self._hint())
        try:
            return self.read(path)
        except GitregError:
            raise
        except ModuleNotFoundError as error:
            raise InvalidRequest(
                f"{path.name} needs the package {error.name}, which is not installed here",
                hint="install what is in the version's requirements.txt",
            ) from error
        except Exception as error:
            cause = (str(error).strip().splitlines() or [""])[0][:300]
            raise InvalidDocument(
                f"{path.name} does not load: {type(error).__name__}: {cause}"
            ) from error

    def under(self, allowed: Callable[[str], bool]) -> Loader[_T]:
        """Return it with what the policy allows; see `allowed_by`."""
        return replace(self, allowed=allowed)

    def _is_allowed(self, name: str) -> bool:
        return ending(name) in self.endings and self.allowed(name)

    def _hint(self) -> str:
        accept = (
            "if you trust who registered it: gitreg serve --trust, or in Python "
            f"{replace(self, trust=True)!r}"
        )
        if not self.endings:
            return accept
        return f"{accept}; or let the stage's policy say formats: {{allowed: [{self.endings[0]}]}}"

    def file(self, artifact: Path) -> Path:
        """Return the file that would be loaded.

        Raises:
            NotFound: the artifact has no such file, or several.
            InvalidRequest: the path leads out of the artifact.
        """
        if not artifact.is_dir():
            endings = self.endings if self.inside is None else (ending(self.inside),)
            if ending(artifact.name) not in endings:
                wanted = self.inside or f"a file of the format {self.endings[0]}"
                raise NotFound(f"the artifact is the file {artifact.name}, not {wanted}")
            return artifact
        if self.inside is not None:
            return inside(artifact, self.inside)
        found = files_of(artifact, self.endings)
        if len(found) == 1:
            return inside(artifact, found[0])
        which = f"several: {', '.join(found[:5])}" if found else "none"
        raise NotFound(
            f"expected one file of the format {self.endings[0]} in the artifact, found {which}",
            hint=f"{self.name}('PATH')" if found else None,
        )


def ending(name: str) -> str:
    """Return a file's extension, in lower case without the dot; empty without one."""
    return PurePosixPath(name).suffix[1:].lower()


def files_of(artifact: Path, endings: tuple[str, ...]) -> list[str]:
    """Return the paths of an artifact's files with one of these extensions, sorted."""
    found = (path for path in artifact.rglob("*") if ending(path.name) in endings)
    return sorted(path.relative_to(artifact).as_posix() for path in found if path.is_file())


def inside(artifact: Path, path: str) -> Path:
    """Return a file in an artifact.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: the path leads out of the artifact, perhaps by a link.
    """
    place = artifact / _checked(path)
    try:
        real = place.resolve(strict=True)
    except (OSError, RuntimeError):
        raise NotFound(f"the artifact has no file {path}") from None
    if not real.is_relative_to(artifact.resolve()):
        raise InvalidRequest(f"{path} leads out of the artifact")
    if not real.is_file():
        raise NotFound(f"{path} is not a file of the artifact")
    return real


def _checked(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in path or "\0" in path:
        raise InvalidRequest(f"{path!r} is not a path inside an artifact")
    return path


def allowed_by(policy: Policy, version: ModelVersion) -> Callable[[str], bool]:
    """Return which files the policy allows by name for the stage that a version is in.

    A gate that only forbids formats does not vouch for the others. A version in no stage has
    passed no gate.

    Args:
        policy: of the commit that the version was read from.
        version: which will be loaded.
    """
    from gitreg.core.policy.gates import Formats, Lenient

    stages = policy.of(version.model).stages
    rule = None if version.stage is None else stages.get(version.stage)
    gates = () if rule is None else rule.gates
    bare = [gate.gate if isinstance(gate, Lenient) else gate for gate in gates]
    formats = [gate for gate in bare if isinstance(gate, Formats)]
    if all(gate.allowed is None for gate in formats):
        return nothing
    return lambda name: all(gate.takes(name) for gate in formats)


def under(load: Callable[[Path], _T], allowed: Callable[[str], bool]) -> Callable[[Path], _T]:
    """Return a loader that also loads what is allowed; a function of somebody else as it is."""
    own = getattr(load, "under", None)
    found: Callable[[Path], _T] = load if own is None else own(allowed)
    return found


# The formats


def joblib_file(path: str | None = None, *, trust: bool = False) -> Loader[Any]:
    """Return a loader of what ``joblib.dump`` wrote; loading it runs code from it.

    Args:
        path: the file in the artifact; by default the only one of the format.
        trust: whether to accept that.
    """

    def read(file: Path) -> Any:
        return needed("joblib", "joblib_file").load(file)

    return _of_file("joblib_file", read, path, (*JOBLIB, *PICKLE), runs_code=True, trust=trust)


def pickle_file(path: str | None = None, *, trust: bool = False) -> Loader[Any]:
    """Return a loader of a pickle; loading it runs code from it. See `joblib_file`."""

    def read(file: Path) -> Any:
        import pickle

        with file.open("rb") as stream:
            return pickle.load(stream)  # noqa: S301 - `Loader` refuses unless it is trusted

    return _of_file("pickle_file", read, path, PICKLE, runs_code=True, trust=trust)


def safetensors_file(
    path: str | None = None, *, framework: str = "numpy"
) -> Loader[dict[str, Any]]:
    """Return a loader of tensors by name; nothing in the file can run.

    Args:
        path: the file in the artifact; by default the only one of the format.
        framework: whose tensors they become: a module of ``safetensors``, such as ``torch``.
    """
    if not _FLAVOUR.fullmatch(framework):
        raise InvalidRequest(f"{framework!r} is not a framework of safetensors")

    def read(file: Path) -> dict[str, Any]:
        needed("safetensors", "safetensors_file")
        found: dict[str, Any] = import_module(f"safetensors.{framework}").load_file(file)
        return found

    return _of_file("safetensors_file", read, path, SAFETENSORS)


def onnx_file(path: str | None = None, *, providers: tuple[str, ...] = ()) -> Loader[Any]:
    """Return a loader of an ONNX model as an ``onnxruntime.InferenceSession``.

    Args:
        path: the file in the artifact; by default the only one of the format.
        providers: onnxruntime's execution providers, best first; by default the CPU's.
    """

    def read(file: Path) -> Any:
        runtime = needed("onnxruntime", "onnx_file")
        return runtime.InferenceSession(
            str(file), providers=list(providers) or ["CPUExecutionProvider"]
        )

    return _of_file("onnx_file", read, path, ONNX)


def mlflow_pyfunc(*, trust: bool = False) -> Loader[Any]:
    """Return a loader of an MLflow model folder as an ``mlflow.pyfunc.PyFuncModel``.

    The folder names the module that loads it, and most hold pickles, so loading one runs its code.
    A folder's ONNX or safetensors file can be loaded without that: ``onnx_file("model.onnx")``.

    Args:
        trust: whether to accept that.
    """

    def read(folder: Path) -> Any:
        needed("mlflow", "mlflow_pyfunc")
        return import_module("mlflow.pyfunc").load_model(str(folder))

    return Loader("mlflow_pyfunc", read, whole=True, runs_code=True, trust=trust)


def mlflow_flavour(flavour: str, *, trust: bool = False) -> Loader[Any]:
    """Return a loader of an MLflow model folder as its own kind, ``sklearn`` say.

    Args:
        flavour: a module of MLflow with a function ``load_model``.
        trust: see `mlflow_pyfunc`.
    """
    if not _FLAVOUR.fullmatch(flavour):
        raise InvalidRequest(f"{flavour!r} is not a flavour of MLflow")

    def read(folder: Path) -> Any:
        needed("mlflow", "mlflow_flavour")
        return import_module(f"mlflow.{flavour}").load_model(str(folder))

    return Loader("mlflow_flavour", read, whole=True, runs_code=True, trust=trust)


def _of_file(
    name: str,
    read: Callable[[Path], _T],
    path: str | None,
    endings: tuple[str, ...],
    *,
    runs_code: bool = False,
    trust: bool = False,
) -> Loader[_T]:
    path = None if path is None else _checked(path)
    return Loader(name, read, path, endings, runs_code=runs_code, trust=trust)


_INSTALLS = {"mlflow": "'gitreg[mlflow]'"}


def needed(package: str, what: str) -> Any:
    """Import a package.

    Raises:
        InvalidRequest: it is not installed; the hint installs it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise InvalidRequest(
            f"{what} needs {package}, which is not installed",
            hint=f"pip install {_INSTALLS.get(package, package)}",
        ) from None
