"""Figure items."""

from __future__ import annotations

from typing import ClassVar

import pytest

from datafolio.errors import UnsupportedValueError
from datafolio.items import FigureType
from datafolio.testing.items import BytesSink, ItemTypeContract

figure_module = pytest.importorskip("matplotlib.figure")


def line():
    figure = figure_module.Figure(figsize=(2, 1), dpi=50)
    figure.subplots().plot([1, 3, 2])
    return figure


def with_broken_text():
    figure = line()
    figure.axes[0].set_title("$\\nonsense{$")
    return figure


class TestFigureContract(ItemTypeContract):
    item_type = FigureType()
    values: ClassVar = {"line": line, "empty": lambda: figure_module.Figure(figsize=(1, 1))}
    refused: ClassVar = {
        "axes": (lambda: line().axes[0], r"its \.figure"),
        "nonsense": (with_broken_text, "can't be drawn"),
    }

    def prepare(self, value, directory):
        return value()

    def same(self, put, got):
        return got.read_bytes().startswith(b"\x89PNG")


def test_the_picture_is_the_figure(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    sink = BytesSink()
    told = FigureType().encode(line(), sink)
    (tmp_path / "a.png").write_bytes(sink.written())
    assert image.imread(tmp_path / "a.png").shape[:2] == (told.facts["height"], told.facts["width"]) == (50, 100)


def test_the_figure_keeps_its_size_colour_and_canvas():
    figure = line()
    before = (figure.dpi, tuple(figure.get_size_inches()), figure.get_facecolor(), figure.canvas)
    FigureType().encode(figure, BytesSink())
    assert (figure.dpi, tuple(figure.get_size_inches()), figure.get_facecolor(), figure.canvas) == before


def test_the_bytes_do_not_tell_the_version_of_matplotlib():
    sink = BytesSink()
    FigureType().encode(line(), sink)
    assert b"Software" not in sink.written()


def test_something_else_is_refused():
    with pytest.raises(UnsupportedValueError, match="not a int"):
        FigureType().encode(3, BytesSink())
