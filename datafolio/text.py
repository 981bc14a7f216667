"""Text for people."""

from __future__ import annotations

__all__ = ["format_size", "printable"]

_STEP = 1000


def format_size(size: float) -> str:
    """A number of bytes: ``1 byte``, ``1.5 MB``, in powers of 1000."""
    if size < _STEP:
        return f"{size:.0f} byte{'' if size == 1 else 's'}"
    for unit in ("kB", "MB", "GB"):
        size /= _STEP
        if size < _STEP:
            return f"{size:.1f} {unit}"
    return f"{size / _STEP:.1f} TB"


def printable(text: str) -> str:
    """`text` with whatever could control a terminal, or turn the writing direction, written as an escape."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
