"""The examples in README.md and docs/ run unchanged, and accept the callers that the text says they accept.

The Python blocks of a page run one after the other in one namespace, as a reader would try them, in an empty
directory, with a local tenant in the environment. No block is left out: ``example_pages.py`` has the rules.

Afterwards the applications that a page has made are called in process: the tables below say how.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

import pytest
import trustme
from werkzeug import Request
from werkzeug.test import Client, create_environ

from monocloud_mw.core.token.sender_constraint import certificate_to_der
from monocloud_mw.testing import ClientCertificate, LocalTenant

from ..adapters.exchange import Answer, Call, call_asgi, call_wsgi, exchange, websocket_scope
from ..stores.redis_server import RedisServer
from .example_pages import EXAMPLES, RunningPage
from .pages import PAGES, list_fences, list_tables

pytestmark = pytest.mark.slow

RunPage: TypeAlias = Callable[[str], RunningPage]


@pytest.fixture(scope="module")
def redis_url(
    require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the URL of a real redis-server."""
    server = RedisServer(require_program("redis-server"), tmp_path_factory.mktemp("redis"), trustme.CA())
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def run_page(
    tenant: LocalTenant, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunPage]:
    """Return a function that runs a page, once, and gives the process that it goes on in."""
    pages: dict[str, RunningPage] = {}

    def run(name: str) -> RunningPage:
        if name not in pages:
            environment = tenant.environment(tenant.client)
            environment["CACHE_INTEGRITY_KEY"] = "0123456789abcdef" * 2
            if "REDIS_URL" in PAGES[name]:
                environment["REDIS_URL"] = request.getfixturevalue("redis_url")
            directory = tmp_path_factory.mktemp("page")
            pages[name] = RunningPage(name, environment, tenant.mint(scopes="orders:read"), directory)
        return pages[name]

    yield run
    for page in pages.values():
        page.stop()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, run_page: RunPage) -> None:
    """The Python blocks of a page run, one after the other, and print what the page shows."""
    run_page(name).read()


LANGUAGES: Final = frozenset({"bash", "nginx", "python", "text", "yaml"})


@pytest.mark.parametrize("name", PAGES)
def test_no_example_hides(name: str) -> None:
    """Every block says its language, so that no Python block escapes these tests under another name."""
    languages = {fence.language for fence in list_fences(PAGES[name])}
    directives = {text for text in languages if text.startswith(("{eval-rst}", "{include}", "{toctree}"))}
    unnamed = {""} if name == "README.md" else set()  # commands, which GitHub shows without colours
    assert languages <= LANGUAGES | directives | unnamed
    assert "code-block" not in PAGES[name]


class App(NamedTuple):
    """An application that a page makes: where, its name (an expression), and how it is called."""

    page: str
    name: str
    call: Callable[[Any], Call]


Token: TypeAlias = Mapping[str, Any] | None
"""What to mint; ``None`` is a request without a token."""

ANY: Final[Token] = {}
ADMIN: Final[Token] = {"groups": ["admin"]}
BUYER: Final[Token] = {"scopes": "orders:read"}
ORDERS: Final = "https://orders.acme.com"
ADMIN_API: Final = "https://admin.acme.com"

