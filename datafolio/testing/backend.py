"""The contract of a backend, as tests; see `datafolio.backend.base`."""

from __future__ import annotations

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend.base import Backend, Key
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError
from datafolio.testing.listings import ListingContract
from datafolio.testing.samples import ABSENT, KEY, KEYS, NO_KEYS, RESERVE, ROUNDS, SHARP_EDGES, listing
from datafolio.testing.stages import CreationContract, StageContract

__all__ = ["BackendContract"]


class BackendContract(ListingContract, CreationContract, StageContract):
    """Subclass it, and give a fixture `backend`: a new, empty one for every test."""

    # Whole contents.

    @SHARP_EDGES
    def test_what_was_created_is_read_back(self, backend: Backend, data: bytes) -> None:
        backend.create(KEY, data)
        assert backend.read(KEY) == data
        assert backend.size(KEY) == len(data)
        assert listing(backend) == [(KEY, len(data))]

    @SHARP_EDGES
    def test_what_was_replaced_is_read_back(self, backend: Backend, data: bytes) -> None:
        backend.replace(KEY, data)
        assert backend.read(KEY) == data
        assert backend.size(KEY) == len(data)
        assert listing(backend) == [(KEY, len(data))]

    @pytest.mark.parametrize("key", KEYS)
    def test_every_method_takes_every_form_of_key(self, backend: Backend, key: Key) -> None:
        backend.create(key, b"one")
        backend.confirm(key)
        backend.replace(key, b"other")
        assert backend.read(key) == b"other"
        with backend.open(key) as file:
            assert file.read() == b"other"
        assert listing(backend) == [(key, 5)]
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
        assert listing(backend) == []

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

    @SHARP_EDGES
    def test_fetching_writes_the_whole_contents_to_a_file(self, backend: Backend, data: bytes) -> None:
        backend.create(KEY, data)
        file = io.BytesIO()
        assert backend.fetch(KEY, file) == len(data)
        assert file.getvalue() == data

    def test_contents_of_many_megabytes_come_back_however_they_are_read(self, backend: Backend) -> None:
        data = random.Random(1).randbytes(36_000_004)  # noqa: S311 - no secret
        with backend.stage() as stage:
            for begin in range(0, len(data), 1 << 22):
                stage.write(data[begin : begin + (1 << 22)])
            stage.publish(KEY)
        assert backend.size(KEY) == len(data)
        assert backend.read(KEY) == data
        file = io.BytesIO()
        assert backend.fetch(KEY, file) == len(data)
        assert file.getvalue() == data
        with backend.open(KEY) as opened:
            assert opened.seek(-12, 2) == len(data) - 12
            assert opened.read(100) == data[-12:]
            for place, count in ((0, 8), (20_000_000, 400_000), (19_999_998, 8), (8_388_600, 16), (50, 9_000_000)):
                opened.seek(place)
                assert opened.read(count) == data[place : place + count]
            opened.seek(30_000_000)
            assert opened.read() == data[30_000_000:]
            assert opened.read(1) == b""

    # What is not there.

    def test_reading_a_missing_key_names_the_key_and_the_place(self, backend: Backend) -> None:
        for read in (backend.read, backend.open):
            with pytest.raises(KeyMissingError) as caught:
                read(ABSENT)
            assert ABSENT in str(caught.value)
            assert backend.location in str(caught.value)

    def test_a_missing_key_has_no_size_and_no_stamp(self, backend: Backend) -> None:
        assert backend.size(ABSENT) is None
        assert backend.stamp(ABSENT) is None
        assert not backend.exists(ABSENT)

    def test_a_missing_key_can_t_be_fetched_aliased_or_moved(self, backend: Backend) -> None:
        for take in (
            lambda: backend.fetch(ABSENT, io.BytesIO()),
            lambda: backend.alias(ABSENT, KEY),
            lambda: backend.move(ABSENT, KEY),
        ):
            with pytest.raises(KeyMissingError):
                take()
        assert listing(backend) == []

    def test_many_keys_are_deleted_at_once_and_no_others(self, backend: Backend) -> None:
        keys = [Key(f"objects/ab/{index}") for index in range(30)]
        for key in (*keys, KEY):
            backend.replace(key, b"x")
        backend.delete(keys[3])
        backend.delete_all([])
        assert len(listing(backend)) == 30
        backend.delete_all(iter([*keys, ABSENT]))
        assert listing(backend) == [(KEY, 1)]

    def test_what_could_lead_out_of_the_backend_is_not_deleted_with_others(self, backend: Backend) -> None:
        with pytest.raises(StorageError, match="can't be a key"):
            backend.delete_all([KEY, Key("../up")])

    def test_deleting_twice_is_no_error(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        backend.delete(KEY)
        backend.delete(KEY)
        backend.delete(Key("objects/never/was"))
        assert listing(backend) == []

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
        assert listing(backend) == [(KEY, 1)]
        assert backend.read(KEY) == b"x"

    # Other names.

    @pytest.mark.parametrize("data", [None, b"shared"], ids=["without the contents", "with the contents at hand"])
    def test_an_alias_has_the_same_contents_and_a_life_of_its_own(self, backend: Backend, data: bytes | None) -> None:
        other = Key("elsewhere/x")
        backend.create(KEY, b"shared")
        backend.create(other, b"whatever was there")
        backend.alias(KEY, other, data)
        assert backend.read(other) == b"shared"
        backend.alias(KEY, other, data)
        backend.delete(KEY)
        assert backend.read(other) == b"shared"

    def test_what_is_moved_has_its_new_name_only(self, backend: Backend) -> None:
        other = Key("elsewhere/x")
        backend.create(KEY, b"moved")
        backend.move(KEY, other)
        assert listing(backend) == [(other, 5)]
        assert backend.read(other) == b"moved"

    def test_nothing_is_moved_to_where_something_is(self, backend: Backend) -> None:
        other = Key("elsewhere/x")
        backend.create(KEY, b"one")
        backend.create(other, b"other")
        with pytest.raises(KeyExistsError):
            backend.move(KEY, other)
        assert (backend.read(KEY), backend.read(other)) == (b"one", b"other")

    # Stamps.

    def test_a_stamp_tells_what_is_there_from_what_was(self, backend: Backend) -> None:
        backend.create(KEY, b"one")
        before = backend.stamp(KEY)
        assert before is not None
        assert backend.stamp(KEY) == before
        assert hash(backend.stamp(KEY)) == hash(before)
        backend.replace(KEY, b"two")
        assert backend.stamp(KEY) != before

    def test_a_listing_that_tells_stamps_tells_those_that_a_look_tells(self, backend: Backend) -> None:
        for index, key in enumerate(KEYS):
            backend.create(Key(key), b"x" * index)
        for key, _, stamp in backend.list(""):
            assert stamp in (None, backend.stamp(key))

    # The reserve.

    def test_the_reserve_is_no_key_and_no_stage(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        assert not backend.release_reserve()
        backend.keep_reserve(RESERVE)
        backend.keep_reserve(RESERVE)
        assert listing(backend) == [(KEY, 1)]
        assert backend.sweep_stages() == 0
        held = backend.release_reserve(0.5)
        assert backend.release_reserve() == held
        assert not backend.release_reserve()
        assert listing(backend) == [(KEY, 1)]

    def test_a_released_reserve_can_be_held_again(self, backend: Backend) -> None:
        backend.create(KEY, b"x")
        backend.keep_reserve(RESERVE)
        held = backend.release_reserve()
        backend.keep_reserve(RESERVE)
        assert backend.release_reserve() == held
