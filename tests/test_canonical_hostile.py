"""Whatever bytes are read as canonical JSON, they are a value or a FormatError, never another error or a crash."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datafolio.canonical import MAX_DEPTH, decode, encode, unpack
from datafolio.errors import FormatError

texts = st.text(st.characters(exclude_categories=["Cs"]))

MALFORMED = [
    b"",
    b" ",
    b"nul",
    b"{",
    b"[1,]",
    b'{"a":1',
    b'"\xff"',
    b'"\\ud800"',
    b"NaN",
    b"Infinity",
    b"1e999",
    b"1 2",
    b"\xef\xbb\xbf1",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"1" * 3_000,
    b"1" * 1_000_000,
    b'{"$unknown":1}',
    b'{"$":1}',
    b'{"$int":1}',
    b'{"$int":null}',
    b'{"$int":"0x10"}',
    b'{"$int":" 1"}',
    b'{"$int":"1_000"}',
    '{"$int":"\u0661\u0662"}'.encode(),
    b'{"$int":"' + b"9" * 100_000 + b'"}',
    b'{"$float":"1.5"}',
    b'{"$float":1.5}',
    b'{"$float":["nan"]}',
    b'{"$datetime":"yesterday"}',
    b'{"$datetime":5}',
    b'{"$datetime":["2025-01-20"]}',
    b'{"$date":"2025-02-30"}',
    b'{"$time":"25:00:00"}',
    b'{"$timedelta":[1,2]}',
    b'{"$timedelta":[1,2,3.5]}',
    b'{"$timedelta":"1 day"}',
    b'{"$timedelta":[99999999999,0,0]}',
    b'{"$timedelta":["1","2","3"]}',
    b'{"$timedelta":{"days":1}}',
    b'{"$tuple":"abc"}',
    b'{"$tuple":{"a":1}}',
    b'{"$tuple":null}',
    b'{"$set":[[1]]}',
    b'{"$set":[{"$set":[]}]}',
    b'{"$set":[{"$decimal":"sNaN"}]}',
    b'{"$frozenset":[{}]}',
    b'{"$map":[[[],1]]}',
    b'{"$map":[1]}',
    b'{"$map":["ab"]}',
    b'{"$map":[[1,2,3]]}',
    b'{"$map":{"ab":1}}',
    b'{"$path":1}',
    b'{"$path":["a","b"]}',
    b'{"$bytes":"a"}',
    b'{"$bytes":"!!!!"}',
    '{"$bytes":"\u00fc"}'.encode(),
    b'{"$complex":["1"]}',
    b'{"$complex":["1","x"]}',
    b'{"$complex":"12"}',
    b'{"$complex":[[],[]]}',
    b'{"$decimal":"one"}',
    b'{"$decimal":[0,[1],2]}',
    b'{"$decimal":"1E+99999999999999999999"}',
    b'{"$uuid":"not one"}',
    b'{"$uuid":7}',
    b'{"$int":"1","other":2}',
    b'{"a":1,"$b":2}',
    b'{"a":[{"b":{"$tuple":[{"$int":"x"}]}}]}',
]


@pytest.mark.parametrize("data", MALFORMED, ids=lambda data: repr(data[:40]))
def test_bytes_of_another_form_are_a_format_error(data):
    with pytest.raises(FormatError) as caught:
        decode(data)
    assert len(str(caught.value)) < 300


DEEP = {
    "lists": (b"[", b"]"),
    "dicts": (b'{"a":', b"}"),
    "tuples": (b'{"$tuple":[', b"]}"),
    "sets": (b'{"$frozenset":[', b"]}"),
    "maps": (b'{"$map":[[1,', b"]]}"),
    "keys of maps": (b'{"$map":[[', b",1]]}"),
    "a tag that holds no lists": (b'{"$date":[', b"]}"),
}


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 300, 450, 1_000, 100_000])
@pytest.mark.parametrize(("before", "after"), DEEP.values(), ids=DEEP)
def test_deep_nesting_is_a_format_error_and_no_crash(before, after, levels):
    for data in (before * levels + b"1" + after * levels, before * levels):
        with pytest.raises(FormatError):
            decode(data)


def test_deep_nesting_is_a_format_error_for_packed_values_too():
    packed = 1
    for _ in range(MAX_DEPTH + 1):
        packed = {"$tuple": [packed]}
    with pytest.raises(FormatError, match="nested more than 100 deep"):
        unpack(packed)


TAGS = [
    *("$float", "$int", "$tuple", "$set", "$frozenset", "$map", "$datetime", "$date", "$time", "$timedelta"),
    *("$path", "$bytes", "$complex", "$decimal", "$uuid", "$other"),
]
shapes = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
        st.sampled_from(["nan", "1", "2025-01-20", "2025-01-20T00:00:00+01:00[Europe]", "AAE=", "1E400", "\0"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(texts | st.just("$x"), inner, max_size=3),
        st.dictionaries(st.sampled_from(TAGS), inner, min_size=1, max_size=1),
    ),
    max_leaves=12,
)


@given(shapes)
def test_any_json_is_a_value_or_a_format_error(shape):
    try:
        value = decode(msgspec.json.encode(shape))
    except FormatError:
        return
    assert encode(decode(encode(value))) == encode(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_format_error(data):
    try:
        value = decode(data)
    except FormatError:
        return
    assert encode(decode(encode(value))) == encode(value)
