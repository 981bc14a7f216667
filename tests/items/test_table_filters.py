"""Reading some rows of a table: what comes is what filtering the whole would leave, and little else is read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from datafolio.errors import FolioError, FormatError, UsageError
from datafolio.items import TableType
from datafolio.testing.items import BytesPayload, BytesSink
from tests.items import frames
from tests.items.frames import same_frame


def payload_of(value, directory=Path(), group=None):
    """The payload for `value`, in row groups of `group` rows where that is given."""
    sink = BytesSink()
    TableType().encode(value, sink)
    data = sink.written()
    if group is not None:
        again = pa.BufferOutputStream()
        table = pq.ParquetFile(pa.BufferReader(data)).read()
        pq.write_table(table, again, row_group_size=group, write_page_checksum=True)
        data = again.getvalue().to_pybytes()
    return BytesPayload(data, directory)


def read(value, filters, group=2, **options):
    return TableType().decode(payload_of(value, group=group), {}, filters=filters, **options)


def bytes_read(payload, **options):
    before = sum(file.count for file in payload.opened)
    TableType().decode(payload, {}, **options)
    return sum(file.count for file in payload.opened) - before


def rows_of(frame, *rows):
    """The part of `frame` that a mask of those rows leaves."""
    return frame[np.isin(np.arange(len(frame)), rows)]


PEOPLE = pd.DataFrame(
    {
        "name": ["Ada", "Bo", None, "Cy", "Di"],
        "age": [36, 20, 50, 41, 20],
        "height": [1.7, np.nan, 1.8, 1.6, 1.9],
        "team": pd.Categorical(["red", "blue", "red", None, "blue"], categories=["blue", "red", "green"]),
        "score": pd.array([1, None, 3, 4, 5], dtype="Int64"),
        "seen": pd.date_range("2024-03-30", periods=5, tz="Europe/Berlin"),
    },
)
NOON = pd.Timestamp("2024-04-01", tz="Europe/Berlin")

FILTERS = {
    "=": ([("age", "=", 20)], [1, 4]),
    "==": ([("age", "==", 20)], [1, 4]),
    "!=": ([("age", "!=", 20)], [0, 2, 3]),
    "<": ([("age", "<", 36.5)], [0, 1, 4]),
    ">": ([("age", ">", 300)], []),
    "<=": ([("age", "<=", 36)], [0, 1, 4]),
    ">=": ([("age", ">=", 41)], [2, 3]),
    "in": ([("age", "in", {20, 41, 2.5})], [1, 3, 4]),
    "in a series": ([("age", "in", pd.Series([20]))], [1, 4]),
    "in nothing": ([("name", "in", [])], []),
    "not in": ([("age", "not in", (20, 41))], [0, 2]),
    "everything": ([("age", ">", 0)], [0, 1, 2, 3, 4]),
    "and": ([("age", "==", 20), ("team", "==", "blue"), ("height", ">", 0)], [4]),
    "or": ([[("age", "==", 20), ("name", "==", "Bo")], [("age", ">", 45)]], [1, 2]),
    "an expression": ((pc.field("age") > 40) | pc.field("team").is_null(), [2, 3]),
    "an expression by position": (pc.field(1) == 50, [2]),
    "a constant": (pc.scalar(True), [0, 1, 2, 3, 4]),
    "nulls are not unlike": ([("name", "!=", "Bo")], [0, 3, 4]),
    "nulls are not in": ([("name", "not in", ["Bo"])], [0, 2, 3, 4]),
    "None is in": ([("name", "in", ["Bo", None])], [1, 2]),
    "None alone": ([("name", "in", [None])], [2]),
    "None equals nothing": ([("name", "==", None)], []),
    "text": ([("name", ">=", "Bo")], [1, 3, 4]),
    "category": ([("team", "in", ["red", "green"])], [0, 2]),
    "nullable": ([("score", ">", 3)], [3, 4]),
    "zoned": ([("seen", "<", NOON)], [0, 1]),
    "another zone": ([("seen", "==", NOON.tz_convert("UTC"))], [2]),
    "a datetime": ([("seen", ">", dt.datetime(2024, 4, 2, tzinfo=dt.timezone.utc))], [4]),
}


PYARROW_REFUSES = {"in a series", "in nothing", "None alone", "zoned", "another zone", "a datetime"}  # some versions


@pytest.mark.parametrize("name", list(FILTERS))
def test_the_rows_that_match_come_with_their_labels(name):
    filters, rows = FILTERS[name]
    for group in (None, 1, 2, 5):
        same_frame(PEOPLE[PEOPLE.index.isin(rows)], read(PEOPLE, filters, group))


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in PYARROW_REFUSES])
def test_filters_choose_the_rows_that_pandas_chooses(name, tmp_path):
    filters, rows = FILTERS[name]
    if name == "in":
        filters = [("age", "in", [20, 41])]
    PEOPLE.to_parquet(tmp_path / "people.parquet")
    got = pd.read_parquet(tmp_path / "people.parquet", filters=filters)
    assert got["age"].tolist() == PEOPLE["age"].take(rows).tolist()


@pytest.mark.parametrize("name", list(FILTERS))
def test_every_kind_of_frame_can_be_filtered(name):
    filters, rows = FILTERS[name]
    assert read(PEOPLE, filters, as_="arrow").equals(read(PEOPLE, None, as_="arrow").take(pa.array(rows, pa.int64())))
    assert read(PEOPLE, filters, as_="polars")["age"].to_list() == PEOPLE["age"].take(rows).tolist()


def test_filters_and_columns_go_together():
    same_frame(PEOPLE.loc[[1, 4], ["height"]], read(PEOPLE, [("age", "==", 20)], columns=["height"]))
    same_frame(PEOPLE.loc[[1, 4], ["age", "name"]], read(PEOPLE, [("age", "==", 20)], columns=["age", "name"]))
    same_frame(PEOPLE.loc[[1, 4], []], read(PEOPLE, [("age", "==", 20)], columns=[]))
    assert read(PEOPLE, [("age", "==", 20)], columns=["height"], as_="arrow").column_names == ["height"]


@pytest.mark.parametrize("name", [name for name in frames.ALL if name.startswith("index: ")])
@pytest.mark.parametrize("rows", [[], [0], [0, 1], [1], [0, 2], [0, 1, 2], [0, 1, 2, 3, 4]])
def test_an_index_of_any_kind_keeps_the_labels_of_the_rows(name, rows):
    frame = frames.ALL[name]
    mask = frame["a"].isin(rows).to_numpy()
    same_frame(frame[mask], read(frame, [("a", "in", rows)]))


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("freq", ["D", "B", "ME", "W-WED", "QS", "h"])
def test_rows_at_equal_distances_keep_a_multiple_of_the_freq(freq, step):
    index = pd.date_range("2024-01-10", periods=9, freq=freq)
    frame = pd.DataFrame({"a": range(9)}, index=index)
    rows = list(range(1, 9, step))
    same_frame(frame[frame["a"].isin(rows)], read(frame, [("a", "in", rows)]))


def test_a_frame_without_columns_of_its_own_is_filtered_by_its_index():
    frame = pd.DataFrame(index=pd.Index([3, 1, 2], name="key"))
    same_frame(frame[[True, False, True]], read(frame, [("key", ">", 1)]))


def test_labels_of_any_type_and_levels_of_the_index_can_be_filtered_by():
    frame = pd.DataFrame(
        [[1, 2, 3], [4, 5, 6]],
        columns=pd.Index([10, ("x", 1), "y"], dtype=object),
        index=pd.MultiIndex.from_arrays([["u", "v"], [7, 8]], names=["k", None]),
    )
    for filters in ([(10, ">", 1)], [(("x", 1), "==", 5)], [("k", "==", "v")], [("__index_level_1__", "==", 8)]):
        same_frame(rows_of(frame, 1), read(frame, filters))


def test_a_column_hides_a_level_of_its_name():
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index([2, 1], name="a"))
    same_frame(rows_of(frame, 0), read(frame, [("a", "==", 1)]))


def test_the_statistics_of_a_part_are_not_taken_for_those_of_a_name_with_a_dot():
    for order in (["a.b", "a"], ["a", "a.b"]):
        table = pa.table({"a": [{"b": 7}, {"b": 8}], "a.b": [1, 2]}).select(order)
        assert read(table, [("a.b", "==", 1)], 1, as_="arrow")["a.b"].to_pylist() == [1]
        assert read(table, pc.field("a", "b") == 8, 1, as_="arrow")["a.b"].to_pylist() == [2]


def test_a_name_with_a_dot_is_a_name():
    frame = pd.DataFrame({"a": [1, 2], "a.b": [2, 1]})
    same_frame(rows_of(frame, 0), read(frame, [("a.b", "==", 2)]))
    same_frame(rows_of(frame[["a.b"]], 0), read(frame, [("a", "==", 1)], columns=["a.b"]))


ARROW = pa.table(
    {
        "n": [1, 2, 3, 4, None],
        "s": pa.array(list("abcde")).dictionary_encode(),
        "t": pa.array([1, 2, 3, 4, 5], pa.timestamp("s")),
        "d": pa.array([7, 8, 7, 8, None]).dictionary_encode(),
        "g": [{"x": 1}, {"x": 2}, {"x": 3}, None, {"x": 5}],
    }
)


@pytest.mark.parametrize(
    "filters",
    [
        [("n", ">", 2)],
        [("s", "in", ["a", "d"])],
        [("d", "==", 7)],
        [("t", ">=", dt.datetime.fromtimestamp(4, dt.timezone.utc).replace(tzinfo=None))],
        pc.field("g", "x") > 1,
        pc.field("n").is_null(),
        pc.field("n").isin([1, None]),
    ],
    ids=str,
)
def test_an_arrow_table_is_filtered_as_arrow_filters_it(filters):
    expression = filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
    got = read(ARROW, filters, as_="arrow")
    assert got.schema == ARROW.schema
    assert got.to_pylist() == ARROW.filter(expression).to_pylist()
    rows = ARROW.append_column("row", pa.array(range(5))).filter(expression)["row"].to_pylist()
    assert read(ARROW, filters).index.tolist() == rows


def test_a_polars_frame_is_filtered_and_is_one_again():
    frame = pl.DataFrame({"n": [1, 2, 3], "s": pl.Series(["a", "b", "a"], dtype=pl.Categorical)})
    assert read(frame, [("s", "==", "a")], as_="polars").equals(frame[[0, 2]])
    assert read(frame, [("s", "==", "a")], as_="polars").schema == frame.schema


@pytest.mark.parametrize(
    "index", [pd.RangeIndex(10, 40, 10, name="r"), pd.Index(["x", "y", "z"])], ids=["range", "text"]
)
def test_what_pandas_made_an_arrow_table_of_has_the_same_labels_again(index):
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=index)
    pd.testing.assert_frame_equal(read(pa.Table.from_pandas(frame), [("a", "!=", 2)]), frame[frame["a"] != 2])


@pytest.mark.parametrize(
    ("values", "filters"),
    [
        ([1.0, np.nan, 1.0], [("x", "!=", 1)]),
        ([1.0, np.nan, 2.0], [("x", "not in", [1.0])]),
        ([1.0, np.nan, 2.0], [("x", "in", [np.nan])]),
        ([1.0, np.nan, 2.0], ~(pc.field("x") < 5)),
        ([1.0, np.nan, 2.0], pc.field("x").is_null(nan_is_null=True)),
        ([0.0, -0.0, 0.0], [("x", "in", [0.0])]),
        ([0.0, -0.0, 0.0], pc.divide(pc.scalar(1.0), pc.field("x")) > 0),
    ],
    ids=str,
)
def test_statistics_lose_no_nan_and_no_zero(values, filters):
    table = pa.table({"x": pa.array(values)})
    expression = filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
    wanted = ds.dataset(table).to_table(filter=expression)
    assert len(wanted)
    for group in (1, 3):
        assert str(read(table, filters, group, as_="arrow").to_pylist()) == str(wanted.to_pylist())


def test_nanoseconds_are_not_lost_in_a_filter():
    frame = pd.DataFrame({"t": pd.to_datetime([1, 2, 1001]), "d": pd.to_timedelta([1, 2, 1001])})
    frame["us"] = frame["t"].dt.as_unit("us")
    same_frame(rows_of(frame, 1), read(frame, [("t", "==", pd.Timestamp(2))]))
    same_frame(rows_of(frame, 0, 2), read(frame, [("t", "in", [pd.Timestamp(1), pd.Timestamp(1001)])]))
    same_frame(rows_of(frame, 1), read(frame, [("d", "in", [pd.Timedelta(2)])]))
    same_frame(rows_of(frame), read(frame, [("us", "==", pd.Timestamp(1001))]))
    same_frame(rows_of(frame, 2), read(frame, [("us", "in", [pd.Timestamp(1000), pd.Timestamp(2001)])]))


def test_large_unsigned_integers_are_compared():
    frame = pd.DataFrame({"u": np.array([1, 2**64 - 1], "u8")})
    same_frame(rows_of(frame, 1), read(frame, [("u", ">", 2**63)]))


def test_row_groups_that_cannot_match_are_not_read():
    rows = 3_000_000
    frame = pd.DataFrame({"time": np.arange(rows), "value": np.random.default_rng(1).normal(size=rows)})
    payload = payload_of(frame)
    whole = len(payload.read())
    assert pq.ParquetFile(pa.BufferReader(payload.read())).num_row_groups == 3
    assert 0 < bytes_read(payload, filters=[("time", "<", 0)]) < whole / 100
    assert bytes_read(payload, filters=[("time", "==", 5)]) < whole / 2
    assert bytes_read(payload, filters=[("time", "==", 5)], columns=["value"]) < whole / 2
    assert bytes_read(payload, filters=pc.field("time") >= rows - 10) < whole / 2


GROUPS = pd.DataFrame(
    {
        "i": np.repeat(np.arange(10), 10_000),
        "f": np.repeat(np.arange(10) / 4, 10_000),
        "s": np.repeat(list("abcdefghij"), 10_000),
        "c": pd.Categorical(np.repeat(list("abcdefghij"), 10_000)),
        "t": np.repeat(pd.date_range("2024", periods=10, unit="ns"), 10_000),
        "z": np.repeat(pd.date_range("2024", periods=10, tz="Asia/Tokyo"), 10_000),
        "n": pd.array(np.repeat(np.arange(10), 10_000), dtype="Int16"),
        "noise": np.random.default_rng(2).normal(size=100_000),
    }
)
PRUNED = {
    "integers": [("i", "==", 4)],
    "a number of another type": [("i", ">", 8.5)],
    "floats": [("f", "==", 1)],
    "floats in an expression": (pc.field("f") > 0.9) & (pc.field("f") < 1.1),
    "text": [("s", "<", "b")],
    "a category": [("c", "==", "d")],
    "moments": [("t", "==", pd.Timestamp("2024-01-05"))],
    "zoned moments": [("z", ">=", pd.Timestamp("2024-01-09T14:00", tz="UTC"))],
    "nullable": [("n", "<=", 0)],
    "one condition of two": [("i", "==", 4), ("noise", ">", -100)],
    "two of two": [[("i", "==", 4)], [("s", "==", "a")]],
}


@pytest.mark.parametrize("name", list(PRUNED))
def test_statistics_of_most_types_tell_what_to_read(name):
    payload = payload_of(GROUPS, group=10_000)
    whole = len(payload.read())
    assert 0 < bytes_read(payload, filters=PRUNED[name]) < whole / 3
    assert len(TableType().decode(payload, {}, filters=PRUNED[name])) in {10_000, 20_000}


def test_other_columns_are_read_only_where_a_row_matches():
    frame = pd.DataFrame({"key": np.tile([1, 3, 5], 100_000), "noise": np.random.default_rng(3).normal(size=300_000)})
    payload = payload_of(frame, group=60_000)
    assert 0 < bytes_read(payload, filters=[("key", "==", 2)]) < len(payload.read()) / 10


def test_other_columns_than_those_asked_for_are_not_read():
    frame = pd.DataFrame({f"c{i}": np.random.default_rng(i).normal(size=50_000) for i in range(20)})
    payload = payload_of(frame)
    assert 0 < bytes_read(payload, filters=[("c3", ">", 0)], columns=["c7"]) < len(payload.read()) / 5
    assert 0 < bytes_read(payload, filters=pc.field("c3") > 0, columns=["c7"]) < len(payload.read()) / 5


REFUSED = {
    "text": ("age > 5", "is no filter; give a list"),
    "one tuple": (("age", ">", 5), r"is no filter; give a list of conditions"),
    "nothing": ([], "is no filter"),
    "an empty list": ([[("age", ">", 5)], []], "has an empty one"),
    "a mixture": ([("age", ">", 5), [("age", ">", 5)]], "mixes"),
    "two parts": ([("age", 5)], r"\('age', 5\) is not a tuple of column, operator and value"),
    "a list for a tuple": ([["age", ">", 5]], "the filter 'age' is not a tuple"),
    "an operator": ([("age", "like", 5)], "operator 'like', which is none of '=', '==', "),
    "no operator": ([("age", None, 5)], "operator None"),
    "a column": ([("aeg", ">", 5)], "no column 'aeg'; close ones are: 'age'$"),
    "a label of another type": ([(5, ">", 5)], "no column 5"),
    "NA for a label": ([(pd.NA, ">", 5)], "no column <NA>"),
    "a list for a label": ([([5], ">", 5)], r"no column \[5\]"),
    "a column of an expression": (pc.field("aeg") > 5, "aeg"),
    "a value of another type": ([("age", ">", "x")], r"\('age', '>', 'x'\)|the filter \(age > "),
    "no value": ([("age", ">", object())], "can't be applied"),
    "a naive time": ([("seen", ">", dt.datetime(2024, 1, 1))], "can't be applied"),  # noqa: DTZ001 - that is the case
    "a text for many": ([("name", "in", "Ada")], "a list, a tuple or a set"),
    "a number for many": ([("age", "in", 5)], "a list, a tuple or a set"),
    "no condition": (pc.field("age") + 1, "is no condition, but gives values of the type int64"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_no_filter_of_the_table_is_refused_in_words(name):
    filters, pattern = REFUSED[name]
    for value in (PEOPLE, PEOPLE.iloc[:0]):
        with pytest.raises(UsageError, match=pattern):
            read(value, filters)


@pytest.mark.parametrize("as_", ["pandas", "arrow"])
@pytest.mark.parametrize("name", ["columns: periods", "columns: intervals", "objects: mixed", "category: mixed"])
def test_what_the_file_keeps_in_another_form_is_not_compared(name, as_):
    frame = frames.ALL[name]
    label = frame.columns[0]
    for filters in ([(label, "==", 1)], pc.field(str(label)).is_valid()):
        with pytest.raises(UsageError, match=f"column '{label}' holds (periods|intervals|Python objects)"):
            read(frame, filters, as_=as_)


def test_one_of_two_columns_of_a_name_can_not_be_meant():
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(UsageError, match="2 columns 'a'"):
        read(frame, [("a", "==", 1)])


def test_a_damaged_page_is_found_by_its_checksum():
    frame = pd.DataFrame({"a": np.arange(1000), "b": np.random.default_rng(4).normal(size=1000)})
    data = bytearray(payload_of(frame).read())
    at = data.index(frame["b"].to_numpy()[500:504].tobytes())
    data[at] ^= 1
    with pytest.raises(FormatError, match="can't be read as a table"):
        TableType().decode(BytesPayload(bytes(data), Path()), {}, filters=[("a", ">", 5)])


def test_a_strangers_file_without_statistics_is_filtered_too():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1, 2, 3]}), sink, write_statistics=False, row_group_size=1)
    payload = BytesPayload(sink.getvalue().to_pybytes(), Path())
    assert TableType().decode(payload, {}, filters=[("x", ">", 1)]).to_dict() == {"x": {1: 2, 2: 3}}


VALUES = {
    "int64": st.integers(-3, 3),
    "Int8": st.none() | st.integers(-3, 3),
    "uint64": st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    "float64": st.sampled_from([np.nan, -1.0, -0.0, 0.0, 1.0, np.inf]),
    "Float64": st.none() | st.sampled_from([-1.0, -0.0, 0.0, 1.0, np.inf]),
    "bool": st.booleans(),
    "object": st.none() | st.text("ab", max_size=2),
    "string": st.none() | st.text("ab", max_size=2),
    "category": st.none() | st.text("ab", max_size=2),
    "datetime64[ns]": st.sampled_from([pd.NaT, *map(pd.Timestamp, (-1, 0, 1, 999, 1001))]),
    "datetime64[s]": st.sampled_from([pd.NaT, *map(pd.Timestamp, (0, 10**9, 10**12))]),
    "datetime64[us, Europe/Berlin]": st.sampled_from(
        [pd.NaT, *(pd.Timestamp(unit, tz="Europe/Berlin") for unit in (0, 1000, 10**18))]
    ),
    "timedelta64[ns]": st.sampled_from([pd.NaT, *map(pd.Timedelta, (-1, 0, 1, 1001))]),
}
COMPARISONS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: any(a == each for each in b),
    "not in": lambda a, b: all(a != each for each in b),
}


def keeps(cell, symbol, value):
    """Whether a filter keeps `cell`, in plain Python; a null is kept by `not in` alone."""
    if pd.isna(cell):
        return symbol == "not in"
    if symbol in {"in", "not in"}:  # which tells the zeros apart
        value = [each for each in value if not (each == cell == 0) or str(each) == str(cell)]
    return COMPARISONS[symbol](cell, value)


@st.composite
def filtered_frames(draw):
    rows = draw(st.integers(0, 8))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    data = {
        f"c{i}": pd.Series(draw(st.lists(VALUES[kind], min_size=rows, max_size=rows)), dtype=kind)
        for i, kind in enumerate(kinds)
    }
    frame = pd.DataFrame(data, index=pd.RangeIndex(rows))
    if draw(st.booleans()):
        frame.index = pd.RangeIndex(5, 5 + 3 * rows, 3, name="r") if draw(st.booleans()) else frame.index.astype(str)
    return frame, draw(st.lists(st.lists(predicates(kinds), min_size=1, max_size=2), min_size=1, max_size=2))


@st.composite
def predicates(draw, kinds):
    position = draw(st.integers(0, len(kinds) - 1))
    kind = kinds[position]
    values = VALUES[kind].filter(lambda value: not pd.isna(value))
    symbols = sorted(COMPARISONS)
    symbol = draw(st.sampled_from(symbols))
    return f"c{position}", symbol, draw(st.lists(values, max_size=3) if "in" in symbol else values)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(filtered_frames(), st.integers(1, 4))
def test_any_filter_leaves_what_filtering_the_whole_table_would(made, group):
    frame, filters = made
    # With nothing but NaN in it, such a column is one of numbers, which no text can be compared with.
    assume(
        not any(len(frame) and frame[name].isna().all() and frame[name].dtype in (object, "category") for name in frame)
    )
    mask = np.array(
        [
            any(
                all(keeps(frame[column].iloc[row], symbol, value) for column, symbol, value in each) for each in filters
            )
            for row in range(len(frame))
        ],
        dtype=bool,
    )
    payload = payload_of(frame, group=group)
    same_frame(frame[mask], TableType().decode(payload, {}, filters=filters))
    same_frame(frame[mask][["c0"]], TableType().decode(payload, {}, filters=filters, columns=["c0"]))


FLOATS = st.sampled_from([None, np.nan, -1.0, -0.0, 0.0, 1.0, 2.0])


@st.composite
def expressions(draw):
    field = pc.field(draw(st.sampled_from(["x", "i", "s"])))
    x, i, s = pc.field("x"), pc.field("i"), pc.field("s")
    number, text = draw(st.sampled_from([-1, 0, 0.0, -0.0, 0.5, 1])), draw(st.sampled_from(["", "a", "b"]))
    made = draw(
        st.sampled_from(
            [
                *(x == number, x != number, x < number, x >= number, i != number, i < number, i > number, s == text),
                *(s > text, s != text, field.is_null(), field.is_valid(), x.is_null(nan_is_null=True)),
                *(x.isin([float(number), None]), i.isin([0, 1]), s.isin([text]), pc.is_nan(x), (i + 1) > number),
            ]
        )
    )
    return ~made if draw(st.booleans()) else made


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(FLOATS, st.sampled_from([None, -1, 0, 1]), st.sampled_from([None, "", "a", "b"])), max_size=8),
    st.recursive(expressions(), lambda inner: st.tuples(inner, inner).map(lambda two: two[0] & two[1])
        | st.tuples(inner, inner).map(lambda two: two[0] | two[1]), max_leaves=3),
    st.integers(1, 4),
)  # fmt: skip
def test_any_expression_leaves_what_arrow_would_of_the_whole_table(rows, expression, group):
    x, i, s = zip(*rows, strict=True) if rows else ((), (), ())
    table = pa.table({"x": pa.array(x, pa.float64()), "i": pa.array(i, pa.int64()), "s": pa.array(s, pa.string())})
    got = read(table, expression, group, as_="arrow")
    assert str(got.to_pylist()) == str(ds.dataset(table).to_table(filter=expression).to_pylist())


@pytest.mark.parametrize("name", list(frames.ALL))
def test_a_filter_over_any_frame_gives_a_part_or_a_folio_error(name):
    frame = frames.ALL[name]
    for label in frame.columns[:3]:
        try:
            got = read(frame, [(label, "not in", [])])
        except FolioError:
            continue
        same_frame(frame, got)
