"""Things in the way on a disk: each is an error that says where and why, and nothing is left."""

from __future__ import annotations

import errno
import os
import pickle
import sys
from pathlib import Path

import pytest

from datafolio.backend import Key, LocalBackend
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

KEY = Key("objects/ab/cdef")
NOBODY = 65_534

LIMITED = """
import resource, sys
from pathlib import Path
from datafolio.backend import LocalBackend
from datafolio.errors import StorageError

backend = LocalBackend(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for write in (backend.create, backend.replace):
    try:
        write("large", b"x" * 5000)
    except StorageError as error:
        print(error.errno, error)
backend.create("small", b"x" * 1000)
"""


def files(folder):
    """All files, but for the locks of those who may stage something."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.as_posix() for path in found if not path.match("tmp/*.lock"))


def test_a_file_where_the_folder_should_be_is_named(root):
    root.write_bytes(b"not a folder")
    backend = LocalBackend(root)
    for write in (backend.create, backend.replace):
        with pytest.raises(StorageError, match=str(root)) as caught:
            write(KEY, b"x")
        assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)
        assert not isinstance(caught.value, KeyExistsError)
    with pytest.raises(StorageError, match=str(root)):
        backend.stage()
    with pytest.raises(StorageError, match=str(root)):
        list(backend.list(""))
    assert backend.size(KEY) is None
    assert root.read_bytes() == b"not a folder"


def test_a_file_where_a_folder_of_the_key_should_be_is_named_and_nothing_is_left(backend, root):
    backend.create(Key("objects"), b"in the way")
    for write in (backend.create, backend.replace):
        with pytest.raises(StorageError) as caught:
            write(KEY, b"x")
        assert str(root / "objects") in str(caught.value)
        assert not isinstance(caught.value, KeyExistsError)
    assert files(root) == ["objects"]
    assert backend.sweep_stages() == 0


def test_a_folder_where_a_file_should_be_is_never_replaced(backend, root):
    backend.create(KEY, b"x")
    # No KeyExistsError: a writer would take that for another one's work, and try again for ever.
    with pytest.raises(StorageError, match="is a directory") as caught:
        backend.create(Key("objects/ab"), b"y")
    assert not isinstance(caught.value, KeyExistsError)
    with backend.stage() as stage, pytest.raises(StorageError, match=str(root / "objects" / "ab")) as caught:
        stage.publish(Key("objects/ab"), replace=True)
    assert caught.value.errno == errno.EISDIR
    with pytest.raises(StorageError, match=str(root / "objects" / "ab")):
        backend.replace(Key("objects/ab"), b"y")
    assert files(root) == [KEY]


def test_a_folder_can_not_be_deleted_as_a_key(backend, root):
    backend.create(KEY, b"x")
    with pytest.raises(StorageError, match=str(root / "objects" / "ab")):
        backend.delete(Key("objects/ab"))
    assert backend.read(KEY) == b"x"


def test_a_name_that_is_too_long_for_the_disk_is_a_storage_error_with_its_number(backend, root):
    backend.create(KEY, b"x")
    key = Key("objects/" + "x" * 300)
    for fails in (backend.read, backend.open, backend.size, backend.delete):
        with pytest.raises(StorageError, match="File name too long") as caught:
            fails(key)
        assert caught.value.errno == errno.ENAMETOOLONG
    for fails in (backend.create, backend.replace):
        with pytest.raises(StorageError, match="File name too long") as caught:
            fails(key, b"x")
        assert caught.value.errno == errno.ENAMETOOLONG
    assert files(root) == [KEY]


def test_a_folder_without_the_right_to_write_is_named_with_the_reason(bound_by_rights):
    bound_by_rights.chmod(0o555)
    for write in (LocalBackend(bound_by_rights).create, LocalBackend(bound_by_rights / "new").replace):
        with pytest.raises(StorageError, match="Permission denied") as caught:
            write(KEY, b"x")
        assert str(bound_by_rights) in str(caught.value)
        assert caught.value.errno == errno.EACCES
    assert files(bound_by_rights) == []


def test_a_key_without_the_right_to_read_is_named_with_the_reason(bound_by_rights):
    backend = LocalBackend(bound_by_rights)
    backend.create(KEY, b"x")
    backend.path(KEY).chmod(0)
    for read in (backend.read, backend.open):
        with pytest.raises(StorageError, match="Permission denied") as caught:
            read(KEY)
        assert str(backend.path(KEY)) in str(caught.value)
        assert not isinstance(caught.value, KeyMissingError)


def test_a_folder_that_can_not_be_listed_is_an_error_and_not_empty(bound_by_rights):
    backend = LocalBackend(bound_by_rights)
    backend.create(KEY, b"x")
    (bound_by_rights / "objects").chmod(0)
    with pytest.raises(StorageError) as caught:
        list(backend.list(""))
    assert str(caught.value) == f"listing {bound_by_rights / 'objects'}: Permission denied"


def test_a_folio_can_be_made_in_a_folder_that_can_be_written_but_not_read(bound_by_rights):
    bound_by_rights.chmod(0o311)
    backend = LocalBackend(bound_by_rights / "folio")
    backend.create(KEY, b"x")
    assert LocalBackend(bound_by_rights / "folio").read(KEY) == b"x"


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits that the system keeps")
def test_a_write_that_finds_no_room_is_a_storage_error_and_leaves_nothing(root, start):
    process = start(LIMITED)
    output, _ = process.communicate()
    assert output == f"{errno.EFBIG} writing to {root / 'tmp'}: File too large\n" * 2
    assert process.returncode == 0
    assert files(root) == ["small"]


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that can be opened and not read")
def test_a_read_that_fails_is_a_storage_error_with_its_number():
    with pytest.raises(StorageError, match="Input/output error") as caught:
        LocalBackend(Path("/proc/self")).read(Key("mem"))
    assert "/proc/self/mem" in str(caught.value)
    assert caught.value.errno == errno.EIO


def test_the_number_of_an_error_survives_the_way_from_a_worker(backend):
    backend.create(KEY, b"x")
    with pytest.raises(StorageError) as caught:
        backend.size(Key("x" * 300))
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), str(error), error.errno) == (StorageError, str(caught.value), errno.ENAMETOOLONG)
