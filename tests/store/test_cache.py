"""The cache: right whatever happens to its folder, no larger than it may be, and never the reason why a read fails."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from datafolio.digest import digest_of
from datafolio.errors import CorruptObjectError, KeyMissingError, StorageError
from datafolio.store.cache import Cache
from tests.reliability.mounted import KINDS, why_not

ROOT = Path(__file__).parents[2]
BLOCK = 4096
#: Room for forty blocks, of which the last two are kept free: a twentieth.
SMALL = 40 * BLOCK


class Far:
    """A place far away, with a count of how often it was asked."""

    def __init__(self):
        self.objects = {}
        self.asked = 0

    def put(self, data):
        digest = digest_of(data)
        self.objects[digest] = data
        return digest

    def put_random(self, size):
        return self.put(os.urandom(size))

    def data(self, digest):
        self.asked += 1
        return self.objects[digest]

    def into(self, digest):
        return lambda file: file.write(self.data(digest))

    def open(self, cache, digest, size=None):
        with cache.find(digest, size) or cache.open_checked(digest, size, self.into(digest)) as file:
            return file.read()

    def open_checked(self, cache, digest, size=None):
        with cache.open_checked(digest, size, self.into(digest)) as file:
            return file.read()

    def read(self, cache, digest):
        return cache.read(digest, lambda: self.data(digest))


WAYS = [Far.open, Far.open_checked, Far.read]
CHECKED = [Far.open_checked, Far.read]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(folder):
    return Cache(folder)


@pytest.fixture
def far():
    return Far()


def entry(folder, digest):
    return folder / "objects" / digest[:2] / digest[2:]


def entries(folder):
    return {"".join(path.parts[-2:]) for path in (folder / "objects").glob("??/*")}


def unfinished(folder):
    return [name for name in os.listdir(folder / "tmp") if not name.endswith(".lock")]


def used(folder, digest, seconds_ago):
    then = time.time() - seconds_ago
    os.utime(entry(folder, digest), (then, then))


# What is asked for comes.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
def test_what_was_fetched_once_is_not_fetched_again(way, size, folder, cache, far):
    digest = far.put_random(size)
    for asking in (cache, cache, Cache(folder)):
        assert way(far, asking, digest) == far.objects[digest]
    assert far.asked == 1
    assert entries(folder) == {digest}
    assert unfinished(folder) == []


def test_every_way_finds_what_another_one_brought(cache, far):
    digest = far.put_random(1000)
    assert {way(far, cache, digest) for way in WAYS} == {far.objects[digest]}
    assert far.asked == 1


def test_what_is_opened_is_an_ordinary_file_to_read(cache, far):
    digest = far.put_random(1000)
    for _ in range(2):
        with cache.open_checked(digest, 1000, far.into(digest)) as file:
            assert os.fstat(file.fileno()).st_size == 1000
            assert (file.tell(), file.readable(), file.writable()) == (0, True, False)
            assert file.seek(990) == 990
            assert file.read() == far.objects[digest][990:]


def test_what_is_there_can_be_found_without_fetching(folder, cache, far):
    digest = far.put_random(1000)
    assert cache.find(digest, None) is None
    far.read(cache, digest)
    for size in (None, 1000):
        with cache.find(digest, size) as file:
            assert file.read() == far.objects[digest]
    assert Cache(folder, 0).find(digest, None) is None
    assert cache.find(digest, 999) is None


def test_what_was_written_here_need_not_be_fetched(cache, far):
    digest = far.put_random(1000)
    cache.keep(digest, far.objects[digest])
    assert far.read(cache, digest) == far.objects[digest]
    assert far.asked == 0


def test_nobody_else_can_look_into_the_folder(folder, cache, far):
    far.open(cache, far.put_random(10))
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_folder_is_marked_for_programs_that_make_backups(folder, cache, far):
    far.open(cache, far.put_random(10))
    assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


def test_looking_makes_no_folder(folder, cache):
    assert cache.info() == (folder, 0, 0, 10_000_000_000)
    assert cache.prune() == cache.clear() == (0, 0)
    assert not folder.exists()


# What was fetched and is wrong.


@pytest.mark.parametrize("way", WAYS)
def test_wrong_bytes_are_refused_and_leave_nothing_behind(way, folder, cache, far):
    digest = far.put(b"right")
    far.objects[digest] = b"wrong"
    for _ in range(2):
        with pytest.raises(CorruptObjectError, match=f"expected the digest {digest}, found {digest_of(b'wrong')} in 5"):
            way(far, cache, digest)
    assert far.asked == 2
    assert entries(folder) == set()
    far.objects[digest] = b"right"
    assert way(far, cache, digest) == b"right"


@pytest.mark.parametrize("way", [Far.open, Far.open_checked])
def test_an_object_of_another_size_than_expected_is_refused(way, folder, cache, far):
    digest = far.put(b"right")
    with pytest.raises(CorruptObjectError, match="expected 6 bytes, found 5"):
        way(far, cache, digest, 6)
    assert unfinished(folder) == []


@pytest.mark.parametrize("error", [KeyMissingError("gone"), StorageError("no answer", 5), KeyboardInterrupt()])
@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_fetch_is_the_callers_and_comes_once(way, error, folder, cache, far, monkeypatch):
    asked = []

    def fail(digest):
        asked.append(digest)
        raise error

    monkeypatch.setattr(far, "data", fail)
    with pytest.raises(type(error)) as caught:
        way(far, cache, far.put_random(10))
    assert caught.value is error
    assert len(asked) == 1
    assert not folder.exists() or unfinished(folder) == []


def test_half_an_object_is_never_kept(folder, cache, far):
    digest = far.put_random(1_000_000)

    def break_off(file):
        file.write(far.objects[digest][:600_000])
        raise StorageError("the connection was cut")

    with pytest.raises(StorageError, match="cut"):
        cache.open_checked(digest, None, break_off)
    assert entries(folder) == set()
    assert unfinished(folder) == []
    assert far.open(cache, digest) == far.objects[digest]


def in_pieces(file, data):
    for start in range(0, len(data), 700):
        file.write(memoryview(data)[start : start + 700])


def from_the_end(file, data):
    file.seek(len(data) // 2)
    file.write(data[len(data) // 2 :])
    file.seek(0)
    file.write(data[: len(data) // 2])


def at_the_second_attempt(file, data):
    file.write(b"no" * 300)
    file.seek(0)
    file.truncate()
    file.write(data)


def over_what_it_wrote(file, data):
    file.write(bytes(len(data)))
    file.seek(0)
    file.write(data)


def by_the_descriptor(file, data):
    os.write(file.fileno(), data)


def shortened(file, data):
    file.write(data)
    file.truncate(10)
    file.write(b"")


def lengthened(file, data):
    file.write(data)
    file.truncate(len(data) + 1)


def changed(file, data):
    file.write(data)
    file.flush()
    os.pwrite(file.fileno(), b"wrong", 0)


def with_a_hole(file, data):
    file.write(data[:900])
    file.truncate(100)
    file.write(data[900:])


@pytest.mark.parametrize(
    "write", [in_pieces, from_the_end, at_the_second_attempt, over_what_it_wrote, by_the_descriptor]
)
@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_an_object_may_be_written_in_any_manner(write, size, cache, far):
    digest = far.put_random(size)
    for _ in range(2):
        with cache.open_checked(digest, None, lambda file: write(file, far.objects[digest])) as file:
            assert file.read() == far.objects[digest]


@pytest.mark.parametrize("write", [shortened, lengthened, changed, with_a_hole])
@pytest.mark.parametrize("size", [1000, 3_000_000])
def test_what_is_in_the_file_in_the_end_is_what_counts(write, size, cache, far):
    digest = far.put_random(size)
    with pytest.raises(CorruptObjectError):
        cache.open_checked(digest, None, lambda file: write(file, far.objects[digest]))


# Damage.


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def lengthen(path):
    with open(path, "ab") as file:
        file.write(b"more")


def swell(path):
    os.truncate(path, 1 << 40)


def link_elsewhere(path):
    other = path.parents[3] / "elsewhere"
    other.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(other)


def link_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = [flip, cut, empty, lengthen, link_elsewhere, link_nowhere, make_pipe]


@pytest.mark.parametrize("damage", [*DAMAGE, make_folder])
@pytest.mark.parametrize("way", CHECKED)
def test_a_damaged_entry_is_fetched_again(way, damage, folder, cache, far):
    digest = far.put_random(10_000)
    way(far, cache, digest)
    damage(entry(folder, digest))
    assert way(far, cache, digest) == far.objects[digest]
    assert far.asked == 2


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("way", CHECKED)
def test_what_is_fetched_again_takes_the_place_of_the_damaged_entry(way, damage, folder, cache, far):
    digest = far.put_random(10_000)
    way(far, cache, digest)
    damage(entry(folder, digest))
    way(far, cache, digest)
    assert stat.S_ISREG(entry(folder, digest).lstat().st_mode)
    assert way(far, cache, digest) == far.objects[digest]
    assert far.asked == 2


def test_an_entry_that_swelled_is_not_read_to_its_end(folder, cache, far):
    digest = far.put_random(10_000)
    far.read(cache, digest)
    swell(entry(folder, digest))
    assert far.read(cache, digest) == far.objects[digest]
    swell(entry(folder, digest))
    assert far.open_checked(cache, digest, 10_000) == far.objects[digest]


def test_an_entry_of_another_size_is_fetched_again_though_nothing_is_checked(folder, cache, far):
    digest = far.put_random(10_000)
    far.open(cache, digest, 10_000)
    cut(entry(folder, digest))
    assert far.open(cache, digest, 10_000) == far.objects[digest]
    assert far.asked == 2


def test_who_finds_damage_has_it_fetched_again(folder, cache, far):
    digest = far.put_random(10_000)
    far.open(cache, digest)
    flip(entry(folder, digest))
    assert far.open(cache, digest) != far.objects[digest]
    cache.forget(digest)
    cache.forget(digest)
    assert far.open(cache, digest) == far.objects[digest]


def test_bytes_that_were_kept_under_a_wrong_name_are_not_believed(cache, far):
    digest = far.put_random(100)
    cache.keep(digest, b"something else")
    assert far.read(cache, digest) == far.objects[digest]


@pytest.mark.parametrize("part", ["objects", "tmp", "the entry's"])
@pytest.mark.parametrize("way", WAYS)
def test_no_link_in_the_place_of_a_folder_leads_out(way, part, tmp_path, folder, cache, far):
    digest = far.put_random(100)
    way(far, cache, digest)
    place = entry(folder, digest).parent if part == "the entry's" else folder / part
    outside = tmp_path / "outside"
    shutil.copytree(place, outside)
    before = sorted(outside.rglob("*"))
    shutil.rmtree(place)
    place.symlink_to(outside)
    fresh = Cache(folder)
    other = next(data for data in map(str.encode, map(str, range(10_000))) if digest_of(data)[:2] == digest[:2])
    for wanted in (digest, far.put(other)):
        assert way(far, fresh, wanted) == far.objects[wanted]
    assert far.asked == (2 if part == "tmp" else 3)
    fresh.forget(digest)
    fresh.clear()
    assert sorted(outside.rglob("*")) == before


def test_the_folder_itself_may_be_reached_by_a_link(tmp_path, folder, far):
    (tmp_path / "large disk").mkdir()
    folder.symlink_to(tmp_path / "large disk")
    cache = Cache(folder)
    digest = far.put_random(100)
    assert far.read(cache, digest) == far.open(cache, digest)
    assert far.asked == 1
    assert cache.clear().objects == 1


@pytest.mark.parametrize("digest", ["../../victim", "", "ab", "/" * 64, "A" * 64])
def test_what_is_no_digest_names_no_entry(digest, tmp_path, folder, cache, far):
    far.open(cache, far.put_random(10))
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    cache.forget(digest)
    cache.keep(digest, b"theirs")
    with pytest.raises(CorruptObjectError):
        cache.read(digest, lambda: b"theirs")
    with pytest.raises(CorruptObjectError):
        cache.open_checked(digest, None, lambda file: file.write(b"theirs"))
    assert victim.read_bytes() == b"mine"


# How large it becomes.


def test_what_was_not_used_for_longest_goes_first(folder, far):
    cache = Cache(folder, SMALL)
    digests = [far.put_random(4 * BLOCK) for _ in range(9)]
    for age, digest in enumerate(digests):
        far.open(cache, digest)
        used(folder, digest, 1000 - age)
    far.open(cache, digests[0])
    cache.prune(12 * BLOCK)
    assert entries(folder) == {digests[0], digests[7], digests[8]}


@pytest.mark.parametrize("way", WAYS)
def test_using_an_entry_keeps_it_and_writes_to_it_once_a_minute_at_most(way, folder, cache, far):
    digest = far.put_random(10)
    far.open(cache, digest)
    used(folder, digest, 50)
    before = entry(folder, digest).stat().st_mtime_ns
    way(far, cache, digest)
    assert entry(folder, digest).stat().st_mtime_ns == before
    used(folder, digest, 70)
    way(far, cache, digest)
    assert time.time() - entry(folder, digest).stat().st_mtime < 10


def test_a_use_after_the_clock_was_put_back_counts(folder, cache, far):
    digest = far.put_random(10)
    far.open(cache, digest)
    used(folder, digest, -100_000)
    far.open(cache, digest)
    assert abs(time.time() - entry(folder, digest).stat().st_mtime) < 10


def test_one_process_never_passes_the_limit(folder, far):
    cache = Cache(folder, SMALL)
    far.open(cache, far.put_random(2 * BLOCK))  # from here on it knows how much there is
    for size in range(150):
        digest = far.put_random(size * 97 % (5 * BLOCK))
        assert far.open(cache, digest) == far.objects[digest]
        assert cache.info().size <= SMALL
    assert cache.info().size > SMALL // 2


def test_many_short_processes_pass_the_limit_by_little(folder, far):
    # Each adds a hundredth of the limit, which alone would be no reason to look.
    limit = 400 * BLOCK
    for _ in range(400):
        far.open(Cache(folder, limit), far.put_random(4 * BLOCK))
    assert limit // 2 < Cache(folder, limit).info().size < limit * 1.5


@pytest.mark.parametrize("way", WAYS)
def test_what_has_no_room_in_it_is_served_and_not_kept(way, folder, far):
    cache = Cache(folder, SMALL)
    small = far.put_random(BLOCK)
    large = far.put_random(39 * BLOCK)
    way(far, cache, small)
    for _ in range(2):
        assert way(far, cache, large) == far.objects[large]
    assert entries(folder) == {small}
    assert unfinished(folder) == []
    cache.keep(large, far.objects[large])
    assert entries(folder) == {small}


@pytest.mark.parametrize("way", WAYS)
def test_a_limit_of_nothing_is_no_cache(way, folder, far):
    digest = far.put_random(1000)
    cache = Cache(folder, 0)
    for _ in range(2):
        assert way(far, cache, digest) == far.objects[digest]
    assert far.asked == 2
    assert not folder.exists()
    far.open(Cache(folder), digest)
    way(far, cache, digest)
    assert far.asked == 4
    assert entries(folder) == {digest}


def test_small_objects_count_for_what_they_take(cache, far):
    for size in (0, 1, BLOCK, BLOCK + 1):
        far.read(cache, far.put_random(size))
    assert cache.info()[1:3] == (4, 5 * BLOCK)


def test_a_reader_keeps_what_is_removed_meanwhile(folder, cache, far):
    digest = far.put_random(1_000_000)
    for _ in range(2):
        with cache.open_checked(digest, None, far.into(digest)) as file:
            assert file.read(10) == far.objects[digest][:10]
            assert cache.clear() == (1, 245 * BLOCK)
            shutil.rmtree(folder)
            assert file.read() == far.objects[digest][10:]


def test_what_is_not_the_caches_own_is_left_alone(folder, cache, far):
    far.open(cache, far.put_random(10))
    others = [folder / "mine.txt", folder / "objects" / "mine.txt", folder / "tmp" / "mine.txt"]
    others.append(next((folder / "objects").glob("??")) / "mine.txt")
    for path in others:
        path.write_text("mine")
    assert cache.clear().objects == 1
    assert [path.read_text() for path in others] == ["mine"] * 4


# What becomes of the folder.


@pytest.mark.parametrize("way", WAYS)
def test_the_folder_may_be_gone_between_two_calls(way, folder, cache, far):
    digest = far.put_random(1000)
    for _ in range(3):
        assert way(far, cache, digest) == far.objects[digest]
        shutil.rmtree(folder)
    assert far.asked == 3
    way(far, cache, digest)
    assert entries(folder) == {digest}


@pytest.mark.parametrize("gone", ["", "tmp", "objects"])
def test_the_folder_may_be_gone_in_the_middle_of_a_write(gone, folder, cache, far):
    digest = far.put_random(1_000_000)
    asked = []

    def fetch(file):
        asked.append(digest)
        far.open(cache, far.put_random(10))
        file.write(far.objects[digest][:500_000])
        shutil.rmtree(folder / gone)
        file.write(far.objects[digest][500_000:])

    with cache.open_checked(digest, None, fetch) as file:
        assert file.read() == far.objects[digest]
    assert len(asked) == 1
    assert far.open(cache, digest) == far.objects[digest]


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_cannot_be_written_does_no_harm(way, bound_by_rights, far):
    bound_by_rights.chmod(0o500)
    cache = Cache(bound_by_rights / "cache")
    digest = far.put_random(1000)
    for _ in range(2):
        assert way(far, cache, digest) == far.objects[digest]
    assert cache.clear() == (0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_that_cannot_be_written_any_more_is_still_read(way, bound_by_rights, far):
    folder = bound_by_rights / "cache"
    cache = Cache(folder)
    digest = far.put_random(1000)
    far.open(cache, digest)
    used(folder, digest, 1000)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    fresh = Cache(folder)
    assert way(far, fresh, digest) == far.objects[digest]
    assert far.asked == 1
    other = far.put_random(1000)
    assert way(far, fresh, other) == far.objects[other]


@pytest.mark.parametrize("way", WAYS)
def test_the_folder_of_another_user_is_read(way, bound_by_rights, far):
    if os.getuid():
        pytest.skip("only root can give a folder to another user")
    folder = bound_by_rights / "cache"
    digest = far.put_random(1000)
    far.open(Cache(folder), digest)
    used(folder, digest, 1000)
    os.seteuid(0)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)
    os.seteuid(bound_by_rights.stat().st_uid)
    assert way(far, Cache(folder), digest) == far.objects[digest]
    assert far.asked == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_file_in_the_place_of_the_folder_does_no_harm(way, folder, cache, far):
    folder.write_text("mine")
    digest = far.put_random(1000)
    assert way(far, cache, digest) == far.objects[digest]
    assert cache.info().objects == 0
    assert cache.clear() == (0, 0)
    assert folder.read_text() == "mine"


@pytest.mark.parametrize("way", WAYS)
def test_where_no_file_can_be_written_objects_come_through_memory(way, folder, cache, far):
    digest = far.put_random(1_000_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        assert way(far, cache, digest) == far.objects[digest]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert entries(folder) == set()
    assert unfinished(folder) == []
    assert way(far, cache, digest) == far.objects[digest]


FULL_DISK = """
import errno, os, sys
from pathlib import Path
from datafolio.store.cache import Cache
from tests.store.test_cache import WAYS, Far, entries, unfinished
disk = Path(sys.argv[1])
cache, far = Cache(disk / "cache"), Far()
digests = [far.put_random(300_000) for _ in range(3)]
far.open(cache, digests[0])
with open(disk / "ballast", "wb", buffering=0) as ballast:
    try:
        while ballast.write(bytes(50_000)): pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
