"""`datafolio log` and `datafolio undo`."""

from __future__ import annotations

import pytest

from datafolio import DataFolio
from datafolio.canonical import unpack


def test_log_has_a_line_for_each_operation_newest_first(story, run) -> None:
    done = run("log")
    assert (done.code, done.err) == (0, "")
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["operation", "time", "(UTC)", "what", "changes"]
    operations = DataFolio.open(story).history()
    assert [int(line.split()[0]) for line in lines] == [operation["operation"] for operation in operations]
    assert lines[0].endswith("  ~ model")
    assert "add json 'model'" in lines[0]
    assert lines[1].endswith("create snapshot 'experimental-v5'  + snapshot experimental-v5")
    assert lines[-2].endswith("+ data")
    assert run("log", "-n", 2).out.splitlines()[1:] == lines[:2]


def test_log_of_an_item_has_its_versions(story, run) -> None:
    lines = run("log", "model").out.splitlines()
    assert [line.split("'model'")[1].split() for line in lines[1:]] == [
        ["3", "->", "4", "30", "bytes", "->", "18", "bytes"],
        ["2", "->", "3", "19", "bytes", "->", "30", "bytes"],
        ["1", "->", "2", "19", "bytes", "->", "19", "bytes"],
        ["none", "->", "1", "none", "->", "19", "bytes"],
    ]
    done = run("log", "nope")
    assert (done.code, done.out, done.err) == (0, "", "no operation in the log changed an item nope\n")


def test_log_says_what_is_not_known(story, run) -> None:
    folio = DataFolio.open(story)
    for number in range(120):
        folio.metadata["n"] = number
    assert run("log").out.splitlines()[-1].endswith("(not known)")
    assert run("log", "data").out.splitlines()[-1].rstrip().endswith("(not known)")
    record = story / "log" / f"{folio.history()[3]['operation']:012d}"
    record.unlink()
    record.write_bytes(b"broken")
    assert run("log").out.splitlines()[4].split(maxsplit=1)[1].startswith("(can't be read)")


def test_many_changes_are_counted(story, run) -> None:
    folio = DataFolio.open(story)
    with folio.batch():
        for number in range(9):
            folio.add_json(f"n{number}", number)
    assert run("log", "-n", 1).out.splitlines()[1].endswith("+ n0, + n1, + n2, + n3, + n4 and 4 more")


def test_undo_says_what_it_undid_and_how_to_get_it_back(story, run) -> None:
    folio = DataFolio.open(story)
    newest = folio.history()[0]["operation"]
    done = run("undo")
    assert (done.code, done.out) == (0, f"undid operation {newest} (add json 'model')\n~ model\n")
    assert done.err == (
        f"`datafolio undo {newest + 1}` brings it back; `datafolio undo` goes one operation further back\n"
    )
    assert folio.get_json("model") == {"made for": "experimental-v5"}
    assert run("undo", newest + 1).out == f"undid operation {newest + 1} (undo operation {newest})\n~ model\n"
    assert folio.get_json("model") == {"made for": "now"}


def test_undo_goes_back_to_before_the_given_operation(story, run) -> None:
    assert run("undo", 3).code == 0
    folio = DataFolio.open(story)
    assert (folio.items, dict(folio.metadata), list(folio.snapshots)) == (["data", "model"], {}, [])
    assert run("undo", 3).out == "nothing to undo: everything is as it was before operation 3\n"


def test_undo_shows_changes_of_metadata(story, run) -> None:
    DataFolio.open(story).metadata["accuracy"] = 0.7
    assert run("undo").out.splitlines()[1] == "~ metadata accuracy: 0.7 -> 0.5"


def test_a_dry_run_changes_nothing_and_promises_what_is_then_done(story, run) -> None:
    before = run("log").out
    plan = run("undo", "--dry-run")
    assert plan.err == ""
    assert run("log").out == before
    assert plan.out.removeprefix("would undo") == run("undo").out.removeprefix("undid")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("undo", "999"), 3, "there is no operation 999"),
        (("undo", "0"), 2, "operation 0"),
        (("undo", "yesterday"), 2, "OPERATION"),
        (("log", "-n", "0"), 2, "--number"),
        (("log", ""), 2, "name"),
    ],
)
def test_what_is_no_operation_is_one_line_and_an_exit_code(words, code, said, story, run) -> None:
    done = run(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_undo_past_an_explicit_collection_is_refused_by_name(story, run) -> None:
    DataFolio.open(story).add_json("model", {"made for": "later"}, overwrite=True)
    assert run("snapshot", "gc").code == 0
    done = run("undo")
    assert (done.code, done.out) == (3, "")
    assert "item 'model' version 4 (18 bytes) is gone, freed by the collection" in done.err


@pytest.mark.parametrize("words", [("log",), ("undo",), ("undo", "--dry-run")])
def test_where_there_is_no_folio_the_command_says_so(words, tmp_path, monkeypatch, run) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert done.code == 3
    assert done.err.startswith(f"datafolio: no folio at {tmp_path}")


def test_the_json_of_log_is_what_the_library_gives(story, run) -> None:
    folio = DataFolio.open(story)
    folio.metadata["odd"] = (1, float("inf"))
    for words, expected in ((("log",), folio.history()), (("log", "model"), folio.history("model"))):
        found = run(*words, "--json").json["operations"]
        for operation in found:
            changes = operation["changes"]
            values = unpack(changes["metadata_changes"])
            changes["metadata_changes"] = {key: tuple(pair) for key, pair in values.items()}
        assert found == expected


def test_the_json_of_undo_is_the_newest_operation(story, run) -> None:
    plan = run("undo", "--dry-run", "--json").json
    done = run("undo", "--json")
    assert done.err == ""
    assert done.json == {"dry_run": False, "undo": run("log", "--json").json["operations"][0]}
    assert plan == {"dry_run": True, "undo": done.json["undo"] | {"operation": None, "time": None}}
    number = done.json["undo"]["operation"]
    assert run("undo", number - 1, "--json").json == {"dry_run": False, "undo": None}


def test_nothing_of_it_reaches_a_terminal_raw(story, run) -> None:
    hostile = "[bold]item\u202e[/]"
    folio = DataFolio.open(story)
    folio.add_json(hostile, 1)
    folio.metadata["\x1b[31m\n[red]"] = "\x1b]0;title\x07"
    for words in (("log",), ("log", hostile), ("log", "\x1b[31m"), ("undo", "--dry-run"), ("undo",), ("undo",)):
        done = run(*words)
        shown = done.out + done.err
        assert {character for character in shown if not character.isprintable()} == {"\n"}
    assert "[bold]item\\u202e[/]" in run("log").out
