"""``datafolio fsck``: is everything there, and is it what was written?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from datafolio.backend import LocalBackend
from datafolio.cli.output import emit, report_document
from datafolio.cli.render import count, line, progress_bar, show
from datafolio.cli.session import Json, target_of
from datafolio.errors import FolioNotFoundError
from datafolio.porcelain.place import bind_path
from datafolio.store.fsck import Finding, Report
from datafolio.store.fsck import fsck as check
from datafolio.text import format_size

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["fsck"]

_COLOURS = {"error": "bold red", "warning": "yellow"}


def fsck(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Check that data are there, and their size; read none.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that everything is as it was written.

    The folio's structure, and the digest of everything in it.  Exits with 1 if there is damage, and
    says what that affects.  Changes nothing.

    Example: datafolio --folio experiments/classifier fsck
    """
    target = target_of(context)
    path = bind_path(target.path)
    try:
        with progress_bar("checking") as progress:
            # Not opened first: a folio that can't be is what this is for.
            report = check(LocalBackend(path), payloads=not quick, progress=progress)
    except FolioNotFoundError as error:
        raise target.explained(error) from error
    if as_json:
        emit(report_document(path, report))
    else:
        show(*_lines(report, quick=quick))
    raise typer.Exit(int(not report.is_sound))


def _lines(report: Report, *, quick: bool) -> Iterator[Text]:
    for finding in report.findings:
        yield from _finding_lines(finding)
    errors = sum(finding.severity == "error" for finding in report.findings)
    warnings = count(len(report.findings) - errors, "warning")
    verdict = ("sound", "green") if report.is_sound else ("damaged", "bold red")
    read = "no data read" if quick else f"{format_size(report.checked_bytes)} read"
    looked = f"{count(report.records, 'record')}, {count(report.objects, 'object')}, {read}"
    yield line(verdict, (f": {count(errors, 'error')}, {warnings}; checked {looked}", ""))
    if report.unneeded:
        free = f"{count(report.unneeded, 'object')} ({format_size(report.unneeded_bytes)})"
        yield line((f"not needed: {free}; `datafolio snapshot gc` frees that", "dim"))


def _finding_lines(finding: Finding) -> Iterator[Text]:
    style = _COLOURS[finding.severity]
    yield line((finding.severity, style), (f"  {finding.id}  {finding.where}: {finding.message}", ""))
    for affected in finding.affects:
        yield line((f"  affects {affected}", ""))
