"""The protocol that nothing is lost by, as models of which every state is looked at.

    python -m tests.reliability.protocol

One model is of commits, collections and reads (`tests.reliability.commits`, `tests.reliability.collecting`), one of
the log and its retention (`tests.reliability.retention`).  The program explores all interleavings of the processes in
each of some settings, and prints a line for each; then it takes the rules out one at a time, and shows in how many
steps that leads to a loss.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace

from tests.reliability.collecting import model_of
from tests.reliability.commits import Put, Rules, Setting
from tests.reliability.explore import Exploration, explore
from tests.reliability.retention import LogRules, LogSetting, log_model_of

__all__ = ["BROKEN", "LONG", "NEEDLESS", "SHORT", "explored", "main"]

_SAME = (Put("x", "A"), Put("y", "A"))
_DIFFERENT = (Put("x", "A"), Put("y", "B"))
_ONE = (Put("x", "A"),)
_OLD = ("old",)

#: Together they take seconds.
SHORT: tuple[Setting | LogSetting, ...] = (
    Setting("the same content", _SAME, _OLD, collectors=(1, 1), readers=1),
    Setting("different contents", _DIFFERENT, _OLD, collectors=(1,), readers=1, litter="B"),
    Setting("one name", (Put("x", "A"), Put("x", "B")), collectors=(1, 1), readers=1, items=(), litter="AB"),
    Setting("added and deleted", _SAME, ("x",), collectors=(1, 1), readers=1, items=(), litter="A"),
    Setting("damaged litter", _ONE, collectors=(1, 1), items=(), damaged="A"),
    Setting("nodes", _ONE, _OLD, collectors=(1,), readers=1, nodes=True),
    Setting("nodes of the map", _ONE, _OLD, collectors=(1, 1), readers=1, maps=True),
    Setting("a full disk", _ONE, _OLD, collectors=(1, 1), readers=1, litter="B", full_disk=True),
    Setting("automatic", _ONE, _OLD, collectors=(1,), automatic=(1,), readers=1, undoers=1),
    LogSetting("log, two sleepers", (1, 1, 3), trimmers=(1,)),
    LogSetting("log, a reader", (1, 3), trimmers=(1,), readers=(2,)),
)

#: Together they take minutes, and a few gigabytes.
LONG: tuple[Setting | LogSetting, ...] = (
    Setting("the same content", _SAME, _OLD, collectors=(2, 2), readers=1),
    Setting("different contents", _DIFFERENT, _OLD, collectors=(2, 1), readers=1, litter="B"),
    Setting("one name", (Put("x", "A"), Put("x", "B")), _OLD, collectors=(2, 1), readers=1),
    Setting("added and deleted", _SAME, ("x",), collectors=(2, 2), readers=1, items=(), litter="A"),
    Setting("damaged litter", _DIFFERENT, _OLD, collectors=(1, 1), readers=1, damaged="B"),
    Setting("nodes", _ONE, _OLD, collectors=(1, 1), readers=1, nodes=True),
    Setting("nodes of the map", _ONE, _OLD, collectors=(2, 1), readers=1, maps=True),
    Setting("a full disk", _DIFFERENT, _OLD, collectors=(1, 1), readers=1, litter="B", full_disk=True),
    Setting("a full disk, nodes of the map", _ONE, _OLD, collectors=(1, 1), litter="B", maps=True, full_disk=True),
    Setting("automatic", _SAME, _OLD, collectors=(1,), automatic=(1,), readers=1, undoers=1),
    LogSetting("log, two sleepers", (1, 1, 4), trimmers=(2,)),
    LogSetting("log, a reader", (1, 4), trimmers=(1, 1), readers=(2,)),
    LogSetting("log, three kept", (1, 5), trimmers=(2,), readers=(2,), retained=3),
)

_PAIR = Setting("", _ONE, _OLD, collectors=(1,))
_UNDOING = Setting("", _ONE, _OLD, undoers=1)
_LOG = LogSetting("", (1, 4), trimmers=(1,))

#: The protocol with one rule taken out, each in a setting in which that leads to a loss.
BROKEN: dict[str, Setting | LogSetting] = {
    "condemned keys are not looked up again": replace(_PAIR, rules=Rules(look_up_again=False)),
    "condemned keys are used again": replace(_PAIR, rules=Rules(burn_keys=False)),
    "what is condemned is not put in the log": replace(_PAIR, rules=Rules(condemn_in_log=False)),
    "a collector that lost a race does not mark again": replace(_PAIR, rules=Rules(mark_again=False)),
    "a reader that misses an object does not look again": replace(
        _PAIR, readers=1, rules=Rules(look_again_on_missing=False)
    ),
    "what is there is relied on unread": Setting("", _ONE, items=(), damaged="A", rules=Rules(verify=False)),
    "nodes of maps are deleted before their epoch": replace(
        _PAIR, collectors=(1, 1), maps=True, rules=Rules(wait_for_epoch=False)
    ),
    "an automatic collection forgets the log": replace(_UNDOING, automatic=(1,), rules=Rules(mark_log=False)),
    "an undo does not look what is kept": replace(_UNDOING, collectors=(1,), rules=Rules(look_what_is_kept=False)),
    "an append does not look at the record before again": replace(_LOG, rules=LogRules(look_after=False)),
    "... looks only whether a record has its number": replace(
        _LOG, writers=(1, 1, 4), rules=LogRules(compare_predecessor=False)
    ),
    "... looks for its own record by number": replace(_LOG, writers=(1, 1, 3), rules=LogRules(compare_made=False)),
    "... looks for its own record, then for the next": replace(_LOG, rules=LogRules(follower_first=False)),
    "a handle knows the newest record by its number": replace(_LOG, readers=(2,), rules=LogRules(compare_known=False)),
    "what was listed as newest is read, and that is all": replace(_LOG, readers=(1,), rules=LogRules(list_again=False)),
    "the log is not trimmed from the oldest on": replace(_LOG, rules=LogRules(oldest_first=False)),
    "one record is retained": replace(_LOG, retained=1),
}

#: The protocol without a rule of the log that only saves work or tidies up: nothing is lost.
NEEDLESS: dict[str, LogSetting] = {
    "an append does not look at the record before": LogSetting(
        "", (1, 3), trimmers=(1,), readers=(1,), rules=LogRules(look_before=False)
    ),
    "a stray is left to trimming": LogSetting(
        "", (1, 3), trimmers=(1,), readers=(1,), rules=LogRules(remove_stray=False)
    ),
}


def explored(setting: Setting | LogSetting, *, symmetric: bool = True) -> Exploration:
    """All states of a setting, or those up to a violation."""
    if isinstance(setting, LogSetting):
        return explore(log_model_of(setting))
    return explore(model_of(setting, symmetric=symmetric))


def cast(setting: Setting | LogSetting) -> str:
    """The processes of a setting, in words."""
    if isinstance(setting, LogSetting):
        operations = "+".join(map(str, setting.writers))
        words = [f"{len(setting.writers)} writers of {operations}", _rounds(len(setting.trimmers), "trimmer")]
        return ", ".join([*words, *([_rounds(len(setting.readers), "reader")] if setting.readers else [])])
    counts = {
        "writer": len(setting.writers),
        "deleter": len(setting.deleters),
        "collector": len(setting.collectors),
        "automatic collector": len(setting.automatic),
        "reader": setting.readers,
        "undoer": setting.undoers,
    }
    collections = sum((*setting.collectors, *setting.automatic))
    who = ", ".join(_rounds(count, name) for name, count in counts.items() if count)
    return f"{who} ({collections} collections)"


def _rounds(count: int, name: str) -> str:
    return f"{count} {name}" + ("s" if count > 1 else "")


def main() -> None:
    """Run the long form, print the figures, and exit with 1 if there is a violation, or none with a rule left out."""
    states = violations = 0
    for setting in LONG:
        found = explored(setting)
        states += found.states
        violations += found.violation is not None
        print(
            f"{setting.name}: {cast(setting)}: {found.states:,} states, {found.transitions:,} steps, "
            f"{found.seconds:.0f} s, {int(found.violation is not None)} violations",
            flush=True,
        )
        if found.violation is not None:
            print(found.violation)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"together: {states:,} states, {violations} violations, at most {memory:,} MiB\n")
    print("With one rule taken out, the shortest way to a loss:")
    blind = 0
    for rule, setting in BROKEN.items():
        violation = explored(setting, symmetric=False).violation
        blind += violation is None
        print(f"\n{rule}: " + (f"{len(violation.trace)} steps\n{violation}" if violation else "NO LOSS FOUND"))
    if violations or blind:
        sys.exit(1)


if __name__ == "__main__":
    main()
