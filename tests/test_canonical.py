"""Every value that is kept comes back as it was, and whatever can't is refused by the name of its place."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import json
import math
import pathlib
import subprocess
import sys
import zoneinfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datafolio.canonical import decode, encode, format_datetime, pack, parse_datetime
from datafolio.errors import UnsupportedValueError

ROOT = pathlib.Path(__file__).parents[1]
UTC = dt.timezone.utc
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
BIGGEST = 2**10_000 - 1


def same(one, other):
    """Equal, of the same types throughout, with dicts in the same order; NaN is the same as NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    return _mark(one) == _mark(other)


def _mark(value):
    """What two values have in common if and only if they are the same one."""
    if isinstance(value, (set, frozenset)):
        return encode(value)
    if isinstance(value, decimal.Decimal):
        return value.as_tuple()
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None), value.utcoffset(), str(value.tzinfo)
    return repr(value) if isinstance(value, (float, complex)) else value


def comes_back(value):
    return same(decode(encode(value)), value)


offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23))
fixed_zones = offsets.filter(lambda offset: not offset or abs(offset) >= dt.timedelta(seconds=1)).map(dt.timezone)
texts = st.text(st.characters(exclude_categories=["Cs"]))
dollar_texts = st.builds(str.__add__, st.sampled_from(["$", "$$", "$int", "$map", "$set", "$$$"]), texts)
hashables = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-BIGGEST, BIGGEST),
    st.floats(),
    st.complex_numbers(),
    texts,
    dollar_texts,
    st.binary(),
    st.dates(),
    st.times(),
    st.times(timezones=fixed_zones),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=fixed_zones),
    st.datetimes(timezones=st.timezones()),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.lists(texts.map(lambda text: text.replace("\0", "")), max_size=3).map(lambda parts: pathlib.Path(*parts)),
)
keys = st.one_of(hashables, st.tuples(hashables, hashables), st.frozensets(hashables, max_size=3))
values = st.recursive(
    st.one_of(hashables, st.sets(keys, max_size=4), st.just(decimal.Decimal("sNaN123"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(st.one_of(texts, dollar_texts), inner, max_size=5),
        st.dictionaries(keys, inner, max_size=5),
    ),
    max_leaves=20,
)

# Coming back.


@given(values)
@example({"$int": "1"})
@example({"$": {"$$": {"$$$map": [["a", 1]]}}})
@example({"$int": 1, "$set": [2]})
@example({1: {"$tuple": (1, [(), {}, set(), frozenset()])}})
def test_every_kept_value_comes_back_equal_and_of_the_same_type(value):
    assert comes_back(value)


@given(values)
def test_a_value_that_came_back_has_the_same_bytes_as_before(value):
    data = encode(value)
    assert encode(decode(data)) == data


@given(values)
def test_the_bytes_are_json_that_any_reader_reads(value):
    data = encode(value)
    packed = json.loads(data, parse_constant=pytest.fail)
    assert (
        json.dumps(packed, ensure_ascii=False, separators=(",", ":")).encode()
        == json.dumps(pack(value), ensure_ascii=False, separators=(",", ":")).encode()
    )


@given(st.lists(keys, max_size=6), st.randoms())
def test_a_set_has_one_text_whatever_the_order_it_was_filled_in(members, random):
    shuffled = list(set(members))
    random.shuffle(shuffled)
    assert encode(set(members)) == encode(set(shuffled))


def test_a_set_has_the_same_text_in_every_process():
    program = "from datafolio.canonical import encode; print(encode({'a', 'b', 'c', 'd', b'a', 1, None, 2.5}))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=-1,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(texts) == 1


def test_the_order_of_a_dict_is_kept():
    assert list(decode(encode({"b": 1, "a": 2}))) == ["b", "a"]
    assert list(decode(encode({2: "b", 1: "a"}))) == [2, 1]
    assert encode({"b": 1, "a": 2}) == b'{"b":1,"a":2}'


@pytest.mark.parametrize(
    "number", [sign * (2**bits + step) for sign in (1, -1) for bits in (53, 63, 64, 128) for step in (-1, 0, 1)]
)
def test_integers_around_the_edges_of_64_bits_come_back(number):
    assert comes_back(number)
    assert comes_back([{"n": number, number: "n"}])


def test_integers_of_10000_bits_come_back_and_longer_ones_are_refused():
    assert comes_back([BIGGEST, -BIGGEST])
    with pytest.raises(UnsupportedValueError, match=r"metadata\['n'\] holds an integer of 10001 bits; at most 10000"):
        encode({"n": BIGGEST + 1}, "metadata")
    for holder in ({2**50_000: 1}, {2**50_000}, [-(2**50_000)], {"a": {2**50_000: {}}}):
        with pytest.raises(UnsupportedValueError, match="50001 bits"):
            encode(holder)


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 0.1, 2.0**63])
def test_a_float_stays_a_float_with_its_sign_and_every_digit(number):
    assert comes_back(number)
    assert comes_back(-number)


