"""The examples in README.md and docs/ run as they stand, and let in whom the text says they let in.

The Python blocks of a page run one after the other in one namespace, as a reader would try them, in an empty
directory, with a local tenant in the environment. No block is left out. Rules:

- what a reader has to put in is put in here (:func:`_fill_in`), and nothing else is changed;
- where a ``text`` block follows at once, it is what the block prints;
- a block with tests runs under pytest, in a process of its own.

Afterwards the applications that a page has made are called in process: the tables below say how.
"""

from __future__ import annotations

import asyncio
import base64
import builtins
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote

import pytest
import trustme
from werkzeug import Request
from werkzeug.test import Client, create_environ

from monocloud_mw.core.certificate_binding import parse_certificate
from monocloud_mw.testing import ClientCertificate, LocalTenant

from ..adapters.exchange import Answer, Call, call_asgi, call_wsgi, exchange, websocket_scope
from ..caches.redis_server import RedisServer
from .pages import PAGES, list_fences, list_tables
from .sources import ROOT

EXAMPLES: Final = {
    name: fences
    for name, text in PAGES.items()
    if (fences := [fence for fence in list_fences(text) if fence.language == "python"])
}

RunPage: TypeAlias = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return the tenant that the examples find in their environment."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


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
    """Return a function that runs a page, once, and gives what it has made."""
    modules: dict[str, ModuleType] = {}
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in tenant.environment(tenant.client).items():
            patch.setenv(variable, value)
        patch.setenv("CACHE_INTEGRITY_KEY", "0123456789abcdef" * 2)
        patch.setattr(builtins, "input", lambda _prompt: "")

        def run(name: str) -> ModuleType:
            if name not in modules:
                if "REDIS_URL" in PAGES[name]:
                    patch.setenv("REDIS_URL", request.getfixturevalue("redis_url"))
                patch.chdir(tmp_path_factory.mktemp("page"))
                modules[name] = module = ModuleType(f"example_{Path(name).stem}")
                patch.setitem(sys.modules, module.__name__, module)  # Django imports its URLs by name
                _run_blocks(name, module, tenant)
            return modules[name]

        yield run
        for module in modules.values():
            _stop_what_it_started(module)


def _stop_what_it_started(module: ModuleType) -> None:
    for started in vars(module).values():
        if isinstance(started, LocalTenant):
            started.stop()


def _run_blocks(name: str, module: ModuleType, tenant: LocalTenant) -> None:
    """Run a page; ``apps`` are the applications that it has called ``app``, one after the other."""
    apps = vars(module)["apps"] = []
    for block in EXAMPLES[name]:
        code = _fill_in(block.body, tenant)
        if re.search(r"^def test_", code, re.MULTILINE):
            _run_tests(code)
            continue
        with redirect_stdout(StringIO()) as printed:
            exec(compile("\n" * (block.line - 1) + code, ROOT / name, "exec"), vars(module))
        if "app" in vars(module) and module.app not in apps:
            apps.append(module.app)
        if block.follower is not None and block.follower.language == "text":
            assert printed.getvalue() == _fill_in(block.follower.body, tenant), (
                f"what {name}:{block.line} prints"
            )


def _fill_in(code: str, tenant: LocalTenant) -> str:
    """Put in what readers have to: a tenant, an audience and a token of their own."""
    return (
        code.replace("https://acme.us.monocloud.com", tenant.domain)
        .replace("https://api.acme.com", tenant.audience)
        .replace('"eyJ..."', repr(tenant.mint(scopes="orders:read")))
    )


def _run_tests(code: str) -> None:
    Path("test_example.py").write_text(code, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), str(ROOT)])},
    )
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(name: str, run_page: RunPage) -> None:
    """The Python blocks of a page run, one after the other, and print what the page shows."""
    assert run_page(name)


LANGUAGES: Final = frozenset({"bash", "nginx", "python", "text", "yaml"})


@pytest.mark.parametrize("name", PAGES)
def test_no_example_hides(name: str) -> None:
    """Every block says its language, so that no Python block escapes these tests under another name."""
    languages = {fence.language for fence in list_fences(PAGES[name])}
    directives = {language for language in languages if language in ("{eval-rst}", "{toctree}")}
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

