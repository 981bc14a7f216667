"""The tree of errors that is shown to readers is the tree that is there."""

from __future__ import annotations

import builtins
import errno
import inspect
import pickle
import re
from typing import NamedTuple

import pytest

from datafolio import errors

CLASSES = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.FolioError)]


class Line(NamedTuple):
    """One line of the tree, with the name above it."""

    name: str
    parent: str | None
    exit_code: int | None
    builtin: str | None


def _shown():
    above = {}
    for line in errors.__doc__.splitlines():
        found = re.fullmatch(r" {4}((?:[│ ] {3})*(?:[├└]── )?)(\w+)(?: +(\d))?(?: +.*?)?(?:\((\w+)\))?", line)
        if found:
            branch, name, exit_code, builtin = found.groups()
            depth = len(branch) // 4
            above[depth] = name
            yield Line(name, above[depth - 1] if depth else None, int(exit_code) if exit_code else None, builtin)


SHOWN = list(_shown())


def test_the_docstring_shows_every_class_once_and_no_other():
    assert sorted(line.name for line in SHOWN) == sorted(kind.__name__ for kind in CLASSES)
    assert SHOWN[0] == Line("FolioError", None, 1, None)


@pytest.mark.parametrize("line", SHOWN[1:], ids=lambda line: line.name)
def test_every_class_hangs_where_the_docstring_shows_it(line):
    kind = getattr(errors, line.name)
    parents = [base.__name__ for base in kind.__bases__ if issubclass(base, errors.FolioError)]
    assert parents == [line.parent]


@pytest.mark.parametrize("line", SHOWN, ids=lambda line: line.name)
def test_every_class_is_the_builtins_that_the_docstring_shows_and_no_others(line):
    kind = getattr(errors, line.name)
    shown = {getattr(builtins, line.builtin)} if line.builtin else set()
    direct = {base for base in kind.__bases__ if not issubclass(base, errors.FolioError)}
    assert direct - {Exception} == shown


@pytest.mark.parametrize("line", SHOWN, ids=lambda line: line.name)
def test_every_class_has_the_exit_code_that_the_docstring_shows_for_it_or_its_branch(line):
    kind = getattr(errors, line.name)
    assert kind.exit_code == (line.exit_code or getattr(errors, line.parent).exit_code)


def test_every_class_is_exported():
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_says_what_it_means(kind):
    assert kind.__doc__
    assert kind.__doc__ != kind.__mro__[1].__doc__


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_text_of_an_error_is_its_message_as_it_was_given(kind):
    message = "item 'x' holds\nünï; \\ give it another \"name\""
    assert str(kind(message)) == message
    assert kind(message).args == (message,)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_comes_whole_out_of_a_worker_process(kind):
    error = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(error) is kind
    assert str(error) == "what happened"


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if issubclass(kind, OSError)], ids=lambda kind: kind.__name__
)
def test_an_error_of_the_system_has_the_number_that_its_builtin_stands_for(kind):
    expected = {FileNotFoundError: errno.ENOENT, FileExistsError: errno.EEXIST, PermissionError: errno.EACCES}
    numbers = [number for builtin, number in expected.items() if issubclass(kind, builtin)]
    assert kind("what happened").errno == (numbers[0] if numbers else None)


def test_a_storage_error_has_the_number_that_it_was_given():
    error = pickle.loads(pickle.dumps(errors.StorageError("no space", errno.ENOSPC)))
    assert error.errno == errno.ENOSPC
    assert str(error) == "no space"
