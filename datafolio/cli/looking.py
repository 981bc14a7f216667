"""The commands that only look, without typer, whose loading takes several times as long as they do.

They are taken from here if their line is as plain as in `_COMMANDS`, with no options but ``--folio PATH``
before the command and ``--json`` behind it.  All others, and all that is wrong, is for `parser` to say:
a line that is found here means exactly what typer makes of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from datafolio.cli.session import find_target

__all__ = ["find"]


class _Command(NamedTuple):
    """Where its function is, and how many arguments it takes."""

    module: str
    function: str
    arguments: range


_NONE, _ONE, _TWO, _ONE_AT_MOST = range(1), range(1, 2), range(2, 3), range(2)
_DIFF = _Command("snapshot", "diff", _ONE_AT_MOST)
_STATUS = _Command("folio", "status", _NONE)
_COMMANDS = {
    ("describe",): _Command("folio", "describe", _NONE),
    ("diff",): _DIFF,
    ("log",): _Command("history", "log", _ONE_AT_MOST),
    ("status",): _STATUS,
    ("snapshot", "compare"): _Command("snapshot", "compare", _TWO),
    ("snapshot", "diff"): _DIFF,
    ("snapshot", "list"): _Command("snapshot", "list_", _NONE),
    ("snapshot", "reproduce"): _Command("snapshot", "reproduce", _ONE),
    ("snapshot", "show"): _Command("snapshot", "show_", _ONE),
    ("snapshot", "status"): _STATUS,
}


def find(words: Sequence[str], environment: Mapping[str, str]) -> Callable[[], None] | None:
    """What the command line `words` is to do, or None if it is for the parser."""
    if "_DATAFOLIO_COMPLETE" in environment:
        return None  # the shell asks how a line could go on
    folio, words = _folio(words)
    length = 2 if words[:1] == ["snapshot"] else 1
    name, arguments = tuple(words[:length]), words[length:]
    as_json = "--json" in arguments
    names = [word for word in arguments if word != "--json"]
    command = _COMMANDS.get(name)
    if command is None or len(names) not in command.arguments or any(word.startswith("-") for word in names):
        return None
    return lambda: _run(command, folio, environment, names, as_json=as_json)


def _folio(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """What ``--folio`` says, and the words after it."""
    first, *rest = words or [""]
    if first == "--folio" and rest and not rest[0].startswith("-"):
        return rest[0], rest[1:]
    if first.startswith("--folio="):
        return first.removeprefix("--folio="), rest
    return None, list(words)


def _run(
    command: _Command, folio: str | None, environment: Mapping[str, str], names: list[str], *, as_json: bool
) -> None:
    module = importlib.import_module(f"datafolio.cli.{command.module}")
    run: Any = getattr(module, command.function)
    # Of typer's context, commands use what was found before them.
    run(SimpleNamespace(obj=find_target(folio, environment)), *names, as_json=as_json)
