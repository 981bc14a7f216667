"""Operations of the disk that fail; the long form is ``python -m tests.reliability.oserror``, also with --stays."""

from __future__ import annotations

import re

import pytest

from tests.reliability.programs import run_program


@pytest.mark.parametrize(("stride", "offset", "options"), [(751, 5, []), (751, 380, []), (1501, 60, ["--stays"])])
def test_an_error_of_the_disk_is_told_and_leaves_the_folio_as_before_or_after(tmp_path, stride, offset, options):
    told = run_program("oserror", tmp_path, "--stride", stride, "--offset", offset, *options)
    found = re.match(r"OSError at (\d+) points: (\d+) with anything amiss", told)
    assert found, told
    points, failures = map(int, found.groups())
    assert points >= 8
    assert failures == 0
