"""The log: records made by exclusive creation, an unbroken run of the newest ones, and nothing else that changes."""

from __future__ import annotations

import json

import msgspec
import pytest

from datafolio.backend import Key
from datafolio.digest import digest_of
from datafolio.errors import FormatError, KeyExistsError, KeyMissingError
from datafolio.store.log import LOG, RETAINED, Log, record_key
from datafolio.store.repository import Repository
from datafolio.store.seal import sealed
from tests.store.plumbing import WatchedBackend, assert_sound, contents, keys, put, set_metadata


def commit_times(repository, times):
    for number in range(times):
        set_metadata(repository, step=f"{number} of {times}")


def successor(logged, **changes):
    record = logged.record
    return msgspec.structs.replace(
        record, seq=record.seq + 1, previous=logged.digest, write_id=f"after {record.seq}", **changes
    )


def test_a_new_folio_has_record_0_with_nothing_before_it(repository):
    log = repository.log
    assert log.sequence() == [0]
    assert log.newest().record.seq == 0
    assert log.newest().record.previous is None


def test_a_record_is_a_file_of_json_under_its_number(on_disk, root):
    put(on_disk, "a", b"1")
    document = json.loads((root / "log" / "000000000001").read_bytes())
    assert document["seq"] == 1
    assert document["operation"] == "add 'a'"
    assert document["items"]["entries"]["a"]["digest"] == digest_of(b"1")


def test_every_record_names_the_digest_of_the_file_before(repository, backend):
    commit_times(repository, 20)
    log = repository.log
    for seq in range(1, 21):
        assert log.read(seq).record.previous == digest_of(backend.read(record_key(seq - 1)))


def test_only_one_of_two_writers_gets_a_number(repository):
    log, tip = repository.log, repository.tip().logged
    first = log.append(successor(tip, operation="one"), {})
    with pytest.raises(KeyExistsError):
        log.append(msgspec.structs.replace(successor(tip, operation="two"), write_id="another"), {})
    assert log.newest() == first
    assert log.read(1).record.operation == "one"


def test_a_lost_reply_does_not_turn_success_into_failure(backend):
    repository = Repository.create(backend)
    tip = repository.tip().logged
    record = successor(tip)
    written = repository.log.append(record, {})
    # The same attempt again, as after a lost reply: the storage says that the number is taken, by this very record.
    assert repository.log.append(record, {}) == written


def test_a_record_whose_predecessor_is_another_is_taken_back(repository, backend):
    tip = repository.tip().logged
    with pytest.raises(KeyExistsError, match="older than the log"):
        repository.log.append(msgspec.structs.replace(successor(tip), previous=digest_of(b"another")), {})
    assert repository.log.sequence() == [0]


def test_retention_keeps_the_newest_records_in_an_unbroken_run(repository):
    log = repository.log
    for number in range(2 * RETAINED + 30):
        set_metadata(repository, step=number)
        sequence = log.sequence()
        assert sequence == list(range(sequence[0], repository.tip().seq + 1))
        assert min(RETAINED, number + 2) <= len(sequence) <= RETAINED + 8


def test_records_are_trimmed_oldest_first(backend):
    watched = WatchedBackend(backend)
    commit_times(Repository.create(watched), 150)
    deleted = watched.made("delete")
    assert deleted == [record_key(seq) for seq in range(len(deleted))]
    assert len(deleted) >= 40


def test_a_trim_that_was_killed_leaves_an_unbroken_run_and_the_next_one_ends_it(backend):
    watched = WatchedBackend(backend)
    repository = Repository.create(watched)
    commit_times(repository, RETAINED + 8)

    def die(_key):
        raise KeyboardInterrupt

    commit_times(repository, 7)
    watched.before("delete", lambda _key: watched.before("delete", die))
    with pytest.raises(KeyboardInterrupt):
        commit_times(repository, 8)
    sequence = repository.log.sequence()
    assert sequence == list(range(sequence[0], sequence[-1] + 1))
    commit_times(Repository.open(backend), 16)
    assert len(repository.log.sequence()) <= RETAINED + 8
    assert_sound(backend)


def test_the_retained_records_are_walked_newest_first(repository):
    commit_times(repository, 5)
    assert [logged.record.seq for logged in repository.log.retained()] == [5, 4, 3, 2, 1, 0]
    assert repository.log.oldest().record.seq == 0


def test_a_walk_that_a_trim_overtakes_ends_there(backend):
    watched = WatchedBackend(backend)
    log = Log(watched)
    repository = Repository.create(backend)
    commit_times(repository, 20)
    walk = log.retained()
    assert next(walk).record.seq == 20
    for seq in range(15):
        backend.delete(record_key(seq))
    assert [logged.record.seq for logged in walk] == [19, 18, 17, 16, 15]


def test_the_newest_and_the_oldest_are_found_when_records_are_trimmed_while_listing(backend):
    repository = Repository.create(backend)
    commit_times(repository, 5)
    watched = WatchedBackend(backend)
    watched.before("read", lambda _key: commit_times(repository, 200))
    assert Log(watched).newest().record.seq > 5
    watched.before("read", lambda _key: commit_times(repository, 200))
    assert Log(watched).oldest().record.seq > 200


def test_a_reader_that_slept_past_the_trimmed_range_sees_the_newest(backend):
    repository, sleeper = Repository.create(backend), Repository.open(backend)
    commit_times(repository, RETAINED + 20)
    put(repository, "a", b"1")
    assert contents(sleeper) == {"a": b"1"}


