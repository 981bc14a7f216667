"""The one place that asks what time it is.  Times are information; nothing is decided by them."""

from __future__ import annotations

import datetime as dt

__all__ = ["utc_now"]


def utc_now() -> str:
    """Now, as ISO 8601 in UTC with microseconds: ``2025-01-20T15:00:00.000000Z``."""
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
