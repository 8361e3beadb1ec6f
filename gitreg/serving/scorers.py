"""Models of any kind behind one face: MLflow's `/invocations`, and tensors in and out.

==============  ============================================================
`MlflowScorer`  an ``mlflow.pyfunc.PyFuncModel``, by MLflow's own scoring code
`OnnxScorer`    an ``onnxruntime.InferenceSession``
`ObjectScorer`  anything with a method ``predict``, or that can be called
==============  ============================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gitreg.errors import InvalidRequest
from gitreg.serving.plain import Asked, UnsupportedMedia, jsonable, parse
from gitreg.serving.tensors import TensorSpec, datatype_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tensors = Mapping[str, "NDArray[Any]"]

OUTPUT = "predictions"
"""What an output is called that has no name."""


@dataclass(frozen=True)
class Scored:
    """An answer to `/invocations`: a JSON text."""

    text: str

    def as_json(self) -> Any:
        """Return the value of the text, for the log of predictions."""
        return json.loads(self.text)


class Scorer(Protocol):
    """A loaded model that answers requests of both protocols, in several threads at once."""

    platform: ClassVar[str]
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]

    def invoke(self, body: bytes, content_type: str) -> Scored:
        """Answer `/invocations`.

        Raises:
            UnsupportedMedia: it does not read bodies of this type.
            InvalidRequest: the body is not what the model takes.
        """

    def infer(self, tensors: Tensors) -> Tensors:
        """Answer tensors with tensors.

        Raises:
            InvalidRequest: the model does not take these tensors.
        """


def scorer(model: Any) -> Scorer:
    """Return the face of a model.

    Raises:
        InvalidRequest: the model cannot predict.
    """
    kind = type(model)
    if kind.__module__.startswith("mlflow.pyfunc"):
        return MlflowScorer(model)
    if kind.__module__.startswith("onnxruntime"):
        return OnnxScorer(model)
    if not hasattr(model, "predict") and not callable(model):
        raise InvalidRequest(
            f"a {kind.__name__} cannot predict",
            hint="--load module:function names a function of the artifact's path that makes what "
            "can: an object with a method predict, or a function",
        )
    return ObjectScorer(model)


class MlflowScorer:
    """A PyFuncModel."""

    platform: ClassVar[str] = "mlflow_pyfunc"

    def __init__(self, model: Any) -> None:
        self._model = model
        self._schema = model.metadata.get_input_schema()
        self.inputs = _of_schema(self._schema)
        self.outputs = _of_schema(model.metadata.get_output_schema(), OUTPUT)

    def invoke(self, body: bytes, content_type: str) -> Scored:
        """Answer by MLflow's own code; see `Scorer`."""
        from mlflow.exceptions import MlflowException
        from mlflow.pyfunc import scoring_server

        asked = _Noting(self._model)
        try:
            found = scoring_server.invocations(body, content_type, asked, self._schema)
        except MlflowException as error:
            if asked.failure is not None:
                raise asked.failure from None
            raise InvalidRequest(str(error.message)[:1000]) from None
        if found.status != 200:
            raise UnsupportedMedia(found.response[:1000])
        return Scored(found.response)

    def infer(self, tensors: Tensors) -> Tensors:
        """Answer tensors: as columns of a table if the model takes one; see `Scorer`."""
        from mlflow.exceptions import MlflowException

        asked = _Noting(self._model)
        try:
            return _as_tensors(asked.predict(self._arranged(tensors)))
        except MlflowException as error:
            raise InvalidRequest(str(error.message)[:1000]) from None

    def _arranged(self, tensors: Tensors) -> Any:
        schema = self._schema
        if schema is None:
            return _only(tensors) if len(tensors) == 1 else _table(tensors)
        if schema.is_tensor_spec():
            return dict(tensors) if schema.has_input_names() else _only(tensors)
        names = schema.input_names()
        if len(tensors) == 1 and not set(tensors) & set(names):
            return _named(_only(tensors), names)
        return _table(tensors)


