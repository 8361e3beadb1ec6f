"""What `gitreg serve` loads when nobody says how: by what is in the artifact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gitreg.artifacts.mlmodel import MLMODEL
from gitreg.errors import InvalidRequest
from gitreg.serving.loaders import (
    JOBLIB,
    ONNX,
    PICKLE,
    SAFETENSORS,
    Loader,
    ending,
    files_of,
    joblib_file,
    mlflow_pyfunc,
    nothing,
    onnx_file,
    pickle_file,
    under,
)
from gitreg.serving.scorers import Scorer, scorer

_KNOWN = (*ONNX, *JOBLIB, *PICKLE, *SAFETENSORS)
_OWN = "--load module:function names a function of the artifact's path"


@dataclass(frozen=True)
class Scoring:
    """Loads what answers requests.

    Attributes:
        load: a function of the artifact's path; ``None`` chooses by what is in the artifact.
        trust: whether code that is in the artifact may run.
        tell: called with what was chosen and has loaded.
        allowed: see `gitreg.serving.loaders.Loader`.
    """

    load: Callable[[Path], Any] | None = None
    trust: bool = False
    tell: Callable[[str], object] = print
    allowed: Callable[[str], bool] = nothing

    def under(self, allowed: Callable[[str], bool]) -> Scoring:
        """Return it with what the policy allows; see `gitreg.serving.loaders.under`."""
        return replace(self, allowed=allowed)

    def __call__(self, artifact: Path) -> Scorer:
        """Return what answers requests by the model in an artifact.

        Raises:
            GitregError: nothing in the artifact can be served, or see `Loader`.
        """
        if self.load is not None:
            return scorer(under(self.load, self.allowed)(artifact))
        loader = chosen(artifact, trust=self.trust).under(self.allowed)
        found = scorer(loader(artifact))
        self.tell(f"loaded by {loader!r}")
        return found


def chosen(artifact: Path, *, trust: bool = False) -> Loader[Any]:
    """Return the loader for an artifact: an MLflow folder, or its only file of a known format.

    Raises:
        InvalidRequest: it has no such file, several, or tensors alone.
    """
    if (artifact / MLMODEL).is_file():
        return mlflow_pyfunc(trust=trust)
    found = files_of(artifact, _KNOWN) if artifact.is_dir() else [artifact.name]
    kinds = {ending(name) for name in found}
    if len(found) != 1 or not kinds <= set(_KNOWN):
        what = f"several: {', '.join(found[:5])}" if len(found) > 1 else "none"
        raise InvalidRequest(
            f"expected an MLflow folder or one file of {', '.join(_KNOWN)}, found {what}", hint=_OWN
        )
    path = found[0] if artifact.is_dir() else None
    (kind,) = kinds
    if kind in ONNX:
        return onnx_file(path)
    if kind in SAFETENSORS:
        raise InvalidRequest(f"{found[0]} has tensors, and no code that predicts", hint=_OWN)
    # joblib also reads plain pickles, and files of its own are often called .pkl.
    make = joblib_file if kind in JOBLIB or find_spec("joblib") else pickle_file
    return make(path, trust=trust)
