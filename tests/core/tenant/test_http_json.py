"""Fetching a JSON document: the request, and all invalid responses."""

from __future__ import annotations

from typing import Any, Final

import pytest

from monocloud_mw.core.effects import Failure, Fetch
from monocloud_mw.core.tenant.http_json import MAX_BODY_BYTES, fetch_document, fetch_response, parse_body
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest, HttpResponse

from ..fake_driver import json_response, result_of, step

URL: Final = "https://acme.us.monocloud.com/document"
REQUEST: Final = HttpRequest(
    url=URL, headers={"accept": "application/json"}, timeout_seconds=7.0, max_body_bytes=MAX_BODY_BYTES
)


def fetched(answer: Any) -> Any:
    """Fetch the document from a server with the given response."""
    flow = fetch_document(URL, timeout_seconds=7.0)
    assert step(flow) == Fetch(REQUEST)
    return result_of(flow, answer)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b' {"a": [1, {"b": null}]}\n', {"a": [1, {"b": None}]}),
        ('{"name": "Zo\u00eb"}'.encode(), {"name": "Zo\u00eb"}),
        (b"{" + b" " * (MAX_BODY_BYTES - 2) + b"}", {}),
        (b'\xef\xbb\xbf{"a": 1, "a": 2, "b": NaN}', {"a": 2, "b": {}}),
    ],
    ids=["empty", "nested", "UTF-8", "as large as allowed", "untidy"],
)
def test_a_json_object_is_read(body: bytes, expected: Any) -> None:
    """The request is a GET that accepts JSON, with a timeout and a maximum size."""
    assert fetched(HttpResponse(status=200, body=body)) == expected


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_an_error(status: int) -> None:
    """Redirects are errors too, since they may lead to another server; the body is not read."""
    response = HttpResponse(status=status, headers={"location": "https://evil.example"}, body=b"{}")
    with pytest.raises(HttpError) as caught:
        fetched(response)
    assert str(caught.value) == f"'{URL}' answered with status {status}"
    assert caught.value.status == status


@pytest.mark.parametrize(("status", "expected"), [(429, 7.0), (503, 7.0), (500, None)])
def test_retry_after_is_in_the_error(status: int, expected: float | None) -> None:
    """The error has the response's ``Retry-After``."""
    with pytest.raises(HttpError) as caught:
        fetched(HttpResponse(status=status, headers={"retry-after": "7"}))
    assert caught.value.retry_after == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b"<html>maintenance</html>", "it is HTML or XML"),
        (b"null", "it is null, not an object"),
        (b'[{"issuer": "x"}]', "it is an array, not an object"),
        (b"{} {}", "it is not JSON: Extra data at line 1 column 4"),
        ('{"a": 1}'.encode("utf-16"), "it is not in UTF-8"),
        (b'{"a":' * 200_000, "it is not JSON: Expecting ',' delimiter at line 1 column 165"),
    ],
    ids=["empty", "HTML", "null", "array", "two", "UTF-16", "deep"],
)
def test_an_invalid_document_is_an_error(body: bytes, reason: str) -> None:
    """The message has the URL and the reason and quotes nothing of the body, which may hold claims."""
    with pytest.raises(HttpError) as caught:
        fetched(json_response(body))
    assert str(caught.value) == f"'{URL}' did not answer with a JSON object: {reason}"
    assert caught.value.status == 200


def test_too_large_a_body_is_an_error() -> None:
    """The size is checked here too, since a custom fetcher may not check it."""
    with pytest.raises(HttpError) as caught:
        fetched(json_response(b"{" + b" " * (MAX_BODY_BYTES - 1) + b"}"))
    assert str(caught.value) == f"'{URL}' sent more than {MAX_BODY_BYTES} bytes"
    assert caught.value.status == 200


def test_a_failure_is_raised_as_a_copy() -> None:
    """A failure of the network is raised as a copy and has no status."""
    error = HttpError("no answer in time")
    with pytest.raises(HttpError, match="no answer in time") as caught:
        fetched(Failure(error))
    assert caught.value is not error
    assert caught.value.status is None


def test_an_exchange_returns_any_status() -> None:
    """fetch_response returns responses of any status."""
    response = HttpResponse(status=418, body=b"x" * 10)
    flow = fetch_response(HttpRequest(url=URL, timeout_seconds=1.0, max_body_bytes=10))
    step(flow)
    assert result_of(flow, response) is response


def test_the_status_of_a_body_that_cannot_be_read() -> None:
    """The status is kept in the error."""
    with pytest.raises(HttpError) as caught:
        parse_body(URL, HttpResponse(status=401))
    assert caught.value.status == 401


def test_an_address_in_a_message_is_escaped() -> None:
    """The URL comes from the tenant and is escaped in messages."""
    with pytest.raises(HttpError) as caught:
        parse_body("https://acme.example/\n\x1b[0m", HttpResponse(status=200))
    assert (
        str(caught.value)
        == "'https://acme.example/\\n\\x1b[0m' did not answer with a JSON object: it is empty"
    )
