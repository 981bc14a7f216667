"""What is recorded of the repository that the working directory is in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from datafolio.porcelain.provenance import capture_git

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FOLIO_FILES = ("README.md", "folio.json", "log/1", "objects/ab/cd", "items.json", "snapshots.json", "tmp/stage")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(path: Path, text: str = "text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_folio(path: Path) -> Path:
    for name in FOLIO_FILES:
        write(path / name)
    return path


def init(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for key, value in (("user.name", "A"), ("user.email", "a@example.org"), ("commit.gpgsign", "false")):
        git(folder, "config", key, value)
    return folder


def commit_all(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "a commit")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def _no_configuration_of_this_machine(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(write(tmp_path / "home" / "gitconfig", "")))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository with one commit; it is the working directory."""
    folder = init(tmp_path / "repo")
    write(folder / "train.py")
    commit_all(folder)
    monkeypatch.chdir(folder)
    return folder


def test_commit_branch_and_remote_of_a_clean_repository(repo):
    git(repo, "remote", "add", "origin", "https://ghp_token123@github.com/user/repo.git")
    assert capture_git(None) == {
        "commit": git(repo, "rev-parse", "HEAD"),
        "branch": "main",
        "dirty": False,
        "remote": "https://github.com/user/repo.git",
    }


def test_a_subfolder_is_in_the_repository(repo, monkeypatch):
    write(repo / "notes" / "a.txt")
    head = commit_all(repo)
    monkeypatch.chdir(repo / "notes")
    assert capture_git(None) == {"commit": head, "branch": "main", "dirty": False, "remote": None}
    write(repo / "elsewhere.txt")
    assert capture_git(None)["dirty"]


def test_before_the_first_commit_there_is_a_branch_and_no_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(init(tmp_path / "new"))
    assert capture_git(None) == {"commit": None, "branch": "main", "dirty": False, "remote": None}


def test_a_detached_head_has_no_branch(repo):
    git(repo, "checkout", "-q", "--detach")
    captured = capture_git(None)
    assert captured["branch"] is None
    assert captured["commit"] == git(repo, "rev-parse", "HEAD")


def test_a_linked_work_tree_is_a_repository(repo, tmp_path, monkeypatch):
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "side")
    monkeypatch.chdir(tmp_path / "other")
    assert capture_git(None)["branch"] == "side"


@pytest.mark.parametrize("change", ["modified", "staged", "deleted", "untracked", "renamed"])
def test_every_kind_of_uncommitted_change_is_dirty(repo, change):
    if change == "untracked":
        write(repo / "new file.py")
    elif change == "deleted":
        (repo / "train.py").unlink()
    elif change == "renamed":
        git(repo, "mv", "train.py", "learn.py")
    else:
        write(repo / "train.py", "changed\n")
    if change == "staged":
        git(repo, "add", "train.py")
    assert capture_git(None)["dirty"]


def test_a_conflict_is_dirty(repo):
    git(repo, "checkout", "-q", "-b", "side")
    write(repo / "train.py", "theirs\n")
    commit_all(repo)
    git(repo, "checkout", "-q", "main")
    write(repo / "train.py", "ours\n")
    commit_all(repo)
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "side")
    assert capture_git(None)["dirty"]


def test_ignored_files_are_not_dirty(repo):
    write(repo / ".gitignore", "*.log\n")
    commit_all(repo)
    write(repo / "a.log")
    assert not capture_git(None)["dirty"]


def test_no_name_of_a_changed_file_is_recorded(repo):
    write(repo / "secrets.yaml")
    assert "secrets" not in str(capture_git(None))


@pytest.mark.parametrize("where", [".", "exp", "experiments/exp", "a b/[x]*/exp#1", "!exp", "deep/er/and/deeper"])
def test_the_folio_itself_is_not_a_change(repo, where):
    folio = make_folio(repo / where)
    assert capture_git(None)["dirty"]
    assert not capture_git(folio)["dirty"]


@pytest.mark.parametrize("where", [".", "exp", "experiments/exp", "a b/[x]*/exp#1", "!exp"])
def test_a_change_beside_the_folio_is_dirty(repo, where):
    folio = make_folio(repo / where)
    write(folio.parent / "code.py" if where != "." else folio / "code.py")
    assert capture_git(folio)["dirty"]


def test_code_in_the_folios_own_folder_counts(repo):
    folio = make_folio(repo / "project")
    write(folio / "code.py")
    assert capture_git(folio)["dirty"]


