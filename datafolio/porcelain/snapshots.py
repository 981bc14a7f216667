"""Snapshots as users see them: plain dicts for listings, light views for a quick look."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from datafolio.digest import Digest
from datafolio.errors import InvalidNameError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.reader import ItemReader
from datafolio.store.changes import require_snapshot
from datafolio.store.model import Count, SnapshotRef
from datafolio.store.names import check_snapshot_name
from datafolio.store.state import State, unpack_metadata
from datafolio.store.succession import Succession
from datafolio.text import printable

__all__ = ["SnapshotView", "Snapshots", "list_infos", "snapshot_info"]


def snapshot_info(state: State, name: str) -> dict[str, Any]:
    """Everything that was captured in the snapshot, as a dict.  Raises SnapshotNotFoundError."""
    ref = require_snapshot(state, name)
    return _info(state, ref, state.environment, _versions(state))


def list_infos(state: State, tags: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """`snapshot_info` of every snapshot that has all of `tags`, the oldest first."""
    # Many snapshots share few environments.
    environment = functools.lru_cache(maxsize=None)(state.environment)
    versions = _versions(state)
    refs = sorted([ref for _, ref in state.snapshots.kept_items()], key=operator.attrgetter("number"))
    state.read_ahead(ref.snapshot.tree for ref in refs if ref.snapshot is not None and ref.item_versions is None)
    return [
        _info(state, ref, environment, versions) for ref in refs if not tags or tags.issubset(state.snapshot(ref).tags)
    ]


def _info(
    state: State,
    ref: SnapshotRef,
    environment: Callable[[Digest | None], dict[str, Any] | None],
    versions: Succession[_Versioned, int],
) -> dict[str, Any]:
    snapshot, item_versions = ref.snapshot or state.snapshot(ref), ref.item_versions
    return {
        "name": snapshot.name,
        "description": snapshot.description,
        "tags": list(snapshot.tags),
        "timestamp": snapshot.timestamp,
        "item_versions": dict(versions.of(snapshot.tree) if item_versions is None else item_versions),
        "metadata_snapshot": unpack_metadata(snapshot.metadata),
        "git": snapshot.git and _own(snapshot.git),
        "environment": snapshot.environment and environment(snapshot.environment),
        "execution": snapshot.execution and _own(snapshot.execution),
        "digest": ref.digest,
        "number": ref.number,
    }


def _own(value: Any) -> Any:
    """A copy of what JSON holds, which whoever gets it may change."""
    if type(value) is dict:
        return {key: _own(part) for key, part in value.items()}
    return [_own(part) for part in value] if type(value) is list else value


class _Versioned(msgspec.Struct, gc=False):
    """What a list of versions takes of an entry."""

    version: Count


def _versions(state: State) -> Succession[_Versioned, int]:
    return Succession(state, _Versioned, lambda _name, entry: entry.version)


class SnapshotView(ItemReader):
    """A light view of one snapshot.  Nothing is read before it is asked for."""

    def __init__(self, binding: Binding, name: str) -> None:
        """The snapshot `name` of the folio of `binding`.  Raises SnapshotNotFoundError."""
        super().__init__(binding.at_snapshot(name))
        self.name = name

    @property
    def metadata(self) -> dict[Any, Any]:
        """The metadata as they were; a plain dict, of the reader's own."""
        metadata: dict[Any, Any] = self._info["metadata_snapshot"]
        return metadata

    @property
    def timestamp(self) -> str:
        """When the snapshot was made: ISO 8601, UTC."""
        return str(self._info["timestamp"])

    @property
    def description(self) -> str | None:
        """What was said of it when it was made."""
        description: str | None = self._info["description"]
        return description

    @property
    def tags(self) -> list[str]:
        """Its tags, in the order in which they were given."""
        return list(self._info["tags"])

    @property
    def item_versions(self) -> dict[str, int]:
        """The version of each item that it holds, by name."""
        return dict(self._info["item_versions"])

    @property
    def git(self) -> dict[str, Any] | None:
        """The state of the code's repository, or None if that was not captured."""
        git: dict[str, Any] | None = self._info["git"]
        return git

    @property
    def environment(self) -> dict[str, Any] | None:
        """The Python environment, or None if that was not captured."""
        environment: dict[str, Any] | None = self._info["environment"]
        return environment

    @property
    def execution(self) -> dict[str, Any] | None:
        """Where and how the program ran, or None if that was not captured."""
        execution: dict[str, Any] | None = self._info["execution"]
        return execution

    @property
    def _info(self) -> dict[str, Any]:
        return self._binding.view(lambda state: snapshot_info(state, self.name))

    def __repr__(self) -> str:
        return f"<snapshot {self.name!r} of {self._binding.location}>"


class Snapshots(Mapping[str, SnapshotView]):
    """The snapshots of a folio by name, the oldest first."""

    def __init__(self, binding: Binding) -> None:
        """The snapshots of the folio of `binding`."""
        self._binding = binding

    def __getitem__(self, name: str) -> SnapshotView:
        return SnapshotView(self._binding, name)

    def __iter__(self) -> Iterator[str]:
        refs = self._binding.folio_view(lambda state: state.snapshots.items())
        return iter([name for name, _ in sorted(refs, key=lambda item: item[1].number)])

    def __len__(self) -> int:
        return self._binding.folio_view(lambda state: len(state.snapshots))

    def __contains__(self, name: object) -> bool:
        try:
            known = check_snapshot_name(name)
        except InvalidNameError:
            return False
        return self._binding.folio_view(lambda state: known in state.snapshots)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"<snapshots: {printable(', '.join(self)) or 'none'}>"
