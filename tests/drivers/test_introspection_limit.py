"""Slow introspections use only a part of the threads, so other threads can fetch keys."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import attrs
import pytest

from monocloud_mw import BackendClient
from monocloud_mw.core.effects import Fetch
from monocloud_mw.drivers import introspection_limit
from monocloud_mw.drivers.introspection_limit import (
    MIN_LIMIT,
    IntrospectionLimit,
    TooManyIntrospectionsError,
)
from monocloud_mw.drivers.worker_threads import WorkerThreads
from monocloud_mw.errors import HttpError, MonoCloudError
from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.testing import LocalTenant, faults

from .harness import REQUEST, RESPONSE, TIMEOUT_SECONDS, ask, new_async_driver, new_sync_driver

INTROSPECTION = attrs.evolve(REQUEST, method="POST")


def introspecting(limit: IntrospectionLimit, count: int, stack: ExitStack) -> None:
    """Begin introspections that end with the stack."""
    for _ in range(count):
        stack.enter_context(limit.slot())


@pytest.mark.parametrize(("size", "expected"), [(1, MIN_LIMIT), (4, MIN_LIMIT), (8, 6), (32, 24)])
def test_a_part_of_the_threads_can_introspect(size: int, expected: int) -> None:
    """Three quarters of the threads that have ever introspected may do so, and always a few; more are
    refused if slow.
    """
    limit = IntrospectionLimit()
    limit._threads.update(pool := [AliveThread() for _ in range(size - 1)])
    limit._last_seconds = 1.0
    with ExitStack() as stack:
        introspecting(limit, expected, stack)
        with pytest.raises(TooManyIntrospectionsError), limit.slot():
            pytest.fail("one too many")
    assert len(pool) == size - 1


def test_threads_that_have_ended_do_not_count() -> None:
    """A server that starts one thread per request has no pool, so ended threads do not count."""
    limit = IntrospectionLimit()
    limit._threads.update(ended := [threading.Thread() for _ in range(100)])
    limit._last_seconds = 1.0
    with ExitStack() as stack:
        introspecting(limit, MIN_LIMIT, stack)
        with pytest.raises(TooManyIntrospectionsError), limit.slot():
            pytest.fail("one too many")
    assert len(ended) == 100


class AliveThread(threading.Thread):
    """A thread that looks alive."""

    def is_alive(self) -> bool:
        return True


def test_callers_wait_while_the_tenant_is_fast() -> None:
    """A burst of valid tokens is served one after the other."""
    limit = IntrospectionLimit()
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        introspecting(limit, MIN_LIMIT, stack)

        def introspect() -> str:
            with limit.slot():
                return "served"

        waiting = pool.submit(introspect)
        stack.close()
        assert waiting.result(TIMEOUT_SECONDS) == "served"


def test_waiting_callers_are_refused_when_the_tenant_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caller waits no longer than a fast introspection takes; then all waiting callers are refused."""
    monkeypatch.setattr(introspection_limit, "SLOW_SECONDS", 0.05)
    limit = IntrospectionLimit()
    with ExitStack() as stack:
        introspecting(limit, MIN_LIMIT, stack)
        for _ in range(3):
            with pytest.raises(TooManyIntrospectionsError), limit.slot():
                pytest.fail("one too many")
    with limit.slot():
        pass


def test_green_threads_have_no_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """gevent's locks are not those of the interpreter, and its threads cost little."""
    limit = IntrospectionLimit()

    class Lock:
        """A lock of another module."""

    with ExitStack() as stack:
        monkeypatch.setattr(threading, "Lock", Lock)
        introspecting(limit, 10 * MIN_LIMIT, stack)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_counts_its_own() -> None:
    """Introspections of the parent never end in a child, so the child starts at zero."""
    limit = IntrospectionLimit()
    limit._last_seconds = 1.0
    with ExitStack() as stack:
        introspecting(limit, MIN_LIMIT, stack)
        limit.reset_after_fork()
        introspecting(limit, MIN_LIMIT, stack)
        limit.reset_after_fork()
        with limit.slot():
            pass


