"""An OSError in place of every file operation of a workload in turn, once or from then on.

    python -m tests.reliability.oserror [--stride N] [--offset N] [--stays]

The call succeeds, or raises StorageError with the error's number; then the folio is as before the call
or as after it, for the handle it was made with and for a new one; both write and collect as if nothing
had been.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import itertools
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datafolio import DataFolio, FolioError
from datafolio.errors import StorageError
from tests.reliability.fileops import CHANGING, READING, FileOperation, intercepted
from tests.reliability.workload import Model, Shown, Step, check_collected, copy_folio, litter, shown, steps

__all__ = ["ERRORS", "Fault", "Trials", "main"]

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES)

# What needs space fails on a full disk; the rest goes on working.
_TAKES_SPACE = frozenset({"write", "mkdir", "link", "ftruncate", "posix_fallocate"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_BESIDE = "beside"

# A call that takes longer than this, in seconds, hangs.
_DEADLINE = 30


class Fault(NamedTuple):
    """What goes wrong, from which operation of a step on."""

    number: int
    error: int
    stays: bool
    #: Whether the handle has written before.
    warm: bool

    def hits(self, operation: FileOperation) -> bool:
        """Whether this operation fails."""
        if not self.stays:
            return operation.number == self.number
        is_spared = self.error in _FULL and operation.name not in _TAKES_SPACE
        return operation.number >= self.number and not (is_spared and not _creates(operation))


def _creates(operation: FileOperation) -> bool:
    return operation.name == "open" and bool(operation.args[1] & os.O_CREAT)


class _Injection:
    """A fault as a hook."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.failed: list[str] = []
        self.seen = 0

    def __call__(self, operation: FileOperation, carry_out: Callable[[], Any]) -> Any:
        self.seen += 1
        if not self._fault.hits(operation):
            return carry_out()
        self.failed.append(operation.name)
        if operation.name == "close":
            carry_out()  # the descriptor is gone whatever close says
        raise OSError(self._fault.error, os.strerror(self._fault.error))


class Trials:
    """Every step of the workload, each begun again and again from a copy of the folio as it was before it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.steps = [*steps(folder), Step("open", _open), Step("make a folio", _make_beside)]
        #: What came of the trials, in words, by the operation that failed first.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        #: Those that raised although everything was done, by step and operation.
        self.seen_after: Counter[tuple[str, str]] = Counter()
        self.failures: list[str] = []
        folio = DataFolio(folder / "0")
        for number, step in enumerate(self.steps, 1):
            step.call(folio)
            copy_folio(folder / "0", folder / str(number))
        del folio
        _let_go()
        shutil.rmtree(folder / "0")
        DataFolio(folder / "0")
        _let_go()
        # All that there is by now stays: looking through it after every trial would take longer than the trials.
        gc.freeze()

    def operations(self, number: int, *, warm: bool) -> int:
        """How many file operations step `number` makes."""
        place = self._folder / "folio"
        copy_folio(self._folder / str(number), place)
        never = _Injection(Fault(-1, 0, False, warm))
        folio = DataFolio.open(place)
        if warm:
            _warm(folio)
        with intercepted(never, CHANGING + READING):
            self.steps[number].call(folio)
        shutil.rmtree(place)
        shutil.rmtree(self._folder / _BESIDE, ignore_errors=True)
        return never.seen

    def run(self, number: int, fault: Fault) -> None:
        """Try the fault in step `number`."""
        place = self._folder / "folio"
        copy_folio(self._folder / str(number), place)
        try:
            with _deadline():
                expected = self._through_one_handle(place, number, fault)
                _let_go()
                if expected is not None:
                    _through_another_handle(place, expected)
        except Exception:  # noqa: BLE001 - whatever it is, it is what the proof is after
            self.failures.append(f"{fault}, in step {self.steps[number].words!r}:\n{traceback.format_exc()}")
        finally:
            _let_go()
            shutil.rmtree(place)
            shutil.rmtree(self._folder / _BESIDE, ignore_errors=True)

    def _through_one_handle(self, place: Path, number: int, fault: Fault) -> Shown | None:
        """The step with the fault, and what follows; what the folio is to show then, or None if nothing went wrong."""
        model, folio, step = _model_after(self.steps[:number]), DataFolio.open(place), self.steps[number]
        if fault.warm:
            _warm(folio)
            _warm(model)
        before = model.shown()
        step.call(model)
        after = model.shown()
        injection = _Injection(fault)
        with intercepted(injection, CHANGING + READING):
            raised = _raised(step, folio, fault)
            if fault.stays and raised is not None:
                _try_more(step, folio)
        if not injection.failed:
            return None
        outcome = _check_after(folio, before, after, raised)
        self.outcomes[injection.failed[0], outcome] += 1
        self.seen_after[step.words, injection.failed[0]] += outcome == "raised, and is as after"
        if raised is not None and (before == after or shown(folio) != after):
            step.call(folio)
            assert shown(folio) == after
        folio.add_json("next", 1)
        folio.cleanup_orphaned_versions()
        # What could not be removed is under this handle's lock for as long as it lives.
        left = litter(place)
        assert len(left) <= 1 or fault.stays, left
        return after


def _open(target: Any) -> None:
    if isinstance(target, DataFolio):
        DataFolio(target.path)
        DataFolio.open(target.path)


def _make_beside(target: Any) -> None:
    if isinstance(target, DataFolio):
        other = DataFolio(target.path.parent / _BESIDE)
        other.add_json("a", 1, overwrite=True)
        assert other.items == ["a"]


def _let_go() -> None:
    """See to it that handles which nobody has any more hold no lock."""
    gc.collect()
    gc.collect()  # what the finalizers of the first let go of


def _warm(target: Any) -> None:
    target.add_json("warm", 1)


def _check_after(folio: DataFolio, before: Shown, after: Shown, raised: StorageError | None) -> str:
    """Check what the folio shows when the fault is gone; in words."""
    found = shown(folio)
    assert shown(DataFolio.open(folio.path)) == found
    assert folio.validate().findings == ()
    assert found == after or (raised is not None and found == before), f"{raised!r}, and shows {found}"
    if raised is None:
        return "succeeded"
    if before == after:
        return "raised, and there was nothing to see"
    return "raised, and is as after" if found == after else "raised, and is as before"


def _through_another_handle(path: Path, expected: Shown) -> None:
    folio = DataFolio(path)
    folio.add_json("next", 2, overwrite=True)
    folio.cleanup_orphaned_versions()
    check_collected(folio)
    found = shown(folio)
    assert found.items.pop("next") == 2
    assert found == expected


def _raised(step: Step, folio: DataFolio, fault: Fault) -> StorageError | None:
    """What the step raised, which is of datafolio's own tree and tells the reason."""
    raised = None
    try:
        step.call(folio)
    except StorageError as error:
        raised = error
    assert raised is None or raised.errno == fault.error, f"{raised!r} has not the number of the fault"
    return raised


