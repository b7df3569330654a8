"""Connect to a host with several addresses, some of which may not respond (RFC 8305).

Address families alternate, beginning with that of the first address (section 4). The next address is tried
250 ms after the previous one, or as soon as that has failed (section 5). The first connection is used, and
the others are closed.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, zip_longest
from typing import Any, Final, TypeVar

__all__ = ["async_connect", "connect", "interleaved"]

ATTEMPT_DELAY_SECONDS: Final = 0.25

T = TypeVar("T")


def interleaved(addresses: Iterable[str]) -> list[str]:
    """Return the addresses with alternating families; the order within a family is kept."""
    by_family: dict[bool, list[str]] = {}
    for address in addresses:
        by_family.setdefault(":" in address, []).append(address)
    return [address for address in chain(*zip_longest(*by_family.values())) if address is not None]


def connect(
    addresses: Iterable[str], port: int, *, deadline: float, options: Iterable[tuple[Any, ...]] = ()
) -> socket.socket:
    """Return a connected, non-blocking socket.

    Args:
        addresses: numeric addresses in the order of preference.
        port: the port.
        deadline: when to stop, on the monotonic clock.
        options: arguments of ``setsockopt`` for each socket.

    Raises:
        TimeoutError: the deadline has passed.
        OSError: no address accepts; the last failure.
    """
    waiting = interleaved(addresses)
    failure = OSError("the host has no address")
    next_attempt = time.monotonic()
    with _attempts() as selector:
        while waiting or selector.get_map():
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError("no address answered in time")
            if waiting and now >= next_attempt:
                try:
                    begun = _begin(waiting.pop(0), port, options)
                    selector.register(begun, selectors.EVENT_WRITE, begun)
                    next_attempt = now + ATTEMPT_DELAY_SECONDS
                except OSError as error:  # no route, or an address family that is not available
                    failure = error
                continue
            until = min(deadline, next_attempt) if waiting else deadline
            for key, _ in selector.select(until - now):
                attempt: socket.socket = key.data
                selector.unregister(attempt)
                code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return attempt
                attempt.close()
                failure = OSError(code, os.strerror(code))
                next_attempt = now
        raise failure


@contextmanager
def _attempts() -> Iterator[selectors.BaseSelector]:
    """Provide a selector for the sockets that connect, and close those that are still in it at the end."""
    with selectors.DefaultSelector() as selector:
        try:
            yield selector
        finally:
            for key in selector.get_map().values():
                key.data.close()


def _begin(address: str, port: int, options: Iterable[tuple[Any, ...]]) -> socket.socket:
    attempt = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in options:
            attempt.setsockopt(*option)
        attempt.setblocking(False)
        with suppress(BlockingIOError):
            attempt.connect((address, port))
    except BaseException:
        attempt.close()
        raise
    return attempt


async def async_connect(
    addresses: Sequence[str], connect_to: Callable[[str], Awaitable[T]], close: Callable[[T], None]
) -> T:
    """Return the first connection to one of the addresses.

    Args:
        addresses: numeric addresses in the order of preference.
        connect_to: opens a connection to an address.
        close: closes a connection that is not used.

    Raises:
        OSError: no address accepts; the last failure.
    """
    waiting = interleaved(addresses)
    if len(waiting) == 1:  # the usual case; a task would take longer than the rest
        return await connect_to(waiting[0])
    failure: BaseException = OSError("the host has no address")
    attempts: set[asyncio.Future[T]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.ensure_future(connect_to(waiting.pop(0))))
            done, _ = await asyncio.wait(
                attempts,
                timeout=ATTEMPT_DELAY_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                failure = error
        raise failure
    finally:
        for attempt in attempts:
            attempt.cancel()
        for late in await asyncio.gather(*attempts, return_exceptions=True):
            if not isinstance(late, BaseException):
                close(late)
