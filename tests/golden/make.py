"""Write the golden folio of this version: `python -m tests.golden.make` from the root of the checkout.

A folio that a release wrote stays in the repository as it is, and every later version must read it.
So this is run once, before a release that writes something new; `NAME` is then another one.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import json
import math
import pathlib
import tempfile
import uuid
import zipfile
import zoneinfo

from datafolio import DataFolio, canonical
from datafolio.backend import LocalBackend
from datafolio.store import changes
from datafolio.store.model import FORMAT
from datafolio.store.repository import Repository

HERE = pathlib.Path(__file__).parent
#: The newest: the number of the format, and a letter for each thing that came without a new one.
NAME = f"format{FORMAT}b"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

EVERY_TAG = {
    "nan": math.nan,
    "infinities": [math.inf, -math.inf],
    "large": 2**64 + 1,
    "datetime": dt.datetime(2025, 7, 1, 12, 30, tzinfo=BERLIN),
    "naive": dt.datetime(2025, 1, 20, 15, 0, 0, 123456),  # noqa: DTZ001 - a value of this kind
    "date": dt.date(2025, 1, 20),
    "time": dt.time(15, 30),
    "duration": dt.timedelta(days=-1, seconds=30, microseconds=5),
    "bytes": b"\x00\xff",
    "decimal": decimal.Decimal("1.50"),
    "complex": complex(1, -2.5),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "path": pathlib.Path("data/raw.csv"),
    "tuple": (1, (2, 3)),
    "set": {3, 1, 2},
    "frozenset": frozenset("ba"),
    "map": {1: "one", (2, 3): "two and three"},
    "$dollar": {"$date": "not a date"},
    "order": {"z": 1, "a": 2},
}

# Later versions may tell more.
INFO = (
    *("name", "description", "tags", "timestamp", "item_versions", "metadata_snapshot"),
    *("git", "environment", "execution"),
)
ITEM_INFO = (
    *("name", "type", "version", "filename", "size", "digest", "created_at", "description", "inputs"),
    *("shape", "columns"),
)


def make(path: pathlib.Path) -> None:
    """The folio: every item type, snapshots, some of them deleted, collections, reborn objects."""
    folio = DataFolio(path)
    with folio.batch():
        _add_one_of_each(folio)
    folio.metadata["everything"] = EVERY_TAG
    _snapshot(path, "baseline", "Before anything changed", ("first", "überprüft"))

    folio.add_json("parameters", {"depth": 4}, overwrite=True)
    folio.add_json("passing", "seen by one snapshot that is deleted")
    _snapshot(path, "deleted", None, ())
    folio.delete_snapshot("deleted")
    folio.delete("passing")
    folio.cleanup_orphaned_versions()

    folio.add_json("reborn", "seen by one snapshot that is deleted")
    with folio.batch():
        for number in range(100):
            folio.add_json(f"fold {number:03d}", {"score": number / 7}, inputs=["parameters"])
    folio.metadata["history"] = [1, 2, 3]
    _snapshot(path, "large", "More items than one node holds", ("first",))

    for number in range(0, 100, 3):
        folio.add_json(f"fold {number:03d}", {"score": -number}, overwrite=True)
    folio.restore_snapshot("baseline")
    folio.add_json("parameters", {"depth": 5}, description="after the restore", overwrite=True)
    folio.add_json("reborn", "again under another number")
    folio.cleanup_orphaned_versions()
    _snapshot(path, "last", None, ("last",))
    folio.add_json("parameters", {"depth": 6}, overwrite=True)
    folio.add_json("parameters", {"depth": 7}, overwrite=True)
    folio.undo()


def _add_one_of_each(folio: DataFolio) -> None:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

    hours = pd.date_range("2025-03-30", periods=4, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame(
        {
            "number": [1.5, math.nan, -math.inf, 0.0],
            "count": pd.array([1, None, 3, 4], dtype="Int64"),
            "kind": pd.Categorical(["a", "b", None, "a"], categories=["b", "a", "never"], ordered=True),
            "Straße 🛣": ["Allee", "", None, "x"],
            "when": hours,
        },
        index=pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["letter", None]),
    )
    folio.add_table("flights", frame, description="A table with a bit of everything")
    folio.add_table("empty table", frame.iloc[:0])
    folio.add_table("arrow", pa.table({"ints": pa.array([1, None], pa.int32()), "lists": [[1], [2, 3]]}))
    folio.add_numpy("weights", np.arange(6, dtype="<f4").reshape(2, 3), inputs=["flights"])
    folio.add_json("parameters", {"depth": 3, **EVERY_TAG})
    folio.add_model("Modell Übersicht", {"bias": fractions.Fraction(1, 3)}, inputs=["flights", "weights"])
    folio.add_timestamp("started", dt.datetime(2025, 1, 20, 15, tzinfo=BERLIN))
    folio.add_timestamp("measured", pd.Timestamp("2025-01-20 15:00:00.123456789", tz="UTC"))
    figure = Figure(figsize=(1, 1), dpi=40)
    figure.add_subplot().plot([1, 2, 1])
    folio.add_data("curve", figure)
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "Bericht für 名前.tar.gz")
        report.write_bytes(bytes(range(256)))
        folio.add_artifact("report/名前", report)


def _snapshot(path: pathlib.Path, name: str, description: str | None, tags: tuple[str, ...]) -> None:
    # Made below the porcelain, with an environment and a time that are the same wherever this runs.
    new = changes.NewSnapshot(
        description=description,
        tags=tags,
        timestamp="2025-01-20T15:00:00.000000Z",
        git={"commit": "a" * 40, "branch": "main", "dirty": False, "remote": "https://example.org/repository.git"},
        environment={"python": "3.11.7", "implementation": "CPython", "packages": {"numpy": "2.0.0"}, "lock": None},
        execution={"working_directory": "/work", "entry_point": "train.py"},
    )
    repository = Repository.open(LocalBackend(path))
    repository.commit(f"create snapshot {name!r}", lambda state: changes.create_snapshot(state, name, new))


def summary(folio: DataFolio) -> dict[str, object]:
    """Everything in the folio and its snapshots, in terms of JSON."""
    infos = folio.list_snapshots()
    return {
        "now": _shown(folio),
        "snapshots": {info["name"]: _shown(folio.get_snapshot(info["name"])) for info in infos},
        "infos": [canonical.pack({key: info[key] for key in INFO}) for info in infos],
    }


def _shown(folio: DataFolio) -> dict[str, object]:
    return {
        "metadata": canonical.pack(dict(folio.metadata)),
        "items": {name: _item(folio, name) for name in folio.items},
    }


def _item(folio: DataFolio, name: str) -> dict[str, object]:
    info = folio.get_item_info(name)
    shown = {key: info[key] for key in ITEM_INFO if key in info}
    return {"info": canonical.pack(shown), "value": canonical.pack(_value(folio, name, info["type"]))}


def _value(folio: DataFolio, name: str, kind: str) -> object:
    if kind == "table":
        # Arrow's types do not depend on the version of pandas.
        table = folio.get_table(name, as_="arrow")
        return {column: [str(cell) for cell in table[column].to_pylist()] for column in table.column_names}
    value = folio.get_data(name)
    if kind == "numpy":
        return [str(value.dtype), value.shape, value.tolist()]
    if kind in {"artifact", "figure"}:
        return [value.name, value.read_bytes()]
    if kind == "model":
        return repr(value)
    if kind == "timestamp":
        return value.isoformat()
    return value


def _pack(path: pathlib.Path, target: pathlib.Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(path.rglob("*")):
            if file.is_file() and file.parent.name != "tmp":  # what is kept for a full disk says nothing
                # The time of a file is no part of a folio.
                entry = zipfile.ZipInfo(file.relative_to(path).as_posix())
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "folio")
        make(path)
        expected = json.dumps(summary(DataFolio(path, read_only=True)), indent=1, ensure_ascii=False)
        _pack(path, HERE / f"{NAME}.zip")
        (HERE / f"{NAME}.json").write_text(expected + "\n", "utf-8")


if __name__ == "__main__":
    main()
