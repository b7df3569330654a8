"""``python -m monocloud_mw``: the same as the command ``monocloud-mw``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
