"""A batch: many changes, one commit, all or nothing."""

from __future__ import annotations

import json
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    ItemExistsError,
    ItemNotFoundError,
    ReadOnlyError,
    StorageError,
    UnsupportedValueError,
    UsageError,
)
from datafolio.backend import LocalBackend
from datafolio.digest import digest_of
from datafolio.porcelain import batch
from datafolio.porcelain.binding import Binding
from datafolio.store.changes import put_item
from datafolio.store.gc import collect
from datafolio.store.repository import Repository
from tests.store.plumbing import WatchedBackend, delete, new_item, put

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def records(folio: DataFolio) -> list[str]:
    return sorted(name for name in os.listdir(folio.path / "log") if name.isdigit())


def add_and_raise(folio: DataFolio, name: str, stop: type[BaseException] = ZeroDivisionError) -> None:
    with folio.batch():
        folio.add_json(name, 1)
        raise stop


def test_a_batch_is_one_record_of_the_log(folio):
    before = records(folio)
    with folio.batch():
        for number in range(10):
            folio.add_json(f"i{number}", number)
        folio.metadata["a"] = 1
        folio.delete("i0")
        folio.create_snapshot("s", **OFF)
    after = records(folio)
    assert len(after) == len(before) + 1
    newest = json.loads((folio.path / "log" / after[-1]).read_bytes())
    assert newest["operation"].startswith("add json 'i0'; add json 'i1'")
    assert folio.items == [f"i{number}" for number in range(1, 10)]
    assert folio.get_snapshot("s").items == folio.items


def test_reads_inside_see_the_changes_and_others_see_them_after_the_end(folio):
    other = DataFolio(folio.path)
    folio.add_json("a", 1)
    with folio.batch():
        folio.add_json("a", 2, overwrite=True)
        folio.add_table("t", pd.DataFrame({"n": [1]}))
        folio.metadata["m"] = {"list": []}
        folio.metadata["m"]["list"].append(1)
        folio.create_snapshot("s", **OFF)
        assert folio.get_json("a") == 2
        assert folio.get_table("t")["n"].tolist() == [1]
        assert folio.metadata == {"m": {"list": [1]}}
        assert folio.items == ["a", "t"]
        assert folio.data.a.content == 2
        assert list(folio.snapshots) == ["s"]
        assert folio.snapshots["s"].metadata == {"m": {"list": [1]}}
        assert folio.get_snapshot_info("s")["item_versions"] == {"a": 1, "t": 1}
        assert (other.get_json("a"), other.items, other.metadata, list(other.snapshots)) == (1, ["a"], {}, [])
    assert (other.get_json("a"), other.items, list(other.snapshots)) == (2, ["a", "t"], ["s"])
    assert other.metadata == {"m": {"list": [1]}}
    assert folio.validate()


def test_an_exception_leaves_everything_as_it_was(folio):
    folio.add_json("a", 1)
    folio.metadata["m"] = [1]
    before = records(folio)

    def fail() -> None:
        with folio.batch():
            folio.add_json("a", 2, overwrite=True)
            folio.add_json("b", 1)
            folio.metadata["m"].append(2)
            folio.create_snapshot("s", **OFF)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert records(folio) == before
    assert (folio.items, folio.get_json("a"), folio.metadata, list(folio.snapshots)) == (["a"], 1, {"m": [1]}, [])
    folio.add_json("b", 3)
    assert folio.get_json("b") == 3
    folio.cleanup_orphaned_versions()
    assert folio.validate()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_batch_is_none(folio, stop):
    with pytest.raises(stop):
        add_and_raise(folio, "a", stop)
    assert folio.items == []
    folio.add_json("a", 2)


def test_what_is_refused_inside_and_caught_there_leaves_the_rest(folio):
    with folio.batch():
        folio.add_json("a", 1)
        for wrong in (
            lambda: folio.add_json("a", 2),
            lambda: folio.add_json("bad", object()),
            lambda: folio.delete("missing"),
            lambda: folio.metadata.update(x=object()),
        ):
            with pytest.raises((ItemExistsError, ItemNotFoundError, UnsupportedValueError)):
                wrong()
        folio.add_json("b", 2)
    assert folio.items == ["a", "b"]
    assert folio.metadata == {}


def test_an_empty_batch_writes_nothing(folio):
    before = records(folio)
    with folio.batch():
        pass
    with folio.batch():
        assert folio.items == []
    assert records(folio) == before


def test_inner_batches_join_the_outer_one(folio):
    before = records(folio)
    with folio.batch():
        folio.add_json("a", 1)
        with folio.batch():
            folio.add_json("b", 2)
        assert len(records(folio)) == len(before)
        folio.add_json("c", 3)
    assert folio.items == ["a", "b", "c"]
    assert len(records(folio)) == len(before) + 1