for way in WAYS:
    for digest in digests:
        assert way(far, cache, digest) == far.objects[digest]
assert entries(disk / "cache") == {digests[0]}
assert unfinished(disk / "cache") == []
cache.clear()
for way in WAYS:
    assert way(far, cache, digests[1]) == far.objects[digests[1]]
assert entries(disk / "cache") == {digests[1]}
"""


def test_on_a_full_disk_everything_can_still_be_read():
    if reason := why_not("tmpfs"):
        pytest.skip(reason)
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    with tempfile.TemporaryDirectory() as disk:
        done = subprocess.run(
            ["unshare", *mapped, "--mount", "sh", "-c", f'{KINDS["tmpfs"]} && exec "$PYTHON" -c "$PROGRAM" "$DISK"'],
            env=os.environ
            | {"DISK": disk, "SIZE": "2000000", "FILES": "1000", "PYTHON": sys.executable, "PROGRAM": FULL_DISK},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


# Several at once.


@pytest.mark.parametrize("way", WAYS)
def test_of_many_threads_one_fetches(way, cache, far):
    digest = far.put_random(10_000)
    started = threading.Barrier(32)
    data = far.data

    def slowly(wanted):
        time.sleep(0.1)
        return data(wanted)

    far.data = slowly

    def ask(_number):
        started.wait()
        return way(far, cache, digest)

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(ask, range(32))) == {far.objects[digest]}
    assert far.asked == 1


def test_threads_do_not_wait_for_each_other_where_nothing_can_be_kept(folder, far):
    cache = Cache(folder, SMALL)
    digest = far.put_random(50 * BLOCK)
    started = threading.Barrier(8)
    together = threading.Barrier(7)

    first = threading.Semaphore(1)

    def fetch(file):
        if first.acquire(blocking=False):
            time.sleep(0.2)  # until the others wait for this one
        else:
            together.wait(20)  # all of them are here at the same time
        file.write(far.objects[digest])

    def ask(_number):
        started.wait()
        with cache.open_checked(digest, None, fetch) as file:
            return file.read()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {far.objects[digest]}


def test_after_a_failure_the_others_try_themselves(cache, far):
    digest = far.put_random(100)
    started = threading.Barrier(4)
    lucky = threading.Semaphore(1)

    def fetch():
        time.sleep(0.05)
        if lucky.acquire(blocking=False):
            raise StorageError("no answer")
        return far.objects[digest]

    def ask(_number):
        started.wait()
        try:
            return cache.read(digest, fetch)
        except StorageError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4)), key=bool) == [None] + [far.objects[digest]] * 3


KILLED = """
import sys, time
from pathlib import Path
from datafolio.store.cache import Cache
def fetch(file):
    file.write(bytes(1_000_000))
    file.flush()
    print("half", flush=True)
    time.sleep(60)
