"""What was acknowledged outlives a power loss; the long form is ``python -m tests.reliability.power``."""

from __future__ import annotations

import os

import pytest

from tests.reliability import disk, power, workload


@pytest.fixture(scope="module")
def recorded() -> power.Recorded:
    with power.scratch() as folder:
        return power.recorded(workload.steps(folder))


def test_what_was_acknowledged_outlives_a_power_loss_that_takes_all_that_was_not_synced(recorded):
    found = power.prove(recorded, power.acknowledged_points(recorded.trace), disk.worst_loss)
    assert found.problems == []
    assert found.states == found.acknowledged == len(recorded.expected) - 1


def test_a_power_loss_at_any_moment_leaves_a_folio_in_order(recorded):
    found = power.prove(recorded, power.all_points(recorded.trace), most=45)
    assert found.problems == []
    assert found.states == 45


def test_a_power_loss_while_the_log_is_trimmed_leaves_a_folio_in_order():
    recorded = power.recorded(power.many_steps(115))
    points = power.all_points(recorded.trace)[-300:]
    assert any(isinstance(event, disk.Unlinked) and "/log/" in event.path for event in recorded.trace[-300:])
    assert power.prove(recorded, points, most=25).problems == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_store_that_does_not_sync_its_files_or_its_folders_loses_something(recorded, kind):
    trace = power.without(recorded.trace, lambda event: event.is_folder is (kind == "folder"))
    points = power.acknowledged_points(trace)[:4]
    found = power.prove(power.Recorded(trace, recorded.expected), points, disk.worst_loss)
    assert found.problems != []


def test_a_disk_keeps_of_a_file_what_was_synced_and_of_a_folder_what_stood_there_then():
    trace = [
        disk.MadeFolder("d"),
        disk.Opened(3, ".", os.O_RDONLY, 0o755),
        disk.Synced(3, is_folder=True),
        disk.Opened(4, "d/a", os.O_CREAT | os.O_WRONLY, 0o644),
        disk.Written(4, b"one"),
        disk.Synced(4, is_folder=False),
        disk.Opened(5, "d", os.O_RDONLY, 0o755),
        disk.Synced(5, is_folder=True),
        disk.Written(4, b" two"),
        disk.Linked("d/a", "d/b"),
        disk.Unlinked("d/a"),
    ]
    model = disk.Disk()
    for event in trace:
        model.apply(event)
    left = {loss.words: model.survivors(loss) for loss in disk.losses(0)}
    assert left["no entry and no byte that was not synced"] == {"d": None, "d/a": (b"one", 0o644)}
    assert left["every entry and every byte that was not synced"] == {"d": None, "d/b": (b"one two", 0o644)}
    assert left["removals only and zeros that was not synced"] == {"d": None}
    assert left["creations only and half of the bytes that was not synced"] == {
        "d": None,
        "d/a": (b"one t", 0o644),
        "d/b": (b"one t", 0o644),
    }
