"""``datafolio snapshot``: make, look at, go back to and delete snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from datafolio.cli.collect import collection_of, collection_table, collection_words
from datafolio.cli.difference import difference_lines, is_empty
from datafolio.cli.output import (
    collection_document,
    difference_document,
    emit,
    listing_document,
    snapshot_document,
    text_of,
)
from datafolio.cli.progress import writing_bar
from datafolio.cli.render import count, format_time, line, show, table
from datafolio.cli.session import reading, writing
from datafolio.cli.showing import git_words, show_snapshot
from datafolio.cli.terminal import confirm, note
from datafolio.errors import SnapshotNotFoundError
from datafolio.porcelain.compare import Comparison
from datafolio.porcelain.folio import DataFolio

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import BaseSnapshot, ExitCode, Json, NewSnapshot, OldSnapshot, SnapshotName, Yes

__all__ = ["compare", "create", "delete", "diff", "export", "list_", "newest_snapshot", "reproduce", "restore", "show_"]


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '.', '_' and '-'.")],
    description: Annotated[
        str | None, typer.Option("--description", "-d", metavar="TEXT", help="What it is, in words.")
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", "-t", metavar="TAG", help="A tag; may be given several times.")
    ] = None,
    no_git: Annotated[bool, typer.Option("--no-git", help="Do not capture the state of the git repository.")] = False,
    no_env: Annotated[bool, typer.Option("--no-env", help="Do not capture the Python environment.")] = False,
    no_execution: Annotated[
        bool, typer.Option("--no-execution", help="Do not capture the working directory and the entry point.")
    ] = False,
    arguments: Annotated[
        bool, typer.Option("--arguments", help="Capture the command line too, which may hold secrets.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make an immutable checkpoint.

    It holds all items and metadata; no data are copied.  Captured are the git commit of the current
    directory, the Python environment and where the program ran; no credentials, no environment
    variables.

    Example: datafolio snapshot create v1.0 -d "Baseline model" -t baseline
    """
    folio = writing(context)
    folio.create_snapshot(
        name,
        description,
        tags or (),
        capture_git=not no_git,
        capture_environment=not no_env,
        capture_execution=not no_execution,
        capture_arguments=arguments,
    )
    info = folio.get_snapshot_info(name)
    if as_json:
        emit(snapshot_document(info))
        return
    code = f", code at {git_words(info['git'])}" if info["git"] else ""
    show(f"created snapshot {name}: {count(len(info['item_versions']), 'item')}{code}")


