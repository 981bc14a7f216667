"""What stays the same however many items and snapshots a folio has: the files that an operation reads and writes."""

from __future__ import annotations

import copy
import json
import operator
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from datafolio import DataFolio, NotKeptError
from datafolio.backend import MemoryBackend
from datafolio.porcelain.compare import Comparison, compare
from datafolio.porcelain.snapshots import list_infos
from datafolio.store import changes
from datafolio.store.log import LOG
from datafolio.store.model import SnapshotRef
from datafolio.store.repository import Repository
from datafolio.store.tree import Tree
from tests.store.plumbing import (
    WatchedBackend,
    delete,
    delete_snapshot,
    new_item,
    put,
    put_many,
    set_metadata,
    snapshot,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}
MANY = 20_000


@pytest.fixture(scope="module")
def large():
    """A folio of very many items, in memory."""
    backend = MemoryBackend()
    put_many(Repository.create(backend), {f"item {number}": b"same" for number in range(MANY)})
    return backend


def watched(backend) -> tuple[WatchedBackend, Repository]:
    """The folio as a process that has just opened it sees it; only what is done from here on is noted."""
    watch = WatchedBackend(backend)
    repository = Repository.open(watch)
    watch.calls.clear()
    return watch, repository


def objects_read(watch: WatchedBackend) -> list[str]:
    return [key for key in (*watch.made("read"), *watch.made("open")) if not key.startswith(LOG)]


def test_an_add_among_many_items_writes_its_payload_one_node_a_level_and_the_record(large):
    watch, repository = watched(large)
    levels = repository.tip().state.items.root.level
    put(repository, "item 5", b"other")
    assert len(watch.made("publish")) == 2 + levels
    assert len(objects_read(watch)) == levels


def test_the_next_add_reads_only_nodes_that_this_process_did_not_write(large):
    watch, repository = watched(large)
    put(repository, "item 6", b"other")
    watch.calls.clear()
    put(repository, "item 6", b"another")
    assert objects_read(watch) == []


def test_many_items_are_added_in_one_commit_as_if_they_had_been_one_edit(large):
    repository = Repository.create(MemoryBackend())
    state = repository.tip().state
    for number in range(MANY):
        state = changes.put_item(state, f"item {number}", new_item(b"same"), overwrite=False)
    at_once = Repository.open(large).tip().state.items
    assert len(state.items) == MANY
    # Every node that waits is one of the map, and none is one that an add on the way made.
    assert len(state.items.pending()) <= 1.1 * len(at_once.nodes_not_in(repository.tip().state.items))


def test_listing_a_thousand_snapshots_reads_a_file_for_every_few_tens():
    backend = MemoryBackend()
    repository = Repository.create(backend)
    put(repository, "a", b"1")
    for number in range(1000):
        snapshot(repository, f"s{number}")
    watch, repository = watched(backend)
    assert len(list_infos(repository.tip().state)) == 1000
    assert len(objects_read(watch)) <= 1000 / 20


def test_snapshots_of_many_items_are_listed_by_what_differs(large):
    repository = Repository.open(large)
    for number in range(5):
        put(repository, "item 7", b"%d" % number)
        put(repository, f"only in {number}", b"x")
        snapshot(repository, f"s{number}")
    watch, repository = watched(large)
    infos = [info for info in list_infos(repository.tip().state) if info["name"].startswith("s")]
    nodes = len(repository.tip().state.items.nodes_not_in(Repository.create(MemoryBackend()).tip().state.items))
    # All nodes for the first, and for each of the others its root and the way to what differs.
    assert len(objects_read(watch)) <= nodes + 5 * 8
    for number, info in enumerate(infos):
        assert info["item_versions"]["item 7"] == number + 1
        assert len(info["item_versions"]) == MANY + number + 1
        assert list(info["item_versions"]) == sorted(info["item_versions"])
    infos[0]["item_versions"].clear()  # each is the caller's own
    assert infos[1]["item_versions"]


def test_deleting_an_item_that_no_snapshot_can_hold_reads_no_snapshot():
    backend = MemoryBackend()
    repository = Repository.create(backend)
    put(repository, "a", b"1")
    for number in range(300):
        snapshot(repository, f"s{number}")
    put(repository, "b", b"2")
    watch, repository = watched(backend)
    delete(repository, "b")
    assert objects_read(watch) == []


def test_an_item_is_held_by_the_snapshots_that_are_left_and_by_no_others():
    repository = Repository.create(MemoryBackend())
    names = ["plain", 'with "quotes" and \\', "naïve", "item_versions"]
    for name in names:
        put(repository, name, b"1")
    snapshot(repository, "few")
    put_many(repository, {f"item {number}": b"x" for number in range(50)})
    snapshot(repository, "many")
    set_metadata(repository, item_versions={})
    snapshot(repository, "odd")
    put(repository, "late", b"1")
    for name in names:
        assert changes.holders(repository.tip().state, name) == ["few", "many", "odd"]
    assert changes.holders(repository.tip().state, "late") == []
    delete_snapshot(repository, "few")
    for name in names:
        assert changes.holders(repository.tip().state, name) == ["many", "odd"]
    delete_snapshot(repository, "many")
    delete_snapshot(repository, "odd")
    for name in names:
        assert changes.holders(repository.tip().state, name) == []
        delete(repository, name)


def test_a_snapshot_holds_an_item_whose_name_another_program_wrote_with_escapes():
    repository = Repository.create(MemoryBackend())
    put(repository, "naïve", b"1")
    snapshot(repository, "s")
    state = repository.tip().state
    written = bytes(state.snapshots.root.entries["s"]).replace("naïve".encode(), b"na\\u00efve")
    root = msgspec.structs.replace(state.snapshots.root, entries={"s": msgspec.Raw(written)})
    state = msgspec.structs.replace(state, snapshots=Tree(SnapshotRef, repository.objects.read, root))
    assert changes.holders(state, "naïve") == ["s"]


