"""What several tests of items try things on."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from datafolio import DataFolio

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}
FRAME = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, np.inf], "s": ["a", "ü", None]})


def figure():
    mpl.use("Agg")
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(2, 1))
    drawn.add_subplot().plot([1, 2])
    return drawn


def files(folio: DataFolio) -> dict[str, bytes]:
    """Every file of the folio, the staging folder's included."""
    return {
        path.relative_to(folio.path).as_posix(): path.read_bytes() for path in folio.path.rglob("*") if path.is_file()
    }


def payloads(folio: DataFolio) -> int:
    return sum(name.startswith("objects/") for name in files(folio))
