"""Rate limit for log records of each kind.

Each kind has an allowance of :data:`BURST` records, which is refilled by one every :data:`REFILL_SECONDS`.
Further records are counted instead of written; the next record of that kind has the number of skipped records
in its text and as ``left_out``.

Kinds are few and never foreign text, so memory is bounded. The time is that of the record; no clock is read.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from typing import Any, Final

__all__ = ["LimitedLog", "RecordAllowance"]

BURST: Final = 5
REFILL_SECONDS: Final = 10.0
MAX_KINDS: Final = 256
"""More than exist in practice; further kinds share one allowance."""


class RecordAllowance:
    """The number of records of one kind that may be written; times are seconds of any one clock."""

    __slots__ = ("_allowed", "_left_out", "_since")

    def __init__(self) -> None:
        self._allowed = float(BURST)
        self._since: float | None = None
        self._left_out = 0

    def take(self, now: float) -> int | None:
        """Return the number of records skipped before this one, or ``None`` if this one is skipped too."""
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
    """Writes records to a logger within the allowance of their kind.

    Threads may share it without a lock: a race at most changes a count or the number of records by one.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._allowances: dict[Hashable, RecordAllowance] = {}

    def is_enabled_for(self, level: int) -> bool:
        """Return whether the logger writes records of a level."""
        return self._logger.isEnabledFor(level)

    def write(
        self,
        level: int,
        kind: Hashable,
        message: str,
        *arguments: object,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record, or count it if the allowance is used up.

        Args:
            level: the level of the record.
            kind: what the record is about; records of one kind and level share an allowance.
            message: the message, with ``%s`` for each argument.
            arguments: the arguments, as for :meth:`logging.Logger.log`.
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
            record.msg += " (%s similar records were skipped before)"
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
