"""The short way of the commands that look does what typer does."""

from __future__ import annotations

import itertools

import pytest

from datafolio.cli import looking, parser
from datafolio.errors import FolioError

COMMANDS = [
    *(f"snapshot {name}" for name in ("list", "show", "compare", "diff", "status", "reproduce", "create")),
    *("describe", "status", "log", "diff", "undo", "init", "snapshot", ""),
]
BEHIND = ["", "v1.0", "v1.0 v2.0", "v1.0 v2.0 x", "--json", "v1.0 --json", "--json v1.0 v2.0", "v1.0 -- v2.0", "--help"]
LINES = [f"{command} {words}".split() for command, words in itertools.product(COMMANDS, BEHIND)]


def found(words, environment=None):
    return looking.find(words, environment or {})


@pytest.mark.parametrize("words", [words for words in LINES if found(words)], ids=" ".join)
def test_the_short_way_prints_and_returns_what_the_parser_does(words, story, capsys) -> None:
    assert outcome(found(words), capsys) == outcome(lambda: parser.run(words), capsys)


def outcome(run, capsys):
    try:
        code = run() or 0
    except SystemExit as stop:
        code = stop.code
    except FolioError as error:
        code = str(error)
    return code, capsys.readouterr()


@pytest.mark.parametrize("folio", [["--folio", "."], ["--folio=."]], ids=" ".join)
def test_the_folio_may_be_named(folio, story, capsys, monkeypatch) -> None:
    words = ["snapshot", "list"]
    assert outcome(found([*folio, *words]), capsys) == outcome(lambda: parser.run(words), capsys)


@pytest.mark.parametrize(
    "line",
    [
        "snapshot list --tag a",
        "snapshot list --help",
        "snapshot show",
        "snapshot show a b",
        "snapshot show -x",
        "snapshot compare a b --exit-code",
        "--folio",
        "--folio . --folio . status",
        "--folio --json status",
        "--json status",
        "log -n 3",
        "snapshot create a",
        "snapshot delete a",
        "snapshot",
        "fsck",
        "",
    ],
)
def test_all_else_is_for_the_parser(line) -> None:
    assert found(line.split()) is None


def test_a_line_that_the_shell_wants_completed_is_for_the_parser() -> None:
    assert found(["snapshot", "list"], {"_DATAFOLIO_COMPLETE": "complete_bash"}) is None


@pytest.mark.parametrize(
    "words", [["snapshot list"], ["snapshot list", "--help"], ["snapshot show", "v1.0", "v2.0"]], ids=str
)
def test_a_word_with_a_blank_in_it_is_no_two_words(words) -> None:
    assert found(words) is None
