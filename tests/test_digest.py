"""Objects are named by BLAKE3-256, however their bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datafolio.digest import Hasher, digest_of, is_digest, octets

# From the test vectors of BLAKE3's authors: the input is the numbers 0 to 250, over and over.
VECTORS = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


def _input(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", VECTORS)
def test_digests_are_those_of_the_published_test_vectors(size):
    assert digest_of(_input(size)) == VECTORS[size]


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_the_digest_does_not_depend_on_how_the_bytes_were_cut(parts):
    hasher = Hasher()
    for part in parts:
        hasher.update(part)
    whole = b"".join(parts)
    assert hasher.digest() == digest_of(whole)
    assert hasher.size == len(whole)


def test_a_digest_can_be_asked_for_while_bytes_still_come():
    hasher = Hasher()
    assert hasher.digest() == digest_of(b"")
    hasher.update(b"one")
    assert hasher.digest() == digest_of(b"one")
    hasher.update(b" more")
    assert hasher.digest() == digest_of(b"one more")


def test_large_contents_have_the_same_digest_whole_and_in_parts():
    data = bytes(range(256)) * 40_000
    hasher = Hasher()
    for start in range(0, len(data), 1_000_003):
        hasher.update(memoryview(data)[start : start + 1_000_003])
    assert hasher.digest() == digest_of(data)
    assert hasher.size == len(data)


VIEWS = {
    "bytes": b"0123456789abcdef",
    "bytearray": bytearray(b"0123456789abcdef"),
    "view": memoryview(b"0123456789abcdef"),
    "part of a view": memoryview(b"..0123456789abcdef..")[2:-2],
    "view of wide items": memoryview(b"0123456789abcdef").cast("d"),
    "view of two dimensions": memoryview(b"0123456789abcdef").cast("B", [4, 4]),
}


@pytest.mark.parametrize("data", VIEWS.values(), ids=VIEWS)
def test_any_buffer_is_taken_as_its_bytes(data):
    hasher = Hasher()
    hasher.update(data)
    assert hasher.digest() == digest_of(data) == digest_of(b"0123456789abcdef")
    assert hasher.size == 16
    assert bytes(octets(data)) == b"0123456789abcdef"


def test_an_empty_view_of_any_shape_is_no_bytes():
    np = pytest.importorskip("numpy")
    for shape in [(0,), (0, 3), (3, 0), (2, 0, 2)]:
        view = memoryview(np.zeros(shape))
        hasher = Hasher()
        hasher.update(view)
        assert hasher.size == 0
        assert hasher.digest() == digest_of(view) == digest_of(b"")


def test_a_view_with_gaps_is_refused():
    with pytest.raises(TypeError):
        digest_of(memoryview(b"0123456789")[::2])


def test_octets_are_not_copied():
    data = bytearray(b"0123456789")
    view = octets(data)
    data[0] = ord("x")
    assert view[0] == ord("x")


@pytest.mark.parametrize("text", [*VECTORS.values(), "0" * 64, digest_of(b"any")])
def test_digests_are_recognised(text):
    assert is_digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 63,
        "0" * 65,
        "0" * 63 + "g",
        "A" * 64,
        "0" * 64 + "\n",
        " " + "0" * 64,
        "../" + "0" * 61,
        "\u0661" * 64,
    ],
)
def test_what_only_looks_like_a_digest_is_none(text):
    assert not is_digest(text)
