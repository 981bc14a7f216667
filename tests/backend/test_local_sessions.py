"""Many stages under one lock: who holds it, for how long, and what a sweep makes of it."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from datafolio.backend import Key, LocalBackend
from datafolio.errors import StorageError

fcntl = pytest.importorskip("fcntl")

KEY = Key("objects/ab/cdef")

MANY = """
import contextlib, resource, sys
from pathlib import Path
from datafolio.backend import LocalBackend

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
backend = LocalBackend(Path(sys.argv[1]))
with contextlib.ExitStack() as stages:
    staged = []
    for number in range(200):
        stage = stages.enter_context(backend.stage())
        stage.write(b"%d" % number + bytes(2 << 20))
        stage.publish(f"objects/{number}")
        staged.append(stage)
    for number, stage in enumerate(staged):
        stage.publish(f"again/{number}")
"""

WRITER = """
import sys
from pathlib import Path
from datafolio.backend import LocalBackend

backend = LocalBackend(Path(sys.argv[1]))
backend.create("objects/a", b"x")
print("written", flush=True)
sys.stdin.read()
"""

# The first argument tells which of the two ends before the other.
FORKED = """
import os, sys
from pathlib import Path
from datafolio.backend import LocalBackend

backend = LocalBackend(Path(sys.argv[1]))
backend.create("objects/parent", b"x")
child = os.fork()
if child == 0:
    stage = backend.stage()
    stage.write(b"child")
    if sys.argv[2] == "parent first":
        print("staged", flush=True)
        sys.stdin.read()
    stage.publish("objects/child")
    stage.discard()
    sys.exit()
if sys.argv[2] == "parent first":
    sys.exit()
stage = backend.stage()
stage.write(b"parent")
os.waitpid(child, 0)
print("waited", flush=True)
sys.stdin.read()
stage.publish("objects/after")
stage.discard()
"""

AT_EXIT = """
import sys, weakref
from pathlib import Path
from datafolio.backend import LocalBackend

class Handle: pass