def list_(
    context: typer.Context,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="TAG", help="Only those that have this tag; several: all of them."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the snapshots, the oldest first.

    Example: datafolio snapshot list --tag production
    """
    infos = reading(context).list_snapshots(tags or ())
    if as_json:
        emit({"snapshots": [listing_document(info) for info in infos]})
    elif infos:
        show(table(("name", "created (UTC)", ">items", "tags", "code", "description"), map(_row, infos)))
    elif tags:
        note(f"no snapshot has {'the tag' if len(tags) == 1 else 'all the tags'} {', '.join(tags)}")
    else:
        note("no snapshots yet; `datafolio snapshot create NAME` makes one")


def _row(info: dict[str, Any]) -> tuple[object, ...]:
    code = git_words(info["git"]) if info["git"] else ""
    tags = ", ".join(info["tags"])
    when = format_time(info["timestamp"])
    return info["name"], when, len(info["item_versions"]), tags, code, info["description"] or ""


def show_(context: typer.Context, name: SnapshotName, as_json: Json = False) -> None:
    """Show all that a snapshot captured.

    Worth a look before you share it.  The versions of the packages are in the output of --json.

    Example: datafolio snapshot show v1.0
    """
    folio = reading(context)
    info = folio.get_snapshot_info(name)
    if as_json:
        emit(snapshot_document(info))
    else:
        show_snapshot(info, folio.get_snapshot(name))


def reproduce(context: typer.Context, name: SnapshotName, as_json: Json = False) -> None:
    """Say how to reproduce a snapshot.

    How to get back to its code, its environment and its data, and which results to expect.

    Example: datafolio snapshot reproduce v1.0
    """
    instructions = reading(context).reproduce_instructions(name)
    if as_json:
        emit({"snapshot": name, "instructions": instructions})
    else:
        show(*instructions.split("\n"))


def compare(
    context: typer.Context, old: OldSnapshot, new: NewSnapshot, exit_code: ExitCode = False, as_json: Json = False
) -> None:
    """Compare two snapshots.

    Items added, removed and modified, and the changes of the metadata.

    Example: datafolio snapshot compare v1.0 v2.0
    """
    difference = reading(context).compare_snapshots(old, new)
    _show_difference(old, new, difference, as_json=as_json)
    raise SystemExit(int(exit_code and not is_empty(difference)))


def diff(context: typer.Context, name: BaseSnapshot = None, exit_code: ExitCode = False, as_json: Json = False) -> None:
    """Compare a snapshot with the folio as it is.

    Example: datafolio snapshot diff v1.0
    """
    folio = reading(context)
    base = newest_snapshot(folio) if name is None else name
    difference = folio.diff_from_snapshot(base)
    _show_difference(base, None, difference, as_json=as_json)
    raise SystemExit(int(exit_code and not is_empty(difference)))


def newest_snapshot(folio: DataFolio) -> str:
    """The name of the newest snapshot.  Raises SnapshotNotFoundError where there is none."""
    names = list(folio.snapshots)
    if not names:
        raise SnapshotNotFoundError(f"{folio.path} has no snapshots; `datafolio snapshot create NAME` makes one")
    return names[-1]


def _show_difference(old: str, new: str | None, difference: Comparison, *, as_json: bool) -> None:
    if as_json:
        emit(difference_document(old, new, difference))
    else:
        show(line((f"{old} -> {new or 'now'}", "bold")), *difference_lines(difference))


def delete(
    context: typer.Context,
    name: SnapshotName,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Then free what nothing needs any more, as gc does.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Delete a snapshot.

    Its data stay where they are until gc, or --cleanup, frees what nothing needs.  On a terminal it
    asks first.

    Example: datafolio snapshot delete experimental-v5 --cleanup
    """
    folio = writing(context)
    info = folio.get_snapshot_info(name)
    about = f", made {format_time(info['timestamp'])} UTC" + (f": {info['description']}" if info["description"] else "")
    confirm(f"Delete the snapshot {name}{about}?", yes=yes)
    folio.delete_snapshot(name)
    freed = collection_of(folio) if cleanup else None
    if as_json:
        emit({"deleted": name, "freed": None if freed is None else collection_document(freed, dry_run=False)})
        return
    show(f"deleted snapshot {name}")
    if freed is not None:
        show(*collection_table(freed), collection_words("freed", freed))


def restore(context: typer.Context, name: SnapshotName, yes: Yes = False, as_json: Json = False) -> None:
    """Go back to a snapshot.

    Its items and metadata become the folio's own again; all snapshots stay as they are.  What the
    folio holds now and no snapshot holds is no longer in it afterwards, until `datafolio undo`.  On a
    terminal it says what changes, and asks first.

    Example: datafolio snapshot restore v1.0
    """
    folio = writing(context)
    difference = folio.diff_from_snapshot(name)
    if not is_empty(difference):
        if not as_json:
            show(line((f"what changed since {name}, and goes back:", "bold")), *difference_lines(difference))
        confirm(f"Go back to {name}?", yes=yes)
    folio.restore_snapshot(name)
    if as_json:
        emit({"restored": name, "undone": difference_document(name, None, difference)})
    else:
        show(f"restored snapshot {name}")


def export(
    context: typer.Context,
    name: SnapshotName,
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="A new or empty directory.")],
    as_json: Json = False,
) -> None:
    """Write a snapshot's items as ordinary files.

    Into a new or empty directory; snapshot.json beside them says what each one is.

    Example: datafolio snapshot export v1.0 ~/for-the-paper
    """
    with writing_bar("exporting") as progress:
        files = reading(context).export_snapshot(name, directory, progress=progress)
    if as_json:
        emit({"snapshot": name, "files": [text_of(path) for path in files]})
    else:
        show(*(text_of(path) for path in files))