def test_an_exception_that_leaves_the_outer_batch_undoes_the_inner_one_too(folio):
    def fail() -> None:
        with folio.batch():
            with folio.batch():
                folio.add_json("b", 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert folio.items == []


def test_an_inner_batch_that_raises_is_none_of_the_outer_one(folio):
    with folio.batch():
        folio.add_json("a", 1)
        with pytest.raises(ZeroDivisionError):
            add_and_raise(folio, "b")
        assert folio.items == ["a"]
        folio.add_json("c", 3)
    assert folio.items == ["a", "c"]


def test_a_batch_may_overwrite_and_delete_what_it_added(folio):
    with folio.batch():
        folio.add_json("a", 1)
        folio.add_json("a", 2, overwrite=True)
        folio.add_json("b", 1)
        folio.delete("b")
        folio.create_snapshot("one", **OFF)
        folio.add_json("a", 3, overwrite=True)
        folio.create_snapshot("two", **OFF)
        folio.restore_snapshot("one")
        folio.delete_snapshot("two")
    assert folio.get_json("a") == 2
    assert list(folio.snapshots) == ["one"]
    assert folio.validate()


@pytest.fixture
def split(folio: DataFolio) -> DataFolio:
    """A folio of so many items that they take several nodes."""
    with folio.batch():
        for number in range(300):
            folio.add_json(f"i{number}", number % 7)
    return folio


def test_a_snapshot_in_a_large_batch_keeps_what_the_rest_of_the_batch_changes(split):
    with split.batch():
        split.add_json("i5", "one", overwrite=True)
        split.create_snapshot("one", **OFF)
        split.add_json("i5", "two", overwrite=True)
        split.create_snapshot("two", **OFF)
        split.add_json("i5", "three", overwrite=True)
    assert split.get_json("i5") == "three"
    assert [split.get_snapshot(name).get_json("i5") for name in ("one", "two")] == ["one", "two"]
    assert split.compare_snapshots("one", "two")["modified_items"] == ["i5"]
    assert split.validate()


def test_a_snapshot_that_a_large_batch_made_can_be_read_and_restored_inside_it(split):
    with split.batch():
        split.add_json("i5", "one", overwrite=True)
        split.create_snapshot("one", **OFF)
        split.add_json("i5", "two", overwrite=True)
        assert split.get_snapshot("one").get_json("i5") == "one"
        split.restore_snapshot("one")
        split.add_json("i6", "one", overwrite=True)
    assert (split.get_json("i5"), split.get_json("i6")) == ("one", "one")
    assert split.get_snapshot("one").get_json("i6") == 6
    assert split.validate()


def test_other_writers_work_is_kept_when_the_batch_ends(folio):
    other = DataFolio(folio.path)
    with folio.batch():
        folio.add_json("a", 1)
        folio.metadata["mine"] = 1
        other.add_json("b", 2)
        other.metadata["theirs"] = 2
        assert "b" not in folio
    assert folio.items == ["a", "b"]
    assert folio.metadata == {"mine": 1, "theirs": 2}


def test_a_batch_that_another_writer_made_impossible_is_none(folio):
    other = DataFolio(folio.path)

    def race() -> None:
        with folio.batch():
            folio.add_json("first", 1)
            folio.add_json("a", 1)
            other.add_json("a", 2)

    with pytest.raises(ItemExistsError):
        race()
    assert folio.items == ["a"]
    assert folio.get_json("a") == 2


def test_a_collection_by_another_in_the_middle_takes_nothing_from_the_batch(folio):
    other = DataFolio(folio.path)
    with folio.batch():
        folio.add_json("a", 1)
        folio.add_table("t", pd.DataFrame({"n": [1]}))
        other.add_json("x", 1)
        other.add_json("x", 2, overwrite=True)
        assert other.cleanup_orphaned_versions()
        folio.add_json("b", 2)
    assert (folio.get_json("a"), folio.get_json("b"), len(folio.get_table("t"))) == (1, 2, 1)
    assert folio.validate()


@pytest.mark.parametrize("is_shared", [True, False], ids=["same handle", "another handle"])
@pytest.mark.parametrize("value", [[1], ["x" * 1_500_000]], ids=["small", "large"])
def test_what_a_batch_added_is_read_back_in_it_after_a_collection(folio, is_shared, value):
    collector = folio if is_shared else DataFolio(folio.path)

    def make_garbage_and_collect() -> None:
        collector.add_json("old", value)  # the same content, so a collection gives it another place
        collector.delete("old")
        assert collector.cleanup_orphaned_versions()

    def elsewhere() -> None:
        thread = threading.Thread(target=make_garbage_and_collect)
        thread.start()
        thread.join()

    with folio.batch():
        folio.add_json("new", value)
        for _ in range(2):
            elsewhere()
            assert folio.get_json("new") == value
        elsewhere()
    assert folio.get_json("new") == value
    assert folio.validate()


def add_bytes(binding: Binding, name: str, data: bytes) -> None:
    with binding.incoming(recall=False) as payload:
        payload.write(data)
        digest, source = payload.finish()
        new = new_item(data)
        binding.commit(f"add {name!r}", lambda state: put_item(state, name, new, overwrite=False), {digest: source})


def read_bytes(binding: Binding, name: str) -> bytes:
    return binding.view(lambda state: bytes(binding.payload(state.items.get(name), item=name, filename=name).read()))


def watched(folder: Path) -> tuple[WatchedBackend, Binding]:
    watch = WatchedBackend(LocalBackend(folder))
    return watch, Binding(Repository.create(watch), read_only=False, trust=False)


def test_a_collection_between_the_storing_of_a_payload_and_its_reading_does_not_show(tmp_path):
    watch, binding = watched(tmp_path / "folio")
    other = Repository.open(LocalBackend(tmp_path / "folio"))

    def collect_first(_key: str) -> None:
        put(other, "old", b"content")
        delete(other, "old")
        assert collect(other).objects

    with binding.batch():
        add_bytes(binding, "new", b"content")
        watch.before("open", collect_first)
        assert read_bytes(binding, "new") == b"content"
    assert read_bytes(binding, "new") == b"content"


def test_what_can_not_be_stored_inside_a_batch_leaves_it_as_it_was(tmp_path, monkeypatch):
    def fail(_key: str) -> None:
        raise StorageError("on purpose")

    monkeypatch.setattr(batch, "_MOST_WAITING", 4000)  # no more than three of those below
    watch, binding = watched(tmp_path / "folio")
    with binding.batch():
        for name in ("a", "b", "c"):
            add_bytes(binding, name, name.encode())
        watch.before("publish", fail)
        with pytest.raises(StorageError, match="on purpose"):
            add_bytes(binding, "d", b"d")
        add_bytes(binding, "e", b"e")
    assert binding.view(lambda state: state.items.names()) == ["a", "b", "c", "e"]
    assert [read_bytes(binding, name) for name in ("a", "b", "c", "e")] == [b"a", b"b", b"c", b"e"]
    assert binding.repository.objects.size(digest_of(b"d")) is None


def test_what_a_batch_holds_in_memory_is_bounded(folio):
    tracemalloc.start()
    try:
        with folio.batch():
            for number in range(100):
                folio.add_numpy(f"a{number}", np.full(1_000_000, number, dtype=np.uint8))
                assert tracemalloc.get_traced_memory()[0] < 75 << 20
    finally:
        tracemalloc.stop()
    assert folio.get_numpy("a99")[0] == 99


def test_a_collection_is_no_part_of_a_batch(folio):
    folio.create_snapshot("s", **OFF)
    with folio.batch():
        with pytest.raises(UsageError, match="batch"):
            folio.cleanup_orphaned_versions()
        with pytest.raises(UsageError, match="batch"):
            folio.delete_snapshot("s", cleanup_orphans=True)
        assert folio.cleanup_orphaned_versions(dry_run=True) == []
    assert list(folio.snapshots) == ["s"]


def test_a_batch_is_its_own_threads(folio):
    def elsewhere() -> None:
        seen.append(folio.items)
        folio.add_json("elsewhere", 1)

    seen: list[list[str]] = []

    def fail() -> None:
        with folio.batch():
            folio.add_json("a", 1)
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [[]]
    assert folio.items == ["elsewhere"]


def test_threads_with_a_batch_each_all_keep_their_work(folio):
    problems: list[BaseException] = []

    def work(name: str) -> None:
        try:
            with folio.batch():
                for number in range(10):
                    folio.add_json(f"{name}{number}", [name, number])
                    folio.metadata[f"{name}{number}"] = number
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    names = sorted(f"{name}{number}" for name in "abc" for number in range(10))
    assert folio.items == sorted(folio.metadata) == names


def test_a_read_only_handle_has_no_batch(folio):
    with pytest.raises(ReadOnlyError), DataFolio(folio.path, read_only=True).batch():
        raise AssertionError("the block ran")


def test_a_batch_of_many_items_needs_few_open_files(folio, run):
    said = run(
        """
import sys
from datafolio import DataFolio
try:
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
except ImportError:
    pass
folio = DataFolio(sys.argv[1])
with folio.batch():
    for number in range(400):
        folio.add_json(f"i{number}", number)
print(len(folio), folio.get_json("i399"))
""",
        folio.path,
    )
    assert said == "400 399"
    assert len(records(folio)) == 2


def test_a_batch_of_many_large_arrays_needs_few_open_files(folio, run):
    said = run(
        """
import sys
import numpy as np
from datafolio import DataFolio
try:
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
except ImportError:
    pass
folio = DataFolio(sys.argv[1])
with folio.batch():
    for number in range(150):
        folio.add_numpy(f"i{number}", np.full(150_000, number))
        folio.add_numpy(f"z{number}", np.zeros(150_000))
print(len(folio), folio.get_numpy("i149").shape)
""",
        folio.path,
    )
    assert said == "300 (150000,)"
    assert len(records(folio)) == 2


def test_nothing_staged_stays_behind(folio, staged):
    with folio.batch():
        folio.add_json("a", 1)
    with pytest.raises(ZeroDivisionError):
        add_and_raise(folio, "b")
    assert staged(folio.path) == []
