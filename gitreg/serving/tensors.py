"""Tensors of the Open Inference Protocol, as NumPy arrays and back.

>>> decode({"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2.5]}).tolist()
[[1.0], [2.5]]
>>> import numpy as np
>>> encode("y", np.array([[1, 2]]))
{'name': 'y', 'shape': [1, 2], 'datatype': 'INT64', 'data': [1, 2]}

What a request says is checked: its data has the type and shape that it names. An answer's NaN and
infinities become ``null``, because JSON has no words for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitreg.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DATATYPES = {
    "BOOL": "bool",
    **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BYTES": "object",
}
"""The protocol's types, each with NumPy's; BYTES are text."""

_NAMES = {numpy: name for name, numpy in DATATYPES.items()}
_TAKES = {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}
_MOST_AXES = 32


@dataclass(frozen=True)
class TensorSpec:
    """What a model takes or gives.

    Attributes:
        name: of the tensor.
        datatype: one of `DATATYPES`.
        shape: the length of each axis; -1 for any.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as the protocol's metadata does."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the protocol's name of a type of NumPy; text and all other objects are BYTES."""
    return _NAMES.get(dtype.name, "BYTES")


def decode(tensor: object) -> NDArray[Any]:
    """Return the array of a request's tensor.

    Raises:
        InvalidRequest: it does not have the protocol's form, or its data is not what it says.
    """
    import numpy as np

    if not isinstance(tensor, dict):
        raise InvalidRequest("an input is an object with name, shape, datatype and data")
    name = tensor.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("an input has no name")
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise InvalidRequest(
            f"input {name[:100]!r}: datatype {str(datatype)[:40]!r} is not one of "
            f"{', '.join(DATATYPES)}"
        )
    shape = _shape(name, tensor.get("shape"))
    data = tensor.get("data")
    if not isinstance(data, list):
        raise InvalidRequest(f"input {name[:100]!r} has no data, a list")
    found = _array(data, datatype)
    if found is None:
        raise InvalidRequest(f"input {name[:100]!r}: the data is not {datatype}")
    if found.size != math.prod(shape) or (found.ndim > 1 and found.shape != shape):
        raise InvalidRequest(
            f"input {name[:100]!r}: the data has the shape {list(found.shape)}, not {list(shape)}"
        )
    try:
        return np.reshape(found, shape)
    except ValueError:  # no data, and axes that no array can have
        raise InvalidRequest(f"input {name[:100]!r}: no array has this shape") from None


def _shape(name: str, given: object) -> tuple[int, ...]:
    good = isinstance(given, list) and len(given) <= _MOST_AXES
    if not good or any(type(axis) is not int or axis < 0 for axis in given):  # type: ignore[attr-defined]
        raise InvalidRequest(f"input {name[:100]!r}: the shape is not a list of lengths")
    return tuple(given)  # type: ignore[arg-type]


def _array(data: list[Any], datatype: str) -> NDArray[Any] | None:
    """Return data as an array of a type; ``None`` where it is of another type or ragged."""
    import numpy as np

    try:
        found = np.array(data, dtype=object if datatype == "BYTES" else None)
    except ValueError:
        return None
    if datatype == "BYTES":
        flat = found.flat if found.ndim <= _MOST_AXES else [None]
        return found if all(isinstance(one, str) for one in flat) else None
    wanted = np.dtype(DATATYPES[datatype])
    if found.size == 0:
        return found.astype(wanted)
    if found.dtype.kind not in _TAKES[wanted.kind]:
        return None
    if wanted.kind in "iu":
        limits = np.iinfo(wanted)
        if int(found.min()) < limits.min or int(found.max()) > limits.max:
            return None
    with np.errstate(over="ignore"):
        cast = found.astype(wanted)
    return cast if wanted.kind != "f" or bool(np.isfinite(cast).all()) else None


def encode(name: str, array: NDArray[Any]) -> dict[str, Any]:
    """Return an answer's tensor."""
    import numpy as np

    datatype = datatype_of(array.dtype)
    data = array.ravel().tolist()
    if datatype == "BYTES":
        data = [
            one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in data
        ]
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        data = [one if math.isfinite(one) else None for one in data]
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": data}
