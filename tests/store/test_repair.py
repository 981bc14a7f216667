"""A repair puts whole copies in their places, sets damage aside, deletes nothing, and makes nothing worse."""

from __future__ import annotations

import os
import shutil

import pytest

from datafolio.backend import LocalBackend
from datafolio.digest import digest_of
from datafolio.errors import FormatError, NewerFormatError
from datafolio.store.fsck import fsck
from datafolio.store.gc import collect
from datafolio.store.log import MARKER, record_key
from datafolio.store.objects import condemned_key, object_key
from datafolio.store.repair import repair
from datafolio.store.repository import Repository
from datafolio.store.seal import sealed
from datafolio.store.views import make_views
from tests.store.plumbing import (
    contents,
    delete,
    keys,
    overwrite,
    payload_key,
    put,
    put_many,
    read,
    small_nodes,
    snapshot,
)


@pytest.fixture
def folio(on_disk):
    """A folio of two items and a snapshot: `flights` has version 2, and version 1 is in the snapshot."""
    put(on_disk, "flights", b"the first flights")
    put(on_disk, "weather", b"sun")
    snapshot(on_disk, "baseline", environment={"python": "3.11"})
    put(on_disk, "flights", b"the second flights")
    make_views(on_disk)
    return on_disk


@pytest.fixture
def copy(folio, root, tmp_path):
    """A copy of the folio, made before anything was damaged."""
    shutil.copytree(root, tmp_path / "copy")
    return LocalBackend(tmp_path / "copy")


