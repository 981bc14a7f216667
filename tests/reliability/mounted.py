"""Small disks of one's own, mounted where nobody else sees them, and what fills them.

Each is a tmpfs, or an ext4 in a file, in a mount namespace of a process that ends with it.  Both give the
kernel's own ENOSPC, at whichever operation it comes.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["BLOCK", "KINDS", "MB", "Disk", "run", "why_not"]

ROOT = Path(__file__).parents[2]
MB = 1 << 20
BLOCK = 4096

KINDS = {
    "tmpfs": 'mount -t tmpfs -o "size=$SIZE,nr_inodes=$FILES,mode=755" none "$DISK"',
    # No blocks kept for root, or the disk would never be full for it.
    "ext4": 'truncate -s "$SIZE" "$DISK.img" && mkfs.ext4 -q -m 0 -N 20000 "$DISK.img" && '
    'mount -o loop "$DISK.img" "$DISK" && rm "$DISK.img"',
}


def _in_a_namespace(command: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a shell command that may mount; what it mounts is gone when it ends."""
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | {name: str(value) for name, value in variables.items()}
    words = ["unshare", *mapped, "--mount", "sh", "-c", command]
    return subprocess.run(words, env=environment, text=True, capture_output=True, cwd=ROOT, check=False)


@functools.cache
def why_not(kind: str) -> str | None:
    """Why this machine lets nobody mount such a disk, or None if it does."""
    if shutil.which("unshare") is None:
        return "a disk of one's own needs Linux and its command unshare"
    with tempfile.TemporaryDirectory() as folder:
        tried = _in_a_namespace(KINDS[kind], DISK=_mount_point(folder), SIZE=8 * MB, FILES=100)
    return None if tried.returncode == 0 else f"{kind} can't be mounted here: {tried.stderr.strip()}"


def _mount_point(folder: str) -> Path:
    point = Path(folder) / "disk"
    point.mkdir()
    return point


def run(name: str, kind: str = "tmpfs") -> str:
    """Carry out a task on a new disk; what it printed.  Raises AssertionError with its errors if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        done = _in_a_namespace(
            f'{KINDS[kind]} && exec "$PYTHON" -m tests.reliability.full_disk "$TASK" "$DISK"',
            DISK=_mount_point(folder),
            SIZE=24 * MB,
            FILES=20_000,
            PYTHON=sys.executable,
            TASK=name,
        )
    if done.returncode:
        raise AssertionError(f"{name} on {kind}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Disk:
    """A mounted disk, and the ballast that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "folio"
        self._ballast = folder / "ballast"
        self._crowd = folder / "crowd"

    def free(self) -> int:
        """Bytes that are free."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Leave no more than `leave` bytes free: not one, by default."""
        with open(self._ballast, "ab", buffering=0) as file:
            for piece in (MB, BLOCK, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(piece))
                        os.fsync(file.fileno())
            if leave:
                file.truncate(max(0, file.tell() // BLOCK * BLOCK - leave))
                os.fsync(file.fileno())
        assert leave or self._is_full()

    def _is_full(self) -> bool:
        try:
            (self.folder / "one more byte").write_bytes(b"x")
        except OSError as error:
            return error.errno == errno.ENOSPC
        finally:
            (self.folder / "one more byte").unlink(missing_ok=True)
        return False

    def crowd(self, leave: int = 0) -> None:
        """Leave room for `leave` more files and no other; bytes there are plenty."""
        self._crowd.mkdir(exist_ok=True)
        made = 0
        with contextlib.suppress(OSError):
            while True:
                (self._crowd / f"{made}").touch()
                made += 1
        for number in range(made - leave, made):
            (self._crowd / f"{number}").unlink()

    def clear(self) -> None:
        """Give the disk its room back."""
        self._ballast.unlink(missing_ok=True)
        shutil.rmtree(self._crowd, ignore_errors=True)
