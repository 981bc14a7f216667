"""What docs/format.md says is enough to read a folio, and is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from blake3 import blake3

from datafolio import canonical
from datafolio.digest import digest_of
from datafolio.items import ITEM_TYPES
from datafolio.store import model
from datafolio.store.gc import collect
from datafolio.store.history import undo
from datafolio.store.tree import FANOUT, LEAF_LIMIT
from tests.store.plumbing import delete_snapshot, put, put_many, set_metadata, small_nodes, snapshot

DOCUMENT = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")
PROGRAM = re.search(r"```python\n(.*?)```", DOCUMENT, re.DOTALL).group(1)


def listed(root, cwd):
    """What the program in the document prints, run where there is no datafolio: name to type and file."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, encoding="utf-8")
    assert done.stderr == ""
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [name for name, _, _ in lines] == sorted(name for name, _, _ in lines)
    return {name: (kind, Path(file)) for name, kind, file in lines}


def assert_lists(root, cwd, contents):
    found = listed(root, cwd)
    assert {name: (kind, file.read_bytes()) for name, (kind, file) in found.items()} == {
        name: ("json", data) for name, data in contents.items()
    }


def test_the_program_is_ten_lines_of_the_standard_library():
    assert len(PROGRAM.strip().splitlines()) <= 10
    assert re.findall(r"^import .*$", PROGRAM, re.MULTILINE) == ["import json, pathlib, sys"]


def test_every_folio_carries_the_program(on_disk, root):
    shown = textwrap.indent(PROGRAM.strip(), " " * 6)
    assert shown in (root / "README.md").read_text("utf-8")


def test_ten_lines_read_a_small_folio(on_disk, root, tmp_path):
    put(on_disk, "flights", b"1")
    put(on_disk, "Wetter in Köln 🌧", b"2")
    put(on_disk, "twin", b"1")
    snapshot(on_disk, "s")
    put(on_disk, "flights", b"3")
    assert_lists(root, tmp_path, {"flights": b"3", "Wetter in Köln 🌧": b"2", "twin": b"1"})


def test_ten_lines_read_an_empty_folio(on_disk, root, tmp_path):
    assert listed(root, tmp_path) == {}


def test_ten_lines_read_a_folio_of_split_maps(on_disk, root, tmp_path):
    contents = {f"item {number}": f"{number % 20}".encode() for number in range(500)}
    put_many(on_disk, contents)
    assert on_disk.tip().state.items.root.level == 1
    assert_lists(root, tmp_path, contents)


def test_ten_lines_read_a_folio_of_reborn_objects(on_disk, root, tmp_path):
    with small_nodes():
        contents = {f"item {number}": f"{number % 20}".encode() for number in range(60)}
        put_many(on_disk, contents)
        for _ in range(3):
            put_many(on_disk, dict.fromkeys(contents, b"other"))
            collect(on_disk)
            put_many(on_disk, contents)
        assert on_disk.tip().state.condemned.root.level > 0
    assert_lists(root, tmp_path, contents)
    assert all("~3" in file.name for _, file in listed(root, tmp_path).values())


def test_a_relative_path_is_enough_for_the_ten_lines(on_disk, root):
    put(on_disk, "a", b"1")
    assert set(listed(root.name, root.parent)) == {"a"}


# What the tables say.


def table_of(section):
    """The first column of the table under a heading or, for `garbage`, a line."""
    text = DOCUMENT.split(section, 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE).group(0).splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


