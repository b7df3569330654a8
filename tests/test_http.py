"""HTTP requests and responses as values."""

from __future__ import annotations

import attrs
import pytest

from monocloud_mw.http import HttpRequest, HttpResponse

REQUEST = HttpRequest(
    method="POST",
    url="https://acme.example/introspect",
    headers={"Authorization": "Basic c2VjcmV0"},
    body=b"token=secret",
    timeout_seconds=10.0,
    max_body_bytes=1024,
)
RESPONSE = HttpResponse(status=200, headers={"Set-Cookie": "secret", "X-Id": "1"}, body=b"secret")


@pytest.mark.parametrize("value", [REQUEST, RESPONSE])
def test_a_repr_holds_neither_headers_nor_body(value: object) -> None:
    """Headers and bodies have tokens, secrets and claims, and reprs may be logged."""
    assert "secret" not in repr(value).lower()
    assert "c2VjcmV0" not in repr(value)


def test_a_repr_tells_the_exchanges_apart() -> None:
    """Method, URL and status are in the repr."""
    assert repr(REQUEST) == (
        "HttpRequest(method='POST', url='https://acme.example/introspect', timeout_seconds=10.0,"
        " max_body_bytes=1024, mutual_tls=False)"
    )
    assert repr(RESPONSE) == "HttpResponse(status=200)"


def test_header_names_are_in_lower_case() -> None:
    """Names are case-insensitive (RFC 9110 section 5.1), so they are stored in lower case."""
    assert dict(REQUEST.headers) == {"authorization": "Basic c2VjcmV0"}
    assert dict(RESPONSE.headers) == {"set-cookie": "secret", "x-id": "1"}


def test_headers_cannot_be_changed() -> None:
    """Neither through the value nor through the original mapping."""
    headers = {"A": "1"}
    response = HttpResponse(status=200, headers=headers)
    headers["A"] = "2"
    with pytest.raises(TypeError):
        response.headers["a"] = "3"  # type: ignore[index]
    assert response == HttpResponse(status=200, headers={"a": "1"})


def test_the_values_cannot_be_changed() -> None:
    """A transport gets exactly the request of the flow."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        REQUEST.url = "https://evil.example"  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RESPONSE.status = 201  # type: ignore[misc]


def test_the_defaults_are_a_plain_get() -> None:
    """By default a request is a GET without a body and without the client certificate."""
    request = HttpRequest(url="https://acme.example", timeout_seconds=1.0, max_body_bytes=1)
    assert (request.method, dict(request.headers), request.body, request.mutual_tls) == (
        "GET",
        {},
        None,
        False,
    )
    assert HttpResponse(status=204) == HttpResponse(status=204, headers={}, body=b"")
