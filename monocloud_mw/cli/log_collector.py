"""Collects the log of the package while a command runs, so that it does not mix with the output."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

__all__ = ["collect_log"]


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def collect_log() -> Iterator[list[str]]:
    """Collect the warnings and errors of the package for the duration of a ``with`` block."""
    logger, collector = logging.getLogger("monocloud_mw"), _Collector()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate
