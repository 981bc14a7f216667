"""Nothing that a folio holds, and nothing that a command line says, reaches the terminal raw."""

from __future__ import annotations

import shutil

import pytest

from datafolio import DataFolio

HOSTILE = "\x1b[31m[red]x[/red]\x1b]0;title\x07\r\nsecond\x9b1m line\u202eback\u2066\u2028:smile: [/]"

COMMANDS = [
    ("describe",),
    ("status",),
    ("fsck",),
    ("snapshot", "list"),
    ("snapshot", "show", "v1"),
    ("snapshot", "reproduce", "v1"),
    ("snapshot", "compare", "v1", "v2"),
    ("snapshot", "diff", "v1"),
    ("snapshot", "gc", "--dry-run"),
    ("snapshot", "gc"),
    ("snapshot", "delete", "v1", "--cleanup"),
    ("snapshot", "restore", "v1"),
    ("snapshot", "list", "--tag", HOSTILE),
    ("snapshot", "show", HOSTILE),
    ("snapshot", "create", HOSTILE),
    ("snapshot", "list", HOSTILE),
    ("--folio", HOSTILE, "status"),
    (HOSTILE,),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "folio"
    folio = DataFolio(path)
    name = "[bold]item\u202e[/]"
    for number in (1, 2, 3):
        folio.add_json(name, number, description=HOSTILE, overwrite=True)
        folio.metadata[HOSTILE] = [HOSTILE, number]
        if number < 3:
            folio.create_snapshot(f"v{number}", HOSTILE, [HOSTILE], capture_environment=False)
    folio.delete_snapshot("v2")
    folio.create_snapshot("v2", HOSTILE, [HOSTILE], capture_environment=False)
    return path


@pytest.fixture
def hostile(original, tmp_path, monkeypatch):
    path = tmp_path / "a [red]\x1b[31m\u202e folio"
    shutil.copytree(original, path)
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words)))
def test_control_codes_bidi_marks_and_newlines_are_shown_as_escapes(words, hostile, run) -> None:
    done = run(*words)
    shown = done.out + done.err
    assert shown
    assert {character for character in shown if not character.isprintable()} == {"\n"}
    assert "Traceback" not in shown


@pytest.mark.parametrize("words", COMMANDS[3:5], ids=" ".join)
def test_markup_is_shown_as_it_was_written(words, hostile, run) -> None:
    out = run(*words).out
    assert "\\x1b[31m[red]x[/red]\\x1b]0;title\\x07\\r\\nsecond\\x9b1m line\\u202eback\\u2066\\u2028:smile: [/]" in out


def test_output_in_an_encoding_that_lacks_the_characters_is_escaped(tmp_path, spawn) -> None:
    DataFolio(tmp_path / "f").add_json("données", 1)
    done = spawn("--folio", tmp_path / "f", "describe", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.code == 0
    assert "donn\\xe9es" in done.out
