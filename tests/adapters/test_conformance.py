"""One table of requests and expected answers, for all adapters, in process and on real servers."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final, TypeAlias

import attrs
import pytest

from monocloud_mw import AsyncBackendClient, BackendClient, Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.jose import SigningKey, parse_header
from monocloud_mw.quoting import quoted
from monocloud_mw.testing import LocalTenant, as_caller
from monocloud_mw.testing.faults import FAULTS

from ..core.certificates import make_certificate, pem_of, thumbprint_of
from ..noted import noted
from .django_apis import DJANGO_KINDS, create_django_call
from .exchange import Answer, Call, RequestHeaders, call_asgi, call_starlette, call_wsgi
from .sample_api import (
    ADAPTERS,
    create_asgi_app,
    create_fastapi_app,
    create_flask_app,
    create_starlette_app,
    create_wsgi_app,
)

Request: TypeAlias = Callable[[LocalTenant], RequestHeaders]


@attrs.frozen(kw_only=True)
class Case:
    """A request and its expected answer, including the headers about access."""

    method: str = "GET"
    path: str = "/me"
    headers: Request
    status: int
    challenge: str | None = None
    error: str | None = None
    description: str | None = None
    subject: str | None = None


def _bearer(token: str) -> RequestHeaders:
    return [("Authorization", f"Bearer {token}")]


def _minted(**parameters: Any) -> Request:
    parameters = {"scopes": "api", "subject": "alice"} | parameters
    return lambda tenant: _bearer(tenant.mint(**parameters))


def _opaque(**parameters: Any) -> Request:
    return lambda tenant: _bearer(tenant.mint_opaque(scopes="api", subject="alice", **parameters))


def _revoked(tenant: LocalTenant) -> RequestHeaders:
    token = tenant.mint_opaque(scopes="api")
    tenant.revoke(token)
    return _bearer(token)


def _forged(tenant: LocalTenant) -> RequestHeaders:
    head, _, signature = tenant.mint(scopes="api").split(".")
    _, payload, _ = tenant.mint(scopes="api", groups=["admin"]).split(".")
    return _bearer(f"{head}.{payload}.{signature}")


def _sent(*headers: tuple[str, str]) -> Request:
    return lambda tenant: headers


def _refused(description: str) -> dict[str, Any]:
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    return {"status": 401, "challenge": challenge, "error": "invalid_token", "description": description}


MISSING: dict[str, Any] = {
    "status": 401,
    "challenge": "Bearer",
    "error": "unauthorized",
    "description": "An access token is required",
}
MALFORMED: dict[str, Any] = {
    "status": 400,
    "challenge": 'Bearer error="invalid_request"',
    "error": "invalid_request",
    "description": "The Authorization header is malformed",
}
NO_GROUP: dict[str, Any] = {
    "status": 403,
    "challenge": 'Bearer error="insufficient_scope", scope="api"',
    "error": "insufficient_scope",
    "description": "The access token lacks a required group",
}


def _no_scope(scopes: str) -> dict[str, Any]:
    return {
        "status": 403,
        "challenge": f'Bearer error="insufficient_scope", scope="{scopes}"',
        "error": "insufficient_scope",
        "description": "The access token lacks a required scope",
    }


CASES: dict[str, Case] = {
    "public": Case(path="/healthz", headers=_sent(), status=200),
    "public, HEAD": Case(method="HEAD", path="/healthz", headers=_sent(), status=200),
    "public with a good token": Case(path="/healthz", headers=_minted(), status=200),
    "public with garbage": Case(path="/healthz", headers=_sent(("Authorization", "Bearer ?")), status=200),
    "good token": Case(headers=_minted(), status=200, subject="alice"),
    "good token, HEAD": Case(method="HEAD", headers=_minted(), status=200),
    "good token with a group": Case(
        path="/admin/users", headers=_minted(groups=["admin"]), status=200, subject="alice"
    ),
    "good token with a group by id": Case(
        path="/admin/users",
        headers=_minted(groups=[{"id": "admin", "name": "Administrators"}]),
        status=200,
        subject="alice",
    ),
    "good token with both scopes": Case(
        method="POST",
        path="/orders",
        headers=_minted(scopes="orders:write api"),
        status=200,
        subject="alice",
    ),
    "a subject beyond ASCII": Case(headers=_minted(subject="J\u00f6rg"), status=200, subject="J\u00f6rg"),
    "opaque": Case(headers=_opaque(), status=200, subject="alice"),
    "opaque, revoked": Case(headers=_revoked, **_refused("The access token is not active")),
    "opaque, unknown": Case(
        headers=_sent(("Authorization", "Bearer unknown")), **_refused("The access token is not active")
    ),
    "scheme in lower case": Case(
        headers=lambda tenant: [("authorization", f"bearer   {tenant.mint(scopes='api', subject='alice')}")],
        status=200,
        subject="alice",
    ),
    "no credentials": Case(headers=_sent(), **MISSING),
    "no credentials, HEAD": Case(method="HEAD", headers=_sent(), **MISSING),
    "another scheme": Case(headers=_sent(("Authorization", "Basic YTpi")), **MISSING),
    "an empty header": Case(headers=_sent(("Authorization", "")), **MISSING),
    "a token in the query": Case(path="/me?access_token=abc", headers=_sent(), **MISSING),
    "no token": Case(headers=_sent(("Authorization", "Bearer")), **MALFORMED),
    "two tokens": Case(headers=_sent(("Authorization", "Bearer a b")), **MALFORMED),
    "Latin-1": Case(headers=_sent(("Authorization", "Bearer \xe9")), **MALFORMED),
    "a comma": Case(headers=_sent(("Authorization", "Bearer a,Bearer b")), **MALFORMED),
    "two headers": Case(
        headers=lambda tenant: [*_bearer(tenant.mint(scopes="api")), *_bearer(tenant.mint(scopes="api"))],
        **MALFORMED,
    ),
    "two schemes": Case(
        headers=lambda tenant: [("Authorization", "Basic YTpi"), *_bearer(tenant.mint(scopes="api"))],
        **MALFORMED,
    ),
    "garbage": Case(
        headers=_sent(("Authorization", "Bearer a.b.c")), **_refused("The access token is malformed")
    ),
    "expired": Case(headers=_minted(lifetime_seconds=-3600), **_refused("The access token has expired")),
    "not valid yet": Case(
        headers=_minted(starts_in_seconds=3600), **_refused("The access token is not valid yet")
    ),
    "for another API": Case(
        headers=_minted(audience="https://other.example.com"),
        **_refused("The access token is for another audience"),
    ),
    "from another issuer": Case(
        headers=_minted(claims={"iss": "https://other.example.com"}),
        **_refused("The access token is from another issuer"),
    ),
    "an ID token": Case(
        headers=_minted(header={"typ": "id+jwt"}), **_refused("The token is not an access token")
    ),
    "signed by an unknown key": Case(
        headers=_minted(signed_by=SigningKey.generate("ES256", "stranger")),
        **_refused("The access token is signed with an unknown key"),
    ),
    "forged": Case(headers=_forged, **_refused("The signature of the access token is invalid")),
    "missing default scope": Case(headers=_minted(scopes="other"), **_no_scope("api")),
    "missing scope": Case(method="POST", path="/orders", headers=_minted(), **_no_scope("api orders:write")),
    "scope in another case": Case(headers=_minted(scopes="API"), **_no_scope("api")),
    "missing group": Case(path="/admin/users", headers=_minted(), **NO_GROUP),
    "another group": Case(path="/admin/users", headers=_minted(groups=["admins"]), **NO_GROUP),
}


@pytest.fixture
def cases(request: pytest.FixtureRequest) -> dict[str, Case]:
    """Return the cases; Starlette's authentication comes before routing, so it sees every token."""
    if "starlette" not in request.node.name:
        return CASES
    garbage = "public with garbage"
    return CASES | {garbage: attrs.evolve(CASES[garbage], **MALFORMED)}


