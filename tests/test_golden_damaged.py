"""Damaged folios that earlier versions wrote: the same damage is found, nothing wrong is read, and repair mends it.

`tests/golden/broken.py` wrote them; those of a released format are never written again.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from datafolio import DataFolio, FolioError
from datafolio.backend import LocalBackend
from datafolio.store.repair import repair
from tests.golden import broken

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "damaged1.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    with zipfile.ZipFile(GOLDEN / "damaged1.zip") as archive:
        archive.extractall(folder)
    return folder


def readable(root):
    """What can be read, by snapshot and item; each must be what it was."""
    right = {(None, "parameters"): {"depth": 4}, ("baseline", "parameters"): {"depth": 3}}
    right |= {(snapshot, "passing"): 0 for snapshot in (None, "second")} | {("second", "parameters"): {"depth": 4}}
    found = set()
    for snapshot, name in right:
        try:
            folio = DataFolio(root, read_only=True)
            value = (folio if snapshot is None else folio.get_snapshot(snapshot)).get_json(name)
        except FolioError:
            continue
        assert value == right[snapshot, name]
        found.add((snapshot, name))
    return found


def test_there_is_one_for_every_case():
    assert list(EXPECTED) == list(broken.CASES)
    assert EXPECTED["nothing"] == []
    assert all(EXPECTED[case] for case in EXPECTED if case != "nothing")


@pytest.mark.parametrize("case", EXPECTED)
def test_the_same_is_found_as_when_it_was_written(unpacked, case):
    assert broken.findings(unpacked / case) == EXPECTED[case]


@pytest.mark.parametrize("case", EXPECTED)
def test_nothing_wrong_is_read_and_repair_makes_no_less_readable(unpacked, case):
    root = unpacked / case
    before = readable(root)
    result = repair(LocalBackend(root), dry_run=False)
    if "fall-back" in {action.id for action in result.actions}:
        assert before == set()
    else:
        assert before <= readable(root)
    assert repair(LocalBackend(root)).actions == ()


def test_this_version_finds_the_same_in_what_it_damages_itself(tmp_path):
    for case in broken.CASES:
        root = tmp_path / case
        broken.make(root)
        broken.damage(root, case)
        assert [finding for finding, _ in broken.findings(root)] == [finding for finding, _ in EXPECTED[case]]
