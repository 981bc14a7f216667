"""Any frame whatever comes back as it went in, or is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datafolio.errors import UnsupportedValueError
from datafolio.items import TableType
from datafolio.testing.items import BytesPayload, BytesSink
from tests.items.frames import same_frame

TEXT = st.text(max_size=4)
SCALARS = st.one_of(
    st.none(),
    st.just(np.nan),
    st.just(pd.NA),
    st.just(pd.NaT),
    st.booleans(),
    st.integers(),
    st.floats(),
    TEXT,
    st.binary(max_size=3),
    st.decimals(),
    st.dates(),
    st.times().map(lambda time: time.replace(fold=0)),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(),
    st.complex_numbers(),
    st.uuids(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.tuples(inner),
        st.dictionaries(TEXT, inner, max_size=2),
        st.lists(st.floats(width=32), max_size=2).map(lambda items: np.array(items, "f4")),
    ),
    max_leaves=3,
)
LABEL_VALUES = st.one_of(TEXT, st.integers(-5, 5), st.none(), st.dates(), st.tuples(TEXT, st.integers(0, 2)))


def of_one_kind(kind):
    return lambda rows: st.lists(kind, min_size=rows, max_size=rows)


def dtype_column(dtype, values):
    return lambda rows: of_one_kind(values)(rows).map(lambda items: pd.Series(items, dtype=dtype))


def object_column(values):
    def make(items):
        made = np.empty(len(items), dtype=object)
        for position, item in enumerate(items):
            made[position] = item
        return pd.Series(made, dtype=object)

    return lambda rows: of_one_kind(values)(rows).map(make)


NANOSECONDS = st.integers(-(2**62), 2**62)
STAMPS = st.one_of(st.just(pd.NaT), NANOSECONDS.map(pd.Timestamp))
ARRAYS = [
    dtype_column("int64", st.integers(-(2**63), 2**63 - 1)),
    dtype_column("uint8", st.integers(0, 255)),
    dtype_column("float64", st.floats()),
    dtype_column("float32", st.floats(width=32)),
    dtype_column("bool", st.booleans()),
    dtype_column("Int64", st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    dtype_column("boolean", st.one_of(st.none(), st.booleans())),
    dtype_column("string", st.one_of(st.none(), TEXT)),
    dtype_column("datetime64[ns]", STAMPS),
    dtype_column("datetime64[ns, Europe/Berlin]", STAMPS),
    dtype_column("category", st.one_of(st.none(), TEXT)),
    dtype_column("category", st.one_of(st.none(), st.integers(-3, 3))),
    object_column(TEXT),
    object_column(st.one_of(st.none(), TEXT)),
    object_column(st.one_of(st.none(), st.integers())),
    object_column(st.one_of(st.none(), st.floats())),
    object_column(st.decimals(allow_nan=False, places=2, max_value=10**9, min_value=-(10**9))),
    object_column(st.lists(st.integers(-5, 5), max_size=3)),
    object_column(VALUES),
]


@st.composite
def frames(draw):
    rows = draw(st.integers(0, 4))
    columns = [draw(draw(st.sampled_from(ARRAYS))(rows)) for _ in range(draw(st.integers(0, 3)))]
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(rows))
    labels = draw(st.lists(LABEL_VALUES, min_size=len(columns), max_size=len(columns)))
    frame.columns = pd.Index(labels, dtype=object, tupleize_cols=False).infer_objects()
    kind = draw(st.sampled_from(["range", "one", "two"]))
    levels = [
        pd.Index(draw(draw(st.sampled_from(ARRAYS[:-2]))(rows))) for _ in range(kind.count("o") and len(kind) - 2)
    ]
    if kind == "one":
        frame.index = levels[0].rename(draw(LABEL_VALUES))
    elif kind == "two":
        frame.index = pd.MultiIndex.from_arrays([levels[0], pd.RangeIndex(rows)], names=[draw(LABEL_VALUES), None])
    return frame


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
def test_any_frame_comes_back_as_it_went_in_or_is_refused_whole(frame):
    sink = BytesSink()
    try:
        told = TableType().encode(frame, sink)
    except UnsupportedValueError:
        assert sink.written() == b""
        return
    same_frame(frame, TableType().decode(BytesPayload(sink.written(), Path()), told.facts))


@settings(max_examples=100)
@given(st.lists(st.one_of(st.none(), st.text("ab"), st.integers(), st.floats(), st.dates()), max_size=4))
def test_plain_objects_are_never_refused(items):
    frame = pd.DataFrame({"x": pd.Series(items, dtype=object)})
    sink = BytesSink()
    told = TableType().encode(frame, sink)
    same_frame(frame, TableType().decode(BytesPayload(sink.written(), Path()), told.facts))
