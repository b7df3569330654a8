"""Keeps a flood of events from becoming a flood of log records: the first ones of each kind, then counts.

Each kind of record has an allowance of :data:`BURST` records, which grows again by one every
:data:`REFILL_SECONDS`. A record beyond it is counted instead of written; the next record of that kind says
how many were left out, in its text and as ``left_out``.

Kinds are few and never text from outside, so memory is bounded. No clock is read: a record brings its time.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any, Final

__all__ = ["LimitedLog", "RecordAllowance"]

BURST: Final = 5
REFILL_SECONDS: Final = 10.0
MAX_KINDS: Final = 256
"""More than there are; beyond it all others share one allowance."""


class RecordAllowance:
    """How many records of one kind may be written; all times are seconds of one clock, whichever it is."""

    __slots__ = ("_allowed", "_left_out", "_since")

    def __init__(self) -> None:
        self._allowed = float(BURST)
        self._since: float | None = None
        self._left_out = 0

    def take(self, now: float) -> int | None:
        """Return how many records were left out before this one, or ``None`` to leave it out too."""
        elapsed = 0.0 if self._since is None else now - self._since
        if elapsed < 0.0:  # the clock was set back
            elapsed = 0.0
        self._since = now
        self._allowed = min(BURST, self._allowed + elapsed / REFILL_SECONDS)
        if self._allowed < 1.0:
            self._left_out += 1
            return None
        self._allowed -= 1.0
        left_out, self._left_out = self._left_out, 0
        return left_out


class LimitedLog:
    """Writes records to a logger, within the allowance of their kind.

    Threads may share it: what a race changes is a count, or one record more or less.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._allowances: dict[Hashable, RecordAllowance] = {}

    def is_enabled_for(self, level: int) -> bool:
        """Tell whether the logger writes records of a level at all."""
        return self._logger.isEnabledFor(level)

    def write(
        self,
        level: int,
        kind: Hashable,
        message: str,
        *arguments: object,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record, or count it.

        Args:
            level: of the logger.
            kind: what the record is about; records of one kind and level share an allowance.
            message: with ``%s`` for each argument.
            arguments: as those of :meth:`logging.Logger.log`.
            extra: further attributes of the record.
        """
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        record = logger.makeRecord(logger.name, level, __file__, 0, message, arguments, None, extra=extra)
        left_out = self._allowance(level, kind).take(record.created)
        if left_out is None:
            return
        record.left_out = left_out
        if left_out:
            record.msg += " (%s more like this were left out before)"
            record.args = (*arguments, left_out)
        logger.handle(record)

    def _allowance(self, level: int, kind: Hashable) -> RecordAllowance:
        key = (
            (level, kind) if len(self._allowances) < MAX_KINDS or (level, kind) in self._allowances else None
        )
        found = self._allowances.get(key)
        if found is None:
            found = self._allowances.setdefault(key, RecordAllowance())
        return found
