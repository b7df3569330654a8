"""The API under attack: both clients and all adapters, in one process, with one tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
from flask import Flask, jsonify
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    BackendClient,
    MonoCloudError,
    Presented,
)
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters.flask import protect_api
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.options import Options

from ..adapters.exchange import exchange, http_scope

__all__ = ["NEEDED", "Answer", "Api"]

NEEDED: Final = Requirements.of(scopes="api", groups="staff")


@attrs.frozen
class Answer:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Api:
    """An API that requires the scope ``api`` and the group ``staff`` everywhere."""

    def __init__(self, options: Options) -> None:
        self.client = BackendClient(options)
        self.async_client = AsyncBackendClient(options)
        self._loop = asyncio.new_event_loop()
        self._certificate: bytes | None = None
        settings: dict[str, Any] = {
            "scopes": "api",
            "groups": "staff",
            "certificate_resolver": lambda _request: self._certificate,
        }
        self._wsgi = wsgi.ProtectApiMiddleware(_wsgi_handler, self.client, **settings)
        self._asgi = asgi.ProtectApiMiddleware(_asgi_handler, self.async_client, **settings)
        self._flask = Flask(__name__)
        self._flask.add_url_rule("/", "root", protect_api(self.client, **settings)(lambda: jsonify("in")))

    def close(self) -> None:
        """Close the clients."""
        self.client.close()
        self._loop.run_until_complete(self.async_client.aclose())
        self._loop.close()

    def outcomes(
        self, token: str, certificate: bytes | None = None
    ) -> list[AccessTokenClaims | MonoCloudError]:
        """Return each client's result for a token: claims or the error."""
        credentials = Presented(token, client_certificate=certificate)

        async def authenticate() -> AccessTokenClaims:
            return await self.async_client.authenticate(credentials, NEEDED)

        return [
            _outcome_of(partial(self.client.authenticate, credentials, NEEDED)),
            _outcome_of(lambda: self._loop.run_until_complete(authenticate())),
        ]

    def answers(self, authorization: bytes, certificate: bytes | None = None) -> list[Answer]:
        """Return each adapter's response to a request with exactly this ``Authorization`` header."""
        self._certificate = certificate
        environ = EnvironBuilder("/").get_environ() | {"HTTP_AUTHORIZATION": authorization.decode("latin-1")}
        scope = http_scope("GET", "/") | {"headers": [(b"authorization", authorization)]}
        start, part = self._loop.run_until_complete(exchange(self._asgi, scope))
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        answers = [Answer(start["status"], headers, part["body"])]
        for app in (self._wsgi, self._flask):
            body, status, sent = run_wsgi_app(app, dict(environ))
            lower = {name.lower(): value for name, value in sent}
            answers.append(Answer(int(status.split()[0]), lower, b"".join(body)))
        return answers


def _outcome_of(call: Callable[[], AccessTokenClaims]) -> AccessTokenClaims | MonoCloudError:
    try:
        return call()
    except MonoCloudError as error:
        return error


def _wsgi_handler(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"in"]


async def _asgi_handler(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})
