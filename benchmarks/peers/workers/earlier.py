"""datafolio 2.3.0 from PyPI, the earlier implementation of this API."""

from __future__ import annotations

import sys
from typing import Any

from api import Common
from loop import serve
from values import makers


class Library(Common):
    options = {"max_eager_bytes": None}  # noqa: RUF012  # else it refuses to read tables of more than 500 MB

    def put(self, name: str, value: Any) -> None:
        self.folio.add(name, value, overwrite=True)

    def get(self, name: str) -> Any:
        return self.folio.get(name)

    add_table = put
    get_table = get

    def add_model(self, name: str, value: Any) -> None:
        self.folio.add_model(name, value, overwrite=True)

    def get_model(self, name: str) -> Any:
        return self.folio.get_model(name)

    def load(self, snapshot: str, name: str) -> Any:
        return self.folio.get_snapshot(snapshot).get(name)

    def verify(self) -> None:
        found = self.folio.validate()
        assert all(found.values()), found


if __name__ == "__main__":
    serve(Library(), makers(float(sys.argv[1])))
