"""The text that every folio carries, so that it can be read without datafolio."""

from __future__ import annotations

__all__ = ["README"]

README = b"""\
# This directory is a folio

It holds the tables, models, arrays, files and metadata of an experiment, and its snapshots, written by
datafolio (`pip install datafolio`). Move, copy or zip it as a whole; nothing in it depends on where it is.
Do not edit or delete files in it by hand.

    datafolio --folio . describe          what is in it
    datafolio --folio . snapshot list     its snapshots
    datafolio --folio . fsck              is everything whole?

## Without datafolio

- `log/` has numbered records. The one with the highest number is the current state, as JSON: `items` maps each
  name to its `digest`, and `snapshots` maps each name to a `snapshot` whose `tree` lists its items the same way.
- The bytes of an item with the digest `abcdef...` are the ordinary file `objects/ab/cdef...` (perhaps followed by
  `~` and a number): Parquet for tables, .npy for arrays, JSON, PNG, a pickle for models, or your own file.
  `b3sum` of the file gives its name.
- A map with many names is split: `refs` then lists the digests of further nodes, which are objects too.
- `items.json` and `snapshots.json` list everything in one place for people and for git. They are copies: nothing
  is lost if they are missing or old.

Models are pickles: loading one runs code from it. Load them only from people you trust.
"""
