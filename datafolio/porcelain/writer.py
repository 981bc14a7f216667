"""Writing items: every type goes through one path."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from datafolio.errors import UsageError
from datafolio.porcelain.binding import Binding
from datafolio.store.changes import NewItem, delete_item, put_item, require_free, require_items
from datafolio.store.clock import utc_now
from datafolio.store.names import check_item_name, check_text
from datafolio.store.repository import NotAsStoredError
from datafolio.store.state import State

if TYPE_CHECKING:
    import numpy as np

    from datafolio.items import ItemType

__all__ = ["ItemWriter"]


class ItemWriter:
    """Adding and deleting items.

    Every `add` takes a `description`, the names of the items that this one was made from (`inputs`),
    and `overwrite`.  On return the item is durable, or, inside `batch`, will be when that ends.  What
    could not come back as it went in raises UnsupportedValueError, a name that is taken
    ItemExistsError unless `overwrite`, an input that is no item ItemNotFoundError; then nothing has
    changed.  Content that a snapshot holds is never overwritten: the item gets a new version.
    """

    _binding: Binding

    def add_table(
        self,
        name: str,
        table: Any,
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store a pandas DataFrame, or anything that speaks the Arrow PyCapsule interface (polars, pyarrow)."""
        self._add(name, "table", table, description, inputs, overwrite=overwrite)

    def add_model(
        self,
        name: str,
        model: Any,
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store any object that cloudpickle takes: a fitted pipeline, a function, an instance of a class of yours."""
        self._add(name, "model", model, description, inputs, overwrite=overwrite)

    def add_numpy(
        self,
        name: str,
        array: np.ndarray[Any, Any],
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store a numpy array of any shape, and any dtype but objects."""
        self._add(name, "numpy", array, description, inputs, overwrite=overwrite)

    def add_json(
        self,
        name: str,
        value: Any,
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store a value made of text, numbers, None, dates, paths, and lists and dicts of these."""
        self._add(name, "json", value, description, inputs, overwrite=overwrite)

    def add_timestamp(
        self,
        name: str,
        moment: dt.datetime,
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store a datetime or pandas Timestamp that knows its time zone."""
        self._add(name, "timestamp", moment, description, inputs, overwrite=overwrite)

    def add_artifact(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store a copy of an ordinary file of any kind."""
        self._add(name, "artifact", path, description, inputs, overwrite=overwrite)

    def add_data(
        self,
        name: str,
        value: Any,
        *,
        description: str | None = None,
        inputs: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        """Store `value` as what it is: a table, array, figure, timestamp, file (a Path), JSON value, else a model."""
        self._add(name, None, value, description, inputs, overwrite=overwrite)

    def delete(self, name: str) -> None:
        """Delete the item.  Raises ItemInUseError, naming them, while snapshots hold a version of it."""
        check_item_name(name)
        self._binding.commit(f"delete {name!r}", lambda state: delete_item(state, name), lets_go=True)

    def _add(
        self,
        name: str,
        tag: str | None,
        value: Any,
        description: str | None,
        inputs: Iterable[str],
        *,
        overwrite: bool,
    ) -> None:
        """The one write path: check, encode, stage, commit."""
        check_item_name(name)
        made_from = _check_inputs(name, inputs)
        check_text(description, f"the description of {name!r}")
        from datafolio.items import by_tag, detect

        item_type = detect(value) if tag is None else by_tag(tag)
        self._check_free(name, made_from, overwrite=overwrite)
        try:
            self._store(name, item_type, value, description, made_from, overwrite=overwrite, recall=True)
        except NotAsStoredError:
            # What was stored of the file when it was last added was collected just now, or damaged.  No other
            # error is a reason to encode again: the value may be one that can be read only once.
            self._store(name, item_type, value, description, made_from, overwrite=overwrite, recall=False)

    def _store(
        self,
        name: str,
        item_type: ItemType,
        value: Any,
        description: str | None,
        made_from: tuple[str, ...],
        *,
        overwrite: bool,
        recall: bool,
    ) -> None:
        with self._binding.incoming(recall=recall) as payload:
            encoded = item_type.encode(value, payload)
            digest, source = payload.finish()
            new = NewItem(
                type=item_type.tag,
                type_version=item_type.version,
                digest=digest,
                size=payload.size,
                suffix=encoded.suffix,
                created_at=utc_now(),
                description=description,
                inputs=made_from,
                facts=encoded.facts,
            )

            def change(state: State) -> State:
                return put_item(state, name, new, overwrite=overwrite)

            operation = f"add {item_type.tag} {name!r}"
            if source is None:
                self._binding.commit(operation, self._binding.repository.relying_on(digest, change))
            else:
                self._binding.commit(operation, change, {digest: source})

    def _check_free(self, name: str, inputs: tuple[str, ...], *, overwrite: bool) -> None:
        """Raise at once what the commit would raise after a long encoding, as far as that is known."""

        def check(state: State) -> None:
            require_items(state, inputs, f"an input of {name!r}")
            require_free(state, name, overwrite=overwrite)

        self._binding.require_writable()
        self._binding.foresee(check)


def _check_inputs(name: str, inputs: Iterable[str]) -> tuple[str, ...]:
    if isinstance(inputs, str):
        raise UsageError(f"inputs of {name!r} is a list of names; for one, write inputs=[{inputs!r}]")
    if inputs is not None and not isinstance(inputs, Iterable):
        raise UsageError(f"inputs of {name!r} is a list of names, not a {type(inputs).__name__}: {inputs!r}")
    names = tuple(check_item_name(other) for other in inputs or ())
    if name in names:
        raise UsageError(f"the item {name!r} can't be its own input")
    return names
