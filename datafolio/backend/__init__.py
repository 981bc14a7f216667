"""Where bytes live: one contract (`base`), and an implementation a file."""

from datafolio.backend.base import Backend, Key, Listed, Stage, is_full
from datafolio.backend.local import LocalBackend
from datafolio.backend.memory import MemoryBackend

__all__ = ["Backend", "Key", "Listed", "LocalBackend", "MemoryBackend", "Stage", "is_full"]