def test_nan_and_the_infinities_come_back():
    for number in (math.nan, math.inf, -math.inf):
        assert comes_back(number)
        assert comes_back({"a": [number, (number,), {"b": complex(number, -number)}]})
    assert encode([math.nan, -math.inf]) == b'[{"$float":"nan"},{"$float":"-inf"}]'


def test_a_users_dict_that_looks_like_a_tag_is_none():
    for tag in ("$int", "$float", "$datetime", "$tuple", "$map", "$set", "$unknown", "$", "$$", "$$int"):
        assert comes_back({tag: "5"})
        assert comes_back({tag: {tag: [{tag: None}]}})
        assert comes_back({tag: 1, "other": 2})


def test_keys_of_every_kind_come_back():
    assert comes_back({True: 1, None: 2, 3: 3, 4.5: 4, "5": 5, b"6": 6, (7, (8,)): 7, dt.date(2025, 1, 20): 8})
    assert comes_back({math.nan: "nan", frozenset({1}): {frozenset(): ()}})


def test_one_and_true_and_one_point_zero_are_told_apart():
    assert comes_back([1, True, 1.0, 0, False, 0.0])
    assert comes_back([{1: 0}, {True: 0}, {1.0: 0}])


# Times.


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("local", ["2025-10-26T02:30:00", "2025-03-30T02:30:00", "2025-07-01T12:00:00.000001"])
def test_a_time_that_the_clock_shows_twice_or_never_comes_back_as_the_same_one(local, fold):
    moment = dt.datetime.fromisoformat(local).replace(tzinfo=BERLIN, fold=fold)
    back = decode(encode(moment))
    assert same(back, moment)
    assert back.tzinfo is BERLIN
    assert back.timestamp() == moment.timestamp()


@given(st.datetimes(timezones=st.timezones(), allow_imaginary=True), st.booleans())
def test_an_instant_in_a_zone_is_kept_to_the_microsecond(moment, fold):
    moment = moment.replace(fold=int(fold))
    back = parse_datetime(format_datetime(moment))
    assert back.replace(tzinfo=None) == moment.replace(tzinfo=None)
    assert back.utcoffset() == moment.utcoffset()
    assert back.tzinfo is moment.tzinfo


def test_a_datetime_is_written_as_rfc_9557():
    moment = dt.datetime(2025, 1, 20, 15, tzinfo=BERLIN)
    assert encode(moment) == b'{"$datetime":"2025-01-20T15:00:00+01:00[Europe/Berlin]"}'
    assert encode(dt.datetime(2025, 1, 20, tzinfo=UTC)) == b'{"$datetime":"2025-01-20T00:00:00+00:00"}'
    assert encode(dt.datetime.fromisoformat("2025-01-20")) == b'{"$datetime":"2025-01-20T00:00:00"}'


def test_an_offset_of_seconds_comes_back():
    assert comes_back(dt.datetime(1880, 1, 1, tzinfo=BERLIN))
    assert comes_back(dt.datetime(1880, 1, 1, tzinfo=dt.timezone(dt.timedelta(minutes=53, seconds=28))))
    assert comes_back(dt.datetime(1880, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=-1, microseconds=-1))))


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "", ".", "../../x", "/etc/passwd", "x" * 300, "tzdata.zi", "a\0b"]
)
def test_a_zone_that_this_machine_does_not_know_leaves_the_instant(zone):
    moment = parse_datetime(f"2025-01-20T15:00:00+01:00[{zone}]")
    assert moment == dt.datetime(2025, 1, 20, 14, tzinfo=UTC)
    assert moment.utcoffset() == dt.timedelta(hours=1)


