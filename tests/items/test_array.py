"""Array items."""

from __future__ import annotations

import ctypes
import io
import sys
from typing import ClassVar

import numpy as np
import pytest

from datafolio.errors import FormatError
from datafolio.items import ArrayType
from datafolio.testing.items import BytesPayload, BytesSink, ItemTypeContract

FIELDS = np.dtype([("a", "<i4"), ("b", "<f8", (2,)), ("c", "U3"), ("d", [("e", "M8[s]")])])


def structured():
    array = np.zeros(3, FIELDS)
    array["c"] = ["x", "yy", "é"]
    return array


class TestArrayContract(ItemTypeContract):
    item_type = ArrayType()
    values: ClassVar = {
        "integers": np.arange(12).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "strided": np.arange(24).reshape(4, 6)[::2, ::3],
        "reversed": np.arange(5)[::-1],
        "no dimension": np.array(3.5),
        "empty": np.empty((0, 3), "f4"),
        "bool": np.array([True, False]),
        "complex": np.array([1j, np.nan]),
        "half": np.array([1.5, np.inf], "f2"),
        "long": np.array([1.5], np.longdouble),
        "big-endian": np.array([1, 2], ">i4"),
        "datetime": np.array(["2020-01-01", "NaT"], "M8[ns]"),
        "multiples of days": np.array(["2020-01-01"], "M8[7D]"),
        "timedelta": np.array([1, 2], "m8[ms]"),
        "unicode": np.array(["é", "", "longer"]),
        "bytes": np.array([b"a", b"bc"]),
        "no bytes": np.zeros(3, "U0"),
        "structured": structured(),
        "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "i8")], align=True)),
        "unicode names": np.zeros(2, [("größe", "i4"), ("長さ", "f8")]),
        "many fields": np.zeros(1, [(f"field number {i}", "f8") for i in range(2500)]),
        "large": np.arange(3_000_000.0),
        "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    }
    refused: ClassVar = {
        "objects": (np.array([1, "a"], object), r"dtype object .*\.astype"),
        "objects inside": (np.zeros(1, [("a", "O")]), "holds Python objects"),
        "masked": (np.ma.array([1], mask=[True]), "MaskedArray.* and its mask"),
        "matrix": (np.rec.array([(1,)], dtype=[("a", "i4")]), "recarray"),
        "strings of any length": (np.array(["a"], np.dtypes.StringDType()), "StringDType"),
        "metadata": (np.zeros(1, np.dtype("i4", metadata={"a": 1})), "same dtype"),
        "metadata inside": (np.zeros(1, [("a", np.dtype("i4", metadata={"a": 1}))]), "same dtype"),
    }

    def same(self, put, got):
        alike = (type(got), got.dtype, got.shape) == (np.ndarray, put.dtype, put.shape)
        order = put.flags.fnc == got.flags.fnc or not put.flags.f_contiguous
        # Between the fields of a structured array there may be bytes that mean nothing.
        equal = str(got.tolist()) == str(put.tolist()) if put.dtype.names else got.tobytes() == put.tobytes()
        return alike and order and got.flags.writeable and equal


def test_the_file_is_one_that_numpy_loads():
    sink = BytesSink()
    ArrayType().encode(np.arange(3), sink)
    assert np.load(io.BytesIO(sink.written())).tolist() == [0, 1, 2]


def test_a_memory_map_comes_back_as_an_ordinary_array(tmp_path):
    mapped = np.memmap(tmp_path / "a", dtype="i4", mode="w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    contract = TestArrayContract()
    got = contract.decoded(*contract.encoded(mapped, tmp_path), tmp_path)
    assert type(got) is np.ndarray
    assert got.tolist() == [1, 2, 3]


def test_a_large_array_is_written_in_pieces_of_its_own_memory():
    array = np.arange(6_000_000.0)
    pieces = []

    class Watch(BytesSink):
        def write(self, data):
            pieces.append(data)
            return memoryview(data).nbytes

    ArrayType().encode(array, Watch())
    assert len(pieces) > 2
    assert all(np.shares_memory(np.frombuffer(piece, "u1"), array) for piece in pieces[1:])


def test_a_pickled_payload_is_never_unpickled(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([print], object), allow_pickle=True)
    with pytest.raises(FormatError, match="not a numpy array"):
        ArrayType().decode(BytesPayload(file.getvalue(), tmp_path), {})


def test_a_shape_larger_than_the_data_is_a_format_error(tmp_path):
    sink = BytesSink()
    ArrayType().encode(np.zeros((1, 2)), sink)
    data = sink.written().replace(b"(1, 2)", b"(9, 2)")
    with pytest.raises(FormatError):
        ArrayType().decode(BytesPayload(data, tmp_path), {})


def test_the_facts_are_shape_and_dtype():
    assert ArrayType().encode(np.zeros((2, 3), "f4"), BytesSink()).facts == {"shape": [2, 3], "dtype": "float32"}


@pytest.mark.skipif(sys.platform != "linux", reason="needs mlock, under the name that it has there")
def test_a_mapped_array_with_a_locked_page_is_written_too(tmp_path):
    mapped = np.memmap(tmp_path / "it", "u1", "w+", shape=(17 << 20,))
    mapped[:] = 3
    if ctypes.CDLL(None).mlock(ctypes.c_void_p(mapped.ctypes.data), ctypes.c_size_t(4096)):
        pytest.skip("no memory can be locked here")
    sink = BytesSink()
    ArrayType().encode(mapped, sink)
    assert sink.written().endswith(bytes(mapped))
