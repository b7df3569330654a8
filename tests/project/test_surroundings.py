"""The guarantees of conftest.py: no internet, and no silently missing server in CI."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import unavailable

ELSEWHERE = ("192.0.2.1", 443)  # RFC 5737: an address for documentation


def test_missing_servers_skip_a_test() -> None:
    """On a developer's machine, a test is skipped if its server is missing."""
    with pytest.raises(pytest.skip.Exception, match="redis-server is missing"):
        unavailable("redis-server", in_ci=False)


def test_missing_servers_fail_a_test_in_ci() -> None:
    """In CI, a test fails if its server is missing."""
    with pytest.raises(pytest.fail.Exception, match="redis-server is missing, and CI must not skip"):
        unavailable("redis-server", in_ci=True)


def test_programs_are_found(require_program: Callable[[str], str]) -> None:
    """An installed program is returned by its path."""
    assert Path(require_program("git")).is_file()


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
@pytest.mark.parametrize("host", [ELSEWHERE[0], "tenant.example.test"])
def test_blocking_connections_stay_on_this_machine(method: str, host: str) -> None:
    """A socket that would leave the loopback interface is refused before it connects."""
    with socket.socket() as outgoing, pytest.raises(PermissionError, match="loopback interface only"):
        getattr(outgoing, method)((host, 443))


def test_event_loop_connections_stay_on_this_machine() -> None:
    """Connections of an event loop are refused in the same way."""
    with pytest.raises(PermissionError, match="loopback interface only"):
        asyncio.run(asyncio.wait_for(asyncio.open_connection(*ELSEWHERE), timeout=10))
