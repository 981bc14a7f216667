"""The near side of a library that runs in a Python of its own; `workers/loop.py` is the far side."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.isolation import surroundings

__all__ = ["Worker"]

_WORKERS = Path(__file__).parent / "workers"


class Worker:
    """A process that does what it is told and says how long it took: start-up does not count.

    Leaving the ``with`` block ends it.
    """

    def __init__(self, python: Path, script: str, home: Path, size: float = 1, *options: str) -> None:
        self._name = script
        self._process = subprocess.Popen(
            [python, _WORKERS / script, str(size), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=surroundings(home / "home"),
            text=True,
        )

    def call(self, method: str, *arguments: Any, times: int = 1) -> list[float]:
        """The seconds of each repetition.  Raises RuntimeError with what the library raised."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": method, "arguments": arguments, "times": times}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process has ended"}')
        if "error" in answer:
            raise RuntimeError(f"{method} in {self._name}: {answer['error']}")
        return answer["seconds"]

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