def files(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def done(backend, **options):
    """What a repair does, after its dry run said the same and changed nothing."""
    before = files(backend.root)
    planned = repair(backend, **options)
    assert files(backend.root) == before
    result = repair(backend, dry_run=False, **options)
    assert [(action.id, action.where) for action in result.actions] == [
        (action.id, action.where) for action in planned.actions
    ]
    assert {finding.id for finding in result.after.findings} == {finding.id for finding in planned.after.findings}
    assert [action.id for action in repair(backend, dry_run=False, **options).actions] == []
    return result


def ids(result):
    return [action.id for action in result.actions]


def newest(repository):
    return record_key(repository.tip().seq)


def test_a_sound_folio_is_left_alone(folio, disk, root):
    before = files(root)
    assert done(disk).actions == ()
    assert files(root) == before


# Objects.


def test_a_damaged_payload_comes_back_from_a_copy_and_the_damaged_file_is_kept(folio, disk, copy):
    key = payload_key(b"the second flights")
    overwrite(disk, key, b"the sECond flights")
    result = done(disk, source=copy)
    assert ids(result) == ["set-aside", "restore-object"]
    assert result.after.findings == ()
    assert disk.read(f"lost+found/{key}") == b"the sECond flights"
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_missing_payload_comes_back_from_a_copy(folio, disk, copy):
    disk.delete(payload_key(b"sun"))
    assert ids(done(disk, source=copy)) == ["restore-object"]
    assert fsck(disk).findings == ()


def test_a_copy_that_is_damaged_itself_is_no_help(folio, disk, copy):
    key = payload_key(b"sun")
    overwrite(copy, key, b"fog")
    disk.delete(key)
    result = done(disk, source=copy)
    assert result.actions == ()
    assert [finding.id for finding in result.after.findings] == ["object-missing"]


def test_without_a_copy_damage_is_set_aside_and_adding_the_same_content_again_heals(folio, disk):
    key = payload_key(b"sun")
    overwrite(disk, key, b"fog")
    result = done(disk)
    assert ids(result) == ["set-aside"]
    assert [finding.id for finding in result.after.findings] == ["object-missing"]
    put(Repository.open(disk), "again", b"sun")
    assert fsck(disk).findings == ()
    assert read(Repository.open(disk), "weather", "baseline") == b"sun"


def test_two_objects_in_each_others_place_are_put_right(folio, disk):
    first, second = payload_key(b"the first flights"), payload_key(b"sun")
    disk.move(first, "spare")
    disk.move(second, first)
    disk.move("spare", second)
    assert done(disk).after.findings == ()
    assert read(Repository.open(disk), "weather") == b"sun"


def test_what_was_set_aside_by_mistake_comes_back(folio, disk):
    """A disk that failed for a while: the file was right all the time."""
    key = payload_key(b"sun")
    disk.move(key, f"lost+found/{key}")
    assert ids(done(disk)) == ["restore-object"]
    assert fsck(disk).findings == ()


def test_evidence_never_overwrites_evidence(folio, disk, copy):
    key = payload_key(b"sun")
    for attempt in range(3):
        overwrite(disk, key, b"%d" % attempt)
        done(disk, source=copy)
    assert [disk.read(f"lost+found/{key}{ending}") for ending in ("", ".1", ".2")] == [b"0", b"1", b"2"]


def test_an_object_at_an_older_key_is_found_there(folio, disk):
    put(folio, "other", b"phoenix")
    delete(folio, "other")
    collect(folio)
    put(folio, "other", b"phoenix")
    new = object_key(digest_of(b"phoenix"), 1)
    disk.move(new, object_key(digest_of(b"phoenix"), 0))
    assert ids(done(disk)) == ["restore-object"]
    assert read(Repository.open(disk), "other") == b"phoenix"


@pytest.fixture
def deep(on_disk):
    """30 items in a deep tree, a snapshot of others, and two collections."""
    with small_nodes():
        put_many(on_disk, {f"item {number}": f"old {number}".encode() for number in range(30)})
        snapshot(on_disk, "old")
        for turn in ("passing", "new"):
            put_many(on_disk, {f"item {number}": f"{turn} {number}".encode() for number in range(30)})
        collect(on_disk)
        put_many(on_disk, {"item 1": b"passing 1"})
        yield on_disk


def test_everything_below_a_lost_node_is_mended_from_a_copy(deep, disk, root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    with small_nodes():
        for key in keys(disk, "objects/"):
            disk.delete(key)
        result = done(disk, source=LocalBackend(tmp_path / "copy"))
        assert result.after.findings == ()
        assert contents(Repository.open(disk), "old")["item 7"] == b"old 7"


def test_a_lost_map_of_condemned_objects_is_made_anew_from_the_names_of_files(deep, disk):
    with small_nodes():
        before = contents(Repository.open(disk)), contents(Repository.open(disk), "old")
        for key in keys(disk, "condemned/"):
            disk.delete(key)
        assert not fsck(disk).is_sound
        result = done(disk)
        assert "rebuild-map" in ids(result)
        assert result.after.findings == ()
        assert (contents(Repository.open(disk)), contents(Repository.open(disk), "old")) == before
        collect(Repository.open(disk))
        put(Repository.open(disk), "item 2", b"passing 2")
        assert fsck(disk).findings == ()


def test_a_damaged_node_of_the_map_comes_back_from_a_copy(deep, disk, root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    with small_nodes():
        overwrite(disk, condemned_key(deep.tip().state.condemned.root.refs[0].digest), b"{}")
        assert ids(done(disk, source=LocalBackend(tmp_path / "copy"))) == ["set-aside", "restore-object"]
        assert fsck(disk).findings == ()


# The log.


def test_a_missing_newest_record_comes_back_from_its_second_name(folio, disk):
    disk.delete(newest(folio))
    result = done(disk)
    assert ids(result) == ["restore-record"]
    assert result.after.findings == ()
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_damaged_newest_record_falls_back_to_the_one_before(folio, disk):
    key = newest(folio)
    overwrite(disk, key, disk.read(key)[:50])
    result = done(disk)
    assert ids(result)[:4] == ["set-aside", "fall-back", "set-aside", "mark-newest"]
    assert result.after.findings == ()
    assert len(disk.read(f"lost+found/{key}")) == 50
    assert read(Repository.open(disk), "flights") == b"the first flights"
    put(Repository.open(disk), "flights", b"the third flights")
    assert fsck(disk).is_sound


def test_a_damaged_newest_record_comes_back_from_a_copy(folio, disk, copy):
    key = newest(folio)
    overwrite(disk, key, b"")
    result = done(disk, source=copy)
    assert "restore-record" in ids(result)
    assert "fall-back" not in ids(result)
    assert result.after.findings == ()
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_copy_of_another_history_gives_no_records(folio, disk, copy):
    """The copy went on by itself after the folio's record 3."""
    key = newest(folio)
    copy.delete(key)
    copy.delete(MARKER)
    put(Repository.open(copy), "flights", b"something else")
    overwrite(disk, key, b"damaged")
    result = done(disk, source=copy)
    assert "fall-back" not in ids(result)  # the copy's record 4 was made after the same record 3
    assert read(Repository.open(disk), "flights") == b"something else"


def test_several_damaged_records_at_the_end(folio, disk):
    for number in (3, 4):
        overwrite(disk, record_key(number), b"{")
    result = done(disk)
    assert "fall-back" in ids(result)
    assert result.after.is_sound
    assert Repository.open(disk).tip().seq == 2


def test_another_folio_gives_objects_and_never_its_records(folio, disk, tmp_path):
    other = LocalBackend(tmp_path / "other")
    repository = Repository.create(other)
    for number in range(8):
        put(repository, "theirs", b"%d" % number)
    put(repository, "weather", b"sun")
    overwrite(disk, record_key(3), b"")
    overwrite(disk, newest(folio), b"")
    disk.delete(payload_key(b"sun"))
    result = done(disk, source=other)
    assert "restore-record" not in ids(result)
    assert "fall-back" in ids(result)
    assert result.after.is_sound
    assert contents(Repository.open(disk)) == {"flights": b"the first flights", "weather": b"sun"}


def test_another_folio_does_not_take_the_place_of_one_without_a_log(folio, disk, root, tmp_path):
    put(Repository.create(LocalBackend(tmp_path / "other")), "theirs", b"theirs")
    shutil.rmtree(root / "log")
    assert done(disk, source=LocalBackend(tmp_path / "other")).actions == ()


def test_a_copy_that_parted_earlier_takes_no_records_away(folio, disk, copy):
    """It was a backup, somebody wrote to it, and both went on."""
    for number in range(4, 1, -1):
        copy.delete(record_key(number))
    copy.delete(MARKER)
    for number in range(6):
        put(Repository.open(copy), "weather", b"theirs %d" % number)
    put(folio, "flights", b"the third flights")
    for number in (4, 5):
        overwrite(disk, record_key(number), b"")
    result = done(disk, source=copy)
    assert "restore-record" not in ids(result)
    assert Repository.open(disk).tip().seq == 3
    assert read(Repository.open(disk), "weather") == b"sun"


def test_the_newest_two_records_come_back_from_a_copy(folio, disk, copy):
    for number in (3, 4):
        overwrite(disk, record_key(number), b"")
    assert done(disk, source=copy).after.findings == ()
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_newest_record_that_nothing_leads_to_comes_back_from_its_second_name(folio, disk):
    disk.delete(newest(folio))
    overwrite(disk, record_key(3), b"damaged")
    result = done(disk)
    assert "fall-back" not in ids(result)
    assert read(Repository.open(disk), "flights") == b"the second flights"


@pytest.mark.parametrize("data", [b"", b"{}"])
def test_a_file_with_the_highest_number_there_is_takes_no_time(folio, disk, data):
    disk.create("log/999999999999", data)
    assert done(disk).after.is_sound
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_marker_of_a_record_that_no_log_can_have_is_damaged(folio, disk):
    body = disk.read(MARKER).partition(b',"check"')[0].replace(b'"seq":4', b'"seq":9007199254740991')
    disk.replace(MARKER, sealed(body + b"}"))
    assert [finding.id for finding in fsck(disk).findings] == ["marker-damaged"]
    assert done(disk).after.findings == ()


@pytest.mark.parametrize("place", ["newest record", "older record", "marker", "folio.json", "payload", "view"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_moved_aside_and_a_copy_put_in_its_place(folio, disk, copy, tmp_path, place, kind):
    key = {
        "newest record": newest(folio),
        "older record": record_key(2),
        "marker": MARKER,
        "folio.json": "folio.json",
        "payload": payload_key(b"sun"),
        "view": "items.json",
    }[place]
    path = disk.path(key)
    path.unlink()
    {"link": lambda: path.symlink_to(tmp_path), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    result = repair(disk, source=copy, dry_run=False)
    assert result.after.findings == () or (place, kind) == ("view", "folder")
    assert contents(Repository.open(disk)) == contents(Repository.open(copy))
    assert repair(disk, source=copy).actions == ()


def test_things_beside_the_folio_are_neither_read_nor_in_the_way(folio, disk, root, copy):
    (root / "mine").mkdir()
    (root / "mine" / "pipe").touch()
    os.mkfifo(root / "pipe")
    (root / "lost+found").write_text("a file of that name")
    disk.delete(newest(folio))
    assert done(disk, source=copy).after.findings == ()


def test_two_records_in_each_others_place_are_put_right(folio, disk):
    disk.move(record_key(1), "spare")
    disk.move(record_key(2), record_key(1))
    disk.move("spare", record_key(2))
    assert done(disk).after.findings == ()


def test_a_damaged_record_in_the_middle_is_set_aside_and_costs_only_history(folio, disk):
    overwrite(disk, record_key(2), b"{}")
    result = done(disk)
    assert ids(result) == ["set-aside"]
    assert [finding.id for finding in result.after.findings] == ["log-gap"]
    assert contents(Repository.open(disk)) == contents(folio)


def test_a_changed_record_in_the_middle_comes_back_from_a_copy(folio, disk, copy):
    changed = disk.read(record_key(2)).replace(b"weather", b"whether")
    overwrite(disk, record_key(2), sealed(changed.partition(b',"check"')[0] + b"}"))
    assert not fsck(disk).is_sound
    assert done(disk, source=copy).after.findings == ()


def test_where_no_record_is_whole_nothing_is_touched(folio, disk, root):
    for number in range(5):
        overwrite(disk, record_key(number), b"gone")
    before = files(root)
    result = done(disk)
    assert result.actions == ()
    assert not result.after.is_sound
    assert files(root) == before


def test_an_empty_log_comes_back_from_a_copy(folio, disk, copy, root):
    shutil.rmtree(root / "log")
    result = done(disk, source=copy)
    assert result.after.is_sound
    assert read(Repository.open(disk), "flights") == b"the second flights"


def test_a_damaged_marker_is_set_aside_and_given_anew(folio, disk):
    disk.replace(MARKER, b"damaged")
    assert ids(done(disk)) == ["set-aside", "mark-newest"]
    assert fsck(disk).findings == ()


# Other files.


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format":9,"folio_id":"a","created_at":"b"}'])
def test_a_damaged_folio_file_is_written_anew(folio, disk, data):
    overwrite(disk, "folio.json", data)
    result = done(disk)
    assert ids(result) == ["set-aside", "write-folio-file"]
    assert result.after.findings == ()
    assert disk.read("lost+found/folio.json") == data


def test_the_folio_file_of_a_copy_keeps_the_id(folio, disk, copy):
    before = disk.read("folio.json")
    disk.delete("folio.json")
    done(disk, source=copy)
    assert disk.read("folio.json") == before


def test_a_folio_of_a_newer_datafolio_is_not_touched(folio, disk, root):
    """Records and `folio.json` of a format that is not known here are no damage."""
    key = newest(folio)
    body = disk.read(key).partition(b',"check"')[0].replace(b'"format":1', b'"format":9')
    overwrite(disk, key, sealed(body + b"}"))
    before = files(root)
    with pytest.raises(NewerFormatError, match="format 9"):
        repair(disk, dry_run=False)
    assert files(root) == before


def test_damaged_views_are_written_anew(folio, disk):
    disk.replace("items.json", b"{")
    disk.replace("snapshots.json", disk.read("snapshots.json").replace(b"baseline", b"bassline"))
    assert [finding.id for finding in fsck(disk).findings] == ["view-damaged"] * 2
    assert ids(done(disk)) == ["set-aside", "set-aside", "write-views"]
    assert fsck(disk).findings == ()


def test_a_repair_that_is_interrupted_at_any_step_can_be_run_again(folio, disk, copy, root, tmp_path):
    """After each number of steps the power goes; nothing that was whole is lost by then."""
    overwrite(disk, newest(folio), b"")
    overwrite(disk, payload_key(b"sun"), b"fog")
    overwrite(disk, "folio.json", b"")
    total = len(repair(disk, source=copy).actions)
    for steps in range(total):
        shutil.copytree(root, tmp_path / f"try {steps}", symlinks=True)
        backend = _Mortal(tmp_path / f"try {steps}", steps)
        with pytest.raises(KeyboardInterrupt):
            repair(backend, source=copy, dry_run=False)
        again = repair(LocalBackend(backend.root), source=copy, dry_run=False)
        assert again.after.findings == ()
        assert contents(Repository.open(LocalBackend(backend.root))) == contents(Repository.open(copy))


class _Mortal(LocalBackend):
    """A disk whose user gives up after so many changes."""

    def __init__(self, root, steps):
        super().__init__(root)
        self.left = steps

    def _step(self):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def move(self, key, other):
        self._step()
        super().move(key, other)

    def copy_from(self, source, source_key, key, **options):
        self._step()
        super().copy_from(source, source_key, key, **options)

    def alias(self, key, other, data=None):
        self._step()
        super().alias(key, other, data)

    def create(self, key, data):
        self._step()
        super().create(key, data)


def test_reading_a_folio_whose_newest_record_is_lost_says_what_to_do(folio, disk):
    disk.delete(newest(folio))
    with pytest.raises(FormatError, match="fsck --repair"):
        Repository.open(disk)


def test_a_damaged_payload_below_a_damaged_node_is_found_once_the_node_is_mended(deep, disk, root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    with small_nodes():
        overwrite(disk, object_key(deep.tip().state.items.root.refs[0].digest, 0), b"{}")
        for number in range(30):
            key = deep.tip().state.key_of(digest_of(f"new {number}".encode()))
            if disk.exists(key):
                overwrite(disk, key, b"x" * len(f"new {number}"))
        assert done(disk, source=LocalBackend(tmp_path / "copy")).after.findings == ()


def test_damaged_payloads_are_found_once_the_map_that_says_where_they_are_is_mended(deep, disk, root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    with small_nodes():
        overwrite(disk, condemned_key(deep.tip().state.condemned.root.refs[0].digest), b"{}")
        for number in range(30):
            key = deep.tip().state.key_of(digest_of(f"new {number}".encode()))
            if disk.exists(key):
                overwrite(disk, key, b"x" * len(f"new {number}"))
        assert done(disk, source=LocalBackend(tmp_path / "copy")).after.findings == ()
