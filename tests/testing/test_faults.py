"""Each fault, as a client sees it."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import urllib3

from monocloud_mw import AuthorizationServerError, BackendClient
from monocloud_mw.testing import LocalTenant, faults

TIMEOUT_SECONDS = 0.2  # of the client, when the tenant does not respond


@pytest.fixture(params=["http", "https"])
def any_tenant(request: pytest.FixtureRequest) -> Iterator[LocalTenant]:
    """Return a tenant, without and with TLS."""
    with LocalTenant(algorithms=["ES256"], tls=request.param == "https") as tenant:
        yield tenant


def _get(tenant: LocalTenant, **arguments: Any) -> requests.Response:
    arguments = {"timeout": 10, "allow_redirects": False, **arguments}
    if tenant.domain.startswith("https"):
        arguments["verify"] = tenant.ca_bundle
    return requests.get(tenant.metadata()["jwks_uri"], **arguments)


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        (faults.status(), 503, None, b""),
        (faults.status(429, {"Retry-After": "7"}), 429, None, b""),
        (faults.html(), 200, "text/html; charset=utf-8", None),
        (faults.html(502), 502, "text/html; charset=utf-8", None),
        (faults.garbage(), 200, "application/json", b"\xff\x00{]"),
        (faults.document(), 200, "application/json", b'{"unexpected": "document"}'),
        (faults.document([1]), 200, "application/json", b"[1]"),
        (faults.empty_key_set(), 200, "application/json", b'{"keys": []}'),
    ],
)
def test_wrong_answers(
    tenant: LocalTenant, fault: faults.Fault, status: int, content_type: str | None, body: bytes | None
) -> None:
    """The client gets exactly this response instead of the key set, and the key set again afterwards."""
    with tenant.failing(fault):
        response = _get(tenant)
        assert response.status_code == status
        assert content_type is None or response.headers["Content-Type"] == content_type
        assert body is None or response.content == body
    assert _get(tenant).json() == tenant.jwks()


def test_headers_of_a_status(tenant: LocalTenant) -> None:
    """A status can have headers."""
    tenant.fail(faults.status(429, {"Retry-After": "7"}))
    assert _get(tenant).headers["Retry-After"] == "7"


def test_the_wrong_content_type(tenant: LocalTenant) -> None:
    """The right document has a wrong content type."""
    tenant.fail(faults.content_type("text/plain"))
    response = _get(tenant)
    assert (response.headers["Content-Type"], response.json()) == ("text/plain", tenant.jwks())


@pytest.mark.parametrize("location", [None, "https://elsewhere.example/keys"])
def test_a_redirect(tenant: LocalTenant, location: str | None) -> None:
    """The redirect leads elsewhere or in a loop."""
    tenant.fail(faults.redirect(location))
    response = _get(tenant)
    assert (response.status_code, response.headers["Location"]) == (302, location or response.url)


def test_a_delay(tenant: LocalTenant) -> None:
    """The right response, or another fault, is late."""
    with tenant.failing(faults.delay(0.05)):
        started = time.monotonic()
        assert _get(tenant).json() == tenant.jwks()
        assert time.monotonic() - started >= 0.05
    with tenant.failing(faults.delay(0, then=faults.status(500))):
        assert _get(tenant).status_code == 500


def test_no_answer_at_all(any_tenant: LocalTenant) -> None:
    """The client times out, and the connection is closed at the end of the test."""
    threads = set(threading.enumerate())
    any_tenant.fail(faults.hang())
    with pytest.raises(requests.ReadTimeout):
        _get(any_tenant, timeout=TIMEOUT_SECONDS)
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
        assert not thread.is_alive()


def test_half_a_response_without_an_end(any_tenant: LocalTenant) -> None:
    """Headers and half of the body arrive, and then nothing."""
    any_tenant.fail(faults.stall())
    with _get(any_tenant, timeout=TIMEOUT_SECONDS, stream=True) as response:
        whole = json.dumps(any_tenant.jwks()).encode()
        assert response.headers["Content-Length"] == str(len(whole))
        assert response.raw.read(len(whole) // 2) == whole[: len(whole) // 2]
        with pytest.raises(Exception, match="timed out"):
            response.raw.read(1)


def test_half_a_response(any_tenant: LocalTenant) -> None:
    """The body is shorter than Content-Length."""
    any_tenant.fail(faults.half_body())
    with _get(any_tenant, stream=True) as response:
        response.raw.enforce_content_length = True  # urllib3 1.26 checks this only on request
        with pytest.raises(urllib3.exceptions.ProtocolError, match="IncompleteRead"):
            response.raw.read()


def test_a_trickle(tenant: LocalTenant) -> None:
    """The right body arrives one byte at a time."""
    tenant.fail(faults.trickle(0))
    assert _get(tenant).json() == tenant.jwks()
    tenant.fail(faults.trickle(60))
    with pytest.raises(requests.exceptions.ConnectionError, match="timed out"):
        _get(tenant, timeout=TIMEOUT_SECONDS)


def test_a_closed_connection(any_tenant: LocalTenant) -> None:
    """The connection is closed before the response."""
    any_tenant.fail(faults.close())
    with pytest.raises(requests.ConnectionError, match=r"RemoteDisconnected|EOF occurred"):
        _get(any_tenant)


def test_a_reset_connection(any_tenant: LocalTenant) -> None:
    """The connection is reset, not closed."""
    # Under TLS, Python may report a reset as an end of file.
    symptom = r"RemoteDisconnected|ConnectionReset" if any_tenant.domain[4] == "s" else "ConnectionReset"
    any_tenant.fail(faults.reset())
    with pytest.raises(requests.ConnectionError, match=symptom):
        _get(any_tenant)


def test_an_oversized_answer(tenant: LocalTenant) -> None:
    """The right document is followed by white space, without a Content-Length."""
    tenant.fail(faults.oversized(1024 * 1024))
    response = _get(tenant)
    assert response.json() == tenant.jwks()
    assert len(response.content) > 1024 * 1024
    assert "Content-Length" not in response.headers


def test_a_gzip_bomb(tenant: LocalTenant) -> None:
    """A small body becomes a large one when decompressed."""
    tenant.fail(faults.gzip_bomb(1024 * 1024))
    with _get(tenant, stream=True) as response:
        compressed = response.raw.read(decode_content=False)
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(compressed) < 4096
    assert gzip.decompress(compressed) == b" " * 1024 * 1024


def test_a_custom_fault(tenant: LocalTenant) -> None:
    """Any function of the exchange can be a fault and can get the right response."""

    def lose_a_key(exchange: faults.Exchange) -> Any:
        answer = exchange.answer()
        answer.set_data(json.dumps({"keys": json.loads(answer.get_data())["keys"][1:]}))
        return answer

    tenant.fail(lose_a_key)
    assert _get(tenant).json() == {"keys": []}


def test_faults_can_be_limited(tenant: LocalTenant) -> None:
    """Faults can be limited to an endpoint, a number of requests and a block; ``recover`` ends them all."""
    tenant.fail(faults.status(500), endpoint="discovery")
    tenant.fail(faults.status(501), endpoint="jwks", times=1)
    assert [_get(tenant).status_code for _ in range(2)] == [501, 200]
    with tenant.failing(faults.status(502), endpoint="jwks"):
        assert _get(tenant).status_code == 502
    assert _get(tenant).status_code == 200
    tenant.fail(faults.hang())
    tenant.recover()
    assert _get(tenant).status_code == 200


@pytest.mark.parametrize("name", faults.FAULTS)
def test_no_fault_makes_a_token_valid(tenant: LocalTenant, name: str) -> None:
    """Whatever fault the discovery document has, the client reports an outage in time."""
    tenant.fail(faults.FAULTS[name](), endpoint="discovery")
    with BackendClient(**tenant.settings(), response_timeout=TIMEOUT_SECONDS) as client:
        if name == "content_type":  # harmless: the document is valid
            client.validate_access_token(tenant.mint())
        else:
            with pytest.raises(AuthorizationServerError):
                client.validate_access_token(tenant.mint())


def test_a_hanging_tenant_can_be_stopped(tenant: LocalTenant) -> None:
    """Stopping a tenant that hangs takes no time, and its clients notice."""
    threads = set(threading.enumerate())
    tenant.fail(faults.hang())
    noticed: list[Exception] = []

    def ask() -> None:
        try:
            _get(tenant)
        except requests.ConnectionError as error:
            noticed.append(error)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    tenant.requests.wait_for("jwks", 8)
    tenant.stop()
    for client in clients:
        client.join()
    assert len(noticed) == 8
    assert set(threading.enumerate()) - threads == set()
