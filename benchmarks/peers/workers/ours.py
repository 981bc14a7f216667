"""datafolio as it is in this checkout."""

from __future__ import annotations

import sys
from typing import Any

from api import Common
from loop import serve
from values import makers


class Library(Common):
    def put(self, name: str, value: Any) -> None:
        self.folio.add_json(name, value, overwrite=True)

    def get(self, name: str) -> Any:
        return self.folio.get_json(name)

    def add_table(self, name: str, frame: Any) -> None:
        self.folio.add_table(name, frame, overwrite=True)

    def get_table(self, name: str) -> Any:
        return self.folio.get_table(name)

    def add_model(self, name: str, value: Any) -> None:
        self.folio.add_model(name, value, overwrite=True)

    def get_model(self, name: str) -> Any:
        return self.folio.get_model(name)

    def load(self, snapshot: str, name: str) -> Any:
        return self.folio.get_snapshot(snapshot).get_json(name)

    def verify(self) -> None:
        report = self.folio.validate()
        assert report.is_sound, report


if __name__ == "__main__":
    serve(Library(), makers(float(sys.argv[1])))