Cache(Path(sys.argv[1])).open_checked("0" * 64, None, fetch)
"""


def test_what_a_killed_process_left_goes_with_the_next_pruning_and_live_work_stays(root, start, far):
    dead, live = start(KILLED), start(KILLED)
    assert [dead.stdout.readline(), live.stdout.readline()] == ["half\n"] * 2
    cache = Cache(root)
    assert cache.prune() == (0, 0)
    dead.kill()
    dead.wait()
    assert len(unfinished(root)) == 2
    assert cache.prune() == (0, 1_000_000)
    assert len(unfinished(root)) == 1
    assert far.open(cache, far.put(b"and so on")) == b"and so on"


MANY = """
import random, sys
from pathlib import Path
from datafolio.digest import digest_of
from datafolio.store.cache import Cache
from tests.store.test_cache import SMALL, WAYS, Far
far, chance = Far(), random.Random(int(sys.argv[2]))
digests = [far.put(str(number).encode() * number * 37) for number in range(60)]
cache = Cache(Path(sys.argv[1]), SMALL)
for _ in range(600):
    digest = chance.choice(digests)
    assert chance.choice(WAYS)(far, cache, digest) == far.objects[digest]
    if chance.random() < 0.02:
        cache.clear()
print(far.asked)
"""


def test_processes_share_it_while_others_empty_and_delete_it(root, start):
    programs = [start(MANY, str(seed)) for seed in range(4)]
    while any(program.poll() is None for program in programs):
        shutil.rmtree(root, ignore_errors=True)
        time.sleep(random.random() / 10)
    assert [program.wait() for program in programs] == [0] * 4
    assert all(int(program.stdout.read()) > 60 for program in programs)
    cache = Cache(root, SMALL)
    cache.prune()
    assert not root.exists() or not (root / "tmp").exists() or unfinished(root) == []


FORKED = """
import os, sys, threading, time
from pathlib import Path
from datafolio.store.cache import Cache
from tests.store.test_cache import Far
cache, far, begun = Cache(Path(sys.argv[1])), Far(), threading.Event()
digest = far.put_random(1000)
def slowly(file):
    begun.set()
    time.sleep(1)
    file.write(far.objects[digest])
