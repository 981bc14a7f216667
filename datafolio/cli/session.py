"""Which folio a command is about."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from datafolio.errors import FolioNotFoundError, UsageError
from datafolio.porcelain.folio import DataFolio
from datafolio.store.repository import DUE_SHARE

if TYPE_CHECKING:
    import typer

__all__ = [
    "Target",
    "find_target",
    "parse_share",
    "reading",
    "target_of",
    "writing",
]

_SHARE = re.compile(r"(?P<number>\d{1,6}(\.\d*)?|\.\d+) ?(?P<percent>%?)", re.ASCII)
_TRUST = {"": True, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Target(NamedTuple):
    """The folio that the command line, the environment or the current directory names."""

    path: str
    named_by: Literal["--folio", "DATAFOLIO_PATH", "the current directory"]
    #: Whether items that run code when they are read may be read.
    trust: bool
    #: After what share of garbage collections come by themselves; None for never.
    auto_gc: float | None

    def open(self, *, read_only: bool) -> DataFolio:
        """Raises FolioNotFoundError, and makes nothing, where there is none."""
        try:
            return DataFolio.open(self.path, read_only=read_only, trust=self.trust, auto_gc=self.auto_gc)
        except FolioNotFoundError as error:
            raise self.explained(error) from error

    def explained(self, error: FolioNotFoundError) -> FolioNotFoundError:
        """`error`, with how to name another folio if nobody named this one, and who did if it was the environment."""
        if self.named_by == "the current directory":
            return FolioNotFoundError(f"{error}; to work with one elsewhere, use --folio PATH or set DATAFOLIO_PATH")
        if self.named_by == "DATAFOLIO_PATH":
            return FolioNotFoundError(f"{error} (the path comes from DATAFOLIO_PATH)")
        return error


def find_target(folio: str | None, environment: Mapping[str, str]) -> Target:
    """The option's folio, else that of DATAFOLIO_PATH, else the current directory's."""
    settings = _trust_in(environment), _auto_gc_in(environment)
    if folio is not None:
        return Target(folio, "--folio", *settings)
    if named := environment.get("DATAFOLIO_PATH"):
        return Target(named, "DATAFOLIO_PATH", *settings)
    return Target(os.curdir, "the current directory", *settings)


def _trust_in(environment: Mapping[str, str]) -> bool:
    word = environment.get("DATAFOLIO_TRUST", "").strip().lower()
    if word not in _TRUST:
        raise UsageError(f"DATAFOLIO_TRUST is {word!r}; set it to 0 or 1")
    return _TRUST[word]


def _auto_gc_in(environment: Mapping[str, str]) -> float | None:
    word = environment.get("DATAFOLIO_AUTO_GC", "").strip().lower()
    if word in ("", "off"):
        return None if word else DUE_SHARE
    share = parse_share(word)
    if share is None:
        raise UsageError(f"DATAFOLIO_AUTO_GC is {word!r}; set it to a share, such as {DUE_SHARE}, or to off")
    return share


def parse_share(text: str) -> float | None:
    """The number that ``5%`` or ``0.05`` means, or None for another text."""
    match = _SHARE.fullmatch(text.strip())
    return float(match["number"]) / (100 if match["percent"] else 1) if match else None


def target_of(context: typer.Context) -> Target:
    """The folio of the command that is running."""
    target = context.obj
    assert isinstance(target, Target)
    return target


def reading(context: typer.Context) -> DataFolio:
    """The folio, to look at: nothing in it is written."""
    return target_of(context).open(read_only=True)


def writing(context: typer.Context) -> DataFolio:
    """The folio, to change."""
    return target_of(context).open(read_only=False)
