"""Folios as a stranger might make them: real bytes, valid as far as they can be, and meant to do harm."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datafolio import DataFolio
from datafolio.digest import digest_of, is_digest
from datafolio.errors import FolioError
from datafolio.store.log import MARKER
from datafolio.store.seal import sealed
from tests.store.plumbing import small_nodes

#: Whether the tests take their long form.
LONG = "DATAFOLIO_HOSTILE" in os.environ

ITEMS = 12


def make(path: Path) -> Path:
    """A folio of several records, nodes below its roots, snapshots in its record and in objects."""
    with small_nodes():
        folio = DataFolio(path)
        with folio.batch():
            for number in range(ITEMS):
                folio.add_json(f"item {number}", {"number": number})
            folio.add_model("model", {"weights": [1, 2, 3]})
        (path.parent / "report.txt").write_text("a report")
        folio.add_artifact("report", path.parent / "report.txt", inputs=["item 1"])
        folio.metadata["accuracy"] = 0.9
        folio.create_snapshot("v1", "the first", capture_git=False)
        folio.add_json("item 1", "changed", overwrite=True)
        folio.metadata["long"] = "x" * 2000
        folio.create_snapshot("v2", capture_git=False)
        folio.add_json("item 2", "changed", overwrite=True)
    del folio
    return path


def newest_record(root: Path) -> Path:
    return max((root / "log").glob("[0-9]" * 12))


def compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def overwrite(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_record(root: Path, document: dict[str, Any]) -> None:
    """`document` as the newest record, sealed as datafolio would have done it."""
    document = {key: value for key, value in document.items() if key != "check"}
    overwrite(newest_record(root), sealed(compact(document)))
    (root / MARKER).unlink(missing_ok=True)


def change_record(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads(newest_record(root).read_bytes())
    change(document)
    write_record(root, document)


def put_object(root: Path, data: bytes) -> str:
    """Store `data` under its digest."""
    digest = digest_of(data)
    overwrite(object_path(root, digest), data)
    return digest


def object_path(root: Path, digest: str) -> Path:
    return root / "objects" / digest[:2] / digest[2:]


def structured_objects(root: Path) -> dict[str, Any]:
    """Nodes, snapshots and environments, by digest."""
    found = {}
    for path in (root / "objects").glob("??/*"):
        with contextlib.suppress(ValueError):
            document = json.loads(path.read_bytes())
            if isinstance(document, dict) and ("kind" in document or "packages" in document):
                found[path.parent.name + path.name] = document
    return found


def change_object(root: Path, digest: str, document: Any) -> None:
    """Let `document` take the place of an object, under its own digest, in everything that leads there."""
    renamed = {digest: put_object(root, compact(document))}
    while renamed:
        old, new = renamed.popitem()
        for other, parent in structured_objects(root).items():
            text = compact(parent).decode(errors="surrogatepass")
            if old in text and other not in {old, new}:
                renamed[other] = put_object(root, text.replace(old, new).encode(errors="surrogatepass"))
                object_path(root, other).unlink()
        record = newest_record(root).read_text("utf-8")
        if old in record:
            write_record(root, json.loads(record.replace(old, new)))


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class TooLong(BaseException):
    """Not an Exception: nothing in datafolio may swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def use(root: Path) -> dict[str, Any]:
    """Everything that one does with a folio: what each call gave, or the FolioError it raised."""
    outcomes: dict[str, Any] = {}

    def attempt(name: str, call: Callable[[], Any]) -> Any:
        try:
            outcomes[name] = call()
        except FolioError as error:
            outcomes[name] = error
        return outcomes[name]

    _read(root, attempt)
    _write(root, attempt)
    return outcomes


def _read(root: Path, attempt: Callable[[str, Callable[[], Any]], Any]) -> None:
    folio = attempt("open", lambda: DataFolio.open(root, read_only=True, trust=False))
    if isinstance(folio, FolioError):
        return
    for name in ("list_items", "list_contents", "describe", "list_snapshots", "get_lineage_graph", "audit", "history"):
        attempt(name, getattr(folio, name))
    attempt("len", lambda: (len(folio), bool(folio), list(folio.metadata.items()), repr(folio)))
    attempt("repr", lambda: (repr(folio.data), repr(folio.snapshots), dir(folio.data)))
    attempt("diff", folio.diff_from_snapshot)
    attempt("compare", lambda: folio.compare_snapshots("v1", "v2"))
    items = attempt("items", lambda: folio.items)
    for item in ["item 1", "report", *(items[:20] if isinstance(items, list) else [])]:
        attempt(f"get {item}", lambda item=item: folio.get_data(item))
        attempt(f"info {item}", lambda item=item: (folio.get_item_info(item), repr(folio.data[item])))
    for name in ("v1", "v2"):
        attempt(f"{name} items", lambda name=name: folio.get_snapshot(name).list_items())
        attempt(f"{name} instructions", lambda name=name: folio.reproduce_instructions(name))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "inside" / "exported"
        attempt("export", lambda: folio.export_snapshot("v1", target))
        assert set(Path(folder).iterdir()) <= {target.parent}
        assert not target.parent.exists() or set(target.parent.iterdir()) <= {target}


def _write(root: Path, attempt: Callable[[str, Callable[[], Any]], Any]) -> None:
    attempt("fsck", lambda: DataFolio.open(root, read_only=True).validate())
    folio = attempt("open to write", lambda: DataFolio.open(root, trust=False))
    if isinstance(folio, FolioError):
        return
    attempt("add", lambda: folio.add_json("item 1", "new", overwrite=True))
    attempt("set", lambda: folio.metadata.update(more=1))
    attempt("snapshot", lambda: folio.create_snapshot("v3", capture_git=False, capture_environment=False))
    attempt("restore", lambda: folio.restore_snapshot("v1"))
    attempt("undo", folio.undo)
    attempt("delete", lambda: folio.delete("item 3"))
    attempt("delete snapshot", lambda: folio.delete_snapshot("v2"))
    attempt("gc", folio.cleanup_orphaned_versions)


def copy_of(original: Path, target: Path) -> Path:
    shutil.copytree(original, target, symlinks=True)
    return target


def digests_in(value: Any) -> Iterator[str]:
    if isinstance(value, str) and is_digest(value):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from digests_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from digests_in(part)


def snapshot_of_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


#: The files and folders of a folio that something else may stand in the place of.
PLACES = {
    "folio.json": lambda root: root / "folio.json",
    "the newest record": newest_record,
    "the next record": lambda root: root / "log" / f"{int(newest_record(root).name) + 1:012d}",
    "an older record": lambda root: root / "log" / "000000000002",
    "the marker": lambda root: root / "log" / "newest",
    "a node": lambda root: next(
        object_path(root, digest)
        for digest in digests_in(json.loads(newest_record(root).read_bytes())["items"])
        if digest in structured_objects(root)
    ),
    "a payload": lambda root: object_path(root, DataFolio.open(root).get_item_info("item 3")["digest"]),
    "a folder of objects": lambda root: (
        object_path(root, DataFolio.open(root).get_item_info("item 3")["digest"]).parent
    ),
    **{name: lambda root, name=name: root / name for name in ("log", "objects", "condemned", "tmp", "lost+found")},
    **{name: lambda root, name=name: root / name for name in ("items.json", "snapshots.json", "README.md")},
}


def main() -> None:
    """The tests of hostile folios in their long form."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/reliability/test_hostile.py"]
    subprocess.run(command, env={**os.environ, "DATAFOLIO_HOSTILE": "1"}, check=True)


if __name__ == "__main__":
    main()
