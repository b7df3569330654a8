"""Counting the requests to a tenant."""

from __future__ import annotations

import threading

import pytest
import requests

from monocloud_mw.testing import LocalTenant, RecordedRequest


def test_requests_are_recorded_in_order(tenant: LocalTenant) -> None:
    """Each request has method, path and endpoint; a request to an unknown path has no endpoint."""
    requests.get(tenant.metadata()["jwks_uri"])
    requests.post(tenant.domain + "/nowhere")
    assert list(tenant.requests) == [
        RecordedRequest(method="GET", path="/.well-known/openid-configuration/jwks", endpoint="jwks"),
        RecordedRequest(method="POST", path="/nowhere", endpoint=None),
    ]
    assert (len(tenant.requests), tenant.requests.count("jwks"), tenant.requests.count("discovery")) == (
        2,
        1,
        0,
    )


def test_the_log_can_be_cleared(tenant: LocalTenant) -> None:
    """Counting starts again at zero."""
    requests.get(tenant.metadata()["jwks_uri"])
    tenant.requests.clear()
    assert list(tenant.requests) == []


def test_waiting_ends_with_the_request(tenant: LocalTenant) -> None:
    """A test can wait for a request that is made in the background."""
    request = threading.Thread(target=requests.get, args=(tenant.metadata()["jwks_uri"],))
    request.start()
    tenant.requests.wait_for("jwks")
    request.join()
    assert tenant.requests.count("jwks") == 1


def test_waiting_times_out(tenant: LocalTenant) -> None:
    """The error says which request is missing."""
    with pytest.raises(TimeoutError, match="jwks had 0 requests, not 2"):
        tenant.requests.wait_for("jwks", 2, timeout_seconds=0.01)


def test_no_request_is_lost(tenant: LocalTenant) -> None:
    """Requests of many threads are all counted and answered."""
    url = tenant.metadata()["jwks_uri"]
    threads = [threading.Thread(target=requests.get, args=(url,)) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tenant.requests.count("jwks") == 32
