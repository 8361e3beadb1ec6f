"""Checks the types of a call's arguments, so that a wrong one is an error of MLflow's kind.

MLflow's own checks expect the right types. What a caller without a type checker gave would come
back as a TypeError from somewhere inside.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

_Store = TypeVar("_Store")


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)  # for None, MLflow's checks have better words


def _is_token(value: object) -> bool:
    return value is None or isinstance(value, (str, bytes))  # MLflow itself makes bytes


def _is_version(value: object) -> bool:
    return isinstance(value, (int, str, float))  # as MLflow, which rounds 1.5


def _is_list(value: object) -> bool:
    return value is None or (isinstance(value, Sequence) and not isinstance(value, (str, bytes)))


def _is_list_of_texts(value: Any) -> bool:
    return _is_list(value) and all(isinstance(item, str) for item in value or ())


def _is_tag(value: object) -> bool:
    return hasattr(value, "key") and hasattr(value, "value") and _is_text(value.key)


def _is_list_of_tags(value: Any) -> bool:
    return _is_list(value) and all(map(_is_tag, value or ()))


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (_is_text, "text"),
    "str | None": (_is_text, "text"),
    "str | bytes | None": (_is_token, "the token of a page"),
    "int | str": (_is_version, "a version number"),
    "Sequence[str] | None": (_is_list_of_texts, "a list of texts"),
    "RegisteredModelTag": (_is_tag, "a tag"),
    "ModelVersionTag": (_is_tag, "a tag"),
    "Sequence[RegisteredModelTag] | None": (_is_list_of_tags, "a list of tags"),
    "Sequence[ModelVersionTag] | None": (_is_list_of_tags, "a list of tags"),
}
"""What a parameter's annotation allows, and its words; `search` checks the sizes of pages."""


def checked(store: type[_Store]) -> type[_Store]:
    """Make the public methods of a class check the arguments that they annotate."""
    for name, method in list(vars(store).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(store, name, _checked(method))
    return store


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(method)
    checks = {
        name: _CHECKS[parameter.annotation]
        for name, parameter in signature.parameters.items()
        if parameter.annotation in _CHECKS
    }

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            allows, words = checks.get(name, (None, ""))
            if allows is not None and not allows(value):
                raise MlflowException(
                    f"Invalid value for {name}: expected {words}, but got {value!r:.100}",
                    error_code=INVALID_PARAMETER_VALUE,
                )
        return method(*args, **kwargs)

    return call
