"""The tool that the proofs look at file operations with sees all of them."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest

import datafolio.backend
from datafolio.backend import Key, LocalBackend
from tests.reliability.fileops import CHANGING, READING, intercepted

BACKEND = Path(datafolio.backend.__file__).parent
KNOWN = {*CHANGING, *READING}
#: What has nothing to do with a file that could fail, or is done in another way where it does.
NO_OPERATIONS = {"getpid", "urandom", "fspath", "register_at_fork", "fcntl", "lseek", "ioctl"}


def functions_called_of(module: str, source: Path) -> set[str]:
    """The functions `module.<name>(...)` that a file calls."""
    calls = [node.func for node in ast.walk(ast.parse(source.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return {
        call.attr
        for call in calls
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == module
    }


@pytest.mark.parametrize("source", sorted(BACKEND.glob("*.py")), ids=lambda path: path.name)
def test_every_function_that_a_backend_calls_on_files_is_among_the_operations(source):
    called = functions_called_of("os", source) | functions_called_of("fcntl", source)
    assert called - KNOWN - NO_OPERATIONS == set()


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("mkdir", lambda path: (path / "new").mkdir()),
        ("stat", lambda path: path.exists()),
        ("stat|lstat", lambda path: path.is_symlink()),
        ("unlink", lambda path: (path / "file").unlink()),
        ("replace", lambda path: (path / "file").replace(path / "other")),
        ("lstat", os.path.lexists),
        ("entry.stat", lambda path: list(LocalBackend(path).list(""))),
        ("file.read", lambda path: LocalBackend(path).read(Key("file"))),
        ("file.read", lambda path: LocalBackend(path).open(Key("file")).readinto(bytearray(2))),
        ("flock", lambda path: LocalBackend(path).create(Key("other"), b"")),
    ],
)
def test_what_paths_and_backends_do_is_seen(tmp_path, operation, call):
    (tmp_path / "file").write_bytes(b"bytes")
    seen = []
    with intercepted(lambda operation, carry_out: (seen.append(operation.name), carry_out())[1], CHANGING + READING):
        call(tmp_path)
    assert set(operation.split("|")) & set(seen)


def test_all_is_as_it_was_when_the_block_is_left(tmp_path):
    names = {name: getattr(os, name) for name in KNOWN if hasattr(os, name)}

    def fail(*_):
        raise OSError(errno.EIO, "no")

    with pytest.raises(OSError, match="no"), intercepted(fail):
        (tmp_path / "new").mkdir()
    assert {name: getattr(os, name) for name in names} == names
    (tmp_path / "new").mkdir()
