"""The contract of a backend, as tests; see `datafolio.backend.base`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend.base import Backend, Key, Listed
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

__all__ = ["BackendContract"]

KEY = Key("objects/ab/cdef")
ABSENT = Key("objects/ab/none")

#: Keys of every form that a folio has, and some that are only odd.
KEYS = [
    "folio.json",
    "README.md",
    "log/00000000000000000017",
    "objects/ab/" + "ab" * 32,
    "objects/ab/cdef~3",
    "objects/ab/cdef~30",
    "a",
    "a.b/c-d_e/f/g/h",
    ".hidden/..two",
    "with space/ünï~cödé 数",
]
NO_KEYS = ["", "/", "/etc/passwd", "..", "../up", "a/../../up", "a/..", "a//b", "a/", "./a", "a/./b", "a\0b"]
CONTENTS = {
    "empty": b"",
    "a byte": b"\0",
    "every byte": bytes(range(256)) * 3,
    "line ends": b"\r\n\n\r\x1a",
    "5 MB": bytes(range(256)) * 20_480,
}
SHARP_EDGES = pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
RESERVE = 100_000
THREADS = 16
ROUNDS = 20


def _listing(backend: Backend, prefix: str = "") -> list[tuple[Key, int]]:
    return sorted((listed.key, listed.size) for listed in backend.list(prefix))


class BackendContract:
    """Subclass it, and give a fixture `backend`: a new, empty one for every test."""

    # Whole contents.

    @SHARP_EDGES
    def test_what_was_created_is_read_back(self, backend: Backend, data: bytes) -> None:
        backend.create(KEY, data)
        assert backend.read(KEY) == data
        assert backend.size(KEY) == len(data)
        assert _listing(backend) == [(KEY, len(data))]

    @SHARP_EDGES
    def test_what_was_replaced_is_read_back(self, backend: Backend, data: bytes) -> None:
        backend.replace(KEY, data)
        assert backend.read(KEY) == data
        assert backend.size(KEY) == len(data)
        assert _listing(backend) == [(KEY, len(data))]

    @pytest.mark.parametrize("key", KEYS)
    def test_every_method_takes_every_form_of_key(self, backend: Backend, key: Key) -> None:
        backend.create(key, b"one")
        backend.confirm(key)
        backend.replace(key, b"other")
        assert backend.read(key) == b"other"
        with backend.open(key) as file:
            assert file.read() == b"other"
        assert _listing(backend) == [(key, 5)]
        backend.delete(key)
        assert backend.size(key) is None

    @pytest.mark.parametrize("key", NO_KEYS)
    def test_what_could_lead_out_of_the_backend_is_no_key(self, backend: Backend, key: Key) -> None:
        for refused in (backend.read, backend.open, backend.size, backend.delete):
            with pytest.raises(StorageError, match="can't be a key"):
                refused(key)
        for refused_write in (backend.create, backend.replace):
            with pytest.raises(StorageError, match="can't be a key"):
                refused_write(key, b"x")
        assert _listing(backend) == []

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_buffer_is_taken_as_its_bytes(self, backend: Backend, kind: type) -> None:
        backend.create(KEY, kind(b"created"))
        backend.replace(Key("b"), kind(b"replaced"))
        assert backend.read(KEY) == b"created"
        assert backend.read(Key("b")) == b"replaced"

    def test_a_view_of_wide_items_counts_in_bytes(self, backend: Backend) -> None:
        wide = memoryview(bytes(range(24))).cast("Q")
        table = memoryview(bytes(range(24))).cast("B", [4, 6])
        with backend.stage() as stage:
            assert stage.write(wide) == wide.nbytes
            assert stage.write(table) == table.nbytes
            stage.publish(KEY)
        backend.replace(Key("b"), wide)
        assert backend.read(KEY) == bytes(range(24)) * 2
        assert backend.read(Key("b")) == bytes(range(24))

    def test_a_buffer_changed_after_the_call_changes_nothing(self, backend: Backend) -> None:
        data = bytearray(b"before")
        backend.create(KEY, data)
        backend.replace(Key("b"), data)
        data[:] = b"after!"
        assert backend.read(KEY) == backend.read(Key("b")) == b"before"

    def test_an_open_file_reads_and_seeks(self, backend: Backend) -> None:
        backend.create(KEY, b"0123456789")
        with backend.open(KEY) as file:
            assert file.read(3) == b"012"
            assert file.seek(-2, 2) == len(b"01234567")
            assert file.read() == b"89"
            assert file.seek(0) == file.tell() == 0
            assert file.read() == b"0123456789"

    def test_an_open_file_outlives_the_deletion_of_its_key(self, backend: Backend) -> None:
        backend.create(KEY, b"0123456789")
        with backend.open(KEY) as file:
            backend.delete(KEY)
            assert file.read() == b"0123456789"

    def test_a_file_of_its_own_holds_the_same_bytes(self, backend: Backend) -> None:
        backend.create(KEY, b"as a file")
        path = backend.path(KEY)
        assert path is None or path.read_bytes() == b"as a file"

    # What is not there.

    def test_reading_a_missing_key_names_the_key_and_the_place(self, backend: Backend) -> None:
        for read in (backend.read, backend.open):
            with pytest.raises(KeyMissingError) as caught:
                read(ABSENT)
            assert ABSENT in str(caught.value)
            assert backend.location in str(caught.value)

    def test_a_missing_key_has_no_size(self, backend: Backend) -> None:
        assert backend.size(ABSENT) is None

    def test_deleting_twice_is_no_error(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        backend.delete(KEY)
        backend.delete(KEY)
        backend.delete(Key("objects/never/was"))
        assert _listing(backend) == []

    def test_the_folder_of_a_key_is_no_key(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        assert backend.size(Key("objects/ab")) is None
        with pytest.raises(KeyMissingError):
            backend.read(Key("objects/ab"))

    def test_nothing_is_below_a_key(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        below = Key(f"{KEY}/below")
        assert backend.size(below) is None
        with pytest.raises(KeyMissingError):
            backend.read(below)
        backend.delete(below)
        assert backend.read(KEY) == b"x"

    # Listing.

    def test_an_empty_backend_lists_nothing(self, backend: Backend) -> None:
        assert _listing(backend) == []
        assert _listing(backend, "objects/") == []

    def test_a_listing_names_every_key_of_the_folder_and_only_those(self, backend: Backend) -> None:
        for index, key in enumerate(KEYS):
            backend.create(Key(key), b"x" * index)
        backend.create(Key("objectspast/x"), b"")
        sizes = {key: index for index, key in enumerate(KEYS)}
        assert dict(_listing(backend, "")) == {**sizes, "objectspast/x": 0}
        for prefix in ("objects/", "objects/ab/", "log/", "a.b/c-d_e/", ".hidden/"):
            assert dict(_listing(backend, prefix)) == {k: n for k, n in sizes.items() if k.startswith(prefix)}

    def test_a_listing_can_be_deleted_from_while_it_runs(self, backend: Backend) -> None:
        keys = {Key(f"objects/{index % 7:02}/{index}") for index in range(100)}
        for key in keys:
            backend.replace(key, b"x")
        seen = set()
        for key, _ in backend.list("objects/"):
            seen.add(key)
            backend.delete(key)
        assert seen == keys
        assert _listing(backend) == []

    def test_a_listing_keeps_what_was_there_before_it_while_others_write(self, backend: Backend) -> None:
        before = {Key(f"objects/{index % 5:02}/{index}") for index in range(50)}
        for key in before:
            backend.replace(key, b"x")
        done = threading.Event()

        def churn() -> None:
            while not done.is_set():
                backend.replace(Key("objects/00/new"), b"y")
                backend.delete(Key("objects/00/new"))

        with ThreadPoolExecutor(1) as pool:
            churning = pool.submit(churn)
            try:
                for _ in range(ROUNDS):
                    assert before <= {key for key, _ in backend.list("objects/")}
            finally:
                done.set()
            churning.result()

    # Exclusive creation.

    def test_creating_a_key_twice_is_refused_and_changes_nothing(self, backend: Backend) -> None:
        backend.create(KEY, b"first")
        with pytest.raises(KeyExistsError) as caught:
            backend.create(KEY, b"second")
        assert KEY in str(caught.value)
        assert backend.location in str(caught.value)
        assert backend.read(KEY) == b"first"

    def test_a_deleted_key_can_be_created_again(self, backend: Backend) -> None:
        backend.create(KEY, b"first")
        backend.delete(KEY)
        backend.create(KEY, b"second")
        assert backend.read(KEY) == b"second"

    def test_of_many_threads_that_create_one_key_exactly_one_wins(self, backend: Backend) -> None:
        for turn in range(ROUNDS):
            key = Key(f"log/{turn}")
            winners = _race(backend, key)
            assert len(winners) == 1
            assert backend.read(key) == winners[0]

    # Stages.

    def test_a_stage_gathers_what_is_written(self, backend: Backend) -> None:
        with backend.stage() as stage:
            for part in (b"one ", b"", b"two ", b"three"):
                assert stage.write(part) == len(part)
            stage.publish(KEY)
        assert backend.read(KEY) == b"one two three"

    def test_a_stage_is_seen_by_nobody_until_it_is_published(self, backend: Backend) -> None:
        with backend.stage() as stage:
            stage.write(b"half")
            assert _listing(backend) == []
            assert backend.size(KEY) is None
            stage.write(b" and whole")
            stage.publish(KEY)
            assert _listing(backend) == [(KEY, len(b"half and whole"))]

    def test_a_stage_publishes_under_several_keys(self, backend: Backend) -> None:
        others = [Key("objects/ab/cdef~1"), Key("elsewhere/x")]
        with backend.stage() as stage:
            stage.write(b"shared")
            for key in (KEY, *others):
                stage.publish(key)
        backend.delete(KEY)
        assert [backend.read(key) for key in others] == [b"shared", b"shared"]

    def test_a_taken_key_leaves_the_stage_fit_for_another(self, backend: Backend) -> None:
        backend.create(KEY, b"first")
        with backend.stage() as stage:
            stage.write(b"second")
            with pytest.raises(KeyExistsError):
                stage.publish(KEY)
            stage.publish(Key("objects/ab/cdef~1"))
        assert backend.read(KEY) == b"first"
        assert backend.read(Key("objects/ab/cdef~1")) == b"second"

    def test_publishing_with_replace_takes_the_place_of_what_was_there(self, backend: Backend) -> None:
        backend.create(KEY, b"first, and longer")
        with backend.stage() as stage:
            stage.write(b"second")
            stage.publish(KEY, replace=True)
            stage.publish(KEY, replace=True)
            stage.publish(Key("free/before"), replace=True)
        assert backend.read(KEY) == backend.read(Key("free/before")) == b"second"
        assert len(_listing(backend)) == len({KEY, "free/before"})

    def test_a_discarded_stage_leaves_nothing(self, backend: Backend) -> None:
        stage = backend.stage()
        stage.write(b"forgotten")
        stage.discard()
        stage.discard()
        assert _listing(backend) == []
        assert backend.sweep_stages() == 0

    def test_a_discarded_stage_takes_and_publishes_nothing_more(self, backend: Backend) -> None:
        stage = backend.stage()
        stage.write(b"kept")
        stage.publish(KEY)
        stage.discard()
        with pytest.raises(StorageError, match="discarded"):
            stage.publish(Key("late"))
        with pytest.raises(StorageError, match="discarded"):
            stage.write(b"late")
        assert _listing(backend) == [(KEY, 4)]

    def test_an_error_inside_a_stage_discards_it_and_passes(self, backend: Backend) -> None:
        def interrupted() -> None:
            with backend.stage() as stage:
                stage.write(b"half")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            interrupted()
        assert _listing(backend) == []
        assert backend.sweep_stages() == 0

    def test_a_sweep_keeps_the_stages_of_the_living(self, backend: Backend) -> None:
        with backend.stage() as stage:
            stage.write(b"still ")
            assert backend.sweep_stages() == 0
            stage.write(b"here")
            stage.publish(KEY)
            assert backend.sweep_stages() == 0
        assert backend.read(KEY) == b"still here"

    def test_a_sweep_while_others_stage_costs_none_of_them_anything(self, backend: Backend) -> None:
        def write_many(writer: int) -> None:
            for turn in range(ROUNDS):
                backend.create(Key(f"objects/{writer}/{turn}"), b"%d" % turn)

        with ThreadPoolExecutor() as pool:
            writing = [pool.submit(write_many, writer) for writer in range(4)]
            while not all(task.done() for task in writing):
                assert backend.sweep_stages() == 0
            for task in writing:
                task.result()
        assert len(_listing(backend)) == 4 * ROUNDS

    # Replacing and confirming.

    def test_a_reader_sees_the_old_or_the_new_and_no_part_of_either(self, backend: Backend) -> None:
        old, new = b"o" * 100_000, b"n" * 200_000
        backend.replace(KEY, old)
        done = threading.Event()

        def swap() -> None:
            while not done.is_set():
                backend.replace(KEY, new)
                backend.replace(KEY, old)

        with ThreadPoolExecutor(1) as pool:
            swapping = pool.submit(swap)
            try:
                for _ in range(10 * ROUNDS):
                    assert backend.read(KEY) in (old, new)
            finally:
                done.set()
            swapping.result()

    def test_confirming_changes_nothing(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        backend.confirm(KEY)
        assert _listing(backend) == [(KEY, 1)]
        assert backend.read(KEY) == b"x"

    # The reserve.

    def test_the_reserve_is_no_key_and_no_stage(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        assert not backend.release_reserve()
        backend.keep_reserve(RESERVE)
        backend.keep_reserve(RESERVE)
        assert _listing(backend) == [(KEY, 1)]
        assert backend.sweep_stages() == 0
        held = backend.release_reserve(0.5)
        assert backend.release_reserve() == held
        assert not backend.release_reserve()
        assert _listing(backend) == [(KEY, 1)]

    def test_a_released_reserve_can_be_held_again(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        backend.keep_reserve(RESERVE)
        held = backend.release_reserve()
        backend.keep_reserve(RESERVE)
        assert backend.release_reserve() == held


def _race(backend: Backend, key: Key) -> list[bytes]:
    """What those wrote who, of many threads that create `key` at once, were told that they did."""
    start = threading.Barrier(THREADS)

    def attempt(runner: int) -> bytes | None:
        data = b"runner %d" % runner
        start.wait()
        try:
            backend.create(key, data)
        except KeyExistsError:
            return None
        return data

    with ThreadPoolExecutor(THREADS) as pool:
        return [data for data in pool.map(attempt, range(THREADS)) if data is not None]
