"""On a terminal the command asks before it deletes, and uses colour; elsewhere it does neither."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from datafolio import DataFolio

pty = pytest.importorskip("pty")


@pytest.fixture
def on_terminal(environment) -> Callable[..., tuple[int, str]]:
    """Run the command with a terminal for all three streams, and type `answer`."""

    def on_terminal(*words: str, answer: str = "", **variables: str) -> tuple[int, str]:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "datafolio", *words]
        with subprocess.Popen(command, env=environment | variables, stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            os.write(master, answer.encode())
            shown = _read_all(master)
        os.close(master)
        return process.returncode, shown.replace("\r\n", "\n")

    return on_terminal


def _read_all(master: int) -> str:
    shown = b""
    while True:
        try:
            more = os.read(master, 10_000)
        except OSError:  # Linux's way of saying that the other end is closed
            more = b""
        if not more:
            return shown.decode()
        shown += more


def test_delete_asks_and_a_no_changes_nothing(story, on_terminal) -> None:
    code, shown = on_terminal("snapshot", "delete", "v1.0", answer="n\n")
    assert code == 1
    assert "Delete the snapshot v1.0, made " in shown
    assert ": about v1.0? [y/N]" in shown
    assert "nothing was changed" in shown
    assert "v1.0" in DataFolio.open(story).snapshots


def test_delete_asks_and_a_yes_deletes(story, on_terminal) -> None:
    code, shown = on_terminal("snapshot", "delete", "v1.0", answer="y\n")
    assert (code, "[y/N]" in shown) == (0, True)
    assert "v1.0" not in DataFolio.open(story).snapshots


def test_gc_shows_what_it_would_free_asks_and_frees(story, on_terminal, run) -> None:
    run("snapshot", "delete", "v1.0")
    code, shown = on_terminal("snapshot", "gc", answer="\n")
    assert code == 1
    assert shown.index("would free 1 item version") < shown.index("[y/N]") < shown.index("nothing was changed")
    code, shown = on_terminal("snapshot", "gc", answer="yes\n")
    assert code == 0
    assert shown.index("[y/N]") < shown.index("freed 1 item version")


def test_restore_shows_what_goes_back_and_asks(story, on_terminal) -> None:
    code, shown = on_terminal("restore", "v2.0", answer="n\n", NO_COLOR="1")
    assert code == 1
    assert shown.index("~ model\n") < shown.index("Go back to v2.0? [y/N]")
    assert DataFolio.open(story).get_json("model") == {"made for": "now"}


def test_yes_means_that_nothing_is_asked(story, on_terminal) -> None:
    code, shown = on_terminal("snapshot", "delete", "v1.0", "--cleanup", "--yes")
    assert (code, "[y/N]" in shown) == (0, False)


@pytest.mark.parametrize("words", [("delete", "v1.0"), ("gc",), ("restore", "v1.0")])
def test_without_a_terminal_nothing_is_asked(words, story, run) -> None:
    done = run("snapshot", *words)
    assert (done.code, done.err) == (0, "")


def test_a_terminal_gets_colour(story, on_terminal) -> None:
    assert "\x1b[" in on_terminal("snapshot", "compare", "v1.0", "v2.0")[1]


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_color_and_a_dumb_terminal_turn_every_style_off(variables, story, on_terminal) -> None:
    code, shown = on_terminal("snapshot", "compare", "v1.0", "v2.0", **variables)
    assert code == 0
    assert "\x1b" not in shown


def test_what_is_no_terminal_gets_no_colour_and_no_wrapping(tmp_path, spawn) -> None:
    DataFolio(tmp_path / "f").create_snapshot("v1", "long " * 100 + "end", capture_environment=False)
    done = spawn("--folio", tmp_path / "f", "snapshot", "list", COLUMNS="40")
    assert "\x1b" not in done.out
    assert len(done.out.splitlines()) == 2
    assert done.out.endswith("end\n")


def test_fsck_draws_its_progress_on_standard_error_of_a_terminal(story, on_terminal, spawn) -> None:
    assert "checking" in on_terminal("fsck")[1]
    assert spawn("fsck").err == ""


def test_gc_draws_its_progress_on_standard_error_of_a_terminal(story, on_terminal, spawn) -> None:
    spawn("snapshot", "delete", "v1.0")
    code, shown = on_terminal("snapshot", "gc", "--yes")
    assert code == 0
    assert shown.index("marking") < shown.index("would free 1 item version") < shown.index("collecting")
    assert spawn("snapshot", "gc").err == ""
