"""``python -m datafolio``: the same as the ``datafolio`` command."""

from __future__ import annotations

import sys

from datafolio.cli import main

if __name__ == "__main__":
    sys.exit(main())
