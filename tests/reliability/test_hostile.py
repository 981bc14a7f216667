"""A folio from a stranger is data.

Whatever it holds, a call works or raises a FolioError, soon, and touches nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.errors import FolioError, FormatError, UsageError
from datafolio.store.fsck import fsck
from datafolio.store.names import safe_filename
from tests.reliability import hostile

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs the files of a POSIX system")

SECONDS = 20
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folio(original, tmp_path):
    return hostile.copy_of(original, tmp_path / "folio")


# Sizes.

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from pathlib import Path
from tests.reliability import hostile
for name, outcome in hostile.use(Path(sys.argv[1])).items():
    print(name, "FAILED" if isinstance(outcome, Exception) else "worked")
"""


def use_in_little_memory(root):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, root],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits that the system keeps")
@pytest.mark.parametrize("place", ["the newest record", "a node", "a payload", "folio.json", "the marker"])
def test_a_file_of_a_terabyte_is_never_held_in_memory(place, folio):
    path = hostile.PLACES[place](folio)
    hostile.overwrite(path, b"")
    os.truncate(path, 1 << 40)
    outcomes = use_in_little_memory(folio)
    assert "FAILED" in outcomes.values() or place == "the marker"


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits that the system keeps")
def test_a_map_that_leads_to_one_node_again_and_again_is_refused(folio):
    """Six levels of 256 refs to one and the same node would be 256**6 leaves."""
    node = next(document for document in hostile.structured_objects(folio).values() if document.get("entries"))
    name = next(iter(node["entries"]))
    node = {"kind": "node", "entries": {name: node["entries"][name]}}
    for level in range(1, 7):
        digest = hostile.put_object(folio, hostile.compact(node))
        weight = len(node.get("refs") or node["entries"])
        refs = [[f"{number:08b}", weight, 256 ** (level - 1), digest] for number in range(256)]
        node = {"kind": "node", "level": level, "refs": refs}
    hostile.change_record(folio, lambda record: record.update(items=node))
    outcomes = use_in_little_memory(folio)
    assert outcomes["items"] == outcomes["diff"] == outcomes["audit"] == outcomes["restore"] == "FAILED"


def root_of(folio):
    return json.loads(hostile.newest_record(folio).read_bytes())["items"]


def _levels(folio, root):
    root["level"] = 10**15


def _level_of_a_leaf(folio, root):
    root["level"] += 1


def _negative(folio, root):
    root["refs"][0][2] = -1


def _lying_count(folio, root):
    root["refs"][0][2] += 10**9


def _lying_weight(folio, root):
    root["refs"][0][1] += 1
    root["refs"][0][2] += 1


def _overlapping(folio, root):
    root["refs"][1] = root["refs"][0]


def _out_of_order(folio, root):
    root["refs"].reverse()


def _long_prefix(folio, root):
    root["refs"][-1][0] = "1" * 257


def _no_prefix(folio, root):
    root["refs"][0][0] = "0x"


def _entries_on_top(folio, root):
    root["entries"] = {"item 1": {}}


def _swapped_regions(folio, root):
    first, last = root["refs"][0], root["refs"][-1]
    first[1:], last[1:] = last[1:], first[1:]


def _too_many_refs(folio, root):
    root["refs"] = [[f"{number:09b}", 1, 1, "a" * 64] for number in range(300)]


LIES = {
    function.__name__.strip("_"): function
    for function in (
        *(_levels, _level_of_a_leaf, _negative, _lying_count, _lying_weight, _overlapping, _out_of_order),
        *(_long_prefix, _no_prefix, _entries_on_top, _swapped_regions, _too_many_refs),
    )
}


@pytest.mark.parametrize("lie", LIES)
def test_a_map_whose_nodes_lie_is_refused_and_found(lie, folio):
    root = root_of(folio)
    assert len(root["refs"]) > 1
    LIES[lie](folio, root)
    hostile.change_record(folio, lambda record: record.update(items=root))
    with hostile.time_limit(SECONDS):
        report = fsck(LocalBackend(folio))
        with pytest.raises(FormatError):
            DataFolio.open(folio, read_only=True).list_items()
    assert {finding.id for finding in report.findings} & {"record-damaged", "object-misread"}


