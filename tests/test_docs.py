"""The documentation says what there is, and what it shows is what happens."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import datafolio
from datafolio import DataFolio, errors

ROOT = Path(__file__).parent.parent
API = (ROOT / "docs" / "api.md").read_text()
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name, _ in inspect.getmembers(DataFolio) if not name.startswith("_")])
def test_every_public_attribute_of_datafolio_is_in_the_reference(name: str) -> None:
    assert re.search(rf"\b{name}\b", API)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_reference_with_its_exit_code(name: str) -> None:
    table = API.partition("## Errors")[2]
    row = next(line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line)
    assert row.split("|")[2].strip() == str(getattr(errors, name).exit_code)


def test_every_relative_link_of_the_documents_leads_somewhere() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in documents for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_python_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    program = tmp_path / "readme.py"
    program.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_version_is_in_the_changelog() -> None:
    assert f"## {datafolio.__version__}" in (ROOT / "CHANGELOG.md").read_text()
