"""Numpy arrays, as .npy files."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from datafolio.errors import FormatError, UnsupportedValueError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.sinkfile import SinkFile

__all__ = ["ArrayType"]

_PIECE = 1 << 24
# numpy.lib.format refuses longer headers unless told, for fear of what parsing them costs.
_MAX_HEADER = 1 << 20
# What numpy, and the parser it has for the header, raise over a file that is not well-formed.
_UNREADABLE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    UserWarning,
    ValueError,
    tokenize.TokenError,
)


class ArrayType(ItemType):
    """An ndarray of any shape, in C or Fortran order, of any dtype that .npy holds without pickling.

    A memory-mapped array comes back as an ordinary one.
    """

    tag: ClassVar[str] = "numpy"

    def matches(self, value: object) -> bool:
        return any(base.__module__ == "numpy" and base.__name__ == "ndarray" for base in type(value).__mro__)

    def encode(self, value: Any, sink: Sink) -> Encoded:
        _refuse(value)
        header = _header(value)
        if header is None:
            _write_slowly(value, sink)
        else:
            sink.write(header)
            for piece in _pieces(value):
                sink.write(piece)
        return Encoded(".npy", {"shape": list(value.shape), "dtype": _dtype_text(value.dtype)})

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> Any:  # noqa: ARG002 - the contract's
        import numpy as np

        file = io.BytesIO(payload.read())
        try:
            return np.lib.format.read_array(file, allow_pickle=False, max_header_size=_MAX_HEADER)
        except _UNREADABLE as error:
            raise FormatError(f"the payload is not a numpy array: {error}") from error


def _refuse(value: Any) -> None:
    import numpy as np

    if type(value) not in {np.ndarray, np.memmap}:
        raise UnsupportedValueError(
            f"a {type(value).__module__}.{type(value).__qualname__} would come back as a plain array; "
            f"store numpy.asarray(value)" + (", and its mask as an array of its own" if np.ma.isMA(value) else "")
        )
    if value.dtype.hasobject:
        raise UnsupportedValueError(
            f"an array of dtype {value.dtype} holds Python objects, which .npy keeps only by pickling; "
            f"give it a plain dtype with .astype(...), or store it with add_model"
        )
    if not _kept(value.dtype):
        raise UnsupportedValueError(
            f"an array of dtype {value.dtype} would not come back from .npy with the same dtype; "
            f"convert it with .astype(...), or store it with add_model"
        )


def _kept(dtype: Any) -> bool:
    """Whether the text that .npy has for `dtype` gives the same dtype, with all it carries."""
    import numpy as np

    if _carries_metadata(dtype):
        return False
    try:
        back = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))
    except (ValueError, TypeError, LookupError):
        return False
    return bool(back == dtype) and back.type is dtype.type


def _carries_metadata(dtype: Any) -> bool:
    if dtype.metadata:
        return True
    if dtype.subdtype is not None:
        return _carries_metadata(dtype.subdtype[0])
    return any(_carries_metadata(field[0]) for field in (dtype.fields or {}).values())


def _header(value: Any) -> bytes | None:
    """What stands before the data, or None where only `numpy.lib.format.write_array` can write it all."""
    import numpy as np

    if not (value.flags.c_contiguous or value.flags.f_contiguous) or not _latin_names(value.dtype):
        return None
    description = np.lib.format.header_data_from_array_1_0(value)
    file = io.BytesIO()
    try:
        np.lib.format.write_array_header_1_0(file, description)
    except ValueError:  # too long for the two-byte length of version 1
        file = io.BytesIO()
        np.lib.format.write_array_header_2_0(file, description)
    return file.getvalue()


def _latin_names(dtype: Any) -> bool:
    try:
        repr(dtype).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _pieces(value: Any) -> Iterator[memoryview]:
    """The array's own memory, in its own order."""
    import numpy as np

    if value.size == 0 or value.dtype.itemsize == 0:
        return
    flat = (value if value.flags.c_contiguous else value.T).reshape(-1)
    data = memoryview(np.asarray(flat).view(np.uint8))
    for start in range(0, data.nbytes, _PIECE):
        yield data[start : start + _PIECE]


def _write_slowly(value: Any, sink: Sink) -> None:
    import numpy as np

    # Left to choose, numpy warns where it has to take version 3, which is UTF-8 in the names of fields.
    version = None if _latin_names(value.dtype) else (3, 0)
    np.lib.format.write_array(SinkFile(sink), np.asarray(value), version=version, allow_pickle=False)


def _dtype_text(dtype: Any) -> str:
    text = str(dtype)
    return text if len(text) <= 200 else text[:199] + "…"
