"""Repairs after random damage.

Never less can be read than before, and a second repair finds nothing to do.  With a copy to take from
everything comes back; another folio, or a copy that parted, takes nothing away.  And a collection of a
damaged folio deletes nothing that is needed.  `python -m tests.reliability.repairs` runs the long form.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from datafolio import DataFolio, FolioError
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck
from datafolio.store.repair import repair
from tests.reliability.damage import HOWS, Values, build, damaged, files_by_kind, overwrite, values


@dataclass
class Figures:
    """What was tried and what came out."""

    trials: int = 0
    damages: Counter[str] = field(default_factory=Counter)
    sound_after: int = 0
    with_copy: int = 0
    with_others: int = 0
    collected: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"repairs: {self.trials} after {self.damages.total()} damages, {self.with_copy} with a copy to take "
            f"from, {self.with_others} with another folio or a copy that parted; "
            f"sound after: {self.sound_after}; collections of damaged folios: {self.collected} done, "
            f"{self.refused} refused; faults: {len(self.faults)}"
        )


class Trials:
    """Copies of one folio, each damaged and mended."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self.whole = folder / "whole"
        build(self.whole)
        self._kinds = files_by_kind(self.whole)
        self._expected = values(self.whole)
        self._others = (_another(folder / "another"), _parted(self.whole, folder / "parted"))
        self.figures = Figures()

    def one(self) -> None:
        root = self._folder / "damaged"
        shutil.copytree(self.whole, root)
        try:
            what, before = self._damage(root)
            self.figures.trials += 1
            # Without the newest record and the marker it is the folio one operation ago, and collected as that.
            if self._chance.random() < 0.2 and not ("of newest record" in what and "of marker" in what):
                self._collect(root, what, before)
            else:
                self._mend(root, what, self._chance.choice((None, self.whole, self.whole, *self._others)))
        finally:
            shutil.rmtree(root)

    def _damage(self, root: Path) -> tuple[str, dict[Path, bytes]]:
        """Damage one to three files; what was done, and what they held."""
        words, before = [], {}
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            kind = self._chance.choice(sorted(self._kinds))
            path = root / self._chance.choice(self._kinds[kind]).relative_to(self.whole)
            how = self._chance.choice(HOWS)
            if path in before:
                continue
            before[path] = path.read_bytes()
            if how == "swap":
                other = root / self._chance.choice(self._kinds[self._chance.choice(sorted(self._kinds))]).relative_to(
                    self.whole
                )
                if other in before:
                    continue
                before[other] = other.read_bytes()
                overwrite(other, before[path])
                overwrite(path, before[other])
            else:
                overwrite(path, damaged(before[path], how, self._chance))
            words.append(f"{how} of {kind} {path.relative_to(root)}")
            self.figures.damages[kind] += 1
        return "; ".join(words), before

    def _mend(self, root: Path, what: str, copy: Path | None) -> None:
        source = None if copy is None else LocalBackend(copy)
        with_copy = copy == self.whole
        self.figures.with_copy += with_copy
        self.figures.with_others += copy in self._others
        before = self._readable(values(root))
        done = repair(LocalBackend(root), source=source, dry_run=False)
        after = self._readable(values(root))
        self.figures.sound_after += done.after.is_sound
        if not before <= after:
            self._fault(what, f"lost {sorted(before - after)[:5]}")
        if with_copy and (not done.after.is_sound or after != self._expected.keys()):
            self._fault(what, f"not all came back from the copy: {done.after.findings[:3]}")
        again = repair(LocalBackend(root), source=source, dry_run=False)
        if again.actions:
            self._fault(what, f"a second repair did {again.actions[:3]}")

    def _collect(self, root: Path, what: str, before: dict[Path, bytes]) -> None:
        """Collect while it is damaged; once the damage is undone, all must be there."""
        try:
            DataFolio(root).cleanup_orphaned_versions()
            self.figures.collected += 1
        except FolioError:
            self.figures.refused += 1
        for path, data in before.items():
            path.unlink(missing_ok=True)  # the marker may be one file with the newest record by now
            path.write_bytes(data)
        if not fsck(LocalBackend(root)).is_sound or self._readable(values(root)) != self._expected.keys():
            self._fault(what, "a collection deleted what is needed")

    def _readable(self, found: Values) -> set[str]:
        return {
            name for name, value in found.items() if not isinstance(value, FolioError) and value == self._expected[name]
        }

    def _fault(self, what: str, message: str) -> None:
        self.figures.faults.append(f"{what}: {message}")


def _another(root: Path) -> Path:
    """A folio that has nothing to do with the first."""
    build(root)
    DataFolio(root).add_json("item 3", "another folio's", overwrite=True)
    return root


def _parted(whole: Path, root: Path) -> Path:
    """A copy of the folio some operations ago, which went on by itself."""
    shutil.copytree(whole, root)
    for record in [root / "log" / "newest", *sorted(root.glob("log/0*"))[-3:]]:
        record.unlink()
    folio = DataFolio(root)
    for number in range(5):
        folio.add_json("item 3", f"on its own way {number}", overwrite=True)
    return root


def run(trials: int, seed: int) -> Figures:
    """So many repairs, or collections of damaged folios."""
    with tempfile.TemporaryDirectory() as folder:
        work = Trials(Path(folder), seed)
        while work.figures.trials < trials:
            work.one()
        return work.figures


def main() -> None:
    """The long form."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1_250
    begin = time.monotonic()
    figures = run(trials, seed=1)
    print(figures, f"({time.monotonic() - begin:.0f} s)", flush=True)
    for line in figures.faults:
        print("  ", line)
    assert not figures.faults


if __name__ == "__main__":
    main()
