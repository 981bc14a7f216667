"""Each peer in an environment of its own, made when it is first wanted and kept in `.venv-peers`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "Missing", "debian", "own_environment", "package_version", "virtual"]

ROOT = Path(__file__).parents[2]
_FOLDER = ROOT / ".venv-peers"


class Missing(Exception):  # noqa: N818  # the reason why a peer is left out, in words; no fault of the program's
    """A peer that is not there and can't be installed."""


@cache
def virtual(name: str, *requirements: str) -> Path:
    """The folder of the programs of a virtual environment with `requirements`."""
    folder = _FOLDER / name
    stamp, wanted = folder / "requirements.txt", "\n".join(requirements)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _run("venv", str(folder))
        _pip(folder, *requirements)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "bin"


@cache
def own_environment() -> Path:
    """The checkout, installed like any package; anew each time, since its sources change."""
    programs = virtual("datafolio", "joblib", str(ROOT))
    _pip(programs.parent, "--force-reinstall", "--no-deps", str(ROOT))
    return programs


def debian(package: str, program: str) -> str:
    """The path of a program from Debian, installed if this may be."""
    if not shutil.which(program) and shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    found = shutil.which(program)
    if found is None:
        raise Missing(f"`{program}` is not installed; `apt-get install {package}` as root installs it")
    return found


def package_version(programs: Path, package: str) -> str:
    """Which version of a package an environment has."""
    program = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([programs / "python", "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _pip(folder: Path, *arguments: str) -> None:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *arguments], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Missing(f"pip could not install {' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)
