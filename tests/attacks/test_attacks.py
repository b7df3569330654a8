"""Every attack of the table on both clients and all adapters, each beside a token that passes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest
from flask import Flask, jsonify
from werkzeug.test import EnvironBuilder, run_wsgi_app

from monocloud_mw import AsyncBackendClient, BackendClient, Credentials, TokenError
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.adapters.flask import protect_api
from monocloud_mw.core.requirements import Requirements
from monocloud_mw.errors import Reason
from monocloud_mw.protect.challenge import render_refusal

from ..adapters.exchange import exchange, http_scope
from .attack import Attack, options
from .signatures import SAME_AGAIN
from .table import ATTACKS

NEEDED: Final = Requirements.of(scopes="api", groups="staff")
# What an Authorization header may hold behind the scheme (RFC 6750 section 2.1).
B64TOKEN: Final = re.compile(rb"[A-Za-z0-9\-._~+/]+=*")

attacks = pytest.mark.parametrize("attack", ATTACKS.values(), ids=[ascii(name) for name in ATTACKS])


class Api:
    """One API whose clients and adapters all know the same tenant."""

    def __init__(self) -> None:
        self.client = BackendClient(options())
        self.async_client = AsyncBackendClient(options())
        self.loop = asyncio.new_event_loop()
        self.certificate: bytes | None = None
        settings: dict[str, Any] = {
            "scopes": "api",
            "groups": "staff",
            "certificate_resolver": lambda _request: self.certificate,
        }
        self.wsgi = wsgi.ProtectApiMiddleware(_wsgi_handler, self.client, **settings)
        self.asgi = asgi.ProtectApiMiddleware(_asgi_handler, self.async_client, **settings)
        self.flask = Flask(__name__)
        self.flask.add_url_rule("/", "root", protect_api(self.client, **settings)(lambda: jsonify("in")))

    def close(self) -> None:
        """Close what is open."""
        self.client.close()
        self.loop.run_until_complete(self.async_client.aclose())
        self.loop.close()

    def reasons(self, token: str, certificate: bytes | None) -> list[Reason | None]:
        """Return why each client refuses a token, ``None`` where it does not."""
        credentials = Credentials(token, certificate)

        async def authenticate() -> Any:
            return await self.async_client.authenticate(credentials, NEEDED)

        return [
            _reason_of(partial(self.client.authenticate, credentials, NEEDED)),
            _reason_of(lambda: self.loop.run_until_complete(authenticate())),
        ]

    def answers(self, authorization: bytes, certificate: bytes | None) -> list[tuple[int, dict[str, str]]]:
        """Return status and headers that each adapter gives to a request with this very header."""
        self.certificate = certificate
        environ = EnvironBuilder("/").get_environ() | {"HTTP_AUTHORIZATION": authorization.decode("latin-1")}
        scope = http_scope("GET", "/") | {"headers": [(b"authorization", authorization)]}
        start = self.loop.run_until_complete(exchange(self.asgi, scope))[0]
        found = [(start["status"], {name.decode(): value.decode() for name, value in start["headers"]})]
        for app in (self.wsgi, self.flask):
            _, status, headers = run_wsgi_app(app, dict(environ))
            found.append((int(status.split()[0]), {name.lower(): value for name, value in headers}))
        return found


def _reason_of(call: Callable[[], Any]) -> Reason | None:
    try:
        call()
    except TokenError as error:
        return error.reason
    return None


def _wsgi_handler(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"in"]


async def _asgi_handler(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Return an API on everything, which stays up."""
    api = Api()
    yield api
    api.close()


@attacks
def test_an_attack_is_refused_for_its_reason(attack: Attack, api: Api) -> None:
    """By both clients, before and after they have seen the token beside it that passes."""
    for token, reason in (
        (attack.token, attack.reason),
        (attack.control, None),
        (attack.token, attack.reason),
    ):
        assert api.reasons(token, attack.certificate) == [reason, reason]


@attacks
def test_an_attack_over_http_is_refused_for_its_reason(
    attack: Attack, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """By every adapter alike: the fixed sentence goes out, and the reason into the log."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    sent = attack.token.encode("utf-8", "surrogatepass")
    answers = api.answers(b"Bearer " + sent, attack.certificate)
    statuses = [status for status, _ in answers]
    challenges = [headers.get("www-authenticate") for _, headers in answers]
    if attack.token.strip(" \t") == attack.control:
        # White space around it belongs to HTTP (RFC 9110 section 5.5): to the token it never gets.
        assert statuses in ([200] * 3, [400] * 3)
    elif B64TOKEN.fullmatch(sent):
        error = TokenError(attack.reason, scopes=["api"] if attack.reason == "insufficient_scope" else ())
        refusal = render_refusal(error)
        assert statuses == [refusal.status] * 3
        assert challenges == [dict(refusal.headers)["WWW-Authenticate"]] * 3
        assert [f"[{attack.reason}]" in message for message in caplog.messages] == [True] * 3
    else:
        assert statuses == [400] * 3
        assert challenges == ['Bearer error="invalid_request"'] * 3
    control = api.answers(b"Bearer " + attack.control.encode(), attack.certificate)
    assert [status for status, _ in control] == [200] * 3


def test_the_other_signature_of_a_token_says_the_same(api: Api) -> None:
    """ECDSA has two signatures for one message; the second brings no other claims, and no other lifetime."""
    first, second = SAME_AGAIN
    assert first != second
    claims = [api.client.authenticate(Credentials(token), NEEDED) for token in SAME_AGAIN]
    assert claims[0] == claims[1]
    with BackendClient(options(clock=lambda: claims[0]["exp"] + 60)) as late:
        reasons = [_reason_of(partial(late.authenticate, Credentials(token), NEEDED)) for token in SAME_AGAIN]
    assert reasons == [Reason.EXPIRED, Reason.EXPIRED]


def test_every_reason_is_attacked() -> None:
    """The table reaches every reason that a JWT can be refused for; the rest need other settings."""
    others = {Reason.INACTIVE, Reason.NOT_BOUND, Reason.CERTIFICATE_MALFORMED}
    assert {attack.reason for attack in ATTACKS.values()} == set(Reason) - others


def test_no_attack_is_its_own_control() -> None:
    """An attack differs from the token beside it."""
    assert [name for name, attack in ATTACKS.items() if attack.token == attack.control] == []


def test_the_controls_pass_for_what_they_say() -> None:
    """At an API of another audience each of them is refused for just that."""
    with BackendClient(options(audience="https://other.example.com")) as client:
        found = {
            _reason_of(partial(client.authenticate, Credentials(attack.control), NEEDED))
            for attack in ATTACKS.values()
        }
    assert found == {Reason.WRONG_AUDIENCE}
