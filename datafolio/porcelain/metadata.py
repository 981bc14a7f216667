"""Metadata: dicts, lists and sets that save themselves.

A change is committed as what it is, a call of a method at a path (``["history"].append(3)``), and
made on the newest metadata there are.  So changes by several writers meet in the log without undoing
each other, even inside one nested value.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from datafolio.canonical import MAX_DEPTH, pack
from datafolio.errors import DamageError, StorageError, UnsupportedValueError, UsageError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.conflicts import Call, Path, container_at, place_of, require_container
from datafolio.store.changes import set_metadata
from datafolio.store.forks import Forkable, renewed_in_children
from datafolio.store.state import State, unpack_metadata

__all__ = ["Metadata"]


class _Root(Forkable):
    """The metadata of one handle: what the containers at all paths read from and write to."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._packed: Mapping[str, Any] | None = None
        self._plain: dict[Any, Any] = {}
        #: Held while what a container shows is brought up to date and read.
        self.lock = threading.RLock()
        #: What brings a container up to date, while that is under way.
        self.filling: Callable[[], None] | None = None
        self._thread = threading.local()
        renewed_in_children(self)

    def renew(self) -> None:
        """Used in a forked process only: see `Forkable`."""
        self.lock = threading.RLock()
        if self.filling is not None:
            self.filling()

    def newest(self) -> dict[Any, Any]:
        """The metadata as they are now, plain."""
        packed = self._binding.view(lambda state: state.metadata)
        if packed is not self._packed:
            self._plain = unpack_metadata(packed)
            self._packed = packed
        return self._plain

    def call(self, target: _Tracked, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a method of the container that `target` shows, durably.  What it raises leaves all as it was."""
        self._thread.settled = None
        with self.lock:
            wanted = Call(target.path, _plain(target), target.kind, method, args, kwargs)
        result = None

        def change(state: State) -> State:
            nonlocal result
            plain = unpack_metadata(state.metadata)
            result = getattr(target.kind, method)(require_container(plain, wanted), *args, **kwargs)
            return set_metadata(state, pack(plain, "metadata"))

        self._binding.commit(_words(target.path, method, args), change)
        return result

    def settle(self, path: Path, container: _Tracked) -> _Tracked:
        """Remember that this thread's last change was an in-place operator's, on the `container` at `path`."""
        self._thread.settled = (path, container)
        return container

    def is_settled(self, path: Path, value: Any) -> bool:
        """Whether setting `path` to `value` is only the second half of ``metadata["runs"] += [run]``.

        The first half has saved it; doing the second could undo what another writer did in between.
        """
        settled = getattr(self._thread, "settled", None)
        return settled is not None and settled[0] == path and settled[1] is value

    def replace(self, contents: dict[Any, Any]) -> None:
        """Make `contents` the whole of the metadata, durably."""
        packed = pack(contents, "metadata")
        self._binding.commit("replace metadata", lambda state: set_metadata(state, packed))


def _words(path: Path, method: str, args: tuple[Any, ...]) -> str:
    """The operation for the log.  Values stay out of it."""
    place = place_of(path)
    if method in {"__setitem__", "__delitem__"}:
        verb = "set" if method == "__setitem__" else "delete"
        return f"{verb} {place}[{args[0]!r}]"
    return f"change {place} ({method.strip('_')})"


class _Tracked:
    """A dict, list or set at a path inside the metadata.  A mixin."""

    kind: ClassVar[type[Any]]
    _root: _Root
    path: Path

    def __init__(self, root: _Root, path: Path, value: Any) -> None:
        super().__init__()
        self._root = root
        self.path = path
        self._fill(value)

    def _fill(self, value: Any) -> None:
        raise NotImplementedError

    def _show_saved(self) -> None:
        """Take over a change that is durable by now, so what keeps it from being read is told by the next read."""
        with contextlib.suppress(StorageError, DamageError):
            self._refresh()

    def _refresh(self) -> None:
        """Take over what is at the path now, if it is still of this kind."""
        with self._root.lock:
            now = container_at(self._root.newest(), self.path, self.kind)
            if now is not None:
                self._show(now)

    def _show(self, value: Any) -> None:
        """Take over `value`, holding the lock.  A process forked half-way through does it again."""
        self._root.filling = functools.partial(self._fill, value)
        self._fill(value)
        self._root.filling = None

    def _wrap(self, key: Any, value: Any) -> Any:
        return _tracked(self._root, (*self.path, key), value)


def _tracked(root: _Root, path: Path, value: Any) -> Any:
    """`value` such that changes inside it are saved."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind(root, path, value)
    if type(value) is tuple:
        return tuple([_tracked(root, (*path, index), item) for index, item in enumerate(value)])
    return value


_IN_PLACE = frozenset({"__iadd__", "__imul__", "__ior__", "__iand__", "__isub__", "__ixor__"})


def _writes(method: str) -> Any:
    """A method that changes the container: made durable first, and shown here after."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = self._root.call(self, method, tuple(_plain(arg) for arg in args), _plain(kwargs))
        self._show_saved()
        # An in-place operator returns the container itself.
        return self._root.settle(self.path, self) if method in _IN_PLACE else result

    call.__name__ = method
    return call


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` without any tracking, as a user would have written it."""
    if depth > MAX_DEPTH:
        raise UnsupportedValueError(f"the metadata would be nested more than {MAX_DEPTH} deep, or contain themselves")
    if type(value) is dict or isinstance(value, _TrackedDict):
        return {key: _plain(item, depth + 1) for key, item in dict.items(value)}
    if type(value) is list or isinstance(value, (_TrackedList, Iterator)):
        # An iterator can be read once, and a change may have to be made again.
        return [_plain(item, depth + 1) for item in value]
    if type(value) is tuple:
        return tuple([_plain(item, depth + 1) for item in value])
    return set(value) if isinstance(value, _TrackedSet) else value


class _TrackedDict(_Tracked, dict[Any, Any]):
    """A dict inside the metadata."""

    kind = dict

    def _fill(self, value: dict[Any, Any]) -> None:
        if list(dict.keys(self)) != list(value):  # else a loop over the keys may be under way
            dict.clear(self)
        for key, item in value.items():
            dict.__setitem__(self, key, self._wrap(key, item))

    def copy(self) -> dict[Any, Any]:
        """A plain dict with the same contents, which saves nothing."""
        with self._root.lock:  # another thread may be bringing it up to date
            plain: dict[Any, Any] = _plain(self)
        return plain

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)

    def __deepcopy__(self, memo: Any) -> dict[Any, Any]:
        return self.copy()

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self._root.is_settled((*self.path, key), value):
            self._set(key, value)

    __copy__ = copy
    _set = _writes("__setitem__")
    __delitem__ = _writes("__delitem__")
    __ior__ = _writes("__ior__")
    update = _writes("update")
    pop = _writes("pop")
    popitem = _writes("popitem")
    clear = _writes("clear")

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value at `key`, which becomes `default` if there is none."""
        self._root.call(self, "setdefault", (key, _plain(default)), {})
        self._refresh()
        return self[key]


class _TrackedList(_Tracked, list[Any]):
    """A list inside the metadata."""

    kind = list

    def _fill(self, value: list[Any]) -> None:
        list.__setitem__(self, slice(None), [self._wrap(index, item) for index, item in enumerate(value)])

    def copy(self) -> list[Any]:
        """A plain list with the same contents, which saves nothing."""
        with self._root.lock:
            plain: list[Any] = _plain(self)
        return plain

    def __reduce__(self) -> Any:
        return list, (self.copy(),)

    def __deepcopy__(self, memo: Any) -> list[Any]:
        return self.copy()

    def __setitem__(self, index: Any, value: Any) -> None:
        place = index + len(self) if isinstance(index, int) and index < 0 else index
        if not self._root.is_settled((*self.path, place), value):
            self._set(index, value)

    __copy__ = copy
    _set = _writes("__setitem__")
    __delitem__ = _writes("__delitem__")
    __iadd__ = _writes("__iadd__")
    __imul__ = _writes("__imul__")
    append = _writes("append")
    extend = _writes("extend")
    insert = _writes("insert")
    remove = _writes("remove")
    pop = _writes("pop")
    clear = _writes("clear")
    sort = _writes("sort")
    reverse = _writes("reverse")


class _TrackedSet(_Tracked, set[Any]):
    """A set inside the metadata."""

    kind = set

    def _fill(self, value: set[Any]) -> None:
        set.clear(self)
        set.update(self, value)

    def copy(self) -> set[Any]:
        """A plain set with the same members, which saves nothing."""
        with self._root.lock:
            return set(self)

    def __reduce__(self) -> Any:
        return set, (list(self.copy()),)

    def __repr__(self) -> str:
        return repr(set(self))

    def __deepcopy__(self, memo: Any) -> set[Any]:
        return self.copy()

    __copy__ = copy
    __ior__ = _writes("__ior__")
    __iand__ = _writes("__iand__")
    __isub__ = _writes("__isub__")
    __ixor__ = _writes("__ixor__")
    add = _writes("add")
    discard = _writes("discard")
    remove = _writes("remove")
    pop = _writes("pop")
    clear = _writes("clear")
    update = _writes("update")
    difference_update = _writes("difference_update")
    intersection_update = _writes("intersection_update")
    symmetric_difference_update = _writes("symmetric_difference_update")


_KINDS: dict[type[Any], type[_TrackedDict | _TrackedList | _TrackedSet]] = {
    dict: _TrackedDict,
    list: _TrackedList,
    set: _TrackedSet,
}


def _reads(method: str) -> Any:
    """A method that reads the metadata, as they are now."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._root.lock:
            self.refresh()
            return getattr(dict, method)(self, *args, **kwargs)

    call.__name__ = method
    return call