ANSWERS: Final[Mapping[App, Sequence[tuple[str, Token, int]]]] = {
    App("README.md", "apps[0]", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", BUYER, 403),
        ("GET /orders", {"scopes": "orders:read", "groups": ["sales"]}, 200),
    ],
    App("README.md", "apps[1]", call_asgi): [
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
    ],
    App("README.md", "apps[2]", call_wsgi): [
        ("GET /", None, 401),
        ("GET /", ANY, 200),
        ("GET /admin/users", ANY, 403),
        ("GET /admin/users", ADMIN, 200),
    ],
    App("docs/index.md", "app", call_wsgi): [("GET /orders", ANY, 403), ("GET /orders", BUYER, 200)],
    App("docs/tutorials/fastapi.md", "apps[0]", call_asgi): [
        ("GET /orders", None, 200),
        ("GET /admin", None, 200),
    ],
    App("docs/tutorials/fastapi.md", "apps[1]", call_asgi): [
        ("GET /healthz", None, 200),
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
        ("GET /admin", ANY, 403),
        ("GET /admin", ADMIN, 200),
        ("GET /hello", None, 200),
        ("GET /hello", {"lifetime_seconds": -300}, 401),
        ("GET /docs", None, 200),
    ],
    App("docs/tutorials/fastapi.md", "docs_app", call_asgi): [("GET /not-there", None, 404)],
    App("docs/tutorials/starlette.md", "apps[0]", call_asgi): [("GET /orders", None, 200)],
    App("docs/tutorials/starlette.md", "apps[1]", call_asgi): [
        ("GET /", None, 200),
        ("GET /", {"lifetime_seconds": -300}, 401),
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
        ("GET /admin", ADMIN, 200),
    ],
    App("docs/tutorials/quickstart.md", "app", call_wsgi): [
        ("GET /healthz", None, 200),
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
    ],
    App("docs/how-to/flask.md", "apps[0]", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", BUYER, 403),
        ("GET /orders", {"groups": ["sales"]}, 403),
        ("GET /orders", {"scopes": "orders:read", "groups": ["support"]}, 200),
        ("HEAD /orders", ANY, 403),
        ("OPTIONS /orders", None, 401),
        ("GET /healthz", None, 200),
        ("GET /static/x.css", None, 404),
        ("GET /not-there", None, 401),
        ("GET /greeting", None, 200),
        ("GET /reports", None, 401),
        ("GET /whoami", ANY, 200),
        ("GET /admin/users", ANY, 403),
        ("GET /admin/users", ADMIN, 200),
        ("OPTIONS /admin/users", None, 401),
        ("DELETE /admin/users/bob", ADMIN, 403),
        ("DELETE /admin/users/bob", {"scopes": "users:delete"}, 403),
        ("DELETE /admin/users/bob", {"groups": ["admin"], "scopes": "users:delete"}, 200),
        ("GET /invoices", ANY, 403),
        ("GET /invoices", {"scopes": "invoices"}, 200),
        ("POST /invoices", {"scopes": "invoices"}, 403),
        ("GET /status", ANY, 403),
        ("GET /status", {"scopes": "api"}, 200),
        ("GET /profile", ANY, 401),  # the token must come in a cookie
        ("GET /audits", None, 401),
        ("GET /audits", ANY, 403),
    ],
    App("docs/tutorials/flask.md", "apps[0]", call_wsgi): [("GET /orders", None, 200)],
    App("docs/tutorials/flask.md", "apps[1]", call_wsgi): [
        ("GET /healthz", None, 200),
        ("GET /hello", None, 200),
        ("GET /hello", {"lifetime_seconds": -300}, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
        ("GET /admin/users", ANY, 403),
        ("GET /admin/users", ADMIN, 200),
        ("GET /not-there", None, 401),
    ],
    App("docs/tutorials/flask.md", "factory_app", call_wsgi): [("GET /me", None, 401), ("GET /me", ANY, 200)],
    App("docs/how-to/flask.md", "created_app", call_wsgi): [("GET /me", None, 401), ("GET /me", ANY, 200)],
    App("docs/how-to/migrate-from-authlib.md", "app", call_wsgi): [
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
    ],
    App("docs/how-to/migrate-from-flask-jwt-extended.md", "app", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
    ],
    App("docs/how-to/several-apis.md", "app", call_asgi): [
        ("GET /orders/", None, 401),
        ("GET /orders/", {"audience": ORDERS}, 200),
        ("GET /orders/", {"audience": ADMIN_API, "scopes": "admin"}, 401),
        ("GET /admin/users", {"audience": ORDERS, "scopes": "admin"}, 401),
        ("GET /admin/users", {"audience": ADMIN_API}, 403),
        ("GET /admin/users", {"audience": ADMIN_API, "scopes": "admin"}, 200),
    ],
    App("docs/how-to/several-apis.md", "flask_orders", call_wsgi): [
        ("GET /", None, 401),
        ("GET /", {"audience": ORDERS}, 200),
        ("GET /admin/users", {"audience": ORDERS, "scopes": "admin"}, 401),
        ("GET /admin/users", {"audience": ADMIN_API}, 403),
        ("GET /admin/users", {"audience": ADMIN_API, "scopes": "admin"}, 200),
    ],
    App("docs/how-to/rate-limits-and-logs.md", "fastapi_app", call_asgi): [
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 200),
    ],
    App("docs/how-to/rate-limits-and-logs.md", "flask_app", call_wsgi): [
        ("GET /orders", None, 401),
        ("GET /orders", ANY, 200),
    ],
    App("docs/how-to/migrate-from-node-sdk.md", "app", call_wsgi): [
        ("GET /api/data", ANY, 403),
        ("GET /api/data", {"scopes": "data:write"}, 200),
    ],
    App("docs/how-to/wsgi.md", "app", call_wsgi): [
        ("GET /healthz", None, 200),
        ("GET /", None, 401),
        ("GET /", ANY, 200),
        ("POST /orders", ANY, 403),
        ("GET /admin", ANY, 403),
        ("GET /admin", ADMIN, 200),
    ],
    App("docs/how-to/wsgi.md", "browser_app", call_wsgi): [("GET /", ANY, 401)],
    App("docs/how-to/wsgi.md", "site", call_wsgi): [("GET /", None, 401), ("GET /login", None, 200)],
    App("docs/how-to/wsgi.md", "overridden_app", call_wsgi): [("POST /x", ANY, 200), ("DELETE /x", ANY, 403)],
    App("docs/how-to/asgi.md", "app", call_asgi): [
        ("GET /healthz", None, 200),
        ("GET /docs", None, 401),
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("POST /orders", ANY, 403),
        ("POST /orders", {"scopes": "orders:write"}, 200),
        ("GET /admin/users", ANY, 403),
        ("OPTIONS /me", None, 401),
    ],
    App("docs/how-to/asgi.md", "cors_api", call_asgi): [("GET /me", None, 401), ("GET /me", ANY, 200)],
    App("docs/how-to/asgi.md", "plain_app", call_asgi): [
        ("GET /", ANY, 403),
        ("GET /", {"scopes": "api"}, 200),
    ],
    App("docs/how-to/asgi.md", "problem_app", call_asgi): [
        ("GET /me", None, 401),
        ("GET /me", {"lifetime_seconds": -300}, 401),
        ("GET /me", ANY, 200),
    ],
}


