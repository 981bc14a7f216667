"""On a file system that can share blocks between files, nothing large is copied; each file is its own all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datafolio.backend.cloning import clone

ROOT = Path(__file__).parents[2]

MOUNT = (
    'rm -f "$DISK.img" && truncate -s 200M "$DISK.img" && mkfs.btrfs -q "$DISK.img" >/dev/null && '
    'mount -o loop "$DISK.img" "$DISK" && '
    'exec "$PYTHON" -c "$CODE" "$DISK"'
)

CODE = """
import os, sys
from pathlib import Path
from datafolio import DataFolio

SIZE = 30 << 20
disk = Path(sys.argv[1])
source = disk / "source.bin"
data = os.urandom(SIZE)
source.write_bytes(data)
folio = DataFolio(disk / "folio")

def taken(action):
    before = used()
    action()
    return used() - before

def used():
    os.sync()
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize

assert taken(lambda: folio.add_artifact("it", source)) < SIZE / 10
folio.create_snapshot("s", capture_git=False, capture_environment=False, capture_execution=False)
assert taken(lambda: folio.export_snapshot("s", disk / "out")) < SIZE / 10

for path in (source, disk / "out" / "it.bin"):
    assert path.read_bytes() == data
    with path.open("r+b") as file:
        file.write(b"scribbled")
assert folio.validate()
assert folio.get_artifact_path("it").read_bytes() == data
folio.add_artifact("changed", source)
assert folio.get_artifact_path("changed").read_bytes() == source.read_bytes() != data

stored = folio.path / "objects" / folio.get_item_info("it")["digest"][:2] / folio.get_item_info("it")["digest"][2:]
stored.chmod(0o644)
with stored.open("r+b") as file:
    file.write(b"damaged")
try:
    folio.export_snapshot("s", disk / "again")
except Exception as error:
    print(type(error).__name__, os.listdir(disk / "again"))
"""


def in_a_namespace(**variables: object) -> subprocess.CompletedProcess[str]:
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | {name: str(value) for name, value in variables.items()}
    words = ["unshare", *mapped, "--mount", "sh", "-c", MOUNT]
    return subprocess.run(words, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.skipif(not (shutil.which("unshare") and shutil.which("mkfs.btrfs")), reason="needs mkfs.btrfs and unshare")
def test_what_is_added_and_exported_shares_its_blocks_and_is_checked(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if in_a_namespace(DISK=disk, PYTHON=sys.executable, CODE="").returncode:
        pytest.skip("btrfs can't be mounted here")
    done = in_a_namespace(DISK=disk, PYTHON=sys.executable, CODE=CODE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "CorruptObjectError []\n"


def test_where_nothing_can_be_shared_nothing_happens(tmp_path):
    (tmp_path / "source").write_bytes(b"x" * 10_000)
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        cloned = clone(source, target.fileno())
    assert (tmp_path / "target").read_bytes() == (b"x" * 10_000 if cloned else b"")


@pytest.mark.skipif(sys.platform != "linux", reason="needs the module that has ioctl")
def test_no_other_system_is_asked_by_a_number_of_linux(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("fcntl.ioctl", lambda *words: asked.append(words))
    (tmp_path / "source").write_bytes(b"x")
    with (tmp_path / "source").open("rb") as source, (tmp_path / "target").open("wb") as target:
        assert clone(source, target.fileno())
        monkeypatch.setattr(sys, "platform", "darwin")
        assert not clone(source, target.fileno())
    assert len(asked) == 1
