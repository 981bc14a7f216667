"""A seal: the digest of a JSON object as its own last field, for files that no other file names."""

from __future__ import annotations

from datafolio.digest import digest_of

__all__ = ["is_sealed", "sealed"]

_SEAL = b',"check":"%b"}'
_LENGTH = len(_SEAL % (b"0" * 64))


def sealed(encoded: bytes) -> bytes:
    """A JSON object with the digest of all that stands before as its last field."""
    return encoded[:-1] + _SEAL % digest_of(encoded[:-1]).encode()


def is_sealed(data: bytes) -> bool:
    """Whether `data` is, to the last bit, what `sealed` made."""
    body = data[:-_LENGTH]
    return data == body + _SEAL % digest_of(body).encode()