def _answer(
    run_page: RunPage, tenant: LocalTenant, app: App, request_line: str, token: Token, *more: tuple[str, str]
) -> Answer:
    headers = [] if token is None else [("Authorization", f"Bearer {tenant.mint(**token)}")]
    return run_page(app.page).do(_call, app, request_line, [*headers, *more])


def _call(page: Mapping[str, Any], app: App, request_line: str, headers: list[tuple[str, str]]) -> Answer:
    method, target = request_line.split(" ")
    return app.call(eval(app.name, dict(page)))(method, target, headers)


@pytest.mark.parametrize(
    ("app", "request_line", "token", "status"),
    [(app, *answer) for app, answers in ANSWERS.items() for answer in answers],
)
def test_applications_let_in_whom_their_page_says(
    app: App, request_line: str, token: Token, status: int, tenant: LocalTenant, run_page: RunPage
) -> None:
    """The applications of a page answer as the page says."""
    assert _answer(run_page, tenant, app, request_line, token).status == status


ROWS_OF_RULES: Final = [
    row for rows in list_tables(PAGES["docs/how-to/path-rules.md"]) for row in rows if "request" in row
]
COLUMNS: Final[Mapping[str, Token]] = {
    "no token": None,
    "a token": ANY,
    "scopes": {"scopes": "orders:write audit:read files:internal"},
    "group": ADMIN,
    "both": {"scopes": "orders:write audit:read files:internal", "groups": ["admin"]},
}