def _looks_over(method: str) -> Any:
    """A method that goes over the keys, all as they are now: others may add some while it does."""

    def call(self: Any) -> Any:
        with self._root.lock:
            self.refresh()
            return getattr(dict, method)(dict(dict.items(self)))

    call.__name__ = method
    return call


class Metadata(_TrackedDict):
    """A folio's metadata: a dict that saves itself.

    Every change is durable when the statement that makes it is done, inside nested dicts, lists
    and sets too, and every read shows what any handle has written by then.  A loop goes
    over the keys as they were when it began, and ``dict(...)`` looks anew at each; `copy` gives all as they
    were at one moment.  A dict or list inside is known by its place: one that was taken out of the
    metadata is read and changed where it was.  Values are what
    `datafolio.canonical` can hold: text, numbers (NaN, infinities and large integers among them),
    None, dates, paths, bytes, and lists, tuples, sets and dicts of these; anything else is refused by
    name with UnsupportedValueError, and nothing is changed.
    """

    def __init__(self, binding: Binding) -> None:
        """The metadata of the state that `binding` shows."""
        self._shown: dict[Any, Any] = {}
        super().__init__(_Root(binding), (), self._shown)

    def refresh(self) -> None:
        """Show what has been written by now.

        Every method does so by itself, but C code that knows a dict when it sees one looks past them.
        """
        with self._root.lock:
            newest = self._root.newest()
            if newest is not self._shown:
                self._show(newest)

    def _fill(self, value: dict[Any, Any]) -> None:
        self._shown = value
        super()._fill(value)

    def replace(self, contents: Mapping[Any, Any]) -> None:
        """Make `contents` the whole of the metadata, in one step."""
        if not isinstance(contents, Mapping):
            raise UsageError(f"the metadata are a dict, not a {type(contents).__name__}: {contents!r}")
        new = _plain(dict(contents))
        self._root.replace(new)
        self._show_saved()

    __getitem__ = _reads("__getitem__")
    __contains__ = _reads("__contains__")
    __iter__ = _looks_over("__iter__")
    __len__ = _reads("__len__")
    __eq__ = _reads("__eq__")
    __ne__ = _reads("__ne__")
    __or__ = _reads("__or__")
    __repr__ = _reads("__repr__")
    __reversed__ = _looks_over("__reversed__")
    __hash__ = None  # type: ignore[assignment]
    get = _reads("get")
    keys = _looks_over("keys")
    values = _looks_over("values")
    items = _looks_over("items")

    def copy(self) -> dict[Any, Any]:
        """A plain dict with the same contents, which saves nothing."""
        with self._root.lock:
            self.refresh()
            return super().copy()

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)

    __copy__ = copy
