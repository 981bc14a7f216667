"""The names that the package exports, and that each of them says what it is for."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import datafolio
from datafolio import DataFolio, FolioError, errors

EXPORTED = {"DataFolio", "__version__", *errors.__all__}

# As the guide and the issue name them.
METHODS = {
    "add_artifact", "add_data", "add_json", "add_model", "add_numpy", "add_table", "add_timestamp", "batch",
    "cleanup_orphaned_versions", "compare_snapshots", "create_snapshot", "delete", "delete_snapshot", "describe",
    "diff_from_snapshot", "export_snapshot", "get_artifact_path", "get_data", "get_dependents", "get_inputs",
    "get_json", "get_lineage_graph", "get_model", "get_numpy", "get_snapshot", "get_snapshot_info", "get_table",
    "get_timestamp", "history", "list_contents", "list_snapshots", "load_snapshot", "reproduce_instructions",
    "restore_snapshot", "undo", "validate",
}  # fmt: skip
PROPERTIES = {"artifacts", "data", "items", "metadata", "models", "path", "read_only", "snapshots", "tables"}


def public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_")]


def test_the_package_exports_the_folio_its_errors_and_its_version():
    assert set(datafolio.__all__) == EXPORTED
    assert len(datafolio.__all__) == len(EXPORTED)
    for name in datafolio.__all__:
        assert getattr(datafolio, name) is not None


def test_the_package_shows_nothing_else():
    modules = {name for name in vars(datafolio) if inspect.ismodule(getattr(datafolio, name))}
    assert {name for name in vars(datafolio) if not name.startswith("_")} - modules - {"annotations"} == EXPORTED - {
        "__version__"
    }


def test_the_exported_names_are_sorted():
    assert datafolio.__all__ == sorted(datafolio.__all__)


def test_every_error_of_the_package_is_exported():
    def tree(kind: type[FolioError]) -> set[str]:
        return {kind.__name__}.union(*(tree(child) for child in kind.__subclasses__()))

    assert {name for name in tree(FolioError) if hasattr(errors, name)} <= EXPORTED


def test_the_version_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z0-9.+-]*)", datafolio.__version__)


def test_the_folio_has_every_method_that_the_guide_names():
    assert set(public(DataFolio)) >= METHODS | PROPERTIES
    assert all(callable(getattr(DataFolio, name)) for name in METHODS)
    assert not any(callable(getattr(DataFolio, name)) for name in PROPERTIES)


@pytest.mark.parametrize("name", public(DataFolio))
def test_every_public_name_of_the_folio_says_what_it_is_for(name):
    text = inspect.getdoc(getattr(DataFolio, name))
    assert text
    assert len(text.split()) >= 3


@pytest.mark.parametrize("name", sorted(EXPORTED - {"__version__"}))
def test_every_exported_class_says_what_it_is_for(name):
    assert vars(getattr(datafolio, name)).get("__doc__")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_parameter_and_result_has_its_type(name):
    signature = inspect.signature(getattr(DataFolio, name))
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        if parameter.name not in {"self", "cls"}:
            assert parameter.annotation is not inspect.Parameter.empty, parameter.name


def test_the_package_says_that_it_has_types():
    assert (Path(datafolio.__file__).parent / "py.typed").is_file()


def test_the_signatures_are_those_of_the_guide():
    def parameters(name: str) -> list[str]:
        return list(inspect.signature(getattr(DataFolio, name)).parameters)

    assert list(inspect.signature(DataFolio).parameters) == [
        "path", "read_only", "trust", "auto_gc", "storage_options", "single_writer"
    ]  # fmt: skip
    assert parameters("create_snapshot")[:7] == [
        "self", "name", "description", "tags", "capture_git", "capture_environment", "capture_execution"
    ]  # fmt: skip
    assert parameters("list_snapshots") == ["self", "tags"]
    assert parameters("delete_snapshot") == ["self", "name", "cleanup_orphans"]
    assert parameters("cleanup_orphaned_versions") == ["self", "dry_run"]
    for name in METHODS:
        if name.startswith("add_"):
            assert {"description", "inputs", "overwrite"} <= set(parameters(name))
            for keyword in ("description", "inputs", "overwrite"):
                assert inspect.signature(getattr(DataFolio, name)).parameters[keyword].kind.name == "KEYWORD_ONLY"
