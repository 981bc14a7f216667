"""What several of these tests share."""

from __future__ import annotations

import pytest

from tests.reliability import hostile


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A folio to make hostile copies of."""
    return hostile.make(tmp_path_factory.mktemp("original") / "folio")
