"""HTTP/1.1 as far as a proxy needs it: heads are read, bodies are passed on in pieces."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["LARGEST_HEAD", "Head", "discard_body", "pass_body", "pass_reply_body", "read_head"]

#: In bytes.
LARGEST_HEAD = 1 << 20

_PIECE = 256 << 10


@dataclass(frozen=True)
class Head:
    """The first line of a message, and its fields."""

    first: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """The value of the field `name`, which is in lower case."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    def without(self, name: str) -> Head:
        """The same but for the field `name`, which is in lower case."""
        return Head(self.first, tuple(field for field in self.fields if field[0].lower() != name))

    def encoded(self) -> bytes:
        """As it is sent."""
        lines = [self.first, *(f"{key}: {value}" for key, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks, the last of which is empty."""
        return (self.get("transfer-encoding") or "").lower() == "chunked"

    @property
    def length(self) -> int | None:
        """The length of the body in bytes, where the head says it."""
        length = self.get("content-length")
        return None if length is None else int(length)

    @property
    def status(self) -> int:
        """The status of a reply."""
        return int(self.first.split(" ", 2)[1])


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The head of the next message; None where the connection ended instead."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    return Head(first, tuple((name, value.strip()) for name, _, value in pairs))


async def pass_body(head: Head, source: asyncio.StreamReader, target: asyncio.StreamWriter | None) -> None:
    """Pass on the body of a request, or of a reply whose head says where it ends; to nobody, if there is no target."""
    if head.is_chunked:
        await _pass_chunks(source, target)
    else:
        await _pass_bytes(head.length or 0, source, target)


async def pass_reply_body(
    head: Head, method: str, source: asyncio.StreamReader, target: asyncio.StreamWriter | None
) -> bool:
    """Pass on the body of a reply to `method`; whether the connection can be used again."""
    if method == "HEAD" or head.status in {204, 304}:
        return True
    if head.is_chunked or head.length is not None:
        await pass_body(head, source, target)
        return (head.get("connection") or "").lower() != "close"
    while piece := await source.read(_PIECE):
        await _give(piece, target)
    return False


async def discard_body(head: Head, source: asyncio.StreamReader) -> None:
    """Read the body of a request and forget it."""
    await pass_body(head, source, None)


async def _pass_chunks(source: asyncio.StreamReader, target: asyncio.StreamWriter | None) -> None:
    while True:
        line = await source.readuntil(b"\r\n")
        await _give(line, target)
        size = int(line.split(b";")[0], 16)
        if not size:
            break
        await _pass_bytes(size + 2, source, target)
    while line != b"\r\n":  # fields after the last chunk, and the empty line that ends them
        line = await source.readuntil(b"\r\n")
        await _give(line, target)


async def _pass_bytes(size: int, source: asyncio.StreamReader, target: asyncio.StreamWriter | None) -> None:
    while size:
        piece = await source.read(min(size, _PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        await _give(piece, target)


async def _give(piece: bytes, target: asyncio.StreamWriter | None) -> None:
    if target is not None:
        target.write(piece)
        await target.drain()