def test_a_zone_whose_rules_have_changed_leaves_the_instant():
    moment = parse_datetime("2025-01-20T15:00:00+07:00[Europe/Berlin]")
    assert moment == dt.datetime(2025, 1, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "today", "2025-01-20T15:00:00+01:00[Europe/Berlin", "2025-13-01T00:00:00", "[UTC]"]
)
def test_what_is_no_datetime_is_a_value_error(text):
    with pytest.raises(ValueError):
        parse_datetime(text)


def test_the_name_of_a_pytz_zone_is_kept():
    class Zone(dt.tzinfo):
        """What pytz's zones look like, which pandas gave before 3.0."""

        zone = "Europe/Berlin"

        def utcoffset(self, moment):
            return dt.timedelta(hours=1)

    moment = dt.datetime(2025, 1, 20, 15, tzinfo=Zone())
    back = decode(encode(moment))
    assert back == moment
    assert back.tzinfo is BERLIN


def test_pandas_times_come_back_as_datetimes_and_timedeltas():
    for stamp in (
        pd.Timestamp("2025-01-20 15:00:00.123456"),
        pd.Timestamp("2025-01-20 15:00", tz="Europe/Berlin"),
        pd.Timestamp("2025-10-26 00:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("2025-10-26 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    ):
        back = decode(encode(stamp))
        assert type(back) is dt.datetime
        assert back.timestamp() == stamp.timestamp()
        assert back.replace(tzinfo=None) == stamp.to_pydatetime().replace(tzinfo=None)
        assert back.utcoffset() == stamp.utcoffset()
        assert (back.tzinfo is None) == (stamp.tzinfo is None)
    back = decode(encode(pd.Timedelta("-3 days 04:05:06.000007")))
    assert type(back) is dt.timedelta
    assert back == pd.Timedelta("-3 days 04:05:06.000007")


# Values that come back as the plain type.


@pytest.mark.parametrize(
    ("scalar", "plain"),
    [
        (np.bool_(True), True),
        (np.int8(-128), -128),
        (np.int64(-(2**63)), -(2**63)),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float16(0.1), 0.0999755859375),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.float64("nan"), math.nan),
        (np.float64("-inf"), -math.inf),
        (np.float64(-0.0), -0.0),
        (np.complex64(1 - 2j), 1 - 2j),
        (np.complex128(1 - 2j), 1 - 2j),
        (np.str_("ü$"), "ü$"),
        (np.bytes_(b"\0\xff"), b"\0\xff"),
        (np.datetime64("2025-01-20"), dt.date(2025, 1, 20)),
        (np.datetime64("2025-01-20T15:00:00.000001"), dt.datetime.fromisoformat("2025-01-20T15:00:00.000001")),
        (np.timedelta64(90, "s"), dt.timedelta(seconds=90)),
    ],
)
def test_a_numpy_scalar_comes_back_as_the_plain_value(scalar, plain):
    assert same(decode(encode(scalar)), plain)
    assert same(decode(encode({"a": (scalar,), scalar: {scalar}})), {"a": (plain,), plain: {plain}})
    assert encode([scalar]) == encode([plain])


class Shouting(str):
    __slots__ = ()

    def __str__(self):
        return self.upper()


class Rounded(float):
    def __float__(self):
        return 0.0


class Doubled(int):
    def __int__(self):
        return 2 * self

    def __str__(self):
        return "two"


def test_a_subclass_comes_back_as_the_class_with_the_value_it_holds():
    assert same(decode(encode([Shouting("a"), Rounded(1.5), Doubled(3), Doubled(2**70)])), ["a", 1.5, 3, 2**70])
    assert same(decode(encode({Shouting("$a"): 1})), {"$a": 1})
    assert encode({Shouting("a"): 1}) == encode({np.str_("a"): 1}) == encode({"a": 1})
    assert same(decode(encode(collections.OrderedDict(b=1, a=2))), {"b": 1, "a": 2})
    assert same(decode(encode(collections.defaultdict(list, {1: [2]}))), {1: [2]})
