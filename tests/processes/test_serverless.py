"""Hosts that run nothing between requests, or no asyncio: Mangum, uWSGI without threads, trio."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from mangum import Mangum

from monocloud_mw import AsyncBackendClient
from monocloud_mw.adapters.asgi import ProtectApiMiddleware
from monocloud_mw.testing import LocalTenant

from ..conftest import unavailable
from .programs import TIMEOUT_SECONDS, environment

pytestmark = pytest.mark.slow

LIFETIME = 2.0
STEP = 0.05


async def _api(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def _event(token: str) -> dict[str, Any]:
    """Return a request in the format of an AWS Lambda function URL (payload format 2.0)."""
    http = {"method": "GET", "path": "/", "sourceIp": "127.0.0.1", "protocol": "HTTP/1.1", "userAgent": ""}
    return {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {token}", "host": "api"},
        "requestContext": {"http": http},
        "isBase64Encoded": False,
    }


def test_mangum_refreshes_keys_between_invocations(tenant: LocalTenant) -> None:
    """Each invocation runs the event loop for one request; a withdrawn key ends with its cache duration."""
    client = AsyncBackendClient(**tenant.settings(), jwks_cache_duration=LIFETIME, refresh_cooldown=1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # as in the runtime of Lambda
    handler = Mangum(ProtectApiMiddleware(_api, client), lifespan="off")

    def status(token: str) -> int:
        answer: dict[str, Any] = handler(_event(token), {})  # type: ignore[arg-type]
        return int(answer["statusCode"])

    try:
        withdrawn = tenant.mint()
        assert status(withdrawn) == 200
        tenant.rotate_keys(withdraw=True)
        time.sleep(0.85 * LIFETIME)
        status(withdrawn)  # starts a refresh, which stops with the invocation
        time.sleep(0.2 * LIFETIME)
        assert (status(withdrawn), status(tenant.mint())) == (401, 200)
        loop.run_until_complete(client.aclose())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def _serving(*command: str, app: str, directory: Path, tenant: LocalTenant) -> Iterator[str]:
    """Run a server and give its URL once it answers."""
    (directory / "served.py").write_text(app, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.format(port=port) for word in command],
            cwd=directory,
            env=environment(tenant.environment()),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        give_up = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                requests.get(url, timeout=TIMEOUT_SECONDS)
                break
            except requests.ConnectionError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(STEP)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with the workers of the server
        process.wait()


UWSGI_APP = """
from monocloud_mw import BackendClient
from monocloud_mw.adapters.wsgi import ProtectApiMiddleware

def api(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

application = ProtectApiMiddleware(api, BackendClient(jwks_cache_duration=2, refresh_cooldown=1))
"""


@pytest.mark.parametrize("threads", [(), ("--enable-threads",)], ids=["no threads", "threads"])
def test_uwsgi_refreshes_keys(tenant: LocalTenant, tmp_path: Path, threads: tuple[str, ...]) -> None:
    """Without --enable-threads no other thread runs between requests, so the next request refreshes."""
    program = Path(sys.executable).with_name("uwsgi")
    if not program.exists():
        unavailable("uwsgi")
    options = (
        "--http-socket",
        "127.0.0.1:{port}",
        "--master",
        "--processes",
        "1",
        "--wsgi-file",
        "served.py",
    )
    with _serving(str(program), *options, *threads, app=UWSGI_APP, directory=tmp_path, tenant=tenant) as url:

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS).status_code

        withdrawn = tenant.mint()
        assert status(withdrawn) == 200
        tenant.rotate_keys(withdraw=True)
        time.sleep(0.85 * LIFETIME)
        status(withdrawn)
        time.sleep(0.3 * LIFETIME)
        assert (status(withdrawn), status(tenant.mint())) == (401, 200)


TRIO_APP = """
from monocloud_mw.adapters.asgi import ProtectApiMiddleware

async def api(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})

app = ProtectApiMiddleware(api)
"""


@pytest.mark.parametrize(("worker", "status"), [("asyncio", 200), ("trio", 500)])
def test_hypercorn_needs_its_asyncio_worker(
    tenant: LocalTenant, tmp_path: Path, worker: str, status: int
) -> None:
    """On trio every request is refused at once, and the log says what to use."""
    command = (sys.executable, "-m", "hypercorn", "-k", worker, "-b", "127.0.0.1:{port}", "served:app")
    with _serving(*command, app=TRIO_APP, directory=tmp_path, tenant=tenant) as url:
        headers = {"Authorization": f"Bearer {tenant.mint()}"}
        assert requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS).status_code == status
        assert requests.get(url, timeout=TIMEOUT_SECONDS).status_code == 401
    assert ("asyncio" in (tmp_path / "log").read_text()) is (worker == "trio")
