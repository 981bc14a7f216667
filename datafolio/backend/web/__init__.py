"""Published folders, read over HTTP."""

from datafolio.backend.web.backend import HttpBackend

__all__ = ["HttpBackend"]
