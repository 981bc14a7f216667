"""Links, pipes, sockets, devices and folders in the place of a folio's files, and files in the place of its folders.

None is followed or opened, and each is an error or a finding.
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.errors import DamageError, FolioError, StorageError
from datafolio.store.fsck import fsck
from tests.reliability import hostile

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs the files of a POSIX system")

SECONDS = 20
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folio(original, tmp_path):
    return hostile.copy_of(original, tmp_path / "folio")


@pytest.fixture
def outside(tmp_path):
    """What belongs to somebody else, and looks like what a folio holds."""
    folder = tmp_path / "outside"
    for path in ("secret", "ab/" + "c" * 62, "000000000099", "0" * 16 + "-" + "1" * 16, "items.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("a secret")
    return folder


# In the place of files and folders.


def _pipe(path, outside):
    os.mkfifo(path)


def _socket(path, outside):
    with socket.socket(socket.AF_UNIX) as made, hostile.working_in(path.parent):
        made.bind(path.name)


def _directory(path, outside):
    path.mkdir()


def _link_to_a_file(path, outside):
    path.symlink_to(outside / "secret")


def _link_to_a_folder(path, outside):
    path.symlink_to(outside)


def _link_to_nothing(path, outside):
    path.symlink_to(outside / "missing" / "file")


def _link_to_itself(path, outside):
    path.symlink_to(path)


def _link_to_a_device(path, outside):
    path.symlink_to("/dev/zero")


def _hard_link(path, outside):
    os.link(outside / "secret", path)


def _huge_file(path, outside):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


KINDS = {
    function.__name__.strip("_"): function
    for function in (
        *(_pipe, _socket, _directory, _link_to_a_file, _link_to_a_folder),
        *(_link_to_nothing, _link_to_itself, _link_to_a_device, _hard_link, _huge_file),
    )
}

#: A third of all pairs, with each kind and each place in several; the long form tries all.
PAIRS = [
    (kind, place)
    for number, kind in enumerate(KINDS)
    for other, place in enumerate(hostile.PLACES)
    if hostile.LONG or kind == "link_to_a_folder" or (number + other) % 3 == 0
]


@pytest.mark.parametrize(("kind", "place"), PAIRS)
def test_what_is_no_ordinary_file_or_folder_is_an_error_and_nothing_outside_is_read_or_written(
    kind, place, folio, outside
):
    path = hostile.PLACES[place](folio)
    hostile.remove(path)
    KINDS[kind](path, outside)
    before = hostile.snapshot_of_files(outside)
    with hostile.time_limit(SECONDS):
        outcomes = hostile.use(folio)
    assert hostile.snapshot_of_files(outside) == before
    assert "a secret" not in repr([value for value in outcomes.values() if not isinstance(value, FolioError)])
    assert "fsck" in outcomes


@pytest.mark.parametrize(
    "kind", ["pipe", "socket", "directory", "link_to_a_file", "link_to_itself", "link_to_a_device"]
)
def test_what_takes_the_next_records_place_ends_a_commit(kind, folio, outside):
    """A writer that took it for another one's record would try again for ever."""
    opened = DataFolio(folio)
    KINDS[kind](hostile.PLACES["the next record"](folio), outside)
    with hostile.time_limit(SECONDS), pytest.raises(StorageError, match="is a "):
        opened.add_json("new", 1)


@pytest.mark.parametrize("kind", ["pipe", "socket", "link_to_a_file", "link_to_itself", "hard_link", "huge_file"])
def test_adding_the_same_content_again_puts_an_ordinary_file_in_its_place(kind, folio, outside):
    path = hostile.PLACES["a payload"](folio)
    path.unlink()
    KINDS[kind](path, outside)
    opened = DataFolio(folio)
    with hostile.time_limit(SECONDS), pytest.raises((DamageError, StorageError), match="item 3"):
        opened.get_json("item 3")
    if kind == "huge_file":
        return  # to find out that it is the wrong one takes as long as reading it
    opened.add_json("item 3 again", {"number": 3})
    assert opened.get_json("item 3") == {"number": 3}
    assert (outside / "secret").read_text() == "a secret"
    assert fsck(LocalBackend(folio)).is_sound


def test_a_folder_deeper_than_pythons_stack_is_listed(folio):
    with hostile.working_in(folio / "objects"):
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("f").touch()
    try:
        with hostile.time_limit(SECONDS):
            assert fsck(LocalBackend(folio)).findings != ()
    finally:  # which pytest could not do
        subprocess.run(["rm", "-rf", folio / "objects"], check=True)
