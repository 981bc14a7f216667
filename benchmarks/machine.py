"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from datafolio import __version__

__all__ = ["describe_machine"]

_LIBRARIES = ("pyarrow", "pandas", "numpy", "blake3", "msgspec")


def describe_machine(folder: Path) -> dict[str, str]:
    """The machine in a few lines; `folder` is where the benchmarks write."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES),
        "datafolio": __version__,
        "load when it began": _load(),
    }


def _processor() -> str:
    return _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    size = _field("/proc/meminfo", "MemTotal")
    return f"{int(size.split()[0]) / 1e6:.0f} GB" if size else "unknown"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} processes" if hasattr(os, "getloadavg") else "unknown"


def _field(file: str, name: str) -> str | None:
    """The value of the first ``name: value`` in one of the system's own text files, where it has them."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _file_system(folder: Path) -> str:
    """The type of the mounted file system that `folder` is in."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    holding = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[1]))[2] if holding else "unknown"
