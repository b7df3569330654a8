"""Fixtures: every transport behind one contract, scripted servers, and no proxy variables."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
import trustme

from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.transports.httpcore2 import Httpcore2Transport
from monocloud_mw.transports.requests import RequestsTransport

from .on_event_loop import OnEventLoop
from .scripted_server import Script, ScriptedServer

Exchange = Callable[[HttpRequest], HttpResponse]

ELSEWHERE = "tenant.example.test"


class Serve(Protocol):
    """Starts a server with a script and stops it after the test."""

    def __call__(self, script: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer: ...


class Connect(Protocol):
    """Creates a transport and closes it after the test."""

    def __call__(
        self, *, ca_bundle: str | None = None, client_certificate: tuple[str, str] | None = None
    ) -> Exchange: ...


def get(url: str) -> HttpRequest:
    """Return a request."""
    return HttpRequest(url=url, timeout_seconds=30, max_body_bytes=1000)


def failure_of(call: Callable[[], HttpResponse]) -> HttpError:
    """Return the error of an exchange that has to fail."""
    with pytest.raises(HttpError) as caught:
        call()
    return caught.value


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return the table of host names and their addresses, to be filled by the test."""
    given: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> list[Any]:
        return [found for address in given.get(host, [host]) for found in resolve(address, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return given


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts scripted servers."""
    with ExitStack() as stack:
        yield lambda script, tls=None: stack.enter_context(ScriptedServer(script, tls))


@pytest.fixture(params=[RequestsTransport, Httpcore2Transport], ids=["requests", "httpcore2"])
def transport_kind(request: pytest.FixtureRequest) -> type:
    """Return each kind of transport in turn."""
    kind: type = request.param
    return kind


@pytest.fixture
def connect(transport_kind: type) -> Iterator[Connect]:
    """Return a function that creates transports, for each kind of transport."""
    with ExitStack() as stack:

        def connect(
            *, ca_bundle: str | None = None, client_certificate: tuple[str, str] | None = None
        ) -> Exchange:
            transport = transport_kind(ca_bundle=ca_bundle, client_certificate=client_certificate)
            if isinstance(transport, Httpcore2Transport):
                return stack.enter_context(OnEventLoop(transport))
            stack.callback(transport.close)
            exchange: Exchange = transport
            return exchange

        yield connect


@pytest.fixture
def exchange(connect: Connect) -> Exchange:
    """Return a transport with default options."""
    return connect()


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """Return an authority that is not trusted by default."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of the authority's certificate."""
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def tls(ca: trustme.CA) -> ssl.SSLContext:
    """Return the server's TLS context for 127.0.0.1 and :data:`ELSEWHERE`, without client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", ELSEWHERE).configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture(scope="session")
def client_certificate(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the paths of a client certificate and its key."""
    issued, folder = ca.issue_cert("client@example.test"), tmp_path_factory.mktemp("client")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    return str(certificate), str(key)


@pytest.fixture
def garbage(tmp_path: Path) -> str:
    """Return the path of a file that is not PEM."""
    path = tmp_path / "garbage.pem"
    path.write_text("this is not a certificate\n")
    return str(path)
