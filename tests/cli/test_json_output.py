"""With --json there is one document on standard output, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
import math

import pytest

from datafolio import DataFolio
from datafolio.canonical import unpack

COMMANDS = [
    ("describe",),
    ("status",),
    ("fsck",),
    ("fsck", "--quick"),
    ("diff",),
    ("snapshot", "list"),
    ("snapshot", "list", "--tag", "none has it"),
    ("snapshot", "show", "v1.0"),
    ("snapshot", "reproduce", "v1.0"),
    ("snapshot", "compare", "v1.0", "v2.0"),
    ("snapshot", "diff"),
    ("snapshot", "status"),
    ("snapshot", "gc", "--dry-run"),
    ("snapshot", "gc"),
    ("snapshot", "create", "v3"),
    ("snapshot", "restore", "v1.0"),
    ("snapshot", "export", "v1.0", "out"),
    ("snapshot", "delete", "v1.0"),
    ("snapshot", "delete", "v1.0", "--cleanup"),
    ("init", "another"),
    ("cache", "info"),
    ("cache", "prune"),
    ("cache", "clear"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_output_is_one_document_in_ascii(words, story, run) -> None:
    folio = DataFolio.open(story)
    folio.metadata.update({"naïve": math.nan, "when": dt.date(2025, 1, 20), "big": 2**70, 3: "three"})
    folio.create_snapshot("odd", "déjà vu\u202e", capture_environment=False)
    done = run(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert isinstance(json.loads(done.out, parse_constant=refuse), dict)


def test_metadata_come_back_from_their_packed_form(story, run) -> None:
    values = {"nan": math.inf, "when": dt.date(2025, 1, 20), "big": 2**70, 3: ("three",)}
    folio = DataFolio.open(story)
    folio.metadata = values
    run("snapshot", "create", "odd")
    assert unpack(run("snapshot", "show", "odd", "--json").json["metadata_snapshot"]) == values
    assert unpack(run("describe", "--json").json["metadata"]) == values
    changes = unpack(run("snapshot", "compare", "v1.0", "odd", "--json").json["metadata_changes"])
    assert changes == {key: [None, value] for key, value in values.items()} | {"accuracy": [0.89, None]}


def test_show_has_the_packages_and_list_does_not(story, run) -> None:
    run("snapshot", "create", "full")
    assert "typer" in run("snapshot", "show", "full", "--json").json["environment"]["packages"]
    listed = run("snapshot", "list", "--json").json["snapshots"][-1]
    assert "python" in listed["environment"]
    assert "packages" not in listed["environment"]


def test_show_has_what_the_library_gives(story, run) -> None:
    assert run("snapshot", "show", "v2.0", "--json").json == DataFolio.open(story).get_snapshot_info("v2.0")


def test_gc_says_the_same_before_as_after(story, run) -> None:
    run("snapshot", "delete", "v2.0")
    plan, done, again = (run("snapshot", "gc", *words, "--json").json for words in (("--dry-run",), (), ()))
    assert [(orphan["item"], orphan["version"]) for orphan in plan["orphans"]] == [("model", 2)]
    assert plan == done | {"dry_run": True}
    assert (again["orphans"], again["objects"], again["bytes"]) == ([], 0, 0)


def test_what_gc_frees_is_what_fsck_does_not_need(story, run) -> None:
    run("snapshot", "delete", "v2.0")
    report = run("fsck", "--json").json
    freed = run("snapshot", "gc", "--json").json
    assert (freed["objects"], freed["bytes"]) == (report["unneeded"], report["unneeded_bytes"])


def test_an_error_leaves_standard_output_empty(story, run) -> None:
    assert run("snapshot", "show", "nope", "--json").out == ""
