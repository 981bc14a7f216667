"""Every command of the guide works as it is written there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from datafolio import DataFolio

CREATE = [
    'datafolio snapshot create v1.0 -d "Baseline model"',
    'datafolio snapshot create v1.0 \\\n-d "Production model" \\\n-t baseline -t production',
    "datafolio snapshot create v1.0 --no-git --no-env",
]


def words_of(line: str) -> list[str]:
    program, *words = shlex.split(line.replace("\\\n", " "))
    assert program == "datafolio"
    return words


@pytest.mark.parametrize("line", CREATE)
def test_create_makes_the_snapshot_as_the_guide_spells_it(line, tmp_path, monkeypatch, run) -> None:
    DataFolio(tmp_path / "f").add_json("x", 1)
    monkeypatch.chdir(tmp_path / "f")
    done = run(*words_of(line))
    assert (done.code, done.err) == (0, "")
    info = DataFolio.open(".").get_snapshot_info("v1.0")
    assert info["description"] == {0: "Baseline model", 1: "Production model", 2: None}[CREATE.index(line)]
    assert info["tags"] == (["baseline", "production"] if "-t" in line else [])
    assert (info["environment"] is None) == ("--no-env" in line)


def test_list_shows_every_snapshot_oldest_first(story, run) -> None:
    done = run(*words_of("datafolio snapshot list"))
    assert done.code == 0
    assert re.findall(r"^\S+", done.out, re.MULTILINE) == ["name", "v1.0", "v2.0", "experimental-v5"]


def test_list_with_a_tag_shows_those_that_have_it(story, run) -> None:
    done = run(*words_of("datafolio snapshot list --tag production"))
    assert "v2.0" in done.out
    assert "v1.0" not in done.out


def test_list_with_a_tag_that_none_has_leaves_standard_output_empty(story, run) -> None:
    assert run("snapshot", "list", "--tag", "nope") == (0, "", "no snapshot has the tag nope\n")


def test_show_says_everything_that_was_captured(story, run) -> None:
    run("snapshot", "create", "full", "-d", "All of it", "-t", "one", "-t", "two", "--arguments")
    out = run(*words_of("datafolio snapshot show full")).out
    for part in (
        "All of it",
        "one, two",
        "git: not captured",
        "python ",
        "packages ",
        "working directory",
        "arguments",
    ):
        assert part in out
    assert re.search(r"data +1 +json +\d+ bytes +the raw data", out)
    assert re.search(r"accuracy +0\.5", out)
    assert str(story) in out


def test_what_create_was_told_to_leave_out_is_not_captured(story, run) -> None:
    run("snapshot", "create", "bare", "--no-git", "--no-env", "--no-execution")
    out = run("snapshot", "show", "bare").out
    assert [f"{part}: not captured" in out for part in ("git", "environment", "execution")] == [True] * 3


def test_reproduce_prints_the_instructions(story, run) -> None:
    done = run(*words_of("datafolio snapshot reproduce v1.0"))
    assert done.out.startswith("To reproduce snapshot 'v1.0':\n")
    assert f"DataFolio.load_snapshot({str(story)!r}, 'v1.0')" in done.out
    assert "accuracy: 0.89" in done.out


def test_compare_shows_what_was_added_modified_and_unchanged(story, run) -> None:
    done = run(*words_of("datafolio snapshot compare v1.0 v2.0"))
    assert done.code == 0
    assert done.out.splitlines() == [
        "v1.0 -> v2.0",
        "+ extra",
        "~ model",
        "~ metadata accuracy: 0.89 -> 0.91",
        "1 item unchanged",
    ]


def test_delete_and_gc_free_what_only_the_deleted_snapshot_held(story, run) -> None:
    assert run(*words_of("datafolio snapshot delete experimental-v5")) == (0, "deleted snapshot experimental-v5\n", "")
    plan = run(*words_of("datafolio snapshot gc --dry-run"))
    row = r"model +3 +\d+ bytes +snapshot 'experimental-v5'"
    totals = r"would free 1 item version, \d+ files, \d+ bytes in all"
    assert re.search(row, plan.out)
    assert re.search(totals, plan.out)
    done = run(*words_of("datafolio snapshot gc"))
    assert done.out == plan.out + plan.out.splitlines()[-1].replace("would free", "freed") + "\n"
    assert run("snapshot", "gc").out == "nothing to free\n"
    assert run("fsck").code == 0


def test_delete_with_cleanup_says_what_it_freed(story, run) -> None:
    done = run("snapshot", "delete", "experimental-v5", "--cleanup")
    assert done.out.startswith("deleted snapshot experimental-v5\nitem ")
    assert "freed 1 item version" in done.out


def test_the_folio_is_the_current_directory_or_the_options_or_the_environments(story, run, monkeypatch) -> None:
    here = run("snapshot", "list")
    monkeypatch.chdir(story.parents[1])
    assert run(*words_of("datafolio --folio experiments/my-experiment snapshot list")) == here
    monkeypatch.setenv("DATAFOLIO_PATH", "experiments/my-experiment")
    assert run(*words_of("datafolio snapshot list")) == here


def test_the_option_wins_over_the_environment_and_that_over_the_current_directory(story, run, monkeypatch) -> None:
    for name in ("named", "set"):
        DataFolio(story.parent / name)
    monkeypatch.setenv("DATAFOLIO_PATH", str(story.parent / "set"))
    assert run("status", "--json").json["path"] == str(story.parent / "set")
    assert run("--folio", "../named", "status", "--json").json["path"] == str(story.parent / "named")
    monkeypatch.setenv("DATAFOLIO_PATH", "")
    assert run("status", "--json").json["path"] == str(story)


def test_restore_brings_items_and_metadata_back(story, run) -> None:
    done = run("snapshot", "restore", "v1.0")
    assert done.code == 0
    folio = DataFolio.open(story)
    assert folio.get_json("model") == {"made for": "v1.0"}
    assert "extra" not in folio
    assert run("snapshot", "diff", "v1.0", "--exit-code").code == 0


def test_export_writes_ordinary_files_and_prints_their_paths(story, run, tmp_path) -> None:
    done = run("snapshot", "export", "v1.0", tmp_path / "out")
    assert sorted(done.out.splitlines()) == sorted(str(path) for path in (tmp_path / "out").iterdir())
    assert (tmp_path / "out" / "snapshot.json").is_file()


@pytest.mark.parametrize(
    "words", [("diff", "--json"), ("status", "--json"), ("export", "v1.0", "out"), ("restore", "v1.0")]
)
def test_what_is_short_for_a_snapshot_command_does_the_same(words, story, run) -> None:
    assert run(*words).code == 0
    if "--json" in words:
        assert run("snapshot", *words) == run(*words)


def test_status_names_the_newest_snapshot_and_what_changed_since(story, run) -> None:
    out = run("status").out
    assert re.search(r"^newest +experimental-v5, .*: about experimental-v5$", out, re.MULTILINE)
    assert out.endswith("changes since experimental-v5\n~ model\n2 items unchanged\n")


def test_status_of_a_new_folio_says_that_there_are_no_snapshots(tmp_path, run) -> None:
    run("init", tmp_path / "new")
    done = run("--folio", tmp_path / "new", "status")
    assert done.code == 0
    assert re.search(r"^snapshots +none$", done.out, re.MULTILINE)


def test_init_makes_a_folio_beside_what_is_there(tmp_path, run, monkeypatch) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert run("init") == (0, f"made a folio at {tmp_path}\n", "")
    assert run("describe").code == 0
    assert run("init").code == 4


def test_the_git_workflow_of_the_guide(tmp_path, spawn, monkeypatch) -> None:
    """Commit the code, snapshot it, commit the snapshot's files: the snapshot names the commit, and it is clean."""
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")

    def git(*words: str) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q", "-b", "main")
    git("remote", "add", "origin", "https://ghp_token123@github.com/user/repo.git")
    assert spawn("init").code == 0
    Path(".gitignore").write_text("objects/\nlog/\ntmp/\n")
    Path("train.py").write_text("print('baseline')\n")
    git("add", ".")
    git("commit", "-q", "-m", "Implement baseline model")
    commit = git("rev-parse", "HEAD")
    created = spawn("snapshot", "create", "v1.0", "-d", "Baseline")
    assert (created.code, created.out) == (0, f"created snapshot v1.0: 0 items, code at {commit[:10]}\n")
    git("add", "snapshots.json", "items.json")
    git("commit", "-q", "-m", "Snapshot v1.0")
    assert git("status", "--porcelain") == ""
    assert '"v1.0"' in Path("snapshots.json").read_text()
    captured = spawn("snapshot", "show", "v1.0", "--json").json["git"]
    expected = {"commit": commit, "branch": "main", "dirty": False, "remote": "https://github.com/user/repo.git"}
    assert captured == expected
    Path("train.py").write_text("print('changed')\n")
    assert "with uncommitted changes" in spawn("snapshot", "create", "v1.1", "--no-env").out
