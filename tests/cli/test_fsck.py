"""fsck finds what was broken on disk, says what it affects, and exits with 1."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datafolio import DataFolio


def object_of(path: Path, item: str) -> Path:
    digest = DataFolio.open(path).get_item_info(item)["digest"]
    (found,) = (file for file in (path / "objects").rglob("*") if digest[-20:] in file.name)
    return found


def overwrite(file: Path, data: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(data)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    overwrite(file, bytes(data))


def newest_record(path: Path) -> Path:
    return max((path / "log").glob("0*"))


def test_a_sound_folio_is_sound(story, run) -> None:
    done = run("fsck")
    assert done.code == 0
    assert done.out.startswith("sound: 0 errors, 0 warnings; checked ")


def test_a_flipped_bit_is_found_and_named_with_what_it_affects(story, run) -> None:
    file = object_of(story, "data")
    flip(file)
    done = run("fsck")
    assert done.code == 1
    assert f"error  object-damaged  {file.relative_to(story).as_posix()}: " in done.out
    assert "  affects item 'data'" in done.out
    assert "damaged: 1 error, 0 warnings" in done.out
    (finding,) = run("fsck", "--json").json["findings"]
    assert (finding["id"], finding["severity"]) == ("object-damaged", "error")
    assert any("data" in affected for affected in finding["affects"])


def test_quick_reads_no_payload(story, run) -> None:
    flip(object_of(story, "data"))
    done = run("fsck", "--quick")
    assert done.code == 0
    assert "no data read" in done.out


@pytest.mark.parametrize("words", [(), ("--quick",)])
def test_a_missing_object_is_found(words, story, run) -> None:
    object_of(story, "data").unlink()
    done = run("fsck", *words)
    assert done.code == 1
    assert "object-missing" in done.out


def test_a_folio_whose_newest_record_is_damaged_is_checked_all_the_same(story, run) -> None:
    overwrite(newest_record(story), b"{}")
    assert run("status").code == 6
    done = run("fsck")
    assert done.code == 1
    assert "record-damaged" in done.out
    assert "affects the whole folio" in done.out
    assert run("fsck", "--json").json["sound"] is False


def test_a_folio_without_its_log_is_checked_all_the_same(story, run) -> None:
    shutil.rmtree(story / "log")
    done = run("fsck")
    assert done.code == 1
    assert "log-empty" in done.out


def test_meeting_damage_on_the_way_is_code_6_and_points_to_fsck(story, run, tmp_path) -> None:
    object_of(story, "data").unlink()
    done = run("snapshot", "export", "v1.0", tmp_path / "out")
    assert done.code == 6
    assert done.err.count("\n") == 1


def test_what_nothing_needs_is_no_damage(story, run) -> None:
    run("snapshot", "delete", "v1.0")
    done = run("fsck")
    assert done.code == 0
    assert "not needed: " in done.out


# Repair


def test_repair_is_a_dry_run_until_yes(story, run, tmp_path) -> None:
    shutil.copytree(story, tmp_path / "copy")
    object_of(story, "data").unlink()
    done = run("fsck", "--repair", "--from", tmp_path / "copy")
    assert done.code == 1
    assert "restore-object" in done.out
    assert "nothing was changed" in done.out
    assert run("fsck").code == 1
    done = run("fsck", "--repair", "--from", tmp_path / "copy", "--yes")
    assert done.code == 0
    assert "mended; 0 errors" in done.out
    assert run("fsck").code == 0
    assert "nothing to repair" in run("fsck", "--repair", "--yes").out


def test_what_a_repair_can_not_mend_is_said_and_is_code_1(story, run) -> None:
    overwrite(object_of(story, "data"), b"?")
    done = run("fsck", "--repair", "--yes")
    assert done.code == 1
    assert "object-missing" in done.out
    assert (story / "lost+found").is_dir()
    assert "nothing can be mended" in run("fsck", "--repair", "--yes").out


def test_a_repair_in_json(story, run) -> None:
    newest_record(story).unlink()
    document = run("fsck", "--repair", "--json").json
    assert document["dry_run"] is True
    assert [action["id"] for action in document["actions"]] == ["restore-record"]
    assert (document["sound_before"], document["sound_after"]) == (False, True)
    assert document["findings_before"][0]["id"] == "record-missing"


def test_a_sample_is_read_and_says_so(story, run) -> None:
    done = run("fsck", "--sample", "50%")
    assert done.code == 0
    assert "drawn by lot" in done.out


@pytest.mark.parametrize(
    "words",
    [("--sample", "0"), ("--sample", "200%"), ("--sample", "some"), ("--quick", "--sample", "5%"), ("--yes",),
     ("--from", "."), ("--repair", "--quick"), ("--repair", "--sample", "5%")],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(words, story, run) -> None:
    done = run("fsck", *words)
    assert done.code == 2
    assert "--" in done.err


def test_a_copy_that_is_no_folio_is_refused(story, run, tmp_path) -> None:
    done = run("fsck", "--repair", "--from", tmp_path / "nowhere")
    assert done.code == 3
    assert "nowhere" in done.err