@pytest.mark.parametrize("where", ["experiments/exp", "a b/[x]*/exp#1", "deep/er/!exp "])
def test_ignored_and_empty_neighbours_of_the_folio_do_not_count(repo, where):
    write(repo / ".gitignore", "*.log\n.ipynb_checkpoints/\n")
    commit_all(repo)
    folio = make_folio(repo / where)
    write(folio.parent / "a.log")
    write(folio / "b.log")
    write(folio.parent / ".ipynb_checkpoints" / "x.ipynb")
    (folio.parent / "empty").mkdir()
    assert not capture_git(folio)["dirty"]


def test_another_folio_next_to_it_counts(repo):
    folio = make_folio(repo / "experiments" / "exp")
    make_folio(repo / "experiments" / "other")
    assert capture_git(folio)["dirty"]


@pytest.mark.parametrize("where", [".", "experiments/exp"])
def test_a_folio_that_is_committed_and_changes_is_not_dirty(repo, where):
    folio = make_folio(repo / where)
    git(repo, "add", str(folio / "snapshots.json"), str(folio / "log"))
    git(repo, "commit", "-q", "-m", "the snapshots")
    write(folio / "snapshots.json", "changed\n")
    (folio / "log" / "1").unlink()
    write(folio / "log" / "2")
    write(folio / ".snapshots.json.0a1b2c3d")
    assert not capture_git(folio)["dirty"]


def test_the_projects_own_readme_counts_when_the_folio_is_the_top(repo):
    write(repo / "README.md", "the project's\n")
    commit_all(repo)
    folio = make_folio(repo)
    assert capture_git(folio)["dirty"]


def test_a_folio_outside_the_repository_excuses_nothing(repo, tmp_path):
    folio = make_folio(tmp_path / "folio")
    assert not capture_git(folio)["dirty"]
    write(repo / "new.py")
    assert capture_git(folio)["dirty"]


def test_a_repository_inside_the_folio_is_not_excused(tmp_path, monkeypatch):
    folio = make_folio(tmp_path / "folio")
    code = init(folio / "code")
    write(code / "log" / "a.txt")
    monkeypatch.chdir(code)
    assert capture_git(folio)["dirty"]


def test_a_folder_that_only_begins_like_the_folios_counts(repo):
    folio = make_folio(repo / "exp")
    write(repo / "exp2" / "log" / "1")
    assert capture_git(folio)["dirty"]


