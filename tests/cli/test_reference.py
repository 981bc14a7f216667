"""docs/cli.md has every command, every option and every exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from datafolio import errors
from datafolio.cli.app import app

REFERENCE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
ROOT: Any = typer.main.get_command(app)


def commands(group: Any = ROOT, path: tuple[str, ...] = ("datafolio",)) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands())
VISIBLE = [path for path, command in COMMANDS.items() if not command.hidden]


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if option.startswith("-")}


def section_of(path: str) -> str:
    found = re.search(rf"^### `{path}(?: [^`]*)?`\n(.*?)(?=^#|\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section for {path}"
    return found[1]


@pytest.mark.parametrize("path", VISIBLE)
def test_every_command_has_a_section_with_all_its_options_and_no_others(path) -> None:
    documented = set(
        re.findall(r"`(--?[a-z-]+)(?: [A-Z]+)?`", "".join(re.findall(r"^\|.*?\|", section_of(path), re.MULTILINE)))
    )
    assert documented == options_of(COMMANDS[path])


@pytest.mark.parametrize("path", VISIBLE)
def test_every_argument_is_in_the_heading(path) -> None:
    names = [parameter.metavar for parameter in COMMANDS[path].params if not parameter.opts[0].startswith("-")]
    heading = next(line for line in REFERENCE.splitlines() if re.match(rf"### `{path}\b(?!-)", line))
    assert re.findall(r"[A-Z]+", heading) == names


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if command.hidden])
def test_every_short_form_is_mentioned(path) -> None:
    assert f"Also `{path}`" in REFERENCE


def test_every_global_option_is_in_the_first_table() -> None:
    head = REFERENCE.split("## What comes out")[0]
    assert [option for option in options_of(ROOT) if f"`{option}" not in head] == []


def test_every_exit_code_of_an_error_is_in_the_table() -> None:
    codes = {getattr(errors, name).exit_code for name in errors.__all__}
    assert [code for code in codes if f"\n| {code} |" not in REFERENCE] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help_and_every_command_an_example(path) -> None:
    command = COMMANDS[path]
    assert [parameter.name for parameter in command.params if not parameter.help] == []
    example = path.removeprefix("datafolio ")
    assert re.search(rf"Example: datafolio .*{example.split()[-1]}", command.help)
