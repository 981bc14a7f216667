"""The nodes of maps that were read or made lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from datafolio.backend import Backend
from datafolio.digest import Digest
from datafolio.errors import DamageError, StorageError
from datafolio.store.forks import Forkable, renewed_in_children
from datafolio.store.model import Node, decode
from datafolio.store.parallel import in_parallel
from datafolio.store.shape import AheadLoader

__all__ = ["Nodes"]

_KEPT = 1024
# Far away each of them is a request.
_KEPT_OF_DISTANT = 4096


class Nodes(AheadLoader, Forkable):
    """Nodes by digest, of which the last used stay in memory.  Safe to share between threads."""

    def __init__(self, backend: Backend, read: Callable[[Digest], bytes]) -> None:
        """`read` gives a node's bytes; several are read at once where that pays on `backend`."""
        self._threads = backend.concurrency if backend.is_distant else 0
        self._most = _KEPT_OF_DISTANT if backend.is_distant else _KEPT
        self._read = read
        self._kept: OrderedDict[Digest, Node] = OrderedDict()
        # Python may collect garbage, and finish a handle that has written, while this thread holds it.
        self._lock = threading.RLock()
        renewed_in_children(self)

    def __call__(self, digest: Digest) -> Node:
        """The node.  Raises MissingObjectError, or DamageError for bytes that are not the node's."""
        with self._lock:
            node = self._kept.get(digest)
            if node is not None:
                self._kept.move_to_end(digest)
                return node
        return self.keep(digest, self._read(digest))

    def keep(self, digest: Digest, data: bytes) -> Node:
        """Decode a node, and keep it."""
        node = decode(data, Node, f"the node {digest}")
        with self._lock:
            self._kept[digest] = node
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return node

    def ahead(self, digests: Sequence[Digest]) -> None:
        if not self._threads:
            return
        with self._lock:
            missing = [digest for digest in digests if digest not in self._kept][: self._most // 2]
        if len(missing) > 1:
            in_parallel(self._try, missing, self._threads)

    def _try(self, digest: Digest) -> None:
        try:
            self(digest)
        except (StorageError, DamageError):
            return  # whoever needs it meets the same, and says it

    def renew(self) -> None:
        """See `Forkable`: in a forked process only."""
        self._lock = threading.RLock()
        self._kept = OrderedDict()
