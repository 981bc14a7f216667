"""What a pickle imports is found out without loading it: nothing is hidden, run, or followed for ever."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import random
import re
import time

import cloudpickle
import pytest

from datafolio.items.pickles import inspect_pickle

SYSTEM = f"{os.system.__module__}.system"


class Evil:
    def __reduce__(self):
        return os.system, ("echo run > run",)


VALUES = {
    "evil": Evil(),
    "plain": [1, 2.5, None, "text", b"bytes", {"a": (1, 2)}, {3}, frozenset({4}), 10**100, bytearray(b"x")],
    "classes": [collections.OrderedDict(a=1), collections.Counter("abc"), os.path.join],
    "shared": [name := "os", (name, name), [name] * 3, collections.deque([name])],
}


class Watched(pickle.Unpickler):
    """Loads, with a note of what it imports."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.imported = []

    def find_class(self, module, name):
        self.imported.append(f"{module}.{name}")
        if name == "system":
            return lambda *_: None
        return super().find_class(module, name)


def imported(data):
    unpickler = Watched(data)
    unpickler.load()
    return set(unpickler.imported)


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_it_finds_exactly_what_loading_imports(value, protocol, optimize, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(value, protocol)
    report = inspect_pickle(pickletools.optimize(data) if optimize else data)
    assert report.unknown == ()
    assert report.imports == tuple(sorted(report.imports))
    assert not (tmp_path / "run").exists()
    # fix_imports gives old protocols the names of Python 2, which loading turns back.
    assert {name.replace("__builtin__", "builtins") for name in report.imports} == {
        name.replace("__builtin__", "builtins") for name in imported(data)
    }


def test_it_follows_what_cloudpickle_writes():
    data = cloudpickle.dumps([lambda text: collections.Counter(text).most_common(), Evil])
    report = inspect_pickle(data)
    assert report.unknown == ()
    assert set(report.imports) == imported(data)
    assert "REDUCE" in report.calls


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x04X\x02\x00\x00\x00os\x94\x8c\x06system\x94\x93.",
        b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94\x30\x30h\x01h\x00\x93.",
        b"\x80\x04\x8c\x02osq\x05\x8c\x06system\x94\x30\x30h\x05h\x01\x93.",
        b"\x80\x04\x8c\x02os(\x30\x8c\x06system\x93.",
        b"\x80\x04\x8c\x02os2\x30\x8c\x06system\x93.",
        b"\x80\x04Vos\nV\\u0073ystem\n\x93.",
        b"\x80\x04\x8d\x02\0\0\0\0\0\0\0osS'\\x73ystem'\n\x93.",
        b"N.cos\nsystem\n.",
        b"\x80\x04\x95\x09\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93.",
        b"cos\nsystem\n",
    ],
)
def test_there_is_no_way_to_hide_an_import(data):
    assert inspect_pickle(data).imports == ("os.system",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (pickle.dumps(VALUES["classes"])[:-3], "cut short"),
        (b"\x8c\xffab", "cut short"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffab", "cut short"),
        (b"cos\nsystem", "cut short"),
        (b"no pickle at all", "no operation"),
        (b"x\x9c\x01", "0x78"),
        (b"\x94.", "empty stack"),
        (b"h\x00.", "place 0 of its memo"),
        (b"r\xff\xff\xff\x7f.", "memo"),
        (b"Nr\xff\xff\xff\x7f.", "memo"),
        (b"p99999999999999999999999999\n.", "number"),
        (b"0.", "more from its stack"),
        (b"t.", "no mark"),
        (b"\x80\x04\x8c\x03sys\x8c\x01xR\x93.", "more from its stack"),
        (b"\x80\x04\x8c\x02osN\x93.", r"os\.\?: a name is computed"),
        (b"\x80\x04NN\x93.", r"\?\.\?: a name is computed"),
        (b"\x82\x05.", "extension 5"),
        (b"cos\n" + b"s" * 5000 + b"\n.", "too long"),
        (b"N.\0\0\0", "after the end of the pickle: byte 2"),
    ],
    ids=lambda part: ascii(part)[:20],
)
def test_what_can_not_be_told_is_said(data, reason):
    report = inspect_pickle(data)
    assert any(re.search(reason, unknown) for unknown in report.unknown)


BOMBS = {
    "operations": b"N0" * 4_000_000,
    "a stack": b"N" * 6_000_000,
    "marks": b"(" * 6_000_000,
    "a memo": b"N" + b"\x94" * 6_000_000,
    "copies": b"N" + b"2" * 6_000_000,
    "a line": b"I" + b"1" * 50_000_000,
    "imports": b"cos\nsystem\n0" * 1_500_000,
    "names": b"".join(b"ca\n%d\n0" % number for number in range(100_000)),
    "pickles": b"N." * 3_000_000,
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_no_payload_takes_for_ever(data, monkeypatch):
    monkeypatch.setattr("datafolio.items.pickles._MOST_OPERATIONS", 200_000)
    begin = time.process_time()
    report = inspect_pickle(data)
    assert report.unknown
    assert time.process_time() - begin < 5


def test_of_damaged_pickles_nothing_that_loading_imports_is_hidden(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(1)
    original = pickle.dumps([Evil(), collections.OrderedDict(a=1), {"k": ("x", "y")}], 4)
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
            data = data or bytearray(b".")
        unpickler = Careful(bytes(data))
        unpickler.try_to_load()
        report = inspect_pickle(data)
        assert report.unknown or set(unpickler.imported) <= set(report.imports)


class Careful(Watched):
    """Imports nothing of what damage may name."""

    def find_class(self, module, name):
        self.imported.append(f"{module}.{name}")
        if name == "OrderedDict":
            return collections.OrderedDict
        if name == "system":
            return lambda *_: None
        raise pickle.UnpicklingError(name)

    def try_to_load(self):
        try:
            self.load()
        except Exception:  # noqa: BLE001 - whatever damage makes of it
            return
