"""Matplotlib figures, as PNG pictures."""

from __future__ import annotations

import io
import pathlib
import struct
from collections.abc import Mapping
from typing import Any, ClassVar

from datafolio.errors import UnsupportedValueError
from datafolio.items.base import Encoded, ItemType, Payload, Sink

__all__ = ["FigureType"]


class FigureType(ItemType):
    """A matplotlib Figure; what comes back is the path of its picture."""

    tag: ClassVar[str] = "figure"

    def matches(self, value: object) -> bool:
        return _is_figure(value)

    def encode(self, value: Any, sink: Sink) -> Encoded:
        if not _is_figure(value):
            raise UnsupportedValueError(
                f"a figure is a matplotlib Figure, not a {type(value).__qualname__}; "
                f"the figure of an Axes is its .figure"
            )
        picture = _draw(value)
        sink.write(picture)
        # A PNG begins with its signature, then the header chunk: length, "IHDR", width, height.
        width, height = struct.unpack_from(">II", picture, 16)
        return Encoded(".png", {"width": width, "height": height})

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> pathlib.Path:  # noqa: ARG002 - the contract's
        return payload.path()


def _is_figure(value: object) -> bool:
    return any(base.__module__ == "matplotlib.figure" and base.__name__ == "Figure" for base in type(value).__mro__)


def _draw(figure: Any) -> bytes:
    file = io.BytesIO()
    try:
        # Without the version of matplotlib in it the same drawing gives the same bytes.
        figure.savefig(file, format="png", metadata={"Software": None})
    except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
        raise UnsupportedValueError(f"the figure can't be drawn: {error}") from error
    return file.getvalue()
