"""The transport on ``requests``: closing, and old versions of urllib3."""

from __future__ import annotations

import pytest

from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest
from monocloud_mw.transports.requests import RequestsTransport

from .scripted_server import ScriptedServer, answer


def test_a_closed_transport_opens_new_connections() -> None:
    """Closing ends the connections and not the transport; closing twice or before use is allowed."""
    transport = RequestsTransport()
    transport.close()
    with ScriptedServer(answer()) as server:
        for _ in range(2):
            request = HttpRequest(url=server.origin, timeout_seconds=30, max_body_bytes=100)
            assert transport(request).status == 200
            transport.close()
            transport.close()
        assert server.connections == 2


def test_an_old_urllib3_tunnels_through_no_proxy_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not compare the proxy's host name and would accept any valid certificate."""
    monkeypatch.setattr("monocloud_mw.transports.requests.URLLIB3_1", True)
    monkeypatch.setenv("HTTPS_PROXY", "HTTPS://user:password@127.0.0.1:1")
    request = HttpRequest(url="https://tenant.example.test", timeout_seconds=30, max_body_bytes=100)
    with pytest.raises(
        HttpError,
        match=r"^a proxy with an https:// URL needs urllib3 2; install urllib3 2 or use an http:// proxy$",
    ):
        RequestsTransport()(request)
