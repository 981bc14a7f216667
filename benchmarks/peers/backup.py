"""restic and borg: programs for backups, which cut files into chunks and store each chunk once."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from benchmarks.peers.installing import debian
from benchmarks.peers.store import Peer, Steps, Store

__all__ = ["borg", "restic"]


class _Restic(Store):
    most_snapshots = 100

    def __init__(self, place: Path, *, program: str, compression: str) -> None:
        super().__init__(place)
        self._program, self._compression = program, compression

    def create(self) -> Steps:
        return [self._command("init", "--repository-version", "2")]

    def add(self, names: list[str], version: str) -> Steps:
        return [self._command("backup", "--compression", self._compression, "--tag", version, "--host", "x", *names)]

    def restore(self, version: str, name: str) -> Steps:
        snapshot = ["latest", "--tag", version]
        return [self._command("restore", *snapshot, "--include", name, "--target", str(self.out))]

    def verify(self) -> Steps:
        return [self._command("check", "--read-data")]

    def listing(self) -> Steps:
        return [self._command("snapshots")]

    def compare(self, old: str, new: str) -> Steps:
        return [self._command("diff", self._id(old), self._id(new))]

    def start(self) -> Steps:
        return [[self._program, "version"]]

    def _id(self, version: str) -> str:
        command = self._command("snapshots", "--tag", version, "--json")
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout.rpartition('"short_id":"')[2].partition('"')[0]

    def _command(self, *words: str) -> list[str]:
        return [self._program, "--quiet", "--repo", str(self.store), *words]


class _Borg(Store):
    most_snapshots = 100

    def __init__(self, place: Path, *, program: str, compression: str) -> None:
        super().__init__(place)
        self._program, self._compression = program, compression

    def create(self) -> Steps:
        return [[self._program, "init", "--encryption", "none", str(self.store)]]

    def add(self, names: list[str], version: str) -> Steps:
        options = ["--compression", self._compression]
        return [[self._program, "create", *options, f"{self.store}::{version}", *names]]

    def restore(self, version: str, name: str) -> Steps:
        return [[self._program, "extract", f"{self.store}::{version}", name]]

    def verify(self) -> Steps:
        return [[self._program, "check", "--verify-data", str(self.store)]]

    def listing(self) -> Steps:
        return [[self._program, "list", str(self.store)]]

    def compare(self, old: str, new: str) -> Steps:
        return [[self._program, "diff", f"{self.store}::{old}", new]]

    def start(self) -> Steps:
        return [[self._program, "--version"]]


def restic() -> list[Peer]:
    program = debian("restic", "restic")
    done = subprocess.run([program, "version"], check=True, capture_output=True, text=True)
    kinds = {"off": "no compression", "auto": "compression auto"}
    return [
        Peer(
            "restic",
            f"restic, {words}",
            done.stdout.split()[1],
            "every file of its store",
            partial(_Restic, program=program, compression=kind),
            kind == "auto",
        )
        for kind, words in kinds.items()
    ]


def borg() -> list[Peer]:
    program = debian("borgbackup", "borg")
    done = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    kinds = {"none": "no compression", "lz4": "lz4"}
    return [
        Peer(
            "borg",
            f"borg, {words}",
            done.stdout.split()[1],
            "every file of its store",
            partial(_Borg, program=program, compression=kind),
            kind == "lz4",
        )
        for kind, words in kinds.items()
    ]
