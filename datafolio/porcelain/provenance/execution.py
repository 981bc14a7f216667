"""The program that is running."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from datafolio.porcelain.place import working_directory

__all__ = ["capture_execution"]


def capture_execution(arguments: bool = False) -> dict[str, Any]:
    """Working directory, entry point and, only if asked for, the command-line arguments.

    ``{"working_directory": str, or None if it was deleted; "entry_point": str or None}``, and
    ``"arguments": [str]`` with `arguments`, since they can hold secrets.  The entry point is the path of the
    script (relative if it is below the working directory), ``"-m package.module"``, ``"-c"``,
    ``"notebook"``, ``"interactive"``, ``"-"`` for a program read from standard input, or None where Python
    can't tell.
    """
    folder = working_directory()
    entry = _entry_point(folder)
    captured = {
        "working_directory": None if folder is None else _valid(str(folder)),
        "entry_point": None if entry is None else _valid(entry),
    }
    return captured | {"arguments": [_valid(word) for word in _argv()[1:]]} if arguments else captured


def _entry_point(folder: Path | None) -> str | None:
    # A kernel and a shell of IPython are programs themselves, started with -m or from a script.
    if kind := _ipython():
        return kind
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name.startswith("_pyrepl"):  # the prompt of Python 3.13 and later
        return "interactive"
    # Python names the specification of a folder or a zip file that is run as a program plainly __main__.
    if spec is not None and spec.name != "__main__":
        return f"-m {spec.name.removesuffix('.__main__')}"
    file = getattr(main, "__file__", None)
    # "<stdin>" stands there while a program from standard input runs.
    return _script(file, folder) if file and not file.startswith("<") else _without_file()


def _ipython() -> str | None:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return None
    return "notebook" if hasattr(shell, "kernel") else "interactive"


def _script(file: str, folder: Path | None) -> str:
    path = Path(file)
    if folder is not None and path.is_absolute() and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)


def _without_file() -> str | None:
    first = _argv()[0]
    if first in {"-c", "-"}:
        return first
    if first == "":
        return "interactive" if hasattr(sys, "ps1") or sys.flags.interactive else "-"
    return None


def _argv() -> list[str]:
    """The arguments; where Python is embedded in another program there may be none."""
    return list(getattr(sys, "argv", None) or ["?"])


def _valid(text: str) -> str:
    """`text` as valid Unicode: bytes of a path that are none are shown escaped."""
    return os.fsencode(text).decode(errors="backslashreplace")
