"""Values in memory, in Pythons that stay: a table and a model of 500 MB each, and ten thousand small items."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.installing import own_environment, virtual
from benchmarks.peers.sheet import Sheet, Sheets
from benchmarks.peers.worker import Worker

__all__ = ["EARLIER", "LIBRARIES", "OURS", "PLAIN", "Library", "large_values", "many_items"]

_TIMES = 20


@dataclass(frozen=True)
class Library:
    """What keeps values; `script` drives it."""

    name: str
    label: str
    programs: Callable[[], Path]
    script: str
    options: tuple[str, ...] = ()


OURS = Library("datafolio", "datafolio", own_environment, "ours.py")
EARLIER = Library(
    "datafolio-2.3.0",
    "datafolio 2.3.0 (PyPI)",
    lambda: virtual("datafolio-2.3.0", "datafolio==2.3.0"),
    "earlier.py",
)
PLAIN = (
    Library("plain", "`to_parquet`, `joblib.dump`, `json`", own_environment, "plain.py", ("quick",)),
    Library("plain", "the same and fsync", own_environment, "plain.py", ("durable",)),
)
LIBRARIES = (OURS, EARLIER, *PLAIN)


def large_values(libraries: Sequence[Library], folder: Path, rounds: int, size: float) -> Sheets:
    """Adding and getting a table, its edit and a model."""

    def tell(worker: Worker, sheet: Sheet) -> None:
        place = folder / "place"
        worker.call("open", str(place))
        _warm_up(worker)
        sheet.call("add table", folder, lambda: worker.call("add_table", "table", "@table"))
        sheet.call("get table", folder, lambda: worker.call("get_table", "table"))
        sheet.call("edit table", folder, lambda: worker.call("add_table", "table", "@edited"))
        sheet.call("add model", folder, lambda: worker.call("add_model", "model", "@model"))
        sheet.call("get model", folder, lambda: worker.call("get_model", "model"))
        shutil.rmtree(place)

    return _in_turns(libraries, folder, rounds, size, tell)


def many_items(libraries: Sequence[Library], folder: Path, rounds: int, number: int) -> Sheets:
    """Adding many small items at once, listing them, and adding and getting one where there are so many."""

    def tell(worker: Worker, sheet: Sheet) -> None:
        place = folder / "place"
        worker.call("open", str(place))
        sheet.call("add many", folder, lambda: worker.call("add_many", number))
        sheet.call("list items", folder, lambda: worker.call("list_items", times=_TIMES))
        sheet.call("add one", folder, lambda: worker.call("put", "one", "@number", times=_TIMES))
        sheet.call("get one", folder, lambda: worker.call("get", "one", times=_TIMES))
        shutil.rmtree(place)

    return _in_turns(libraries, folder, rounds, 1, tell)


def _warm_up(worker: Worker) -> None:
    """What is imported when it is first wanted is imported."""
    for method in ("add_table", "add_model"):
        worker.call(method, f"warm-{method}", "@small")
        worker.call(method.replace("add", "get"), f"warm-{method}")


def _in_turns(
    libraries: Sequence[Library],
    folder: Path,
    rounds: int,
    size: float,
    tell: Callable[[Worker, Sheet], None],
) -> Sheets:
    sheets = {library.label: Sheet() for library in libraries}
    with _workers(libraries, folder, size) as workers:
        for number in range(rounds):
            for label in list(workers) if number % 2 else list(workers)[::-1]:
                tell(workers[label], sheets[label])
    return sheets


@contextmanager
def _workers(libraries: Sequence[Library], folder: Path, size: float) -> Iterator[dict[str, Worker]]:
    with ExitStack() as stack:
        yield {
            library.label: stack.enter_context(
                Worker(library.programs() / "python", library.script, folder, size, *library.options)
            )
            for library in libraries
        }
