"""DataFolio: one experiment's tables, models, arrays, files and metadata, and its snapshots."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datafolio.errors import UsageError
from datafolio.porcelain.accessors import DataAccessor
from datafolio.porcelain.binding import Binding, check_auto_gc
from datafolio.porcelain.compare import Comparison, compare
from datafolio.porcelain.describe import Description, describe
from datafolio.porcelain.metadata import Metadata
from datafolio.porcelain.place import bind_path, bind_place, shortest, working_directory
from datafolio.porcelain.reader import ItemReader
from datafolio.porcelain.snapshots import Snapshots, list_infos, snapshot_info
from datafolio.porcelain.writer import ItemWriter
from datafolio.store import changes
from datafolio.store.clock import utc_now
from datafolio.store.names import check_item_name, check_snapshot_name, check_tags, check_text
from datafolio.store.repository import DUE_SHARE

if TYPE_CHECKING:
    from datafolio.store.findings import Report
    from datafolio.store.orphans import Orphan
    from datafolio.store.transfer import Progress

__all__ = ["DataFolio"]


class DataFolio(ItemReader, ItemWriter):
    """A folio: one home for an experiment's tables, models, arrays, files and metadata.

    What a call returned from is durable.  Handles hold no lock and no state of their own: any number
    of them, in any number of processes, see each other's writes at the next read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        read_only: bool = False,
        trust: bool = True,
        *,
        auto_gc: float | None = DUE_SHARE,
        storage_options: Mapping[str, Any] | None = None,
        single_writer: bool = False,
    ) -> None:
        """Open the folio at `path`, a directory or a URL, or make one where there is nothing or an empty directory.

        A relative path is bound to the current directory now; ``~`` is expanded.  URLs are those of object
        stores (``s3://bucket/name``, ``gs://``, ``abfs://``), with `storage_options` as fsspec takes them, which
        are never stored, and of published folios (``https://``), which can only be read.  Storage that can't
        make a file only if there is none raises NotExclusiveError, unless you say that you are its `single_writer`.
        With `read_only` nothing is made or written.  With ``trust=False`` items that run code when they are read
        (models) are refused.  What nothing needs any more is collected by itself once it passes the
        share `auto_gc` of what the folio holds; None switches that off.  Raises DestinationExistsError
        for a file, or a directory that has other things in it (`init` makes a folio there), and
        FolioNotFoundError with `read_only` where there is no folio.
        """
        place, share = bind_place(path, storage_options, single_writer=single_writer), check_auto_gc(auto_gc)
        repository = place.open(read_only=True) if read_only else place.open_or_create()
        self._bind(Binding(repository, place, read_only=read_only, trust=trust, auto_gc=share))

    def _bind(self, binding: Binding) -> None:
        ItemReader.__init__(self, binding)
        self._metadata = Metadata(binding)

    @classmethod
    def _of(cls, binding: Binding) -> DataFolio:
        folio = cls.__new__(cls)
        DataFolio._bind(folio, binding)
        return folio

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        read_only: bool = False,
        trust: bool = True,
        *,
        auto_gc: float | None = DUE_SHARE,
        storage_options: Mapping[str, Any] | None = None,
        single_writer: bool = False,
    ) -> DataFolio:
        """Open a folio that exists; raises FolioNotFoundError, and makes nothing, where there is none."""
        place, share = bind_place(path, storage_options, single_writer=single_writer), check_auto_gc(auto_gc)
        repository = place.open(read_only=read_only)
        return cls._of(Binding(repository, place, read_only=read_only, trust=trust, auto_gc=share))

    @classmethod
    def init(
        cls,
        path: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, Any] | None = None,
        single_writer: bool = False,
    ) -> DataFolio:
        """Make a folio at `path`, which may be a directory that has other things in it."""
        place = bind_place(path, storage_options, single_writer=single_writer)
        return cls._of(Binding(place.init(), place, read_only=False, trust=True))

    @classmethod
    def load_snapshot(
        cls,
        path: str | os.PathLike[str],
        name: str,
        trust: bool = True,
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> DataFolio:
        """The snapshot `name` of the folio at `path`, read-only.

        Raises FolioNotFoundError or SnapshotNotFoundError.
        """
        return cls.open(path, read_only=True, trust=trust, storage_options=storage_options).get_snapshot(name)

    @property
    def path(self) -> Path | str:
        """The folio's directory, absolute, as a Path; or its URL, as a str, without any credentials."""
        return self._binding.place.path

    @property
    def read_only(self) -> bool:
        """Whether every write through this handle raises ReadOnlyError."""
        return self._binding.read_only

    @property
    def snapshot_name(self) -> str | None:
        """The snapshot that this handle shows, or None for the folio as it is."""
        return self._binding.snapshot

    @property
    def metadata(self) -> Metadata:
        """A dict that saves itself: each change is durable when its statement is done."""
        self._metadata.refresh()
        return self._metadata

    @metadata.setter
    def metadata(self, contents: Mapping[Any, Any]) -> None:
        if contents is not self._metadata:  # `folio.metadata |= ...` has already been saved
            self._metadata.replace(contents)

    @property
    def data(self) -> DataAccessor:
        """The items by attribute: ``folio.data.NAME.content``, with tab completion."""
        return DataAccessor(self)

    def batch(self) -> AbstractContextManager[None]:
        """``with folio.batch():`` collects this thread's changes and commits them as one, or none if it raises.

        Reads inside see the changes.  They are durable when the block ends.
        """
        return self._binding.batch()

    # Snapshots

    @property
    def snapshots(self) -> Snapshots:
        """A mapping from names to light views, the oldest first."""
        return Snapshots(self._binding)

    def create_snapshot(
        self,
        name: str,
        description: str | None = None,
        tags: Iterable[str] = (),
        capture_git: bool = True,
        capture_environment: bool = True,
        capture_execution: bool = True,
        *,
        capture_arguments: bool = False,
    ) -> None:
        """Make an immutable checkpoint of all items and metadata.  Durable on return.

        No data is read or copied.  `name` is letters, digits, ``.``, ``_`` and ``-``.  What is captured of
        the code's git repository, the Python environment and the running program holds no environment
        variables, no credentials and no names of changed files; the program's arguments only with
        `capture_arguments`, since people put secrets there.  Raises SnapshotExistsError if the name is
        taken: snapshots never change.
        """
        from datafolio.porcelain import provenance

        check_snapshot_name(name)
        own = self.path if isinstance(self.path, Path) else None
        here = working_directory() or own or Path(os.sep)
        new = changes.NewSnapshot(
            description=check_text(description, f"the description of snapshot {name!r}"),
            tags=check_tags(() if tags is None else tags),
            timestamp=utc_now(),
            git=provenance.capture_git(own) if capture_git else None,
            environment=provenance.capture_environment(here) if capture_environment else None,
            execution=provenance.capture_execution(capture_arguments) if capture_execution else None,
        )
        self._change_snapshots(f"create snapshot {name!r}", lambda state: changes.create_snapshot(state, name, new))

    def get_snapshot(self, name: str) -> DataFolio:
        """The snapshot as a read-only DataFolio.  Raises SnapshotNotFoundError."""
        return self._of(self._binding.at_snapshot(name))

    def list_snapshots(self, tags: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Every snapshot, or those that have all of `tags`, the oldest first.

        Each is a dict with ``name, description, tags, timestamp`` (UTC, ISO 8601)``, item_versions,
        metadata_snapshot, git, environment, execution`` and more; what was not captured is None.
        """
        wanted = frozenset(check_tags(() if tags is None else tags))
        return self._binding.folio_view(lambda state: list_infos(state, wanted))

    def get_snapshot_info(self, name: str) -> dict[str, Any]:
        """The same dict for one snapshot.  Raises SnapshotNotFoundError."""
        return self._binding.folio_view(lambda state: snapshot_info(state, name))

    def compare_snapshots(self, old: str, new: str) -> Comparison:
        """What differs from snapshot `old` to snapshot `new`.

        A dict of sorted ``added_items, removed_items, modified_items, shared_items`` and of
        ``metadata_changes``, ``{key: (old, new)}``.  An item is modified only if its content differs.
        """
        return self._binding.folio_view(
            lambda state: compare(changes.at_snapshot(state, old), changes.at_snapshot(state, new))
        )

    def diff_from_snapshot(self, name: str | None = None) -> Comparison:
        """What differs from the snapshot (by default the newest) to what this handle shows, as `compare_snapshots`."""
        base = self._newest_snapshot() if name is None else name
        shown = self._binding.view(lambda state: state)
        return self._binding.folio_view(lambda state: compare(changes.at_snapshot(state, base), shown))

    def restore_snapshot(self, name: str) -> None:
        """Make the snapshot's items and metadata the folio's own again.  Durable on return.

        Nothing is copied, and no snapshot changes.  What the folio held that no snapshot holds is no
        longer in it; `undo` brings it back for as long as the log goes back so far.
        """
        self._change_snapshots(f"restore snapshot {name!r}", lambda state: changes.restore(state, name))

    def delete_snapshot(self, name: str, cleanup_orphans: bool = False) -> list[Orphan]:
        """Delete a snapshot; with `cleanup_orphans` also collect, and return what that freed.

        The data stay where they are until a collection finds that nothing needs them.
        """
        if cleanup_orphans:
            self._binding.refuse_in_batch("delete_snapshot with cleanup_orphans")
        self._change_snapshots(
            f"delete snapshot {name!r}", lambda state: changes.delete_snapshot(state, name), lets_go=True
        )
        return self.cleanup_orphaned_versions() if cleanup_orphans else []

    def cleanup_orphaned_versions(self, dry_run: bool = False) -> list[Orphan]:
        """Free the space of what neither the folio nor a snapshot needs; with `dry_run`, only say what that is.

        Returns the item versions, each a dict of ``item, version, bytes, digest, last_held_by`` that
        prints as a sentence.  What only the log still held is freed too.
        """
        if not dry_run:
            self._binding.require_writable()
            self._binding.refuse_in_batch("cleanup_orphaned_versions")
        from datafolio.store.gc import collect

        orphans = list(collect(self._binding.repository, dry_run=dry_run).orphans)
        if not dry_run:
            self._binding.refresh_views()
        return orphans

    def export_snapshot(
        self,
        name: str,
        directory: str | os.PathLike[str],
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> list[Path]:
        """Write the snapshot's items to `directory`, new or empty, as ordinary named files; the files written.

        `progress` is called with the bytes written so far, and the bytes of all, after each item.
        """
        target = bind_path(directory)
        repository = self._binding.repository_to_read()
        from datafolio.porcelain.export import export_snapshot

        return self._binding.folio_view(
            lambda state: export_snapshot(repository, state, name, target, progress), is_pure=False
        )

    def reproduce_instructions(self, name: str) -> str:
        """How to get back to the code, the environment and the data of the snapshot, for people."""
        from datafolio.porcelain.reproduce import reproduce_instructions

        info = self.get_snapshot_info(name)
        return reproduce_instructions(name, shortest(self.path), {**info, "metadata": info["metadata_snapshot"]})

    # What was done

    def history(self, name: str | None = None) -> list[dict[str, Any]]:
        """What was done to the folio, as far as the log goes back (100 operations at least), the newest first.

        Each operation is a dict of ``operation`` (its number), ``time`` (UTC, ISO 8601), ``what`` it did, in
        words, ``restores`` (of an undo: the operation after which the folio was as it is again) and
        ``changes``: the sorted names ``added_items, removed_items, modified_items, created_snapshots,
        deleted_snapshots``, and ``metadata_changes``, ``{key: (old, new)}``.  Here an item is modified if
        anything differs, its description too.  ``changes`` is None where what came before is not known:
        for the oldest operation of a log that has been trimmed, and where a collection freed what it
        takes to tell.

        With `name`, only the operations that changed that item, and those of which that can't be told;
        each has also ``before`` and ``after``: the item's ``version``, ``size`` and ``digest``, or None
        where there was no such item.  Handles on snapshots show the history of their folio.
        """
        from datafolio.porcelain.history import history, item_history

        repository = self._binding.repository
        return history(repository) if name is None else item_history(repository, check_item_name(name))

    def undo(self, operation: int | None = None, dry_run: bool = False) -> dict[str, Any] | None:
        """Make items, metadata and snapshots what they were before the newest operation.  Durable on return.

        With `operation`, what they were before the operation of that number, as `history` shows it: it
        and everything since are undone.  The newest operation is undone whoever made it, another program
        or this one.  Called again, `undo` goes one operation further back.  It is an operation itself:
        ``undo(number)`` with its own number brings back what it undid.  Collections are not undone.

        Returns the operation that undid, as `history` shows it, or None if the folio was like that
        already, and nothing was written.  With `dry_run` nothing is changed, and the number is None.
        Raises NotKeptError where the log does not go back so far, or what would come back was freed by
        `cleanup_orphaned_versions`; then nothing has changed.
        """
        from datafolio.porcelain.history import undo

        return undo(self._binding, operation, dry_run=dry_run)

    # Copies elsewhere

    @classmethod
    def clone(
        cls,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        snapshot: str | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
        target_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> DataFolio:
        """A copy of the folio at `source`, made at `target`, where there is nothing or an empty directory.

        The copy has all items, metadata and snapshots, and a log of its own; with `snapshot`, only that snapshot,
        whose items and metadata are then its own.  A clone that was interrupted goes on where it was when it is
        made again.  `storage_options` are for the source, `target_options` for the target, where these are URLs.
        Raises FolioNotFoundError or SnapshotNotFoundError, and otherwise what `copy_to` does.
        """
        from datafolio.porcelain.sharing import clone

        binding, _ = clone(source, target, snapshot, storage_options, target_options, progress)
        return cls._of(binding)

    def copy_to(
        self,
        target: str | os.PathLike[str],
        snapshot: str | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Make the folio at `target` a copy of this one, or bring the copy that is there up to date.

        What is there already is not copied again, and the objects come before the record that needs them: an
        interrupted call leaves the target as it was, and the next one goes on.  It is one operation of the target,
        which `undo` there undoes.  With `snapshot`, or a handle that shows one, only that snapshot is copied.
        Returns a dict of ``source, target, snapshot, changed``, the ``objects`` and ``bytes`` that were copied, and
        ``ahead``, which is of use for `pull`.  `progress` is called now and then, in any thread, with what was copied
        and what there is to copy, both as ``(objects, bytes)``.

        Raises DivergedError, which says what differs, and changes nothing, if the target has what this folio
        lacks; SnapshotExistsError if it has another snapshot of that name; DestinationExistsError for a directory
        that has other things in it; and CorruptObjectError, with nothing changed, for damage here.
        """
        from datafolio.porcelain.sharing import copy_to

        return copy_to(self._binding, target, snapshot, storage_options, progress)

    def push(
        self,
        target: str | os.PathLike[str],
        snapshot: str | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Bring the folio at `target`, which exists, up to date with this one; otherwise as `copy_to`."""
        from datafolio.porcelain.sharing import push

        return push(self._binding, target, snapshot, storage_options, progress)

    def pull(
        self,
        source: str | os.PathLike[str],
        snapshot: str | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Bring this folio up to date with the one at `source`: `push` the other way round.

        If this one has all that the source has, and more, nothing is done, and ``ahead`` is true.
        """
        from datafolio.porcelain.sharing import pull

        return pull(self._binding, source, snapshot, storage_options, progress)

    # The whole folio

    def describe(self) -> Description:
        """What is in the folio, as a text that a prompt shows as it is."""
        snapshot = f", snapshot {self.snapshot_name!r}" if self.snapshot_name else ""
        return self._binding.view(lambda state: describe(state, f"folio at {self.path}{snapshot}"))

    def validate(self) -> Report:
        """Check everything that the folio needs, every digest included.

        The report is true if all is sound; its `findings` say what is not, where, and what it affects.
        """
        from datafolio.store.fsck import fsck

        return fsck(self._binding.repository.backend)

    def audit(self) -> list[dict[str, Any]]:
        """What would run code when it is read, current and in snapshots, and what of; nothing is loaded.

        A list of dicts with ``item, version, current, snapshots, type, class, bytes, digest``; ``imports``, the
        globals that the pickle imports; ``calls``, the operations by which it runs code of them; and ``unknown``,
        why `imports` may not be all, for what is computed or damaged: empty if it is all.
        """
        repository = self._binding.repository_to_read()
        from datafolio.porcelain.audit import audit

        return self._binding.folio_view(lambda state: audit(repository, state))

    def _change_snapshots(self, operation: str, change: changes.Change, *, lets_go: bool = False) -> None:
        self._binding.commit(operation, change, lets_go=lets_go)
        self._binding.refresh_views()

    def _newest_snapshot(self) -> str:
        names = list(self.snapshots)
        if not names:
            raise UsageError(f"{self.path} has no snapshot to compare with; make one with create_snapshot")
        return names[-1]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, a handle is where its folio is and what it may do; unpickled, it opens that."""
        binding = self._binding
        binding.refuse_in_batch("copying or pickling a handle")
        if binding.place.has_options:
            raise UsageError(
                f"this handle on {self.path} was opened with storage_options, or credentials in the URL, and a pickle "
                f"would store these secrets; set them in the environment or in fsspec's configuration, or open the "
                f"folio where it is used"
            )
        options = (str(self.path), self.read_only, binding.trust, self.snapshot_name, binding.auto_gc)
        return _reopen, (type(self), *options)

    def __repr__(self) -> str:
        # Without a look at the folio, which may be gone or damaged.
        snapshot = f", snapshot {self.snapshot_name!r}" if self.snapshot_name else ""
        return f"<DataFolio {str(self.path)!r}{snapshot}{', read-only' if self.read_only else ''}>"


def _reopen(
    kind: type[DataFolio],
    path: str,
    read_only: bool,
    trust: bool,
    snapshot: str | None,
    auto_gc: float | None = DUE_SHARE,
) -> DataFolio:
    folio = kind.open(path, read_only=read_only, trust=trust, auto_gc=auto_gc)
    return folio if snapshot is None else folio.get_snapshot(snapshot)
