"""Artifact items: files of any kind."""

from __future__ import annotations

import os
import pathlib
import socket
from typing import ClassVar

import pytest

from datafolio.errors import UnsupportedValueError
from datafolio.items import ArtifactType
from datafolio.testing.items import BytesSink, ItemTypeContract


class TestArtifactContract(ItemTypeContract):
    item_type = ArtifactType()
    values: ClassVar = {
        "text": ("notes.txt", b"hello\n"),
        "empty": ("empty.bin", b""),
        "archive": ("data.tar.gz", b"\x1f\x8b"),
        "large": ("large.bin", bytes(range(256)) * 10_000),
        "no suffix": ("README", b"x"),
        "hidden": (".bashrc", b"x"),
        "spaces and more": ("a b\tü'.md", b"x"),
    }

    refused: ClassVar = {
        "missing": ("/nowhere/at/all", "there is no file at /nowhere/at/all"),
        "number": (3, "not a int"),
    }

    def prepare(self, value, directory):
        if not isinstance(value, tuple):
            return value
        name, data = value
        path = directory / "source" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return path

    def same(self, put, got):
        return isinstance(got, pathlib.Path) and put.read_bytes() == got.read_bytes()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.tar.gz", ".tar.gz"),
        ("report.v1.2.csv", ".csv"),
        ("v1.2.gz", ".gz"),
        ("a.CSV.GZ", ".CSV.GZ"),
        (".bashrc", ""),
        ("README", ""),
        ("a.", ""),
        ("a.x y", ""),
        ("a.ü", ""),
        ("a." + "x" * 50, ""),
    ],
)
def test_the_suffix_is_the_files_own_where_it_is_one(name, suffix, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"x")
    told = ArtifactType().encode(path, BytesSink())
    assert (told.suffix, told.facts) == (suffix, {"filename": name})


def test_a_path_can_be_text(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    sink = BytesSink()
    ArtifactType().encode(str(tmp_path / "a"), sink)
    assert sink.written() == b"x"


def test_a_link_to_a_file_gives_the_files_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a")
    sink = BytesSink()
    assert ArtifactType().encode(tmp_path / "link.txt", sink).facts == {"filename": "link.txt"}
    assert sink.written() == b"x"


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    # A socket's name has to be short, so it is bound from inside of its directory.
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda path: path.mkdir(), "a directory; pack it first"),
        (make_fifo, "a pipe; write what it gives to a file first"),
        (make_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/null"), "a device"),
        (lambda path: None, "there is no file at"),
        (lambda path: path.symlink_to("nowhere"), "there is no file at"),
    ],
    ids=["directory", "fifo", "socket", "device", "missing", "dangling link"],
)
def test_what_is_no_ordinary_file_is_refused_with_advice(make, advice, tmp_path):
    path = tmp_path / "it"
    make(path)
    sink = BytesSink()
    with pytest.raises(UnsupportedValueError, match=advice):
        ArtifactType().encode(path, sink)
    assert sink.written() == b""


@pytest.mark.parametrize("value", [3, None, "a\0b", "a\udc80b"])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(UnsupportedValueError):
        ArtifactType().encode(value, BytesSink())


def test_a_path_that_is_no_file_is_still_an_artifact_so_that_it_gets_refused():
    assert ArtifactType().matches(pathlib.Path("misspelt.csv"))


@pytest.mark.parametrize("change", ["grow", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_refused(change, tmp_path):
    path = tmp_path / "busy.log"
    path.write_bytes(b"x" * 3_000_000)

    class Meddler(BytesSink):
        def write(self, data):
            if change == "grow":
                with path.open("ab") as file:
                    file.write(b"more")
            else:
                path.write_bytes(b"y" * 3_000_000)
                os.utime(path, ns=(1, 1))
            return super().write(data)

    with pytest.raises(UnsupportedValueError, match=r"busy\.log changed while it was read"):
        ArtifactType().encode(path, Meddler())
