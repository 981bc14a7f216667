"""Text for people."""

from __future__ import annotations

import reprlib

__all__ = ["format_size", "printable", "quoted"]

_STEP = 1000

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 80


def format_size(size: float) -> str:
    """A number of bytes: ``1 byte``, ``1.5 MB``, in powers of 1000."""
    if size < _STEP:
        return f"{size:.0f} byte{'' if size == 1 else 's'}"
    for unit in ("kB", "MB", "GB"):
        size /= _STEP
        if size < _STEP:
            return f"{size:.1f} {unit}"
    return f"{size / _STEP:.1f} TB"


def quoted(value: object) -> str:
    """`repr`, with the middle left out of what is long: for messages, which people have to read."""
    return _repr.repr(value)


def printable(text: str) -> str:
    """`text` with whatever could control a terminal, or turn the writing direction, written as an escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
