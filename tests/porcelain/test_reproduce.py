"""The instructions for getting back to a snapshot."""

from __future__ import annotations

import ast
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datafolio.porcelain.reproduce import reproduce_instructions

GIT = {"commit": "abc123", "branch": "main", "dirty": False, "remote": None}
ENVIRONMENT = {"python": "3.11.5", "implementation": "CPython", "packages": {"a": "1", "b": "2"}, "lock": None}
METADATA = {"accuracy": 0.89, "f1_score": 0.87}
WHERE = ("v1.0", "experiments/exp")


def locked(file: str) -> dict[str, object]:
    return ENVIRONMENT | {"lock": {"file": file, "digest": "0" * 64}}


def lines(**snapshot: object) -> list[str]:
    return reproduce_instructions(*WHERE, snapshot).splitlines()


def test_the_guides_example_comes_out_as_in_the_guide():
    snapshot = {"git": GIT, "environment": locked("uv.lock"), "execution": None, "metadata": METADATA}
    assert (
        reproduce_instructions("v1.0", "experiments/exp", snapshot)
        == """\
To reproduce snapshot 'v1.0':

1. Restore code:
   git checkout abc123

2. Restore environment:
   Python version: 3.11.5
   uv sync

3. Load bundle:
   folio = DataFolio.load_snapshot('experiments/exp', 'v1.0')

4. Expected results:
   accuracy: 0.89
   f1_score: 0.87"""
    )


@pytest.mark.parametrize("nothing", [{}, {"git": None, "environment": None, "execution": None, "metadata": {}}])
def test_steps_without_anything_captured_are_left_out(nothing):
    assert (
        reproduce_instructions("v1.0", "experiments/exp", nothing)
        == """\
To reproduce snapshot 'v1.0':

1. Load bundle:
   folio = DataFolio.load_snapshot('experiments/exp', 'v1.0')"""
    )


def test_the_steps_that_are_left_are_numbered_on():
    titles = [line for line in lines(environment=ENVIRONMENT, metadata=METADATA) if line[:1].isdigit()]
    assert titles == ["1. Restore environment:", "2. Load bundle:", "3. Expected results:"]


def test_uncommitted_changes_are_warned_of():
    warned = lines(git=GIT | {"dirty": True})
    assert warned[3] == "   git checkout abc123"
    assert warned[4].startswith("   Warning: there were uncommitted changes")
    assert "Warning" not in str(lines(git=GIT))


def test_the_remote_is_shown_to_clone_from():
    assert lines(git=GIT | {"remote": "https://example.org/r.git"})[3].startswith(
        "   git clone https://example.org/r.git  #"
    )


@pytest.mark.parametrize("remote", ["--upload-pack=evil", "ext::sh -c evil", "hg::https://example.org/r", ""])
def test_a_remote_that_is_no_address_to_clone_from_is_not_shown(remote):
    assert lines(git=GIT | {"remote": remote}) == lines(git=GIT)


def test_a_credential_that_another_program_left_in_the_folio_is_not_shown():
    shown = lines(git=GIT | {"remote": "https://secret@example.org/r.git"})
    assert "secret" not in str(shown)


def test_a_remote_is_quoted_for_the_shell():
    shown = lines(git=GIT | {"remote": "/srv/$(evil); rm x"})[3]
    assert shlex.split(shown, comments=True) == ["git", "clone", "/srv/$(evil); rm x"]


def test_a_commit_that_is_none_is_no_command():
    shown = lines(git=GIT | {"commit": "main; evil\x1b"})
    assert not any(line.strip().startswith("git checkout") for line in shown)
    assert "\x1b" not in str(shown[3])


def test_before_the_first_commit_there_is_nothing_to_check_out():
    shown = lines(git=GIT | {"commit": None})
    assert shown[3].startswith("   Note: the repository had no commit yet")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("uv.lock", "uv sync"),
        ("poetry.lock", "poetry install"),
        ("pdm.lock", "pdm sync"),
        ("Pipfile.lock", "pipenv sync"),
        ("pixi.lock", "pixi install"),
        ("conda-lock.yml", "conda-lock install"),
        ("pylock.toml", "uv pip sync pylock.toml"),
        ("requirements.txt", "pip install -r requirements.txt"),
    ],
)
def test_the_lock_file_says_the_command(file, command):
    assert lines(environment=locked(file))[3:5] == ["   Python version: 3.11.5", f"   {command}"]


def test_without_a_lock_file_the_versions_that_are_recorded_are_pointed_at():
    shown = lines(environment=ENVIRONMENT)[4]
    assert shown == "   2 package versions are recorded; to see them: datafolio snapshot show v1.0 --json"
    assert lines(environment=locked("evil; rm x"))[4] == shown


def test_another_implementation_of_python_is_named():
    assert lines(environment={"python": "3.11.13", "implementation": "PyPy"})[3] == "   Python version: 3.11.13 (PyPy)"


def test_long_and_nested_results_take_one_short_line_each():
    shown = lines(metadata={"notes": "x" * 1000, "params": {"depth": list(range(1000))}, "on": True})[6:]
    assert [line.split(":")[0].strip() for line in shown] == ["notes", "params", "on"]
    assert all(len(line) < 100 for line in shown)
    assert shown[0].endswith("xxx...")


def test_a_great_many_results_are_cut_and_counted():
    shown = lines(metadata={f"m{number}": number for number in range(1000)})
    assert len(shown) < 70
    assert shown[-1] == "   ... and 950 more, in the snapshot's metadata"


def test_quotes_in_a_path_do_not_break_the_line():
    text = reproduce_instructions("v1", 'it\'s "here"\\', {})
    call = ast.parse(text.splitlines()[-1].strip()).body[0].value
    assert [argument.value for argument in call.args] == ['it\'s "here"\\', "v1"]


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.lists(st.text())), st.text())
def test_no_value_can_write_a_line_of_its_own_or_reach_the_terminal(location, metadata, other):
    git = {"commit": other, "remote": other, "dirty": True}
    environment = {"python": other, "implementation": other, "lock": None, "packages": {other: other}}
    text = reproduce_instructions("v1", location, {"git": git, "environment": environment, "metadata": metadata})
    assert all(line.isprintable() for line in text.split("\n"))
    known = ("To reproduce", "   ", "1. ", "2. ", "3. ", "4. ")
    assert all(line == "" or line.startswith(known) for line in text.split("\n"))
    assert len(text.split("\n")) <= 18 + len(metadata)
