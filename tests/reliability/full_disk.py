"""A disk without room, or one that takes no writes: mounted where nobody else sees it, filled, and written to.

Each task runs in a process of its own, in a mount namespace of its own, on a tmpfs or on an ext4 in a
file.  Both give the kernel's own ENOSPC, at whichever operation it comes.

    python -m tests.reliability.full_disk
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datafolio import DataFolio
from datafolio.errors import StorageError
from tests.reliability.mounted import BLOCK, KINDS, MB, Disk, run, why_not

__all__ = ["TASKS", "task"]

MANY = 1500
OFF: dict[str, Any] = dict.fromkeys(("capture_git", "capture_environment", "capture_execution"), False)

Task = Callable[[Disk], None]
TASKS: dict[str, Task] = {}


def task(function: Task) -> Task:
    """A function to run on a disk of its own."""
    TASKS[function.__name__] = function
    return function


# What the tasks are made of.


def payload(size: int = 400_000) -> np.ndarray[Any, Any]:
    return np.frombuffer(os.urandom(size), np.uint8)


def story(disk: Disk, snapshots: int = 3) -> DataFolio:
    """A folio with a model that each snapshot holds another version of, and a newer one yet."""
    folio = DataFolio(disk.path)
    folio.add_json("small", {"n": 1})
    for number in range(snapshots):
        folio.add_numpy("model", payload(), overwrite=True)
        folio.create_snapshot(f"s{number}", **OFF)
    folio.add_numpy("model", payload(), overwrite=True)
    return folio


def contents(folio: DataFolio) -> dict[str, Any]:
    """Everything that the folio and its snapshots hold."""
    handles = {"": folio, **{name: folio.get_snapshot(name) for name in folio.snapshots}}
    return {
        shown: ({name: _plain(handle.get_data(name)) for name in handle}, dict(handle.metadata))
        for shown, handle in handles.items()
    }


def _plain(value: Any) -> Any:
    return value.tobytes() if isinstance(value, np.ndarray) else value


def assert_sound(disk: Disk) -> None:
    assert DataFolio.open(disk.path, read_only=True).validate().findings == ()


def litter(disk: Disk) -> list[str]:
    names = os.listdir(disk.path / "tmp")
    return [name for name in names if not name.endswith(".lock") and not name.startswith("reserve-")]


def reserve(disk: Disk) -> int:
    return sum(file.stat().st_size for file in (disk.path / "tmp").glob("reserve-*"))


def command(disk: Disk, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "datafolio", "--folio", str(disk.path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def commanded(*started: subprocess.Popen[str]) -> list[str]:
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    return said


def failure(attempt: Callable[[], Any]) -> StorageError | None:
    """What the attempt raised, if it did."""
    try:
        attempt()
    except StorageError as error:
        return error
    return None


@contextlib.contextmanager
def refused(disk: Disk) -> Iterator[None]:
    """The block must end in the error of a full disk, with everything as before and nothing left behind."""
    before, files, caught = contents(DataFolio.open(disk.path)), litter(disk), None
    try:
        yield
    except StorageError as error:
        caught = error
    assert caught is not None, "there was room on a full disk"
    assert caught.errno == errno.ENOSPC, caught
    assert str(disk.path) in str(caught), caught
    assert "snapshot gc" in str(caught), caught
    assert contents(DataFolio.open(disk.path)) == before
    assert litter(disk) == files == []


# With not one byte free.


@task
def a_snapshot_is_deleted_and_collected(disk: Disk) -> None:
    story(disk)
    disk.fill()
    folio = DataFolio(disk.path)
    folio.delete_snapshot("s1")
    (orphan,) = folio.cleanup_orphaned_versions()
    assert orphan["version"] == 2
    assert disk.free() >= 390_000
    assert reserve(disk) >= 256 << 10
    folio.add_json("small", {"n": 2}, overwrite=True)
    assert_sound(disk)


@task
def a_snapshot_is_deleted_with_its_orphans(disk: Disk) -> None:
    folio = story(disk)
    disk.fill()
    assert len(folio.delete_snapshot("s1", cleanup_orphans=True)) == 1
    assert disk.free() >= 390_000
    assert_sound(disk)


@task
def an_item_is_deleted_and_collected(disk: Disk) -> None:
    folio = story(disk)
    folio.add_numpy("alone", payload())
    disk.fill()
    folio.delete("alone")
    folio.cleanup_orphaned_versions()
    assert disk.free() >= 390_000
    assert "alone" not in folio
    assert_sound(disk)


@task
def a_batch_of_deletions_is_committed(disk: Disk) -> None:
    folio = story(disk)
    disk.fill()
    with folio.batch():
        for number in range(3):
            folio.delete_snapshot(f"s{number}")
        folio.delete("model")
    folio.cleanup_orphaned_versions()
    assert list(folio) == ["small"]
    assert disk.free() >= 1_500_000
    assert_sound(disk)


@task
def the_command_line_deletes_and_collects(disk: Disk) -> None:
    story(disk)
    disk.fill()
    commanded(command(disk, "snapshot", "delete", "s0", "--yes"))
    (said,) = commanded(command(disk, "snapshot", "gc", "--yes"))
    assert "freed 1 item version" in said, said
    commanded(command(disk, "snapshot", "delete", "s1", "--cleanup", "--yes"))
    assert disk.free() >= 790_000
    assert_sound(disk)


@task
def two_processes_delete_and_two_collect(disk: Disk) -> None:
    story(disk)
    disk.fill()
    commanded(*(command(disk, "snapshot", "delete", name, "--yes") for name in ("s0", "s1")))
    commanded(*(command(disk, "snapshot", "gc", "--yes") for _ in range(2)))
    assert disk.free() >= 790_000
    assert reserve(disk) >= 256 << 10
    assert_sound(disk)


@task
def many_deletions_leave_enough_for_the_collection(disk: Disk) -> None:
    folio = story(disk, snapshots=40)
    disk.fill()
    names, deleted = list(folio.snapshots), 0
    with contextlib.suppress(StorageError):
        for name in names:
            folio.delete_snapshot(name)
            deleted += 1
    assert 4 <= deleted < len(names), deleted
    with refused(disk):
        folio.delete_snapshot(names[-1])
    assert folio.cleanup_orphaned_versions()
    assert disk.free() >= 390_000 * deleted - (256 << 10)
    for name in list(folio.snapshots):
        folio.delete_snapshot(name)
    assert_sound(disk)


@task
def more_is_dead_than_the_reserve_could_condemn_at_once(disk: Disk) -> None:
    folio = DataFolio(disk.path)
    with folio.batch():
        for number in range(MANY):
            folio.add_json(f"item {number}", {"n": number})
    folio.add_numpy("large", payload())
    expected = _plain(folio.get_numpy("large"))
    with folio.batch():
        for number in range(MANY):
            folio.delete(f"item {number}")
    for file in sorted((disk.path / "tmp").glob("reserve-*"))[2:]:
        file.unlink()
    disk.fill()
    said = folio.cleanup_orphaned_versions(dry_run=True)
    assert folio.cleanup_orphaned_versions() == said
    assert len(said) == MANY
    # ext4 has smaller blocks on a small disk.
    assert disk.free() >= 0.8 * MANY * os.statvfs(disk.folder).f_frsize
    assert litter(disk) == []
    assert folio.cleanup_orphaned_versions() == []
    assert _plain(folio.get_numpy("large")) == expected
    assert_sound(disk)


@task
def the_reserve_has_room_for_a_large_record(disk: Disk) -> None:
    folio = story(disk)
    folio.metadata["notes"] = "x" * 600_000
    disk.fill()
    folio.delete_snapshot("s1")
    assert len(folio.cleanup_orphaned_versions()) == 1
    assert reserve(disk) >= 1_000_000
    assert_sound(disk)


@task
def what_adds_is_refused(disk: Disk) -> None:
    folio = story(disk)
    disk.fill()
    held = reserve(disk)
    for add in (
        lambda: folio.add_json("more", [1]),
        lambda: folio.add_numpy("more", payload(3 * MB)),
        lambda: folio.add_numpy("more", payload(MB + 1)),
        lambda: folio.create_snapshot("more", **OFF),
        lambda: folio.restore_snapshot("s0"),
        lambda: folio.metadata.update(more=1),
        lambda: folio.add_json("small", {"n": 2}, overwrite=True),
    ):
        with refused(disk):
            add()
    with refused(disk), folio.batch():
        folio.add_numpy("more", payload(3 * MB))
    assert reserve(disk) == held
    assert disk.free() == 0
    disk.clear()
    folio.add_numpy("more", payload(3 * MB))
    assert_sound(disk)


@task
def writes_that_fail_again_and_again_leave_nothing_that_grows(disk: Disk) -> None:
    folio = story(disk)
    disk.fill(leave=2 * MB)
    free = disk.free()
    for _ in range(20):
        with refused(disk):
            folio.add_numpy("more", payload(3 * MB))
    assert disk.free() >= free - 2 * BLOCK
    assert_sound(disk)


@task
def a_folio_without_a_reserve_gets_one(disk: Disk) -> None:
    folio = story(disk)
    for file in (disk.path / "tmp").glob("reserve-*"):
        file.unlink()
    DataFolio.open(disk.path, read_only=True).describe()
    assert reserve(disk) == 0
    DataFolio(disk.path).metadata["n"] = 1
    assert reserve(disk) >= 256 << 10
    del folio


@task
def with_no_file_to_make_a_snapshot_is_deleted_and_collected(disk: Disk) -> None:
    story(disk)
    disk.crowd()
    folio = DataFolio(disk.path)
    with refused(disk):
        folio.add_json("more", [1])
    folio.delete_snapshot("s1")
    assert len(folio.cleanup_orphaned_versions()) == 1
    disk.clear()
    assert_sound(disk)


# That takes no writes.


@task
def a_read_only_disk_is_read_and_not_written(disk: Disk) -> None:
    folio = story(disk)
    folio.add_json("passing", 1)
    folio.delete("passing")
    expected = contents(folio)
    # A mount of its own: on the other one the writer of the story still has its lock open.
    for options in (["--bind", disk.folder], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, disk.folder], check=True)
    held = sorted(disk.path.rglob("*"))
    folio = DataFolio(disk.path)
    for reader in (folio, DataFolio.open(disk.path, read_only=True)):
        assert contents(reader) == expected
        assert reader.validate().is_sound
    (said,) = commanded(command(disk, "snapshot", "list"))
    assert "s0" in said
    assert len(folio.cleanup_orphaned_versions(dry_run=True)) == 1
    for words, write in {**attempts(folio), "metadata": lambda: folio.metadata.update(n=1)}.items():
        error = failure(write)
        assert error is not None, f"{words}: written to a read-only disk"
        assert error.errno == errno.EROFS, error
        assert str(disk.path) in str(error), error
        assert "Read-only file system" in str(error), error
    assert sorted(disk.path.rglob("*")) == held
    assert contents(folio) == expected


# The long form.


def attempts(folio: DataFolio) -> dict[str, Callable[[], Any]]:
    return {
        "add": lambda: folio.add_numpy("more", payload(200_000)),
        "add large": lambda: folio.add_numpy("large", payload(MB + 1)),
        "snapshot": lambda: folio.create_snapshot("more", **OFF),
        "delete": lambda: folio.delete_snapshot("s1"),
        "collect": folio.cleanup_orphaned_versions,
        "add again": lambda: folio.add_numpy("again", payload(100_000)),
    }


def try_all(disk: Disk, tally: Counter[str]) -> None:
    """Make every kind of write; each succeeds, or is refused with all as before, and what must work does."""
    folio = DataFolio(disk.path)
    for words, attempt in attempts(folio).items():
        before = contents(folio)
        error = failure(attempt)
        tally[f"{words}: {'refused' if error else 'done'}"] += 1
        if error is not None:
            assert error.errno == errno.ENOSPC, error
            assert words not in ("delete", "collect"), error
            assert contents(folio) == before, words
        assert litter(disk) == [], words
        assert_sound(disk)
    disk.clear()
    DataFolio(disk.path).add_json("after", 1, overwrite=True)
    assert_sound(disk)


def _each(disk: Disk, amounts: range, take: Callable[[Disk, int], None]) -> None:
    story(disk)
    kept = Path(tempfile.mkdtemp()) / "folio"
    shutil.copytree(disk.path, kept)
    tally: Counter[str] = Counter()
    for amount in amounts:
        shutil.rmtree(disk.path)
        shutil.copytree(kept, disk.path)
        take(disk, amount)
        try:
            try_all(disk, tally)
        except Exception as error:
            raise AssertionError(f"with {amount} left") from error
    shutil.rmtree(kept.parent)
    print(", ".join(f"{words} {number}" for words, number in sorted(tally.items())))


@task
def at_every_number_of_free_bytes(disk: Disk) -> None:
    _each(disk, range(0, MB + 1, BLOCK), Disk.fill)


@task
def at_some_numbers_of_free_bytes(disk: Disk) -> None:
    _each(disk, range(0, MB // 2, 11 * BLOCK), Disk.fill)


@task
def at_every_number_of_free_files(disk: Disk) -> None:
    _each(disk, range(41), Disk.crowd)


def main() -> None:
    for name in TASKS:
        for kind in KINDS:
            if kind == "ext4" and "at_every" in name:
                continue  # it would take an hour
            began = time.monotonic()
            reason = why_not(kind)
            said = f"skipped: {reason}" if reason else run(name, kind).strip() or "done"
            print(f"{kind}: {name.replace('_', ' ')}: {said} ({time.monotonic() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        TASKS[sys.argv[1]](Disk(Path(sys.argv[2])))
    else:
        main()