class SlowTenant:
    """Responds at once, except to introspections, which wait for an event."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked = threading.Semaphore(0)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            self.asked.release()
            assert self.over.wait(TIMEOUT_SECONDS)
        return RESPONSE

    def await_introspections(self, count: int) -> None:
        """Wait until a number of introspections have begun."""
        for _ in range(count):
            assert self.asked.acquire(timeout=TIMEOUT_SECONDS)


def test_threads_are_left_for_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Introspections beyond the limit are refused as a local failure, and keys are fetched."""
    monkeypatch.setattr(introspection_limit, "SLOW_SECONDS", 0.0)
    tenant = SlowTenant()
    driver = new_sync_driver(fetch=tenant)
    with ThreadPoolExecutor(MIN_LIMIT) as pool:
        held = [pool.submit(driver.run, ask(Fetch(INTROSPECTION))) for _ in range(MIN_LIMIT)]
        tenant.await_introspections(MIN_LIMIT)
        with pytest.raises(HttpError, match="all threads for introspections are in use") as caught:
            driver.run(ask(Fetch(INTROSPECTION)))
        assert (caught.value.local, caught.value.temporary) == (True, True)
        assert driver.run(ask(Fetch(REQUEST))) is RESPONSE
        tenant.over.set()
        assert [future.result() for future in held] == [RESPONSE] * MIN_LIMIT


def test_a_burst_leaves_threads_of_a_pool_for_jwts() -> None:
    """With 200 made-up tokens and a tenant that takes a second for each, JWTs still get threads."""
    workers = 8
    with LocalTenant() as tenant, BackendClient(**tenant.settings(tenant.client)) as client:
        tenant.fail(faults.delay(1.0), endpoint="introspection")
        good = [tenant.mint(subject=str(number)) for number in range(workers)]
        refused: list[bool] = []

        def introspect(number: int) -> None:
            with pytest.raises(MonoCloudError) as caught:
                client.validate_access_token(f"made-up-{number}")
            refused.append(isinstance(caught.value, HttpError) and caught.value.local)

        with ThreadPoolExecutor(workers) as pool:
            burst = [pool.submit(introspect, number) for number in range(200)]
            jwts = [pool.submit(client.validate_access_token, token) for token in good]
            assert len([jwt.result() for jwt in jwts]) == workers
            served_after = len(refused) - sum(refused)
            for introspection in burst:
                introspection.result()
    assert served_after < 4 * workers  # of 200: the others were refused when a few had been introspected


def test_worker_threads_are_left_for_keys() -> None:
    """Introspections use worker threads of their own; a timeout while waiting for one is a local failure."""
    tenant = SlowTenant()
    driver = new_async_driver(fetch=tenant)
    driver._introspection_workers = WorkerThreads(2)

    async def main() -> None:
        held = [asyncio.create_task(driver.run(ask(Fetch(INTROSPECTION)))) for _ in range(2)]
        await asyncio.to_thread(tenant.await_introspections, 2)
        assert await driver.run(ask(Fetch(REQUEST))) is RESPONSE
        hurried = attrs.evolve(INTROSPECTION, timeout_seconds=0.05)
        with pytest.raises(HttpError, match="all worker threads are in use") as caught:
            await driver.run(ask(Fetch(hurried)))
        assert (caught.value.local, caught.value.temporary) == (True, True)
        tenant.over.set()
        assert list(await asyncio.gather(*held)) == [RESPONSE] * 2
        await driver.aclose()

    asyncio.run(main())
    assert not tenant.asked.acquire(blocking=False)


def test_the_timeout_starts_with_the_exchange() -> None:
    """Waiting for a worker thread does not reduce the time for the exchange; a slow exchange is the
    tenant's fault.
    """
    over = threading.Event()

    def fetch(request: HttpRequest) -> HttpResponse:
        if request.timeout_seconds < 1.0:
            over.wait(TIMEOUT_SECONDS)
        return RESPONSE

    driver = new_async_driver(fetch=fetch)
    driver._introspection_workers = WorkerThreads(1)

    async def main() -> Any:
        hanging = driver.run(ask(Fetch(attrs.evolve(INTROSPECTION, timeout_seconds=0.05))))
        with pytest.raises(HttpError, match=r"no complete response within 0\.05 seconds") as caught:
            await hanging
        assert not caught.value.local
        waiting = asyncio.create_task(driver.run(ask(Fetch(INTROSPECTION))))
        await asyncio.sleep(0)
        over.set()
        assert await waiting is RESPONSE
        await driver.aclose()

    asyncio.run(main())
