"""Collections that come by themselves: how much garbage they wait for, and how to switch them off."""

from __future__ import annotations

import math
import os
import pickle

import pytest

from datafolio import DataFolio
from datafolio.errors import UsageError
from datafolio.store.log import RETAINED
from tests.store.plumbing import eager_collections

SIZE = 8192
OVERWRITES = 300


def du(path):
    """Bytes on the disk below `path`."""
    return sum(os.lstat(file).st_blocks * 512 for file in path.rglob("*"))


def overwritten(path, auto_gc):
    """The space that a folio takes every 50 of many overwrites; each 50 go through a handle that was pickled."""
    folio = DataFolio(path, auto_gc=auto_gc)
    taken = []
    with eager_collections(4 * SIZE):
        for number in range(OVERWRITES):
            folio.add_data("model", os.urandom(SIZE), overwrite=True)
            if number % 50 == 49:
                folio = pickle.loads(pickle.dumps(folio))
                taken.append(du(path / "objects"))
    return taken


def bound(share):
    """What the retained records need, what may wait on top of it, and the records' own small nodes and folders."""
    return (RETAINED + 10) * (SIZE + 4096) * (1 + share) + 512 * 4096


def test_a_loop_of_overwrites_takes_no_more_than_the_log_needs_and_the_share(tmp_path):
    taken = overwritten(tmp_path / "folio", 0.25)
    assert max(taken) < bound(0.25)
    assert DataFolio(tmp_path / "folio").validate().findings == ()


def test_none_switches_it_off_and_an_explicit_collection_still_frees(tmp_path):
    taken = overwritten(tmp_path / "folio", None)
    assert taken == sorted(taken)
    assert taken[-1] > OVERWRITES * SIZE
    folio = DataFolio(tmp_path / "folio", auto_gc=None)
    folio.cleanup_orphaned_versions()
    assert du(folio.path / "objects") < bound(0)


def test_a_larger_share_waits_longer(tmp_path):
    assert max(overwritten(tmp_path / "folio", 50)) > OVERWRITES * SIZE


@pytest.mark.parametrize("share", [True, "0.5", -0.1, math.nan, math.inf, [0.5]])
def test_what_is_no_share_is_refused_before_anything_is_made(tmp_path, share):
    for make in (DataFolio, DataFolio.open):
        with pytest.raises(UsageError, match="auto_gc is a share"):
            make(tmp_path / "folio", auto_gc=share)
    assert not (tmp_path / "folio").exists()
