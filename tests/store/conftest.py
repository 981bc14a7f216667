"""A folio in memory, and one on a disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.store.repository import Repository


@pytest.fixture
def backend():
    return MemoryBackend()


@pytest.fixture
def repository(backend):
    return Repository.create(backend)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "folio"


@pytest.fixture
def disk(root):
    return LocalBackend(root)


@pytest.fixture
def on_disk(disk):
    return Repository.create(disk)


@pytest.fixture
def start(root):
    """Start a Python program with the folio's path as its first argument; all of them end with the test."""
    started = []

    def run(program, *arguments):
        checkout = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(root), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": checkout},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