def check(answer: Answer, case: Case) -> None:
    """Compare status, headers, body and claims with the expected answer."""
    assert answer.status == case.status
    assert answer.headers.get("www-authenticate") == case.challenge
    assert answer.headers.get("content-type", "").partition(";")[0] == "application/json"
    if case.method == "HEAD":
        assert answer.body == b""
    elif case.error is not None:
        assert answer.json == {"error": case.error, "error_description": case.description}
        assert answer.headers["content-length"] == str(len(answer.body))
    else:
        claims = answer.json["claims"]
        assert (claims and claims["sub"]) == case.subject
    if case.error is not None:
        assert answer.headers["cache-control"] == "no-store"


def test_the_same_request_gets_the_same_answer_everywhere(
    cases: dict[str, Case], call: Call, tenant: LocalTenant
) -> None:
    """Status, challenge, body and claims are those of the table on every adapter and server."""
    for name, case in cases.items():
        with noted(name):
            check(call(case.method, case.path, case.headers(tenant)), case)


def test_claims_in_request_headers_are_ignored(
    cases: dict[str, Case], call: Call, tenant: LocalTenant
) -> None:
    """Headers that resemble the claims, in any spelling, change no answer."""
    smuggled = [
        (name, '{"sub": "mallory"}')
        for name in ("monocloud.claims", "Monocloud-Claims", "Monocloud_Claims", "X-Monocloud.Claims")
    ]
    for name, case in cases.items():
        with noted(name):
            check(call(case.method, case.path, [*smuggled, *case.headers(tenant)]), case)


