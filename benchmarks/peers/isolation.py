"""What a program sees of its surroundings: nothing of the user's own settings, caches and keys."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["surroundings"]

#: A constant: what is measured are speeds, not secrets.
_PASSWORD = "benchmark"


def surroundings(home: Path) -> dict[str, str]:
    """The environment variables of every program that is measured; `home` is a temporary folder."""
    for name in ("config", "cache", "data", "tmp", "dvc"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{field}": word for role in ("AUTHOR", "COMMITTER") for field, word in _PERSON.items()},
        "RESTIC_PASSWORD": _PASSWORD,
        "BORG_BASE_DIR": str(home / "borg"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
    }


_PERSON = {"NAME": "benchmark", "EMAIL": "benchmark@example.org"}
