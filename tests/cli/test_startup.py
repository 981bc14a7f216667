"""The command starts without what it does not need: libraries for data, and what takes long to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from datafolio import DataFolio

HEAVY = {"pandas", "pyarrow", "numpy", "fsspec", "polars", "matplotlib", "cloudpickle"}
#: What only a terminal, a server or a search for packages needs.
IDLE = {
    "rich",
    "asyncio",
    "concurrent",
    "email",
    "hmac",
    "importlib.metadata",
    "logging",
    "socket",
    "tempfile",
}
PROGRAM = """
import sys
from datafolio.cli import main
code = main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""
LOOKING = [
    ("snapshot", "list"),
    ("snapshot", "list", "--json"),
    ("snapshot", "show", "v1.0"),
    ("snapshot", "compare", "v1.0", "v2.0"),
    ("snapshot", "diff", "v1.0"),
    ("snapshot", "reproduce", "v1.0"),
    ("status",),
    ("describe",),
    ("log",),
    ("diff",),
]


@pytest.fixture
def loaded(environment):
    def loaded(*words: str, **variables: str) -> set[str]:
        """The modules that are loaded when a command has run."""
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *words],
            env=environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(done.stderr.split())

    return loaded


@pytest.mark.parametrize("words", [("--help",), ("snapshot", "--help"), ("audit",), ("snapshot", "gc")], ids=" ".join)
def test_no_command_loads_a_library_for_data(words, story, loaded) -> None:
    assert loaded(*words) & HEAVY == set()


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_looking_loads_neither_libraries_for_data_nor_the_parser(words, story, loaded) -> None:
    assert loaded(*words) & (HEAVY | IDLE | {"typer", "click"}) == set()


def test_help_loads_no_rich(loaded) -> None:
    assert "rich" not in loaded("--help")


def test_completion_loads_neither_libraries_for_data_nor_rich(story, loaded) -> None:
    line = "datafolio snapshot show v"
    modules = loaded(_DATAFOLIO_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD="3")
    assert modules & (HEAVY | {"rich"}) == set()


def test_import_datafolio_loads_no_store_and_no_third_party(environment) -> None:
    program = "import sys; before = set(sys.modules); import datafolio; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.startswith("datafolio")}
    assert ours == {"datafolio", "datafolio._version", "datafolio.errors"}
    assert {"typing", "re", "msgspec", "blake3"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [
        ("DataFolio('folio')", HEAVY),
        ("DataFolio('folio', read_only=True)", HEAVY | IDLE | {"datafolio.items", "subprocess", "pickle"}),
        ("pass", HEAVY | IDLE | {"datafolio.items", "subprocess", "pickle"}),
    ],
)
def test_opening_a_folio_loads_nothing_that_only_its_items_need(program, unneeded, tmp_path, environment) -> None:
    DataFolio(tmp_path / "folio")
    command = [sys.executable, "-c", f"from datafolio import DataFolio; {program}; import sys; print(*sys.modules)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert set(done.stdout.split()) & unneeded == set()
