"""Reading items: what the folio's own handle and the light view of a snapshot have in common."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from datafolio.errors import FormatError, InvalidNameError, ItemTypeError, UntrustedError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.describe import contents_by_type
from datafolio.porcelain.lineage import dependents_of, lineage_of
from datafolio.store.changes import require_items
from datafolio.store.model import Entry
from datafolio.store.names import check_item_name, filename
from datafolio.store.payload import StoredPayload
from datafolio.store.state import State
from datafolio.text import printable

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ItemReader", "entry_of"]

_LONGEST_CLASS = 200


def entry_of(state: State, name: str) -> Entry:
    """The item's entry.  Raises ItemNotFoundError."""
    require_items(state, [check_item_name(name)], "to read")
    entry = state.items.get(name)
    assert entry is not None
    return entry


class ItemReader:
    """The items of one state of a folio.

    Every `get` reads the newest state that the handle shows, and checks what it reads against the
    digest, unless it reads only a part.  All raise ItemNotFoundError for a name that is not there,
    ItemTypeError for an item of another type, and CorruptObjectError or MissingObjectError, naming
    the item and the file, where the payload is damaged.
    """

    def __init__(self, binding: Binding) -> None:
        """The items of the state that `binding` shows."""
        self._binding = binding

    def get_table(
        self,
        name: str,
        columns: Sequence[Any] | None = None,
        as_: Literal["pandas", "arrow", "polars"] = "pandas",
        *,
        filters: Any = None,
    ) -> Any:
        """The table as a pandas DataFrame, a pyarrow Table or a polars DataFrame.

        With `columns`, a list of labels, only these are read; with `filters`, as pandas.read_parquet and
        pyarrow.parquet.read_table take them, only the rows that match, which keep their labels in the index.
        Parts are not checked against the digest.
        """
        return self._get(name, "table", columns=columns, filters=filters, as_=as_)

    def get_model(self, name: str) -> Any:
        """The model.  This runs code from the folio; a handle with ``trust=False`` raises UntrustedError."""
        return self._get(name, "model")

    def get_numpy(self, name: str, mmap: bool = False) -> np.ndarray[Any, Any]:
        """The array, with its shape, dtype and memory order.

        With `mmap` it can't be written to, and its memory is the stored file itself where that can be
        mapped: it is read through once, to check it, and what is used of it stays out of the program's
        own memory.  It stays valid when the item is deleted.
        """
        array: np.ndarray[Any, Any] = self._get(name, "numpy", mmap=mmap)
        return array

    def get_json(self, name: str) -> Any:
        """The value, of the types that it had."""
        return self._get(name, "json")

    def get_timestamp(self, name: str) -> dt.datetime:
        """The timestamp, in its time zone."""
        moment: dt.datetime = self._get(name, "timestamp")
        return moment

    def get_artifact_path(self, name: str) -> Path:
        """An ordinary file with the artifact's (or figure's) bytes, named as the item is.

        It is a copy of the caller's own, checked, which stays for as long as this process; changing
        it changes nothing in the folio.
        """
        path: Path = self._get(name, "artifact", "figure")
        return path

    def get_data(self, name: str) -> Any:
        """The item, whatever its type: as its own ``get`` gives it."""
        return self._get(name)

    def list_contents(self) -> dict[str, list[str]]:
        """The names of the items by type, each list sorted: ``{"tables": [...], "models": [...], ...}``."""
        return self._binding.view(contents_by_type)

    @property
    def items(self) -> list[str]:
        """The names of all the items, sorted."""
        return self._binding.view(lambda state: state.items.names())

    @property
    def tables(self) -> list[str]:
        """The names of the tables, sorted."""
        return self.list_contents()["tables"]

    @property
    def models(self) -> list[str]:
        """The names of the models, sorted."""
        return self.list_contents()["models"]

    @property
    def artifacts(self) -> list[str]:
        """The names of the artifacts, sorted."""
        return self.list_contents()["artifacts"]

    def get_inputs(self, name: str) -> list[str]:
        """The names of the items that this one was made from, as they were given."""
        return list(self._entry(name).inputs)

    def get_dependents(self, name: str) -> list[str]:
        """The names of the items that were made from this one, sorted."""
        return self._binding.view(lambda state: dependents_of(state, check_item_name(name)))

    def get_lineage_graph(self) -> dict[str, list[str]]:
        """Every item's inputs, by name: ``{"model": ["features", "labels"], "features": []}``."""
        return self._binding.view(lineage_of)

    def get_item_info(self, name: str) -> dict[str, Any]:
        """What a listing knows of the item: type, version, size in bytes, digest, times, inputs, facts."""
        return _info(name, self._entry(name))

    def list_items(self) -> list[dict[str, Any]]:
        """`get_item_info` of every item, by name, as they were at one moment."""
        return [_info(name, entry) for name, entry in self._binding.view(lambda state: state.items.items())]

    def __contains__(self, name: object) -> bool:
        """Whether there is an item of that name."""
        try:
            known = check_item_name(name)
        except InvalidNameError:
            return False
        return self._binding.view(lambda state: known in state.items)

    def __len__(self) -> int:
        """The number of items."""
        return self._binding.view(lambda state: len(state.items))

    def __iter__(self) -> Iterator[str]:
        """The names of the items, sorted."""
        return iter(self.items)

    def __bool__(self) -> bool:
        """True: an empty folio is a folio."""
        return True

    def _entry(self, name: str) -> Entry:
        return self._binding.view(lambda state: entry_of(state, name))

    def _get(self, name: str, *tags: str, **options: Any) -> Any:
        """The one read path: of every item type, through every handle."""

        def read(state: State) -> Any:
            entry = entry_of(state, name)
            _require_type(name, entry, tags)
            return self._decode(name, entry, options)

        return self._binding.view(read)

    def _decode(self, name: str, entry: Entry, options: Mapping[str, Any]) -> Any:
        from datafolio.items import by_tag

        item_type = by_tag(entry.type)
        if entry.type_version > item_type.version:
            raise FormatError(
                f"the item {name!r} is a {entry.type} of version {entry.type_version}, and this datafolio reads "
                f"up to {item_type.version}; install a newer one"
            )
        if item_type.runs_code and not self._binding.trust:
            raise UntrustedError(
                f"the item {name!r} is a {item_type.tag}: reading it unpickles {_class_words(entry)}, which can run "
                f"any code, and this handle does not trust the folio; `datafolio audit` lists what it imports, without "
                f"loading it; open the folio with trust=True if you trust whoever wrote it"
            )
        return item_type.decode(self._payload(name, entry), entry.facts, **options)

    def _payload(self, name: str, entry: Entry) -> StoredPayload:
        where = f"item {name!r} version {entry.version}"
        return self._binding.payload(entry, item=where, filename=filename(name, entry))


def _class_words(entry: Entry) -> str:
    name = entry.facts.get("class")
    return f"what says that it is a {printable(name[:_LONGEST_CLASS])}" if isinstance(name, str) else "an object"


def _info(name: str, entry: Entry) -> dict[str, Any]:
    own = {
        "name": name,
        "type": entry.type,
        "version": entry.version,
        "filename": filename(name, entry),
        "size": entry.size,
        "digest": entry.digest,
        "created_at": entry.created_at,
        "description": entry.description,
        "inputs": list(entry.inputs),
    }
    return {**own, **{fact: value for fact, value in entry.facts.items() if fact not in own}}


def _require_type(name: str, entry: Entry, tags: tuple[str, ...]) -> None:
    if tags and entry.type not in tags:
        own = {"numpy": "get_numpy", "artifact": "get_artifact_path", "figure": "get_artifact_path"}
        kind = printable(entry.type)
        getter = own.get(entry.type, f"get_{kind}")
        raise ItemTypeError(f"the item {name!r} is a {kind}, not a {tags[0]}; use {getter} or get_data")
