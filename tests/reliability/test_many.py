"""Many processes at once; the long form is ``python -m tests.reliability.many``."""

from __future__ import annotations

import pytest

from datafolio import DataFolio
from tests.reliability import many


def test_what_many_processes_do_is_all_there_although_another_collects_all_the_while(tmp_path):
    mixed = many.mixed_work(tmp_path / "folio", 8, 25)
    assert mixed.missing == []
    assert mixed.findings == []
    assert mixed.operations == 200
    assert mixed.collections > 0


def test_of_many_processes_that_create_one_snapshot_name_exactly_one_does(tmp_path):
    winners = many.one_name(tmp_path / "folio", 8, 10)
    assert [len(names) for names in winners] == [1] * 10


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        (many.Effects(items={"a": 2}), "item 'a' is not 2"),
        (many.Effects(items={"b": 1}), "item 'b' is not 1"),
        (many.Effects(deleted_items={"a"}), "item 'a' is still there"),
        (many.Effects(metadata={"m": 1}), "metadata['m'] is not 1"),
        (many.Effects(nested={"n": 1}), "metadata['nested']['scores']['n'] is not 1"),
        (many.Effects(snapshots={"t": 1}), "snapshot 't' is not that of 1"),
        (many.Effects(deleted_snapshots={"s"}), "snapshot 's' is still there"),
    ],
)
def test_an_effect_that_is_not_there_is_told(tmp_path, effects, words):
    folio = DataFolio(tmp_path / "folio")
    folio.add_json("a", 1)
    folio.metadata["nested"] = {"scores": {}}
    folio.create_snapshot("s", capture_git=False, capture_environment=False, capture_execution=False)
    assert list(many.missing_effects(folio, effects)) == [words]
