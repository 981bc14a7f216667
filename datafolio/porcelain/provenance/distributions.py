"""The installed distributions, read from the names of their metadata folders.

``importlib.metadata`` parses every distribution's metadata, some 100 ms for 100 of them; name and version
stand in the name of the folder already (the wheel specification, PEP 427 and 491).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from datafolio.porcelain.provenance.remote import sanitise_remote

__all__ = ["Distribution", "installed"]

# name-version.dist-info, name-version-py3.11.egg-info, name.egg-info
_METADATA = re.compile(r"(?P<name>[^-~][^-]*)(?:-(?P<version>[^-]+))?(?:-.*)?\.(?P<kind>dist-info|egg-info)")
_FILES = {"dist-info": "METADATA", "egg-info": "PKG-INFO"}
# Name and version are among the first lines; a description can be long.
_HEADER = 16_384


class Distribution(NamedTuple):
    """One that is installed.  The name is normalised (PEP 503)."""

    name: str
    version: str
    #: Where it was installed from (PEP 610), if not from an index: url, editable and commit.
    direct: Mapping[str, Any] | None


class _Found(NamedTuple):
    # Metadata of a wheel outranks that of a source tree, then the newer outranks the older: two versions
    # side by side are what an interrupted upgrade leaves.
    rank: tuple[bool, int]
    distribution: Distribution


def installed() -> tuple[Distribution, ...]:
    """The distributions in the folders of ``sys.path``, by name.

    Of several with one name, the first on the path counts, and metadata of a wheel before that of a source
    tree.  Those that are broken or half removed are left out.  The answer is kept until ``sys.path`` or
    one of its folders changes.
    """
    folders = dict.fromkeys(os.path.abspath(entry) for entry in _path_entries())
    return _scan(tuple((folder, changed) for folder in folders if (changed := _changed(folder)) is not None))


def _path_entries() -> list[str]:
    try:
        here = os.getcwd()
    except OSError:  # deleted
        return [entry for entry in sys.path if os.path.isabs(entry)]
    return [os.path.join(here, entry) for entry in sys.path]


def _changed(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None


@lru_cache(maxsize=4)
def _scan(folders: tuple[tuple[str, int], ...]) -> tuple[Distribution, ...]:
    best: dict[str, _Found] = {}
    for folder, _ in folders:
        for name, found in _of_folder(folder).items():
            if name not in best or found.rank[0] > best[name].rank[0]:
                best[name] = found
    return tuple(best[name].distribution for name in sorted(best))


def _of_folder(folder: str) -> dict[str, _Found]:
    best: dict[str, _Found] = {}
    for found in _read_all(folder):
        name = found.distribution.name
        if name not in best or found.rank > best[name].rank:
            best[name] = found
    return best


def _read_all(folder: str) -> Iterator[_Found]:
    try:
        names = os.listdir(folder)
    except OSError:  # a zip file, or gone by now
        return
    if folder.endswith(".egg"):
        names = [name for name in names if name == "EGG-INFO"]
    for name in names:
        if name.endswith((".dist-info", ".egg-info")) or name == "EGG-INFO":
            found = _read(os.path.join(folder, name))
            if found is not None:
                yield found


def _read(path: str) -> _Found | None:
    match = _METADATA.fullmatch(os.path.basename(path))
    kind = match["kind"] if match else "egg-info"
    file = path if os.path.isfile(path) else os.path.join(path, _FILES[kind])
    changed = _changed(file)
    if changed is None or (match is None and not path.endswith("EGG-INFO")):
        return None
    name, version = (match["name"], match["version"]) if match else (None, None)
    if version is None:
        name, version = _from_header(file)
    if not name or not version:
        return None
    direct = _direct(path) if kind == "dist-info" else None
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return _Found((kind == "dist-info", changed), Distribution(_valid(normal), _valid(version), direct))


def _from_header(file: str) -> tuple[str | None, str | None]:
    try:
        with open(file, "rb") as opened:
            header = opened.read(_HEADER).decode(errors="replace")
    except OSError:
        return None, None
    fields = dict(re.findall(r"^(Name|Version):[ \t]*(\S+)", header.partition("\n\n")[0], re.MULTILINE))
    return fields.get("Name"), fields.get("Version")


def _direct(path: str) -> Mapping[str, Any] | None:
    """What ``direct_url.json`` says; None if there is none that can be read."""
    try:
        with open(os.path.join(path, "direct_url.json"), "rb") as file:
            facts = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or not isinstance(facts.get("url"), str):
        return None
    direct: dict[str, Any] = {"url": sanitise_remote(facts["url"])}
    if _part(facts, "dir_info").get("editable") is True:
        direct["editable"] = True
    commit = _part(facts, "vcs_info").get("commit_id")
    if isinstance(commit, str) and re.fullmatch(r"[\w.:-]{1,128}", commit):
        direct["commit"] = commit
    return MappingProxyType(direct)


def _part(facts: dict[str, Any], name: str) -> dict[str, Any]:
    part = facts.get(name)
    return part if isinstance(part, dict) else {}


def _valid(text: str) -> str:
    return text.encode(errors="replace").decode()
