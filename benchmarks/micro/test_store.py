"""The parts of the store: maps, encoding, the log, objects."""

from __future__ import annotations

import itertools
import os

import pytest

from benchmarks.micro.conftest import SIZES
from datafolio import canonical
from datafolio.digest import digest_of
from datafolio.store.changes import set_metadata
from datafolio.store.model import Record, decode, encode
from datafolio.store.objects import ObjectStore

_METADATA = {
    "rate": 0.1,
    "layers": [64, 64, 10],
    "notes": "the third run " * 5,
    "scores": {f"fold {number}": number / 7 for number in range(20)},
}


@pytest.mark.parametrize("size", SIZES)
def test_tree_lookup(benchmark, trees, size) -> None:
    assert benchmark(trees[size].get, "name 7") == 7


@pytest.mark.parametrize("size", SIZES)
def test_tree_edit_of_one_name(benchmark, trees, size) -> None:
    numbers = itertools.count()
    benchmark(lambda: trees[size].edit({"name 7": next(numbers)}).root_data())


@pytest.mark.parametrize("size", SIZES)
def test_tree_diff_of_ten_names(benchmark, trees, size) -> None:
    edited = trees[size].edit({f"name {place}": place + 1 for place in range(10)})
    assert len(benchmark(trees[size].diff, edited)) == 10


def test_canonical_encode(benchmark) -> None:
    benchmark(canonical.encode, _METADATA)


def test_canonical_pack_and_unpack(benchmark) -> None:
    assert benchmark(lambda: canonical.unpack(canonical.pack(_METADATA))) == _METADATA


def test_record_encode_and_decode(benchmark, repository) -> None:
    record = repository.tip().logged.record
    assert benchmark(lambda: decode(encode(record), Record, "the record")) == record


@pytest.mark.parametrize("size", [100, 100_000], ids=["100 B", "100 kB"])
def test_digest_of_bytes(benchmark, size) -> None:
    benchmark(digest_of, os.urandom(size))


@pytest.mark.parametrize("size", [100, 100_000], ids=["100 B", "100 kB"])
def test_object_put(benchmark, repository, size) -> None:
    objects = ObjectStore(repository.backend, repository.tip().state.key_of)

    def new() -> tuple[tuple[dict[str, bytes], set[str]], dict[str, object]]:
        data = os.urandom(size)
        return ({digest_of(data): data}, set()), {}

    benchmark.pedantic(objects.put_all, setup=new, rounds=200)


def test_log_append(benchmark, repository) -> None:
    numbers = itertools.count()
    benchmark(
        lambda: repository.commit("count", lambda state: set_metadata(state, {"step": next(numbers)})),
    )
