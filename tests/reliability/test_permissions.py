"""Without the right to write, to read or to delete: a clear error, everything as before, and nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from datafolio import DataFolio
from datafolio.errors import FolioNotFoundError, StorageError

NOBODY = 65_534
OFF = dict.fromkeys(("capture_git", "capture_environment", "capture_execution"), False)


@pytest.fixture
def folio(bound_by_rights):
    folio = DataFolio(bound_by_rights / "folio")
    folio.add_json("a", {"n": 1})
    folio.create_snapshot("s", **OFF)
    folio.add_json("held by none", 1)
    for number in range(30):
        folio.add_json(f"dead {number}", {"n": number, "of": "these"})
    for number in range(30):
        folio.delete(f"dead {number}")
    folio.metadata["k"] = "v"
    return folio


@pytest.fixture
def unwritable(folio):
    for path in (folio.path, *folio.path.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    return folio


def files(folio):
    return {path for path in folio.path.rglob("*") if path.suffix != ".lock"}


def object_of(folio, item):
    digest = folio.get_item_info(item)["digest"]
    return folio.path / "objects" / digest[:2] / digest[2:]


def test_a_folio_that_can_not_be_written_is_read(unwritable):
    for reader in (DataFolio(unwritable.path), DataFolio.open(unwritable.path, read_only=True)):
        assert reader.get_json("a") == {"n": 1}
        assert dict(reader.metadata) == {"k": "v"}
        assert reader.get_snapshot("s").get_json("a") == {"n": 1}
        assert reader.validate().is_sound
        assert len(reader.cleanup_orphaned_versions(dry_run=True)) == 30


def test_every_write_to_a_folio_that_can_not_be_written_names_it_and_the_reason(unwritable):
    folio = DataFolio(unwritable.path)
    before = files(folio)
    for write in (
        lambda: folio.add_json("b", 1),
        lambda: folio.add_data("large", b"x" * (2 << 20)),
        lambda: folio.delete("held by none"),
        lambda: folio.metadata.update(k="w"),
        lambda: folio.create_snapshot("t", **OFF),
        lambda: folio.delete_snapshot("s"),
        lambda: folio.restore_snapshot("s"),
        folio.cleanup_orphaned_versions,
    ):
        with pytest.raises(StorageError, match="Permission denied") as caught:
            write()
        assert str(folio.path) in str(caught.value)
        assert caught.value.errno == errno.EACCES
    assert files(folio) == before
    assert folio.get_json("a") == {"n": 1}
    assert dict(folio.metadata) == {"k": "v"}


def test_a_folio_that_can_not_be_listed_is_still_read(folio):
    folio.path.chmod(0o311)
    for reader in (DataFolio(folio.path), DataFolio.open(folio.path, read_only=True)):
        assert reader.get_json("a") == {"n": 1}


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folio_without_the_right_to_look_into_it_is_named_with_the_reason(folio, mode):
    folio.path.chmod(mode)
    for look in (DataFolio, DataFolio.open, DataFolio.init):
        with pytest.raises(StorageError, match="Permission denied") as caught:
            look(folio.path)
        assert str(folio.path) in str(caught.value)
        assert caught.value.errno == errno.EACCES


def test_a_directory_that_is_no_folio_and_can_not_be_listed_is_named_with_the_reason(bound_by_rights):
    bound_by_rights.chmod(0o311)
    for look in (DataFolio, DataFolio.open):
        with pytest.raises(StorageError, match=f"looking into {bound_by_rights}: Permission denied"):
            look(bound_by_rights)


@pytest.mark.parametrize("name", ["log", "folio.json"])
def test_a_part_of_a_folio_without_the_right_to_read_it_is_named_with_the_reason(folio, name):
    (folio.path / name).chmod(0)
    with pytest.raises(StorageError, match="Permission denied") as caught:
        DataFolio.open(folio.path)
    assert str(folio.path / name) in str(caught.value)


def test_an_unreadable_folder_ends_the_collection_before_anything_is_deleted(folio):
    before = files(folio)
    folder = object_of(folio, "a").parent
    folder.chmod(0o300)
    for dry_run in (True, False):
        with pytest.raises(StorageError, match=f"listing {folder}: Permission denied"):
            folio.cleanup_orphaned_versions(dry_run=dry_run)
    folder.chmod(0o755)
    assert files(folio) == before


def test_a_collection_goes_on_past_what_it_may_not_delete_and_says_so(folio):
    dead = {orphan["digest"] for orphan in folio.cleanup_orphaned_versions(dry_run=True)}
    kept = {digest: folio.path / "objects" / digest[:2] / digest[2:] for digest in sorted(dead)[:3]}
    for path in kept.values():
        path.parent.chmod(0o555)
    with pytest.raises(StorageError, match=r"3 files that nothing needs .* could not be deleted") as caught:
        folio.cleanup_orphaned_versions()
    assert "Permission denied" in str(caught.value)
    assert caught.value.errno == errno.EACCES
    assert {digest for digest in dead if (folio.path / "objects" / digest[:2] / digest[2:]).exists()} == set(kept)
    assert folio.validate().is_sound
    assert folio.get_json("a") == {"n": 1}
    for path in kept.values():
        path.parent.chmod(0o755)
    assert folio.cleanup_orphaned_versions() == []
    assert not any(path.exists() for path in kept.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_file_of_another_user_in_a_sticky_folder_keeps_nothing_else_from_being_collected(folio):
    dead = [orphan["digest"] for orphan in folio.cleanup_orphaned_versions(dry_run=True)]
    kept = folio.path / "objects" / dead[0][:2] / dead[0][2:]
    os.seteuid(0)
    os.chown(kept.parent, 0, 0)
    os.chown(kept, 0, 0)
    kept.parent.chmod(0o1777)
    os.seteuid(NOBODY)
    with pytest.raises(StorageError, match=r"1 file that nothing needs .* could not be deleted") as caught:
        folio.cleanup_orphaned_versions()
    assert "Operation not permitted" in str(caught.value)
    assert sum((folio.path / "objects" / digest[:2] / digest[2:]).exists() for digest in dead) == 1
    os.seteuid(0)
    DataFolio(folio.path).cleanup_orphaned_versions()
    assert not kept.exists()


@pytest.mark.parametrize("gone", ["deleted", "moved"])
def test_a_folio_that_is_gone_is_not_found_and_not_made_again(folio, gone):
    if gone == "moved":
        folio.path.rename(folio.path.with_name("elsewhere"))
    else:
        shutil.rmtree(folio.path)
    for use in (
        lambda: folio.get_json("a"),
        lambda: folio.add_json("b", 1),
        lambda: folio.add_data("large", b"x" * (2 << 20)),
        lambda: folio.metadata.update(k=1),
        lambda: folio.create_snapshot("t", **OFF),
        lambda: folio.delete_snapshot("s"),
        folio.cleanup_orphaned_versions,
        folio.validate,
    ):
        with pytest.raises(FolioNotFoundError, match=str(folio.path)):
            use()
    assert not folio.path.exists()
    assert repr(folio) == f"<DataFolio {str(folio.path)!r}>"
