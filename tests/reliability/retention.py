"""The retention of the log as a model: writers append, others remove the oldest records, readers look.

A record is the whole chain of operations up to its own, so that it names the one before, and is the same as another
only if it is that other.  What is stored under a number may be a *stray*: a record whose maker slept between looking
at its predecessor and creating it, while the log moved on so far that the number was free again.

What must hold in every state, whoever sleeps, for however long:

* The record with the highest number is the end of the one chain that every legitimate creation made longer.
* What was acknowledged is in that chain, and nothing is in it twice.
* The records of the chain that are left are an unbroken run.
* Whoever looks comes to a state that holds all that was acknowledged to anybody before.

A listing is one step here: the names of a log fit into one reading of the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.reliability.explore import Model, Process, Step

__all__ = ["LogRules", "LogSetting", "log_model_of"]

Chain = tuple[str, ...]


@dataclass(frozen=True)
class LogRules:
    """What an append rests on.  Each rule can be taken out, to see what it is for."""

    #: Before the creation, look whether there is a record before it.
    look_before: bool = True
    #: After the creation, look whether the record before is there.
    look_after: bool = True
    #: Then it is taken for the one that was seen if its digest is the same, not for its number.
    compare_predecessor: bool = True
    #: The same for what stands under the number of one's own record.
    compare_made: bool = True
    #: If the record before is gone: look for the one after before looking for one's own.
    follower_first: bool = True
    #: A record that nothing follows is a stray, and removed by its maker.
    remove_stray: bool = True
    #: The newest record that a handle knows is still the newest only if it is that one, not one of that number.
    compare_known: bool = True
    #: What was read is the newest if a listing that was begun afterwards ends with it.
    list_again: bool = True
    #: Trimming goes from the oldest on.
    oldest_first: bool = True


@dataclass(frozen=True)
class LogSetting:
    """Who is there: writers by the number of their operations, trimmers and readers by that of their rounds."""

    name: str
    writers: tuple[int, ...]
    trimmers: tuple[int, ...] = (1,)
    readers: tuple[int, ...] = ()
    retained: int = 2
    rules: LogRules = field(default_factory=LogRules)


class Shared(NamedTuple):
    """The log, and what only this model knows of it."""

    log: frozenset[Chain] = frozenset({()})
    #: The end of the chain that every legitimate creation made longer.
    tip: Chain = ()
    #: The operations that were acknowledged.
    told: frozenset[str] = frozenset()

    def at(self, number: int) -> Chain | None:
        """The record with that number: its chain has so many operations, record 0 has none."""
        return next((chain for chain in self.log if len(chain) == number), None)

    @property
    def numbers(self) -> frozenset[int]:
        return frozenset(map(len, self.log))

    def creating(self, chain: Chain) -> Shared:
        return self._replace(log=self.log | {chain}, tip=chain if chain[:-1] == self.tip else self.tip)

    def removing(self, number: int) -> Shared:
        return self._replace(log=frozenset(chain for chain in self.log if len(chain) != number))


class Local(NamedTuple):
    """Where a process is."""

    next: str
    #: The record that it took for the newest when it last looked, and the one that it made.
    handle: Chain | None = None
    made: Chain | None = None
    #: Numbers that it listed and has yet to read or remove.
    listed: frozenset[int] = frozenset()
    #: What was acknowledged to anybody when it began to look.
    told: frozenset[str] = frozenset()
    #: Rounds that are left, this one included.
    left: int = 0


DONE = Local("done")


def _is_at(shared: Shared, chain: Chain, *, exactly: bool) -> bool:
    """Whether the record is in the log; or any of its number, for one who does not look exactly."""
    return chain in shared.log if exactly else len(chain) in shared.numbers


class Looker:
    """What writers and readers do: `Repository.tip`, and `_look_again`."""

    def __init__(self, setting: LogSetting, name: str, rounds: int) -> None:
        self.setting = setting
        self.rules = setting.rules
        self.name = name
        self.rounds = rounds

    def start(self) -> Local:
        return Local("begin", left=self.rounds)

    def steps(self, shared: Shared, local: Local) -> Iterable[Step]:
        if local == DONE:
            return ()
        steps: Iterable[Step] = getattr(self, f"_{local.next}")(shared, local)
        return steps

    def wrong(self, _shared: Shared, local: Local) -> str | None:
        if local.next in ("found", "before") and local.handle is not None and not local.told <= set(local.handle):
            return f"{self.name} looks, and does not see {', '.join(sorted(local.told - set(local.handle)))}"
        return None

    def found(self, local: Local) -> Local:
        """What comes after the newest record was found."""
        raise NotImplementedError

    def _begin(self, shared: Shared, local: Local) -> Iterable[Step]:
        """Look for the record after the one that was the newest the last time; or for all."""
        if local.handle is None:
            return self._list(shared, local._replace(told=shared.told))
        number = len(local.handle) + 1
        local = local._replace(told=shared.told)
        if number in shared.numbers:
            return [Step(f"finds record {number} there", shared, local._replace(next="list", handle=None))]
        return [Step(f"finds no record {number}", shared, local._replace(next="own"))]

    def _own(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.handle is not None
        number = len(local.handle)
        if _is_at(shared, local.handle, exactly=self.rules.compare_known):
            return [Step(f"finds record {number} still there, so nothing is new", shared, self.found(local))]
        return [Step(f"finds its record {number} gone", shared, local._replace(next="list", handle=None))]

    def _list(self, shared: Shared, local: Local) -> Iterable[Step]:
        highest = max(shared.numbers)
        return [Step(f"lists up to {highest}", shared, local._replace(next="read", listed=frozenset({highest})))]

    def _read(self, shared: Shared, local: Local) -> Iterable[Step]:
        (number,) = local.listed
        there = shared.at(number)
        local = local._replace(listed=frozenset())
        if there is None:
            return [Step(f"misses record {number}", shared, local._replace(next="list"))]
        local = local._replace(handle=there)
        after = local._replace(next="again") if self.rules.list_again else self.found(local)
        return [Step(f"reads record {number}", shared, after)]

    def _again(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.handle is not None
        highest = max(shared.numbers)
        if highest == len(local.handle):
            return [Step(f"lists up to {highest}, as before", shared, self.found(local))]
        after = local._replace(next="read", handle=None, listed=frozenset({highest}))
        return [Step(f"lists up to {highest}", shared, after)]


class Reader(Looker):
    """Looks, now and then, with one handle."""

    def found(self, local: Local) -> Local:
        return local._replace(next="found")

    def _found(self, shared: Shared, local: Local) -> Iterable[Step]:
        after = local._replace(next="begin", told=frozenset(), left=local.left - 1) if local.left > 1 else DONE
        return [Step("is content", shared, after)]


class Writer(Looker):
    """`Repository.commit`, with one handle."""

    def found(self, local: Local) -> Local:
        return local._replace(next="before" if self.rules.look_before else "create")

    def _operation(self, local: Local) -> str:
        return f"{self.name[-1]}{self.rounds - local.left + 1}"

    def _over(self, shared: Shared, local: Local, text: str) -> Iterable[Step]:
        return [Step(f"{text}, starts over", shared, local._replace(next="list", handle=None, made=None))]

    def _before(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.handle is not None
        number = len(local.handle)
        if number not in shared.numbers:
            return self._over(shared, local, f"finds record {number} gone")
        return [Step(f"finds record {number} there", shared, local._replace(next="create", told=frozenset()))]

    def _create(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.handle is not None
        made = (*local.handle, self._operation(local))
        if len(made) in shared.numbers:
            return self._over(shared, local._replace(told=shared.told), f"finds record {len(made)} taken")
        after = local._replace(next="after", made=made, told=frozenset())
        text = f"creates record {len(made)}" + ("" if made[:-1] == shared.tip else ", a stray")
        created = shared.creating(made)
        return [Step(text, created, after)] if self.rules.look_after else self._acknowledge(created, after, text)

    def _after(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.handle is not None
        number = len(local.handle)
        if _is_at(shared, local.handle, exactly=self.rules.compare_predecessor):
            return self._acknowledge(shared, local, f"finds record {number} still there")
        after = local._replace(next="follower" if self.rules.follower_first else "mine")
        return [Step(f"finds record {number} gone", shared, after)]

    def _acknowledge(self, shared: Shared, local: Local, text: str) -> Iterable[Step]:
        told = shared._replace(told=shared.told | {self._operation(local)})
        return [Step(f"{text}: done", told, self._next(local._replace(handle=local.made)))]

    def _next(self, local: Local) -> Local:
        return Local("begin", handle=local.handle, left=local.left - 1) if local.left > 1 else DONE

    def _follower(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.made is not None
        number = len(local.made) + 1
        there = shared.at(number)
        if there is not None and there[:-1] == local.made:
            return self._acknowledge(shared, local, f"finds that record {number} follows its own")
        after = local._replace(next="mine" if self.rules.follower_first else "remove")
        return [Step(f"finds {'another' if there else 'no'} record {number}", shared, after)]

    def _mine(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.made is not None
        number = len(local.made)
        if not _is_at(shared, local.made, exactly=self.rules.compare_made):
            return [Step(f"finds its record {number} gone: can't tell", shared, self._next(local._replace(made=None)))]
        after = local._replace(next="remove" if self.rules.follower_first else "follower")
        return [Step(f"finds its record {number} there", shared, after)]

    def _remove(self, shared: Shared, local: Local) -> Iterable[Step]:
        assert local.made is not None
        number = len(local.made)
        removed = shared.removing(number) if self.rules.remove_stray else shared
        return self._over(removed, local._replace(told=shared.told), f"removes record {number}")


class Trimmer(Looker):
    """`Log.trim`, at any time."""

    def _begin(self, shared: Shared, local: Local) -> Iterable[Step]:
        """Here the listing is one step: it never misses a record that it has to remove before another."""
        newest = max(shared.numbers)
        old = frozenset(number for number in shared.numbers if number <= newest - self.setting.retained)
        return [Step(f"lists up to {newest}", shared, self._removing(local, old))]

    def _removing(self, local: Local, old: frozenset[int]) -> Local:
        if old:
            return Local("trim", listed=old, left=local.left)
        return Local("begin", left=local.left - 1) if local.left > 1 else DONE

    def _trim(self, shared: Shared, local: Local) -> Iterable[Step]:
        number = min(local.listed) if self.rules.oldest_first else max(local.listed)
        after = self._removing(local, local.listed - {number})
        return [Step(f"removes record {number}", shared.removing(number), after)]


def _actors(setting: LogSetting) -> Iterator[Looker]:
    for name, rounds in zip("abcd", setting.writers, strict=False):
        yield Writer(setting, f"writer {name}", rounds)
    for number, rounds in enumerate(setting.trimmers, 1):
        yield Trimmer(setting, f"trimmer {number}", rounds)
    for number, rounds in enumerate(setting.readers, 1):
        yield Reader(setting, f"reader {number}", rounds)


def log_model_of(setting: LogSetting) -> Model:
    """The model of a setting."""
    processes = tuple(
        Process(actor.name, actor.start(), actor.steps, lambda local: local == DONE, actor.wrong)
        for actor in _actors(setting)
    )
    return Model(Shared(), processes, _wrong)


def _wrong(shared: Shared) -> str | None:
    newest = max(shared.log, key=len, default=None)
    if newest != shared.tip:
        return f"the newest record is {newest}, and was {shared.tip}"
    if len(set(shared.tip)) != len(shared.tip):
        return f"a write took effect twice: {shared.tip}"
    if not shared.told <= set(shared.tip):
        return f"acknowledged and lost: {', '.join(sorted(shared.told - set(shared.tip)))}"
    kept = [len(chain) for chain in shared.log if chain == shared.tip[: len(chain)]]
    if max(kept) - min(kept) + 1 != len(kept):
        return f"the log has a gap: {sorted(kept)}"
    return None