@pytest.mark.parametrize("depth", [150, 900, 100_000])
def test_json_that_is_nested_deep_is_refused(depth, folio):
    def nest(record):
        record["metadata"] = {"deep": "DEEP"}
        record["operation"] = "nest"

    hostile.change_record(folio, nest)
    text = hostile.newest_record(folio).read_bytes().rpartition(b',"check"')[0]
    text = text.replace(b'"DEEP"', b"[" * depth + b"]" * depth)
    hostile.overwrite(hostile.newest_record(folio), hostile.sealed(text + b"}"))
    with hostile.time_limit(SECONDS), pytest.raises(FormatError, match=r"nested|understood"):
        dict(DataFolio.open(folio, read_only=True).metadata)
    with hostile.time_limit(SECONDS):
        hostile.use(folio)


@pytest.mark.parametrize("depth", [150, 900])
@pytest.mark.parametrize("part", ["facts", "git"])
def test_what_is_captured_is_refused_if_it_is_nested_deep(part, depth, folio):
    """Deep enough for Python's own stack to be in danger wherever it is shown."""

    def nest(value):
        if isinstance(value, dict):
            return {key: {"deep": "DEEP"} if key == part else nest(inner) for key, inner in value.items()}
        return [nest(inner) for inner in value] if isinstance(value, list) else value

    deep = b"[" * depth + b"]" * depth
    for digest, document in hostile.structured_objects(folio).items():
        if part in json.dumps(document):
            text = hostile.compact(nest(document)).replace(b'"DEEP"', deep)
            hostile.change_object(folio, digest, json.loads(text))
    opened = DataFolio.open(folio, read_only=True)
    look = opened.list_snapshots if part == "git" else opened.get_snapshot("v1").list_items
    with hostile.time_limit(SECONDS), pytest.raises(FormatError, match="nested"):
        look()


# Names.

NAMES = [
    *("", ".", "..", "/", "../../x", "/etc/passwd", "a/b", "a\\b", "C:\\x", "con", "CON.txt", "aux ", "nul", "com¹"),
    *("a\0b", "\x1b[31mred\x07", "line\nbreak", "\u202eback", ".hidden", "x" * 100_000, "trailing.", "trailing ", "~"),
]
SUFFIXES = ["", ".", "..", "/..", "/../../x", ".txt/../../x", "\0", "\x1b", ".json", "n", " ", "é" * 300, "/"]


def test_a_name_from_a_folio_makes_a_file_in_the_folder_asked_for_and_nowhere_else(folio):
    entry = {**DataFolio.open(folio).get_item_info("item 1"), "type_version": 1, "generation": 0, "facts": {}}
    entry = {key: value for key, value in entry.items() if key not in {"name", "filename", "kind"}}
    entries = {}
    for number, suffix in enumerate(SUFFIXES):
        entries.update({name: {**entry, "suffix": suffix} for name in NAMES[number::3]})
        node = {"kind": "node", "entries": dict(sorted(entries.items()))}
    tree = hostile.put_object(folio, hostile.compact(node))
    hostile.change_record(folio, lambda record: record.update(items=node))
    snapshots = hostile.structured_objects(folio)
    snapshot = next({**document, "tree": tree, "name": "v1"} for document in snapshots.values() if "tags" in document)
    digest = hostile.put_object(folio, hostile.compact(snapshot))
    ref = {"digest": digest, "number": 1, "snapshot": None, "item_versions": None}
    hostile.change_record(folio, lambda record: record.update(snapshots={"kind": "node", "entries": {"v1": ref}}))
    with hostile.time_limit(SECONDS):
        outcomes = hostile.use(folio)
    files = outcomes["export"]
    assert len({file.name.casefold() for file in files}) == len(files) == len(entries) + 1
    shown = outcomes["describe"] + "".join(outcomes["repr"][:2])
    assert {character for character in shown if not character.isprintable()} <= {"\n"}


