"""Behaviour that only the Flask adapter has."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import orjson
import pytest
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask, Response, jsonify, request
from flask import json as flask_json
from flask.json.provider import DefaultJSONProvider, JSONProvider
from flask.views import MethodView
from pydantic_core import to_json
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, Unauthorized
from werkzeug.test import Client

from monocloud_mw import AccessTokenClaims, AsyncBackendClient, BackendClient, Options
from monocloud_mw.adapters.flask import config as flask_config
from monocloud_mw.adapters.flask import current_claims, protect_api
from monocloud_mw.errors import ConfigurationError, CredentialsError, MonoCloudError, TokenError
from monocloud_mw.testing import LocalTenant


@pytest.fixture
def app() -> Flask:
    """Return an application without routes."""
    return Flask(__name__)


def _get(app: Flask, path: str = "/", token: str | None = None, **environ: Any) -> Any:
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Client(app, use_cookies=False).open(path, environ_overrides=environ)


def _who() -> str:
    return f"{current_claims.subject}"


# Views, blueprints and applications


def test_a_view_is_protected_bare_and_called_and_with_requirements(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """``@protect``, ``@protect()`` and ``@protect(scopes=..., groups=...)`` all protect."""
    protect = protect_api(client)
    app.add_url_rule("/bare", "bare", protect(_who))
    app.add_url_rule("/called", "called", protect()(_who))
    app.add_url_rule("/more", "more", protect(scopes="a b", groups=["g"])(_who))
    poor, rich = tenant.mint(subject="poor"), tenant.mint(subject="rich", scopes="a b", groups=["g"])
    for path, token, expected in [
        ("/bare", None, (401, None)),
        ("/bare", poor, (200, "poor")),
        ("/called", None, (401, None)),
        ("/called", poor, (200, "poor")),
        ("/more", None, (401, None)),
        ("/more", poor, (403, None)),
        ("/more", rich, (200, "rich")),
    ]:
        response = _get(app, path, token)
        assert (response.status_code, response.text if response.status_code == 200 else None) == expected


def test_requirements_of_protect_api_are_added(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """The requirements of a decorator are added to those of protect_api."""
    protect = protect_api(client, scopes=["a"], groups="g")
    app.add_url_rule("/", "view", protect(scopes=["b"], groups="h")(_who))
    assert _get(app, token=tenant.mint(scopes="b", groups=["g", "h"])).status_code == 403
    assert _get(app, token=tenant.mint(scopes="a b", groups=["h"])).status_code == 403
    assert _get(app, token=tenant.mint(scopes="a b", groups=["g", "h"])).status_code == 200


def test_a_protected_view_keeps_its_name_and_documentation(client: BackendClient) -> None:
    """Flask names endpoints after views, so the wrapper keeps name and docstring."""

    def view() -> str:
        """Explain itself."""
        return "x"

    protected = protect_api(client)(view)
    assert (protected.__name__, protected.__doc__) == ("view", "Explain itself.")


def test_an_async_view_is_protected(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Async views run as Flask runs them, with the claims available."""

    async def view(name: str) -> str:
        await asyncio.sleep(0)
        return f"{name} {current_claims.subject}"

    app.add_url_rule("/<name>", "view", protect_api(client)(view))
    assert _get(app, "/hello").status_code == 401
    assert _get(app, "/hello", tenant.mint(subject="alice")).text == "hello alice"


