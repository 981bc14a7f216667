"""Whatever goes wrong is one line on standard error and an exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import datafolio
from datafolio import DataFolio
from datafolio.cli.session import find_target
from tests.store.plumbing import eager_collections

NEEDS_FOLIO = [
    ("describe",),
    ("status",),
    ("fsck",),
    ("diff",),
    ("snapshot", "create", "v1"),
    ("snapshot", "list"),
    ("snapshot", "show", "v1"),
    ("snapshot", "reproduce", "v1"),
    ("snapshot", "compare", "v1", "v2"),
    ("snapshot", "diff"),
    ("snapshot", "status"),
    ("snapshot", "restore", "v1"),
    ("snapshot", "export", "v1", "out"),
    ("snapshot", "delete", "v1"),
    ("snapshot", "gc"),
    ("snapshot", "gc", "--dry-run"),
]


@pytest.mark.parametrize("words", NEEDS_FOLIO, ids=" ".join)
def test_where_there_is_no_folio_a_command_says_so_and_makes_none(words, tmp_path, monkeypatch, run) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*words)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"datafolio: no folio at {tmp_path}")
    assert "DATAFOLIO_PATH" in done.err
    assert list(tmp_path.iterdir()) == []


FAILURES = [
    (("snapshot", "show", "nope"), 3, "nope"),
    (("snapshot", "compare", "v1.0", "nope"), 3, "nope"),
    (("snapshot", "delete", "nope"), 3, "nope"),
    (("snapshot", "restore", "nope"), 3, "nope"),
    (("snapshot", "create", "v1.0"), 4, "v1.0"),
    (("snapshot", "create", "no spaces"), 2, "no spaces"),
    (("snapshot", "create", "v9", "-t", ""), 2, "tag"),
    (("snapshot", "export", "v1.0", "."), 4, "not empty"),
    (("init",), 4, "a folio already"),
    (("--folio", "nosuch://bucket/x", "status"), 2, "nosuch://"),
    (("--folio", "a", "init", "b"), 2, "--folio"),
    (("snapshot", "shwo", "v1.0"), 2, "shwo"),
    (("nonsense",), 2, "nonsense"),
    (("snapshot", "show"), 2, "NAME"),
    (("snapshot", "show", "v1.0", "--wrong"), 2, "--wrong"),
    (("snapshot", "show", "v1.0", "v2.0"), 2, "v2.0"),
    (("--folio",), 2, "--folio"),
]


@pytest.mark.parametrize(
    ("words", "code", "named"), FAILURES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_failure_is_one_line_that_names_the_thing_and_a_fixed_code(words, code, named, story, run) -> None:
    done = run(*words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("datafolio: ")
    assert done.err.count("\n") == 1
    assert named in done.err


@pytest.mark.parametrize("words", [(), ("snapshot",)])
def test_a_command_left_out_is_a_usage_error_that_shows_the_help(words, run) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_a_trust_that_is_neither_0_nor_1_is_refused(story, run, monkeypatch) -> None:
    monkeypatch.setenv("DATAFOLIO_TRUST", "perhaps")
    assert run("status") == (2, "", "datafolio: DATAFOLIO_TRUST is 'perhaps'; set it to 0 or 1\n")
    monkeypatch.setenv("DATAFOLIO_TRUST", "0")
    assert run("status").code == 0


@pytest.mark.parametrize("word", ["on", "-1", "nan", "inf", "1e3", "0.5x", "\u0661", "None"])
def test_an_auto_gc_that_is_neither_a_share_nor_off_is_refused(word, story, run, monkeypatch) -> None:
    monkeypatch.setenv("DATAFOLIO_AUTO_GC", word)
    said = f"datafolio: DATAFOLIO_AUTO_GC is {word.lower()!r}; set it to a share, such as 0.5, or to off\n"
    assert run("status") == (2, "", said)


@pytest.mark.parametrize(
    ("word", "share"), [("", 0.5), ("off", None), (" OFF ", None), ("0", 0), ("2.5", 2.5), (".1", 0.1)]
)
def test_auto_gc_is_a_share_or_off(word, share) -> None:
    assert find_target(None, {"DATAFOLIO_AUTO_GC": word}).auto_gc == share
    assert find_target(None, {}).auto_gc == 0.5


def test_auto_gc_off_keeps_what_a_command_would_collect(tmp_path, run, monkeypatch) -> None:
    folio = DataFolio(tmp_path / "f", auto_gc=None)
    folio.add_json("a", "x" * 5000)
    folio.add_json("a", 1, overwrite=True)
    for number in range(110):
        folio.metadata["n"] = number
    with eager_collections(1000):
        for share, said in (("off", "would free 1 file, "), ("0.5", "nothing to free")):
            monkeypatch.setenv("DATAFOLIO_AUTO_GC", share)
            run("--folio", folio.path, "snapshot", "create", f"v{share}", "--no-env", "--no-git")
            assert run("--folio", folio.path, "snapshot", "gc", "--dry-run").out.startswith(said)


def test_diff_without_snapshots_says_how_to_make_one(tmp_path, run) -> None:
    DataFolio(tmp_path / "f")
    done = run("--folio", tmp_path / "f", "diff")
    assert done.code == 3
    assert "datafolio snapshot create NAME" in done.err


@pytest.mark.parametrize(("words", "code"), [(("compare", "v1.0", "v2.0"), 1), (("compare", "v1.0", "v1.0"), 0)])
def test_exit_code_is_1_if_snapshots_differ_and_that_was_asked(words, code, story, run) -> None:
    assert run("snapshot", *words, "--exit-code").code == code
    assert run("snapshot", *words).code == 0


def test_exit_code_of_diff_is_1_if_the_folio_changed_since(story, run) -> None:
    assert run("snapshot", "diff", "--exit-code").code == 1
    assert run("snapshot", "diff").code == 0
    run("snapshot", "restore", "experimental-v5")
    assert run("snapshot", "diff", "--exit-code") == (0, "experimental-v5 -> now\nno differences in 3 items\n", "")


def test_version_and_help_need_no_folio(run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--version") == (0, f"datafolio {datafolio.__version__}\n", "")
    for words in ((), ("snapshot",), ("snapshot", "create"), ("fsck",)):
        for option in ("--help", "-h"):
            assert run(*words, option).code == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may do everything")
def test_a_folio_that_may_not_be_read_is_a_storage_error(story, run) -> None:
    (story / "log").chmod(0)
    try:
        assert run("status").code == 7
    finally:
        (story / "log").chmod(0o755)


def test_errors_of_a_real_process_have_no_traceback_unless_it_is_asked_for(story, spawn) -> None:
    done = spawn("snapshot", "show", "nope")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert "Traceback" in spawn("snapshot", "show", "nope", DATAFOLIO_DEBUG="1").err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_ends_the_command_quietly(unbuffered, story, environment) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "datafolio", "snapshot", "list"],
        env=environment | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_output_that_cannot_be_written_is_a_storage_error(story, environment) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "datafolio", "snapshot", "list"]
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 7
    assert done.stderr == "datafolio: writing to standard output: No space left on device\n"


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_an_interrupt_ends_the_command_with_130_and_no_traceback(story, environment) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "datafolio", "snapshot", "delete", "v1.0"],
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(slave)
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(process.stderr.fileno(), 1000)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == b""
        assert process.wait(60) == 130
    os.close(master)
    assert "v1.0" in DataFolio.open(story).snapshots
