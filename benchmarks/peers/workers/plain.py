"""Plain files: ``to_parquet``, ``joblib.dump`` and ``json.dump`` into a folder, and fsync where it is asked for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from loop import serve
from values import makers


class Library:
    folder: Path

    def __init__(self, *, durable: bool) -> None:
        self._durable = durable

    def open(self, path: str) -> None:
        self.folder = Path(path)
        self.folder.mkdir(exist_ok=True)

    def add_table(self, name: str, frame: Any) -> None:
        frame.to_parquet(self.folder / f"{name}.parquet")
        self._sync(self.folder / f"{name}.parquet")

    def get_table(self, name: str) -> Any:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def add_model(self, name: str, value: Any) -> None:
        joblib.dump(value, self.folder / f"{name}.joblib")
        self._sync(self.folder / f"{name}.joblib")

    def get_model(self, name: str) -> Any:
        return joblib.load(self.folder / f"{name}.joblib")

    def put(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
        self._sync(self.folder / f"{name}.json")

    def get(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_bytes())

    def add_many(self, number: int) -> None:
        for index in range(number):
            self.put(f"item{index}", {"index": index})

    def list_items(self) -> Any:
        return sorted(os.listdir(self.folder))

    def _sync(self, path: Path) -> None:
        if self._durable:
            for place in (path, self.folder):
                descriptor = os.open(place, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)


if __name__ == "__main__":
    serve(Library(durable=sys.argv[2] == "durable"), makers(float(sys.argv[1])))
