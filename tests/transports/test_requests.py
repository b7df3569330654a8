"""What is particular to the transport on ``requests``: how it is closed, and what ``http.client`` lacks."""

from __future__ import annotations

import pytest

from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.requests import RequestsTransport

from .scripted_server import Connection, ScriptedServer, answer, response


def test_a_closed_transport_opens_new_connections() -> None:
    """Closing lets connections go, not the transport; closing twice, or before any use, is fine."""
    transport = RequestsTransport()
    transport.close()
    with ScriptedServer(answer()) as server:
        for _ in range(2):
            request = HttpRequest(url=server.origin, timeout_seconds=30, max_body_bytes=100)
            assert transport(request).status == 200
            transport.close()
            transport.close()
        assert server.connections == 2


@pytest.mark.parametrize("status", ["101 Switching Protocols", "102 Processing", "103 Early Hints"])
def test_an_answer_that_comes_late_is_nobody_elses(status: str) -> None:
    """After an interim response the answer is still to come, and the next request must not get it."""

    def script(connection: Connection) -> None:
        connection.receive()
        connection.send(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if connection.receive() is not None:
            connection.send(response(b'{"active": true, "sub": "somebody else"}'))

    transport = RequestsTransport()
    with ScriptedServer(script) as server:
        for number in (1, 2):
            request = HttpRequest(method="POST", url=server.origin, timeout_seconds=30, max_body_bytes=100)
            with pytest.raises(HttpError, match=r"' sent an interim response\Z") as caught:
                transport(request)
            assert (caught.value.status, server.connections) == (int(status[:3]), number)
        transport.close()


def test_an_old_urllib3_tunnels_through_no_proxy_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not compare the proxy's name, and so take anybody with a certificate for it."""
    monkeypatch.setattr("monocloud_mw.transports.requests.COMPARES_NAMES", True)
    monkeypatch.setenv("HTTPS_PROXY", "HTTPS://user:password@127.0.0.1:1")
    request = HttpRequest(url="https://tenant.example.test", timeout_seconds=30, max_body_bytes=100)
    with pytest.raises(
        HttpError, match=r"^the environment names a proxy over TLS, for which urllib3 is too old$"
    ):
        RequestsTransport()(request)
