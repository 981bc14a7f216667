"""What a program leaves behind on a server when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datafolio.backend.places import open_backend

PROGRAM = """
import sys
from datafolio import DataFolio
folio = DataFolio(sys.argv[1], storage_options={"key": sys.argv[2], "secret": sys.argv[3], "endpoint_url": sys.argv[4]})
folio.add_json("a", 1)
"""


@pytest.mark.parametrize("end", ["", "del folio", "raise SystemExit(0)", "folio.itself = folio; del folio"])
def test_a_program_that_ends_leaves_the_files_for_people(server, end):
    url, options = server.url(), server.options
    # By a name, an address is looked up in a thread, and no new one is to be had when the program ends.
    endpoint = options["endpoint_url"].replace("127.0.0.1", "localhost")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + end, url, options["key"], options["secret"], endpoint],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode, done.stderr) == (0, "")
    backend = open_backend(url, options)
    assert backend.exists("items.json")
    assert backend.exists("snapshots.json")
