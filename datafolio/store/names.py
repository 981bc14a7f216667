"""The rules for names: of items, of snapshots, and of the files that people see."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TypeGuard

from datafolio.digest import digest_of
from datafolio.errors import InvalidNameError, UsageError
from datafolio.store.model import Entry
from datafolio.text import quoted

__all__ = [
    "check_item_name",
    "check_snapshot_name",
    "check_tags",
    "check_text",
    "filename",
    "is_snapshot_name",
    "safe_filename",
]

_SNAPSHOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONGEST_NAME = 255
_LONGEST_FILENAME = 200

# Reserved by Windows, whatever the extension.  It takes superscripts for digits, and drops spaces.
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)")


def check_item_name(name: object) -> str:
    """`name`, if an item can have it.  Raises InvalidNameError."""
    if not isinstance(name, str):
        raise InvalidNameError(f"an item's name is a text, not {quoted(name)} ({type(name).__name__})")
    if not name or name != name.strip():
        raise InvalidNameError(
            f"{quoted(name)} can't be an item's name: it is empty, or begins or ends with white space"
        )
    if len(name) > _LONGEST_NAME:
        raise InvalidNameError(f"an item's name has at most {_LONGEST_NAME} characters; {quoted(name)} has {len(name)}")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise InvalidNameError(f"{quoted(name)} can't be an item's name: it has control characters")
    return name


def is_snapshot_name(name: object) -> TypeGuard[str]:
    """Whether a snapshot can have that name."""
    return isinstance(name, str) and _SNAPSHOT_NAME.fullmatch(name) is not None


def check_snapshot_name(name: object) -> str:
    """`name`, if a snapshot can have it.  Raises InvalidNameError."""
    if not is_snapshot_name(name):
        raise InvalidNameError(
            f"{quoted(name)} can't be a snapshot's name: use letters, digits, '.', '_' and '-', "
            f"beginning with a letter or digit, at most 128 characters"
        )
    return name


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """`tags`, each once, if they are texts that can be tags.  Raises UsageError."""
    if isinstance(tags, str):
        raise UsageError(f"tags is a list of texts; for one tag, write tags=[{quoted(tags)}]")
    if not isinstance(tags, Iterable):
        raise UsageError(f"tags is a list of texts, not a {type(tags).__name__}: {quoted(tags)}")
    checked: dict[str, None] = {}
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or len(tag) > _LONGEST_NAME:
            raise UsageError(f"{quoted(tag)} can't be a tag: use a text of 1 to {_LONGEST_NAME} characters")
        checked[check_text(tag, "a tag") or ""] = None
    return tuple(checked)


def check_text(text: object, what: str) -> str | None:
    """`text`, if it is None or valid Unicode.  Raises UsageError, naming `what`."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise UsageError(f"{what} is a text, not a {type(text).__name__}: {quoted(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{what} is not valid Unicode: {quoted(text)}") from error
    return text


def filename(name: str, entry: Entry) -> str:
    """The file name that people see for a version of an item: ``model.joblib``, ``model_v2.joblib``."""
    version = "" if entry.version == 1 else f"_v{entry.version}"
    return safe_filename(name, version + entry.suffix)


def safe_filename(stem: str, ending: str) -> str:
    """`stem` and `ending` as one name that is harmless in any file system.

    What could mean something to one (separators, dots in front, device names, control characters)
    is percent-encoded; a long stem is shortened, and told from others by its digest.
    """
    ending = _encode(ending).encode()[:_LONGEST_FILENAME].decode(errors="ignore")
    stem = _encode(stem)
    if _DEVICES.match(stem) or _DEVICES.match(stem + ending) or (stem + ending).startswith("."):
        # A name without a stem is none that datafolio writes, but a folio may come from anywhere.
        first, stem, ending = (stem[0], stem[1:], ending) if stem else (ending[0], "", ending[1:])
        stem = f"%{ord(first):02X}{stem}"
    name = _shorten(stem, _LONGEST_FILENAME - len(ending.encode())) + ending
    if not name or name[-1] in ". ":  # which Windows drops
        name = name[:-1] + f"%{ord(name[-1:] or '.'):02X}"
    return name


def _encode(text: str) -> str:
    return "".join(
        character if character.isalnum() or character in "-_.+=@,() " else _percent(character) for character in text
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))


def _shorten(stem: str, room: int) -> str:
    if len(stem.encode()) <= room:
        return stem
    mark = "~" + digest_of(stem.encode())[:16]
    return stem.encode()[: max(room - len(mark), 0)].decode(errors="ignore") + mark
