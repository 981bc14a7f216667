"""Item types: Python values to payload bytes and back.  Importing this imports none of the libraries they serve."""

from __future__ import annotations

from datafolio.items.array import ArrayType
from datafolio.items.artifact import ArtifactType
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.figure import FigureType
from datafolio.items.json import JsonType
from datafolio.items.model import ModelType
from datafolio.items.registry import ITEM_TYPES, by_tag, detect
from datafolio.items.table import TableType
from datafolio.items.timestamp import TimestampType

__all__ = [
    "ITEM_TYPES",
    "ArrayType",
    "ArtifactType",
    "Encoded",
    "FigureType",
    "ItemType",
    "JsonType",
    "ModelType",
    "Payload",
    "Sink",
    "TableType",
    "TimestampType",
    "by_tag",
    "detect",
]
