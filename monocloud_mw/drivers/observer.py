"""Passes events to observers, whose exceptions must not affect requests."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Final, TypeAlias, get_args

from ..events import Event, Observer, ObserverFunction

__all__ = ["Notify", "notifier"]

Notify: TypeAlias = Callable[[Event], None]

_logger: Final = logging.getLogger("monocloud_mw")


def notifier(*observers: Observer | ObserverFunction | None) -> Notify | None:
    """Return a function that passes an event to all observers, or ``None`` without observers.

    The first exception of an observer is logged; the observer still gets further events.
    """
    each = [_SafeObserver(observer) for observer in observers if observer is not None]
    if len(each) < 2:
        return each[0] if each else None

    def notify(event: Event) -> None:
        for observer in each:
            observer(event)

    return notify


class _SafeObserver:
    def __init__(self, observer: Any) -> None:
        kinds: tuple[Any, ...] = get_args(Event)
        methods = {kind: getattr(observer, kind.handler, None) for kind in kinds}
        self._methods = {kind: method for kind, method in methods.items() if callable(method)}
        self._function = None if self._methods else observer
        self._has_failed = False

    def __call__(self, event: Event) -> None:
        tell = self._function or self._methods.get(type(event))
        if tell is None:
            return
        try:
            tell(event)
        except (Exception, CancelledError, GeneratorExit) as error:  # noqa: BLE001  never breaks a request
            if not self._has_failed:
                self._has_failed = True
                _logger.error(  # noqa: TRY400  message and traceback may contain secrets
                    "the observer failed with %s; further failures of it are not logged", type(error).__name__
                )
