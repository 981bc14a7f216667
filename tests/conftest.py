"""What all tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine's pauses are no failures; in CI the examples are the same every time.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("default")

_NOBODY = 65_534


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    """Where this test and all programs that it starts have their cache: not yet made, and never the developer's own."""
    folder = tmp_path_factory.getbasetemp() / f"cache-{os.urandom(8).hex()}"
    monkeypatch.setenv("DATAFOLIO_CACHE_DIR", str(folder))
    monkeypatch.delenv("DATAFOLIO_CACHE_SIZE", raising=False)
    return folder


@pytest.fixture
def staged():
    """The names of what is staged in a folder; the locks of those who may stage something, and the reserve, aside."""

    def staged(folder):
        names = os.listdir(folder / "tmp")
        return sorted(name for name in names if not name.endswith(".lock") and not name.startswith("reserve-"))

    return staged


@pytest.fixture
def start(root):
    """Start a Python program with the path `root` as its first argument; all of them end with the test."""
    started = []

    def run(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(root), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def bound_by_rights():
    """A folder of a user who, unlike root, may not do everything; the test runs as that user."""
    folder = Path(tempfile.mkdtemp())  # pytest's own is below a folder that is only for root
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    yield folder
    if os.getuid() == 0:
        os.seteuid(0)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)
