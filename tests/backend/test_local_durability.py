"""What would be there after a power loss: what is synced, and in which order."""

from __future__ import annotations

import os
import sys

import pytest

from datafolio.backend import Key

KEY = Key("objects/ab/cdef")


@pytest.fixture
def journal(monkeypatch, tmp_path):
    """What was synced and named, in order, as ("sync" or "link", the path from the test's folder)."""
    if sys.platform != "linux":
        pytest.skip("needs a system that tells which file a descriptor is of")
    happened = []
    sync, link = os.fsync, os.link

    def told_sync(descriptor):
        sync(descriptor)
        happened.append(("sync", os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path)))

    def told_link(source, final):
        link(source, final)
        happened.append(("link", os.path.relpath(final, tmp_path)))

    monkeypatch.setattr(os, "fsync", told_sync)
    monkeypatch.setattr(os, "link", told_link)
    return happened


def test_bytes_are_synced_before_they_get_their_name_and_every_folder_after(backend, root, journal):
    backend.create(KEY, b"x")
    named = journal.index(("link", f"folio/{KEY}"))
    assert [what for what, _ in journal].count("link") == 1
    assert journal[named - 1][1].startswith("folio/tmp/")
    assert journal[named + 1 :] == [("sync", "folio/objects/ab")]
    # Each folder was new, so the one above it was synced as well.
    assert {("sync", "folio/objects"), ("sync", "folio"), ("sync", ".")} <= set(journal[:named])


def test_folders_that_another_process_has_just_made_are_synced_before_they_are_relied_on(backend, root, journal):
    (root / "objects" / "ab").mkdir(parents=True)
    backend.create(KEY, b"x")
    assert {("sync", "folio/objects"), ("sync", "folio"), ("sync", ".")} <= set(journal)


def test_a_name_that_another_process_gave_is_synced_with_its_folders_before_it_is_confirmed(backend, root, journal):
    (root / "objects" / "ab").mkdir(parents=True)
    backend.path(KEY).write_bytes(b"x")
    backend.confirm(KEY)
    assert {path for _, path in journal} == {"folio/objects/ab", "folio/objects", "folio", "."}


def test_folders_are_synced_once_and_contents_and_names_every_time(backend, journal):
    backend.create(KEY, b"x")
    journal.clear()
    backend.create(Key("objects/ab/other"), b"y")
    assert [what for what, _ in journal] == ["sync", "link", "sync"]


def test_a_stage_of_several_names_is_synced_once(backend, journal):
    backend.create(KEY, b"x")
    journal.clear()
    with backend.stage() as stage:
        stage.write(b"y")
        stage.publish(Key("objects/ab/1"))
        stage.publish(Key("objects/ab/2"))
    assert [what for what, _ in journal] == ["sync", "link", "sync", "link", "sync"]


def test_what_can_be_made_again_is_not_synced(backend, journal):
    backend.create(Key("folio.json"), b"{}")
    journal.clear()
    backend.replace(Key("items.json"), b"{}")
    assert journal == []
