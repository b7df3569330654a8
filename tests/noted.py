"""Names the case in which a loop over a table fails.

A test of its own costs more than a request in process; large tables are therefore checked in a loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["noted"]


@contextmanager
def noted(name: object) -> Iterator[None]:
    """Add the name of the case to an error of the block."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"case: {name}")
        raise
