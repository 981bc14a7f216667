"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A shared machine's pauses are no failures; in CI the examples are the same every time.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")


@pytest.fixture
def staged():
    """The names of what is staged in a folder; the locks of those who may stage something, and the reserve, aside."""

    def staged(folder):
        names = os.listdir(folder / "tmp")
        return sorted(name for name in names if not name.endswith(".lock") and not name.startswith("reserve-"))

    return staged