def test_comparing_snapshots_of_many_items_reads_only_what_differs(large):
    repository = Repository.open(large)
    snapshot(repository, "before")
    for number in range(10):
        put(repository, f"item {100 + number}", b"changed")
    snapshot(repository, "after")
    watch, repository = watched(large)
    state = repository.tip().state
    old, new = (changes.at_snapshot(state, name) for name in ("before", "after"))
    difference = compare(old, new)
    assert difference["modified_items"] == sorted(f"item {100 + number}" for number in range(10))
    assert difference["added_items"] == difference["removed_items"] == []
    # For each snapshot its place in the list and its root, and for each difference a node a level.
    assert len(objects_read(watch)) <= 2 * (2 + 10 * old.items.root.level)
    watch.calls.clear()
    assert len(difference["shared_items"]) == len(old.items) - 10
    assert len(objects_read(watch)) > 100


EXPECTED = {
    "added_items": [],
    "removed_items": ["gone"],
    "modified_items": ["changed"],
    "shared_items": ["same"],
    "metadata_changes": {},
}


def a_comparison():
    """One whose shared items are not listed yet."""
    return Comparison({key: value for key, value in EXPECTED.items() if key != "shared_items"}, 1, lambda: ["same"])


@pytest.mark.parametrize(
    "taken",
    [
        lambda difference: difference,
        dict,
        lambda difference: {**difference},
        lambda difference: json.loads(json.dumps(difference)),
        lambda difference: {key: difference[key] for key in difference},
        lambda difference: {key: difference.get(key) for key in reversed(difference)},
        lambda difference: dict(zip(difference.keys(), difference.values(), strict=True)),
        lambda difference: difference | {},
        lambda difference: {} | difference,
        copy.copy,
        copy.deepcopy,
        lambda difference: pickle.loads(pickle.dumps(difference)),
        lambda difference: eval(repr(difference)),
    ],
)
def test_a_comparison_is_a_dict_in_every_way_before_its_shared_items_were_asked_for(taken):
    assert taken(a_comparison()) == EXPECTED
    assert operator.eq(EXPECTED, taken(a_comparison()))


def test_a_comparison_has_the_keys_of_its_kind_and_no_others():
    assert list(a_comparison()) == list(EXPECTED)
    assert len(a_comparison()) == len(EXPECTED)
    assert "shared_items" in a_comparison()
    assert a_comparison().pop("shared_items") == ["same"]
    with pytest.raises(KeyError, match="other"):
        a_comparison()["other"]


def test_shared_items_that_were_taken_out_do_not_come_back():
    difference = a_comparison()
    del difference["shared_items"]
    with pytest.raises(KeyError, match="shared_items"):
        difference["shared_items"]
    assert difference.get("shared_items") is None


def test_threads_that_ask_for_shared_items_at_once_all_get_them():
    def slow():
        time.sleep(0.05)
        return ["same"]

    difference = Comparison({"metadata_changes": {}}, 1, slow)
    with ThreadPoolExecutor(4) as pool:
        asks = 2 * [lambda: difference["shared_items"], lambda: difference.get("shared_items")]
        found = [pool.submit(ask) for ask in asks]
        assert [task.result() for task in found] == 4 * [["same"]]


def test_what_can_not_be_listed_any_more_is_said(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    with folio.batch():
        for number in range(1100):
            folio.add_json(f"i{number}", number)
    for name in ("old", "new"):
        folio.create_snapshot(name, **OFF)
        folio.add_json("i7", name, overwrite=True)
    difference = DataFolio(folio.path).compare_snapshots("old", "new")  # a handle that has read nothing yet
    assert difference.shared_count == 1099
    for name in ("old", "new"):
        folio.delete_snapshot(name)
    with folio.batch():
        for number in range(1100):
            folio.add_json(f"i{number}", -number, overwrite=True)
    folio.cleanup_orphaned_versions()
    with pytest.raises(NotKeptError, match="can't be listed any more"):
        difference["shared_items"]
    assert difference["modified_items"] == ["i7"]


def stored_objects(folio: DataFolio) -> int:
    return sum(len(names) for _, _, names in os.walk(folio.path / "objects"))


def test_a_batch_stores_its_small_payloads_together_and_those_that_are_read_before(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    with folio.batch():
        for number in range(100):
            folio.add_json(f"i{number}", number)
        assert stored_objects(folio) == 0
        assert [folio.get_json(f"i{number}") for number in (7, 70)] == [7, 70]
        assert stored_objects(folio) == 2
    assert [folio.get_json(f"i{number}") for number in range(100)] == list(range(100))
    assert folio.validate()


def test_a_snapshot_made_in_a_batch_is_exported_there_with_what_the_batch_added(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    with folio.batch():
        folio.add_json("a", {"x": 1})
        folio.create_snapshot("s", **OFF)
        assert json.loads(folio.export_snapshot("s", tmp_path / "out")[0].read_bytes()) == {"x": 1}
    assert folio.validate()


def test_a_batch_does_not_keep_all_its_payloads_in_memory(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    with folio.batch():
        for number in range(80):
            folio.add_numpy(f"a{number}", np.full(1_000_000, number, dtype=np.uint8))
        assert stored_objects(folio) > 50
    assert all((folio.get_numpy(f"a{number}") == number).all() for number in range(80))
    assert folio.validate()
    assert [path for path in (folio.path / "tmp").iterdir() if "-" in path.name and "reserve" not in path.name] == []
