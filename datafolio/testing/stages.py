"""The contract of a backend's exclusive creation and of its stages, as tests; a part of `datafolio.testing.backend`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend.base import Backend, Key
from datafolio.errors import KeyExistsError, StorageError
from datafolio.testing.samples import KEY, ROUNDS, listing, race

__all__ = ["CreationContract", "StageContract"]


class CreationContract:
    """Of any number of callers that create one key, one wins."""

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
        # A server may have those who collide wait a second each.
        for turn in range(2 if backend.is_distant else ROUNDS):
            key = Key(f"log/{turn}")
            winners = race(backend, key)
            assert len(winners) == 1
            assert backend.read(key) == winners[0]


class StageContract:
    """Bytes that are written first, and published after."""

    def test_a_stage_gathers_what_is_written(self, backend: Backend) -> None:
        with backend.stage() as stage:
            for part in (b"one ", b"", b"two ", b"three"):
                assert stage.write(part) == len(part)
            stage.publish(KEY)
        assert backend.read(KEY) == b"one two three"

    def test_a_stage_is_seen_by_nobody_until_it_is_published(self, backend: Backend) -> None:
        with backend.stage() as stage:
            stage.write(b"half")
            assert listing(backend) == []
            assert backend.size(KEY) is None
            stage.write(b" and whole")
            stage.publish(KEY)
            assert listing(backend) == [(KEY, len(b"half and whole"))]

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
        assert len(listing(backend)) == len({KEY, "free/before"})

    def test_a_discarded_stage_leaves_nothing(self, backend: Backend) -> None:
        stage = backend.stage()
        stage.write(b"forgotten")
        stage.discard()
        stage.discard()
        assert listing(backend) == []
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
        assert listing(backend) == [(KEY, 4)]

    def test_an_error_inside_a_stage_discards_it_and_passes(self, backend: Backend) -> None:
        def interrupted() -> None:
            with backend.stage() as stage:
                stage.write(b"half")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            interrupted()
        assert listing(backend) == []
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
        assert len(listing(backend)) == 4 * ROUNDS