ANSWERS: Final[Mapping[App, Sequence[tuple[str, Token, int]]]] = {
    App("README.md", "apps[0]", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", BUYER, 403),
        ("GET /orders", {"scopes": "orders:read", "groups": ["sales"]}, 200),
    ],
    App("README.md", "apps[1]", call_wsgi): [
        ("GET /", None, 401),
        ("GET /", ANY, 200),
        ("GET /admin/users", ANY, 403),
        ("GET /admin/users", ADMIN, 200),
    ],
    App("README.md", "apps[2]", call_asgi): [
        ("GET /", None, 401),
        ("GET /", ANY, 200),
        ("GET /admin/users", ANY, 403),
        ("GET /admin/users", ADMIN, 200),
    ],
    App("docs/index.md", "app", call_wsgi): [("GET /orders", ANY, 403), ("GET /orders", BUYER, 200)],
    App("docs/quickstart.md", "app", call_wsgi): [
        ("GET /healthz", None, 200),
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", ANY, 403),
        ("GET /orders", BUYER, 200),
    ],
    App("docs/flask.md", "apps[0]", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /orders", BUYER, 403),
        ("GET /orders", {"groups": ["sales"]}, 403),
        ("GET /orders", {"scopes": "orders:read", "groups": ["support"]}, 200),
        ("HEAD /orders", ANY, 403),
        ("OPTIONS /orders", None, 200),  # Flask's own answer to a preflight
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
        ("GET /status", ANY, 403),
        ("GET /status", {"scopes": "api"}, 200),
        ("GET /profile", ANY, 401),  # the token must come in a cookie
        ("GET /secrets", None, 401),
        ("GET /secrets", ANY, 403),
    ],
    App("docs/flask.md", "created_app", call_wsgi): [("GET /me", None, 401), ("GET /me", ANY, 200)],
    App("docs/wsgi.md", "app", call_wsgi): [
        ("GET /healthz", None, 200),
        ("GET /", None, 401),
        ("GET /", ANY, 200),
        ("POST /orders", ANY, 403),
        ("GET /admin", ANY, 403),
        ("GET /admin", ADMIN, 200),
    ],
    App("docs/wsgi.md", "application", call_wsgi): [
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("GET /admin/users", ANY, 403),
    ],
    App("docs/wsgi.md", "browser_app", call_wsgi): [("GET /", ANY, 401)],
    App("docs/wsgi.md", "site", call_wsgi): [("GET /", None, 401), ("GET /login", None, 200)],
    App("docs/wsgi.md", "overridden_app", call_wsgi): [("POST /x", ANY, 200), ("DELETE /x", ANY, 403)],
    App("docs/asgi.md", "app", call_asgi): [
        ("GET /healthz", None, 200),
        ("GET /docs", None, 401),
        ("GET /me", None, 401),
        ("GET /me", ANY, 200),
        ("POST /orders", ANY, 403),
        ("POST /orders", {"scopes": "orders:write"}, 200),
        ("GET /admin/users", ANY, 403),
        ("OPTIONS /me", None, 401),
    ],
    App("docs/asgi.md", "cors_api", call_asgi): [("GET /me", None, 401), ("GET /me", ANY, 200)],
    App("docs/asgi.md", "plain_app", call_asgi): [("GET /", ANY, 403), ("GET /", {"scopes": "api"}, 200)],
    App("docs/asgi.md", "problem_app", call_asgi): [
        ("GET /me", None, 401),
        ("GET /me", {"lifetime_seconds": -300}, 401),
        ("GET /me", ANY, 200),
    ],
}


def _answer(
    run_page: RunPage, tenant: LocalTenant, app: App, request_line: str, token: Token, *more: tuple[str, str]
) -> Answer:
    application = eval(app.name, vars(run_page(app.page)))
    method, target = request_line.split(" ")
    headers = [] if token is None else [("Authorization", f"Bearer {tenant.mint(**token)}")]
    return app.call(application)(method, target, [*headers, *more])


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
    row for rows in list_tables(PAGES["docs/rules.md"]) for row in rows if "request" in row
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
    app, request_line = App("docs/rules.md", "app", call_asgi), row["request"].strip("`")
    found = {
        name: str(_answer(run_page, tenant, app, request_line, token).status)
        for name, token in COLUMNS.items()
    }
    assert found == {name: row[name] for name in COLUMNS}


def test_preflights_are_answered_in_front(tenant: LocalTenant, run_page: RunPage) -> None:
    """The middleware for CORS on the page for ASGI answers preflights, and adds its headers to refusals."""
    app, origin = App("docs/asgi.md", "cors_api", call_asgi), ("Origin", "https://app.example.com")
    asked = ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "Authorization")
    preflight = _answer(run_page, tenant, app, "OPTIONS /me", None, origin, *asked)
    refusal = _answer(run_page, tenant, app, "GET /me", None, origin)
    assert (preflight.status, refusal.status) == (200, 401)
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert refusal.headers["access-control-allow-origin"] == "https://app.example.com"


@pytest.mark.parametrize(
    ("page", "name", "path"),
    [("docs/flask.md", "apps[0]", "/profile"), ("docs/wsgi.md", "browser_app", "/")],
)
def test_tokens_may_come_in_cookies(
    page: str, name: str, path: str, tenant: LocalTenant, run_page: RunPage
) -> None:
    """The token resolvers of the pages read a cookie."""
    client = Client(eval(name, vars(run_page(page))))
    client.set_cookie("access_token", tenant.mint())
    assert client.get(path).status_code == 200