@pytest.fixture(params=ADAPTERS)
def call_in_process(request: pytest.FixtureRequest) -> Call:
    """Call the sample API in process, so that its log can be read."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.mark.usefixtures("all_records")
def test_no_token_reaches_a_log_or_a_refusal(
    cases: dict[str, Case],
    call_in_process: Call,
    tenant: LocalTenant,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No part of a request's headers is written to the log or the response, token or not."""
    caplog.set_level(logging.DEBUG)
    for name, case in cases.items():
        caplog.clear()
        headers = case.headers(tenant)
        answer = call_in_process(case.method, case.path, headers)
        assert bool(_own(caplog)) == (case.error is not None), name
        presented = {part for _, value in headers for part in re.split(r"[ ,.]", value) if len(part) > 8}
        for part in presented:
            assert part not in caplog.text, name
            assert part not in repr((answer.headers, answer.body if case.error else b"")), name


def _own(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log records of this package; Django logs each refused request as well."""
    return [record for record in caplog.records if record.name == "monocloud_mw"]


def test_a_refusal_is_logged_with_reason_key_and_issuer(
    call_in_process: Call, tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the failed check, the key ID and the issuer of a refused token."""
    caplog.set_level(logging.INFO, "monocloud_mw")
    token = tenant.mint(audience="https://other.example.com")
    key_id = parse_header(token.partition(".")[0]).key_id
    assert call_in_process("GET", "/me", _bearer(token)).status == 401
    (message,) = [record.getMessage() for record in _own(caplog)]
    assert "[wrong_audience]" in message
    assert f"key id {quoted(key_id)}, issuer {quoted(tenant.domain)}" in message
    assert "'GET' '/me' answered with 401" in message


@pytest.fixture(params=ADAPTERS)
def call_with_new_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Call]]:
    """Return a function that serves the sample API in process with a new client."""
    clients: list[BackendClient | AsyncBackendClient] = []
    stack = ExitStack()

    def serve(settings: dict[str, Any], **more: Any) -> Call:
        if request.param in DJANGO_KINDS:
            pytest.importorskip(DJANGO_KINDS[request.param][1])
            return stack.enter_context(create_django_call(request.param, {**settings, **more}))
        if request.param in ("asgi", "fastapi", "starlette"):
            async_client = AsyncBackendClient(**settings)
            clients.append(async_client)
            if request.param == "asgi":
                return call_asgi(create_asgi_app(async_client, **more))
            create: Any = create_fastapi_app if request.param == "fastapi" else create_starlette_app
            return call_starlette(create(async_client, **more))
        client = BackendClient(**settings)
        clients.append(client)
        return call_wsgi({"flask": create_flask_app, "wsgi": create_wsgi_app}[request.param](client, **more))

    with stack:
        yield serve
    for client in clients:
        if isinstance(client, BackendClient):
            client.close()
        else:
            asyncio.run(client.aclose())