@pytest.mark.parametrize("suffix", SUFFIXES, ids=lambda text: ascii(text)[:20])
def test_a_file_name_is_one_name_that_means_nothing_to_any_system(suffix):
    for name in NAMES:
        made = safe_filename(name, suffix)
        assert made
        assert not set(made) & set('/\\:*?"<>|\0')
        assert made.isprintable()
        assert made[0] != "."
        assert made[-1] not in ". "
        assert len(made.encode()) < 255
        assert made.partition(".")[0].rstrip(" ").lower() not in {"con", "prn", "aux", "nul", "com1", "com¹"}


def test_thousands_of_names_that_differ_only_in_case_are_told_apart(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    names = [
        "".join(c.upper() if number >> i & 1 else c for i, c in enumerate("abcdefghijkl")) for number in range(3000)
    ]
    with folio.batch():
        for name in names:
            folio.add_json(name, 1)
    folio.create_snapshot("v1", capture_git=False, capture_environment=False)
    with hostile.time_limit(SECONDS):
        files = folio.export_snapshot("v1", tmp_path / "out")
    assert len({file.name.casefold() for file in files}) == len(names) + 1


@pytest.mark.parametrize(
    "call",
    [
        lambda folio, long: folio.get_json(long),
        lambda folio, long: folio.add_json(long, 1),
        lambda folio, long: folio.create_snapshot(long),
        lambda folio, long: folio.get_snapshot(long),
        lambda folio, long: folio.create_snapshot("s", tags=[long]),
        lambda folio, long: DataFolio.open(f"x://{long}"),
        lambda folio, long: DataFolio.open(long + "\0"),
    ],
)
def test_an_error_does_not_repeat_a_text_of_ten_thousand_characters(call, folio):
    with pytest.raises(FolioError) as caught:
        call(DataFolio(folio), "long" * 2500)
    assert len(str(caught.value)) < 600


# Anything at all.

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**53, 2**63, 10**30])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "..", "a" * 64, "\x1b[0m", "$float", "0", "node", "v1", "item 1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def paths_in(value, path=()):
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from paths_in(part, (*path, key))


def changed(document, path, new):
    """`document` with something else at `path`, or without it."""
    if not path:
        return new
    copy = document.copy()
    if new is hostile:  # stands for nothing
        del copy[path[0]]
        return copy if len(path) == 1 else changed(document, path[:1], changed(document[path[0]], path[1:], new))
    copy[path[0]] = changed(document[path[0]], path[1:], new)
    return copy


@settings(max_examples=2000 if hostile.LONG else 40, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_folio_that_is_consistent_and_wrong_gives_values_or_folio_errors(original, data):
    with tempfile.TemporaryDirectory() as folder:
        root = hostile.copy_of(original, Path(folder) / "folio")
        for _ in range(data.draw(st.integers(1, 3))):
            record = json.loads(hostile.newest_record(root).read_bytes())
            objects = {None: record, **hostile.structured_objects(root)}
            digest = data.draw(st.sampled_from(sorted(objects, key=str)))
            path = data.draw(st.sampled_from(list(paths_in(objects[digest]))[1:]))
            document = changed(objects[digest], path, data.draw(json_values | st.just(hostile)))
            if digest is None:
                hostile.write_record(root, document)
            else:
                hostile.change_object(root, digest, document)
        with hostile.time_limit(SECONDS):
            hostile.use(root)


def test_nothing_is_written_that_is_too_large_to_be_read_again(folio):
    opened = DataFolio(folio)
    before = opened.list_items()
    with pytest.raises(UsageError, match="keep large values as items"):
        opened.metadata["large"] = "x" * (65 << 20)
    assert DataFolio(folio).list_items() == before
    assert "large" not in opened.metadata
