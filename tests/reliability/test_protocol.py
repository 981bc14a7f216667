"""No interleaving of writers, deleters, collectors, readers and trimmers loses anything; and each rule is needed.

Every process may sleep for ever before each of its steps: what must hold is looked at in every state.
"""

from __future__ import annotations

import functools

import pytest

from datafolio.backend import MemoryBackend
from datafolio.store.gc import collect
from datafolio.store.repository import Repository
from tests.reliability.collecting import model_of
from tests.reliability.commits import Put, Setting
from tests.reliability.explore import Model, Process, Step, explore
from tests.reliability.protocol import BROKEN, NEEDLESS, SHORT, explored
from tests.store.plumbing import WatchedBackend, delete, put

explored = functools.cache(explored)


@pytest.mark.parametrize("setting", SHORT, ids=lambda setting: setting.name)
def test_no_interleaving_loses_anything(setting):
    found = explored(setting)
    assert not found.violation, f"\n{found.violation}"
    assert found.ends


@pytest.mark.parametrize("rule", BROKEN)
def test_without_one_of_its_rules_the_protocol_loses_something(rule):
    violation = explored(BROKEN[rule], symmetric=False).violation
    assert violation
    print(f"{len(violation.trace)} steps\n{violation}")


@pytest.mark.parametrize("rule", NEEDLESS)
def test_without_a_rule_that_only_saves_work_nothing_is_lost(rule):
    assert not explored(NEEDLESS[rule]).violation


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("the same content", "finds record 1 taken"),
        ("the same content", "is too late to store A"),
        ("the same content", "finds A gone or damaged"),
        ("the same content", "stores A~1"),
        ("the same content", "which condemns A"),
        ("the same content", "sees that the log moved on"),
        ("added and deleted", "stores A~1"),
        ("nodes", "sees that the log moved on"),
        ("nodes of the map", "misses the map"),
        ("automatic", "walks the log"),
        ("log, two sleepers", "a stray"),
        ("log, two sleepers", "can't tell"),
        ("log, two sleepers", "follows its own"),
        ("log, two sleepers", "finds another record"),
        ("log, a reader", "misses record"),
    ],
)
def test_the_models_come_to_what_they_are_about(name, step):
    (setting,) = (setting for setting in SHORT if setting.name == name)
    assert explored(setting).reached(step)


#: What a step of the model is to a backend; a look at the newest record is several, and left out.
_CALLS = {
    "finds": "size",
    "stores": "publish",
    "reads": "open",
    "creates": "publish record",
    "lists": "list",
    "deletes": "delete",
}


def steps_alone(setting):
    """The calls that a model's only process makes, going where it first can."""
    model = model_of(setting)
    (process,) = model.processes
    shared, local, calls = model.shared, process.start, []
    while steps := tuple(process.steps(shared, local)):
        text, shared, local = steps[0]
        calls += [_CALLS[text.split()[0]]] if text.split()[0] in _CALLS else []
    return calls


def calls_made(backend):
    """The same of the code."""
    made = []
    for operation, key in backend.calls:
        if key.startswith("objects/") and operation in _CALLS.values():
            made.append(operation)
        elif key.startswith("log/") and operation == "publish":
            made.append("publish record")
    return made


@pytest.fixture
def watched():
    """A repository, and the backend that it is in."""
    backend = WatchedBackend(MemoryBackend())
    return Repository.create(backend), backend


def test_a_writer_takes_the_steps_of_the_model(watched):
    repository, backend = watched
    backend.calls.clear()
    put(repository, "x", b"A")
    setting = Setting("", (Put("x", "A"),), items=())
    assert calls_made(backend) == steps_alone(setting) == ["size", "publish", "publish record"]


def test_a_writer_of_what_is_there_takes_the_steps_of_the_model(watched):
    repository, backend = watched
    put(repository, "old", b"A")
    backend.calls.clear()
    put(repository, "x", b"A")
    setting = Setting("", (Put("x", "A"),))
    assert calls_made(backend) == steps_alone(setting) == ["size", "open", "publish record"]


def test_a_collector_takes_the_steps_of_the_model(watched):
    repository, backend = watched
    put(repository, "old", b"A")
    delete(repository, "old")
    backend.calls.clear()
    collect(repository)
    setting = Setting("", collectors=(1,), items=(), litter="A")
    made = [call for call in calls_made(backend) if call != "open"]  # a look for names in what is dead
    assert made == steps_alone(setting) == ["list", "publish record", "delete"]


def counter(limit, *, stuck=False):
    """A process that counts its own steps, and all steps together."""

    def steps(total, own):
        return () if own == limit else (Step(f"counts {own + 1}", total + 1, own + 1),)

    return Process("counter", 0, steps, lambda own: own == limit and not stuck)


def test_every_interleaving_is_visited_once():
    found = explore(Model(0, (counter(3), counter(4))))
    assert (found.states, found.transitions, found.ends) == (4 * 5, 3 * 5 + 4 * 4, 1)


def test_of_two_states_that_differ_by_twins_one_is_visited():
    found = explore(Model(0, (counter(3), counter(3)), twins=((0, 1),)))
    assert (found.states, found.ends) == (4 * 5 / 2, 1)


def test_a_trace_to_a_violation_is_a_shortest_one():
    violation = explore(
        Model(0, (counter(3), counter(4)), wrong=lambda total: "five" if total == 5 else None)
    ).violation
    assert violation.what == "five"
    assert len(violation.trace) == 5
    assert str(violation).endswith("=> five")


def test_a_process_that_can_neither_go_on_nor_rest_is_stuck():
    assert "stuck" in explore(Model(0, (counter(2, stuck=True),))).violation.what
