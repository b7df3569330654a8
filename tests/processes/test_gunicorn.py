"""gunicorn with ``--preload``: the client is created once, before the workers are forked."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monocloud_mw.testing import LocalTenant

from .programs import ROOT, TIMEOUT_SECONDS, Gate, environment

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

WORKERS = 2
REQUESTS = 20
KINDS = {
    "sync": ("create_wsgi_app", "--worker-class", "sync"),
    "threads": ("create_wsgi_app", "--worker-class", "gthread", "--threads", "4"),
    "event loop": ("create_asgi_app", "--worker-class", "asgi"),
    "uvicorn": ("create_asgi_app", "--worker-class", "uvicorn_worker.UvicornWorker"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of workers."""
    kind: str = request.param
    return kind


@contextlib.contextmanager
def gunicorn(kind: str, preload: str, tenant: LocalTenant) -> Iterator[str]:
    """Serve the API with several workers; give its URL, and require an end without warnings."""
    app, *arguments = KINDS[kind]
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS), *arguments),
                *("--bind", f"fd://{listening.fileno()}", "--log-level", "critical", "--timeout", "0"),
                f"tests.processes.preloaded:{app}()",
            ],
            cwd=ROOT,
            env=environment({**tenant.environment(), "PRELOAD": preload}),
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
            process.terminate()
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()
            process.communicate()


def ask(address: str, token: str) -> str:
    """Call the API on a new connection; return the process that answered."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        process: str = response.read().decode()
    return process


def crowd(address: str, tenant: LocalTenant) -> set[str]:
    """Call the API many times concurrently, each with a different token; return the processes that
    answered.
    """
    tokens = [tenant.mint(subject=f"user {number}") for number in range(REQUESTS)]
    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(ask, [address] * REQUESTS, tokens))


def test_workers_of_a_warm_client_fetch_nothing(tenant: LocalTenant, kind: str) -> None:
    """The workers have the parent's keys."""
    with gunicorn(kind, "warm", tenant) as address:
        crowd(address, tenant)
    assert (tenant.requests.count("discovery"), tenant.requests.count("jwks")) == (1, 1)


def test_workers_of_a_cold_client_fetch_once_each(tenant: LocalTenant, kind: str) -> None:
    """Each worker that answered has loaded the documents once, however many requests came at the same
    time.
    """
    with gunicorn(kind, "cold", tenant) as address:
        served = crowd(address, tenant)
    assert tenant.requests.count("jwks") == tenant.requests.count("discovery") == len(served)


def test_workers_do_not_wait_for_a_request_of_the_parent(tenant: LocalTenant, kind: str) -> None:
    """The workers serve while the parent's request hangs."""
    gate = Gate()
    tenant.fail(gate, endpoint="discovery", times=1)
    with gunicorn(kind, "leading", tenant) as address:
        gate.await_request()
        served = crowd(address, tenant)
        assert tenant.requests.count("jwks") == len(served)
        gate.open()


def test_workers_refuse_invalid_tokens(tenant: LocalTenant, kind: str) -> None:
    """Every worker protects the API."""
    forged = tenant.mint(subject="user", signed_by="stranger")
    with gunicorn(kind, "cold", tenant) as address:
        for token, status in [("", 400), ("no.such.token", 401), (forged, 401)]:
            with pytest.raises(urllib.error.HTTPError) as caught:
                ask(address, token)
            caught.value.close()
            assert caught.value.code == status
            assert caught.value.headers["WWW-Authenticate"].startswith("Bearer error=")
