"""Run blocking functions of transports, each call in a new daemon thread.

The event loop's default executor is not used, because the application shares it: a hanging name server would
block the application's ``asyncio.to_thread``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["run_in_thread"]

T = TypeVar("T")


def run_in_thread(function: Callable[..., T], *arguments: object) -> Future[T]:
    """Call a function in a new thread, and return the future of its result.

    The future cannot be cancelled, so that several callers may wait for it.

    Raises:
        OSError: the system has no more threads, or the interpreter is shutting down.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:  # noqa: BLE001  raised by Future.result()
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    try:
        threading.Thread(target=work, name="monocloud-transport", daemon=True).start()
    except RuntimeError as error:
        raise OSError("no thread can be started") from error
    return outcome
