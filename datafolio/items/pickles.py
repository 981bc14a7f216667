"""What a pickle imports, found out without loading it.

A pickle is a program for a small stack machine.  Here it runs with nothing on the stack but where texts
are in the payload: enough to see which module and which name each import takes.  What cannot be told,
because it is computed or because the payload is damaged, is said and never left out.  The cost is
bounded whatever the payload holds: one to three microseconds an operation, up to `_MOST_OPERATIONS`, and
24 bytes of memory for each.
"""

from __future__ import annotations

import codecs
import pickletools
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

from datafolio.digest import Buffer, octets

__all__ = ["PickleReport", "inspect_pickle"]

_MOST_OPERATIONS = 5_000_000
# What an import counts for among the operations, since it takes that much longer.
_PRICE_OF_IMPORT = 5
_MOST_IMPORTS = 10_000
_LONGEST_NAME = 1000

#: On the stack and in the memo, what is no text that stands in the payload; and a place of the memo not in use.
_UNKNOWN = -1
_EMPTY = -2

#: Operations that call what was imported, or hand state to it.
_CALLS = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
_TEXTS = frozenset(
    {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
)
#: Those that a method of `_Machine` follows, though they look as if all they did was to push a value.
_MORE_THAN_THEIR_SHAPE = frozenset({"MARK", "BINGET", "LONG_BINGET", "EXT1", "EXT2", "EXT4"})
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


class PickleReport(NamedTuple):
    """What a payload would import if it were unpickled."""

    #: ``module.name``, sorted, each once.
    imports: tuple[str, ...]
    #: Why `imports` may not be all, in words; empty if it is.
    unknown: tuple[str, ...]
    #: The kinds of operations in it that run code of what it imports.
    calls: tuple[str, ...]


class _Operation(NamedTuple):
    name: str
    #: How the argument's end is found: bytes, a line, or the bytes of the length in front of it.
    fixed: int
    lines: int
    length: int
    #: Values taken from the stack, whether everything down to a mark goes as well, and values put there.
    pops: int
    to_mark: bool
    pushes: int
    #: Whether all it does is to put a value on the stack, with an argument of a fixed size or none.
    is_plain: bool


def _operation(code: Any) -> _Operation:
    size = code.arg.n if code.arg else 0
    lines = 2 if code.name in {"GLOBAL", "INST"} else int(size == pickletools.UP_TO_NEWLINE)
    before = [value.name for value in code.stack_before]
    to_mark = "mark" in before
    pops = before.index("mark") if to_mark else len(before)
    pushes = len(code.stack_after)
    is_plain = size >= 0 and not before and pushes == 1 and code.name not in _MORE_THAN_THEIR_SHAPE
    return _Operation(code.name, max(size, 0), lines, _LENGTHS.get(size, 0), pops, to_mark, pushes, is_plain)


_OPERATIONS = {ord(code.code): _operation(code) for code in pickletools.opcodes}


class _UnreadableError(Exception):
    """The rest of the payload can't be followed; why, in words."""


def inspect_pickle(data: Buffer) -> PickleReport:
    """What the payload would import.  Loads and imports nothing, and never raises for what is in `data`."""
    machine = _Machine(octets(data))
    try:
        machine.run()
    except _UnreadableError as error:
        machine.unknown[str(error)] = None
    return PickleReport(tuple(sorted(machine.imports)), tuple(machine.unknown), tuple(sorted(machine.calls)))


class _Machine:
    """One payload being followed: the stack and the memo hold where texts begin."""

    def __init__(self, data: memoryview) -> None:
        self.imports: set[str] = set()
        self.unknown: dict[str, None] = {}
        self.calls: set[str] = set()
        self._data = data
        self._place = 0
        self._left = _MOST_OPERATIONS
        self._reset()

    def _reset(self) -> None:
        self._stack = array("q")
        self._marks = array("q")
        self._memo = array("q")
        self._memoized = 0

    def run(self) -> None:
        """Follow every pickle in the payload: joblib and others write several, one after the other."""
        self._run_one()
        while self._place < len(self._data):
            self._reset()
            try:
                self._run_one()
            except _UnreadableError as error:
                raise _UnreadableError(f"after the end of the pickle: {error}") from error

    def _run_one(self) -> None:
        data, end, stack = self._data, len(self._data), self._stack
        while True:
            start = self._place
            operation = _OPERATIONS.get(data[start]) if start < end else None
            if operation is None or self._left == 0:
                raise self._stuck(start)
            self._left -= 1
            self._place = start + 1
            if operation.is_plain:
                # What nearly all of a large pickle is made of, without the calls.
                self._place += operation.fixed
                if self._place <= end:
                    stack.append(_UNKNOWN)
                continue
            self._do(operation, start)
            if operation.name == "STOP":
                return

    def _stuck(self, start: int) -> _UnreadableError:
        if start >= len(self._data):
            return _UnreadableError(f"the pickle is cut short at byte {start}")
        if self._data[start] not in _OPERATIONS:
            return _UnreadableError(f"byte {start} is no operation of a pickle: 0x{self._data[start]:02x}")
        return _UnreadableError(f"it has more than {_MOST_OPERATIONS} operations, and the rest was not looked at")

    def _do(self, operation: _Operation, start: int) -> None:
        argument = self._argument(operation)
        special = _SPECIAL.get(operation.name)
        if special is not None:
            special(self, operation, argument)
        else:
            self._move(operation, start if operation.name in _TEXTS else _UNKNOWN)
        if operation.name in _CALLS:
            self.calls.add(operation.name)

    def _argument(self, operation: _Operation) -> memoryview:
        """The bytes of the operation's argument, without the length in front or the newline behind."""
        if operation.lines:
            return self._lines(operation.lines)
        size = operation.fixed
        if operation.length:
            # A negative length is refused by unpicklers; read as unsigned it is past the end.
            size = int.from_bytes(self._take(operation.length), "little")
        return self._take(size)

    def _take(self, size: int) -> memoryview:
        start, self._place = self._place, self._place + size
        if self._place > len(self._data):
            raise _UnreadableError(f"the pickle is cut short: byte {start} is followed by fewer than {size} bytes")
        return self._data[start : self._place]

    def _lines(self, count: int) -> memoryview:
        start = self._place
        for _ in range(count):
            self._place = self._line_end() + 1
        return self._data[start : self._place - 1]

    def _line_end(self) -> int:
        step = 256
        start = self._place
        while start < len(self._data):
            found = bytes(self._data[start : start + step]).find(b"\n")
            if found >= 0:
                return start + found
            start, step = start + step, min(2 * step, 1 << 20)
        raise _UnreadableError(f"the pickle is cut short in the line that begins at byte {self._place}")

    def _move(self, operation: _Operation, value: int) -> None:
        """What most operations do to the stack."""
        if operation.to_mark:
            self._cut(self._mark())
        self._pop(operation.pops)
        self._stack.extend([value] * operation.pushes)

    def _pop(self, count: int) -> None:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise _UnreadableError(f"the pickle takes more from its stack than there is, at byte {self._place - 1}")
        if count:
            del self._stack[-count:]

    def _mark(self) -> int:
        if not self._marks:
            raise _UnreadableError(f"the pickle has no mark where it needs one, at byte {self._place - 1}")
        return self._marks.pop()

    def _cut(self, length: int) -> None:
        del self._stack[length:]

    def _top(self) -> int:
        if not self._stack:
            raise _UnreadableError(f"the pickle takes from an empty stack, at byte {self._place - 1}")
        return self._stack[-1]

    # The operations that need more than their shape.

    def put_mark(self, _operation: _Operation, _argument: memoryview) -> None:
        self._marks.append(len(self._stack))

    def pop_one(self, _operation: _Operation, _argument: memoryview) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop(1)

    def duplicate(self, _operation: _Operation, _argument: memoryview) -> None:
        self._stack.append(self._top())

    def memoize(self, _operation: _Operation, _argument: memoryview) -> None:
        # The number of places in use is the index, even where others were put further up.
        self._memo_put(self._memoized)

    def put(self, operation: _Operation, argument: memoryview) -> None:
        self._memo_put(self._index(operation, argument))

    def _memo_put(self, index: int) -> None:
        if index > _MOST_OPERATIONS:
            raise _UnreadableError(f"the pickle numbers place {index} of its memo, at byte {self._place}")
        if index >= len(self._memo):
            self._memo.extend([_EMPTY] * (index + 1 - len(self._memo)))
        self._memoized += self._memo[index] == _EMPTY
        self._memo[index] = self._top()

    def get(self, operation: _Operation, argument: memoryview) -> None:
        index = self._index(operation, argument)
        if index >= len(self._memo) or self._memo[index] == _EMPTY:
            raise _UnreadableError(f"the pickle takes place {index} of its memo, which is empty")
        self._stack.append(self._memo[index])

    def _index(self, operation: _Operation, argument: memoryview) -> int:
        if not operation.lines:
            return int.from_bytes(argument, "little")
        digits = bytes(argument[:20]).strip()
        if not digits.isdigit() or argument.nbytes > 20:
            raise _UnreadableError(f"the pickle has no number where it needs one, before byte {self._place}")
        return int(digits)

    def global_(self, operation: _Operation, argument: memoryview) -> None:
        self._move(operation, _UNKNOWN)
        module, _, name = bytes(argument[: 2 * _LONGEST_NAME + 2]).partition(b"\n")
        if max(len(module), len(name)) > _LONGEST_NAME:
            module = name = b""
        self._import(_plain(module), _plain(name))

    def stack_global(self, operation: _Operation, _argument: memoryview) -> None:
        pair = self._stack[-2:]
        self._move(operation, _UNKNOWN)
        module, name = (self._text(place) for place in pair)
        self._import(module, name)

    def extension(self, operation: _Operation, argument: memoryview) -> None:
        code = int.from_bytes(argument, "little")
        self.unknown[f"it imports the extension {code}, which copyreg resolves when it is read"] = None
        self._move(operation, _UNKNOWN)

    def _import(self, module: str | None, name: str | None) -> None:
        self._left = max(self._left - _PRICE_OF_IMPORT, 0)
        if not module or not name:
            self.unknown[f"it imports {module or '?'}.{name or '?'}: a name is computed, or too long"] = None
        if len(self.imports) >= _MOST_IMPORTS or len(self.unknown) >= _MOST_IMPORTS:
            raise _UnreadableError(f"it has more than {_MOST_IMPORTS} imports, and the rest was not looked at")
        if module and name:
            self.imports.add(f"{module}.{name}")

    def _text(self, place: int) -> str | None:
        """The text that the operation at `place` put on the stack, or None if there is none that can be a name."""
        if place == _UNKNOWN:
            return None
        operation = _OPERATIONS[self._data[place]]
        here, self._place = self._place, place + 1
        argument = self._argument(operation)
        self._place = here
        return None if argument.nbytes > _LONGEST_NAME else _READERS.get(operation.name, _plain)(bytes(argument))


def _plain(data: bytes) -> str | None:
    try:
        return data.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace").decode()
    except UnicodeDecodeError:
        return None


def _escaped(data: bytes) -> str | None:
    """A text in quotes, with escapes, as protocol 0 has it."""
    data = data.strip()
    if len(data) < 2 or data[:1] != data[-1:] or data[:1] not in (b'"', b"'"):
        return None
    try:
        return _plain(codecs.escape_decode(data[1:-1])[0])
    except ValueError:
        return None


def _raw_unicode(data: bytes) -> str | None:
    try:
        return _plain(data.decode("raw-unicode-escape").encode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        return None


_READERS: dict[str, Callable[[bytes], str | None]] = {"STRING": _escaped, "UNICODE": _raw_unicode}

_SPECIAL: dict[str, Callable[[_Machine, _Operation, memoryview], None]] = {
    "MARK": _Machine.put_mark,
    "POP": _Machine.pop_one,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("GLOBAL", "INST"), _Machine.global_),
    "STACK_GLOBAL": _Machine.stack_global,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.extension),
}
