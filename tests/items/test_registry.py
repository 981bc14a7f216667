"""Which type a value is of, and which types there are."""

from __future__ import annotations

import datetime as dt
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from datafolio.errors import FormatError
from datafolio.items import ITEM_TYPES, by_tag, detect


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (pd.DataFrame(), "table"),
        (pl.DataFrame(), "table"),
        (pa.table({}), "table"),
        (pa.RecordBatchReader.from_batches(pa.schema([]), []), "table"),
        (pd.Series([1]), "table"),
        (pl.Series([1]), "table"),
        (np.zeros(3), "numpy"),
        (np.ma.array([1]), "numpy"),
        (Figure(), "figure"),
        (dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc), "timestamp"),
        (pd.Timestamp("2025", tz="UTC"), "timestamp"),
        (dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc).replace(tzinfo=None), "timestamp"),
        (pathlib.Path(__file__), "artifact"),
        ({}, "json"),
        ([], "json"),
        ((), "json"),
        ("", "json"),
        (1, "json"),
        (1.5, "json"),
        (True, "json"),
        (None, "json"),
        (np.float32(1), "json"),
        (np.bool_(True), "json"),
        (np.str_("a"), "json"),
        (object(), "model"),
        (print, "model"),
        ({1}, "json"),
        (b"", "json"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__qualname__,
)
def test_a_value_is_taken_for_the_first_type_that_fits(value, tag):
    assert detect(value).tag == tag


def test_every_type_is_found_by_its_tag():
    assert [by_tag(kind.tag) for kind in ITEM_TYPES] == list(ITEM_TYPES)


def test_an_unknown_tag_is_a_format_error_that_names_it():
    with pytest.raises(FormatError, match=r"'hologram'.*it knows table, numpy"):
        by_tag("hologram")


def run(code, directory):
    script = "import sys\nsys.path.insert(0, sys.argv[1])\n" + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script, str(directory)], check=False, capture_output=True, text=True)


MODULE = """
    from datafolio.items import Encoded, ItemType

    class Hologram:
        pass

    class HologramType(ItemType):
        tag = "hologram"
        def matches(self, value):
            return isinstance(value, Hologram)
        def encode(self, value, sink):
            return Encoded(".holo", {})
        def decode(self, payload, facts, **options):
            return Hologram()
"""


def install(directory, target):
    (directory / "holo.py").write_text(textwrap.dedent(MODULE))
    info = directory / "holo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[datafolio.items]\nhologram = {target}\n")


def test_third_parties_types_are_found_by_tag_and_by_value(tmp_path):
    install(tmp_path, "holo:HologramType")
    code = """
        from datafolio.items import by_tag, detect
        assert detect({}).tag == "json" and "holo" not in sys.modules
        assert by_tag("table").tag == "table" and "holo" not in sys.modules
        assert by_tag("hologram").tag == "hologram"
        import holo
        assert detect(holo.Hologram()).tag == "hologram"
    """
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["holo:Missing", "nowhere:Type", "holo:Hologram"])
def test_an_entry_point_that_gives_no_type_is_named(target, tmp_path):
    install(tmp_path, target)
    done = run("from datafolio.items import by_tag\nby_tag('hologram')", tmp_path)
    assert f"FolioError: the item type 'hologram' ({target})" in done.stderr or (
        f"the entry point 'hologram' ({target}) is no" in done.stderr
    )


def test_importing_and_detecting_import_none_of_the_libraries():
    code = """
        from datafolio.items import detect
        [detect(value) for value in ({}, 1, "a", None, [1])]
        heavy = {"pandas", "pyarrow", "numpy", "polars", "matplotlib", "fsspec", "cloudpickle", "sklearn"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    done = run(code, ".")
    assert done.returncode == 0, done.stderr
