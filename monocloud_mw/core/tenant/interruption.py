"""Distinguishes interrupted loads from failed ones.

A load that fails long after its timeout was interrupted: its process was stopped, or the machine suspended.
That says nothing about the state of the tenant, so it does not count as a failure.
"""

from __future__ import annotations

from typing import TypeVar

from ...errors import HttpError
from ..effects import Failure, Flow, read_clock
from .refresh_policy import is_late

__all__ = ["InterruptedLoadError", "in_time", "was_interrupted"]

T = TypeVar("T")


class InterruptedLoadError(HttpError):
    """A load was interrupted, which says nothing about the state of the tenant."""


def in_time(flow: Flow[T], timeout: float) -> Flow[T]:
    """Run a flow that has its own timeout, and distinguish failures from interruptions.

    Raises:
        InterruptedLoadError: the flow failed long after its timeout.
    """
    began = yield from read_clock()
    try:
        return (yield from flow)
    except HttpError as error:
        if is_late(began, (yield from read_clock()), timeout):
            raise InterruptedLoadError(str(error)) from error
        raise


def was_interrupted(answer: object) -> bool:
    """Return whether the answer to an effect is the failure of an interrupted load."""
    return isinstance(answer, Failure) and isinstance(answer.error, InterruptedLoadError)
