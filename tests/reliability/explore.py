"""Every interleaving of a few processes: breadth first, all states kept, so a trace to a wrong one is a shortest one.

A model is a shared state, and processes that each have a local state and may take a step from it; each step is
atomic, and steps of different processes come in any order.  Any process may sleep for any time, or for ever, before
each of its steps: it is enough that the others go on without it, which they do in some of the interleavings, and
that what must hold is looked at in every single state and not only at the end.

What must hold is said of the shared state alone, or of it and one process.  So what a process does, and whether it
is well, depends on the pair (shared, local) alone; it is worked out once for each pair, and a state of the whole is a
single integer made of the numbers of its parts, to which a step adds one number.

Nothing is left out by a partial-order reduction.  Steps that touch nothing shared are not steps of their own: they
commute with every step of everybody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Exploration", "Model", "Process", "Step", "Violation", "explore"]

_BITS = 20
_MASK = (1 << _BITS) - 1


class Step(NamedTuple):
    """What a process may do next."""

    text: str
    shared: Hashable
    local: Hashable


def _nothing_wrong(*_: Any) -> str | None:
    return None


@dataclass(frozen=True)
class Process:
    """One process: where it begins, what it may do, and what must hold of it."""

    name: str
    start: Hashable
    steps: Callable[[Any, Any], Iterable[Step]]
    #: Whether a process may rest in that local state; a process that rests elsewhere is stuck.
    finished: Callable[[Any], bool]
    #: In words what is wrong about a shared and a local state, or None.
    wrong: Callable[[Any, Any], str | None] = _nothing_wrong


@dataclass(frozen=True)
class Model:
    """Processes around a shared state."""

    shared: Hashable
    processes: tuple[Process, ...]
    wrong: Callable[[Any], str | None] = _nothing_wrong
    #: Pairs of processes that differ in nothing but their name: of two states that differ in who
    #: of the two is where, one is enough.
    twins: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Violation:
    """What is wrong, and the steps that lead there."""

    what: str
    #: Who did what, in order.
    trace: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        width = max((len(who) for who, _ in self.trace), default=0)
        lines = [f"{number:3}. {who:{width}}  {text}" for number, (who, text) in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"  => {self.what}"])


@dataclass
class Exploration:
    """What an exploration found.  It is complete unless there is a violation."""

    states: int = 0
    transitions: int = 0
    #: States in which every process has finished.
    ends: int = 0
    seconds: float = 0.0
    violation: Violation | None = None
    #: Every step that was taken anywhere, by who took it.
    steps: set[tuple[str, str]] = field(default_factory=set)

    def reached(self, text: str) -> bool:
        """Whether some step's text contains `text`."""
        return any(text in step for _, step in self.steps)


def explore(model: Model) -> Exploration:
    """Visit every reachable state of `model`, or those up to the first wrong one."""
    return _Explorer(model).run()


class _Numbers:
    """Values by number and numbers by value."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def of(self, value: Hashable) -> int:
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            assert number <= _MASK
            self.values.append(value)
        return number


class _Wrong(Exception):
    pass


class _Explorer:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._shared = _Numbers()
        self._top = _BITS * len(model.processes)
        self._locals = [_Numbers() for _ in model.processes]
        # Differences to a state, by process and by the pair of numbers of its local and the shared state.
        self._moves: list[dict[int, tuple[int, ...]]] = [{} for _ in model.processes]
        self._twin: dict[int, tuple[int, int]] = {}
        for pair in model.twins:
            first, second = pair
            self._locals[second] = self._locals[first]
            self._twin |= {first: pair, second: pair}
        self._found = Exploration()

    def run(self) -> Exploration:
        begun = time.perf_counter()
        start = self._shared.of(self._model.shared) << self._top
        for index, process in enumerate(self._model.processes):
            start += self._locals[index].of(process.start) << _BITS * index
        parents: dict[int, int] = {start: start}
        frontier = [start]
        try:
            while frontier:
                frontier = self._expand(frontier, parents)
        except _Wrong as wrong:
            state, what = wrong.args
            self._found.violation = Violation(what, self._trace(state, parents))
        self._found.states = len(parents)
        self._found.seconds = time.perf_counter() - begun
        return self._found

    def _expand(self, frontier: list[int], parents: dict[int, int]) -> list[int]:
        """The states that are one step from those of `frontier` and new."""
        reached: list[int] = []
        transitions = 0
        processes = [(index, _BITS * index, moves, self._twin.get(index)) for index, moves in enumerate(self._moves)]
        for state in frontier:
            shared = state >> self._top << _BITS
            before = transitions
            for index, shift, known, twins in processes:
                moves = known.get(shared | state >> shift & _MASK)
                if moves is None:
                    moves = self._work_out(index, state)
                for move in moves:
                    after = state + move
                    if twins is not None:
                        after = _in_order(after, *twins)
                    transitions += 1
                    if after not in parents:
                        parents[after] = state
                        reached.append(after)
            if transitions == before:
                self._rest(state)
        self._found.transitions += transitions
        return reached

    def _work_out(self, index: int, state: int) -> tuple[int, ...]:
        """What process `index` may add to `state`, or to any that looks the same to it."""
        process = self._model.processes[index]
        shared, local = self._parts(index, state)
        what = self._model.wrong(shared) or process.wrong(shared, local)
        if what is not None:
            raise _Wrong(state, what)
        number = self._shared.of(shared)
        place = self._locals[index].of(local)
        moves = []
        for step in process.steps(shared, local):
            self._found.steps.add((process.name, step.text))
            further = self._shared.of(step.shared) - number
            moves.append((further << self._top) + (self._locals[index].of(step.local) - place << _BITS * index))
        self._moves[index][number << _BITS | place] = tuple(moves)
        return tuple(moves)

    def _parts(self, index: int, state: int) -> tuple[Any, Any]:
        local = self._locals[index].values[state >> _BITS * index & _MASK]
        return self._shared.values[state >> self._top], local

    def _rest(self, state: int) -> None:
        """Nobody can take a step any more."""
        for index, process in enumerate(self._model.processes):
            if not process.finished(self._parts(index, state)[1]):
                raise _Wrong(state, f"{process.name} is stuck")
        self._found.ends += 1

    def _trace(self, state: int, parents: dict[int, int]) -> tuple[tuple[str, str], ...]:
        trace = []
        while parents[state] != state:
            trace.append(self._step_between(parents[state], state))
            state = parents[state]
        return tuple(reversed(trace))

    def _step_between(self, before: int, after: int) -> tuple[str, str]:
        for index, process in enumerate(self._model.processes):
            shared, local = self._parts(index, before)
            key = self._shared.of(shared) << _BITS | self._locals[index].of(local)
            for step, move in zip(process.steps(shared, local), self._moves[index].get(key, ()), strict=False):
                reached = before + move
                if reached == after or (index in self._twin and _in_order(reached, *self._twin[index]) == after):
                    return process.name, step.text
        raise AssertionError("unreachable")


def _in_order(state: int, first: int, second: int) -> int:
    """The state, with the two twins' local states exchanged if that of the second has the lower number."""
    shift, other = _BITS * first, _BITS * second
    surplus = (state >> shift & _MASK) - (state >> other & _MASK)
    return state + (surplus << other) - (surplus << shift) if surplus > 0 else state
