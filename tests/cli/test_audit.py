"""`datafolio audit` says what would run code, and runs none."""

from __future__ import annotations

import collections
import os
import pickle
import shutil

import pytest

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.errors import CorruptObjectError, UntrustedError
from datafolio.store.repository import Repository
from tests.reliability import hostile
from tests.store.plumbing import put


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {MARK}",)


MARK = "it-was-run"
SYSTEM = f"{os.system.__module__}.system"


def put_payload(folio, name, data, type_="model"):
    """An item with a payload that datafolio would not have made."""
    put(Repository.open(LocalBackend(folio.path)), name, data, type_=type_)


@pytest.fixture
def folio(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folio = DataFolio(tmp_path / "folio")
    folio.add_json("data", [1, 2])
    folio.add_model("model", collections.Counter("abc"))
    folio.create_snapshot("v1", capture_git=False, capture_environment=False)
    folio.create_snapshot("v2", capture_git=False, capture_environment=False)
    put_payload(folio, "model", pickle.dumps(Evil()))
    return folio


def test_it_lists_each_version_once_with_who_holds_it_and_what_it_imports(folio):
    first, second = folio.audit()
    assert (first["item"], first["version"], first["current"], first["snapshots"]) == ("model", 1, False, ["v1", "v2"])
    assert (second["version"], second["current"], second["snapshots"]) == (2, True, [])
    assert first["imports"] == ["collections.Counter"]
    assert first["class"] == "collections.Counter"
    assert second["imports"] == [SYSTEM]
    assert second["calls"] == ["REDUCE"]
    assert first["unknown"] == second["unknown"] == []


def test_the_command_shows_the_same_and_runs_nothing(folio, run, tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFOLIO_TRUST", "0")
    done = run("--folio", folio.path, "audit")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["item", "version", "held", "by", "size", "imports"]
    assert rows[1][:4] == ["model", "1", "v1,", "v2"]
    assert rows[2][:3] == ["model", "2", "now"]
    assert SYSTEM in rows[2]
    assert "reading 2 items runs code" in done.out
    assert run("--folio", folio.path, "audit", "--json").json["items"] == folio.audit()
    assert not (tmp_path / MARK).exists()


def test_a_folio_without_models_says_so(tmp_path, run):
    DataFolio(tmp_path / "folio").add_json("data", 1)
    done = run("--folio", tmp_path / "folio", "audit")
    assert (done.code, done.out) == (0, "nothing in the folio runs code when it is read\n")


def test_what_can_not_be_told_is_listed_as_unknown(folio, run):
    put_payload(folio, "cut", pickle.dumps(Evil())[:-5])
    put_payload(folio, "foreign", b"anything", type_="type-of-\x1b[31mothers")
    damaged = hostile.object_path(folio.path, folio.get_item_info("model")["digest"])
    hostile.overwrite(damaged, b"x" * damaged.stat().st_size)
    done = run("--folio", folio.path, "audit")
    assert done.code == 0
    assert "item 'cut' version 1: the pickle is cut short" in done.out
    assert "item 'foreign' version 1: the item is of the type" in done.out
    assert "item 'model' version 2: item 'model' version 2: objects/" in done.out
    assert "\x1b" not in done.out
    found = {item["item"]: item["imports"] for item in folio.audit() if item["current"]}
    assert found == {"cut": [SYSTEM], "foreign": [], "model": []}


def test_a_folio_on_read_only_media_can_be_looked_at(folio, run):
    shutil.rmtree(folio.path / "tmp")
    before = sorted(folio.path.rglob("*"))
    assert run("--folio", folio.path, "audit").code == 0
    assert sorted(folio.path.rglob("*")) == before


def test_the_refusal_says_what_would_be_done_and_how_to_find_out_more(folio):
    with pytest.raises(UntrustedError) as caught:
        DataFolio.open(folio.path, trust=False).get_snapshot("v1").get_model("model")
    message = str(caught.value)
    for part in ("'model'", "unpickles", "collections.Counter", "can run any code", "`datafolio audit`", "trust=True"):
        assert part in message


def test_a_payload_is_checked_before_it_is_believed(folio):
    damaged = hostile.object_path(folio.path, folio.get_item_info("model")["digest"])
    hostile.overwrite(damaged, pickle.dumps([1, 2]))
    assert "expected" in folio.audit()[1]["unknown"][0]
    with pytest.raises(CorruptObjectError):
        folio.get_model("model")
