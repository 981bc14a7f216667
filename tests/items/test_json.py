"""JSON items."""

from __future__ import annotations

import datetime as dt
import math
from typing import ClassVar

import numpy as np
import pytest

from datafolio.errors import UnsupportedValueError
from datafolio.items import JsonType
from datafolio.testing.items import BytesSink, ItemTypeContract


def itself():
    made = []
    made.append(made)
    return made


class TestJsonContract(ItemTypeContract):
    item_type = JsonType()
    values: ClassVar = {
        "dict": {"b": 1, "a": [1.5, None, True]},
        "empty": {},
        "list": [1, "two", {"three": 3}],
        "tuple": (1, (2, 3)),
        "text": "é \U0001f600",
        "integer": 2**70,
        "float": -0.0,
        "infinity": math.inf,
        "bool": True,
        "none": None,
        "keys": {1: "one", None: 2, "$tag": 3},
        "dates": {"at": dt.datetime(2025, 1, 20, tzinfo=dt.timezone.utc)},
    }
    refused: ClassVar = {
        "an object": ({"x": object()}, r"\['x'\] holds"),
        "itself": (itself(), "nested more than"),
    }


def test_nan_comes_back_as_nan():
    sink = BytesSink()
    JsonType().encode([math.nan], sink)
    assert b"nan" in sink.written()


def test_a_numpy_scalar_is_stored_as_the_python_value_it_equals():
    sink = BytesSink()
    assert JsonType().matches(np.float32(1.5))
    JsonType().encode(np.float32(1.5), sink)
    assert sink.written() == b"1.5"


def test_a_subclass_of_dict_is_not_taken_for_a_plain_one():
    class Special(dict):
        pass

    assert not JsonType().matches(Special())


def test_the_facts_tell_kind_and_length():
    assert JsonType().encode({"a": 1, "b": 2}, BytesSink()).facts == {"kind": "dict", "length": 2}


def test_an_array_inside_is_refused_by_its_place():
    with pytest.raises(UnsupportedValueError, match=r"\['weights'\]\[0\]"):
        JsonType().encode({"weights": [np.zeros(3)]}, BytesSink())
