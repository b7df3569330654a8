"""What is particular to the transport on ``requests``: closing it needs no event loop."""

from __future__ import annotations

from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.requests import RequestsTransport

from .scripted_server import ScriptedServer, answer


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
