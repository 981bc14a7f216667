"""The short form of the program that damages files at random."""

from __future__ import annotations

import pytest

from tests.reliability import damage


@pytest.mark.parametrize("seed", [1, 2])
def test_all_damage_that_matters_is_found_and_no_wrong_value_is_returned(seed):
    figures = damage.run(25, seed)
    assert figures.vital > 8
    assert figures.refused > 50
    assert figures.undetected == []
    assert figures.wrong == []
    assert figures.foreign == []


def test_a_reader_that_does_not_look_at_digests_would_be_caught(monkeypatch):
    """The program can fail."""
    monkeypatch.setattr("datafolio.store.objects.ObjectStore.require_digest", lambda *args: None)
    monkeypatch.setattr("datafolio.store.objects.ObjectStore.is_sound", lambda *args: True)
    figures = damage.run(25, seed=3)
    assert figures.undetected
    assert figures.wrong