def test_a_folio_that_does_not_exist_yet_is_fine(repo):
    assert not capture_git(repo / "exp" / "new")["dirty"]
    write(repo / "exp" / "code.py")
    assert capture_git(repo / "exp" / "new")["dirty"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_link_to_a_folio_outside_is_the_folio(repo, tmp_path):
    make_folio(tmp_path / "folio")
    (repo / "linked").symlink_to(tmp_path / "folio")
    assert not capture_git(repo / "linked")["dirty"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_working_directory_reached_through_a_link_is_the_same_repository(repo, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(repo)
    monkeypatch.chdir(tmp_path / "link")
    make_folio(repo / "exp")
    assert not capture_git(Path("exp"))["dirty"]
    assert not capture_git(tmp_path / "link" / "exp")["dirty"]


def test_the_remote_of_the_branch_comes_before_origin(repo):
    git(repo, "remote", "add", "first", "https://example.org/first")
    assert capture_git(None)["remote"] == "https://example.org/first"
    git(repo, "remote", "add", "origin", "https://example.org/origin")
    assert capture_git(None)["remote"] == "https://example.org/origin"
    git(repo, "remote", "add", "up.stream", "https://example.org/upstream")
    git(repo, "config", "branch.main.remote", "up.stream")
    assert capture_git(None)["remote"] == "https://example.org/upstream"
    git(repo, "config", "branch.main.remote", ".")
    assert capture_git(None)["remote"] == "https://example.org/origin"
    git(repo, "config", "branch.main.remote", "gone")
    assert capture_git(None)["remote"] == "https://example.org/origin"


def test_an_address_in_place_of_a_branchs_remote_is_cleaned(repo):
    git(repo, "config", "branch.main.remote", "https://token@example.org/repo")
    assert capture_git(None)["remote"] == "https://example.org/repo"


def test_outside_a_repository_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert capture_git(None) is None


def test_inside_a_bare_repository_there_is_nothing(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    monkeypatch.chdir(tmp_path / "bare.git")
    assert capture_git(None) is None


@pytest.mark.parametrize("damage", ["HEAD", "config", "index"])
def test_a_broken_repository_gives_nothing(repo, damage):
    write(repo / ".git" / damage, "[broken\n")
    assert capture_git(None) is None


def test_without_git_there_is_nothing(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture_git(None) is None


@pytest.mark.skipif(os.name == "nt", reason="a deleted working directory")
def test_in_a_deleted_folder_there_is_nothing(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert capture_git(None) is None


def program(path: Path, text: str) -> Path:
    write(path, f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_git_that_does_not_answer_is_given_up(repo, tmp_path, monkeypatch):
    program(tmp_path / "bin" / "git", "sleep 30")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    start = time.monotonic()
    assert capture_git(None, timeout=0.2) is None
    assert time.monotonic() - start < 5


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_no_program_that_the_repository_names_is_run(repo, tmp_path, monkeypatch):
    ran = tmp_path / "ran"
    bad = program(tmp_path / "bad", f"touch {ran}; cat")
    program(repo / "git", f"touch {ran}")
    write(repo / "data.txt")
    write(repo / ".gitattributes", "*.txt filter=bad\n")
    commit_all(repo)
    for key in ("core.fsmonitor", "filter.bad.clean", "filter.bad.process", "core.pager", "diff.external"):
        git(repo, "config", key, str(bad))
    git(repo, "config", "filter.bad.required", "true")
    for hook in ("post-index-change", "fsmonitor-watchman"):
        shutil.copy(bad, write(repo / ".git" / "hooks" / hook))
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    os.utime(repo / "data.txt", (0, 0))
    assert capture_git(None) is None  # the git that is first on PATH is the repository's
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f".{os.pathsep}"))
    assert capture_git(None)["commit"]
    assert not ran.exists()
    subprocess.run(["git", "status"], cwd=repo, check=False, capture_output=True)
    assert ran.exists(), "this repository would have run its programs"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
@pytest.mark.parametrize("place", ["config", "CONFIG", "an included file", "the work tree's", "a common folder"])
def test_a_filter_is_not_run_wherever_the_repository_configures_it(repo, tmp_path, place):
    ran = tmp_path / "ran"
    write(repo / ".gitattributes", "*.py filter=bad\n")
    commit_all(repo)
    bad = program(tmp_path / "bad", f"touch {ran}; cat")
    text = f'[filter "bad"]\n\tclean = {bad}\n'
    config = repo / ".git" / "config"
    if place == "an included file":
        write(repo / ".git" / "more", text)
        text = "[Include]\n\tpath = more\n"
    elif place == "the work tree's":
        git(repo, "config", "extensions.worktreeConfig", "true")
        config = repo / ".git" / "config.worktree"
        config.touch()
    elif place == "a common folder":
        shutil.copytree(repo / ".git", tmp_path / "common")
        write(repo / ".git" / "commondir", f"{tmp_path / 'common'}\n")
        config = tmp_path / "common" / "config"
    write(config, config.read_text() + (text.replace("[filter", "[FILTER") if place == "CONFIG" else text))
    os.utime(repo / "train.py", (0, 0))
    assert capture_git(None)["commit"]
    assert not ran.exists()
    subprocess.run(["git", "status"], cwd=repo, check=False, capture_output=True)
    assert ran.exists(), "this repository would have run its programs"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_filter_whose_name_cant_be_turned_off_stops_the_capture(repo, tmp_path):
    ran = tmp_path / "ran"
    write(repo / ".gitattributes", "*.py filter=a=b\n")
    commit_all(repo)
    git(repo, "config", "filter.a=b.clean", str(program(tmp_path / "bad", f"touch {ran}; cat")))
    os.utime(repo / "train.py", (0, 0))
    assert capture_git(None) is None
    assert not ran.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_filter_of_the_users_own_still_works(repo, tmp_path):
    upper = program(tmp_path / "upper", "tr a-z A-Z")
    git(repo, "config", "--global", "filter.upper.clean", str(upper))
    write(repo / ".gitattributes", "*.txt filter=upper\n")
    write(repo / "data.txt")
    commit_all(repo)
    os.utime(repo / "data.txt", (0, 0))
    assert not capture_git(None)["dirty"]


def test_variables_that_a_hook_sets_lead_to_no_other_repository(repo, tmp_path, monkeypatch):
    other = init(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    captured = capture_git(None)
    monkeypatch.undo()
    assert captured["commit"] == git(repo, "rev-parse", "HEAD")
    assert not captured["dirty"]


def test_the_users_settings_for_git_status_do_not_change_the_answer(repo):
    git(repo, "config", "status.showUntrackedFiles", "no")
    git(repo, "config", "status.branch", "false")
    write(repo / "new.py")
    assert capture_git(None)["dirty"]


def test_nothing_is_written_to_the_repository(repo):
    os.utime(repo / "train.py", (0, 0))
    before = (repo / ".git" / "index").read_bytes()
    assert not capture_git(None)["dirty"]
    assert (repo / ".git" / "index").read_bytes() == before
