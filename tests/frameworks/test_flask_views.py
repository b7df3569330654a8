"""Flask applications that are protected as a whole, and declarations on their views."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
import wrapt
from flask import Blueprint, Flask, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View
from werkzeug.exceptions import Forbidden, HTTPException
from werkzeug.routing import Rule
from werkzeug.test import Client

from monocloud_mw import BackendClient
from monocloud_mw.adapters.flask import ProtectApi, current_claims, protect_api, public
from monocloud_mw.errors import ConfigurationError, TokenError
from monocloud_mw.testing import LocalTenant, as_caller

Decorator = Callable[[Any], Any]


@pytest.fixture
def app() -> Flask:
    """Return an application without routes."""
    return Flask(__name__)


def ask(app: Flask, path: str = "/", token: str | None = None, method: str = "GET", **headers: str) -> Any:
    """Send a request."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    return Client(app, use_cookies=False).open(path, method=method, headers=sent)


def statuses(app: Flask, *requests: tuple[str, str | None]) -> list[int]:
    """Return the statuses of responses."""
    return [ask(app, path, token).status_code for path, token in requests]


def caller() -> str:
    """Return the caller, as a view without declarations."""
    return f"{current_claims.subject}" if current_claims else "anonymous"


class Plain(View):
    """A view class without declarations."""

    def dispatch_request(self) -> ResponseReturnValue:
        """Return the caller."""
        return caller()


# Views that need a token


