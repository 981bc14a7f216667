"""DVC and git-annex: the files in a store of their own, the snapshots in git."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from benchmarks.peers.installing import debian, package_version, virtual
from benchmarks.peers.store import Cannot, Peer, Steps, Store, disk_usage

__all__ = ["annex", "dvc"]


_DVC = "nothing of the data"
_ANNEX = "nothing of the data; the file itself is moved into the store"


class _WithGit(Store):
    """A git repository in `work`; a snapshot is a commit with a tag."""

    def snapshot(self, version: str) -> Steps:
        commit = ["git", "commit", "--quiet", "--allow-empty", "--message", version]
        return [["git", "add", "--all"], commit, ["git", "tag", version]]

    def listing(self) -> Steps:
        return [["git", "log", "--oneline"]]

    def compare(self, old: str, new: str) -> Steps:
        return [["git", "diff", "--stat", old, new]]

    def make_snapshots(self, names: list[str], number: int) -> None:
        """Commits of one small file that git itself keeps, all made by one process."""
        del names
        subprocess.run(["git", "fast-import", "--quiet"], input=_commits(number), cwd=self.work, check=True)
        self.run([["git", "reset", "--quiet", "--hard"]])

    def size(self) -> int:
        return disk_usage(self.work / ".git")


def _commits(number: int) -> bytes:
    lines = []
    for index in range(number):
        step = str(index // 10 * 10)
        lines += [
            "commit refs/heads/main",
            f"mark :{index + 1}",
            f"committer benchmark <benchmark@example.org> {1_700_000_000 + index} +0000",
            "data 5",
            f"s{index:04}",
            f"from :{index}" if index else "from refs/heads/main^0",
            "M 100644 inline step.json",
            f"data {len(step)}",
            step,
            f"reset refs/tags/s{index:04}",
            f"from :{index + 1}",
        ]
    return "\n".join([*lines, "done", ""]).encode()


class _Dvc(_WithGit):
    def __init__(self, place: Path, *, programs: Path, links: str) -> None:
        super().__init__(place)
        self._dvc, self._links = str(programs / "dvc"), links

    def create(self) -> Steps:
        if self._links == "reflink" and not _has_reflinks(self.work):
            raise Cannot("does not: this file system has no reflinks")
        git = [["git", "init", "--quiet", "--initial-branch", "main"], [self._dvc, "init", "--quiet"]]
        settings = {"core.analytics": "false", "core.check_update": "false", "cache.type": self._links}
        return git + [[self._dvc, "config", *setting] for setting in settings.items()]

    def add(self, names: list[str], version: str) -> Steps:
        del version
        return [[self._dvc, "add", "--quiet", *names]]

    def add_changed(self, names: list[str], changed: str, version: str) -> Steps:
        del names
        return self.add([_tracked(changed)], version)

    def restore(self, version: str, name: str) -> Steps:
        file = f"{_tracked(name)}.dvc"
        return [["git", "checkout", "--quiet", version, "--", file], [self._dvc, "checkout", "--quiet", file]]

    def verify(self) -> Steps:
        raise Cannot("does not: no command reads the cache again; `dvc status` trusts sizes and times")

    def compare(self, old: str, new: str) -> Steps:
        return [[self._dvc, "diff", old, new]]

    def start(self) -> Steps:
        return [[self._dvc, "--version"]]

    def size(self) -> int:
        return disk_usage(self.work / ".dvc") + disk_usage(self.work / ".git")


def _tracked(name: str) -> str:
    """What was added: a folder is added as one."""
    return name.partition("/")[0]


def _has_reflinks(folder: Path) -> bool:
    (folder / "probe").write_text("probe", encoding="utf-8")
    command = ["cp", "--reflink=always", "probe", "probe2"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True)
    for name in ("probe", "probe2"):
        (folder / name).unlink(missing_ok=True)
    return done.returncode == 0


class _Annex(_WithGit):
    def create(self) -> Steps:
        return [["git", "init", "--quiet", "--initial-branch", "main"], ["git", "annex", "init", "--quiet"]]

    def add(self, names: list[str], version: str) -> Steps:
        del version
        return [["git", "annex", "add", "--quiet", *names]]

    def add_changed(self, names: list[str], changed: str, version: str) -> Steps:
        del names
        return self.add([changed], version)

    def restore(self, version: str, name: str) -> Steps:
        # What comes back is a symbolic link to the one stored file: nothing is copied.
        return [["git", "checkout", "--quiet", version, "--", name]]

    def verify(self) -> Steps:
        return [["git", "annex", "fsck", "--quiet", "--all"]]

    def start(self) -> Steps:
        return [["git", "annex", "version", "--raw"]]


def dvc() -> list[Peer]:
    programs = virtual("dvc", "dvc")
    version = package_version(programs, "dvc")
    kinds = {"copy": "copies", "hardlink": "hard links", "reflink": "reflinks"}
    return [
        Peer("dvc", f"DVC, {words}", version, _DVC, partial(_Dvc, programs=programs, links=links), links == "copy")
        for links, words in kinds.items()
    ]


def annex() -> list[Peer]:
    debian("git", "git")
    program = debian("git-annex", "git-annex")
    done = subprocess.run([program, "version", "--raw"], check=True, capture_output=True, text=True)
    return [Peer("git-annex", "git-annex", done.stdout.strip(), _ANNEX, _Annex)]
