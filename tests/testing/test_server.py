"""The HTTP server of local tenants: start, stop and its connections."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from werkzeug import Request, Response

from monocloud_mw.testing._tenant.certificates import CertificateAuthority
from monocloud_mw.testing._tenant.server import HOST, LoopbackServer

PROMPT_SECONDS = 5.0  # a stop takes about 0.02: this is generous and far below any timeout


@Request.application
def _hello(request: Request) -> Response:
    return Response(f"{request.url} from {request.remote_addr}")


@pytest.fixture
def serve() -> Iterator[Callable[..., LoopbackServer]]:
    """Return a function that starts a server and stops it after the test."""
    servers: list[LoopbackServer] = []

    def start(application: Callable[..., object] = _hello, **arguments: object) -> LoopbackServer:
        servers.append(LoopbackServer(**arguments))  # type: ignore[arg-type]
        servers[-1].start(application)  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """Return the certificates of a TLS server and the bundle that verifies them."""
    authority = CertificateAuthority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue_server(HOST))
    return context, authority.bundle


def test_it_answers_on_a_free_loopback_port(serve: Callable[..., LoopbackServer]) -> None:
    """Each server has its own port, which its origin contains."""
    first, second = serve(), serve()
    assert first.port != second.port
    for server in (first, second):
        assert server.origin == f"http://127.0.0.1:{server.port}"
        assert requests.get(server.origin).text == f"{server.origin}/ from 127.0.0.1"


def test_it_answers_under_tls(
    serve: Callable[..., LoopbackServer], certificates: tuple[ssl.SSLContext, str]
) -> None:
    """With TLS the origin is https, and the application gets that scheme."""
    context, bundle = certificates
    server = serve(tls=context)
    assert server.origin == f"https://127.0.0.1:{server.port}"
    assert requests.get(server.origin, verify=bundle).text.startswith("https://")


def test_a_taken_port_is_an_error(serve: Callable[..., LoopbackServer]) -> None:
    """The error is an ``OSError`` and does not end the process."""
    with pytest.raises(OSError, match="in use"):
        LoopbackServer(serve().port)


def test_a_port_can_be_reused_after_a_stop(serve: Callable[..., LoopbackServer]) -> None:
    """The port can be reused at once, although connections were open."""
    first = serve()
    requests.get(first.origin)
    first.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(first.origin)
    second = serve(port=first.port)
    assert requests.get(second.origin).status_code == 200


def test_clients_may_connect_before_the_start() -> None:
    """A server that is not started accepts connections, and frees its port when stopped."""
    server = LoopbackServer()
    with socket.create_connection((HOST, server.port)):
        server.stop()
    LoopbackServer(server.port).stop()


@pytest.mark.parametrize("under_tls", [False, True])
def test_silent_clients_delay_no_other(
    serve: Callable[..., LoopbackServer], certificates: tuple[ssl.SSLContext, str], under_tls: bool
) -> None:
    """A client that connects and sends nothing delays neither other clients nor the stop."""
    context, bundle = certificates
    before = set(threading.enumerate())
    server = serve(tls=context if under_tls else None)
    with socket.create_connection((HOST, server.port)) as silent:
        assert requests.get(server.origin, verify=bundle).status_code == 200
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < PROMPT_SECONDS
        assert silent.recv(1) == b""
    assert set(threading.enumerate()) == before


def test_a_stop_ends_requests_and_joins_their_threads(serve: Callable[..., LoopbackServer]) -> None:
    """A running request ends with an error, and no thread or socket is left."""
    arrived = threading.Event()
    failures: list[requests.RequestException] = []

    @Request.application
    def endless(request: Request) -> Response:
        def body() -> Iterator[bytes]:
            arrived.set()
            while True:
                yield b"x" * 65536

        return Response(body())

    def ask(url: str) -> None:
        try:
            requests.get(url)
        except requests.RequestException as error:
            failures.append(error)

    before = set(threading.enumerate())
    server = serve(endless)
    client = threading.Thread(target=ask, args=(server.origin,))
    client.start()
    assert arrived.wait(10)
    server.stop()
    client.join()
    gc.collect()  # an unclosed socket would be a ResourceWarning, which is an error here
    assert len(failures) == 1
    assert set(threading.enumerate()) == before


def test_a_failing_application_is_reported(
    serve: Callable[..., LoopbackServer], caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the application is a 500, with its traceback in the log."""

    @Request.application
    def broken(request: Request) -> Response:
        raise LookupError("a mistake")

    server = serve(broken)
    assert requests.get(server.origin).status_code == 500
    server.stop()
    assert [(record.name, record.levelno) for record in caplog.records] == [
        ("monocloud_mw.testing", logging.ERROR)
    ]
    assert "LookupError: a mistake" in caplog.text


def test_requests_are_logged_on_demand(
    serve: Callable[..., LoopbackServer], caplog: pytest.LogCaptureFixture
) -> None:
    """At level INFO each request is logged, with its path escaped."""
    caplog.set_level(logging.INFO, "monocloud_mw.testing")
    server = serve()
    requests.get(f"{server.origin}/caf%C3%A9")
    server.stop()
    assert caplog.messages == ["'GET /caf%C3%A9 HTTP/1.1' 200 -"]


def test_a_malformed_request_is_refused(
    serve: Callable[..., LoopbackServer], caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is not HTTP gets a 400, and the server continues."""
    server = serve()
    with socket.create_connection((HOST, server.port)) as connection:
        connection.sendall(b"this is not HTTP\r\n\r\n")
        with connection.makefile("rb") as answer:
            assert b"400" in answer.read()
    assert requests.get(server.origin).status_code == 200
    assert caplog.records == []


def test_nothing_is_printed() -> None:
    """Requests, failed handshakes and stops print nothing."""
    script = """
import requests, socket
from monocloud_mw.testing import LocalTenant
with LocalTenant(algorithms=["ES256"], tls=True) as tenant:
    requests.get(tenant.metadata()["jwks_uri"], verify=tenant.ca_bundle).raise_for_status()
    requests.get(tenant.domain + "/nowhere", verify=tenant.ca_bundle)
    try:
        requests.get(tenant.domain)
    except requests.exceptions.SSLError:
        pass
    silent = socket.create_connection(("127.0.0.1", int(tenant.domain.rpartition(":")[2])))
silent.close()
"""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert (ran.stdout, ran.stderr) == ("", "")