def test_a_method_override_stands_in_front(tenant: LocalTenant, run_page: RunPage) -> None:
    """A request whose method is overridden has to meet the rules of the method that it turns into."""
    app, override = App("docs/wsgi.md", "overridden_app", call_wsgi), ("X-HTTP-Method-Override", "delete")
    assert _answer(run_page, tenant, app, "POST /x", ANY, override).status == 403
    assert _answer(run_page, tenant, app, "POST /x", ADMIN, override).status == 200


def test_on_error_answers_as_its_page_says(tenant: LocalTenant, run_page: RunPage) -> None:
    """The applications with an ``on_error`` answer in their own way, and in the default one elsewhere."""
    flask = App("docs/flask.md", "apps[0]", call_wsgi)
    site = App("docs/wsgi.md", "site", call_wsgi)
    problem = App("docs/asgi.md", "problem_app", call_asgi)
    assert _answer(run_page, tenant, flask, "GET /secrets", ANY).json["title"] == "You may not do this"
    to_login = _answer(run_page, tenant, site, "GET /", None, ("Accept", "text/html"))
    assert (to_login.status, to_login.headers["location"]) == (303, "/login")
    expired = _answer(run_page, tenant, problem, "GET /me", {"lifetime_seconds": -300})
    assert expired.headers["content-type"] == "application/problem+json"
    assert expired.json == {"title": "The access token has expired"}
    assert _answer(run_page, tenant, problem, "GET /me", None).json["error"] == "unauthorized"


def test_a_websocket_takes_its_token_from_a_subprotocol(tenant: LocalTenant, run_page: RunPage) -> None:
    """The WebSocket on the page for ASGI opens with a token among the subprotocols, and not without."""
    app = vars(run_page("docs/asgi.md"))["browser_app"]

    def open_with(*subprotocols: str) -> list[Any]:
        scope = {**websocket_scope("/feed"), "subprotocols": subprotocols}
        return asyncio.run(exchange(app, scope, [{"type": "websocket.connect"}]))

    accepted, *messages = open_with("feed", tenant.mint(subject="alice"))
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "feed")
    assert json.loads(messages[0]["text"]) == {"hello": "alice"}
    assert [message["type"] for message in open_with("feed")] == ["websocket.close"]


CERTIFICATE_HEADERS: Final[Mapping[str, Callable[[ClientCertificate], tuple[str, str]]]] = {
    "nginx": lambda certificate: ("X-Client-Cert", quote(certificate.pem, safe="")),
    "envoy": lambda certificate: (
        "X-Forwarded-Client-Cert",
        f'Hash={"0" * 64};Cert="{quote(certificate.pem, safe="")}"',
    ),
    "rfc9440": lambda certificate: ("Client-Cert", f":{base64.b64encode(certificate.der).decode()}:"),
}


@pytest.mark.parametrize("proxy", CERTIFICATE_HEADERS)
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_the_certificate_of_a_proxy_is_found(proxy: str, kind: str, run_page: RunPage) -> None:
    """The certificate resolvers read what each proxy sends, and find nothing where it sends nothing."""
    names = vars(run_page("docs/opaque-tokens.md"))
    resolve, certificate = names[f"{proxy}_certificate_{kind}"], names["certificate"]
    header, value = CERTIFICATE_HEADERS[proxy](certificate)
    if kind == "wsgi":
        found, nothing = resolve({f"HTTP_{header.upper().replace('-', '_')}": value}), resolve({})
    else:
        found = resolve({"headers": [(header.lower().encode(), value.encode())]})
        nothing = resolve({"headers": []})
    assert not nothing
    assert parse_certificate(found) == certificate.der


def test_the_certificate_of_nginx_is_found_in_flask(run_page: RunPage) -> None:
    """The resolver for Flask reads the header of nginx."""
    names = vars(run_page("docs/opaque-tokens.md"))
    header = CERTIFICATE_HEADERS["nginx"](names["certificate"])
    request = Request(create_environ(headers=[header]))
    assert parse_certificate(names["nginx_certificate_flask"](request)) == names["certificate"].der


def test_a_bound_token_needs_its_certificate(run_page: RunPage) -> None:
    """The application at the end of the page on introspection lets in who presents the right certificate."""
    names = vars(run_page("docs/opaque-tokens.md"))
    call = call_wsgi(names["app"])
    bearer = ("Authorization", f"Bearer {names['bound']}")
    certificate, other = names["certificate"], names["tenant"].authority().issue_client("somebody else")
    assert call("GET", "/", [bearer, CERTIFICATE_HEADERS["nginx"](certificate)]).status == 200
    assert call("GET", "/", [bearer, CERTIFICATE_HEADERS["nginx"](other)]).status == 401
    assert call("GET", "/", [bearer]).status == 401