backend = LocalBackend(Path(sys.argv[1]))
handle = Handle()
weakref.finalize(handle, backend.replace, "items.json", b"{}")
backend.create("objects/a", b"x")
"""


def locks(root):
    return sorted(name for name in os.listdir(root / "tmp") if name.endswith(".lock"))


def abandon(root, *, size):
    """What a killed process left."""
    (root / "tmp").mkdir(parents=True, exist_ok=True)
    (root / "tmp" / "00000000deadbeef.lock").touch()
    (root / "tmp" / "00000000deadbeef-0000000000000001").write_bytes(bytes(size))


@pytest.fixture
def before_locking(monkeypatch):
    """Do something once, just before the next call that locks in the way given."""
    flock = fcntl.flock
    waiting = []

    def told_flock(file, operation):
        if waiting and operation & waiting[0][0]:
            waiting.pop(0)[1]()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", told_flock)
    return lambda operation, do: waiting.append((operation, do))


# One descriptor.


def test_hundreds_of_large_stages_need_few_descriptors(backend, root, start):
    process = start(MANY)
    process.communicate()
    assert process.returncode == 0
    for folder in ("objects", "again"):
        assert len(list(backend.list(f"{folder}/"))) == 200
        assert backend.read(Key(f"{folder}/199")) == b"199" + bytes(2 << 20)
    assert os.listdir(root / "tmp") == []


def test_a_published_stage_takes_no_more_bytes_and_can_be_published_again(backend):
    with backend.stage() as stage:
        stage.write(b"once")
        stage.publish(KEY)
        with pytest.raises(StorageError, match="published"):
            stage.write(b"late")
        stage.publish(Key("b"))
    assert backend.read(KEY) == backend.read(Key("b")) == b"once"


def test_all_stages_of_a_backend_are_under_one_lock(backend, root, staged):
    stages = [backend.stage() for _ in range(5)]
    (lock,) = locks(root)
    assert {name.partition("-")[0] for name in staged(root)} == {lock.removesuffix(".lock")}
    for stage in stages:
        stage.discard()
    assert locks(root) == [lock]


# How long a lock stays.


def test_a_lock_goes_with_its_backend(root):
    backend = LocalBackend(root)
    backend.create(KEY, b"x")
    assert len(locks(root)) == 1
    del backend
    gc.collect()
    assert locks(root) == []


def test_a_stage_keeps_its_backend_and_so_its_lock(root):
    stage = LocalBackend(root).stage()
    gc.collect()
    assert LocalBackend(root).sweep_stages() == 0
    stage.write(b"x")
    stage.publish(KEY)
    stage.discard()
    del stage
    gc.collect()
    assert locks(root) == []


@pytest.mark.parametrize("program", [WRITER, AT_EXIT], ids=["as usual", "with something written on the way out"])
def test_a_lock_goes_when_its_process_ends(root, start, program):
    process = start(program)
    process.communicate("")
    assert process.returncode == 0
    assert os.listdir(root / "tmp") == []


def test_the_lock_of_a_killed_process_is_swept_though_nothing_was_staged(backend, root, start):
    process = start(WRITER)
    assert process.stdout.readline() == "written\n"
    assert backend.sweep_stages() == 0
    assert len(locks(root)) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert backend.sweep_stages() == 0
    assert locks(root) == []


# Forked processes.


def test_a_forked_process_that_ends_leaves_its_parent_the_lock(backend, root, start, staged):
    process = start(FORKED, "child first")
    assert process.stdout.readline() == "waited\n"
    assert backend.read(Key("objects/child")) == b"child"
    assert backend.sweep_stages() == 0
    assert (len(locks(root)), len(staged(root))) == (1, 1)
    process.communicate("")
    assert process.returncode == 0
    assert backend.read(Key("objects/after")) == b"parent"
    assert os.listdir(root / "tmp") == []


def test_a_forked_process_that_outlives_its_parent_keeps_what_it_staged(backend, root, start, staged):
    process = start(FORKED, "parent first")
    assert process.stdout.readline() == "staged\n"
    process.wait()
    assert backend.sweep_stages() == 0
    assert (len(locks(root)), len(staged(root))) == (1, 1)
    process.communicate("")  # until the child has ended too
    assert backend.read(Key("objects/child")) == b"child"
    assert backend.sweep_stages() == 0
    assert os.listdir(root / "tmp") == []


# Sweeps that meet others.


def test_a_sweep_between_the_making_of_a_lock_and_its_locking_makes_another_lock(backend, root, before_locking, staged):
    swept = []

    def sweep():
        swept.extend(locks(root))
        LocalBackend(root).sweep_stages()

    before_locking(fcntl.LOCK_EX, sweep)
    with backend.stage() as stage:
        stage.write(b"x")
        assert len(swept) == len(locks(root)) == 1
        assert swept != locks(root)
        assert LocalBackend(root).sweep_stages() == 0
        assert staged(root)[0].startswith(locks(root)[0].removesuffix(".lock"))
        stage.publish(KEY)
    assert backend.read(KEY) == b"x"


@pytest.mark.parametrize("begun", [True, False], ids=["of a session in the listing", "of a session begun since"])
def test_a_stage_made_while_a_sweep_runs_is_kept(backend, root, before_locking, staged, begun):
    abandon(root, size=1000)
    if begun:
        backend.create(KEY, b"x")
    stages = []
    before_locking(fcntl.LOCK_SH, lambda: stages.append(backend.stage()))
    assert LocalBackend(root).sweep_stages() == 1000
    assert (len(locks(root)), len(staged(root))) == (1, 1)
    stages[0].publish(Key("b"))
    stages[0].discard()


def test_a_sweep_in_the_middle_of_another_leaves_it_nothing_to_do(root, before_locking):
    abandon(root, size=1000)
    freed = []
    before_locking(fcntl.LOCK_SH, lambda: freed.append(LocalBackend(root).sweep_stages()))
    assert LocalBackend(root).sweep_stages() == 0
    assert freed == [1000]
    assert os.listdir(root / "tmp") == []


def test_a_sweep_by_the_backend_itself_keeps_its_own_stages_and_takes_the_others(backend, root, staged):
    abandon(root, size=1000)
    with backend.stage() as stage:
        own = staged(root)[1:]
        assert backend.sweep_stages() == 1000
        assert (staged(root), len(locks(root))) == (own, 1)
        stage.publish(KEY)


def test_files_without_a_lock_are_swept_and_folders_are_not(backend, root):
    (root / "tmp" / "folder").mkdir(parents=True)
    (root / "tmp" / "00000000deadbeef-0000000000000001").write_bytes(b"left")
    assert backend.sweep_stages() == len(b"left")
    assert os.listdir(root / "tmp") == ["folder"]


def test_where_nobody_can_lock_stages_work_and_a_sweep_removes_nothing(root, monkeypatch):
    def no_locks(_file, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    abandon(root, size=1000)
    backend = LocalBackend(root)
    with backend.stage() as stage:
        stage.write(b"x")
        assert LocalBackend(root).sweep_stages() == 0
        stage.publish(KEY)
    assert backend.read(KEY) == b"x"
    del backend, stage
    gc.collect()
    assert locks(root) == ["00000000deadbeef.lock"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs somebody who can be another user")
@pytest.mark.parametrize("rights", [0o400, 0o444], ids=["the lock can't be opened", "nothing can be removed"])
def test_what_another_user_left_is_kept_where_rights_forbid_to_remove_it(rights):
    root = Path(tempfile.mkdtemp())  # pytest's own is below a folder that is only for root
    root.chmod(0o755)
    abandon(root, size=1000)
    (root / "tmp").chmod(0o777 if rights == 0o400 else 0o755)
    (root / "tmp" / "00000000deadbeef.lock").chmod(rights)
    os.seteuid(65_534)
    try:
        assert LocalBackend(root).sweep_stages() == 0
    finally:
        os.seteuid(0)
        left = os.listdir(root / "tmp")
        shutil.rmtree(root)
    assert len(left) == len({"the lock", "what was staged"})


# Locks and folders that somebody takes away.


@pytest.mark.parametrize("what", ["the lock", "the staging folder", "the whole folder"])
def test_a_backend_whose_lock_is_taken_away_gets_another(backend, root, what, staged):
    backend.create(KEY, b"x")
    (before,) = locks(root)
    if what == "the lock":
        (root / "tmp" / before).unlink()
    elif what == "the staging folder":
        shutil.rmtree(root / "tmp")
    else:
        root.rename(root.with_name("moved"))
    with backend.stage() as stage:
        stage.write(b"y")
        assert len(locks(root)) == 1
        assert locks(root) != [before]
        assert LocalBackend(root).sweep_stages() == 0
        stage.publish(Key("b"))
    assert backend.read(Key("b")) == b"y"


def test_a_sweep_takes_nothing_that_no_session_staged(tmp_path):
    """A folio from elsewhere may have anything in the place of tmp/, and a user may keep things there."""
    home = tmp_path / "home"
    (home / "docs").mkdir(parents=True)
    (home / "thesis.txt").write_text("mine")
    (home / f"{'a' * 16}-{'b' * 16}").write_text("bears such a name")
    folio = tmp_path / "folio"
    folio.mkdir()
    (folio / "tmp").symlink_to(home)
    assert LocalBackend(folio).sweep_stages() == 0
    assert sorted(path.name for path in home.iterdir()) == [f"{'a' * 16}-{'b' * 16}", "docs", "thesis.txt"]
    (folio / "tmp").unlink()
    (folio / "tmp").mkdir()
    (folio / "tmp" / "notes.txt").write_text("mine")
    LocalBackend(folio).sweep_stages()
    assert (folio / "tmp" / "notes.txt").read_text() == "mine"