def test_a_blueprint_is_protected(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """All views of a blueprint and of nested blueprints are protected, and no others."""
    protect = protect_api(client)
    orders, items = Blueprint("orders", __name__, url_prefix="/o"), Blueprint("items", __name__)
    assert protect(orders) is orders
    orders.add_url_rule("/", "view", _who)
    items.add_url_rule("/items", "view", _who)
    assert protect(scopes="items")(items) is items
    orders.register_blueprint(items)
    app.register_blueprint(orders)
    app.add_url_rule("/", "root", lambda: "open")
    token = tenant.mint(subject="alice")
    assert [_get(app, path).status_code for path in ("/", "/o/", "/o/items")] == [200, 401, 401]
    assert [_get(app, path, token).status_code for path in ("/o/", "/o/items")] == [200, 403]
    assert _get(app, "/o/items", tenant.mint(subject="alice", scopes="items")).text == "alice"


def test_an_application_is_protected(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Views, static files and unknown paths all need a token."""
    assert protect_api(client)(app) is app
    app.add_url_rule("/", "view", _who)
    for path in ("/", "/nowhere", "/static/x.css"):
        assert _get(app, path).status_code == 401
    token = tenant.mint(subject="alice")
    assert _get(app, "/", token).text == "alice"
    assert _get(app, "/nowhere", token).status_code == 404


def test_a_before_request_function_is_protected(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """A before_request function can be protected and may itself return a response."""
    protect = protect_api(client)

    @app.before_request
    @protect
    def check() -> str | None:
        return "busy" if current_claims.subject == "bob" else None

    app.add_url_rule("/", "view", _who)
    assert _get(app).status_code == 401
    assert _get(app, token=tenant.mint(subject="alice")).text == "alice"
    assert _get(app, token=tenant.mint(subject="bob")).text == "busy"


def test_a_class_based_view_is_protected_by_its_decorators(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """`decorators` of a class-based view protects the function that Flask makes of it."""

    class View(MethodView):
        decorators = [protect_api(client)]  # noqa: RUF012

        def get(self) -> str:
            return _who()

    app.add_url_rule("/", view_func=View.as_view("view"))
    assert _get(app).status_code == 401
    assert _get(app, token=tenant.mint(subject="alice")).text == "alice"


def _wsgi(environ: Any, start_response: Any) -> Any:
    raise AssertionError


async def _asgi(scope: Any, receive: Any, send: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        (MethodView, "add the decorator to decorators of a class-based view"),
        ("orders:read", "pass requirements by name, as in @protect(scopes=[...])"),
        (["orders:read"], "pass requirements by name, as in @protect(scopes=[...])"),
        (1, "only functions, methods, Flask applications and blueprints can be protected"),
        (FastAPI(), "application with monocloud_mw.adapters.asgi.ProtectApiMiddleware"),
        (APIRouter(), "application with monocloud_mw.adapters.asgi.ProtectApiMiddleware"),
        (Flask(__name__).wsgi_app, "application with monocloud_mw.adapters.wsgi.ProtectApiMiddleware"),
        (Flask(__name__).full_dispatch_request, "application with monocloud_mw.adapters.wsgi."),
        (_wsgi, "application with monocloud_mw.adapters.wsgi.ProtectApiMiddleware"),
        (_asgi, "application with monocloud_mw.adapters.asgi.ProtectApiMiddleware"),
        (SimpleNamespace(app=Flask(__name__)), "protect its .app"),
    ],
    ids=[
        "class",
        "text",
        "list",
        "number",
        "FastAPI",
        "router",
        "wsgi_app",
        "method",
        "WSGI",
        "ASGI",
        "holder",
    ],
)
def test_an_object_that_is_not_a_view_is_refused(client: BackendClient, target: Any, advice: str) -> None:
    """An object that Flask does not call cannot be protected; the error says what to protect instead."""
    with pytest.raises(ConfigurationError, match=r"^cannot protect a ") as caught:
        protect_api(client)(target)
    assert advice in str(caught.value)


def test_a_bound_method_and_a_partial_are_protected(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Bound methods and partials can be protected like functions, whatever their attributes."""

    class Views:
        def who(self) -> str:
            return _who()

        who.app = app  # type: ignore[attr-defined]

    protect = protect_api(client)
    app.add_url_rule("/method", "method", protect(Views().who))
    app.add_url_rule("/partial", "partial", protect(partial(Views.who, Views())))
    for path in ("/method", "/partial"):
        assert _get(app, path).status_code == 401
        assert _get(app, path, tenant.mint(subject="alice")).text == "alice"


def test_several_decorators_must_each_be_met(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """With decorators for two tenants, a token has to be valid for both."""
    with LocalTenant(algorithms=["ES256"]) as other, BackendClient(**other.settings()) as other_client:
        ours, theirs = protect_api(client), protect_api(other_client)
        app.add_url_rule("/ours", "ours", ours(_who))
        app.add_url_rule("/theirs", "theirs", theirs(_who))
        app.add_url_rule("/both", "both", ours(theirs(_who)))
        app.add_url_rule("/nested", "nested", ours(scopes="a")(ours(scopes="b")(_who)))
        paths = ("/ours", "/theirs", "/both", "/nested")
        assert [_get(app, path, tenant.mint(scopes="a")).status_code for path in paths] == [
            200,
            401,
            401,
            403,
        ]
        assert [_get(app, path, other.mint(scopes="a b")).status_code for path in paths] == [
            401,
            200,
            401,
            401,
        ]
        assert _get(app, "/nested", tenant.mint(scopes="a b")).status_code == 200


# current_claims


def test_claims_in_the_environ_are_ignored(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """current_claims ignores the environ; in a protected view the environ has the validated claims."""
    app.add_url_rule("/open", "open", lambda: f"{bool(current_claims)}")
    app.add_url_rule(
        "/shut", "shut", protect_api(client)(lambda: request.environ["monocloud.claims"].subject)
    )
    forged: dict[str, Any] = {"monocloud.claims": AccessTokenClaims({"sub": "mallory"})}
    assert _get(app, "/open", **forged).text == "False"
    assert _get(app, "/shut", tenant.mint(subject="alice"), **forged).text == "alice"


def test_a_refused_inner_call_keeps_the_claims_of_the_request(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """A view that calls another and handles its refusal keeps the claims of its own request."""
    protect = protect_api(client)
    inner: Callable[[], Any] = protect(scopes="missing")(lambda: "reached")

    @protect
    def outer() -> str:
        try:
            return str(inner())
        except Forbidden:
            return f"{current_claims.subject} may not"

    app.add_url_rule("/", "view", outer)
    assert _get(app, token=tenant.mint(subject="alice")).text == "alice may not"


def test_a_refused_request_has_no_claims(app: Flask, client: BackendClient) -> None:
    """A refused request has no claims, even if claims were in its environ."""
    seen: list[bool] = []
    app.add_url_rule("/", "view", protect_api(client)(_who))

    @app.teardown_request
    def look(_error: Any) -> None:
        seen.append(bool(current_claims) or "monocloud.claims" in request.environ)

    forged: dict[str, Any] = {"monocloud.claims": AccessTokenClaims({"sub": "mallory"})}
    assert _get(app, **forged).status_code == 401
    assert seen == [False]


@pytest.mark.parametrize(
    ("header", "kind", "status"),
    [(None, Unauthorized, 401), ("Bearer ?", BadRequest, 400), ("Bearer x", Unauthorized, 401)],
)
def test_a_refusal_is_raised_as_an_http_exception(
    app: Flask, client: BackendClient, header: str | None, kind: type[Exception], status: int
) -> None:
    """A refused call of a protected view raises an exception with the response."""
    environ = {} if header is None else {"HTTP_AUTHORIZATION": header}
    with app.test_request_context("/", environ_overrides=environ), pytest.raises(kind) as caught:
        protect_api(client)(lambda: "reached")()
    assert isinstance(caught.value, HTTPException)
    response = caught.value.get_response()
    assert response.status_code == status
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Cache-Control"] == "no-store"


def test_error_handlers_handle_refusals(app: Flask, client: BackendClient) -> None:
    """`@app.errorhandler(401)` may answer and can use the default response."""
    app.add_url_rule("/", "view", protect_api(client)(_who))

    @app.errorhandler(401)
    def unauthorized(error: Any) -> Any:
        response = error.get_response()
        response.data = "who are you?"
        return response

    answer = _get(app)
    assert (answer.status_code, answer.text) == (401, "who are you?")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("token", "status", "error", "description"),
    [
        (None, 401, CredentialsError, "An access token is required"),
        ("", 400, CredentialsError, "The Authorization header is malformed"),
        ({"lifetime_seconds": -300}, 401, TokenError, "The access token has expired"),
        ({"groups": ["g"]}, 403, TokenError, "The access token lacks a required scope"),
        ({"scopes": "a"}, 403, TokenError, "The access token lacks a required group"),
    ],
    ids=["no token", "malformed header", "expired", "scope", "group"],
)
def test_error_handlers_find_the_sentence_for_the_caller_and_the_error(
    app: Flask,
    client: BackendClient,
    tenant: LocalTenant,
    token: dict[str, Any] | str | None,
    status: int,
    error: type[MonoCloudError],
    description: str,
) -> None:
    """A handler that renders ``error.description``, as Flask's guide does, says why a request is refused."""
    app.add_url_rule("/", "view", protect_api(client)(scopes="a", groups="g")(_who))
    causes = []

    @app.errorhandler(HTTPException)
    def as_problem(refused: HTTPException) -> Any:
        causes.append(refused.__cause__)
        return {"status": refused.code, "detail": refused.description}, refused.code

    answer = _get(app, token=tenant.mint(**token) if isinstance(token, dict) else token)
    assert (answer.status_code, answer.json) == (status, {"status": status, "detail": description})
    assert [type(cause) for cause in causes] == [error]


def test_current_claims_outside_a_protected_request_is_an_error(app: Flask) -> None:
    """Reading current_claims outside a protected request raises an error with an explanation."""
    message = (
        "^current_claims is only available in a request that @protect has let through; "
        r"test it first: `if current_claims:`$"
    )
    with pytest.raises(RuntimeError, match=message):
        current_claims["sub"]
    with app.test_request_context(), pytest.raises(RuntimeError, match=message):
        current_claims.subject  # noqa: B018
    assert not current_claims


def test_claims_do_not_outlive_their_request(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Requests that share an application context, as in tests, do not share claims."""
    app.add_url_rule("/shut", "shut", protect_api(client)(_who))
    app.add_url_rule("/open", "open", lambda: f"{bool(current_claims)}")
    with app.app_context():
        assert _get(app, "/shut", tenant.mint(subject="alice")).text == "alice"
        assert _get(app, "/open").text == "False"


def test_claims_of_concurrent_requests_do_not_mix(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Concurrent requests each see their own claims."""
    callers = [f"caller-{number}" for number in range(8)]
    together = threading.Barrier(len(callers))

    def view() -> Any:
        before = current_claims.subject
        together.wait(30)
        return jsonify([before, current_claims.subject])

    app.add_url_rule("/", "view", protect_api(client)(view))
    with ThreadPoolExecutor(len(callers)) as pool:
        answers = list(pool.map(lambda caller: _get(app, token=tenant.mint(subject=caller)).json, callers))
    assert answers == [[caller, caller] for caller in callers]


def test_other_objects_do_not_become_json(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """A value that is neither JSON nor claims stays an error."""
    app.add_url_rule("/", "view", protect_api(client)(lambda: jsonify(current_claims, object())))
    assert _get(app, token=tenant.mint()).status_code == 500


class Plain(JSONProvider):
    """The example of Flask's documentation: only the standard library."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj)

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s)


class Orjson(Plain):
    """A provider that writes bytes and has a `response` method of its own."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def response(self, *args: Any, **kwargs: Any) -> Response:
        obj = self._prepare_response_obj(args, kwargs)
        return Response(orjson.dumps(obj), mimetype="application/json")


class Msgspec(Plain):
    """A provider without a hook for unknown types."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return msgspec.json.encode(obj).decode()


class Pydantic(Plain):
    """A provider that serialises objects by their attributes."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return to_json(obj).decode()


class Lenient(DefaultJSONProvider):
    """A provider that writes any object as text."""

    default = staticmethod(str)


VIEWS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "returned": (lambda: current_claims, lambda claims: claims),
    "returned with a status": (lambda: (current_claims, 200), lambda claims: claims),
    "returned in an object": (lambda: {"x": current_claims}, lambda claims: {"x": claims}),
    "returned in an array": (lambda: [current_claims], lambda claims: [claims]),
    "jsonify": (lambda: jsonify(current_claims), lambda claims: claims),
    "jsonify by name": (lambda: jsonify(x=current_claims), lambda claims: {"x": claims}),
    "jsonify of several": (lambda: jsonify(1, current_claims), lambda claims: [1, claims]),
    "nested": (lambda: jsonify(x=[{"y": (current_claims,)}]), lambda claims: {"x": [{"y": [claims]}]}),
    "from the environ": (lambda: jsonify(request.environ["monocloud.claims"]), lambda claims: claims),
    "one claim": (lambda: jsonify(current_claims["aud"]), lambda claims: claims["aud"]),
    "dumps": (lambda: flask_json.dumps(current_claims), lambda claims: claims),
}


@pytest.mark.parametrize("provider", [DefaultJSONProvider, Plain, Orjson, Msgspec, Pydantic, Lenient])
def test_claims_become_json_with_any_provider(
    app: Flask, client: BackendClient, tenant: LocalTenant, provider: type[JSONProvider]
) -> None:
    """With any JSON provider, claims can be returned, and the provider stays in place."""
    app.json = own = provider(app)
    protect = protect_api(client)
    for number, (view, _) in enumerate(VIEWS.values()):
        app.add_url_rule(f"/{number}", str(number), protect(view))
    token = tenant.mint(subject="J\u00f6rg", groups=["a", {"id": "1", "name": "b"}])
    claims = dict(client.validate_access_token(token))
    for number, (name, (_, expected)) in enumerate(VIEWS.items()):
        if name != "nested" or provider not in (Lenient, Pydantic):  # these write any object without an error
            answer = _get(app, f"/{number}", token)
            assert (name, answer.status_code, json.loads(answer.data)) == (name, 200, expected(claims))
    assert app.json is own


@pytest.mark.parametrize("provider", [DefaultJSONProvider, Plain, Orjson])
def test_a_provider_is_prepared_once(
    app: Flask, client: BackendClient, tenant: LocalTenant, provider: type[JSONProvider]
) -> None:
    """The provider is extended once and not again for each request."""
    app.json = provider(app)
    app.add_url_rule("/", "view", protect_api(client)(_who))
    writers: list[Any] = []
    for _ in range(2):
        assert _get(app, token=tenant.mint()).status_code == 200
        writers.append((app.json.dumps, app.json.__dict__.get("response")))
    assert writers[0][0] is writers[1][0]
    assert writers[0][1] is writers[1][1]


# The client


def _configure(app: Flask, tenant: LocalTenant) -> None:
    app.config.update(tenant.environment())


def test_app_config_takes_precedence_over_the_environment(
    app: Flask, tenant: LocalTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """app.config has keys with the names of the variables, which take precedence over the environment."""
    monkeypatch.setenv("MONOCLOUD_BACKEND_TENANT_DOMAIN", "https://from-the-environment.example.com")
    monkeypatch.setenv("MONOCLOUD_BACKEND_AUDIENCE", "from-the-environment")
    monkeypatch.setenv("MONOCLOUD_BACKEND_CLOCK_SKEW", "7")
    app.config.update(
        MONOCLOUD_BACKEND_TENANT_DOMAIN=tenant.domain,
        MONOCLOUD_BACKEND_AUDIENCE=[tenant.audience, "another"],
        MONOCLOUD_BACKEND_RESPONSE_TIMEOUT=2500,
        MONOCLOUD_BACKEND_GROUPS_MATCH_ALL=True,
        MONOCLOUD_BACKEND_CLIENT_ID="me",
        MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD="client_secret_jwt",
        MONOCLOUD_BACKEND_CLIENT_SECRET={"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"},
        MONOCLOUD_BACKEND_GROUPS_CLAIM=None,
        UNRELATED=object(),
    )
    protect_api().init_app(app)
    options = app.extensions["monocloud_mw"].options
    assert options.tenant_domain == tenant.domain
    assert options.audience == (tenant.audience, "another")
    assert options.response_timeout == 2.5
    assert options.groups_match_all is True
    assert options.clock_skew == 7
    assert options.groups_claim == "groups"
    assert options.client_secret.is_symmetric


def test_a_wrong_configuration_fails_at_start(app: Flask) -> None:
    """init_app reports all configuration problems at once."""
    app.config.update(MONOCLOUD_BACKEND_CLOCK_SKEW="-1", MONOCLOUD_BACKEND_JWT_CACHE_SIZE="many")
    with pytest.raises(ConfigurationError) as caught:
        protect_api().init_app(app)
    assert {problem.option for problem in caught.value.problems} == {
        "tenant_domain",
        "audience",
        "clock_skew",
        "jwt_cache_size",
    }


def test_a_blank_key_counts_as_unset(
    app: Flask, tenant: LocalTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank key counts as unset, like a blank variable, so the environment is used."""
    monkeypatch.setenv("MONOCLOUD_BACKEND_AUDIENCE", "from-the-environment")
    app.config.update(MONOCLOUD_BACKEND_TENANT_DOMAIN=tenant.domain, MONOCLOUD_BACKEND_AUDIENCE=" ")
    protect_api().init_app(app)
    assert app.extensions["monocloud_mw"].options.audience == ("from-the-environment",)


def test_a_dictionary_of_options_is_refused(app: Flask, tenant: LocalTenant) -> None:
    """``MONOCLOUD_BACKEND``, the setting of Django, would be ignored in Flask."""
    _configure(app, tenant)
    app.config["MONOCLOUD_BACKEND"] = {"VALIDATE_CERTIFICATE_BINDING": "required"}
    with pytest.raises(ConfigurationError) as caught:
        protect_api().init_app(app)
    assert [str(problem) for problem in caught.value.problems] == [
        "MONOCLOUD_BACKEND: is not read; write one key for each option, such as MONOCLOUD_BACKEND_AUDIENCE"
    ]


def test_config_values_of_wrong_types_are_refused(app: Flask) -> None:
    """An object's repr is not used as a secret, and one audience does not become two."""
    app.config.update(
        MONOCLOUD_BACKEND_CLIENT_SECRET=object(),
        MONOCLOUD_BACKEND_AUDIENCE=["https://api.example.com", "a b"],
    )
    with pytest.raises(ConfigurationError) as caught:
        protect_api().init_app(app)
    assert [str(problem) for problem in caught.value.problems] == [
        "client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): cannot be read from a object; "
        "pass a client instead",
        "audience (MONOCLOUD_BACKEND_AUDIENCE): must be a list of strings without white space",
    ]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("MONOCLOUD_BACKEND_VALIDATE_CERTIFICATE_BINDNG", "VALIDATE_CERTIFICATE_BINDING"),
        ("MONOCLOUD_BACKND_CLOCK_SKEW", "CLOCK_SKEW"),
        ("monocloud_backend_clock_skew", "CLOCK_SKEW"),
    ],
)
def test_a_misspelt_key_is_refused(app: Flask, tenant: LocalTenant, key: str, meant: str) -> None:
    """A misspelt key is refused, since the protection it asks for would be missing."""
    _configure(app, tenant)
    app.config[key] = "required"
    with pytest.raises(ConfigurationError, match=f"did you mean MONOCLOUD_BACKEND_{meant}"):
        protect_api().init_app(app)


def test_an_unknown_key_is_logged(app: Flask, tenant: LocalTenant, caplog: pytest.LogCaptureFixture) -> None:
    """An unknown key is logged once with the nearest known one; keys with other prefixes are ignored."""
    _configure(app, tenant)
    app.config.update(MONOCLOUD_BACKEND_JWKS_DURATION="60", CLOCK_SKEW="x")
    protect_api().init_app(app)
    app.extensions["monocloud_mw"].close()
    assert [record.getMessage() for record in caplog.records] == [
        "'MONOCLOUD_BACKEND_JWKS_DURATION' is not an option; the most similar one is "
        "MONOCLOUD_BACKEND_JWKS_CACHE_DURATION"
    ]


def test_without_init_app_a_wrong_configuration_is_a_500(
    app: Flask, tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """While the client cannot be created, every request is refused and the log has the reason."""
    app.add_url_rule("/", "view", protect_api()(_who))
    response = _get(app, token=tenant.mint())
    assert (response.status_code, response.json["error"]) == (500, "server_error")
    assert "tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN): is required" in caplog.text


def test_all_protections_of_an_application_share_one_client(
    app: Flask, tenant: LocalTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Concurrent first requests create one client, which every protect_api() of the application uses."""
    _configure(app, tenant)
    made: list[BackendClient] = []
    barrier = threading.Barrier(2)

    def make_client(options: Options) -> BackendClient:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(0.2)  # a single caller goes on after the timeout; a second caller here is the error
        made.append(BackendClient(options))
        return made[-1]

    monkeypatch.setattr(flask_config, "BackendClient", make_client)
    views = [protect_api()(_who) for _ in range(8)]
    for number, view in enumerate(views):
        app.add_url_rule(f"/{number}", f"view-{number}", view)
    with ThreadPoolExecutor(len(views)) as pool:
        paths = [f"/{number}" for number in range(len(views))]
        statuses = list(pool.map(lambda path: _get(app, path, tenant.mint()).status_code, paths))
    assert statuses == [200] * len(views)
    assert made == [app.extensions["monocloud_mw"]]
    made[0].close()


def test_each_application_has_its_own_client(tenant: LocalTenant) -> None:
    """One protect_api() may serve several applications with different configurations."""
    protect = protect_api()
    apps = [Flask("one"), Flask("two")]
    for app, audience in zip(apps, ("https://one", "https://two"), strict=True):
        _configure(app, tenant)
        app.config["MONOCLOUD_BACKEND_AUDIENCE"] = audience
        app.add_url_rule("/", "view", protect(_who))
        protect.init_app(app)
    token = tenant.mint(audience="https://two")
    assert [_get(app, token=token).status_code for app in apps] == [401, 200]
    for app in apps:
        app.extensions["monocloud_mw"].close()


def test_the_function_takes_the_options_of_the_class(app: Flask, client: BackendClient) -> None:
    """protect_api() passes on what lets requests without a token pass."""
    app.add_url_rule("/optional", "optional", protect_api(client, optional=True)(lambda: "in"))
    preflight = protect_api(client, allow_cors_preflight=True)(lambda: "in")
    app.add_url_rule("/preflight", "preflight", preflight, methods=["OPTIONS"])
    app.add_url_rule("/strict", "strict", protect_api(client)(lambda: "in"), methods=["OPTIONS"])
    browser = {"HTTP_ORIGIN": "https://a.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}
    assert [_get(app, "/optional").status_code, _get(app, "/optional", "bad").status_code] == [200, 401]
    answers = [_get(app, "/preflight", REQUEST_METHOD="OPTIONS", **more) for more in ({}, browser)]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert _get(app, "/strict", REQUEST_METHOD="OPTIONS", **browser).status_code == 401


def test_init_app_with_a_client_creates_no_other(app: Flask, client: BackendClient) -> None:
    """With a client argument, the configuration is not read."""
    protect_api(client).init_app(app)
    assert "monocloud_mw" not in app.extensions


def test_every_mistake_is_reported_at_once(async_client: AsyncBackendClient) -> None:
    """One error lists the problems of requirements, client and callables."""
    with pytest.raises(ConfigurationError) as caught:
        protect_api(
            async_client,  # type: ignore[arg-type]
            scopes=1,  # type: ignore[arg-type]
            token_resolver="header",  # type: ignore[arg-type]
            certificate_resolver=1,  # type: ignore[arg-type]
            on_error={},  # type: ignore[arg-type]
        )
    expected = ["scopes", "client", "token_resolver", "certificate_resolver", "on_error"]
    assert [problem.option for problem in caught.value.problems] == expected


def test_a_wrong_requirement_is_refused_where_a_view_is_declared(client: BackendClient) -> None:
    """A requirement of a wrong type is refused when the view is declared."""
    with pytest.raises(ConfigurationError, match=r"view at .* invalid requirement: groups: must be a string"):
        protect_api(client)(groups={"admin": True})
    with pytest.raises(
        ConfigurationError, match=r"test_flask\._who has an invalid requirement: groups: must be"
    ):
        protect_api(client)(groups={"admin": True})(_who)


@pytest.mark.parametrize("answer", [None, True, {"sub": "mallory"}])
def test_a_client_that_returns_no_claims_is_a_500(app: Flask, answer: Any) -> None:
    """A client that returns anything but claims gives a 500."""

    class Broken:
        def authenticate(self, credentials: Any, requirements: Any) -> Any:
            return answer

    app.add_url_rule("/", "view", protect_api(Broken())(lambda: "reached"))
    response = _get(app, token="abc")
    assert (response.status_code, "reached" in response.text) == (500, False)


# Resolvers and on_error


async def _async(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


KINDS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "sync": lambda function: function,
    "async": lambda function: _asynchronous(function),
    "async object": lambda function: _AsyncObject(function),
    "partial of an async object": lambda function: partial(_AsyncObject(function)),
}


def _asynchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*arguments: Any) -> Any:
        return await _async(function(*arguments))

    return call


class _AsyncObject:
    """An object with an async ``__call__``."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    async def __call__(self, *arguments: Any) -> Any:
        return await _async(self._function(*arguments))


@pytest.mark.parametrize("as_kind", KINDS.values(), ids=KINDS)
def test_resolvers_get_the_request(
    app: Flask,
    client: BackendClient,
    tenant: LocalTenant,
    as_kind: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    """A token resolver, sync or async, replaces the header."""
    protect = protect_api(client, token_resolver=as_kind(lambda incoming: incoming.cookies.get("token")))
    app.add_url_rule("/", "view", protect(_who))
    token = tenant.mint(subject="alice")
    assert _get(app, token="ignored", HTTP_COOKIE=f"token={token}").text == "alice"
    assert _get(app, token=token).status_code == 401


@pytest.mark.parametrize("as_kind", KINDS.values(), ids=KINDS)
def test_a_failing_resolver_is_a_500_without_details(
    app: Flask,
    client: BackendClient,
    caplog: pytest.LogCaptureFixture,
    as_kind: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    """The caller gets no details; the log has the place and not the message."""

    def fail(incoming: Any) -> str:
        raise KeyError("canary")

    app.add_url_rule("/", "view", protect_api(client, token_resolver=as_kind(fail))(_who))
    response = _get(app)
    assert (response.status_code, "canary" in response.text) == (500, False)
    assert caplog.messages[0].startswith(
        f"Access token not checked: token_resolver raised KeyError (raised at {__file__}:"
    )
    assert "canary" not in caplog.text


@pytest.mark.parametrize("as_kind", KINDS.values(), ids=KINDS)
def test_on_error_renders_its_own_response(
    app: Flask, client: BackendClient, as_kind: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    """on_error may return anything a view may return, or None for the default response."""

    def on_error(error: MonoCloudError, response: Response) -> Any:
        return None if request.path == "/ours" else ({"sorry": str(error)}, 418)

    protect = protect_api(client, on_error=as_kind(on_error))
    for path in ("/ours", "/theirs"):
        app.add_url_rule(path, path, protect(_who))
    response = _get(app, "/theirs")
    assert (response.status_code, response.json) == (418, {"sorry": "The request has no access token"})
    assert _get(app, "/ours").status_code == 401


@pytest.mark.parametrize("answer", [5, object(), lambda: None, (1, 2, 3, 4)])
def test_an_on_error_that_returns_nonsense_is_named(app: Flask, client: BackendClient, answer: Any) -> None:
    """And not the view, which has returned nothing; the request goes no further."""
    app.testing = True
    app.add_url_rule("/", "view", protect_api(client, on_error=lambda *_: answer)(lambda: "reached"))
    with pytest.raises(ConfigurationError, match=r"^on_error: must return a response of a view"):
        _get(app)


def test_an_exception_of_on_error_is_propagated(app: Flask, client: BackendClient) -> None:
    """An exception of on_error reaches Flask; the view is not called."""

    def on_error(error: MonoCloudError, response: Response) -> Any:
        raise LookupError("of the application")

    app.add_url_rule("/", "view", protect_api(client, on_error=on_error)(lambda: "reached"))
    response = _get(app)
    assert (response.status_code, "reached" in response.text) == (500, False)


def test_without_flask_the_import_says_what_to_install() -> None:
    """Without Flask, the ImportError names the extra to install."""
    program = (
        "import sys; sys.modules['flask'] = None\n"
        "try:\n    import monocloud_mw.adapters.flask\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == (
        "monocloud_mw.adapters.flask needs Flask: pip install 'monocloud-mw[flask]'"
    )
