"""What a forked process makes anew: the locks of what it was given, and what they guarded.

Of the threads of a process only the one that forks lives on in the child.  A lock that another
held would stay held there for ever, and what that thread was changing stay half changed.
"""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod

__all__ = ["Forkable", "renewed_in_children"]


class Forkable(ABC):
    """Something that guards what it holds with a lock."""

    @abstractmethod
    def renew(self) -> None:
        """In a process just forked, while it has one thread: make the locks anew, and right what may be half done.

        Reads and writes no file.
        """


_guarded: weakref.WeakSet[Forkable] = weakref.WeakSet()


def renewed_in_children(guarded: Forkable) -> None:
    """Have `guarded` renewed in every process forked from this one, for as long as it lives."""
    _guarded.add(guarded)


def _renew_all() -> None:
    for guarded in list(_guarded):
        guarded.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
