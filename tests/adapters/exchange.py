"""Send requests to an API: in process, or over a socket byte for byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http.client import HTTPResponse
from typing import Any, TypeAlias
from urllib.parse import unquote

import attrs
from werkzeug.datastructures import Headers
from werkzeug.test import Client

from ..event_loop import run

RequestHeaders: TypeAlias = Sequence[tuple[str, str]]
Message: TypeAlias = MutableMapping[str, Any]
AsgiApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

TIMEOUT_SECONDS = 30


@attrs.frozen
class Answer:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body)


Call: TypeAlias = Callable[[str, str, RequestHeaders], Answer]
"""Method, request target and headers to the answer."""


def call_wsgi(app: Any) -> Call:
    """Call a WSGI application in process, with Werkzeug's test client."""

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        response = Client(app).open(target, method=method, headers=Headers(list(headers)))
        return Answer(response.status_code, _lower(list(response.headers.items())), response.get_data())

    return call


def call_asgi(app: AsgiApp) -> Call:
    """Call an ASGI application in process, as a server would."""

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        messages = run(exchange(app, http_scope(method, target, headers)))
        start, *parts = messages
        assert start["type"] == "http.response.start"
        answer_headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
        body = b"".join(part.get("body", b"") for part in parts)
        return Answer(start["status"], _lower(answer_headers), body)

    return call


def call_starlette(app: Any) -> Call:
    """Call a Starlette application in process; like a server, drop the body of a response to HEAD."""
    call_app = call_asgi(app)

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        answer = call_app(method, target, headers)
        return attrs.evolve(answer, body=b"") if method == "HEAD" else answer

    return call


def call_socket(port: int) -> Call:
    """Call a server on this machine over a socket, without normalising the request."""

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: api.example.com", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            with HTTPResponse(connection, method=method) as response:
                response.begin()
                return Answer(response.status, _lower(response.getheaders()), response.read())

    return call


def http_scope(method: str, target: str, headers: RequestHeaders = (), **more: Any) -> dict[str, Any]:
    """Return the scope of an HTTP request."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        **more,
    }


def websocket_scope(path: str, headers: RequestHeaders = (), **more: Any) -> dict[str, Any]:
    """Return the scope of a WebSocket handshake."""
    scope = http_scope("GET", path, headers, type="websocket", scheme="ws", subprotocols=[], **more)
    del scope["method"]
    return scope


async def exchange(app: AsgiApp, scope: Message, incoming: Sequence[Message] = ()) -> list[Message]:
    """Return the messages that an ASGI application sends for a scope."""
    sent: list[Message] = []
    waiting = iter(incoming or [{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def _lower(headers: RequestHeaders) -> dict[str, str]:
    names = [name.lower() for name, _ in headers]
    assert len(set(names)) == len(names), "a header occurs twice in the response"
    return {name.lower(): value for name, value in headers}
