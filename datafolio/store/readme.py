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
- This prints the name, the type and the file of every current item, with nothing but Python's standard library:

      import json, pathlib, sys
      folio = pathlib.Path(sys.argv[1])
      def entries(node, place):
          yield from node.get("entries", {}).items()
          for ref in node.get("refs", []): yield from entries(json.loads(place(ref[3]).read_bytes()), place)
      file = lambda folder, name: folio / folder / name[:2] / name[2:]
      record = json.loads(max((folio / "log").glob("[0-9]" * 12)).read_bytes())
      condemned = dict(entries(record["condemned"], lambda digest: file("condemned", digest)))
      place = lambda digest: file("objects", f"{digest}~{condemned[digest]}" if digest in condemned else digest)
      for name, item in sorted(entries(record["items"], place)): print(name, item["type"], place(item["digest"]), sep="\\t")

- `items.json` and `snapshots.json` list everything in one place for people and for git. They are copies: nothing
  is lost if they are missing or old.

Models are pickles: loading one runs code from it. Load them only from people you trust.
"""
