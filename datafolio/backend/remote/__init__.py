"""Object stores, through fsspec: bytes at keys below one prefix of a bucket."""

from datafolio.backend.remote.backend import RemoteBackend, public_url

__all__ = ["RemoteBackend", "public_url"]
