"""A live model in a process: it follows its reference, and serves on when a new version fails.

================  ====================================================================
`live`            `LiveModel`: start, use, follow, swap
`following`       asks whether the reference moved, and which version it names
`copies`          verified copies on disk, which all processes of a machine share
`served`          `ServedVersion`, and `Current`: a model for the length of a request
`status`          what a live model reports: what serves, what failed, and since when
`health`          its routes: health, version, metrics, webhook
`metrics`         the Prometheus metrics of all live models of a process
`webhook`         whether a webhook is signed
`loaders`         from an artifact's path to a model: joblib, ONNX, MLflow and so on
`guess`           which of them, by what is in the artifact
`router`          `Router`: several references of one model, each with a share
`traffic`         shares, shadow and record over live models
`split`           which reference a key goes to
`predictions`     who predicted, as lines of JSON
`background`      work that a request does not wait for
`scorers`         models of any kind behind one face
`plain`           MLflow's protocol without MLflow
`tensors`         tensors of the Open Inference Protocol
`open_inference`  the routes of that protocol
`app`             the application of `gitreg serve`
`listening`       host and port of a server, and its end
`server`          runs an application
================  ====================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitreg.serving.health import unavailable
    from gitreg.serving.live import LiveModel
    from gitreg.serving.loaders import (
        joblib_file,
        mlflow_flavour,
        mlflow_pyfunc,
        onnx_file,
        pickle_file,
        safetensors_file,
    )
    from gitreg.serving.predictions import Prediction, PredictionLog
    from gitreg.serving.router import Router
    from gitreg.serving.served import Current, ServedVersion
    from gitreg.serving.status import Failure, LiveStatus, ModelUnavailable

__all__ = [
    "Current",
    "Failure",
    "LiveModel",
    "LiveStatus",
    "ModelUnavailable",
    "Prediction",
    "PredictionLog",
    "Router",
    "ServedVersion",
    "joblib_file",
    "mlflow_flavour",
    "mlflow_pyfunc",
    "onnx_file",
    "pickle_file",
    "safetensors_file",
    "unavailable",
]

_MODULES = {
    "Current": "served",
    "Failure": "status",
    "LiveModel": "live",
    "LiveStatus": "status",
    "ModelUnavailable": "status",
    "Prediction": "predictions",
    "PredictionLog": "predictions",
    "Router": "router",
    "ServedVersion": "served",
    "joblib_file": "loaders",
    "mlflow_flavour": "loaders",
    "mlflow_pyfunc": "loaders",
    "onnx_file": "loaders",
    "pickle_file": "loaders",
    "safetensors_file": "loaders",
    "unavailable": "health",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `gitreg serve --help` needs none of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
