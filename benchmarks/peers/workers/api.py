"""What the two implementations of the DataFolio API do in the same words."""

from __future__ import annotations

from typing import Any

from datafolio import DataFolio

__all__ = ["BARE", "Common"]

BARE = {"capture_git": False, "capture_environment": False, "capture_execution": False}


class Common:
    """A folio.  What is called ``put`` and ``get`` stands in the two modules that differ."""

    options: dict[str, Any] = {}  # noqa: RUF012  # replaced whole, never changed
    folio: DataFolio

    def open(self, path: str) -> None:
        self.folio = DataFolio(path, **self.options)

    def put(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def add_many(self, number: int) -> None:
        with self.folio.batch():
            for index in range(number):
                self.put(f"item{index}", {"index": index})

    def list_items(self) -> Any:
        return self.folio.list_contents()

    def snapshot(self, name: str) -> None:
        self.folio.create_snapshot(name, **BARE)

    def snapshots(self, number: int) -> None:
        """As many snapshots, every tenth after a change of the metadata."""
        for index in range(number):
            if index % 10 == 0:
                self.folio.metadata["step"] = index
            self.snapshot(f"s{index:04}")

    def list_snapshots(self) -> Any:
        return self.folio.list_snapshots()

    def open_and_list(self, path: str) -> Any:
        return DataFolio(path, **self.options).list_snapshots()

    def compare(self, old: str, new: str) -> Any:
        return self.folio.compare_snapshots(old, new)
