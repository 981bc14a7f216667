"""``datafolio fsck``: is everything there, is it what was written, and what can be mended?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from datafolio.backend import Backend
from datafolio.cli.output import emit, repair_document, report_document
from datafolio.cli.render import Line, count, line, progress_bar, show
from datafolio.cli.session import parse_share, target_of
from datafolio.errors import FolioNotFoundError, UsageError
from datafolio.porcelain.place import Place, bind_place
from datafolio.store.findings import Finding, Report
from datafolio.store.foliofile import FOLIO_FILE
from datafolio.store.fsck import Progress
from datafolio.store.fsck import fsck as check
from datafolio.store.log import Log
from datafolio.store.repair import Repair, repair
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json

__all__ = ["fsck"]

_COLOURS = {"error": "bold red", "warning": "yellow"}
#: What one finding affects may be a list of a thousand snapshots.
_SHOWN = 10


def fsck(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Check that data are there, and their size; read none.")
    ] = False,
    sample: Annotated[
        str | None, typer.Option("--sample", metavar="SHARE", help="Read only this share of the data, such as 5%.")
    ] = None,
    mend: Annotated[bool, typer.Option("--repair", help="Say what can be mended; with --yes, do it.")] = False,
    source: Annotated[
        str | None, typer.Option("--from", metavar="PATH", help="Another copy of the folio, to take lost files from.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Carry the repair out.")] = False,
    as_json: Json = False,
) -> None:
    """Check that everything is as it was written.

    The folio's structure, and the digest of everything in it.  Exits with 1 if there is damage, and
    says what that affects.  Changes nothing, unless it is told to --repair, and --yes.  A repair
    puts whole copies in the place of lost files, wherever they are found, and moves what is damaged
    to lost+found/; it deletes nothing.

    Example: datafolio --folio experiments/classifier fsck
    """
    target = target_of(context)
    share = _share(sample, quick=quick)
    if (yes or source is not None) and not mend:
        raise UsageError(f"{'--yes' if yes else '--from'} is for --repair")
    if mend and share < 1:
        raise UsageError("--repair looks at all of the folio; leave out --quick and --sample")
    # Not opened first: a folio that can't be is what this is for.
    backend = bind_place(target.path).backend
    other = None if source is None else _other(source)
    try:
        with progress_bar("checking") as progress:
            if mend:
                report = _repair(backend, other, progress, yes=yes, as_json=as_json)
            else:
                report = check(backend, share=share, progress=progress)
    except FolioNotFoundError as error:
        raise target.explained(error) from error
    if not mend:
        _tell(backend, report, share, as_json=as_json)
    raise SystemExit(int(not report.is_sound))


def _share(sample: str | None, *, quick: bool) -> float:
    """The share of the data to read."""
    if sample is None:
        return 0.0 if quick else 1.0
    if quick:
        raise UsageError("--quick reads no data and --sample reads some; give one of them")
    share = parse_share(sample)
    if share is None or not 0 < share <= 1:
        raise UsageError(f"--sample takes a share such as 5% or 0.05, not {sample!r}")
    return share


def _other(source: str) -> Backend:
    """The copy that --from names, which may be damaged too."""
    other = bind_place(source).backend
    if not other.exists(FOLIO_FILE) and not Log(other).sequence():
        raise FolioNotFoundError(f"no folio at {other.location}, which --from names")
    return other


def _repair(backend: Backend, other: Backend | None, progress: Progress | None, *, yes: bool, as_json: bool) -> Report:
    """Mend, or say what can be mended; the report on the folio as it is then."""
    done = repair(backend, source=other, dry_run=not yes, progress=progress)
    if as_json:
        emit(repair_document(Place(backend).path, done, dry_run=not yes))
    else:
        show(*_repair_lines(done, dry_run=not yes))
    return done.after if yes else done.before


def _tell(backend: Backend, report: Report, share: float, *, as_json: bool) -> None:
    if as_json:
        emit(report_document(Place(backend).path, report))
    else:
        show(*_lines(report, share))


def _repair_lines(done: Repair, *, dry_run: bool) -> Iterator[Line]:
    for finding in done.before.findings:
        yield from _finding_lines(finding)
    for action in done.actions:
        yield line((action.id, "bold"), (f"  {action.where}: {action.message}", ""))
    if not done.actions:
        yield line(("nothing to repair" if done.before.is_sound else "nothing can be mended with what there is", ""))
        return
    verb = "this would leave" if dry_run else "mended;"
    left = [finding for finding in done.after.findings if finding.severity == "error"]
    yield line((f"{verb} {count(len(left), 'error')}", "green" if done.after.is_sound else "bold red"))
    for finding in left:
        yield from _finding_lines(finding)
    if dry_run:
        yield line(("nothing was changed; the same with --yes does it", ""))


def _lines(report: Report, share: float) -> Iterator[Line]:
    for finding in report.findings:
        yield from _finding_lines(finding)
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = count(len(report.findings) - errors, "warning")
    verdict = ("sound", "green") if report.is_sound else ("damaged", "bold red")
    looked = f"{count(report.records, 'record')}, {count(report.objects, 'object')}, {_read(report, share)}"
    yield line(verdict, (f": {count(errors, 'error')}, {warnings}; checked {looked}", ""))
    if any(finding.severity == "error" for finding in report.findings):
        yield line(("`datafolio fsck --repair` says what can be mended", "dim"))
    if report.unneeded:
        free = f"{count(report.unneeded, 'object')} ({format_size(report.unneeded_bytes)})"
        yield line((f"not needed: {free}; `datafolio snapshot gc` frees that", "dim"))


def _read(report: Report, share: float) -> str:
    if not share:
        return "no data read"
    read = f"{format_size(report.checked_bytes)} read"
    return read if share == 1 else f"{read} ({share:.3g} of the data, drawn by lot)"


def _finding_lines(finding: Finding) -> Iterator[Line]:
    style = _COLOURS[finding.severity]
    yield line((finding.severity, style), (f"  {finding.id}  {finding.where}: {finding.message}", ""))
    for affected in finding.affects[:_SHOWN]:
        yield line((f"  affects {affected}", ""))
    if len(finding.affects) > _SHOWN:
        yield line((f"  and {len(finding.affects) - _SHOWN} more; --json has all", ""))
