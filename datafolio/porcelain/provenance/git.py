"""The state of the repository that the working directory is in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datafolio.porcelain.provenance.remote import sanitise_remote

__all__ = ["capture_git", "find_top"]

#: What datafolio itself changes in a folio's folder.
_CHANGING = frozenset({"folio.json", "log", "objects", "condemned", "items.json", "snapshots.json"})
#: And what else it makes there; these count as changes once they are in the repository.
_OWN = _CHANGING | {"tmp", "README.md"}

# A repository that came from elsewhere may name programs in its configuration; none of them is run.
_SAFE = (
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    f"core.hooksPath={os.devnull}",
)
_FOREIGN_SCOPES = frozenset({"local", "worktree"})
_SETTINGS = r"^(remote\..*\.url|branch\..*\.remote|filter\..*\.(clean|smudge|process|required))$"
_STATUS = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=normal",
    "--no-renames",
    "--no-ahead-behind",
)
# Fields before the path, by the kind of a line of ``git status --porcelain=v2``.
_FIELDS = {b"1": 8, b"u": 10}


def capture_git(folio_path: Path | None, *, timeout: float = 5.0) -> dict[str, Any] | None:
    """Commit, branch, dirty and remote of the working directory's repository.

    ``{"commit": hex, or None before the first commit; "branch": name, or None if detached;
    "dirty": bool; "remote": address without credentials, or None}``.  None if there is no
    repository, or git is missing, older than 2.26, refuses (a repository of another user), or does not
    answer within `timeout` seconds in all.  Never raises for any of these.

    *Dirty* is any uncommitted change, tracked or not, that git does not ignore, except in the files that
    datafolio itself keeps in the folio at `folio_path`: a folio inside the repository would otherwise
    always look dirty.  Other files in the folio's folder count, for it may be the project's own.
    """
    try:
        top, program = find_top(Path.cwd()), shutil.which("git")
        # A relative entry of PATH would run a program of the repository's own.
        if top is None or program is None or not os.path.isabs(program):
            return None
        git = _Git(program, top, time.monotonic() + timeout)
        return _capture(git, _Folio.within(top, folio_path))
    except (OSError, subprocess.SubprocessError, _GitFailed):
        return None


def find_top(start: Path) -> Path | None:
    """The top folder of the work tree that `start` is in, or None."""
    for folder in (start, *start.parents):
        marker = folder / ".git"
        # A file leads to the repository of a linked work tree or a submodule.
        if marker.is_file() or ((marker / "objects").is_dir() and os.path.lexists(marker / "HEAD")):
            return folder
    return None


class _GitFailed(Exception):  # noqa: N818 -- not an error of datafolio's: it never leaves this module
    """git has no answer, or can't be asked safely."""


class _Git(NamedTuple):
    program: str
    top: Path
    deadline: float

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """``git``, started; it does not outlive the block."""
        process = subprocess.Popen(  # noqa: S603 -- no shell, and the arguments are made here
            [self.program, *_SAFE, *arguments],
            cwd=self.top,
            env=_child_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def result(self, process: subprocess.Popen[bytes], fine: Iterable[int] = (0,)) -> list[bytes]:
        """The NUL-separated fields that ``git`` prints."""
        output, _ = process.communicate(timeout=max(0.0, self.deadline - time.monotonic()))
        if process.returncode not in fine:
            raise _GitFailed
        return output.split(b"\0")[:-1]

    def run(self, *arguments: str) -> list[bytes]:
        with self.running(*arguments) as process:
            return self.result(process)


def _child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without what would lead git to another repository, as it does inside a hook."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name.startswith(("GIT_CONFIG_", "GIT_EXEC_PATH"))
    }
    # No protocol is allowed: a partial clone must not fetch what is missing.
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}


class _Folio(NamedTuple):
    """A folio's folder inside a work tree, relative to its top; empty if it is the top itself."""

    top: Path
    inside: bytes

    @classmethod
    def within(cls, top: Path, path: Path | None) -> _Folio | None:
        """None if there is no folio, or it is somewhere else."""
        if path is None:
            return None
        # The second way finds a link inside the repository to a folio that is outside.
        for real in (Path(os.path.realpath(path)), Path(os.path.abspath(path))):
            if real.is_relative_to(top):
                inside = real.relative_to(top).as_posix()
                return cls(top, b"" if inside == "." else os.fsencode(inside))
        return None

    def owns(self, path: bytes, names: frozenset[str]) -> bool:
        """Whether `path`, relative to the top, is one of `names` in the folio, or below one."""
        prefix = self.inside + b"/" if self.inside else b""
        if not path.startswith(prefix):
            return False
        return _bare(os.fsdecode(path[len(prefix) :].split(b"/")[0])) in names

    def is_in(self, path: bytes) -> bool:
        """Whether the folio is the file or folder `path`, or below it."""
        return self.inside == path or self.inside.startswith(path + b"/")

    def is_alone_in(self, path: bytes) -> bool:
        """Whether the folder `path` holds nothing but the folio's own files and the way to them."""
        folder, stop = self.top / os.fsdecode(self.inside), self.top / os.fsdecode(path)
        inside = os.listdir(folder) if folder.is_dir() and not folder.is_symlink() else []
        names = {name for name in inside if _bare(name) not in _OWN}
        while not names and folder != stop:
            names = {name for name in os.listdir(folder.parent) if name != folder.name}
            folder = folder.parent
        return not names

    def ignore_patterns(self) -> list[str]:
        """Patterns that match the folio's own files and nothing else."""
        folder = re.sub(r"([\\*?\[\] !#])", r"\\\1", os.fsdecode(self.inside))
        return [f"/{folder}/{name}" for own in sorted(_OWN) for name in (own, f".{own}.*")]


