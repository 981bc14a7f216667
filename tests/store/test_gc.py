"""Collection frees what nothing needs and nothing else, whoever sleeps, dies or writes at the same time."""

from __future__ import annotations

import pytest

from datafolio.backend import MemoryBackend
from datafolio.digest import digest_of
from datafolio.errors import CorruptObjectError, MissingObjectError, StorageError
from datafolio.store import changes
from datafolio.store.gc import collect, collect_if_due
from datafolio.store.log import RETAINED, record_key
from datafolio.store.objects import OBJECTS, object_key, parse_key
from datafolio.store.repository import Repository
from tests.store.plumbing import (
    WatchedBackend,
    assert_sound,
    contents,
    delete,
    delete_snapshot,
    eager_collections,
    keys,
    new_item,
    new_snapshot,
    put,
    put_many,
    read,
    restore,
    set_metadata,
    small_nodes,
    snapshot,
)


def key_of(data, burn=0):
    return object_key(digest_of(data), burn)


def objects(backend):
    return keys(backend, OBJECTS)


def history(repository):
    """A folio with a little of everything, and garbage."""
    for number in range(12):
        put(repository, f"item {number}", f"first {number}".encode())
    snapshot(repository, "kept", environment={"python": "3.11"})
    for number in range(12):
        put(repository, f"item {number}", f"second {number}".encode())
    snapshot(repository, "dropped", environment={"python": "3.12"})
    for number in range(6):
        put(repository, f"item {number}", f"third {number}".encode())
        put(repository, f"item {number}", f"fourth {number}".encode())
    delete_snapshot(repository, "dropped")
    put(repository, "passing", b"gone soon")
    delete(repository, "passing")


def test_what_nothing_needs_is_freed_and_everything_else_stays(repository, backend):
    with small_nodes():
        history(repository)
        current, kept = contents(repository), contents(repository, "kept")
        collection = collect(repository)
        assert contents(repository) == current
        assert contents(repository, "kept") == kept
        assert_sound(backend)
        assert key_of(b"gone soon") not in objects(backend)
        assert key_of(b"second 3") not in objects(backend)
        assert key_of(b"third 3") not in objects(backend)
        assert key_of(b"second 9") in objects(backend)
        assert collection.objects > 14
        payloads = {key for key in objects(backend) if backend.read(key)[:1] != b"{"}
        assert payloads == {key_of(data) for data in (*current.values(), *kept.values())}


def test_a_collection_gives_back_as_much_as_it_says(repository, backend):
    with small_nodes():
        history(repository)
        before = {listed.key: listed.size for listed in backend.list(OBJECTS)}
        collection = collect(repository)
        after = objects(backend)
        gone = {key: size for key, size in before.items() if key not in after}
        assert collection.objects == len(gone)
        assert collection.size == sum(gone.values())


def test_a_dry_run_says_what_a_real_one_does_and_changes_nothing(repository, backend):
    with small_nodes():
        history(repository)
        before = {key: backend.read(key) for key in keys(backend)}
        promised = collect(repository, dry_run=True)
        assert {key: backend.read(key) for key in keys(backend)} == before
        assert collect(repository) == promised
        assert promised.orphans


def test_a_second_collection_finds_nothing_and_writes_nothing(repository, backend):
    with small_nodes():
        history(repository)
        collect(repository)
        before = keys(backend)
        again = collect(repository)
        assert (again.orphans, again.objects, again.size) == ((), 0, 0)
        assert keys(backend) == before


def test_collecting_an_empty_folio_does_nothing(repository, backend):
    before = keys(backend)
    assert collect(repository).objects == 0
    assert keys(backend) == before


