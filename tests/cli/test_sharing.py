"""`datafolio clone`, `push` and `pull`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from datafolio import DataFolio


@pytest.fixture
def copy(story, tmp_path, run):
    path = tmp_path / "copy"
    assert run("clone", story, path).code == 0
    return path


def test_clone_says_where_and_how_much(story, tmp_path, run) -> None:
    done = run("clone", ".", tmp_path / "copy")
    objects = sum(1 for file in (story / "objects").rglob("*") if file.is_file())
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"cloned to {tmp_path / 'copy'}: {objects} objects, ")
    copy = DataFolio.open(tmp_path / "copy")
    assert copy.items == DataFolio.open(story).items
    assert list(copy.snapshots) == list(DataFolio.open(story).snapshots)
    assert run("clone", ".", tmp_path / "copy").out == f"nothing to do: {tmp_path / 'copy'} is up to date\n"


def test_push_brings_the_copy_up_to_date(story, copy, run) -> None:
    DataFolio.open(story).add_json("new", "as no other")
    assert run("push", copy).out == f"pushed to {copy}: 1 object, 13 bytes\n"
    assert run("push", copy).out == f"nothing to do: {copy} is up to date\n"
    assert DataFolio.open(copy).get_json("new") == "as no other"
    assert run("--folio", copy, "log", "-n", 1).out.splitlines()[1].split("  ")[-1] == "+ new"


def test_pull_brings_the_folio_up_to_date(story, copy, run) -> None:
    DataFolio.open(copy).add_json("new", "as no other")
    assert run("pull", copy).out == f"pulled to {story}: 1 object, 13 bytes\n"
    DataFolio.open(story).add_json("newer", 1)
    assert run("pull", copy).out == f"nothing to do: {story} has all that {copy} has, and more\n"


@pytest.mark.parametrize("command", ["push", "pull"])
def test_what_went_two_ways_is_refused_with_what_differs(story, copy, run, command) -> None:
    for path, name in ((story, "here"), (copy, "there")):
        DataFolio.open(path).add_json(name, 1)
    done = run(command, copy)
    assert (done.code, done.out) == (4, "")
    assert f"lose it: item '{'there' if command == 'push' else 'here'}'; nothing was changed" in done.err
    assert done.err.count("\n") == 1


def test_a_copy_that_is_ahead_is_to_be_pulled_from(story, copy, run) -> None:
    DataFolio.open(copy).add_json("there", 1)
    done = run("push", copy)
    assert done.code == 4
    assert "is ahead of" in done.err
    assert "pull from it first" in done.err


def test_one_snapshot_can_be_had_alone(story, tmp_path, run) -> None:
    one = tmp_path / "one"
    assert run("clone", story, one, "--snapshot", "v1.0").code == 0
    assert run("push", one, "--snapshot", "v2.0").code == 0
    assert run("--folio", one, "pull", story, "--snapshot", "experimental-v5").code == 0
    assert list(DataFolio.open(one).snapshots) == ["v1.0", "v2.0", "experimental-v5"]
    assert DataFolio.open(one).get_json("model") == {"made for": "v1.0"}
    assert run("push", one, "--snapshot", "nope").code == 3


def test_the_json_is_what_the_library_returns(story, tmp_path, run) -> None:
    done = run("clone", story, tmp_path / "copy", "--json")
    assert done.err == ""
    assert done.json == {
        "source": str(story),
        "target": str(tmp_path / "copy"),
        "snapshot": None,
        "changed": True,
        "ahead": False,
        "objects": done.json["objects"],
        "bytes": done.json["bytes"],
    }
    again = run("push", tmp_path / "copy", "--json").json
    assert again == done.json | {"changed": False, "objects": 0, "bytes": 0}
    assert run("pull", tmp_path / "copy", "--json").json["target"] == str(story)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("clone", "../nothing", "../copy"), 3, "no folio at"),
        (("push", "../nothing"), 3, "datafolio clone"),
        (("pull", "../nothing"), 3, "no folio at"),
        (("push", "."), 2, "the folio itself"),
        (("clone", ".", "objects/copy"), 2, "a place inside it"),
        (("clone", ".", ".."), 4, "other things"),
        (("clone", "."), 2, "TARGET"),
        (("--folio", ".", "clone", ".", "copy"), 2, "leave out --folio"),
        (("clone", "nope://x/y", "../copy"), 2, "nope"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_an_exit_code(words, code, said, story, run) -> None:
    before = sorted(story.iterdir())
    done = run(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert sorted(story.iterdir()) == before


def test_damage_of_the_source_ends_it_with_six(story, tmp_path, run) -> None:
    digest = DataFolio.open(story).list_items()[0]["digest"]
    stored = story / "objects" / digest[:2] / digest[2:]
    stored.chmod(0o644)
    stored.write_bytes(b"x" * stored.stat().st_size)
    done = run("clone", story, tmp_path / "copy")
    assert done.code == 6
    assert digest[2:] in done.err
    assert run("--folio", tmp_path / "copy", "fsck").code == 0


def test_nothing_of_it_reaches_a_terminal_raw(story, copy, run) -> None:
    for path, name in ((story, "here"), (copy, "[bold]\u202e\u2028there")):
        DataFolio.open(path).add_json(name, 1)
    done = run("push", copy)
    assert {character for character in done.err if not character.isprintable()} == {"\n"}


COPYING = """
import sys, time
from datafolio.cli.progress import copying_bar
from datafolio.store.transfer import Amount
with copying_bar("copying") as progress:
    progress(Amount(0, 0), Amount(4, 4_000_000))
    time.sleep(float(sys.argv[1]))
    progress(Amount(1, 1_000_000), Amount(4, 4_000_000))
"""


@pytest.mark.parametrize(("seconds", "is_shown"), [(0, False), (1.1, True)])
def test_only_what_takes_over_a_second_shows_a_bar(environment, seconds, is_shown) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    command = [sys.executable, "-c", COPYING, str(seconds)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=slave) as process:
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 10_000):
                shown += piece
        except OSError:  # the other end was closed
            pass
    os.close(master)
    assert process.returncode == 0
    assert (b"1 of 4 objects, 1.0 MB of 4.0 MB" in shown) == is_shown
    assert bool(shown) == is_shown


def test_where_nobody_looks_there_is_no_bar(environment) -> None:
    code = COPYING.partition("    progress(")[0] + "    assert progress is None"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, stderr=subprocess.PIPE)
