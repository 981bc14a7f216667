"""What is recorded of Python and of what is installed for it."""

from __future__ import annotations

import getpass
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from blake3 import blake3

from datafolio.porcelain.provenance import capture_environment


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def install(site: Path, name: str, version: str, **files: str) -> Path:
    """What pip leaves of a distribution."""
    folder = site / f"{name}-{version}.dist-info"
    write(folder / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nAbout it.\n")
    for file, text in files.items():
        write(folder / f"{file}.json", text)
    return folder


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that is the whole of ``sys.path``, next to the standard library."""
    folder = tmp_path / "site"
    folder.mkdir()
    standard = [entry for entry in sys.path if os.path.isabs(entry) and not entry.endswith("-packages")]
    monkeypatch.setattr(sys, "path", [str(folder), *standard])
    return folder


def packages(start: Path) -> dict[str, str]:
    return capture_environment(start)["packages"]


def test_the_interpreter_and_the_machine(tmp_path):
    captured = capture_environment(tmp_path)
    assert captured["python"] == platform.python_version()
    assert captured["implementation"] == platform.python_implementation()
    assert captured["machine"] == platform.machine()
    assert platform.system() in captured["platform"]


def test_the_packages_are_those_that_importlib_finds(tmp_path):
    found: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        if distribution.metadata is not None and distribution.metadata["Name"]:
            name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
            found.setdefault(name, distribution.version)
    assert packages(tmp_path) == found
    assert list(packages(tmp_path)) == sorted(found)


def test_names_are_normalised(site, tmp_path):
    install(site, "Zope.Interface_x", "1.0+local.1")
    assert packages(tmp_path) == {"zope-interface-x": "1.0+local.1"}


def test_older_forms_of_metadata_are_read(site, tmp_path, monkeypatch):
    write(site / "One-1.0-py3.11.egg-info" / "PKG-INFO", "Name: One\nVersion: 1.0\n")
    write(site / "two-2.0.egg-info", "Name: two\nVersion: 2.0\n")
    write(site / "three.egg-info" / "PKG-INFO", "Metadata-Version: 1.0\nName: Three\nVersion: 3.0\n\nVersion: 4\n")
    egg = site / "four-4.0-py3.11.egg"
    write(egg / "EGG-INFO" / "PKG-INFO", "Name: four\nVersion: 4.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(egg)])
    assert packages(tmp_path) == {"four": "4.0", "one": "1.0", "three": "3.0", "two": "2.0"}


def test_broken_and_half_removed_distributions_are_left_out(site, tmp_path):
    (site / "gone-1.0.dist-info").mkdir()
    write(site / "~ip-1.0.dist-info" / "METADATA", "Name: pip\nVersion: 1.0\n")
    write(site / "nothing.dist-info" / "METADATA", "\x00\xff not metadata")
    write(site / "empty.egg-info")
    write(site / ".dist-info" / "METADATA", "Name: x\nVersion: 1\n")
    write(site / "EGG-INFO" / "PKG-INFO")
    install(site, "whole", "1.0")
    assert packages(tmp_path) == {"whole": "1.0"}


def test_of_two_versions_side_by_side_the_newer_installation_counts(site, tmp_path):
    for order, version in enumerate(("2.0", "1.0")):  # a downgrade that was interrupted
        os.utime(install(site, "pkg", version) / "METADATA", (1000 + order, 1000 + order))
    assert packages(tmp_path) == {"pkg": "1.0"}


def test_the_first_on_the_path_counts_but_not_a_source_tree(site, tmp_path, monkeypatch):
    later = tmp_path / "later"
    install(site, "both", "1.0")
    install(later, "both", "2.0")
    write(site / "dev.egg-info" / "PKG-INFO", "Name: dev\nVersion: 0.1\n")
    install(later, "dev", "0.2")
    monkeypatch.setattr(sys, "path", [*sys.path, str(later)])
    assert packages(tmp_path) == {"both": "1.0", "dev": "0.2"}


def test_what_was_not_installed_from_an_index_says_from_where(site, tmp_path):
    vcs = {"vcs": "git", "commit_id": "a" * 40, "requested_revision": "main"}
    install(site, "tool", "1", direct_url=json.dumps({"url": "https://tok:pw@example.org/tool.git", "vcs_info": vcs}))
    install(site, "mine", "1", direct_url=json.dumps({"url": "file:///home/mine", "dir_info": {"editable": True}}))
    install(site, "wheel", "1", direct_url=json.dumps({"url": "https://example.org/w.whl?sig=x", "archive_info": {}}))
    install(site, "index", "1")
    assert capture_environment(tmp_path)["direct"] == {
        "mine": {"url": "file:///home/mine", "editable": True},
        "tool": {"url": "https://example.org/tool.git", "commit": "a" * 40},
        "wheel": {"url": "https://example.org/w.whl"},
    }


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"url": 1}', "[" * 100_000, '{"url": "https://example.org", "dir_info": 1, "vcs_info": []}'],
)
def test_a_broken_direct_url_is_no_trouble(site, tmp_path, text):
    install(site, "pkg", "1", direct_url=text)
    assert packages(tmp_path) == {"pkg": "1"}


def test_an_installation_while_the_program_runs_is_seen(site, tmp_path):
    install(site, "one", "1")
    assert packages(tmp_path) == {"one": "1"}
    install(site, "two", "2")
    assert packages(tmp_path) == {"one": "1", "two": "2"}


def test_a_change_to_what_was_returned_changes_no_later_answer(site, tmp_path):
    install(site, "one", "1", direct_url='{"url": "file:///one"}')
    first = capture_environment(tmp_path)
    first["packages"].clear()
    first["direct"]["one"]["url"] = "changed"
    second = capture_environment(tmp_path)
    assert second["packages"] == {"one": "1"}
    assert second["direct"] == {"one": {"url": "file:///one"}}


def test_a_path_entry_that_is_no_folder_is_passed_over(site, tmp_path, monkeypatch):
    install(site, "one", "1")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "missing"), str(write(tmp_path / "a.zip", "PK"))])
    assert packages(tmp_path) == {"one": "1"}


@pytest.mark.skipif(os.name == "nt", reason="a deleted working directory")
def test_a_deleted_working_directory_is_no_trouble(site, tmp_path, monkeypatch):
    install(site, "one", "1")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    (tmp_path / "gone").rmdir()
    captured = capture_environment(Path("relative"))
    assert captured["packages"] == {"one": "1"}
    assert captured["lock"] is None


def test_no_variable_user_or_host_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_ENVIRONMENT", "hunter2hunter2")
    text = json.dumps({key: value for key, value in capture_environment(tmp_path).items() if key != "direct"})
    assert "hunter2hunter2" not in text
    words = set(re.split(r"[^\w.-]+", text))
    assert socket.gethostname() not in words
    assert getpass.getuser() not in words


def test_two_captures_of_one_environment_are_equal(tmp_path):
    first, second = capture_environment(tmp_path), capture_environment(tmp_path)
    assert json.dumps(first) == json.dumps(second)


def test_the_lock_file_is_named_by_its_content(tmp_path):
    write(tmp_path / "requirements.txt", "x==1\n")
    assert capture_environment(tmp_path)["lock"] == {
        "file": "requirements.txt",
        "digest": blake3(b"x==1\n").hexdigest(),
    }
    write(tmp_path / "uv.lock", "version = 1\n")
    assert capture_environment(tmp_path)["lock"]["file"] == "uv.lock"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_nearest_lock_file_up_to_the_top_of_the_repository_counts(tmp_path):
    top, deep = tmp_path / "repo", tmp_path / "repo" / "a" / "b"
    deep.mkdir(parents=True)
    write(tmp_path / "uv.lock", "outside")
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    assert capture_environment(deep)["lock"] is None
    write(top / "poetry.lock")
    assert capture_environment(deep)["lock"]["file"] == "poetry.lock"
    write(top / "a" / "requirements.txt")
    assert capture_environment(deep)["lock"]["file"] == "requirements.txt"


def test_outside_a_repository_only_the_folder_itself_is_searched(tmp_path):
    write(tmp_path / "uv.lock")
    (tmp_path / "sub").mkdir()
    assert capture_environment(tmp_path / "sub")["lock"] is None


def test_a_folder_that_is_called_like_a_lock_file_is_none(tmp_path):
    (tmp_path / "uv.lock").mkdir()
    write(tmp_path / "pdm.lock")
    assert capture_environment(tmp_path)["lock"]["file"] == "pdm.lock"
    assert capture_environment(tmp_path / "missing")["lock"] is None


def test_two_hundred_packages_are_quick_and_quicker_the_second_time(tmp_path):
    for number in range(200):
        install(tmp_path / "site", f"package{number}", "1.0")
    script = (
        "import time; from pathlib import Path\n"
        "from datafolio.porcelain.provenance import capture_environment\n"
        "begin = time.process_time(); found = capture_environment(Path.cwd()); first = time.process_time()\n"
        "capture_environment(Path.cwd()); second = time.process_time()\n"
        "assert len(found['packages']) >= 200\n"
        "print(first - begin, second - first)\n"
    )
    # Time of the processor: other programs run beside the tests.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    first, second = map(float, done.stdout.split())
    assert first < 0.040
    assert second < 0.005
