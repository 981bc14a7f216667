"""A writer that is killed; the long form is ``python -m tests.reliability.kill``."""

from __future__ import annotations

import re

import pytest

from datafolio import DataFolio
from tests.reliability.programs import run_program
from tests.reliability.workload import check_folio, litter, perform, random_steps, states, steps


@pytest.mark.parametrize(("offset", "trials"), [(3, 8), (66, 8)])
def test_a_killed_writer_leaves_what_it_acknowledged_and_nothing_to_repair(tmp_path, offset, trials):
    told = run_program("kill", tmp_path, "--stride", 191, "--offset", offset, "--trials", trials)
    found = re.match(r"SIGKILL at (\d+) points and in (\d+) random trials .* (\d+) trials with anything lost", told)
    assert found, told
    points, random_trials, failures = map(int, found.groups())
    assert points >= 4
    assert (random_trials, failures) == (trials, 0)


def test_the_workload_does_the_same_to_a_folio_and_to_the_model_of_it(tmp_path):
    said = []
    perform(tmp_path / "folio", steps(tmp_path), said.append)
    assert len(said) == len(steps(tmp_path))
    assert check_folio(tmp_path / "folio", states(steps(tmp_path))[-1:]) == -1


def test_random_steps_do_the_same_to_a_folio_and_to_the_model_of_it(tmp_path):
    made = [step for step, _ in zip(random_steps(7, tmp_path), range(40), strict=False)]
    perform(tmp_path / "folio", made, lambda _: None)
    assert check_folio(tmp_path / "folio", states(made)[-1:]) == -1


def test_what_was_acknowledged_and_is_not_there_is_told(tmp_path):
    perform(tmp_path / "folio", steps(tmp_path)[:4], lambda _: None)
    with pytest.raises(AssertionError, match="expected one of"):
        check_folio(tmp_path / "folio", states(steps(tmp_path))[5:7])


def test_litter_is_told(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    folio.add_json("a", 1)
    assert litter(folio.path) == []
    for name in ("0123456789abcdef-0123456789abcdef", "0123456789abcdef.lock"):
        (folio.path / "tmp" / name).touch()
    assert len(litter(folio.path)) == 2
    folio.cleanup_orphaned_versions()
    assert litter(folio.path) == []