@pytest.mark.parametrize("row", ROWS_OF_RULES, ids=lambda row: row["request"])
def test_rules_do_what_their_page_says(row: dict[str, str], tenant: LocalTenant, run_page: RunPage) -> None:
    """Every cell of the tables on rules is the status that such a request gets."""
    app, request_line = App("docs/how-to/path-rules.md", "app", call_asgi), row["request"].strip("`")
    found = {
        name: str(_answer(run_page, tenant, app, request_line, token).status)
        for name, token in COLUMNS.items()
    }
    assert found == {name: row[name] for name in COLUMNS}


def test_preflights_are_answered_in_front(tenant: LocalTenant, run_page: RunPage) -> None:
    """The middleware for CORS on the page for ASGI answers preflights, and adds its headers to refusals."""
    app, origin = App("docs/how-to/asgi.md", "cors_api", call_asgi), ("Origin", "https://app.example.com")
    asked = ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "Authorization")
    preflight = _answer(run_page, tenant, app, "OPTIONS /me", None, origin, *asked)
    refusal = _answer(run_page, tenant, app, "GET /me", None, origin)
    assert (preflight.status, refusal.status) == (200, 401)
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert refusal.headers["access-control-allow-origin"] == "https://app.example.com"


@pytest.mark.parametrize(
    ("page", "name", "path"),
    [("docs/how-to/flask.md", "apps[0]", "/profile"), ("docs/how-to/wsgi.md", "browser_app", "/")],
)
def test_tokens_may_come_in_cookies(
    page: str, name: str, path: str, tenant: LocalTenant, run_page: RunPage
) -> None:
    """The token resolvers of the pages read a cookie."""
    assert run_page(page).do(_status_with_a_cookie, name, path, tenant.mint()) == 200


def _status_with_a_cookie(page: Mapping[str, Any], name: str, path: str, token: str) -> int:
    client = Client(eval(name, dict(page)))
    client.set_cookie("access_token", token)
    return client.get(path).status_code


def test_a_method_override_stands_in_front(tenant: LocalTenant, run_page: RunPage) -> None:
    """A request whose method is overridden has to meet the rules of the method that it turns into."""
    app, override = (
        App("docs/how-to/wsgi.md", "overridden_app", call_wsgi),
        ("X-HTTP-Method-Override", "delete"),
    )
    assert _answer(run_page, tenant, app, "POST /x", ANY, override).status == 403
    assert _answer(run_page, tenant, app, "POST /x", ADMIN, override).status == 200


def test_on_error_answers_as_its_page_says(tenant: LocalTenant, run_page: RunPage) -> None:
    """The applications with an ``on_error`` answer in their own way, and in the default one elsewhere."""
    flask = App("docs/how-to/flask.md", "apps[0]", call_wsgi)
    site = App("docs/how-to/wsgi.md", "site", call_wsgi)
    problem = App("docs/how-to/asgi.md", "problem_app", call_asgi)
    assert (
        _answer(run_page, tenant, flask, "GET /audits", ANY).json["title"]
        == "The access token lacks a required group"
    )
    to_login = _answer(run_page, tenant, site, "GET /", None, ("Accept", "text/html"))
    assert (to_login.status, to_login.headers["location"]) == (303, "/login")
    expired = _answer(run_page, tenant, problem, "GET /me", {"lifetime_seconds": -300})
    assert expired.headers["content-type"] == "application/problem+json"
    assert expired.json == {"title": "The access token has expired", "status": 401}
    assert expired.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert _answer(run_page, tenant, problem, "GET /me", None).json["error"] == "unauthorized"


