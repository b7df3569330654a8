"""A fault that lets a test decide when the tenant responds."""

from __future__ import annotations

import threading
from typing import ClassVar

from werkzeug import Response

from monocloud_mw.testing.faults import Exchange

__all__ = ["Gate"]


class Gate:
    """A fault that delays responses until the test opens the gate."""

    timeout_seconds: ClassVar = 60.0
    """How long to wait for either side; must not expire in a test."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self._reached = threading.Event()

    def __call__(self, exchange: Exchange) -> Response:
        self._reached.set()
        assert self._opened.wait(self.timeout_seconds)
        return exchange.answer()

    def open(self) -> None:
        """Let current and later responses pass."""
        self._opened.set()

    def await_request(self) -> None:
        """Wait until a request has reached the gate."""
        assert self._reached.wait(self.timeout_seconds)