def _try_more(step: Step, folio: DataFolio) -> None:
    """Go on while the fault stays: whatever is raised is of datafolio's own tree."""
    for call in (lambda: step.call(folio), lambda: shown(folio), folio.cleanup_orphaned_versions):
        with contextlib.suppress(FolioError):
            call()


def _model_after(done: list[Step]) -> Model:
    model = Model()
    for step in done:
        step.call(model)
    return model


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    def late(*_: object) -> None:
        raise AssertionError(f"no end after {_DEADLINE} seconds")

    kept = signal.signal(signal.SIGALRM, late)
    signal.alarm(_DEADLINE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, kept)


def _points(trials: Trials, *, stays: bool) -> Iterator[tuple[int, Fault]]:
    """Every operation of every step, with each error, by a handle that is new and by one that is not."""
    for step, warm in itertools.product(range(len(trials.steps)), (False, True)):
        for number, error in itertools.product(range(trials.operations(step, warm=warm)), ERRORS):
            yield step, Fault(number, error, stays, warm)


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="try each N-th operation only")
    parser.add_argument("--offset", type=int, default=0, help="the first operation to try")
    parser.add_argument("--stays", action="store_true", help="let every operation from there on fail")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datafolio-oserror-") as folder:
        tempfile.tempdir = folder  # for copies of artifacts
        trials = Trials(Path(folder))
        for step, fault in itertools.islice(_points(trials, stays=options.stays), options.offset, None, options.stride):
            trials.run(step, fault)
    print("\n".join(trials.failures), file=sys.stderr)
    for (failed, outcome), count in sorted(trials.outcomes.items()):
        print(f"{failed:16} {outcome:40} {count:6}")
    for (words, failed), count in sorted(trials.seen_after.items()):
        if count:
            print(f"raised, and is as after: {words}, {failed}: {count}")
    print(f"OSError at {sum(trials.outcomes.values())} points: {len(trials.failures)} with anything amiss")
    sys.exit(bool(trials.failures))


if __name__ == "__main__":
    main()
