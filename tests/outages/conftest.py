"""A tenant and a client of each kind, made anew for every test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from monocloud_mw.testing import LocalTenant

from .scene import FACES, SETTINGS, Clock, Face, Gate


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    """Fail a test after which a thread goes on that was not there before."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread


@pytest.fixture
def clock(_no_thread_stays_behind: None) -> Clock:
    """Return the clock that everybody goes by."""
    return Clock()


@pytest.fixture
def tenant(clock: Clock) -> Iterator[LocalTenant]:
    """Return a tenant that is up."""
    with LocalTenant(algorithms=["ES256"], clock=clock.unix) as tenant:
        yield tenant


@pytest.fixture(params=FACES)
def new_face(
    request: pytest.FixtureRequest, clock: Clock, tenant: LocalTenant
) -> Iterator[Callable[..., Face]]:
    """Return a function that makes a client of each kind; it has fetched nothing yet."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Face:
            face = FACES[request.param](clock, **SETTINGS | tenant.settings(tenant.client) | settings)
            stack.callback(face.close)
            return face

        yield make


@pytest.fixture
def face(new_face: Callable[..., Face]) -> Face:
    """Return a client of each kind that has fetched nothing yet."""
    return new_face()


@pytest.fixture
def warm(face: Face) -> Face:
    """Return a client of each kind that knows the tenant."""
    face.call("prefetch")
    face.line.count()
    return face


@pytest.fixture
def gate(new_face: Callable[..., Face]) -> Iterator[Gate]:
    """Return a gate, which opens at the latest before any client is closed."""
    gate = Gate()
    yield gate
    gate.open()
