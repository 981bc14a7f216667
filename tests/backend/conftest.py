"""A folder on a disk, and programs that work in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import datafolio
from datafolio.backend import LocalBackend


@pytest.fixture
def root(tmp_path):
    return tmp_path / "folio"


@pytest.fixture
def backend(root):
    return LocalBackend(root)


@pytest.fixture
def start(root):
    """Start a Python program with the folder as its first argument; all of them end with the test."""
    started = []

    def run(program, *arguments):
        environment = os.environ | {"PYTHONPATH": str(Path(datafolio.__file__).parents[1])}
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(root), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
