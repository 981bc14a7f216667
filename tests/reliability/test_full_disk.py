"""A disk filled to the last byte; the long form is ``python -m tests.reliability.full_disk``."""

from __future__ import annotations

import pytest

from tests.reliability import full_disk, mounted

#: Every number of free bytes and of free files takes minutes.
SHORT = [name for name in full_disk.TASKS if not name.startswith("at_every")]
#: What a tmpfs does not show: blocks that are allocated late, and freed when the journal is written.
ON_EXT4 = ["a_snapshot_is_deleted_and_collected", "what_adds_is_refused"]


def run(name: str, kind: str) -> None:
    reason = mounted.why_not(kind)
    if reason is not None:
        pytest.skip(reason)
    mounted.run(name, kind)


@pytest.mark.parametrize("name", SHORT)
def test_on_a_full_disk(name):
    run(name, "tmpfs")


@pytest.mark.parametrize("name", ON_EXT4)
def test_on_a_full_disk_with_a_journal(name):
    run(name, "ext4")