OUTAGES = {
    "unreachable": "close",
    "resetting": "reset",
    "overloaded": "status",
    "breaking off": "half_body",
}
MISTAKES = {
    "a web page": "html",
    "garbage": "garbage",
    "another document": "document",
    "redirecting": "redirect",
}


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
def test_an_unavailable_tenant_is_a_503(
    call_with_new_client: Callable[[dict[str, Any]], Call], tenant: LocalTenant, fault: str
) -> None:
    """The caller is told when to retry and nothing more; public paths still work."""
    token = tenant.mint(scopes="api")
    with tenant.failing(FAULTS[fault]()):
        call = call_with_new_client(tenant.settings(tenant.client))
        answer = call("GET", "/me", _bearer(token))
        assert call("GET", "/healthz", ()).status == 200
        assert call("GET", "/me", ()).status == 401
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"  # the time of the next attempt
    assert answer.headers["cache-control"] == "no-store"
    assert "www-authenticate" not in answer.headers
    assert answer.json == {
        "error": "temporarily_unavailable",
        "error_description": "Access tokens cannot be checked at the moment",
    }


@pytest.mark.parametrize("fault", MISTAKES.values(), ids=MISTAKES)
def test_an_invalid_tenant_response_is_a_500(
    call_with_new_client: Callable[[dict[str, Any]], Call], tenant: LocalTenant, fault: str
) -> None:
    """An invalid response of the tenant is a configuration error; the caller gets no details."""
    token = tenant.mint(scopes="api")
    with tenant.failing(FAULTS[fault]()):
        call = call_with_new_client(tenant.settings(tenant.client))
        answer = call("GET", "/me", _bearer(token))
        assert call("GET", "/healthz", ()).status == 200
    assert answer.status == 500
    assert {"www-authenticate", "retry-after"}.isdisjoint(answer.headers)
    assert answer.json["error"] == "server_error"


def test_a_tenant_that_refuses_the_client_is_a_500(
    call_with_new_client: Callable[[dict[str, Any]], Call], tenant: LocalTenant
) -> None:
    """A failure that only the operator can fix is not reported as the caller's, and not explained to the
    caller.
    """
    call = call_with_new_client({**tenant.settings(tenant.client), "client_secret": "wrong"})
    answer = call("GET", "/me", _bearer(tenant.mint_opaque(scopes="api")))
    assert answer.status == 500
    assert {"www-authenticate", "retry-after"}.isdisjoint(answer.headers)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json == {
        "error": "server_error",
        "error_description": "The request could not be authenticated",
    }


