"""One target under atheris; a process of its own, started by ``python -m tests.fuzz``."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["monocloud_mw"]):
    from .targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target.run)
    atheris.Fuzz()