def test_a_websocket_token_in_a_subprotocol(tenant: LocalTenant, run_page: RunPage) -> None:
    """The WebSocket on the page for ASGI opens with a token among the subprotocols, and not without."""
    page = run_page("docs/how-to/asgi.md")
    accepted, *messages = page.do(_open_websocket, "feed", tenant.mint(subject="alice"))
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "feed")
    assert json.loads(messages[0]["text"]) == {"hello": "alice"}
    assert [message["type"] for message in page.do(_open_websocket, "feed")] == ["websocket.close"]


def _open_websocket(page: Mapping[str, Any], *subprotocols: str) -> list[Any]:
    scope = {**websocket_scope("/feed"), "subprotocols": subprotocols}
    return asyncio.run(exchange(page["browser_app"], scope, [{"type": "websocket.connect"}]))


CERTIFICATE_HEADERS: Final[Mapping[str, Callable[[ClientCertificate], tuple[str, str]]]] = {
    "nginx": lambda certificate: ("X-Client-Cert", quote(certificate.pem, safe="")),
    "envoy": lambda certificate: (
        "X-Forwarded-Client-Cert",
        f'Hash={"0" * 64};Cert="{quote(certificate.pem, safe="")}"',
    ),
    "rfc9440": lambda certificate: ("Client-Cert", f":{base64.b64encode(certificate.der).decode()}:"),
}


@pytest.mark.parametrize(
    ("proxy", "kind"),
    [("nginx", "flask"), *((proxy, kind) for proxy in CERTIFICATE_HEADERS for kind in ("wsgi", "asgi"))],
)
def test_the_certificate_of_a_proxy_is_found(proxy: str, kind: str, run_page: RunPage) -> None:
    """The certificate resolvers read what each proxy sends, and find nothing where it sends nothing."""
    found, nothing, certificate = run_page("docs/how-to/mutual-tls-and-proxies.md").do(
        _resolve_certificate, proxy, kind
    )
    assert not nothing
    assert certificate_to_der(found) == certificate.der


def _resolve_certificate(page: Mapping[str, Any], proxy: str, kind: str) -> tuple[Any, Any, Any]:
    """Return what a resolver finds with the proxy's header, what it finds without, and the certificate."""
    resolve, certificate = page[f"{proxy}_certificate_{kind}"], page["certificate"]
    header, value = CERTIFICATE_HEADERS[proxy](certificate)
    if kind == "flask":
        requests = [Request(create_environ(headers=headers)) for headers in ([(header, value)], [])]
        return resolve(requests[0]), resolve(requests[1]), certificate
    if kind == "wsgi":
        name = f"HTTP_{header.upper().replace('-', '_')}"
        return resolve({name: value}), resolve({}), certificate
    named = (header.lower().encode(), value.encode())
    return resolve({"headers": [named]}), resolve({"headers": []}), certificate


def test_a_bound_token_needs_its_certificate(run_page: RunPage) -> None:
    """The application at the end of the page on introspection lets in who presents the right certificate."""
    page = run_page("docs/how-to/mutual-tls-and-proxies.md")
    assert page.do(_status_with_certificates) == {"its own": 200, "another": 401, "none": 401}


def _status_with_certificates(page: Mapping[str, Any]) -> dict[str, int]:
    presented = {
        "its own": [CERTIFICATE_HEADERS["nginx"](page["certificate"])],
        "another": [CERTIFICATE_HEADERS["nginx"](page["tenant"].authority().issue_client("somebody else"))],
        "none": [],
    }
    bearer = ("Authorization", f"Bearer {page['bound']}")
    call = call_wsgi(page["app"])
    return {name: call("GET", "/", [bearer, *headers]).status for name, headers in presented.items()}