def test_orphans_are_named_with_what_held_them_last(repository):
    put(repository, "model", b"v1")
    snapshot(repository, "old")
    put(repository, "model", b"v2")
    put(repository, "table", b"draft")
    put(repository, "table", b"final")
    delete_snapshot(repository, "old")
    orphans = collect(repository).orphans
    assert [(orphan["item"], orphan["version"], orphan["bytes"]) for orphan in orphans] == [
        ("model", 1, 2),
        ("table", 1, 5),
    ]
    assert orphans[0]["last_held_by"] == "snapshot 'old'"
    assert orphans[0]["digest"] == digest_of(b"v1")
    assert orphans[1]["last_held_by"] == "operation 4 (add 'table')"
    assert repr(list(orphans)) == "[model version 1 (2 bytes), table version 1 (5 bytes)]"


def test_one_content_under_two_names_is_an_orphan_under_both(repository):
    put(repository, "a", b"same")
    put(repository, "b", b"same")
    put(repository, "a", b"other")
    assert collect(repository).orphans == ()
    delete(repository, "b")
    assert [orphan["item"] for orphan in collect(repository).orphans] == ["a", "b"]


def test_orphans_have_names_when_the_log_has_forgotten_them(repository):
    with small_nodes():
        put_many(repository, {f"item {number}": f"old {number}".encode() for number in range(10)})
        snapshot(repository, "old")
        put_many(repository, {f"item {number}": f"new {number}".encode() for number in range(10)})
        delete_snapshot(repository, "old")
        for number in range(RETAINED + 10):
            set_metadata(repository, step=number)
        orphans = collect(repository).orphans
        assert {orphan["item"] for orphan in orphans} == {f"item {number}" for number in range(10)}
        assert {orphan["last_held_by"] for orphan in orphans} == {"a version no longer in the log"}


def test_content_that_comes_back_is_stored_under_a_new_key(repository, backend):
    put(repository, "a", b"phoenix")
    for epoch in range(1, 4):
        put(repository, "a", b"other")
        collect(repository)
        assert not objects(backend) & {key_of(b"phoenix", burn) for burn in range(epoch)}
        put(repository, "a", b"phoenix")
        assert read(repository, "a") == b"phoenix"
        assert read(Repository.open(backend), "a") == b"phoenix"
        (found,) = [parse_key(key) for key in objects(backend) if parse_key(key).digest == digest_of(b"phoenix")]
        assert found.burn >= epoch
        assert_sound(backend)


def test_nodes_and_environments_that_come_back_are_read_from_their_new_keys(repository, backend):
    with small_nodes():
        first = {f"item {number}": b"x" for number in range(40)}
        put_many(repository, first)
        snapshot(repository, "one", environment={"python": "3.11"})
        put_many(repository, dict.fromkeys(first, b"y"))
        delete_snapshot(repository, "one")
        collect(repository)
        put_many(repository, first)
        snapshot(repository, "two", environment={"python": "3.11"})
        assert any("~" in key for key in objects(backend))
        fresh = Repository.open(backend)
        assert contents(fresh) == contents(fresh, "two") == first
        assert_sound(backend)


def test_many_collections_keep_the_map_of_condemned_objects_readable(backend):
    with small_nodes(8, 8):
        repository = Repository.create(backend)
        for number in range(20):
            put(repository, "a", f"content {number}".encode())
            put(repository, "b", f"content {number % 7}".encode())
            collect(repository)
            assert contents(Repository.open(backend)) == {
                "a": f"content {number}".encode(),
                "b": f"content {number % 7}".encode(),
            }
        assert repository.tip().state.condemned.root.level > 0
        assert_sound(backend)
        assert collect(repository).objects == 0


def test_the_version_numbers_of_items_put_aside_survive_a_collection(repository, backend):
    with small_nodes():
        snapshot(repository, "empty")
        put_many(repository, {f"item {number}": b"x" for number in range(30)})
        snapshot(repository, "full")
        restore(repository, "empty")
        assert repository.tip().state.retired.root.level > 0
        collect(repository)
        put(Repository.open(backend), "item 7", b"y")
        assert repository.tip().state.items.get("item 7").version == 2


