"""Commands that only look write nothing; the list of their files, sizes and times is the same before and after."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

COMMANDS = [
    ("describe",),
    ("status",),
    ("fsck",),
    ("snapshot", "list"),
    ("snapshot", "show", "v1.0"),
    ("snapshot", "reproduce", "v1.0"),
    ("snapshot", "compare", "v1.0", "v2.0"),
    ("snapshot", "diff"),
    ("snapshot", "gc", "--dry-run"),
]


def listing(path: Path) -> dict[str, tuple[int, int]]:
    gc.collect()  # handles of the commands before, whose locks go with them
    return {str(file): (file.stat().st_mtime_ns, file.stat().st_size) for file in (path, *path.rglob("*"))}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reading_command_writes_nothing(words, story, run) -> None:
    run("snapshot", "delete", "experimental-v5")  # so that there is something to collect
    before = listing(story)
    assert run(*words).code == 0
    assert listing(story) == before


def test_export_writes_to_its_directory_alone(story, run, tmp_path) -> None:
    before = listing(story)
    assert run("snapshot", "export", "v1.0", tmp_path / "out").code == 0
    assert listing(story) == before