def test_a_handle_that_slept_past_the_trimmed_range_starts_over(backend):
    repository, sleeper = Repository.create(backend), Repository.open(backend)
    put(sleeper, "early", b"1")
    old = sleeper.tip()
    commit_times(repository, RETAINED + 20)
    assert record_key(old.seq) not in keys(backend, LOG)
    put(sleeper, "late", b"2")
    assert contents(repository) == {"early": b"1", "late": b"2"}
    assert repository.tip().state.metadata["step"] == f"{RETAINED + 19} of {RETAINED + 20}"
    assert_sound(backend)


def test_a_writer_that_sleeps_before_its_record_past_the_trimmed_range_starts_over(backend):
    repository = Repository.create(backend)
    watched = WatchedBackend(backend)
    sleeper = Repository.open(watched)

    def sleep(key):
        if not key.startswith(LOG):  # the payload, so the tip has been looked at
            commit_times(repository, RETAINED + 20)

    watched.before("publish", sleep)
    tip = put(sleeper, "late", b"2")
    assert tip.seq == RETAINED + 21
    sequence = repository.log.sequence()
    assert sequence == list(range(sequence[0], tip.seq + 1))
    assert contents(repository) == {"late": b"2"}
    assert repository.tip().state.metadata["step"].startswith(str(RETAINED + 19))
    assert_sound(backend)


def test_a_newer_format_is_refused_by_file_and_number(on_disk, root, disk):
    put(on_disk, "a", b"1")
    newest = root / "log" / "000000000001"
    document = json.loads(newest.read_bytes())
    newest.unlink()
    document = {"kind": "record", "format": 2, "seq": 1, "state": document["items"]}
    newest.write_bytes(sealed(json.dumps(document).encode()))
    with pytest.raises(FormatError, match=r"log/000000000001 has format 2, .* reads up to 1; install a newer"):
        Repository.open(disk)
    with pytest.raises(FormatError, match="format 2"):
        put(on_disk, "b", b"2")


def test_a_newer_folio_file_is_refused_by_file_and_number(on_disk, root, disk):
    folio_file = root / "folio.json"
    document = json.loads(folio_file.read_bytes())
    folio_file.unlink()
    del document["check"]
    folio_file.write_bytes(sealed(json.dumps(document | {"format": 7}).encode()))
    for opens in (Repository.open, Repository.create):
        with pytest.raises(FormatError, match=r"folio\.json has format 7"):
            opens(disk)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"kind":"node"}', b'{"kind":"record","format":"one"}', b"[" * 5000],
    ids=["empty", "cut", "list", "null", "not UTF-8", "a node", "format is a text", "nested without end"],
)
def test_a_file_that_is_no_record_is_refused_by_name(on_disk, root, disk, damaged):
    (root / "log" / "000000000001").write_bytes(damaged)
    with pytest.raises(FormatError, match="log/000000000001"):
        Repository.open(disk)


def test_a_record_under_another_number_is_refused(on_disk, root, disk):
    (root / "log" / "000000000001").write_bytes((root / "log" / "000000000000").read_bytes())
    with pytest.raises(FormatError, match="log/000000000001 holds record 0"):
        Repository.open(disk)


def test_other_files_in_the_log_folder_are_not_records(on_disk, root, disk):
    for name in (".DS_Store", "000000000009.tmp", "99", "notes"):
        (root / "log" / name).write_text("x")
    put(on_disk, "a", b"1")
    assert Repository.open(disk).tip().seq == 1


def test_a_record_that_is_not_there_is_a_missing_key(repository):
    with pytest.raises(KeyMissingError, match="000000000005"):
        repository.log.read(5)


def test_unknown_fields_of_a_record_are_carried_on_by_this_version(repository, backend):
    put(repository, "a", b"1")
    _append_as_a_newer_version(backend, repository, new_field={"deep": [1, 2, {"z": 1, "a": 2}]}, another="x")
    put(repository, "b", b"2")
    set_metadata(Repository.open(backend), k=1)
    newest = json.loads(backend.read(record_key(repository.tip().seq)))
    assert newest["new_field"] == {"deep": [1, 2, {"z": 1, "a": 2}]}
    assert list(newest["new_field"]["deep"][2]) == ["z", "a"]
    assert newest["another"] == "x"
    assert set(newest["items"]["entries"]) == {"a", "b"}
    assert_sound(backend)


def test_unknown_fields_of_an_entry_are_carried_on_when_other_items_change(repository, backend):
    put(repository, "a", b"1")
    document = json.loads(backend.read(record_key(1)))
    document["items"]["entries"]["a"]["quality"] = {"checked": True}
    _append_as_a_newer_version(backend, repository, items=document["items"])
    put(repository, "b", b"2")
    put(repository, "c", b"3")
    newest = json.loads(backend.read(record_key(repository.tip().seq)))
    assert newest["items"]["entries"]["a"]["quality"] == {"checked": True}
    assert "quality" not in newest["items"]["entries"]["b"]


def _append_as_a_newer_version(backend, repository, **fields):
    tip = repository.tip().logged
    document = json.loads(backend.read(record_key(tip.record.seq)))
    document |= {"seq": tip.record.seq + 1, "previous": tip.digest, "write_id": "newer"} | fields
    del document["check"]
    backend.create(Key(record_key(tip.record.seq + 1)), sealed(json.dumps(document).encode()))
