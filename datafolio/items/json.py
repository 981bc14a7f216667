"""Plain values as canonical JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from datafolio import canonical
from datafolio.items.base import Encoded, ItemType, Payload, Sink

__all__ = ["JsonType"]

_PLAIN = frozenset(
    {dict, list, tuple, set, frozenset, str, bytes, int, float, complex, bool, type(None)}
    | {dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID}
)


class JsonType(ItemType):
    """Python's own containers, text, bytes, numbers, None, dates, and numpy's scalars.

    A numpy scalar comes back as the Python value it equals.
    """

    tag: ClassVar[str] = "json"

    def matches(self, value: object) -> bool:
        return type(value) in _PLAIN or _is_numpy_scalar(type(value))

    def encode(self, value: Any, sink: Sink) -> Encoded:
        sink.write(canonical.encode(value))
        facts: dict[str, Any] = {"kind": type(value).__name__}
        if isinstance(value, (dict, list, tuple, str)):
            facts["length"] = len(value)
        return Encoded(".json", facts)

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> Any:  # noqa: ARG002 - the contract's
        return canonical.decode(memoryview(payload.read()))


def _is_numpy_scalar(kind: type) -> bool:
    return any(base.__module__ == "numpy" and base.__name__ == "generic" for base in kind.__mro__)
