"""Numpy arrays, as .npy files."""

from __future__ import annotations

import contextlib
import io
import mmap
import tokenize
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from datafolio.digest import Buffer
from datafolio.errors import FormatError, UnsupportedValueError, UsageError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.sinkfile import SinkFile

__all__ = ["ArrayType"]

_PIECE = 1 << 24
# numpy.lib.format refuses longer headers unless told, for fear of what parsing them costs.
_MAX_HEADER = 1 << 20
# In which a mapped array's memory is the file's, and no copy of it.
_SHARED_MODES = frozenset({"r", "r+", "w+"})
# What reads the header of each version of the format.  For version 3 numpy has nothing for others to call.
_HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
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

    def decode(
        self,
        payload: Payload,
        facts: Mapping[str, Any],  # noqa: ARG002 - the contract's
        *,
        mmap: bool = False,
        **options: Any,  # noqa: ARG002 - the contract's
    ) -> Any:
        """The array; with `mmap` one that can't be written to, whose memory is the stored file where it can be mapped.

        It is checked either way, so the file is read through once.
        """
        if not isinstance(mmap, bool):
            raise UsageError(f"mmap={mmap!r} is neither True nor False")
        data = payload.read()
        try:
            array = _view(data)
            if array is None:
                array = _read_slowly(data)
                array.flags.writeable = not mmap
                return array
        except _UNREADABLE as error:
            raise FormatError(f"the payload is not a numpy array: {error}") from error
        return array if mmap else array.copy(order="K")


def _view(data: Buffer) -> Any:
    """The array in `data` without a copy, or None where only `numpy.lib.format.read_array` can tell what it is."""
    import numpy as np

    file = io.BytesIO(memoryview(data)[: _MAX_HEADER + 1024])
    read_header = _HEADERS.get(np.lib.format.read_magic(file))
    if read_header is None:
        return None
    shape, fortran_order, dtype = getattr(np.lib.format, read_header)(file, max_header_size=_MAX_HEADER)
    if dtype.hasobject or dtype.itemsize == 0 or 0 in shape:
        return None
    order = "F" if fortran_order else "C"
    array: Any = np.ndarray(shape, dtype, memoryview(data).toreadonly(), file.tell(), order=order)
    return array


def _read_slowly(data: Buffer) -> Any:
    import numpy as np

    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False, max_header_size=_MAX_HEADER)


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
    octets = np.asarray(flat).view(np.uint8)
    data = memoryview(octets)
    let_go = _letting_go(value, octets.ctypes.data)
    for start in range(0, data.nbytes, _PIECE):
        yield data[start : start + _PIECE]
        let_go(start, min(start + _PIECE, data.nbytes))


def _letting_go(value: Any, address: int) -> Callable[[int, int], None]:
    """What takes bytes of the array, which begins at `address`, out of this process's memory if a file has them.

    Else a mapped array that is written would be in memory as a whole by the end.
    """
    import numpy as np

    mapped = getattr(value, "_mmap", None)
    advice = getattr(mmap, "MADV_DONTNEED", None)
    # Of a private map, as mode "c" makes, that would undo the program's own changes.
    if advice is None or not isinstance(mapped, mmap.mmap) or getattr(value, "mode", None) not in _SHARED_MODES:
        return lambda _start, _end: None
    offset = address - np.frombuffer(mapped, np.uint8).ctypes.data

    def let_go(start: int, end: int) -> None:
        first = -(-(offset + start) // mmap.PAGESIZE) * mmap.PAGESIZE
        size = (offset + end) // mmap.PAGESIZE * mmap.PAGESIZE - first
        if first >= 0 and size > 0:
            with contextlib.suppress(OSError):  # pages that the program has locked stay, and that does no harm
                mapped.madvise(advice, first, size)

    return let_go


def _write_slowly(value: Any, sink: Sink) -> None:
    import numpy as np

    # Left to choose, numpy warns where it has to take version 3, which is UTF-8 in the names of fields.
    version = None if _latin_names(value.dtype) else (3, 0)
    np.lib.format.write_array(SinkFile(sink), np.asarray(value), version=version, allow_pickle=False)


def _dtype_text(dtype: Any) -> str:
    text = str(dtype)
    return text if len(text) <= 200 else text[:199] + "…"
