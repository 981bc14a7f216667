"""A writer or collector that sleeps at any step; the long form is ``python -m tests.reliability.stop``."""

from __future__ import annotations

import re

import pytest

from tests.reliability.programs import run_program


@pytest.mark.parametrize("offset", [60, 185])
def test_who_sleeps_while_others_delete_and_collect_loses_nothing_and_takes_nothing(tmp_path, offset):
    told = run_program("stop", tmp_path, "--stride", 401, "--offset", offset)
    found = re.match(r"SIGSTOP at (\d+) points: .*; (\d+) with anything missing or amiss", told)
    assert found, told
    points, failures = map(int, found.groups())
    assert points >= 5
    assert failures == 0