thread = threading.Thread(target=cache.open_checked, args=(digest, None, slowly))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    good = far.open(cache, digest) == far.objects[digest] and far.asked == 1
    other = far.put_random(10)
    os._exit(0 if good and far.read(cache, other) == far.objects[other] else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
thread.join()
assert far.open(cache, digest) == far.objects[digest]
sys.exit(code)
"""


def test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not(root, start):
    assert start(FORKED).wait(30) == 0
    assert unfinished(root) == []


def test_it_holds_no_names_but_digests(folder, cache, far):
    for way in WAYS:
        way(far, cache, far.put_random(100))
    names = {path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != "tmp"}
    assert names == {digest[2:] for digest in far.objects} | {"CACHEDIR.TAG"}


# All of it in any order.


class Machine(RuleBasedStateMachine):
    """Reads are right whatever is done to the folder, and nothing outside it changes."""

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "cache"
        self.far = Far()
        self.digests = [self.far.put(bytes([number]) * number * 3000) for number in range(8)]
        self.caches = [Cache(self.folder, limit) for limit in (SMALL, 10 * BLOCK, 10**9)]
        self.outside = self.root / "outside"
        self.outside.write_bytes(b"not yours")

    def teardown(self):
        shutil.rmtree(self.root)

    @rule(cache=st.integers(0, 2), which=st.integers(0, 7), way=st.sampled_from(CHECKED))
    def ask(self, cache, which, way):
        digest = self.digests[which]
        assert way(self.far, self.caches[cache], digest) == self.far.objects[digest]

    @rule(cache=st.integers(0, 2), which=st.integers(0, 7))
    def find_damage(self, cache, which):
        digest, cache = self.digests[which], self.caches[cache]
        if self.far.open(cache, digest) != self.far.objects[digest]:
            cache.forget(digest)
        assert self.far.open(cache, digest) == self.far.objects[digest]

    @rule(cache=st.integers(0, 2), which=st.integers(0, 7), wrong=st.booleans())
    def keep(self, cache, which, wrong):
        digest = self.digests[which]
        self.caches[cache].keep(digest, b"wrong" if wrong else self.far.objects[digest])

    @rule(which=st.integers(1, 7), damage=st.sampled_from([flip, cut, empty, lengthen, link_nowhere, make_pipe]))
    def damage(self, which, damage):
        path = entry(self.folder, self.digests[which])
        if path.is_file() and not path.is_symlink() and path.stat().st_size:
            damage(path)

    @rule(which=st.integers(0, 7))
    def link_out(self, which):
        path = entry(self.folder, self.digests[which])
        if path.parent.is_dir():
            path.unlink(missing_ok=True)
            path.symlink_to(self.outside)

    @rule(part=st.sampled_from(["", "objects", "tmp"]))
    def delete(self, part):
        shutil.rmtree(self.folder / part, ignore_errors=True)

    @rule(cache=st.integers(0, 2), most=st.integers(0, 30))
    def prune(self, cache, most):
        self.caches[cache].prune(most * BLOCK)
        assert self.caches[cache].info().size <= most * BLOCK

    @rule(cache=st.integers(0, 2))
    def clear(self, cache):
        self.caches[cache].clear()
        assert entries(self.folder) == set()

    @invariant()
    def nothing_is_left_unfinished_or_changed_elsewhere(self):
        with contextlib.suppress(FileNotFoundError):
            assert unfinished(self.folder) == []
        assert self.outside.read_bytes() == b"not yours"
        assert {path.name for path in self.root.iterdir()} <= {"cache", "outside"}


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
