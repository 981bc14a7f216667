"""The servers that tests share end when the last of their users has, however it ended."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.remote.servers import seaweed

PROGRAM = """
import sys
from pathlib import Path
from tests.remote.servers import seaweed
with seaweed(Path(sys.argv[1])) as server:
    print(server.endpoint, flush=True)
    sys.stdin.read()
"""


def is_up(endpoint):
    try:
        with urllib.request.urlopen(f"{endpoint}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_a_server_ends_with_its_last_user_even_one_that_was_killed(server, tmp_path):
    folder = tmp_path / "seaweed"
    user = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with user:
        endpoint = user.stdout.readline().strip()
        with seaweed(folder) as shared:
            assert shared.endpoint == endpoint
            user.kill()
            user.wait()
            time.sleep(0.3)
            assert is_up(endpoint)
        until = time.monotonic() + 10
        while is_up(endpoint):
            assert time.monotonic() < until
            time.sleep(0.05)
    while (folder / "data").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert is_up(server.endpoint)
