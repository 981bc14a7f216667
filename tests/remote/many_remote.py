"""Many processes at once on one bucket, beside a collector: none loses another's work.

python -m tests.remote.many_remote
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.reliability.many import Mixed, mixed_work
from tests.remote.places import new_place, without_cache
from tests.remote.servers import Server, seaweed

__all__ = ["many_remote"]


def many_remote(server: Server, workers: int, operations: int) -> Mixed:
    """What comes of `workers` processes of `operations` each, and one that collects all the while."""
    place = new_place(server)
    return mixed_work(place.url, workers, operations, storage_options=place.options)


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was not as it should be."""
    without_cache()
    with tempfile.TemporaryDirectory(prefix="many-remote-") as folder, seaweed(Path(folder)) as server:
        mixed = many_remote(server, 6, 100)
    print(
        f"6 processes x 100 operations on one bucket beside {mixed.collections} collections: "
        f"{mixed.operations} acknowledged, {len(mixed.missing)} effects missing, {len(mixed.findings)} fsck findings; "
        f"{mixed.operations / mixed.seconds:.0f} operations/s ({mixed.seconds:.0f} s)"
    )
    for words in [*mixed.missing[:10], *mixed.findings[:10]]:
        print(f"  {words}")
    if mixed.missing or mixed.findings:
        sys.exit(1)


if __name__ == "__main__":
    main()
