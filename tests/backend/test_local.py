"""What only disks have: files with rights, processes that die, folders that come and go."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend import Key, LocalBackend
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

KEY = Key("objects/ab/cdef")
PROCESSES = 8

# Each waits until it is told to go, so that they meet.
RACER = """
import sys
from pathlib import Path
from datafolio.backend import LocalBackend
from datafolio.errors import KeyExistsError

backend = LocalBackend(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    try:
        backend.create(line.strip(), sys.argv[2].encode())
    except KeyExistsError:
        print("lost", flush=True)
    else:
        print("won", flush=True)
"""

STAGER = """
import sys
from pathlib import Path
from datafolio.backend import LocalBackend

stage = LocalBackend(Path(sys.argv[1])).stage()
stage.write(b"x" * 1000)
if len(sys.argv) > 2:
    stage.publish(sys.argv[2])
print("staged", flush=True)
sys.stdin.read()
stage.publish("objects/after")
stage.discard()
"""


def files(folder):
    """All files, but for the locks of those who may stage something."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.as_posix() for path in found if not path.match("tmp/*.lock"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# Files.


def test_a_key_is_an_ordinary_file_of_that_name(backend, root):
    backend.create(KEY, b"contents")
    assert backend.path(KEY) == root / "objects" / "ab" / "cdef"
    assert (root / "objects" / "ab" / "cdef").read_bytes() == b"contents"
    assert files(root) == [KEY]


def test_a_created_file_can_only_be_read(backend):
    backend.create(KEY, b"x")
    assert stat.S_IMODE(backend.path(KEY).stat().st_mode) & 0o222 == 0


def test_a_replaced_file_has_the_rights_of_any_file(backend, tmp_path):
    (tmp_path / "ordinary").write_bytes(b"")
    backend.replace(Key("items.json"), b"{}")
    assert backend.path(Key("items.json")).stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_file_has_one_name_once_it_is_published(backend):
    backend.create(KEY, b"x")
    with backend.stage() as stage:
        stage.write(b"y")
        stage.publish(KEY, replace=True)
        stage.publish(KEY, replace=True)
    assert backend.path(KEY).stat().st_nlink == 1


def test_a_new_backend_sees_what_another_wrote(backend, root):
    backend.create(KEY, b"x")
    assert LocalBackend(root).read(KEY) == b"x"


def test_a_moved_folder_is_as_good_as_before(backend, root):
    backend.create(KEY, b"x")
    root.rename(root.with_name("moved"))
    assert LocalBackend(root.with_name("moved")).read(KEY) == b"x"


def test_looking_at_a_folder_that_is_not_there_makes_nothing(backend, root):
    assert backend.size(KEY) is None
    assert list(backend.list("")) == []
    assert backend.sweep_stages() == 0
    backend.delete(KEY)
    with pytest.raises(KeyMissingError):
        backend.read(KEY)
    assert not root.exists()


def test_a_link_to_a_file_is_listed_and_not_followed(backend, root, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"linked")
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    for look in (backend.read, backend.open, backend.size):
        with pytest.raises(StorageError, match="link is a symbolic link"):
            look(Key("link"))
    assert [key for key, _, _ in backend.list("")] == ["link"]


def test_the_root_may_be_reached_through_links(backend, root, tmp_path):
    backend.create(KEY, b"x")
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "way" / root.name)
    linked = LocalBackend(tmp_path / "way" / "link")
    linked.create(Key("objects/ab/other"), b"y")
    assert linked.read(KEY) == b"x"
    assert {key for key, _, _ in linked.list("objects/")} == {KEY, "objects/ab/other"}


def test_a_circle_of_folders_does_not_trap_a_listing(backend, root):
    backend.create(KEY, b"x")
    (root / "objects" / "circle").symlink_to(root, target_is_directory=True)
    assert {key for key, _, _ in backend.list("objects/")} == {KEY, "objects/circle"}


# Processes.


def test_of_many_processes_that_create_one_key_exactly_one_wins(backend, start):
    racers = [start(RACER, f"racer {number}") for number in range(PROCESSES)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for turn in range(20):
        key = Key(f"log/{turn}")
        for racer in racers:
            racer.stdin.write(key + "\n")
            racer.stdin.flush()
        outcomes = [racer.stdout.readline() for racer in racers]
        assert sorted(outcomes) == ["lost\n"] * (PROCESSES - 1) + ["won\n"]
        winner = outcomes.index("won\n")
        assert backend.read(key) == f"racer {winner}".encode()


def test_what_a_killed_process_staged_is_swept_with_its_lock(backend, root, start):
    process = start(STAGER)
    assert process.stdout.readline() == "staged\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(os.listdir(root / "tmp")) == len({"the lock", "what was staged"})
    assert backend.sweep_stages() == 1000
    assert os.listdir(root / "tmp") == []
    assert backend.sweep_stages() == 0


def test_what_a_living_process_staged_is_kept(backend, root, start, staged):
    process = start(STAGER)
    assert process.stdout.readline() == "staged\n"
    before = os.listdir(root / "tmp")
    assert backend.sweep_stages() == 0
    assert os.listdir(root / "tmp") == before
    assert len(staged(root)) == 1
    process.communicate("")
    assert process.returncode == 0
    assert backend.read(Key("objects/after")) == b"x" * 1000
    assert files(root) == ["objects/after"]


def test_what_a_killed_process_published_stays_and_counts_as_no_bytes_freed(backend, root, start):
    process = start(STAGER, KEY)
    assert process.stdout.readline() == "staged\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert backend.read(KEY) == b"x" * 1000
    assert backend.sweep_stages() == 0
    assert files(root) == [KEY]
    assert os.listdir(root / "tmp") == []
    assert backend.read(KEY) == b"x" * 1000


def test_two_sweeps_at_once_count_every_byte_once(backend, root):
    (root / "tmp").mkdir(parents=True)
    for number in range(200):
        (root / "tmp" / f"{number % 20:016}-{number:016}").write_bytes(b"left")
        (root / "tmp" / f"{number % 10:016}.lock").touch()  # of half of them
    with ThreadPoolExecutor(4) as pool:
        freed = list(pool.map(lambda _: LocalBackend(root).sweep_stages(), range(4)))
    assert sum(freed) == 200 * len(b"left")
    assert os.listdir(root / "tmp") == []


# Folders that come and go.


def test_a_folder_that_somebody_makes_in_between_is_used(backend, root):
    with backend.stage() as stage:
        stage.write(b"x")
        (root / "objects" / "ab").mkdir(parents=True)
        stage.publish(KEY)
    assert backend.read(KEY) == b"x"


def test_a_folder_that_somebody_removes_in_between_is_made_again(backend, root):
    backend.create(KEY, b"x")
    backend.delete(KEY)
    (root / "objects" / "ab").rmdir()
    (root / "objects").rmdir()
    shutil.rmtree(root / "tmp")
    backend.create(KEY, b"y")
    assert backend.read(KEY) == b"y"
    backend.delete(KEY)
    (root / "objects" / "ab").rmdir()
    backend.replace(KEY, b"z")
    assert backend.read(KEY) == b"z"


def test_many_threads_make_the_same_folders_without_a_quarrel(root):
    begin = threading.Barrier(16)

    def create(number):
        begin.wait()
        LocalBackend(root).create(Key(f"a/b/c/d/{number}"), b"x")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(create, range(16)))
    assert len(files(root)) == 16


# What is left.


def test_nothing_is_left_in_the_staging_folder(backend, root, staged):
    backend.create(KEY, b"x")
    backend.replace(KEY, b"y")
    with pytest.raises(KeyExistsError):
        backend.create(KEY, b"z")
    with backend.stage() as stage:
        stage.publish(KEY, replace=True)
        stage.publish(Key("b"))
        stage.publish(Key("b"), replace=True)
        with pytest.raises(KeyExistsError):
            stage.publish(KEY)
    backend.stage().discard()
    assert staged(root) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs a system that shows its descriptors")
def test_no_descriptor_is_left_open_after_success_or_failure(backend, root):
    backend.create(Key("objects"), b"in the way")
    before = descriptors()
    for turn in range(20):
        backend.create(Key(f"log/{turn}"), b"x")
        backend.read(Key(f"log/{turn}"))
        backend.replace(Key("items.json"), b"x")
        backend.confirm(Key(f"log/{turn}"))
        next(backend.list(""))
        with pytest.raises(KeyExistsError):
            backend.create(Key(f"log/{turn}"), b"x")
        with pytest.raises(StorageError):
            backend.create(KEY, b"x")
        with pytest.raises(StorageError):
            backend.replace(KEY, b"x")
    assert descriptors() == before


def test_a_stage_whose_file_was_taken_away_says_so_and_can_be_discarded(backend, root, staged):
    stage = backend.stage()
    stage.write(b"x")
    (name,) = staged(root)
    (root / "tmp" / name).unlink()
    with pytest.raises(StorageError, match=str(backend.path(KEY))) as caught:
        stage.publish(KEY)
    assert caught.value.errno == errno.ENOENT
    assert not isinstance(caught.value, KeyMissingError)
    stage.discard()
    assert files(root) == []
