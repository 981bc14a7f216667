"""Finding what a change of the metadata is to be made on, and saying both sides where that is no longer there."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from datafolio.canonical import encode
from datafolio.errors import ConflictError

__all__ = ["Call", "Path", "container_at", "place_of", "require_container"]

Path = tuple[Any, ...]

_OPERATORS = {
    "__iadd__": "+=",
    "__imul__": "*=",
    "__ior__": "|=",
    "__iand__": "&=",
    "__isub__": "-=",
    "__ixor__": "^=",
}


class Call(NamedTuple):
    """A call of a method of the container at a path, as a handle wants it made."""

    path: Path
    #: What the container was, and its type, when the call was asked for.
    shown: Any
    kind: type[Any]
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def place_of(path: Path) -> str:
    """The path as one writes it in Python."""
    return "metadata" + "".join(f"[{part!r}]" for part in path)


def container_at(plain: Any, path: Path, kind: type[Any]) -> Any:
    """What is at `path` in the metadata `plain`, or None if that is no `kind`."""
    for key in path:
        try:
            plain = plain[key]
        except (LookupError, TypeError):
            return None
    return plain if type(plain) is kind else None


def require_container(plain: Any, call: Call) -> Any:
    """The container that `call` is to be made on.  Raises ConflictError if another writer changed what that is."""
    container = container_at(plain, call.path, call.kind)
    if container is None:
        raise _conflict(f"is no longer a {call.kind.__name__}", plain, call)
    for key in call.path:
        # The items of a list may have shifted, so that another value is at the path.
        if type(plain) is list and encode(container) != encode(call.shown):
            raise _conflict("is another value now, since its list was changed", container, call, ())
        plain = plain[key]
    return container


def _conflict(what: str, plain: Any, call: Call, path: Path | None = None) -> ConflictError:
    return ConflictError(
        f"{place_of(call.path)} {what}: {_found(plain, call.path if path is None else path)}; "
        f"this handle wanted {_wanted(call)} where it saw {reprlib.repr(call.shown)}; read it again"
    )


def _found(plain: Any, path: Path) -> str:
    for key in path:
        try:
            plain = plain[key]
        except (LookupError, TypeError):
            return "another writer removed it"
    return f"another writer put {reprlib.repr(plain)} there"


def _wanted(call: Call) -> str:
    """The call as one writes it in Python, in short."""
    place, args = place_of(call.path), list(map(reprlib.repr, call.args))
    if call.method == "__setitem__":
        return f"{place}[{args[0]}] = {args[1]}"
    if call.method == "__delitem__":
        return f"del {place}[{args[0]}]"
    if call.method in _OPERATORS:
        return f"{place} {_OPERATORS[call.method]} {args[0]}"
    named = (f"{name}={reprlib.repr(value)}" for name, value in call.kwargs.items())
    return f"{place}.{call.method}({', '.join([*args, *named])})"
