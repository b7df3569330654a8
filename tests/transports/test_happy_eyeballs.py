"""The order of addresses, and closing connections that are not needed."""

from __future__ import annotations

import asyncio
import time

import pytest

from monocloud_mw.transports.happy_eyeballs import async_connect, connect, interleaved


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], []),
        (["192.0.2.1"], ["192.0.2.1"]),
        (["::1", "::2", "192.0.2.1", "192.0.2.2"], ["::1", "192.0.2.1", "::2", "192.0.2.2"]),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3", "::1"], ["192.0.2.1", "::1", "192.0.2.2", "192.0.2.3"]),
    ],
)
def test_the_families_take_turns(addresses: list[str], expected: list[str]) -> None:
    """The families alternate, beginning with that of the first address (RFC 8305 section 4)."""
    assert interleaved(addresses) == expected


def test_a_host_without_addresses_is_an_error() -> None:
    """It is an error in threads and on event loops."""

    async def never(_address: str) -> None:
        raise AssertionError

    with pytest.raises(OSError, match="the host has no address"):
        connect([], 1, deadline=time.monotonic() + 30)
    with pytest.raises(OSError, match="the host has no address"):
        asyncio.run(async_connect([], never, print))


def test_only_one_connection_is_kept() -> None:
    """A second connection is closed, and a running attempt is cancelled."""
    closed: list[str] = []
    cancelled: list[str] = []

    async def work() -> None:
        go = asyncio.Event()

        async def connect_to(address: str) -> str:
            if address == "192.0.2.3":
                go.set()
            try:
                await (asyncio.Event() if address == "192.0.2.2" else go).wait()
            except asyncio.CancelledError:
                cancelled.append(address)
                raise
            return address

        kept = await async_connect(["192.0.2.1", "192.0.2.2", "192.0.2.3"], connect_to, closed.append)
        assert sorted([kept, *closed]) == ["192.0.2.1", "192.0.2.3"]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(work())
    assert cancelled == ["192.0.2.2"]
