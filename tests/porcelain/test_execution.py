"""What is recorded of the program that runs, seen from programs that are started in every way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from datafolio.porcelain.provenance import capture_execution

ROOT = str(Path(__file__).resolve().parents[2])
PROGRAM = """\
import json
from datafolio.porcelain.provenance import capture_execution
print(json.dumps(capture_execution({arguments})))
"""


def run(*command: str, cwd: Path, stdin: str = "") -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": ROOT},
        input=stdin,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def program(path: Path, arguments: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.format(arguments=arguments))
    return path


def test_a_script_is_named_from_the_working_directory(tmp_path):
    program(tmp_path / "train.py")
    assert run("train.py", cwd=tmp_path) == {"working_directory": str(tmp_path.resolve()), "entry_point": "train.py"}
    program(tmp_path / "steps" / "fit.py")
    assert run(str(tmp_path / "steps" / "fit.py"), cwd=tmp_path)["entry_point"] == os.path.join("steps", "fit.py")


def test_a_script_elsewhere_is_named_whole(tmp_path):
    script = program(tmp_path / "scripts" / "train.py")
    (tmp_path / "here").mkdir()
    assert run(str(script), cwd=tmp_path / "here")["entry_point"] == str(script)


def test_modules_and_packages_run_with_m(tmp_path):
    program(tmp_path / "package" / "train.py")
    program(tmp_path / "package" / "__main__.py")
    assert run("-m", "package.train", cwd=tmp_path)["entry_point"] == "-m package.train"
    assert run("-m", "package", cwd=tmp_path)["entry_point"] == "-m package"


def test_a_folder_that_is_run_is_a_script(tmp_path):
    program(tmp_path / "app" / "__main__.py")
    assert run("app", cwd=tmp_path)["entry_point"] == os.path.join("app", "__main__.py")


def test_code_from_the_command_line_and_from_standard_input(tmp_path):
    code = PROGRAM.format(arguments=False)
    assert run("-c", code, cwd=tmp_path)["entry_point"] == "-c"
    assert run("-", cwd=tmp_path, stdin=code)["entry_point"] == "-"
    assert run(cwd=tmp_path, stdin=code)["entry_point"] == "-"


def test_a_session_at_the_prompt_is_interactive(tmp_path):
    assert run("-i", "-q", cwd=tmp_path, stdin=PROGRAM.format(arguments=False))["entry_point"] == "interactive"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal to be made")
def test_a_session_at_a_terminal_is_interactive(tmp_path):
    import pty

    code = PROGRAM.format(arguments=False).replace("print(", "open('out', 'w').write(")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-q"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ROOT, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as python:
        os.write(ours, f"{code}exit()\n".encode())
        python.wait(timeout=15)
    os.close(theirs)
    os.close(ours)
    assert json.loads((tmp_path / "out").read_text())["entry_point"] == "interactive"


def test_a_process_that_a_script_started_names_the_script(tmp_path):
    (tmp_path / "pool.py").write_text(
        "import json, multiprocessing\n"
        "from datafolio.porcelain.provenance import capture_execution\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(json.dumps(pool.apply(capture_execution)))\n"
    )
    assert run("pool.py", cwd=tmp_path)["entry_point"] == "pool.py"


def test_arguments_are_there_only_if_asked_for(tmp_path):
    program(tmp_path / "quiet.py")
    program(tmp_path / "asked.py", arguments=True)
    assert "arguments" not in run("quiet.py", "--token", "secret", cwd=tmp_path)
    assert run("asked.py", "--rate", "0.1", cwd=tmp_path)["arguments"] == ["--rate", "0.1"]
    assert run("asked.py", cwd=tmp_path)["arguments"] == []


def test_off_means_absent():
    assert set(capture_execution()) == {"working_directory", "entry_point"}


@pytest.mark.skipif(os.name == "nt", reason="a deleted working directory")
def test_a_deleted_working_directory_is_none(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert capture_execution()["working_directory"] is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_unicode_are_escaped(tmp_path, monkeypatch):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    monkeypatch.chdir(os.fsdecode(folder))
    monkeypatch.setattr(sys, "argv", ["x", os.fsdecode(b"\xe9")])
    captured = capture_execution(arguments=True)
    assert captured["working_directory"] == f"{tmp_path.resolve()}/caf\\xe9"
    assert captured["arguments"] == ["\\xe9"]


def test_python_inside_another_program_has_no_arguments(monkeypatch):
    monkeypatch.delattr(sys, "argv")
    assert capture_execution(arguments=True)["arguments"] == []
