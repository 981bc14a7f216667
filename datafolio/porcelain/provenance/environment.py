"""Python and what is installed for it."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path
from typing import Any

from datafolio.digest import digest_of_file
from datafolio.porcelain.provenance.distributions import installed
from datafolio.porcelain.provenance.git import find_top

__all__ = ["LOCK_FILES", "capture_environment"]

#: The lock files that are looked for, the first of a folder counts.
LOCK_FILES = (
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pixi.lock",
    "conda-lock.yml",
    "pylock.toml",
    "requirements.txt",
)


def capture_environment(start: Path) -> dict[str, Any]:
    """The interpreter, the machine, the installed distributions and the lock file.

    ``{"python": "3.11.5", "implementation": "CPython", "platform": str, "machine": str,
    "packages": {name: version}, "direct": {name: {"url", "editable"?, "commit"?}},
    "lock": {"file": name, "digest": hex} or None}``.

    `direct` is what was installed from an address or a folder instead of an index, the address without
    credentials.  `lock` is the nearest lock file, from `start` up to the top of its repository; only in
    `start` if it is in none.  No environment variable, user name or host name is read.
    """
    distributions = installed()
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": _platform(),
        "machine": platform.machine(),
        "packages": {found.name: found.version for found in distributions},
        "direct": {found.name: dict(found.direct) for found in distributions if found.direct is not None},
        "lock": _lock(start),
    }


@functools.cache
def _platform() -> str:
    """``Linux-6.1.0-x86_64-with-glibc2.36``."""
    if sys.platform != "linux":
        return platform.platform()
    # What platform.platform() says too, but for the name of the processor, for which it runs `uname -p`.
    system = os.uname()
    return f"{system.sysname}-{system.release}-{system.machine}-with-{''.join(platform.libc_ver())}".rstrip("-")


def _lock(start: Path) -> dict[str, str] | None:
    for folder in _folders(start):
        for name in LOCK_FILES:
            if digest := _digest(folder / name):
                return {"file": name, "digest": digest}
    return None


def _folders(start: Path) -> list[Path]:
    try:
        start = start.resolve()
        top = find_top(start) or start
    except OSError:
        return []
    return [folder for folder in (start, *start.parents) if folder.is_relative_to(top)]


def _digest(path: Path) -> str | None:
    """None if `path` is no file, or can't be read."""
    try:
        if not path.is_file():
            return None
        with open(path, "rb") as file:
            return digest_of_file(file)[0]
    except OSError:
        return None
