"""Damage on a disk is found, placed and told apart; a sound folio has none."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from datafolio.backend import LocalBackend
from datafolio.digest import digest_of
from datafolio.errors import FolioNotFoundError, FormatError, UsageError
from datafolio.store.fsck import FINDING_IDS, ItemVersion, fsck
from datafolio.store.gc import collect
from datafolio.store.log import MARKER, record_key
from datafolio.store.model import Node
from datafolio.store.objects import condemned_key, object_key
from datafolio.store.repository import Repository
from datafolio.store.seal import sealed
from datafolio.store.views import make_views
from tests.store.plumbing import (
    contents,
    delete,
    delete_snapshot,
    overwrite,
    payload_key,
    put,
    put_many,
    set_metadata,
    small_nodes,
    snapshot,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "fsck.md"


@pytest.fixture
def folio(on_disk):
    """A folio of two items and a snapshot: `flights` has version 2, and version 1 is in the snapshot."""
    put(on_disk, "flights", b"the first flights")
    put(on_disk, "weather", b"sun")
    set_metadata(on_disk, text="x" * 2000)
    snapshot(on_disk, "baseline", environment={"python": "3.11"})
    put(on_disk, "flights", b"the second flights")
    return on_disk


@pytest.fixture
def large(on_disk):
    """A folio of 30 items in a deep tree, and a snapshot of others."""
    with small_nodes():
        put_many(on_disk, {f"item {number}": f"old {number}".encode() for number in range(30)})
        snapshot(on_disk, "old")
        put_many(on_disk, {f"item {number}": f"new {number}".encode() for number in range(30)})
        yield on_disk


def only(report):
    (finding,) = report.findings
    return finding


def newest(repository):
    return record_key(repository.tip().seq)


def test_a_sound_folio_has_no_findings(folio, disk):
    report = fsck(disk)
    assert report.findings == ()
    assert report.is_sound
    assert report
    assert report.records == 6
    # Three payloads, the snapshot, its tree, its environment.
    assert report.objects == 6
    assert report.checked_bytes == len(b"the first flights" + b"sun" + b"the second flights")
    assert (report.unneeded, report.unneeded_bytes) == (0, 0)


def test_a_large_folio_after_many_operations_has_no_findings(large, disk):
    for number in range(40):
        put(large, f"item {number % 7}", f"{number}".encode())
        snapshot(large, f"s{number}")
    for number in range(0, 40, 2):
        delete_snapshot(large, f"s{number}")
    collect(large)
    assert fsck(disk).findings == ()


def test_checking_changes_nothing(folio, disk, root):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}
    fsck(disk)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()} == before


def test_garbage_is_counted_and_is_no_finding(folio, disk):
    put(folio, "passing", b"12345")
    delete(folio, "passing")
    report = fsck(disk)
    assert report.findings == ()
    assert (report.unneeded, report.unneeded_bytes) == (1, 5)


def test_progress_goes_from_nothing_to_everything(folio, disk):
    told = []
    report = fsck(disk, progress=lambda done, total: told.append((done, total)))
    total = report.checked_bytes
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_where_no_folio_is_it_says_so(disk):
    with pytest.raises(FolioNotFoundError, match=r"folio\.json"):
        fsck(disk)


# Payloads.


def test_a_truncated_payload(folio, disk):
    key = payload_key(b"the second flights")
    overwrite(disk, key, b"the second")
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.severity) == ("object-damaged", key, "error")
    assert finding.affects == ("item 'flights' version 2",)
    assert finding.message == "expected 18 bytes, found 10"
    assert not fsck(disk).is_sound


def test_a_truncated_payload_is_found_without_reading_payloads(folio, disk):
    overwrite(disk, payload_key(b"the second flights"), b"")
    report = fsck(disk, share=0)
    assert only(report).id == "object-damaged"
    assert report.checked_bytes == 0


def test_a_flipped_bit_in_a_payload(folio, disk):
    key = payload_key(b"the first flights")
    overwrite(disk, key, b"thd first flights")
    finding = only(fsck(disk))
    assert (finding.id, finding.where) == ("object-damaged", key)
    assert finding.affects == ("item 'flights' version 1 of snapshot 'baseline'",)
    assert fsck(disk, share=0).is_sound


def test_a_missing_payload(folio, disk):
    key = payload_key(b"sun")
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where) == ("object-missing", key)
    assert finding.affects == ("item 'weather' version 1", "item 'weather' version 1 of snapshot 'baseline'")
    assert finding.items == (ItemVersion("weather", 1),)
    assert finding.snapshots == ("baseline",)


def test_a_folder_where_a_payload_should_be(folio, disk):
    path = disk.path(payload_key(b"sun"))
    path.unlink()
    path.mkdir()
    assert only(fsck(disk)).id == "object-missing"


def test_two_payloads_in_each_others_place(folio, disk):
    first, second = disk.path(payload_key(b"the first flights")), disk.path(payload_key(b"sun"))
    spare = first.with_name("spare")
    first.rename(spare)
    second.rename(first)
    spare.rename(second)
    report = fsck(disk)
    assert {(finding.id, finding.where) for finding in report.findings} == {
        ("object-damaged", payload_key(b"the first flights")),
        ("object-damaged", payload_key(b"sun")),
    }


def test_the_payload_of_a_reborn_object_is_looked_for_under_its_newest_key(folio, disk):
    put(folio, "other", b"phoenix")
    delete(folio, "other")
    collect(folio)
    put(folio, "other", b"phoenix")
    key = object_key(digest_of(b"phoenix"), 1)
    overwrite(disk, key, b"ashes..")
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-damaged", key, ("item 'other' version 1",))


def test_every_damaged_payload_is_found(large, disk):
    for number in (3, 5, 8):
        disk.delete(payload_key(f"new {number}".encode()))
    overwrite(disk, payload_key(b"old 4"), b"odd 4")
    report = fsck(disk)
    assert {(finding.id, finding.affects) for finding in report.findings} == {
        ("object-missing", ("item 'item 3' version 2",)),
        ("object-missing", ("item 'item 5' version 2",)),
        ("object-missing", ("item 'item 8' version 2",)),
        ("object-damaged", ("item 'item 4' version 1 of snapshot 'old'",)),
    }


# Nodes, snapshots, environments.


def test_a_missing_node_of_the_items(large, disk):
    key = object_key(large.tip().state.items.root.refs[0].digest, 0)
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-missing", key, ("the items",))


def test_a_flipped_bit_in_a_node_of_the_items(large, disk):
    key = object_key(large.tip().state.items.root.refs[0].digest, 0)
    data = bytearray(disk.read(key))
    data[50] ^= 4
    overwrite(disk, key, data)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-damaged", key, ("the items",))


def test_damage_below_a_node_is_found_beside_damage_elsewhere(large, disk):
    key = object_key(large.tip().state.items.root.refs[0].digest, 0)
    disk.delete(key)
    disk.delete(payload_key(b"old 4"))
    assert {finding.where for finding in fsck(disk).findings} == {key, payload_key(b"old 4")}


def test_a_missing_tree_of_a_snapshot(folio, disk):
    state = folio.tip().state
    key = object_key(state.snapshot(state.snapshots.get("baseline")).tree, 0)
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-missing", key, ("snapshot 'baseline'",))


def test_a_missing_snapshot(folio, disk):
    key = object_key(folio.tip().state.snapshots.get("baseline").digest, 0)
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-missing", key, ("snapshot 'baseline'",))


def test_a_damaged_snapshot(folio, disk):
    key = object_key(folio.tip().state.snapshots.get("baseline").digest, 0)
    overwrite(disk, key, disk.read(key).replace(b"baseline", b"bassline"))
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-damaged", key, ("snapshot 'baseline'",))


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_a_damaged_environment(folio, disk, damage):
    state = folio.tip().state
    key = object_key(state.snapshot(state.snapshots.get("baseline")).environment, 0)
    if damage == "missing":
        disk.delete(key)
    else:
        overwrite(disk, key, disk.read(key).replace(b"3.11", b"3.12"))
    finding = only(fsck(disk))
    assert finding.id == ("object-missing" if damage == "missing" else "object-damaged")
    assert (finding.where, finding.affects) == (key, ("snapshot 'baseline'",))


def test_a_missing_node_of_the_list_of_snapshots(large, disk):
    for number in range(10):
        snapshot(large, f"s{number}")
    key = object_key(large.tip().state.snapshots.root.refs[0].digest, 0)
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-missing", key, ("the list of snapshots",))


def test_a_missing_node_of_the_map_that_tells_where_objects_are(large, disk):
    collect(large)
    put_many(large, {f"item {number}": b"newest" for number in range(30)})
    collect(large)
    refs = large.tip().state.condemned.root.refs
    key = condemned_key(refs[0].digest)
    disk.delete(key)
    report = fsck(disk)
    assert ("object-missing", key, ("the condemned objects",)) in {
        (finding.id, finding.where, finding.affects) for finding in report.findings
    }


def test_a_reference_to_something_that_is_no_node(large, disk):
    _append(large, items=Node(level=1, refs=(_ref(large, b"new 3"),)))
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-misread", payload_key(b"new 3"), ("the items",))


def test_an_entry_that_lacks_a_field(folio, disk):
    _append(folio, items=Node(entries={"flights": msgspec.Raw(b'{"type":"table"}')}))
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("object-misread", newest(folio), ("the items",))
    assert "'flights'" in finding.message


def _ref(repository, data):
    return msgspec.structs.replace(repository.tip().state.items.root.refs[0], digest=digest_of(data))


def _append(repository, **fields):
    """A record that no datafolio would write."""
    logged = repository.tip().logged
    record = msgspec.structs.replace(
        logged.record, seq=logged.record.seq + 1, previous=logged.digest, write_id="strange", **fields
    )
    repository.log.append(record, {})
    repository.tip()


# The log.


def test_a_missing_record_in_the_middle(folio, disk):
    disk.delete(record_key(2))
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.severity) == ("log-gap", record_key(3), "warning")
    assert fsck(disk).is_sound


def test_the_oldest_records_may_be_gone(folio, disk):
    disk.delete(record_key(0))
    disk.delete(record_key(1))
    assert fsck(disk).findings == ()


def test_a_truncated_record_in_the_middle(folio, disk):
    overwrite(disk, record_key(2), disk.read(record_key(2))[:-10])
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("record-damaged", record_key(2), ())
    assert finding.severity == "error"


def test_a_changed_record_in_the_middle(folio, disk):
    changed = disk.read(record_key(2)).replace(b"weather", b"whether")
    overwrite(disk, record_key(2), sealed(changed.partition(b',"check"')[0] + b"}"))
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("record-chain-broken", record_key(2), ())


def test_a_flipped_bit_in_the_newest_record_that_leaves_it_readable(folio, disk):
    key = newest(folio)
    overwrite(disk, key, disk.read(key).replace(b"weather", b"weatheR"))
    assert only(fsck(disk)).id == "record-damaged"
    with pytest.raises(FormatError, match=key):
        Repository.open(disk)


@pytest.mark.parametrize("left", [0, 100, -1], ids=["emptied", "cut to a part", "cut by a byte"])
def test_a_truncated_newest_record(folio, disk, left):
    key = newest(folio)
    overwrite(disk, key, disk.read(key)[:left])
    report = fsck(disk)
    finding = only(report)
    assert (finding.id, finding.where, finding.affects) == ("record-damaged", key, ("the whole folio",))
    with pytest.raises(FormatError, match=key):
        Repository.open(disk)


def test_an_open_handle_says_that_the_newest_record_was_damaged_under_it(folio, disk):
    key = newest(folio)
    overwrite(disk, key, disk.read(key)[:100])
    with pytest.raises(FormatError, match=key):
        put(folio, "weather", b"rain")


def test_a_missing_newest_record_does_not_look_like_a_step_back_in_time(folio, disk):
    key = newest(folio)
    disk.delete(key)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.affects) == ("record-missing", key, ("the whole folio",))
    with pytest.raises(FormatError, match=f"{key} is missing"):
        Repository.open(disk)
    with pytest.raises(FormatError, match=f"{key} is missing"):
        put(folio, "weather", b"rain")


def test_several_missing_newest_records(folio, disk):
    key = newest(folio)
    for number in (3, 4, 5):
        disk.delete(record_key(number))
    assert (only(fsck(disk)).id, only(fsck(disk)).where) == ("record-missing", key)


def test_a_missing_or_lagging_marker_is_in_order(folio, disk):
    old = disk.read(MARKER)
    put(folio, "weather", b"rain")
    disk.replace(MARKER, old)
    assert fsck(disk).findings == ()
    disk.delete(MARKER)
    assert fsck(disk).findings == ()
    assert contents(Repository.open(disk))["weather"] == b"rain"


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * 100])
def test_a_damaged_marker_takes_nothing_down(folio, disk, data):
    disk.replace(MARKER, data)
    assert (only(fsck(disk)).id, only(fsck(disk)).where) == ("marker-damaged", MARKER)
    assert contents(Repository.open(disk))["weather"] == b"sun"
    put(Repository.open(disk), "weather", b"rain")
    assert fsck(disk).findings == ()


def test_all_records_missing_but_the_marker(folio, disk):
    for number in range(6):
        disk.delete(record_key(number))
    assert only(fsck(disk)).id == "record-missing"


def test_an_empty_log(folio, disk, root):
    shutil.rmtree(root / "log")
    finding = only(fsck(disk))
    assert (finding.id, finding.where) == ("log-empty", "log/")


def test_a_newer_record_than_this_version_reads(folio, disk):
    key = newest(folio)
    body = disk.read(key).partition(b',"check"')[0].replace(b'"format":1', b'"format":99')
    overwrite(disk, key, sealed(body + b"}"))
    finding = only(fsck(disk))
    assert finding.id == "format-newer"
    assert "format 99" in finding.message


# Other files.


def test_a_missing_folio_file(folio, disk):
    disk.delete("folio.json")
    finding = only(fsck(disk))
    assert (finding.id, finding.where) == ("folio-file-damaged", "folio.json")


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"format":"x"}', b'{"format":1,"folio_id":"a","created_at":"b","check":"c"}']
)
def test_a_damaged_folio_file(folio, disk, text):
    overwrite(disk, "folio.json", text)
    finding = only(fsck(disk))
    assert (finding.id, finding.where, finding.severity) == ("folio-file-damaged", "folio.json", "error")


def test_a_flipped_bit_in_the_folio_file(folio, disk):
    data = disk.read("folio.json")
    for place in range(0, len(data) - 1, 7):
        flipped = bytearray(data)
        flipped[place] ^= 1
        overwrite(disk, "folio.json", flipped)
        assert only(fsck(disk)).where == "folio.json"


def test_a_folio_file_as_the_first_version_wrote_it(folio, disk):
    overwrite(disk, "folio.json", b'{"format":1,"folio_id":"a","created_at":"b"}\n')
    assert fsck(disk).findings == ()


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-5], lambda data: data.replace(b"base", b"bass")]
)
def test_a_damaged_view(folio, disk, damage):
    make_views(folio)
    assert fsck(disk).findings == ()
    disk.replace("snapshots.json", damage(disk.read("snapshots.json")))
    assert (only(fsck(disk)).id, only(fsck(disk)).where) == ("view-damaged", "snapshots.json")
    assert fsck(disk).is_sound


def test_a_view_that_is_ahead_of_the_log(folio, disk):
    make_views(folio)
    disk.delete(newest(folio))
    disk.delete(MARKER)
    assert {finding.id for finding in fsck(disk).findings} == {"view-damaged"}


def test_a_record_that_the_disk_does_not_give_up(folio, disk):
    path = disk.path(record_key(2))
    path.unlink()
    path.symlink_to(path.name)
    assert only(fsck(disk)).id == "record-unreadable"


def test_of_a_share_of_the_payloads_so_many_are_read(large, disk):
    for number in range(30):
        overwrite(disk, payload_key(f"new {number}".encode()), b"x" * len(f"new {number}"))
    assert len(fsck(disk, share=0.5).findings) < 31
    assert len(fsck(disk, share=0.001).findings) <= 1
    assert sum(len(fsck(disk, share=0.5).findings) for _ in range(5)) > 30
    with pytest.raises(UsageError, match="share"):
        fsck(disk, share=5)


def test_a_damaged_payload_names_everything_that_needs_it(large, disk):
    for name in ("s1", "s2"):
        snapshot(large, name)
    put(large, "twin", b"new 3")
    disk.delete(payload_key(b"new 3"))
    finding = only(fsck(disk))
    assert finding.items == (ItemVersion("item 3", 2), ItemVersion("twin", 1))
    assert finding.snapshots == ("s1", "s2")
    assert "item 'item 3' version 2 of snapshot 's2'" in finding.affects


@pytest.mark.parametrize(
    "name", ["log/notes.txt", "objects/notes.txt", "objects/ab/short", "objects/.DS_Store", "objects/ab/cd/ef"]
)
def test_a_stray_file_among_the_objects(folio, disk, name):
    path = disk.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    report = fsck(disk)
    finding = only(report)
    assert (finding.id, finding.where, finding.severity) == ("unknown-file", name, "warning")
    assert report.is_sound


def test_missing_views_and_readme_are_no_damage(folio, disk):
    disk.delete("README.md")
    assert fsck(disk).findings == ()


def test_errors_come_before_warnings(folio, disk):
    disk.path("objects/aaa").write_text("x")
    disk.delete(payload_key(b"sun"))
    assert [finding.severity for finding in fsck(disk).findings] == ["error", "warning"]


# The documentation.


def test_every_finding_is_documented_with_its_severity():
    documented = dict(re.findall(r"^## `([a-z-]+)` \((error|warning)\)$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert documented == FINDING_IDS


def test_every_finding_is_produced_by_one_of_these_tests():
    text = Path(__file__).read_text("utf-8")
    missing = [name for name in FINDING_IDS if f'"{name}"' not in text]
    assert missing == []


def test_an_object_that_the_disk_does_not_give_up_is_a_finding_and_the_rest_is_checked(folio, disk):
    put(folio, "unreadable", b"unreadable")
    put(folio, "damaged", b"damaged")
    broken, flipped = disk.path(payload_key(b"unreadable")), disk.path(payload_key(b"damaged"))
    broken.unlink()
    broken.symlink_to(broken.name)
    flipped.chmod(0o644)
    flipped.write_bytes(b"dAmaged")
    found = {finding.where: finding.id for finding in fsck(disk).findings}
    assert found == {payload_key(b"unreadable"): "object-unreadable", payload_key(b"damaged"): "object-damaged"}


@pytest.mark.parametrize("folder", ["log", "objects"])
def test_a_folder_that_is_a_link_elsewhere_is_a_finding_and_is_not_followed(folio, disk, root, tmp_path, folder):
    (root / folder).rename(tmp_path / "elsewhere")
    (root / folder).symlink_to(tmp_path / "elsewhere")
    report = fsck(LocalBackend(root))
    assert not report.is_sound
    assert any("symbolic link" in finding.message for finding in report.findings)
