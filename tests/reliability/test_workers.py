"""Pools of processes, threads and pickles: a handle goes on working wherever it gets to."""

from __future__ import annotations

import os
import pickle
import textwrap
import threading

import pytest

from datafolio import DataFolio, ItemInUseError, UsageError
from tests.reliability.snippets import needs_fork

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


# Pools of processes.

WORKER = """
import concurrent.futures, multiprocessing

def work(folio, number):
    folio.add_json(f"item{number}", number)
    folio.metadata["numbers"].append(number)
    return folio.get_json(f"item{number}")

def start(folio):
    # The parent is as busy as it can be.
    def read():
        while not stop.is_set():
            folio.metadata.copy(), folio.items
    stop = threading.Event()
    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    return stop

def show(folio):
    assert folio.validate().findings == ()
    print(sorted(folio.metadata["numbers"]) == [folio.get_json(f"item{n}") for n in range(8)] == list(range(8)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_multiprocessing_pool_use_a_handle_that_they_are_given(run, folio, method):
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("there is no fork on this system")
    code = """
    if __name__ == "__main__":
        folio = DataFolio(sys.argv[1])
        folio.metadata["numbers"] = []
        stop = start(folio)
        context = multiprocessing.get_context(sys.argv[2])
        with context.Pool(2) as pool:
            assert pool.starmap(work, [(folio, number) for number in range(4)]) == list(range(4))
        processes = [context.Process(target=work, args=(folio, number)) for number in (4, 5)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(work, [folio] * 2, [6, 7])) == [6, 7]
        stop.set()
        show(folio)
    """
    assert run(WORKER + textwrap.dedent(code), folio.path, method) == "True"


@needs_fork
def test_workers_of_a_multiprocessing_pool_use_a_handle_that_they_inherit(run, folio):
    code = """
    def inherited(number):
        return work(folio, number)

    if __name__ == "__main__":
        folio = DataFolio(sys.argv[1])
        folio.metadata["numbers"] = []
        stop = start(folio)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(inherited, range(8)) == list(range(8))
        stop.set()
        show(folio)
    """
    assert run(WORKER + textwrap.dedent(code), folio.path) == "True"


def test_joblib_workers_use_a_handle_that_they_are_given(run, folio):
    pytest.importorskip("joblib")
    code = """
    from joblib import Parallel, delayed
    if __name__ == "__main__":
        folio = DataFolio(sys.argv[1])
        folio.metadata["numbers"] = []
        assert Parallel(n_jobs=2)(delayed(work)(folio, number) for number in range(4)) == list(range(4))
        with_threads = Parallel(n_jobs=2, prefer="threads")
        assert with_threads(delayed(work)(folio, number) for number in range(4, 8)) == list(range(4, 8))
        show(folio)
    """
    assert run(WORKER + textwrap.dedent(code), folio.path) == "True"


# Threads.


def test_threads_that_share_one_handle_do_everything_at_once_and_nothing_is_lost(folio):
    folio.metadata = {"list": [], "nested": {}, "count": 0}
    problems: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(4):
                folio.add_json(f"{name}-{number}", number)
                folio.metadata["list"].append(name)
                folio.metadata["nested"][f"{name}-{number}"] = number
                folio.metadata[name] = number
                assert folio.get_json(f"{name}-{number}") == number
                folio.add_json(name, number, overwrite=True)
                with folio.batch():
                    folio.add_json(f"{name}-batch-{number}", number)
                    folio.metadata[f"{name}-batch"] = number
                folio.create_snapshot(f"{name}-{number}", **OFF)
                assert folio.get_snapshot(f"{name}-{number}").get_json(name) == number
                if number % 2:
                    folio.delete_snapshot(f"{name}-{number}")
                    try_to_delete(folio, f"{name}-batch-{number}")
                if number == 3:
                    folio.cleanup_orphaned_versions()
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    names = "abcdefgh"
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    metadata = folio.metadata.copy()
    assert sorted(metadata["list"]) == sorted(names * 4)
    assert metadata["nested"] == {f"{name}-{number}": number for name in names for number in range(4)}
    assert [metadata[name] for name in names] == [metadata[f"{name}-batch"] for name in names] == [3] * 8
    assert all(folio.get_json(f"{name}-{number}") == number for name in names for number in range(4))
    assert sorted(folio.snapshots) == sorted(f"{name}-{number}" for name in names for number in (0, 2))
    assert folio.validate().findings == ()


def try_to_delete(folio: DataFolio, name: str) -> None:
    try:
        folio.delete(name)
    except ItemInUseError:  # of another thread's snapshot
        assert name in folio
    else:
        assert name not in folio


# Pickles.


def test_a_handle_is_not_pickled_in_a_batch_whose_changes_the_copy_would_not_have(folio):
    folio.add_json("a", 1)
    with folio.batch():
        with pytest.raises(UsageError, match="batch"):
            pickle.dumps(folio)
        folio.add_json("b", 2)
    assert pickle.loads(pickle.dumps(folio)).items == ["a", "b"]
