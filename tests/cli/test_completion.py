"""The shell completes the names of snapshots."""

from __future__ import annotations

import pytest


@pytest.fixture
def complete(monkeypatch, run):
    def complete(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_DATAFOLIO_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        done = run()
        assert done.err == ""
        return done.out.split()

    return complete


@pytest.mark.parametrize("command", ["show", "reproduce", "delete", "restore", "export", "diff", "compare"])
def test_the_names_of_snapshots_are_completed(command, story, complete) -> None:
    assert complete(f"datafolio snapshot {command} v") == ["v1.0", "v2.0"]


def test_the_folio_is_the_one_that_the_line_names(story, complete, monkeypatch) -> None:
    monkeypatch.chdir(story.parents[1])
    assert complete("datafolio --folio experiments/my-experiment snapshot compare v1.0 e") == ["experimental-v5"]


def test_where_there_is_no_folio_nothing_is_completed(tmp_path, complete, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert complete("datafolio snapshot show v") == []
