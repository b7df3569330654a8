"""Excludes contenders that accept an invalid token, since their figures could not be compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .tokens import Workload

__all__ = ["Validate", "check_fairness"]

Validate: TypeAlias = Callable[[str], Any]
"""Takes a token and returns its claims or raises."""


def check_fairness(name: str, validate: Validate, workload: Workload) -> None:
    """Check that a contender does all the work.

    Raises:
        SystemExit: it refuses a good token, or accepts a bad one.
    """
    validate(workload.tokens[0])
    for fault, token in workload.bad_tokens().items():
        try:
            validate(token)
        except Exception:  # noqa: BLE001  whatever it refuses with
            continue
        raise SystemExit(f"{name} accepts a token that is bad ({fault}): its figures would say nothing")
