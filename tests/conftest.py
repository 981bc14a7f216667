"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# A shared machine's pauses are no failures; in CI the examples are the same every time.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")
