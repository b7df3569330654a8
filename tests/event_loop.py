"""One event loop for the calls that tests make in process; creating one takes longer than most calls."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["close_event_loop", "run"]

T = TypeVar("T")

_runner = functools.cache(asyncio.Runner)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the shared event loop."""
    return _runner().run(coroutine, context=contextvars.copy_context())


def close_event_loop() -> None:
    """Close the shared event loop, which waits for its threads; not at exit, when none can start any more."""
    if _runner.cache_info().currsize:
        _runner().close()