@pytest.mark.parametrize(
    ("section", "structure", "kind", "last"),
    [
        ("## folio.json\n", model.FolioFile, [], ["check"]),
        ("A record holds the folio's whole state:\n", model.Record, ["kind"], ["check"]),
        ("`garbage`:\n", model.Garbage, [], []),
        ("A **node**:\n", model.Node, ["kind"], []),
        ("## Entries\n", model.Entry, [], []),
        ("has one **reference** for each snapshot:\n", model.SnapshotRef, [], []),
        ("A **snapshot**, in its reference or an object of its own:\n", model.Snapshot, ["kind"], []),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_field_is_documented_in_its_order(section, structure, kind, last):
    assert table_of(section) == [*kind, *structure.__struct_fields__, *last]


def test_the_fields_on_disk_stand_in_the_documented_order(on_disk, disk):
    put(on_disk, "a", b"1")
    snapshot(on_disk, "s")
    document = json.loads(disk.read("log/000000000002"))
    documented = table_of("A record holds the folio's whole state:\n")
    assert list(document) == [name for name in documented if name != "restores"]
    undo(on_disk, None, on_disk.commit)
    assert list(json.loads(disk.read("log/000000000003"))) == documented
    assert list(document["items"]["entries"]["a"]) == table_of("## Entries\n")
    assert list(document["snapshots"]["entries"]["s"]) == table_of("has one **reference** for each snapshot:\n")
    assert list(document["snapshots"]["entries"]["s"]["snapshot"]) == table_of(
        "A **snapshot**, in its reference or an object of its own:\n"
    )


def test_the_limits_and_the_format_are_the_documented_ones():
    assert f"at most {LEAF_LIMIT} entries" in DOCUMENT
    assert f"at most {FANOUT}\n  nodes of level" in DOCUMENT
    assert f"**format {model.FORMAT}**" in DOCUMENT


def test_every_tag_is_documented():
    source = Path(canonical.__file__).read_text("utf-8")
    tags = set(re.findall(r'"(\$[a-z]+)"', source))
    assert len(tags) >= 15
    assert set(table_of("### Values that JSON does not have\n")) == tags


def test_every_item_type_is_documented():
    assert set(table_of("## Payloads\n")) == {kind.tag for kind in ITEM_TYPES}


# The rules, followed by hand.


def test_the_shape_of_a_map_follows_the_documented_rule(on_disk, root):
    names = [f"item {number}" for number in range(500)]
    put_many(on_disk, dict.fromkeys(names, b"x"))
    record = json.loads(max((root / "log").iterdir()).read_bytes())
    place = {name: f"{int(blake3(name.encode()).hexdigest(), 16):0256b}" for name in names}
    expected = {}
    _split(place, names, "", expected)
    assert [ref[0] for ref in record["items"]["refs"]] == sorted(expected)
    for prefix, weight, count, digest in record["items"]["refs"]:
        node = json.loads((root / "objects" / digest[:2] / digest[2:]).read_bytes())
        assert list(node["entries"]) == sorted(expected[prefix])
        assert weight == count == len(expected[prefix])


def _split(place, names, prefix, leaves):
    if 0 < len(names) <= 64:
        leaves[prefix] = names
    elif names:
        for bit in "01":
            inside = [name for name in names if place[name].startswith(prefix + bit)]
            _split(place, inside, prefix + bit, leaves)


def test_every_object_is_named_by_the_hash_of_its_bytes(on_disk, root):
    put_many(on_disk, {f"item {number}": f"{number}".encode() for number in range(100)})
    snapshot(on_disk, "s", environment={"python": "3.11"})
    for file in (root / "objects").rglob("*"):
        if file.is_file():
            assert file.parent.name + file.name == blake3(file.read_bytes()).hexdigest() == digest_of(file.read_bytes())


def test_stored_files_are_read_only(on_disk, root):
    put(on_disk, "a", b"1")
    for file in [*(root / "objects").rglob("*"), *(root / "log").iterdir(), root / "folio.json"]:
        if file.is_file():
            assert file.stat().st_mode & 0o222 == 0


def test_structured_files_have_no_white_space_and_plain_unicode(on_disk, root):
    put(on_disk, "Wetter in Köln", b"1")
    set_metadata(on_disk, key="naïve", nested={"z": 1, "a": 2})
    text = max((root / "log").iterdir()).read_text("utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    assert '"Wetter in Köln"' in text
    assert '{"z":1,"a":2}' in text


def test_a_large_snapshot_and_many_items_are_not_repeated_in_the_reference(on_disk):
    put_many(on_disk, {f"item {number}": b"x" for number in range(32)})
    snapshot(on_disk, "of-32")
    put(on_disk, "one more", b"x")
    snapshot(on_disk, "of-33")
    set_metadata(on_disk, text="x" * 1024)
    snapshot(on_disk, "large")
    snapshots = on_disk.tip().state.snapshots
    assert len(snapshots.get("of-32").item_versions) == 32
    assert snapshots.get("of-33").item_versions is None
    assert snapshots.get("of-33").snapshot is not None
    assert snapshots.get("large").snapshot is None
    delete_snapshot(on_disk, "of-32")
    assert on_disk.tip().state.generation == 3
