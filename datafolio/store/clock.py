"""The one place that asks what time it is.  Times that are written are information; nothing is decided by them."""

from __future__ import annotations

import datetime as dt
import time
from typing import NamedTuple

__all__ = ["Moment", "utc_now"]


class Moment(NamedTuple):
    """A moment by two clocks: one may stand still while the machine sleeps, and the other may be set."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.monotonic(), time.time())

    def is_longer_ago_than(self, seconds: float) -> bool:
        """Whether that may be so, by either of the clocks."""
        return time.monotonic() - self.monotonic > seconds or not 0 <= time.time() - self.wall <= seconds


def utc_now() -> str:
    """Now, as ISO 8601 in UTC with microseconds: ``2025-01-20T15:00:00.000000Z``."""
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
