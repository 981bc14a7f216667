"""The version of datafolio; of the folio format see `datafolio.store.model`."""

__version__ = "0.1.0"