def _bare(name: str) -> str:
    """`name`, or the name of the file that one called ``.name.1234abcd`` is about to replace."""
    return name[1:].rpartition(".")[0] if name.startswith(".") and name.count(".") > 1 else name


def _capture(git: _Git, folio: _Folio | None) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        config = stack.enter_context(git.running("config", "--show-scope", "-z", "--get-regexp", _SETTINGS))
        plain = stack.enter_context(git.running(*_STATUS)) if _has_no_filters(git.top) else None
        # Code 1: none of the settings is there.
        fields = git.result(config, fine=(0, 1))
        settings = [_setting(scope, field) for scope, field in zip(fields[::2], fields[1::2], strict=True)]
        off = _without_foreign_filters(settings)
        lines = git.run(*off, *_STATUS) if plain is None else git.result(plain)
    head = dict(line[2:].split(b" ", 1) for line in lines if line.startswith(b"# branch."))
    commit, branch = _text(head[b"branch.oid"]), _text(head[b"branch.head"])
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "dirty": _is_dirty(git, [line for line in lines if not line.startswith(b"#")], folio),
        "remote": _remote(settings, branch),
    }


def _has_no_filters(top: Path) -> bool:
    """Whether the repository itself surely configures no filter, so that ``status`` need not wait for the settings."""
    folder = top / ".git"
    try:
        if os.path.lexists(folder / "commondir"):  # the configuration is elsewhere
            return False
        texts = [(folder / name).read_bytes() for name in ("config", "config.worktree") if (folder / name).exists()]
    except OSError:
        return False
    # The name of a section has no other spelling but for upper and lower case.
    return bool(texts) and not any(word in text.lower() for text in texts for word in (b"filter", b"include"))


class _Setting(NamedTuple):
    scope: str
    key: str
    value: str


def _setting(scope: bytes, field: bytes) -> _Setting:
    key, _, value = field.partition(b"\n")
    return _Setting(_text(scope), os.fsdecode(key), _text(value))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _without_foreign_filters(settings: Iterable[_Setting]) -> list[str]:
    """Options that turn off the filters that the repository itself configures.

    ``git status`` would run them on files whose time stamp is new.  Those of the user's own configuration,
    where ``git lfs install`` puts its own, go on working.
    """
    foreign = {s.key for s in settings if s.scope in _FOREIGN_SCOPES and s.key.startswith("filter.")}
    names = sorted({key.rpartition(".")[0] for key in foreign})
    if any("=" in name for name in names):
        raise _GitFailed  # such a name can't be given with -c
    off = ("clean=", "smudge=", "process=", "required=false")
    return [part for name in names for setting in off for part in ("-c", f"{name}.{setting}")]


def _remote(settings: list[_Setting], branch: str) -> str | None:
    """The remote of `branch`, else origin, else the first."""
    urls: dict[str, str] = {}
    chosen = "origin"
    for _, key, value in settings:
        if key.startswith("remote."):
            urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), value)
        elif key == f"branch.{branch}.remote":
            chosen = value
    if chosen in urls:
        return sanitise_remote(urls[chosen])
    if ":" in chosen:  # a branch may have an address instead of the name of a remote
        return sanitise_remote(chosen)
    return sanitise_remote(urls.get("origin", next(iter(urls.values()), None)))


def _is_dirty(git: _Git, lines: list[bytes], folio: _Folio | None) -> bool:
    holders = []
    for line in lines:
        kind, _, untracked = line.partition(b" ")
        path = (untracked if kind == b"?" else line.split(b" ", _FIELDS.get(kind, 9))[-1]).removesuffix(b"/")
        if folio and folio.owns(path, _OWN if kind == b"?" else _CHANGING):
            continue
        if folio is None or kind != b"?" or not folio.is_in(path):
            return True
        holders.append(path)
    return any(_holds_more(git, path, folio) for path in holders if folio)


def _holds_more(git: _Git, path: bytes, folio: _Folio) -> bool:
    """Whether the untracked folder `path` holds files besides the folio's that git does not ignore."""
    if folio.is_alone_in(path):
        return False
    patterns = [part for pattern in folio.ignore_patterns() for part in ("--exclude", pattern)]
    listing = ("ls-files", "--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z")
    return bool(git.run(*listing, *patterns, "--", f":(top,literal){os.fsdecode(path)}"))
