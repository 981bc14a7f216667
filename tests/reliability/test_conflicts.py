"""A conflict that can't be merged tells both sides: what another writer put there, and what this handle wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from datafolio import ConflictError, DataFolio


@pytest.fixture
def folio(tmp_path: Path) -> DataFolio:
    return DataFolio(tmp_path / "folio")


def test_a_conflict_tells_what_is_there_now_and_what_was_wanted(folio):
    folio.metadata["x"] = {"a": 1}
    held = folio.metadata["x"]
    DataFolio(folio.path).metadata["x"] = [1, 2]
    wanted = {
        "metadata['x']['a'] = 'new'": lambda: held.__setitem__("a", "new"),
        "del metadata['x']['a']": lambda: held.__delitem__("a"),
        "metadata['x'].update(a='new')": lambda: held.update(a="new"),
        "metadata['x'] |= {'b': 3}": lambda: held.__ior__({"b": 3}),
        "metadata['x'].setdefault('c', None)": lambda: held.setdefault("c"),
    }
    for words, change in wanted.items():
        with pytest.raises(ConflictError) as error:
            change()
        assert str(error.value) == (
            "metadata['x'] is no longer a dict: another writer put [1, 2] there; "
            f"this handle wanted {words} where it saw {{'a': 1}}; read it again"
        )


def test_a_conflict_tells_that_the_container_was_removed(folio):
    folio.metadata["x"] = [1]
    held = folio.metadata["x"]
    del DataFolio(folio.path).metadata["x"]
    with pytest.raises(
        ConflictError, match=r"another writer removed it; this handle wanted metadata\['x'\].append\(2\)"
    ):
        held.append(2)


def test_a_conflict_in_a_list_whose_items_moved_tells_both_items(folio):
    folio.metadata["runs"] = [{"name": "first"}]
    first = folio.metadata["runs"][0]
    DataFolio(folio.path).metadata["runs"].insert(0, {"name": "new"})
    with pytest.raises(ConflictError) as error:
        first["score"] = 1
    assert "another writer put {'name': 'new'} there" in str(error.value)
    assert "metadata['runs'][0]['score'] = 1 where it saw {'name': 'first'}" in str(error.value)


def test_a_conflict_about_large_values_is_told_in_short(folio):
    folio.metadata["x"] = {"a": 1}
    held = folio.metadata["x"]
    DataFolio(folio.path).metadata["x"] = ["\x1b[31m" + "x" * 10_000] * 100
    with pytest.raises(ConflictError) as error:
        held["a"] = "y" * 10_000
    assert len(str(error.value)) < 600
    assert "\x1b" not in str(error.value)
