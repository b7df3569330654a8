"""Fixtures: a new tenant and a client of each kind for every test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from monocloud_mw.core.tenant import last_known_good
from monocloud_mw.drivers import introspection_limit
from monocloud_mw.testing import LocalTenant

from .harness import HARNESSES, SETTINGS, TIMEOUT_SECONDS, Clock, Gate, Harness


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    """Fail a test that leaves a thread running."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread


@pytest.fixture(autouse=True)
def _a_slow_machine_is_no_slow_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengthen the two limits that are measured in real time: a busy machine may exceed them at any point."""
    monkeypatch.setattr(last_known_good, "JOIN_SECONDS", TIMEOUT_SECONDS)
    monkeypatch.setattr(introspection_limit, "SLOW_SECONDS", TIMEOUT_SECONDS)


@pytest.fixture
def clock(_no_thread_stays_behind: None) -> Clock:
    """Return the clock of the client and the tenant."""
    return Clock()


@pytest.fixture
def tenant(clock: Clock) -> Iterator[LocalTenant]:
    """Return a tenant without faults."""
    with LocalTenant(algorithms=["ES256"], clock=clock.unix) as tenant:
        yield tenant


@pytest.fixture(params=HARNESSES)
def new_harness(
    request: pytest.FixtureRequest, clock: Clock, tenant: LocalTenant
) -> Iterator[Callable[..., Harness]]:
    """Return a function that creates a client of each kind with empty caches."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Harness:
            harness = HARNESSES[request.param](clock, **SETTINGS | tenant.settings(tenant.client) | settings)
            stack.callback(harness.close)
            return harness

        yield make


@pytest.fixture
def harness(new_harness: Callable[..., Harness]) -> Harness:
    """Return a client of each kind with empty caches."""
    return new_harness()


@pytest.fixture
def warm(harness: Harness) -> Harness:
    """Return a client of each kind that has loaded the tenant's documents."""
    harness.call("prefetch")
    harness.transport.count()
    return harness


@pytest.fixture
def gate(new_harness: Callable[..., Harness]) -> Iterator[Gate]:
    """Return a gate that opens at the latest before a client is closed."""
    gate = Gate()
    yield gate
    gate.open()