# Sleepers: collectors and writers that stop in the middle, while the folio goes on.


def test_a_collector_that_sleeps_before_its_sweep_harms_nothing_when_it_wakes(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"one")
    put(repository, "a", b"two")

    def meanwhile(_key):
        # The content is condemned by now: it comes back, is condemned by another, and comes back again.
        put(repository, "b", b"one")
        collect(repository)
        put(repository, "c", b"one")
        delete(repository, "b")
        delete(repository, "c")
        collect(repository)
        put(repository, "d", b"one")

    watched = WatchedBackend(backend)
    watched.before("delete", meanwhile)
    collect(Repository.open(watched))
    assert contents(repository) == {"a": b"two", "d": b"one"}
    assert_sound(backend)


def test_a_writer_that_stored_its_payload_before_it_was_condemned_loses_nothing(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    put(repository, "a", b"one")
    new = new_item(b"staged")
    condemned = []

    def change(state):
        if condemned == ["stored"]:
            condemned.append(collect(other))
        return changes.put_item(state, "b", new, overwrite=True)

    watched = WatchedBackend(backend)
    writer = Repository.open(watched)

    def interrupt(key):
        # The payload is stored; before the record is, the other one collects.
        if key.startswith("log/"):
            condemned.append(collect(other))
        else:
            watched.before("publish", interrupt)

    watched.before("publish", interrupt)
    tip = writer.commit("add 'b'", change, {new.digest: b"staged"})
    assert condemned[0].objects == 1
    assert tip.state.burn_of(new.digest) == 1
    assert key_of(b"staged") not in objects(backend)
    assert contents(repository) == {"a": b"one", "b": b"staged"}
    assert_sound(backend)


def test_a_writer_that_relied_on_an_object_which_was_then_condemned_stores_it_again(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    put(repository, "a", b"shared")
    watched = WatchedBackend(backend)

    def interrupt(_key):
        # The writer has found the payload and confirmed it; now the only item that has it goes.
        delete(other, "a")
        collect(other)

    watched.before("confirm", interrupt)
    put(Repository.open(watched), "b", b"shared")
    assert contents(repository) == {"b": b"shared"}
    assert key_of(b"shared", 1) in objects(backend)
    assert_sound(backend)


def test_a_change_that_collects_on_the_way_loses_nothing(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    put(repository, "a", b"one")
    put(repository, "a", b"two")
    new, rounds = new_item(b"one"), []

    def change(state):
        if len(rounds) < 3:
            rounds.append(state.epoch)
            put(other, "c", b"three")
            delete(other, "c")
            collect(other)
        return changes.put_item(state, "b", new, overwrite=True)

    repository.commit("add 'b'", change, {new.digest: b"one"})
    assert rounds == [0, 1, 2]
    assert contents(other) == {"a": b"two", "b": b"one"}
    assert_sound(backend)


def test_a_collector_whose_record_comes_second_marks_again(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"one")
    put(repository, "a", b"two")
    watched = WatchedBackend(backend)
    # Just before the condemning record, the dead content is used again.
    watched.before("publish", lambda _key: put(repository, "b", b"one"))
    collection = collect(Repository.open(watched))
    assert (collection.objects, collection.orphans) == (0, ())
    assert contents(repository) == {"a": b"two", "b": b"one"}
    assert_sound(backend)


def test_two_collectors_at_once_free_everything_once(backend):
    with small_nodes():
        repository = Repository.create(backend)
        history(repository)
        expected = contents(repository)
        watched = WatchedBackend(backend)
        watched.before("publish", lambda _key: collect(repository))
        collect(Repository.open(watched))
        collect(repository)
        assert contents(repository) == expected
        assert_sound(backend)
        assert collect(repository).objects == 0


@pytest.mark.parametrize("survivors", [0, 1, 5])
def test_a_sweep_that_was_killed_is_finished_by_the_next_collection(backend, survivors):
    with small_nodes():
        repository = Repository.create(backend)
        history(repository)
        expected = contents(repository), contents(repository, "kept")
        watched = WatchedBackend(backend)
        deleted = []

        def die(key):
            deleted.append(key)
            if len(deleted) > survivors:
                raise KeyboardInterrupt
            watched.before("delete", die)

        watched.before("delete", die)
        with pytest.raises(KeyboardInterrupt):
            collect(Repository.open(watched))
        assert (contents(repository), contents(repository, "kept")) == expected
        assert_sound(backend)
        promised = collect(repository, dry_run=True)
        assert collect(repository) == promised
        assert promised.objects > 0
        assert collect(repository).objects == 0
        assert (contents(repository), contents(repository, "kept")) == expected
        assert_sound(backend)


def test_a_key_that_a_killed_sweep_left_is_swept_when_its_content_has_come_back(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"phoenix")
    put(repository, "a", b"other")
    watched = WatchedBackend(backend)

    def die(_key):
        raise KeyboardInterrupt

    watched.before("delete", die)
    with pytest.raises(KeyboardInterrupt):
        collect(Repository.open(watched))
    put(repository, "b", b"phoenix")
    assert {key_of(b"phoenix"), key_of(b"phoenix", 1)} <= objects(backend)
    assert collect(repository).objects == 1
    assert objects(backend) >= {key_of(b"phoenix", 1)}
    assert key_of(b"phoenix") not in objects(backend)
    assert contents(repository) == {"a": b"other", "b": b"phoenix"}
    assert_sound(backend)


def test_a_collection_that_was_killed_before_its_record_is_as_if_it_had_not_been(backend):
    with small_nodes():
        repository = Repository.create(backend)
        history(repository)
        expected = contents(repository)
        watched = WatchedBackend(backend)

        def die(key):
            if key.startswith("log/"):
                raise KeyboardInterrupt
            watched.before("publish", die)

        watched.before("publish", die)
        with pytest.raises(KeyboardInterrupt):
            collect(Repository.open(watched))
        assert not watched.made("delete")
        assert contents(repository) == expected
        collect(repository)
        assert collect(repository).objects == 0
        assert contents(repository) == expected


def test_a_copy_with_objects_of_later_epochs_than_its_log_uses_no_key_twice(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"one")
    log = {key: backend.read(key) for key in keys(backend) if not key.startswith(OBJECTS)}
    put(repository, "a", b"two")
    collect(repository)
    put(repository, "b", b"one")
    put(repository, "b", b"three")
    put(repository, "b", b"one")
    # The log was copied first, the objects after a while.
    copy = MemoryBackend()
    for key, data in (log | {key: backend.read(key) for key in objects(backend)}).items():
        copy.create(key, data)
    put(Repository.open(copy), "a", b"four")
    dead = objects(copy) - {key_of(b"four")}
    assert key_of(b"one", 1) in dead
    watched = WatchedBackend(copy)
    watched.before("delete", lambda _key: put(Repository.open(copy), "c", b"one"))
    collect(Repository.open(watched))
    assert contents(Repository.open(copy)) == {"a": b"four", "c": b"one"}
    assert_sound(copy)


# Errors: no guess is made about what can't be seen.


def test_a_missing_node_ends_the_collection_before_anything_is_deleted(backend):
    with small_nodes():
        repository = Repository.create(backend)
        history(repository)
        node = repository.tip().state.items.root.refs[0].digest
        backend.delete(object_key(node, 0))
        before = keys(backend)
        for options in ({}, {"keep_log": True}, {"dry_run": True}):
            with pytest.raises(MissingObjectError):
                collect(Repository.open(backend), **options)
            assert keys(backend) == before


def test_a_damaged_node_of_a_snapshot_ends_the_collection_before_anything_is_deleted(on_disk, disk):
    with small_nodes():
        history(on_disk)
        state = on_disk.tip().state
        tree = state.snapshot(state.snapshots.get("kept")).tree
        path = disk.path(object_key(tree, 0))
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-5])
        before = keys(disk)
        with pytest.raises(CorruptObjectError):
            collect(Repository.open(disk))
        assert keys(disk) == before


def test_a_listing_that_fails_ends_the_collection_before_anything_is_deleted(backend):
    history(Repository.create(backend))
    watched = WatchedBackend(backend)

    def fail(_prefix):
        raise StorageError("listing: input/output error", 5)

    before = keys(backend)
    repository = Repository.open(watched)
    watched.before("list", fail)
    with pytest.raises(StorageError, match="listing"):
        collect(repository)
    assert keys(backend) == before


def test_a_file_that_is_no_object_is_left_alone(on_disk, disk):
    history(on_disk)
    strangers = ["objects/notes.txt", "objects/ab/short", f"objects/ab/{'c' * 62}~x", f"objects/ab/{'c' * 62}~0"]
    for name in strangers:
        disk.path(name).parent.mkdir(exist_ok=True)
        disk.path(name).write_text("mine")
    collect(on_disk)
    assert set(strangers) <= keys(disk)


def test_an_artifact_with_the_bytes_of_a_node_or_snapshot_hides_nothing_from_the_mark(backend):
    with small_nodes():
        repository = Repository.create(backend)
        put_many(repository, {f"item {number}": f"old {number}".encode() for number in range(30)})
        set_metadata(repository, text="x" * 5000)
        snapshot(repository, "s")
        structured = [backend.read(key) for key in objects(backend) if backend.read(key).startswith(b'{"kind"')]
        put_many(repository, {f"copy {number}": data for number, data in enumerate(structured)})
        put_many(repository, {f"item {number}": b"new" for number in range(30)})
        held = contents(repository, "s")
        collect(repository)
        assert contents(Repository.open(backend), "s") == held
        assert_sound(backend)


def test_a_half_written_payload_of_a_killed_process_is_swept(on_disk, root, staged):
    put(on_disk, "a", b"one")
    (root / "tmp" / "0123456789abcdef-0123456789abcdef").write_bytes(b"x" * 1000)
    collect(on_disk)
    assert staged(root) == []


# What the log keeps, and what an automatic collection does.


def past_contents(repository):
    """What every retained record of the log holds."""
    states = [repository.state_of(logged) for logged in repository.log.retained()]
    return [{name: repository.objects.read(entry.digest) for name, entry in state.items.items()} for state in states]


def test_a_collection_for_the_log_keeps_what_its_records_hold(repository, backend):
    with small_nodes():
        history(repository)
        before = past_contents(repository)
        collect(repository, keep_log=True)
        assert past_contents(repository)[-len(before) :] == before
        assert collect(repository, keep_log=True).objects == 0


def test_an_explicit_collection_drops_what_only_the_log_holds(repository, backend):
    put(repository, "a", b"one")
    put(repository, "a", b"two")
    assert collect(repository, keep_log=True).objects == 0
    assert collect(repository).objects == 1
    assert objects(backend) == {key_of(b"two")}


def test_a_collection_for_the_log_works_after_an_explicit_one_took_from_the_log(repository, backend):
    with small_nodes():
        history(repository)
        collect(repository)
        put(repository, "a", b"later")
        before = past_contents_since_the_collection(repository)
        put(repository, "a", b"latest")
        collect(repository, keep_log=True)
        assert key_of(b"later") in objects(backend)
        assert past_contents_since_the_collection(repository)[-len(before) :] == before
        assert_sound(backend)


def past_contents_since_the_collection(repository):
    horizon = repository.tip().state.garbage.horizon
    return [contents_of(repository, logged) for logged in repository.log.retained() if logged.record.epoch >= horizon]


def contents_of(repository, logged):
    state = repository.state_of(logged)
    return {name: repository.objects.read(entry.digest) for name, entry in state.items.items()}


def test_a_loop_of_overwrites_takes_bounded_space_and_keeps_what_the_log_needs(backend):
    repository = Repository.create(backend)
    size, most = 1000, 0
    with eager_collections(20 * size):
        put(repository, "kept", b"k" * size)
        snapshot(repository, "s")
        for number in range(600):
            put(repository, "a", f"{number}".encode().rjust(size))
            collect_if_due(repository)
            most = max(most, sum(listed.size for listed in backend.list(OBJECTS)))
    # What the log holds, and the share that a collection waits for, and twenty.
    assert most < 200 * size
    assert repository.tip().state.epoch > 3
    assert all(past["a"].rjust(size) for past in past_contents(repository)[:RETAINED] if "a" in past)
    assert read(repository, "kept", "s") == b"k" * size
    assert_sound(backend)


def test_nothing_is_due_while_the_log_holds_what_was_let_go(repository):
    with eager_collections(10):
        for number in range(RETAINED // 2):
            put(repository, "a", f"{number}".encode().rjust(100))
            assert collect_if_due(repository) is None


def test_nothing_is_due_right_after_an_explicit_collection(repository):
    with eager_collections(10):
        for number in range(2 * RETAINED):
            put(repository, "a", f"{number}".encode().rjust(100))
        collect(repository)
        assert collect_if_due(repository) is None


def test_what_snapshots_hold_is_never_due(repository):
    with eager_collections(10):
        for number in range(RETAINED):
            put(repository, "a", f"{number}".encode().rjust(100))
            snapshot(repository, f"s{number}")
            assert collect_if_due(repository) is None


def test_what_a_restore_puts_aside_does_not_pile_up(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"base")
    snapshot(repository, "base")
    with eager_collections(5000):
        for number in range(300):
            put(repository, "a", f"{number}".encode().rjust(1000))
            restore(repository, "base")
            collect_if_due(repository)
    assert sum(listed.size for listed in backend.list(OBJECTS)) < 250_000
    assert_sound(backend)


def test_a_snapshot_made_of_a_state_with_reborn_objects_restores(repository, backend):
    put(repository, "a", b"one")
    put(repository, "a", b"two")
    collect(repository)
    put(repository, "a", b"one")
    repository.commit("snap", lambda state: changes.create_snapshot(state, "s", new_snapshot()))
    put(repository, "a", b"three")
    collect(repository)
    restore(repository, "s")
    assert read(Repository.open(backend), "a") == b"one"
    assert record_key(repository.tip().seq) in keys(backend)


def test_the_nodes_that_small_edits_leave_behind_are_collected_too(disk):
    """300 items take several nodes, and each edit replaces one; its payload is a few bytes."""
    folio = Repository.create(disk)
    put_many(folio, {f"i{number}": b"%d" % number for number in range(300)})
    largest = 0
    with eager_collections(200_000):
        for number in range(400):
            put(folio, "i5", b"edit %d" % number)
            collect_if_due(folio)
            largest = max(largest, sum(size for _, size, _ in disk.list(OBJECTS)))
    # 400 nodes of some 15 kB would be 6 MB; the newest 100 records need theirs.
    assert largest < 4_000_000
    assert_sound(disk)


def test_a_collection_deletes_no_file_that_is_not_the_folios_own(on_disk, root, tmp_path):
    """A folio from elsewhere may have a link in the place of any of its folders."""
    home = tmp_path / "home"
    (home / "ab").mkdir(parents=True)
    mine = [home / "thesis.txt", home / "ab" / "notes", home / "ab" / ("c" * 62)]
    for file in mine:
        file.write_text("mine")
    (root / "condemned").symlink_to(home)
    put(on_disk, "a", b"1")
    put(on_disk, "a", b"2")
    with pytest.raises(StorageError, match="condemned is a symbolic link"):
        collect(on_disk)
    assert [file.read_text() for file in mine] == ["mine"] * 3
