"""A library in a Python of its own, driven over a pipe: what it is told to do, and how long each took.

Each line of the standard input is a request in JSON: ``{"call": METHOD, "arguments": [...], "times": N}``; each line
of the output its answer, ``{"seconds": [...], "result": ...}`` or ``{"error": "..."}``.  An argument that begins with
``@`` names a value made here, so that making it and sending it are never timed; ``@number`` and ``@rows`` are new ones
each time.  ``{n}`` in an argument counts up.

This file and its neighbours run in the peers' environments: they import nothing of this project's, nor of each other's
libraries.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

__all__ = ["serve"]


def serve(library: Any, values: dict[str, Callable[[], Any]]) -> None:
    """Answer until the input ends.  What the library prints goes to the standard error, past the answers."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    made, numbers = _Values(values), itertools.count(1)
    for line in sys.stdin:
        _answer(json.loads(line), library, made, numbers, answers)


class _Values:
    """Values by name, made when they are first wanted."""

    def __init__(self, makers: dict[str, Callable[[], Any]]) -> None:
        self._makers = makers
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]


def _answer(request: dict[str, Any], library: Any, values: _Values, numbers: Any, answers: TextIO) -> None:
    try:
        answer = _carry_out(request, library, values, numbers)
    except Exception as error:  # noqa: BLE001  # the other side raises it
        answer = {"error": f"{type(error).__name__}: {error}"}
    json.dump(answer, answers, default=str)
    answers.write("\n")
    answers.flush()


def _carry_out(request: dict[str, Any], library: Any, values: _Values, numbers: Any) -> dict[str, Any]:
    method = getattr(library, request["call"])
    seconds: list[float] = []
    for _ in range(request.get("times", 1)):
        arguments = _arguments(request.get("arguments", []), values, next(numbers))
        gc.collect()
        start = time.perf_counter()
        result = method(*arguments)  # kept until the time is taken, so that freeing it does not count
        seconds.append(time.perf_counter() - start)
        plain = result if isinstance(result, (int, str)) else None
        del result
    return {"seconds": seconds, "result": plain}


def _arguments(arguments: list[Any], values: _Values, number: int) -> list[Any]:
    return [_argument(argument, values, number) for argument in arguments]


def _argument(argument: Any, values: _Values, number: int) -> Any:
    if not isinstance(argument, str):
        return argument
    if argument == "@number":
        return {"number": number}
    if argument == "@rows":
        return values["small"].assign(x=number)
    return values[argument[1:]] if argument.startswith("@") else argument.replace("{n}", str(number))