class _Noting:
    """A PyFuncModel for MLflow's scoring code, which hides what a model raises."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.metadata = model.metadata
        self.failure: Exception | None = None

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._model.predict(data, params=params)
        except MlflowException:
            raise  # the input is not what the signature says
        except Exception as error:
            self.failure = error
            raise


class OnnxScorer:
    """An InferenceSession of onnxruntime."""

    platform: ClassVar[str] = "onnx_onnxruntime"

    def __init__(self, session: Any) -> None:
        self._session = session
        self.inputs = [_of_onnx(one) for one in session.get_inputs()]
        self.outputs = [
            _of_onnx(one) for one in session.get_outputs() if one.type.startswith("tensor(")
        ]
        self._by_name = {one.name: one for one in self.inputs}

    def invoke(self, body: bytes, content_type: str) -> Scored:
        """Answer inputs by name, or rows where there is one input; see `Scorer`."""
        found = self._run(self._fed(parse(body, content_type)), None)
        plain = jsonable(next(iter(found.values())) if len(found) == 1 else found)
        return Scored(json.dumps({"predictions": plain}))

    def infer(self, tensors: Tensors) -> Tensors:
        """Answer tensors; see `Scorer`."""
        return self._run(dict(tensors), [one.name for one in self.outputs])

    def _fed(self, asked: Asked) -> dict[str, Any]:
        import numpy as np

        values = asked.values
        if asked.columns is not None and set(asked.columns) == set(self._by_name):
            columns = zip(*values, strict=True)
            values = {
                name: [[one] for one in column]
                for name, column in zip(asked.columns, columns, strict=True)
            }
        if not isinstance(values, dict):
            if len(self.inputs) != 1:
                raise InvalidRequest(f"expected the inputs {', '.join(self._by_name)} by name")
            values = {self.inputs[0].name: values}
        fed = {}
        for name, given in values.items():
            try:
                fed[name] = np.array(given, _numpy(self._spec(name).datatype))
            except (ValueError, TypeError, OverflowError):
                raise InvalidRequest(f"input {name}: not numbers of one shape") from None
        return fed

    def _spec(self, name: str) -> TensorSpec:
        if name not in self._by_name:
            raise InvalidRequest(f"no input {name[:100]!r}: expected {', '.join(self._by_name)}")
        return self._by_name[name]

    def _run(self, fed: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
        for name, array in fed.items():
            spec = self._spec(name)
            if datatype_of(array.dtype) != spec.datatype:
                raise InvalidRequest(
                    f"input {name}: expected {spec.datatype}, not {datatype_of(array.dtype)}"
                )
            fits = len(array.shape) == len(spec.shape) and all(
                wanted in (-1, length)
                for wanted, length in zip(spec.shape, array.shape, strict=True)
            )
            if not fits:
                raise InvalidRequest(
                    f"input {name}: expected the shape {list(spec.shape)}, not {list(array.shape)}"
                )
        missing = [name for name in self._by_name if name not in fed]
        if missing:
            raise InvalidRequest(f"missing inputs: {', '.join(missing)}")
        names = names or [one.name for one in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, fed), strict=True))


class ObjectScorer:
    """A model of scikit-learn, or anything else with a method ``predict``, or a function."""

    platform: ClassVar[str] = "python"

    def __init__(self, model: Any) -> None:
        self._predict = model.predict if hasattr(model, "predict") else model
        names = getattr(model, "feature_names_in_", None)
        self._names = None if names is None else [str(name) for name in names]
        width = getattr(model, "n_features_in_", -1)
        self.inputs = [TensorSpec("inputs", "FP64", (-1, int(width)))]
        self.outputs = [TensorSpec(OUTPUT, "FP64", (-1,))]

    def invoke(self, body: bytes, content_type: str) -> Scored:
        """Answer an array, or a table for `dataframe_split` and `dataframe_records`."""
        asked = parse(body, content_type)
        if asked.columns is not None:
            rows = _frame(asked.values, asked.columns)
        else:
            rows = self._rows(_numbers(asked.values))
        return Scored(json.dumps({"predictions": jsonable(self._predict(rows))}))

    def infer(self, tensors: Tensors) -> Tensors:
        """Answer one tensor, the rows, or one for each column."""
        rows = self._rows(_only(tensors)) if len(tensors) == 1 else _table(tensors)
        return _as_tensors(self._predict(rows))

    def _rows(self, array: Any) -> Any:
        """Return an array as a table, if the model was trained on a table of that width."""
        return array if self._names is None else _named(array, self._names)


# Forms


def _numbers(values: Any) -> Any:
    import numpy as np

    if isinstance(values, dict):
        return {name: _numbers(one) for name, one in values.items()}
    try:
        return np.array(values)
    except ValueError:
        raise InvalidRequest("the rows are not all of one length") from None


def _numpy(datatype: str) -> str:
    from gitreg.serving.tensors import DATATYPES

    return DATATYPES[datatype]


def _only(tensors: Tensors) -> Any:
    if len(tensors) != 1:
        raise InvalidRequest(f"expected one input, not {len(tensors)}")
    return next(iter(tensors.values()))


def _named(array: Any, names: Sequence[str]) -> Any:
    """Return an array of rows as a table if it has as many columns, else the array."""
    fits = getattr(array, "ndim", 0) == 2 and array.shape[1] == len(names)
    return _frame(array, names) if fits else array


def _frame(rows: Any, columns: Sequence[str]) -> Any:
    from gitreg.serving.loaders import needed

    return needed("pandas", "a table as input").DataFrame(rows, columns=list(columns))


def _table(tensors: Tensors) -> Any:
    """Return tensors of one row each as the columns of a table."""
    from gitreg.serving.loaders import needed

    lengths = {len(array) if array.ndim else -1 for array in tensors.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise InvalidRequest("the inputs do not have equally many rows")
    columns = {
        name: array.reshape(-1) if array.size == len(array) else list(array)
        for name, array in tensors.items()
    }
    return needed("pandas", "a table as input").DataFrame(columns)


def _as_tensors(found: Any) -> Tensors:
    import numpy as np

    if hasattr(found, "columns") and hasattr(found, "to_dict"):
        return {str(name): np.asarray(found[name]) for name in found.columns}
    if isinstance(found, Mapping):
        return {str(name): np.asarray(one) for name, one in found.items()}
    return {OUTPUT: np.asarray(found)}


_ONNX = {"float": "FP32", "double": "FP64", "float16": "FP16", "string": "BYTES"}
_MLFLOW = {
    "double": "FP64",
    "float": "FP32",
    "long": "INT64",
    "integer": "INT32",
    "boolean": "BOOL",
}


def _of_onnx(given: Any) -> TensorSpec:
    inner = given.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(axis if isinstance(axis, int) else -1 for axis in given.shape)
    return TensorSpec(given.name, _ONNX.get(inner, inner.upper()), shape)


def _of_schema(schema: Any, unnamed: str = "inputs") -> list[TensorSpec]:
    """Return the tensors of a signature of MLflow; none without one."""
    found = []
    for spec in [] if schema is None else schema.inputs:
        name = str(spec.name) if spec.name is not None else unnamed
        if hasattr(spec, "shape"):
            found.append(TensorSpec(name, datatype_of(spec.type), tuple(spec.shape)))
        else:
            kind = getattr(spec.type, "name", "string")
            found.append(TensorSpec(name, _MLFLOW.get(kind, "BYTES"), (-1,)))
    return found
