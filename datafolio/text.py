"""Text for people."""

from __future__ import annotations

import re
import reprlib

__all__ = ["format_size", "parse_size", "printable", "quoted"]

_STEP = 1000
_SIZE = re.compile(r"(?P<number>\d{1,18}(\.\d{1,6})?) ?(?P<unit>[kmgt]?)(b|bytes?)?", re.ASCII | re.IGNORECASE)

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


def parse_size(text: str) -> int | None:
    """The number of bytes that ``20GB``, ``1.5 MB`` or ``1000`` means, in powers of 1000; None for another text."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    unit: int = _STEP ** "_kmgt".index(match["unit"].lower() or "_")
    return round(float(match["number"]) * unit) if "." in match["number"] else int(match["number"]) * unit


def quoted(value: object) -> str:
    """`repr`, with the middle left out of what is long: for messages, which people have to read."""
    return _repr.repr(value)


def printable(text: str) -> str:
    """`text` with whatever could control a terminal, or turn the writing direction, written as an escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
