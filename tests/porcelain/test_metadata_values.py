"""Metadata are a dict to Python and to libraries, and what is put in comes out."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import pickle
import uuid
from collections import OrderedDict
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from datafolio import DataFolio, UnsupportedValueError


def stored(folio: DataFolio) -> dict:
    """The metadata as another handle reads them."""
    return dict(DataFolio(folio.path).metadata)


# It is a dict, to Python and to the libraries that ask for one


def test_it_is_a_dict(folio):
    folio.metadata.update({"a": 1, "b": [1, {"c": 2}]})
    plain = {"a": 1, "b": [1, {"c": 2}]}
    assert isinstance(folio.metadata, dict)
    assert isinstance(folio.metadata["b"], list)
    assert folio.metadata == plain
    assert plain == folio.metadata
    assert folio.metadata != {"a": 1}
    assert repr(folio.metadata) == str(folio.metadata) == repr(plain)
    assert list(reversed(folio.metadata)) == ["b", "a"]
    assert (len(folio.metadata), bool(folio.metadata)) == (2, True)


@pytest.mark.parametrize(
    "read",
    [
        dict,
        lambda m: {**m},
        lambda m: dict(m.items()),
        lambda m: dict(zip(m.keys(), m.values(), strict=True)),
        lambda m: {key: m[key] for key in m},
        lambda m: {} | m,
        lambda m: m | {},
        lambda m: m.copy(),
        copy.copy,
        copy.deepcopy,
        lambda m: pickle.loads(pickle.dumps(m)),
        lambda m: json.loads(json.dumps(m)),
        lambda m: json.loads(json.dumps(m, indent=2, sort_keys=True)),
        lambda m: json.loads(json.JSONEncoder().encode(m)),
        lambda m: dict(**m),
        lambda m: pd.Series(m, dtype=object).to_dict(),
    ],
    ids=range(16),
)
def test_a_fresh_handle_can_be_read_in_every_way_that_a_dict_can(folio, read):
    folio.metadata.update({"a": 1, "b": {"c": [1, 2]}})
    assert read(DataFolio(folio.path).metadata) == {"a": 1, "b": {"c": [1, 2]}}


def test_metadata_that_were_empty_when_they_were_bound_are_read_as_they_are_now(folio):
    bound = DataFolio(folio.path).metadata
    folio.metadata["a"] = 1
    assert pickle.loads(pickle.dumps(bound)) == {"a": 1}
    bound = DataFolio(folio.path).metadata
    folio.metadata["a"] = 2
    assert (bound == {"a": 2}, bound.copy(), list(bound.items())) == (True, {"a": 2}, [("a", 2)])


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v)), lambda v: v.copy()], ids=range(4)
)
def test_a_copy_is_plain_all_the_way_down_and_saves_nothing(folio, make):
    folio.metadata = {"dict": {"list": [{}]}, "set": {1}, "pair": ([1],)}
    got = make(folio.metadata)
    assert type(got) is dict
    assert type(got["dict"]) is dict
    assert type(got["dict"]["list"]) is list
    assert type(got["set"]) is set
    assert type(got["pair"][0]) is list
    got["dict"]["list"].append(1)
    got["set"].add(2)
    assert stored(folio) == {"dict": {"list": [{}]}, "set": {1}, "pair": ([1],)}
    for key, kind in (("dict", dict), ("set", set)):
        assert type(make(folio.metadata[key])) is kind
    assert type(make(folio.metadata["dict"]["list"])) is list


def test_a_loop_may_set_the_keys_that_there_are(folio):
    folio.metadata.update({"a": 1, "b": 2, "c": 3})
    for key in folio.metadata:
        folio.metadata[key] += 1
    for key, value in folio.metadata.items():
        folio.metadata[key] = value * 10
    assert stored(folio) == {"a": 20, "b": 30, "c": 40}


def test_a_dict_has_no_hash(folio):
    with pytest.raises(TypeError):
        hash(folio.metadata)


# Values


class Plain(enum.Enum):
    RED = 1


VALUES = [
    None,
    True,
    0,
    -1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**70,
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    "",
    "text",
    "Ünïcödé 数据 🗂️",
    "\0\x1b\u2028",
    "$dollar",
    b"\0\xff",
    1 - 2j,
    (1, (2,), []),
    {1, 2},
    frozenset({"a"}),
    {"$int": "5"},
    {"$$": 1},
    {1: "one", (2, 3): "pair", None: 0},
    dt.datetime(2025, 1, 20, 15, 0, 0, 123456),  # noqa: DTZ001 - one without a zone, on purpose
    dt.datetime(2025, 1, 20, 15, tzinfo=dt.timezone.utc),
    dt.datetime(2025, 7, 20, 15, tzinfo=ZoneInfo("Europe/Paris")),
    dt.date(2025, 1, 20),
    dt.time(15, 0),
    dt.timedelta(days=-1, microseconds=1),
    pathlib.Path("data/raw"),
    uuid.UUID(int=5),
    decimal.Decimal("1.50"),
    [[[[{}]]]],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_a_value_comes_back_as_it_was(folio, value, nested):
    folio.metadata["x"] = [value] if nested else value
    for got in (folio.metadata["x"], stored(folio)["x"]):
        back = got[0] if nested else got
        assert back == value
        assert repr(back) == repr(value)


def test_nan_comes_back(folio):
    folio.metadata["x"] = [math.nan]
    assert math.isnan(stored(folio)["x"][0])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(5), 5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2025-01-20"), dt.date(2025, 1, 20)),
        (pd.Timestamp("2025-01-20", tz="UTC"), dt.datetime(2025, 1, 20, tzinfo=dt.timezone.utc)),
        (OrderedDict(a=1), {"a": 1}),
    ],
    ids=repr,
)
def test_a_librarys_scalar_comes_back_as_the_plain_value_it_equals(folio, value, plain):
    folio.metadata["x"] = value
    for got in (folio.metadata["x"], stored(folio)["x"]):
        assert got == plain == value
        assert isinstance(got, type(plain))
        assert type(got).__module__ not in {"numpy", "pandas", "collections"}


REFUSED = [
    object(),
    Plain.RED,
    np.array([1]),
    pd.NaT,
    pd.DataFrame({"a": [1]}),
    lambda: None,
    "\ud800",
    10**4000,
    np.longdouble(1) / 3,
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "put",
    [
        lambda m, value: m.__setitem__("x", value),
        lambda m, value: m["list"].append(value),
        lambda m, value: m["list"].__setitem__(0, {"deep": [value]}),
        lambda m, value: m.update(a=5, x=value),
        lambda m, value: m["dict"].update(k=5, x=value),
        lambda m, value: m.setdefault("x", value),
        lambda m, value: m.__ior__({"a": 5, "x": value}),
        lambda m, value: m["list"].extend([5, value]),
        lambda m, value: m["list"].__iadd__([5, value]),
    ],
    ids=range(9),
)
def test_what_can_not_come_back_is_refused_at_once_and_the_old_state_is_whole(folio, value, put):
    whole = {"a": 1, "list": [1, 2], "dict": {"k": 1}}
    folio.metadata = whole
    log = sorted((folio.path / "log").iterdir())
    with pytest.raises(UnsupportedValueError, match="metadata"):
        put(folio.metadata, value)
    assert folio.metadata == stored(folio) == whole
    assert sorted((folio.path / "log").iterdir()) == log


def test_a_refusal_names_the_place(folio):
    folio.metadata["runs"] = [{}]
    with pytest.raises(UnsupportedValueError, match=r"metadata\['runs'\]\[0\]\['model'\] holds a "):
        folio.metadata["runs"][0]["model"] = object()


def test_a_value_that_contains_itself_is_refused(folio):
    loop: list = []
    loop.append(loop)
    with pytest.raises((UnsupportedValueError, RecursionError)):
        folio.metadata["x"] = loop
    assert stored(folio) == {}


@pytest.mark.parametrize("key", ["", "a b", "$ref", "Ü", "a\nb", "__class__", 1, None, (1, "a"), 2.5, True], ids=repr)
def test_a_key_may_be_whatever_can_be_kept(folio, key):
    folio.metadata[key] = {"inner": 1}
    folio.metadata[key]["inner"] += 1
    assert stored(folio) == {key: {"inner": 2}}
    del folio.metadata[key]
    assert stored(folio) == {}


def test_a_key_that_can_not_be_kept_is_refused(folio):
    for key in (object(), "\ud800", Plain.RED):
        with pytest.raises(UnsupportedValueError):
            folio.metadata[key] = 1
    with pytest.raises(TypeError):
        folio.metadata[[]] = 1  # type: ignore[index]
    assert stored(folio) == {}
