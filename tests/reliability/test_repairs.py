"""The short form of the program that mends folios after random damage."""

from __future__ import annotations

from tests.reliability import repairs


def test_a_repair_never_makes_less_readable_and_a_second_one_does_nothing():
    figures = repairs.run(16, seed=2)
    assert figures.with_copy > 2
    assert figures.collected + figures.refused > 0
    assert figures.faults == []