def test_views_without_declarations_need_a_token(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Views of the application, of later and nested blueprints, and class-based views need a token."""
    ProtectApi(app, client=client, deny_by_default=True)
    outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__)
    app.add_url_rule("/", view_func=caller)
    outer.add_url_rule("/", view_func=caller)
    inner.add_url_rule("/inner", view_func=caller)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/class", view_func=Plain.as_view("plain"))
    token = tenant.mint(subject="alice")
    for path in ("/", "/outer/", "/outer/inner", "/class"):
        assert ask(app, path).status_code == 401
        assert ask(app, path, token).text == "alice"


@pytest.mark.parametrize(
    ("method", "path", "with_token"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/view", 405),
        ("OPTIONS", "/view", 200),
        ("HEAD", "/view", 200),
        ("GET", "/static/x.css", 404),
        ("GET", "/slash", 308),
        ("GET", "/a//b", 308),
        ("OPTIONS", "/nowhere", 404),
    ],
)
def test_unknown_paths_need_a_token(
    app: Flask, client: BackendClient, tenant: LocalTenant, method: str, path: str, with_token: int
) -> None:
    """As with ``protect(app)``, a caller without a token learns nothing about the routes."""
    ProtectApi(app, client=client, deny_by_default=True)
    app.add_url_rule("/view", "view", lambda: "x")
    app.add_url_rule("/slash/", "slash", lambda: "x")
    app.add_url_rule("/a/b", "merged", lambda: "x")
    assert ask(app, path, method=method).status_code == 401
    assert ask(app, path, tenant.mint(), method=method).status_code == with_token


def test_redirects_to_public_views_are_public(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Redirects for missing or repeated slashes need no token, also below a server's prefix."""
    ProtectApi(app, client=client, deny_by_default=True)
    app.add_url_rule("/docs/", "docs", public(lambda: "docs"))
    app.add_url_rule("/docs/all", "all", public(lambda: "docs"))
    app.add_url_rule("/a b/\u00e9/", "spaces", public(lambda: "x"))
    app.add_url_rule("/moved/<int:number>", "moved", redirect_to="/docs/")
    for path in ("/docs", "/docs//all", "/a%20b/%C3%A9", "/moved/1"):
        assert ask(app, path).status_code == 308
    mounted = Client(app).get("/docs", environ_overrides={"SCRIPT_NAME": "/api", "PATH_INFO": "/docs"})
    assert (mounted.status_code, mounted.location) == (308, "http://localhost/api/docs/")


# Where declarations are written


def through(function: Any) -> Any:
    """Decorate a view and keep its attributes."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def opaque(function: Any) -> Any:
    """Decorate a view without keeping its attributes."""
    return lambda *args, **kwargs: function(*args, **kwargs)


def declare_in_app(app: Flask, decorators: list[Any]) -> None:
    """Declare a view with decorators from top to bottom; ``None`` is the route."""

    def view() -> str:
        return caller()

    decorated: Any = view
    for decorator in reversed(decorators):
        decorated = (decorator or app.get("/", endpoint="view"))(decorated)


ORDERS: dict[str, Callable[[Decorator], list[Any]]] = {
    "below": lambda protect: [None, protect],
    "above": lambda protect: [protect, None],
    "below a decorator": lambda protect: [None, through, protect],
    "above a decorator below the route": lambda protect: [None, protect, through],
    "above, with a decorator below the route": lambda protect: [protect, None, through],
    "above, with a decorator between": lambda protect: [protect, through, None],
    "above a decorator with none": lambda protect: [protect, None, opaque],
    "below a decorator that hides it": lambda protect: [None, opaque, protect],
    "above two": lambda protect: [through, protect, through, None],
}


@pytest.mark.parametrize("as_blueprint", [False, True], ids=["application", "blueprint"])
@pytest.mark.parametrize("deny_by_default", [True, False])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_protect_works_above_and_below_the_route(
    app: Flask,
    client: BackendClient,
    tenant: LocalTenant,
    order: Callable[[Decorator], list[Any]],
    deny_by_default: bool,
    as_blueprint: bool,
) -> None:
    """The scopes are required whichever function Flask has registered."""
    protect = ProtectApi(app, client=client, deny_by_default=deny_by_default)
    target: Any = Blueprint("blueprint", __name__) if as_blueprint else app
    declare_in_app(target, order(protect(scopes=["a"])))
    if as_blueprint:
        app.register_blueprint(target)
    assert statuses(app, ("/", None), ("/", tenant.mint(scopes="b"))) == [401, 403]
    assert ask(app, token=tenant.mint(subject="alice", scopes="a")).text == "alice"


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([None, public], id="below"),
        pytest.param([public, None], id="above"),
        pytest.param([None, through, public], id="below a decorator"),
        pytest.param([None, public, through], id="above a decorator"),
    ],
)
def test_public_works_above_and_below_the_route(app: Flask, client: BackendClient, order: list[Any]) -> None:
    """A public view gets no claims, whatever the request contains."""
    ProtectApi(app, client=client, deny_by_default=True, scopes=["api"])
    declare_in_app(app, order)
    assert ask(app).text == "anonymous"
    assert ask(app, token="garbage").text == "anonymous"


@pytest.mark.parametrize(
    "order", [[None, opaque, public], [public, through, None]], ids=["hidden", "not on the view"]
)
def test_a_public_mark_that_is_not_on_the_view_has_no_effect(
    app: Flask, client: BackendClient, order: list[Any]
) -> None:
    """A mark that is not on the function that Flask calls has no effect; the view needs a token."""
    ProtectApi(app, client=client, deny_by_default=True)
    declare_in_app(app, order)
    assert ask(app).status_code == 401


def test_a_public_mark_is_not_borrowed(app: Flask, client: BackendClient) -> None:
    """A view that takes its name from a public one, and calls something else, is as protected as before."""
    ProtectApi(app, client=client, deny_by_default=True)
    health = public(lambda: "open")

    @app.get("/")
    @wraps(health)
    def secret() -> str:
        return "secret"

    app.add_url_rule("/health", "health", through(health))
    assert statuses(app, ("/", None), ("/health", None)) == [401, 200]


class Monitored(Flask):
    """Registers a proxy of each view, as monitoring agents make Flask do."""

    def add_url_rule(
        self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **kw: Any
    ) -> None:
        """Register the proxy."""
        proxy: Any = None if view_func is None else monitored(view_func)
        super().add_url_rule(rule, endpoint or view_func.__name__, proxy, *args, **kw)


@wrapt.decorator
def monitored(view: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """Call a view."""
    return view(*args, **kwargs)


@pytest.mark.parametrize("deny_by_default", [True, False])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_monitoring_leaves_views_protected(
    client: BackendClient, tenant: LocalTenant, order: Callable[[Decorator], list[Any]], deny_by_default: bool
) -> None:
    """Declarations are found through the proxy that Flask calls."""
    app = Monitored(__name__)
    protect = ProtectApi(app, client=client, deny_by_default=deny_by_default)
    declare_in_app(app, order(protect(scopes=["a"])))
    assert statuses(app, ("/", None), ("/", tenant.mint(scopes="b"))) == [401, 403]
    assert ask(app, token=tenant.mint(scopes="a")).status_code == 200


@pytest.mark.parametrize(
    "order", [[None, public], [public, None], [None, monitored, public]], ids=["below", "above", "twice"]
)
def test_monitoring_leaves_public_views_public(client: BackendClient, order: list[Any]) -> None:
    """``@public`` is found through the proxy too."""
    app = Monitored(__name__)
    ProtectApi(app, client=client, deny_by_default=True)
    declare_in_app(app, order)
    assert ask(app).status_code == 200


def test_monitoring_leaves_views_protected_without_an_extension(client: BackendClient) -> None:
    """A ``@protect`` above the route is found on the function that the proxy stands for."""
    app = Monitored(__name__)
    declare_in_app(app, [protect_api(client), None])
    assert ask(app).status_code == 401


def test_an_optional_token_is_not_borrowed(app: Flask, client: BackendClient) -> None:
    """A view that takes its name from one with an optional token requires a token."""
    protect = ProtectApi(app, client=client, deny_by_default=True)
    greeting = protect(optional=True)(lambda: "open")

    @app.get("/")
    @wraps(greeting)
    def secret() -> str:
        return "secret"

    app.add_url_rule("/greeting", "greeting", through(greeting))
    assert statuses(app, ("/", None), ("/greeting", None)) == [401, 200]


def test_another_protection_is_not_borrowed(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """A view that takes its name from one with another ``protect`` meets its application's requirements."""
    ProtectApi(app, client=client, deny_by_default=True, scopes="api")
    greeting = ProtectApi(client=client)(lambda: "open")

    @app.get("/")
    @wraps(greeting)
    def secret() -> str:
        return "secret"

    app.add_url_rule("/greeting", "greeting", through(greeting))
    token = tenant.mint()
    assert statuses(app, ("/", token), ("/greeting", token)) == [403, 200]


def test_a_borrowed_declaration_adds_requirements(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """A decorator that does not show what it calls, such as a cache, cannot answer before the check."""
    protect = ProtectApi(app, client=client, deny_by_default=True)
    read = protect(scopes="read")(lambda: "read")

    @app.get("/")
    @wraps(read)
    def cached() -> str:
        return "from a cache"

    assert statuses(app, ("/", tenant.mint()), ("/", tenant.mint(scopes="read"))) == [403, 200]


def test_a_declaration_of_another_view_is_not_borrowed(app: Flask, client: BackendClient) -> None:
    """An optional token of a view does not apply to the one whose name it copies."""
    protect = ProtectApi(app, client=client, deny_by_default=True)

    @app.get("/")
    def secret() -> str:
        return "secret"

    @wraps(secret)
    def greeting() -> str:
        return "open"

    app.add_url_rule("/greeting", "greeting", protect(optional=True)(greeting))
    assert statuses(app, ("/", None), ("/greeting", None)) == [401, 200]


def shared_view() -> str:
    """Return the caller on several routes."""
    return caller()


def test_routes_that_share_a_function_have_declarations_of_their_own(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """``protect(view)`` for one route does not affect the same function on another."""
    protect = ProtectApi(app, client=client, deny_by_default=True)
    app.add_url_rule("/bare", "bare", shared_view)
    app.add_url_rule("/a", "a", protect(scopes="a")(shared_view))
    app.add_url_rule("/b", "b", protect(scopes="b")(shared_view))
    token = tenant.mint(scopes="a")
    assert statuses(app, ("/bare", None), ("/bare", token), ("/a", token), ("/b", token)) == [
        401,
        200,
        200,
        403,
    ]


def test_class_based_views_declare_on_the_class_and_on_methods(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """``decorators`` apply to all methods; a method may be public or need more."""
    protect = ProtectApi(app, client=client, deny_by_default=True)

    class Orders(MethodView):
        @public
        def get(self) -> str:
            return caller()

        @protect(scopes="orders:write")
        def post(self) -> str:
            return caller()

        def put(self) -> str:
            return caller()

    class Health(MethodView):
        decorators = [public]  # noqa: RUF012

        def get(self) -> str:
            return caller()

        @protect(scopes="health:write")
        def post(self) -> str:
            return caller()

    class Admin(MethodView):
        decorators = [protect(groups="admin"), through]  # noqa: RUF012
        init_every_request = False

        def get(self) -> str:
            return caller()

        @protect(scopes="admin:write")
        def post(self) -> str:
            return caller()

    class Dispatched(View):
        @public
        def dispatch_request(self) -> ResponseReturnValue:
            return caller()

    for view in (Orders, Health, Admin, Dispatched):
        app.add_url_rule(f"/{view.__name__}", view_func=view.as_view(view.__name__))
    expected = {
        ("GET", "/Orders"): [200, 200, 200],
        ("HEAD", "/Orders"): [200, 200, 200],
        ("POST", "/Orders"): [401, 403, 200],
        ("PUT", "/Orders"): [401, 200, 200],
        ("OPTIONS", "/Orders"): [401, 200, 200],
        ("GET", "/Health"): [200, 200, 200],
        ("POST", "/Health"): [401, 403, 200],
        ("GET", "/Admin"): [401, 403, 200],
        ("POST", "/Admin"): [401, 403, 200],
        ("GET", "/Dispatched"): [200, 200, 200],
    }
    every = tenant.mint(scopes="orders:write health:write admin:write", groups=["admin"])
    tokens = (None, tenant.mint(), every)
    found = {
        (method, path): [ask(app, path, token, method).status_code for token in tokens]
        for method, path in expected
    }
    assert found == expected
    assert ask(app, "/Admin", tenant.mint(groups=["admin"]), "POST").status_code == 403


def test_a_rule_for_any_method_uses_no_memory_for_each(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Callers choose the method, and Flask's documentation shows rules without methods."""
    ProtectApi(app, client=client, deny_by_default=True)
    app.url_map.add(Rule("/any", endpoint="any"))
    app.endpoint("any")(caller)
    methods = ("GET", "get", "QUERY", *(f"M{number}" for number in range(40)))
    assert {ask(app, "/any", None, method).status_code for method in methods} == {401}
    assert ask(app, "/any", tenant.mint(), "QUERY").status_code == 200
    (check,) = app.before_request_funcs[None]
    assert len(check.__self__._known) == 1  # type: ignore[union-attr]


def test_views_need_not_be_functions(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Bound methods, partials and callable objects are views too."""
    protect = ProtectApi(app, client=client, deny_by_default=True)

    class Views:
        def plain(self) -> str:
            return caller()

        @public
        def open(self) -> str:
            return caller()

        def marked(self) -> str:
            return caller()

        def __call__(self) -> str:
            return caller()

    views = Views()
    app.add_url_rule("/plain", "plain", views.plain)
    app.add_url_rule("/open", "open", views.open)
    app.add_url_rule("/marked", "marked", public(views.marked))
    app.add_url_rule("/partial", "partial", public(partial(Views.plain, views)))
    app.add_url_rule("/partial of public", "partial2", partial(Views.open, views))
    app.add_url_rule("/called", "called", views)
    app.add_url_rule("/scoped", "scoped", protect(scopes="a")(partial(Views.plain, views)))
    paths = ("/plain", "/open", "/marked", "/partial", "/partial of public", "/called", "/scoped")
    assert [ask(app, path).status_code for path in paths] == [401, 200, 200, 200, 200, 401, 401]
    assert [ask(app, path, tenant.mint()).status_code for path in paths] == [200] * 6 + [403]


def test_async_views_are_protected(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Async views are protected like others, above and below."""
    protect = ProtectApi(app, client=client, deny_by_default=True)

    async def view() -> str:
        await asyncio.sleep(0)
        return caller()

    app.add_url_rule("/bare", "bare", view)

    @protect(scopes="a")
    @app.get("/above")
    async def above() -> str:
        return caller()

    @app.get("/open")
    @public
    async def open_view() -> str:
        return caller()

    token = tenant.mint(subject="alice")
    assert statuses(app, ("/bare", None), ("/above", token), ("/open", None)) == [401, 403, 200]
    assert ask(app, "/bare", token).text == "alice"
    assert ask(app, "/above", tenant.mint(subject="bob", scopes="a")).text == "bob"


# Contradictions


def test_public_and_protected_views_are_refused_where_they_are_declared(client: BackendClient) -> None:
    """In any order, on the route and below other decorators; the error names the view."""
    protect = protect_api(client)
    for order in (
        [public, protect],
        [protect, public],
        [public, None, protect],
        [protect, None, public],
        [public, through, protect],
        [protect(scopes="a"), None, through, public],
    ):
        with pytest.raises(
            ConfigurationError, match=r"\.view has both @public and @protect: remove one of them$"
        ):
            declare_in_app(Flask(__name__), order)


def test_contradictions_of_classes_are_found(app: Flask, client: BackendClient) -> None:
    """They are found in ``init_app``, or at the request if the view is added later."""
    protect = ProtectApi(client=client, deny_by_default=True)

    class Both(MethodView):
        decorators = [protect]  # noqa: RUF012

        @public
        def get(self) -> str:
            return "reached"

    app.add_url_rule("/", view_func=Both.as_view("both"))
    with pytest.raises(ConfigurationError, match=r"Both\.get has both @public and @protect"):
        protect.init_app(app)
    late = Flask(__name__)
    protect.init_app(late)
    late.add_url_rule("/", view_func=Both.as_view("both"))
    assert ask(late).status_code == 500


@pytest.mark.parametrize(
    "target",
    [Flask(__name__), Blueprint("a", __name__), MethodView, 1, "view", len],
    ids=["application", "blueprint", "class", "number", "text", "built-in"],
)
def test_only_views_can_be_public(target: Any) -> None:
    """A mark that has no effect is refused."""
    with pytest.raises(ConfigurationError, match=r"^@public must decorate a view function, not "):
        public(target)


@pytest.mark.parametrize("endpoints", ["static", 1, [1], [""], ["*"], [".*"], ["a*"], None])
def test_public_endpoints_are_a_list_of_names(endpoints: Any) -> None:
    """Any other value is refused at once, with an example."""
    with pytest.raises(ConfigurationError, match=r"^public_endpoints: must be a list of endpoints, such as"):
        ProtectApi(public_endpoints=endpoints)


def test_a_client_is_not_an_application(client: BackendClient) -> None:
    """The error of passing a client as the application shows the right call."""
    with pytest.raises(
        ConfigurationError, match="must be a Flask application, not BackendClient; pass a client as"
    ):
        ProtectApi(client)  # type: ignore[arg-type]


# Defaults and declarations together


def test_public_endpoints_open_views_of_others(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Views are exempted by name or by blueprint; a declaration on the view takes precedence."""
    protect = ProtectApi(
        app, client=client, deny_by_default=True, public_endpoints=["static", "docs.*", "admin.help"]
    )
    docs, admin = (
        Blueprint("docs", __name__, url_prefix="/docs"),
        Blueprint("admin", __name__, url_prefix="/admin"),
    )
    docs.add_url_rule("/", "index", lambda: "docs")
    docs.add_url_rule("/secret", "secret", protect(lambda: "secret"))
    admin.add_url_rule("/", "index", lambda: "admin")
    admin.add_url_rule("/help", "help", lambda: "help")
    app.register_blueprint(docs)
    app.register_blueprint(admin)
    paths = ("/static/missing", "/docs/", "/docs/secret", "/admin/", "/admin/help")
    assert [ask(app, path).status_code for path in paths] == [404, 200, 401, 401, 200]


def test_requirements_of_protect_api_are_added(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Requirements of ProtectApi are added to every view that needs a token."""
    protect = ProtectApi(app, client=client, deny_by_default=True, scopes="api", any_scopes="x y", groups="g")
    app.add_url_rule("/", "root", caller)
    app.add_url_rule("/more", "more", protect(any_scopes=["m", "n"])(caller))
    tokens = ("api x", "x", "api", "api y m", "m n")
    minted = [tenant.mint(scopes=scopes, groups=["g"]) for scopes in tokens]
    assert [ask(app, "/", token).status_code for token in minted] == [200, 403, 403, 200, 403]
    assert [ask(app, "/more", token).status_code for token in minted] == [403, 403, 403, 200, 403]
    assert ask(app, "/", tenant.mint(scopes="api x")).status_code == 403
    assert ask(app, "/more", minted[0]).headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", scope="api m n x y"'
    )


def test_a_protected_blueprint_keeps_the_declarations_of_its_views(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """``protect(blueprint)`` adds to the requirements of its views, and ``@public`` exempts one."""
    protect = protect_api(client)
    blueprint = Blueprint("blueprint", __name__)
    protect(groups="admin")(blueprint)
    blueprint.add_url_rule("/bare", "bare", caller)
    blueprint.add_url_rule("/open", "open", public(lambda: "open"))

    @protect(scopes="a")
    @blueprint.get("/above")
    def above() -> str:
        return caller()

    @blueprint.get("/optional")
    @protect(optional=True)
    def optional() -> str:
        return caller()

    app.register_blueprint(blueprint)
    admin, scoped = tenant.mint(groups=["admin"]), tenant.mint(scopes="a")
    both = tenant.mint(groups=["admin"], scopes="a")
    paths = ("/bare", "/open", "/above", "/optional")
    assert [ask(app, path).status_code for path in paths] == [401, 200, 401, 200]
    assert [ask(app, path, admin).status_code for path in paths] == [200, 200, 403, 200]
    assert [ask(app, path, scoped).status_code for path in paths] == [403, 200, 403, 403]
    assert [ask(app, path, both).status_code for path in paths] == [200, 200, 200, 200]


def test_two_tenants_share_an_application(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """Deny by default leaves a view to another ``protect`` on it; ``protect(blueprint)`` does not."""
    with LocalTenant(algorithms=["ES256"]) as other, BackendClient(**other.settings()) as other_client:
        protect = ProtectApi(app, client=client, deny_by_default=True)
        theirs = protect_api(other_client)
        app.add_url_rule("/ours", "ours", lambda: "x")
        app.add_url_rule("/below", "below", theirs(lambda: "x"))

        @theirs
        @app.get("/above")
        def above() -> str:
            return "x"

        blueprint = Blueprint("blueprint", __name__)
        protect(blueprint)
        blueprint.add_url_rule("/both", "both", theirs(lambda: "x"))
        app.register_blueprint(blueprint)
        app.add_url_rule("/each", "each", protect()(theirs(lambda: "x")))
        app.add_url_rule("/each-reversed", "each-reversed", theirs(protect()(lambda: "x")))
        paths = ("/ours", "/below", "/above", "/both", "/each", "/each-reversed")
        assert [ask(app, path).status_code for path in paths] == [401] * 6
        assert [ask(app, path, tenant.mint()).status_code for path in paths] == [200, *[401] * 5]
        assert [ask(app, path, other.mint()).status_code for path in paths] == [401, 200, 200, *[401] * 3]


# Optional tokens


@pytest.mark.parametrize("order", [[None, "protect"], ["protect", None]], ids=["below", "above"])
@pytest.mark.parametrize("deny_by_default", [True, False])
def test_an_optional_token_is_checked_if_present(
    app: Flask, client: BackendClient, tenant: LocalTenant, order: list[Any], deny_by_default: bool
) -> None:
    """Without a token, or with another scheme, the caller is anonymous; an invalid or insufficient token is
    refused.
    """
    protect = ProtectApi(app, client=client, deny_by_default=deny_by_default)
    optional = protect(optional=True, scopes="a")
    declare_in_app(app, [optional if entry == "protect" else entry for entry in order])
    assert ask(app).text == "anonymous"
    assert ask(app, Authorization="Basic YTpi").text == "anonymous"
    assert ask(app, token=tenant.mint(subject="alice", scopes="a")).text == "alice"
    assert ask(app, token=tenant.mint(subject="alice")).status_code == 403
    assert ask(app, token=tenant.mint(lifetime_seconds=-300)).status_code == 401
    assert ask(app, token="garbage").status_code == 401
    assert ask(app, Authorization="Bearer").status_code == 400


def test_an_anonymous_caller_has_no_claims(app: Flask, client: BackendClient) -> None:
    """``current_claims`` is then ``None``, in JSON too, and claims in the environ are removed."""
    protect = protect_api(client)
    app.add_url_rule("/", "view", protect(optional=True)(lambda: jsonify(caller=current_claims)))
    app.add_url_rule("/compared", "compared", protect(optional=True)(lambda: f"{current_claims == None}"))  # noqa: E711
    app.add_url_rule(
        "/environ", "environ", protect(optional=True)(lambda: f"{request.environ.get('monocloud.claims')}")
    )
    assert ask(app).json == {"caller": None}
    assert ask(app, "/compared").text == "True"
    forged = Client(app).get("/environ", environ_overrides={"monocloud.claims": {"sub": "mallory"}})
    assert forged.text == "None"


def test_a_whole_application_may_be_optional(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """With a whole application optional, one view may still need a token."""
    protect = ProtectApi(app, client=client, deny_by_default=True, optional=True)
    app.add_url_rule("/", "root", caller)
    app.add_url_rule("/strict", "strict", protect(optional=False)(caller))
    app.add_url_rule("/inherited", "inherited", protect(scopes="a")(caller))
    paths = ("/", "/strict", "/inherited", "/nowhere")
    assert [ask(app, path).status_code for path in paths] == [200, 401, 200, 404]
    assert [ask(app, path, "garbage").status_code for path in paths] == [401] * 4


@pytest.mark.parametrize("is_above", [True, False])
def test_a_view_does_not_loosen_its_blueprint_unasked(
    app: Flask, client: BackendClient, is_above: bool
) -> None:
    """Only ``optional=True`` on a view makes the token optional where its blueprint requires one."""
    protect = ProtectApi(app, client=client, deny_by_default=True, optional=True)
    blueprint = Blueprint("blueprint", __name__)
    declarations = [None, protect, protect(scopes="a"), protect(groups="b"), protect(optional=True)]
    for number, declared in enumerate(declarations):

        def view() -> str:
            return "in"

        route = blueprint.route(f"/{number}", endpoint=f"{number}")
        declare = declared or (lambda function: function)
        declare(route(view)) if is_above else route(declare(view))
    protect(optional=False)(blueprint)
    app.register_blueprint(blueprint)
    assert [ask(app, f"/{number}").status_code for number in range(5)] == [401, 401, 401, 401, 200]


def test_required_and_optional_is_required(app: Flask, client: BackendClient) -> None:
    """If several decorators apply, each must be met."""
    protect = ProtectApi(app, client=client, deny_by_default=True)
    declare_in_app(app, [protect(optional=True), None, protect])
    assert ask(app).status_code == 401


# What else Flask calls


def test_a_cache_around_a_view_is_checked_first(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """The check runs before a cache around the view."""
    answers: list[str] = []

    def cached(function: Any) -> Any:
        @wraps(function)
        def wrapper() -> Any:
            if not answers:
                answers.append(function())
            return answers[0]

        return wrapper

    protect = ProtectApi(app, client=client, deny_by_default=True)
    declare_in_app(app, [None, cached, protect(scopes="a")])
    assert ask(app, token=tenant.mint(subject="alice", scopes="a")).text == "alice"
    assert statuses(app, ("/", None), ("/", tenant.mint())) == [401, 403]


def test_a_decorator_cannot_catch_a_refusal(app: Flask, client: BackendClient) -> None:
    """In an application that is protected as a whole, a decorator that catches all exceptions changes
    nothing.
    """

    def catch_all(function: Any) -> Any:
        @wraps(function)
        def wrapper() -> Any:
            try:
                return function()
            except Exception:  # noqa: BLE001
                return "caught"

        return wrapper

    protect = ProtectApi(app, client=client)
    declare_in_app(app, [None, catch_all, protect])
    assert ask(app).status_code == 401


def test_request_hooks_can_be_protected(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """``url_value_preprocessor`` ignores results, so the refusal has to be an exception."""
    protect = protect_api(client)
    blueprint = Blueprint("blueprint", __name__, url_prefix="/b")

    @app.url_value_preprocessor
    @protect
    def preprocess(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert current_claims

    @blueprint.before_request
    @protect(scopes="a")
    def before() -> None:
        assert current_claims

    app.add_url_rule("/", "view", lambda: "reached")
    blueprint.add_url_rule("/", "view", lambda: "reached")
    app.register_blueprint(blueprint)
    token = tenant.mint()
    assert statuses(app, ("/", None), ("/", token), ("/b/", None), ("/b/", token)) == [401, 200, 401, 403]
    assert ask(app, "/b/", tenant.mint(scopes="a")).text == "reached"


def test_what_runs_before_and_after_a_refusal(app: Flask, client: BackendClient) -> None:
    """Functions registered earlier run, later ones do not; after_request functions get the refusal."""
    seen: list[str] = []
    app.before_request(lambda: seen.append("earlier"))
    ProtectApi(app, client=client, deny_by_default=True)
    app.before_request(lambda: seen.append("later"))

    @app.after_request
    def after(response: Any) -> Any:
        seen.append(f"after {response.status_code}")
        return response

    app.teardown_request(lambda _: seen.append("teardown"))
    assert ask(app).status_code == 401
    assert seen == ["earlier", "after 401", "teardown"]


def test_error_handlers_handle_refusals_of_unknown_paths(
    app: Flask, client: BackendClient, tenant: LocalTenant
) -> None:
    """Handlers for 401, 403 and ``HTTPException`` get refusals, and the challenge stays."""
    ProtectApi(app, client=client, deny_by_default=True, scopes="a")

    @app.errorhandler(HTTPException)
    def handle(error: HTTPException) -> Any:
        response = error.get_response()
        response.data = f"handled {error.code}".encode()
        return response

    assert ask(app, "/nowhere").text == "handled 401"
    refused = ask(app, "/nowhere", tenant.mint())
    assert (refused.text, refused.headers["WWW-Authenticate"]) == (
        "handled 403",
        'Bearer error="insufficient_scope", scope="a"',
    )


def test_on_error_gets_the_subject(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """The error of a 403 has the subject."""
    subjects: list[Any] = []

    def on_error(error: Any, _response: Any) -> None:
        subjects.append((type(error), getattr(error, "subject", None)))

    ProtectApi(app, client=client, deny_by_default=True, groups="admin", on_error=on_error)
    assert ask(app, token=tenant.mint(subject="alice")).status_code == 403
    assert subjects == [(TokenError, "alice")]


def test_an_inner_call_is_checked(app: Flask, client: BackendClient, tenant: LocalTenant) -> None:
    """A view that calls another must meet the other's requirements."""
    protect = ProtectApi(app, client=client, deny_by_default=True)
    inner: Callable[[], str] = protect(scopes="inner")(caller)

    @app.get("/")
    @protect(scopes="outer")
    def outer() -> str:
        try:
            return f"{inner()} may"
        except Forbidden:
            return f"{caller()} may not"

    assert ask(app, token=tenant.mint(subject="alice", scopes="outer")).text == "alice may not"
    assert ask(app, token=tenant.mint(subject="alice", scopes="outer inner")).text == "alice may"


# Extension conventions


def test_an_extension_serves_several_applications(tenant: LocalTenant) -> None:
    """One object at module level with ``init_app`` has a client and a configuration per application."""
    protect = ProtectApi(deny_by_default=True)
    blueprint = Blueprint("blueprint", __name__)

    @blueprint.get("/")
    def view() -> ResponseReturnValue:
        return caller()

    @protect(scopes="a")
    @blueprint.get("/above")
    def above() -> ResponseReturnValue:
        return caller()

    apps = [Flask("one"), Flask("two")]
    for app, audience in zip(apps, ("https://one", "https://two"), strict=True):
        app.config.update(tenant.environment(), MONOCLOUD_BACKEND_AUDIENCE=audience)
        app.register_blueprint(blueprint)
        protect.init_app(app)
        protect.init_app(app)
        assert len(app.before_request_funcs[None]) == 1
    token = tenant.mint(audience="https://two")
    assert [ask(app, path, token).status_code for app in apps for path in ("/", "/above")] == [
        401,
        401,
        200,
        403,
    ]
    for app in apps:
        app.extensions["monocloud_mw"].close()


def test_an_application_is_tested_without_a_tenant(app: Flask) -> None:
    """With ``as_caller``, scopes and groups still apply."""
    app.config["MONOCLOUD_BACKEND_TENANT_DOMAIN"] = "https://acme.example.com"
    app.config["MONOCLOUD_BACKEND_AUDIENCE"] = "https://api.example.com"
    app.config["MONOCLOUD_BACKEND_GROUPS_MATCH_ALL"] = True
    protect = ProtectApi(app, deny_by_default=True)
    app.add_url_rule("/", "root", caller)
    app.add_url_rule("/groups", "groups", protect(groups=["a", "b"])(caller))
    with as_caller("alice", groups=["a"]):
        assert ask(app).text == "alice"
        assert ask(app, "/groups").status_code == 403
    with as_caller("alice", groups=["a", "b"]):
        assert ask(app, "/groups").text == "alice"
    assert ask(app).status_code == 401
    app.extensions["monocloud_mw"].close()


# CORS


def test_an_allowed_preflight_is_anonymous(app: Flask, client: BackendClient) -> None:
    """In a view that answers preflights ``current_claims`` is ``None``, as for a request without a token."""
    protect = ProtectApi(app, client=client, deny_by_default=True, allow_cors_preflight=True)

    def view() -> Any:
        return jsonify(caller=current_claims)

    app.add_url_rule("/view", "view", view, methods=["OPTIONS"])
    app.add_url_rule("/protected", "protected", protect(view), methods=["OPTIONS"])
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    for path in ("/view", "/protected"):
        response = app.test_client().options(
            path,
            headers=headers,
            environ_overrides={"monocloud.claims": {"sub": "mallory"}},
        )
        assert (response.status_code, response.json) == (200, {"caller": None})


def test_allowed_preflights_pass(app: Flask, client: BackendClient) -> None:
    """With the option, exactly CORS preflights pass; other ``OPTIONS`` requests need a token."""
    app.add_url_rule("/", "view", caller)
    ProtectApi(app, client=client, deny_by_default=True, allow_cors_preflight=True)
    origin, method = {"Origin": "https://a.example"}, {"Access_Control_Request_Method": "GET"}
    assert "GET" in ask(app, method="OPTIONS", **origin, **method).headers["Allow"]
    assert ask(app, method="OPTIONS", **origin).status_code == 401
    assert ask(app, method="OPTIONS", **method).status_code == 401
    assert ask(app, method="GET", **origin, **method).status_code == 401


def test_a_redirecting_view_is_a_view(app: Flask, client: BackendClient) -> None:
    """A redirect returned by a view is its result."""
    ProtectApi(app, client=client, deny_by_default=True)
    app.add_url_rule("/", "view", lambda: redirect("/elsewhere"))
    assert ask(app).status_code == 401


def test_claims_already_in_the_environ_are_removed(app: Flask, client: BackendClient) -> None:
    """Claims already in the environ are hidden from public views."""

    @app.get("/")
    @public
    def open_to_all() -> ResponseReturnValue:
        return jsonify(request.environ.get("monocloud.claims"))

    ProtectApi(app, client=client, deny_by_default=True)
    forged: dict[str, Any] = {"monocloud.claims": {"sub": "mallory"}}
    assert Client(app).get("/", environ_overrides=forged).json is None
