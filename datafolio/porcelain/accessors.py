"""``folio.data.NAME``: an item and what is known of it, with tab completion."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from typing import Any

from datafolio.errors import InvalidNameError, ItemNotFoundError
from datafolio.porcelain.reader import ItemReader
from datafolio.text import printable

__all__ = ["DataAccessor", "Item"]


class Item:
    """One item, by name.  Every property is read afresh."""

    def __init__(self, reader: ItemReader, name: str) -> None:
        """The item `name` of what `reader` shows."""
        self._reader = reader
        self.name = name

    @property
    def content(self) -> Any:
        """The item itself, as `get_data` gives it."""
        return self._reader.get_data(self.name)

    @property
    def description(self) -> str | None:
        """What was said of it when it was added."""
        description: str | None = self._info("description")
        return description

    @property
    def type(self) -> str:
        """Its type: ``table``, ``model``, ``numpy``, ``json``, ``timestamp``, ``artifact`` or ``figure``."""
        return str(self._info("type"))

    @property
    def version(self) -> int:
        """Its version number; it rises when content that a snapshot holds is overwritten."""
        return int(self._info("version"))

    @property
    def size(self) -> int:
        """The size of its payload in bytes."""
        return int(self._info("size"))

    @property
    def created_at(self) -> str:
        """When its content was added: ISO 8601, UTC."""
        return str(self._info("created_at"))

    @property
    def inputs(self) -> list[str]:
        """The names of the items that it was made from."""
        return self._reader.get_inputs(self.name)

    @property
    def dependents(self) -> list[str]:
        """The names of the items that were made from it."""
        return self._reader.get_dependents(self.name)

    def __repr__(self) -> str:
        info = self._reader.get_item_info(self.name)
        return f"<{printable(info['type'])} {self.name!r} version {info['version']}, {info['size']} bytes>"

    def _info(self, key: str) -> Any:
        return self._reader.get_item_info(self.name)[key]


class DataAccessor:
    """The items by attribute, or by key for names that are no identifiers."""

    __slots__ = ("_reader",)

    def __init__(self, reader: ItemReader) -> None:
        """The items of what `reader` shows."""
        self._reader = reader

    def __getitem__(self, name: str) -> Item:
        self._reader.get_item_info(name)
        return Item(self._reader, name)

    def __getattr__(self, name: str) -> Item:
        if name.startswith("__") or name == "_reader":  # which an unfinished copy has not got yet
            raise AttributeError(name)
        try:
            return self[name]
        except (ItemNotFoundError, InvalidNameError) as error:
            raise AttributeError(str(error)) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.items)

    def __len__(self) -> int:
        return len(self._reader)

    def __contains__(self, name: object) -> bool:
        return name in self._reader

    def __dir__(self) -> list[str]:
        return [name for name in self._reader.items if name.isidentifier() and not keyword.iskeyword(name)]

    def _ipython_key_completions_(self) -> list[str]:
        return self._reader.items

    def __repr__(self) -> str:
        return f"<data: {printable(', '.join(self._reader.items)) or 'no items'}>"
