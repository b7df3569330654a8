"""Flask extensions that call views themselves, add views, or render errors in their own format."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import Any

import pytest
import strawberry
from apiflask import APIFlask
from flask import Flask, request
from flask.views import MethodView
from flask_admin import Admin, BaseView, expose
from flask_caching import Cache
from flask_cors import CORS, cross_origin
from flask_httpauth import HTTPBasicAuth
from flask_login import LoginManager, UserMixin, login_required, login_user
from flask_restx import Api as RestxApi
from flask_restx import Resource, fields, marshal_with
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint
from flask_socketio import SocketIO
from strawberry.flask.views import GraphQLView
from werkzeug.test import Client

from monocloud_mw import BackendClient
from monocloud_mw.adapters.flask import ProtectApi, current_claims, protect_api, public
from monocloud_mw.errors import ConfigurationError
from monocloud_mw.testing import LocalTenant, as_caller

from .in_process import call_framework

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of jsonschema, about how connexion uses it
    import connexion

SCHEME = {
    "type": "openIdConnect",
    "openIdConnectUrl": "https://acme.us.monocloud.com/.well-known/openid-configuration",
}
CHALLENGE = "Bearer"
ORIGIN = {"Origin": "https://app.example.com"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "GET"}


def ask(app: Flask, path: str = "/", method: str = "GET", **headers: str) -> Any:
    """Send a request."""
    return Client(app).open(path, method=method, headers=headers)


def answers(app: Flask, *paths: str) -> list[tuple[int, str | None, str | None]]:
    """Return status, challenge and ``Cache-Control`` of requests without a token."""
    responses = [ask(app, path) for path in paths]
    return [
        (
            response.status_code,
            response.headers.get("WWW-Authenticate"),
            response.headers.get("Cache-Control"),
        )
        for response in responses
    ]


REFUSED = (401, CHALLENGE, "no-store")


# APIs with an OpenAPI document


def restx_app(client: BackendClient) -> Flask:
    """Return an application on Flask-RESTX."""
    app = Flask("restx")
    protect = ProtectApi(
        app, client=client, deny_by_default=True, public_endpoints=["doc", "specs", "restx_doc.*"]
    )
    bearer = {"type": "apiKey", "in": "header", "name": "Authorization"}  # Swagger 2 can say no more about it
    api = RestxApi(app, doc="/docs", authorizations={"MonoCloud": bearer}, security="MonoCloud")

    class Open(Resource):
        @public
        def get(self) -> Any:
            return {"name": "open"}

    class Scoped(Resource):
        @marshal_with({"name": fields.String})
        @protect(scopes="a")
        def get(self) -> Any:
            return {"name": current_claims.subject}

    class Decorated(Resource):
        method_decorators = [protect(scopes="a")]  # noqa: RUF012

        def get(self) -> Any:
            return {"name": current_claims.subject}

    class Bare(Resource):
        def get(self) -> Any:
            return {"name": current_claims.subject}

    for path, resource in {"open": Open, "below": Scoped, "above": Decorated, "bare": Bare}.items():
        api.add_resource(resource, f"/{path}")
    return app


def smorest_app(client: BackendClient) -> Flask:
    """Return an application on flask-smorest."""
    app = Flask("smorest")
    app.config.update(
        API_TITLE="Orders",
        API_VERSION="1",
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="swagger.json",
    )
    protect = ProtectApi(app, client=client, deny_by_default=True, public_endpoints=["api-docs.*"])
    api = SmorestApi(app)
    api.spec.components.security_scheme("MonoCloud", SCHEME)
    api.spec.options["security"] = [{"MonoCloud": []}]
    blueprint = SmorestBlueprint("orders", __name__)

    @blueprint.route("/open")
    class Open(MethodView):
        @blueprint.response(200)
        @public
        def get(self) -> Any:
            return {"name": "open"}

    @blueprint.route("/below")
    @blueprint.response(200)
    @protect(scopes="a")
    def below() -> Any:
        return {"name": current_claims.subject}

    @protect(scopes="a")
    @blueprint.route("/above")
    @blueprint.response(200)
    def above() -> Any:
        return {"name": current_claims.subject}

    @blueprint.route("/bare")
    @blueprint.response(200)
    def bare() -> Any:
        return {"name": current_claims.subject}

    api.register_blueprint(blueprint)
    return app


def apiflask_app(client: BackendClient) -> Flask:
    """Return an application on APIFlask."""
    app = APIFlask("apiflask", spec_path="/swagger.json")
    app.security_schemes = {"MonoCloud": SCHEME}
    protect = ProtectApi(app, client=client, deny_by_default=True, public_endpoints=["openapi.*"])

    @app.get("/open")
    @app.output({})
    @public
    def open_view() -> Any:
        return {"name": "open"}

    @app.get("/below")
    @app.doc(security="MonoCloud")
    @protect(scopes="a")
    def below() -> Any:
        return {"name": current_claims.subject}

    @protect(scopes="a")
    @app.get("/above")
    def above() -> Any:
        return {"name": current_claims.subject}

    @app.get("/bare")
    def bare() -> Any:
        return {"name": current_claims.subject}

    return app


MAKERS = {"Flask-RESTX": restx_app, "flask-smorest": smorest_app, "APIFlask": apiflask_app}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_apis_are_denied_by_default(client: BackendClient, make: Any) -> None:
    """Scopes are required and refusals keep their challenge, although each library renders its own errors."""
    app = make(client)
    assert answers(app, "/below", "/above", "/bare", "/nowhere") == [REFUSED] * 4
    assert ask(app, "/open").json == {"name": "open"}
    with as_caller("alice"):
        refused = ask(app, "/below")
        assert ask(app, "/above").status_code == 403
        assert ask(app, "/bare").json == {"name": "alice"}
    assert refused.status_code == 403
    assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="a"'
    with as_caller("alice", scopes="a"):
        assert ask(app, "/below").json == ask(app, "/above").json == {"name": "alice"}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_openapi_documents_have_the_scheme(client: BackendClient, make: Any) -> None:
    """The document is public if its endpoint is named, and has the security scheme."""
    document = ask(make(client), "/swagger.json").json
    if make is restx_app:
        assert document["securityDefinitions"]["MonoCloud"]["name"] == "Authorization"
    else:
        assert document["components"]["securitySchemes"] == {"MonoCloud": SCHEME}
    secured = document if "security" in document else document["paths"]["/below"]["get"]
    assert secured["security"] == [{"MonoCloud": []}]


# Extensions that call views


@pytest.mark.parametrize("handles_errors", [False, True], ids=["plain", "with on_error_default"])
def test_socketio_refuses_the_connection(client: BackendClient, handles_errors: bool) -> None:
    """The connection is refused even with a handler for all errors, and no event reaches the application."""
    app, seen = Flask("socketio"), list[str]()
    protect, socketio = protect_api(client), SocketIO(app, async_mode="threading")

    @socketio.on("connect")
    @protect(scopes="chat")
    def connect() -> None:
        seen.append(f"connected {current_claims.subject}")

    @socketio.on("message")
    def message(text: str) -> str:
        seen.append(text)
        return "answer"

    if handles_errors:
        socketio.on_error_default(lambda error: seen.append("handled"))
    assert not socketio.test_client(app).is_connected()
    with as_caller("alice"):
        assert not socketio.test_client(app).is_connected()
    assert seen == []
    with as_caller("alice", scopes="chat"):
        caller = socketio.test_client(app)
        assert caller.emit("message", "hello", callback=True) == "answer"
        caller.disconnect()
    assert seen == ["connected alice", "hello"]


def test_a_graphql_resolver_gets_an_exception(client: BackendClient) -> None:
    """A refusal is an error of the GraphQL field, never its value."""
    app, protect = Flask("graphql"), protect_api(client)
    secret = protect(scopes="secrets")(lambda: f"of {current_claims.subject}")

    @strawberry.type
    class Query:
        @strawberry.field
        def secret(self) -> str | None:
            return str(secret())

    schema = strawberry.Schema(Query)
    app.add_url_rule("/graphql", view_func=GraphQLView.as_view("graphql", schema=schema))
    query = Client(app)

    def execute() -> Any:
        return query.post("/graphql", json={"query": "{ secret }"}).json

    refused = execute()
    assert refused["data"] == {"secret": None}
    assert len(refused["errors"]) == 1
    with as_caller("alice", scopes="secrets"):
        assert execute()["data"] == {"secret": "of alice"}


def test_a_cached_view_is_checked_first(client: BackendClient) -> None:
    """A response cached by Flask-Caching is returned only after the check."""
    app = Flask("caching")
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    protect = ProtectApi(app, client=client)

    @app.get("/")
    @cache.cached()
    @protect(scopes="a")
    def view() -> str:
        return "kept"

    with as_caller(scopes="a"):
        assert ask(app).text == "kept"
    assert ask(app).status_code == 401
    with as_caller():
        assert ask(app).status_code == 403


def test_connexion_is_protected_through_its_flask_application(client: BackendClient) -> None:
    """The error names ``.app``; handlers can be marked like views, in any order of decorators."""
    cnx = connexion.FlaskApp("connexion")
    with pytest.raises(ConfigurationError, match=r"protect its \.app, which is the Flask application"):
        protect_api(client)(cnx)
    with pytest.raises(ConfigurationError, match=r"must be a Flask application, not FlaskApp"):
        ProtectApi(cnx, client=client)  # type: ignore[arg-type]
    protect = ProtectApi(cnx.app, client=client, deny_by_default=True)
    handlers: Any = ModuleType("connexion_handlers")
    handlers.open = public(lambda: "open")
    handlers.scoped = protect(scopes="a")(lambda: "scoped")
    handlers.bare = lambda: "bare"
    sys.modules[handlers.__name__] = handlers
    operations = {
        f"/{name}": {
            "get": {"operationId": f"{handlers.__name__}.{name}", "responses": {"200": {"description": "x"}}}
        }
        for name in ("open", "scoped", "bare")
    }
    cnx.add_api({"openapi": "3.0.0", "info": {"title": "Orders", "version": "1"}, "paths": operations})
    call, paths = call_framework(cnx), ("/open", "/scoped", "/bare", "/nowhere")
    assert [call("GET", path, ()).status for path in paths] == [200, 401, 401, 401]
    with as_caller("alice"):
        assert [call("GET", path, ()).status for path in paths] == [200, 403, 200, 404]


# CORS


@pytest.mark.parametrize("cors_first", [True, False])
def test_cors_of_a_whole_application(client: BackendClient, cors_first: bool) -> None:
    """Preflights are answered and scripts can read refusals, in either order of extensions."""
    app = Flask("cors")
    if cors_first:
        CORS(app)
    ProtectApi(app, client=client, deny_by_default=True, allow_cors_preflight=True)
    if not cors_first:
        CORS(app)
    app.add_url_rule("/", "view", lambda: "reached")
    preflight, refused = ask(app, method="OPTIONS", **PREFLIGHT), ask(app, **ORIGIN)
    assert (preflight.status_code, refused.status_code) == (200, 401)
    for response in (preflight, refused):
        assert "Access-Control-Allow-Origin" in response.headers
    assert ask(app, method="OPTIONS").status_code == 401


@pytest.mark.parametrize("above", [True, False], ids=["cross_origin above", "cross_origin below"])
def test_cors_of_one_view(client: BackendClient, above: bool) -> None:
    """``@cross_origin`` answers preflights above and below ``@protect``."""
    app = Flask("cross_origin")
    protect = ProtectApi(app, client=client, deny_by_default=True, allow_cors_preflight=True)
    view: Any = protect(scopes="a")
    cors = cross_origin()
    view = cors(view(lambda: "reached")) if above else view(cors(lambda: "reached"))
    app.add_url_rule("/", "view", view)
    preflight = ask(app, method="OPTIONS", **PREFLIGHT)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (
        200,
        ORIGIN["Origin"],
    )
    assert ask(app, **ORIGIN).status_code == 401
    with as_caller(scopes="a"):
        assert ask(app, **ORIGIN).headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]


# Other authentication


def test_flask_login_protects_its_own_views(client: BackendClient) -> None:
    """Views with a session are public to this package and still need a session."""
    app = Flask("login")
    app.secret_key = "of the test"
    ProtectApi(app, client=client, deny_by_default=True)
    manager = LoginManager(app)

    class User(UserMixin):
        id = "alice"

    manager.user_loader(lambda _: User())

    @app.post("/login")
    @public
    def login() -> str:
        login_user(User())
        return "welcome"

    @app.get("/profile")
    @public
    @login_required
    def profile() -> str:
        return "profile"

    app.add_url_rule("/api", "api", lambda: "api")
    browser = Client(app)
    assert [browser.get(path).status_code for path in ("/profile", "/api")] == [401, 401]
    assert "Bearer" not in browser.get("/profile").headers.get("WWW-Authenticate", "")
    assert browser.post("/login").text == "welcome"
    assert [browser.get(path).status_code for path in ("/profile", "/api")] == [200, 401]


def test_a_second_scheme_is_used_without_a_token(client: BackendClient) -> None:
    """With an optional token a view may also accept a password; an invalid token is not replaced by it."""
    app, basic = Flask("basic"), HTTPBasicAuth()
    protect = ProtectApi(app, client=client, deny_by_default=True)
    basic.verify_password(lambda name, password: name if password == "right" else None)

    def with_password_or_token(view: Any) -> Any:
        by_password = basic.login_required(view)
        return protect(optional=True)(lambda: view() if current_claims else by_password())

    app.add_url_rule("/", "view", with_password_or_token(lambda: "reached"))
    right, wrong = "Basic YTpyaWdodA==", "Basic YTp3cm9uZw=="
    headers = (right, wrong, "Bearer garbage")
    assert [ask(app, Authorization=header).status_code for header in headers] == [200, 401, 401]
    with as_caller("alice"):
        assert ask(app).text == "reached"


def test_a_token_may_come_in_a_header_or_a_cookie(client: BackendClient, tenant: LocalTenant) -> None:
    """A ``token_resolver`` may fall back to a cookie; a token in the header takes precedence."""
    app = Flask("cookies")

    def resolve(incoming: Any) -> str | None:
        credentials = incoming.authorization
        if credentials is not None and credentials.type == "bearer":
            return str(credentials.token)
        cookie: str | None = incoming.cookies.get("access_token")
        return cookie

    ProtectApi(app, client=client, deny_by_default=True, token_resolver=resolve)
    app.add_url_rule("/", "view", lambda: f"{current_claims.subject}")
    alice, bob = tenant.mint(subject="alice"), tenant.mint(subject="bob")
    browser = Client(app)
    assert browser.get("/").status_code == 401
    browser.set_cookie("access_token", bob)
    assert browser.get("/").text == "bob"
    assert browser.get("/", headers={"Authorization": f"Bearer {alice}"}).text == "alice"


def test_flask_admin_is_covered(client: BackendClient) -> None:
    """The views and static files of an extension that does not know access tokens are protected."""
    app = Flask("admin")
    app.secret_key = "of the test"
    ProtectApi(app, client=client, deny_by_default=True)
    admin = Admin(app)

    class Reports(BaseView):
        @expose("/")
        def index(self) -> str:
            return f"reports on {request.path}"

    admin.add_view(Reports(endpoint="reports"))
    paths = ("/admin/", "/admin", "/admin/reports/", "/admin/static/admin/css/x.css")
    assert answers(app, *paths) == [REFUSED] * 4
    with as_caller("alice"):
        assert ask(app, "/admin/reports/").text == "reports on /admin/reports/"


def test_errors_written_by_the_application_keep_the_challenge(client: BackendClient) -> None:
    """Error handlers keep the challenge unless they set another one or another status."""
    app = Flask("handlers")
    ProtectApi(app, client=client, deny_by_default=True, scopes="a")
    app.register_error_handler(401, lambda error: ({"error": "who?"}, 401))
    app.register_error_handler(403, lambda error: ({"error": "not found"}, 404))
    refused = ask(app)
    assert (refused.json, refused.headers["WWW-Authenticate"]) == ({"error": "who?"}, "Bearer")
    assert ask(app, Authorization="Bearer ?").headers["WWW-Authenticate"] == 'Bearer error="invalid_request"'
    with as_caller():
        hidden = ask(app)
    assert (hidden.status_code, "WWW-Authenticate" in hidden.headers) == (404, False)
