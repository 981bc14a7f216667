"""What to type to get back to where a snapshot was made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from datafolio.porcelain.provenance.remote import sanitise_remote
from datafolio.text import printable

__all__ = ["reproduce_instructions"]

_RESTORE = {
    "uv.lock": "uv sync",
    "poetry.lock": "poetry install",
    "pdm.lock": "pdm sync",
    "Pipfile.lock": "pipenv sync",
    "pixi.lock": "pixi install",
    "conda-lock.yml": "conda-lock install",
    "pylock.toml": "uv pip sync pylock.toml",
    "requirements.txt": "pip install -r requirements.txt",
}
_LONGEST = 72
_MOST_RESULTS = 50
_T = TypeVar("_T")
_HEX = re.compile(r"[0-9a-fA-F]{4,64}")


class _Step(NamedTuple):
    title: str
    lines: list[str]


def reproduce_instructions(name: str, location: str, snapshot: Mapping[str, Any]) -> str:
    """Instructions for people, as the guide shows them, without a newline at the end.

    `snapshot` has ``git``, ``environment``, ``execution`` and ``metadata``, any of them None or missing.
    A step for which nothing was captured is left out and the others are numbered on.  All values are shown
    on one line each, control characters escaped, and what is meant for a shell or Python is quoted for it.
    """
    steps = [
        _Step("Restore code", list(_code(snapshot.get("git") or {}))),
        _Step("Restore environment", list(_environment(name, snapshot.get("environment") or {}))),
        _Step("Load bundle", [f"folio = DataFolio.load_snapshot({str(location)!r}, {str(name)!r})"]),
        _Step("Expected results", list(_results(snapshot.get("metadata") or {}))),
    ]
    return "\n\n".join([f"To reproduce snapshot {str(name)!r}:", *_numbered(step for step in steps if step.lines)])


def _numbered(steps: Iterable[_Step]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        yield "\n".join([f"{number}. {step.title}:", *(f"   {line}" for line in step.lines)])


def _code(git: Mapping[str, Any]) -> Iterator[str]:
    if not git:
        return
    # Cleaned again: the folio may have been written by anyone.
    remote = sanitise_remote(_if_a(str, git.get("remote")))
    if remote and not remote.startswith("-") and "::" not in remote:
        yield f"git clone {_shell(remote)}  # unless you have it already"
    commit = git.get("commit")
    if commit is None:
        yield "Note: the repository had no commit yet, so the code can't be restored from it"
    elif _HEX.fullmatch(str(commit)):
        yield f"git checkout {commit}"
    else:
        yield f"Note: the recorded commit is not one that git could have written: {_shown(str(commit))}"
    if git.get("dirty"):
        yield "Warning: there were uncommitted changes; the commit alone may not give the same results"


def _environment(name: str, environment: Mapping[str, Any]) -> Iterator[str]:
    if python := environment.get("python"):
        implementation = environment.get("implementation") or "CPython"
        other = "" if implementation == "CPython" else f" ({_shown(str(implementation))})"
        yield f"Python version: {_shown(str(python))}{other}"
    lock = _if_a(str, (_if_a(dict, environment.get("lock")) or {}).get("file"))
    packages = _if_a(dict, environment.get("packages"))
    if lock in _RESTORE:
        yield _RESTORE[lock]
    elif packages:
        versions = "1 package version is" if len(packages) == 1 else f"{len(packages)} package versions are"
        yield f"{versions} recorded; to see them: datafolio snapshot show {_shell(name)} --json"


def _if_a(kind: type[_T], value: object) -> _T | None:
    """`value`, if it is what datafolio writes in its place."""
    return value if isinstance(value, kind) else None


def _results(metadata: Mapping[Any, Any]) -> Iterator[str]:
    for key, value in list(metadata.items())[:_MOST_RESULTS]:
        yield f"{_shown(str(key))}: {_shown(str(value))}"
    if len(metadata) > _MOST_RESULTS:
        yield f"... and {len(metadata) - _MOST_RESULTS} more, in the snapshot's metadata"


def _shell(word: str) -> str:
    return shlex.quote(printable(word))


def _shown(text: str) -> str:
    """`text` on one line, shortened if it is long."""
    # Cut first, so that what is long does not cost its length; escaping only makes it longer.
    escaped = printable(text[: _LONGEST + 1])
    return escaped if len(escaped) <= _LONGEST else escaped[: _LONGEST - 3] + "..."