@pytest.mark.parametrize(
    ("path", "scopes", "status", "named"),
    [
        ("/", "read", 200, None),
        ("/", "write read", 200, None),
        ("/", "reader", 403, "read write"),
        ("/audit", "read", 403, "audit read write"),
        ("/audit", "audit write", 200, None),
        ("/open", None, 200, None),
        ("/", None, 401, None),
    ],
)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_any_of_several_scopes_is_enough(
    kind: str,
    path: str,
    scopes: str | None,
    status: int,
    named: str | None,
    tenant: LocalTenant,
    client: BackendClient,
    async_client: AsyncBackendClient,
) -> None:
    """The any_scopes of the middleware and of a rule must each be met; the challenge lists them all."""
    rules = [Rule("/audit", any_scopes=["audit"]), Rule("/open", public=True)]

    def served(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    async def served_async(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    if kind == "wsgi":
        call = call_wsgi(wsgi.ProtectApiMiddleware(served, client, any_scopes="read write", rules=rules))
    else:
        call = call_asgi(
            asgi.ProtectApiMiddleware(served_async, async_client, any_scopes="read write", rules=rules)
        )
    answer = call("GET", path, [] if scopes is None else _bearer(tenant.mint(scopes=scopes)))
    assert answer.status == status
    if named is not None:
        assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{named}"'


@pytest.mark.parametrize("is_jwt", [True, False])
def test_a_bound_token_needs_the_resolved_certificate(
    call_with_new_client: Callable[..., Call], tenant: LocalTenant, is_jwt: bool
) -> None:
    """The certificate is checked for every request, even if the token was presented with the right one
    before.
    """
    certificate, stolen = make_certificate(), make_certificate("thief")
    bound = {"cnf": {"x5t#S256": thumbprint_of(certificate)}}
    token = (tenant.mint if is_jwt else tenant.mint_opaque)(scopes="api", claims=bound)
    presented: list[bytes | None] = []
    call = call_with_new_client(
        tenant.settings(tenant.client), certificate_resolver=lambda _request: presented.pop()
    )
    for shown, status in ((certificate, 200), (None, 401), (stolen, 401), (certificate, 200)):
        presented.append(shown)
        assert call("GET", "/me", _bearer(token)).status == status
    assert call_with_new_client(tenant.settings(tenant.client))("GET", "/me", _bearer(token)).status == 401


CERTIFICATE: Final = make_certificate()
ANOTHER: Final = make_certificate("another")
PEM: Final = pem_of(CERTIFICATE)


def _cannot_read(_request: object) -> str:
    raise ValueError("the header is not percent-encoded")


def _cannot_decode(_request: object) -> str:
    return b"\xff".decode()


RESOLVED: Final[dict[str, tuple[Callable[[Any], Any], int, str]]] = {
    "PEM": (lambda _request: PEM, 200, ""),
    "PEM bytes": (lambda _request: PEM.encode(), 200, ""),
    "DER": (lambda _request: CERTIFICATE, 200, ""),
    "PEM with text before it": (lambda _request: f"subject=CN = client\n{PEM}", 200, ""),
    "a chain": (lambda _request: PEM + pem_of(ANOTHER), 200, ""),
    "a chain of another leaf": (
        lambda _request: pem_of(ANOTHER) + PEM,
        401,
        "The access token is bound to another client certificate",
    ),
    "ValueError": (_cannot_read, 401, "The client certificate is malformed"),
    "UnicodeDecodeError": (_cannot_decode, 401, "The client certificate is malformed"),
    "PEM cut off": (lambda _request: PEM[:-40], 401, "The client certificate is malformed"),
    "text": (lambda _request: "(null)", 401, "The client certificate is malformed"),
    "bytes": (lambda _request: b"\xff\x00", 401, "The client certificate is malformed"),
    "blank text": (lambda _request: " ", 401, "The access token requires a client certificate"),
    "nothing": (lambda _request: None, 401, "The access token requires a client certificate"),
}


def test_an_unreadable_certificate_is_the_callers_fault(
    call_with_new_client: Callable[..., Call], tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreadable certificate is the caller's: 401, and no error in the log."""
    token = tenant.mint(scopes="api", claims={"cnf": {"x5t#S256": thumbprint_of(CERTIFICATE)}})
    current: list[Callable[[Any], Any]] = []
    call = call_with_new_client(
        tenant.settings(tenant.client), certificate_resolver=lambda request: current[-1](request)
    )
    for name, (resolver, status, description) in RESOLVED.items():
        current.append(resolver)
        with noted(name):
            answer = call("GET", "/me", _bearer(token))
            assert answer.status == status
            assert answer.json.get("error_description", "") == description
            assert [record for record in _own(caplog) if record.levelno >= logging.WARNING] == []


def test_an_opaque_token_at_an_api_without_introspection_is_the_callers_fault(
    call_with_new_client: Callable[[dict[str, Any]], Call], tenant: LocalTenant
) -> None:
    """An API without introspection refuses opaque tokens with 401, not 500."""
    settings = {"tenant_domain": tenant.domain, "audience": tenant.audience}
    answer = call_with_new_client(settings)("GET", "/me", _bearer("opaque"))
    assert answer.status == 401
    assert answer.json["error_description"] == "The access token is malformed"


def test_as_caller_replaces_the_check(call_in_process: Call) -> None:
    """Scopes and groups are still required, and nothing that a request sends changes who calls."""
    for headers in ((), [("Authorization", "Bearer x"), ("X-Caller", "mallory")]):
        with as_caller("alice", scopes="api"):
            assert call_in_process("GET", "/me", headers).json["claims"]["sub"] == "alice"
            assert call_in_process("POST", "/orders", headers).status == 403
            assert call_in_process("GET", "/admin/users", headers).status == 403
            with as_caller("bob", scopes="api orders:write", groups=["admin"]):
                assert call_in_process("POST", "/orders", headers).json["claims"]["sub"] == "bob"
                assert call_in_process("GET", "/admin/users", headers).json["claims"]["sub"] == "bob"
            assert call_in_process("GET", "/me", headers).json["claims"]["sub"] == "alice"
        assert call_in_process("GET", "/me", headers).status == 401
