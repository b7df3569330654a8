"""FastAPI: what an application's own protection does not cover, and public operations in its document."""

# No `from __future__ import annotations`: views here are declared in functions, with local protections.

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route, Router, WebSocketRoute

from monocloud_mw import AccessTokenClaims, AsyncBackendClient
from monocloud_mw.adapters.asgi import ProtectApiMiddleware
from monocloud_mw.adapters.fastapi import ProtectApi, public
from monocloud_mw.adapters.starlette import MonoCloudBackend, on_error
from monocloud_mw.errors import ConfigurationError

from .conftest import Bearer

FILES: Final = StaticFiles(directory=Path(__file__).parent)


@pytest.fixture
def protect(async_client: AsyncBackendClient) -> ProtectApi:
    """Return a protection with the client of the tests."""
    return ProtectApi(async_client)


async def view() -> str:
    """Answer."""
    return "in"


@public
async def open_view() -> str:
    """Answer without a token."""
    return "in"


async def plain(request: Request) -> Response:
    """Answer, as a view of Starlette."""
    return Response()


def sub_application(*views: Any, **settings: Any) -> FastAPI:
    """Return an application that serves views at /0, /1, ..."""
    app = FastAPI(**settings)
    for number, each in enumerate(views):
        app.get(f"/{number}")(each)
    return app


def with_middleware(client: AsyncBackendClient, *, optional: bool = False) -> FastAPI:
    """Return an application that a middleware protects."""
    app = sub_application(view)
    app.add_middleware(ProtectApiMiddleware, client=client, optional=optional)
    return app


class Lenient(MonoCloudBackend):
    """A backend that lets callers with another proof pass."""


def with_backend(backend: MonoCloudBackend) -> Starlette:
    """Return an application of Starlette whose callers are authenticated."""
    middleware = [Middleware(AuthenticationMiddleware, backend=backend, on_error=on_error)]
    return Starlette(routes=[Route("/0", plain)], middleware=middleware)


def with_frontend(*, in_router: bool = False, **settings: Any) -> FastAPI:
    """Return an application that serves nothing but files, itself or in a router."""
    app = FastAPI(openapi_url=None, **settings)
    router = APIRouter() if in_router else app.router
    router.frontend("/0", directory=Path(__file__).parent)
    if in_router:
        app.include_router(router)
    return app


def with_mount(mounted: Any, **settings: Any) -> FastAPI:
    """Return an application with another one mounted in it."""
    app = FastAPI(**settings)
    app.mount("/inner", mounted)
    return app


Mounted = Callable[[ProtectApi, AsyncBackendClient], Any]

UNCOVERED: Final[dict[str, Mounted]] = {
    "a bare application": lambda protect, client: sub_application(view),
    "an optional token": lambda protect, client: sub_application(
        view, dependencies=[Security(protect.needing(optional=True))]
    ),
    "one view of two": lambda protect, client: sub_application(open_view, view),
    "a middleware with an optional token": lambda protect, client: ProtectApiMiddleware(
        FILES, client, optional=True
    ),
    "a middleware with an optional token in it": lambda protect, client: with_middleware(
        client, optional=True
    ),
    "a backend with an optional token": lambda protect, client: with_backend(MonoCloudBackend(client)),
    "a subclass of the backend": lambda protect, client: with_backend(Lenient(client, optional=False)),
    "authentication without a backend of ours": lambda protect, client: AuthenticationMiddleware(
        FILES, backend=Lenient(client)
    ),
    "static files": lambda protect, client: FILES,
    "a frontend": lambda protect, client: with_frontend(),
    "a frontend of a router": lambda protect, client: with_frontend(in_router=True),
    "routes": lambda protect, client: Router([Route("/", plain)]),
    "another middleware": lambda protect, client: GZipMiddleware(sub_application(view)),
    "another middleware in it": lambda protect, client: sub_application(
        view, middleware=[Middleware(GZipMiddleware)]
    ),
    "an inner mount": lambda protect, client: with_mount(sub_application(view)),
}
COVERED: Final[dict[str, Mounted]] = {
    "dependencies": lambda protect, client: sub_application(view, dependencies=[Security(protect)]),
    "public views": lambda protect, client: sub_application(open_view, open_view),
    "no views": lambda protect, client: FastAPI(),
    "a backend in it": lambda protect, client: with_backend(MonoCloudBackend(client, optional=False)),
    "a backend around it": lambda protect, client: AuthenticationMiddleware(
        FILES, backend=MonoCloudBackend(client, optional=False), on_error=on_error
    ),
    "a middleware around it": lambda protect, client: ProtectApiMiddleware(FILES, client),
    "a middleware in it": lambda protect, client: with_middleware(client),
    "a middleware beneath another": lambda protect, client: GZipMiddleware(
        ProtectApiMiddleware(sub_application(view), client)
    ),
    "an inner mount": lambda protect, client: with_mount(
        sub_application(view, dependencies=[Security(protect)])
    ),
}


OPEN: Final = ("public views", "no views")


@pytest.mark.parametrize("mounted", UNCOVERED.values(), ids=UNCOVERED)
@pytest.mark.parametrize(("how", "name"), [("mount", "/sub"), ("host", "sub.example.com")])
def test_an_uncovered_mount_stops_the_start(
    how: str, name: str, mounted: Mounted, protect: ProtectApi, async_client: AsyncBackendClient
) -> None:
    """The error names the mount and says what to do."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    getattr(app, how)(name, mounted(protect, async_client))
    with pytest.raises(ConfigurationError) as raised, TestClient(app):
        pass
    (problem,) = raised.value.problems
    assert problem.option == f"{how.title()} {name}"
    assert problem.message.startswith("is not protected, because the dependencies of an application")
    assert f'ProtectApi(public_mounts=["{name}"])' in problem.message


@pytest.mark.parametrize("mounted", COVERED.values(), ids=COVERED)
def test_a_mount_that_protects_itself_is_accepted(
    mounted: Mounted, protect: ProtectApi, async_client: AsyncBackendClient
) -> None:
    """It may be protected as a whole, or in each of its views."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.mount("/sub", mounted(protect, async_client))
    with TestClient(app) as client:
        status = client.get("/sub/0").status_code
    assert status in ((200, 404) if mounted in map(COVERED.get, OPEN) else (401, 404))


def test_a_frontend_of_a_protected_application_needs_a_token(protect: ProtectApi) -> None:
    """FastAPI 0.138 runs no dependencies for it: there, the application does not start."""
    app = with_frontend(lifespan=protect.lifespan, dependencies=[Security(protect)])
    if fastapi.__version__.startswith("0.138."):
        with pytest.raises(ConfigurationError, match=r"^Frontend /0: is not protected"):
            protect.check_routes(app)
    else:
        with TestClient(app) as client:
            assert client.get("/0/conftest.py").status_code == 401


def test_plain_routes_are_uncovered_too(protect: ProtectApi) -> None:
    """All are named in one error; the pages of FastAPI itself stay open."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.add_route("/plain", plain)
    app.router.routes.append(WebSocketRoute("/feed", plain))
    app.mount("/", FILES)
    router = APIRouter()
    router.add_route("/router", plain)
    app.include_router(router)
    with pytest.raises(ConfigurationError) as raised:
        protect.check_routes(app)
    named = [problem.option for problem in raised.value.problems]
    assert named == ["Route /plain", "WebSocketRoute /feed", "Mount /", "Route /router"]


@pytest.mark.parametrize("is_mounted", [False, True])
def test_the_default_of_a_router_is_uncovered_too(
    is_mounted: bool, protect: ProtectApi, async_client: AsyncBackendClient
) -> None:
    """Starlette calls it for paths without a route; it may protect itself, or be public as a mount."""
    app = FastAPI(openapi_url=None, dependencies=[] if is_mounted else [Security(protect)])
    app.router.default = FILES
    outer = app
    if is_mounted:
        outer = FastAPI(dependencies=[Security(protect)])
        outer.mount("/sub", app)
    name = "Mount /sub" if is_mounted else "RouterDefault /"
    with pytest.raises(ConfigurationError, match=f"^{name}: is not protected"):
        protect.check_routes(outer)
    ProtectApi(async_client, public_mounts=["/sub", "/"]).check_routes(outer)
    app.router.default = ProtectApiMiddleware(FILES, async_client)
    protect.check_routes(outer)


@pytest.mark.parametrize("is_included", [False, True])
@pytest.mark.parametrize("is_inner", [False, True])
def test_plain_routes_of_a_protected_router_are_uncovered_too(
    is_inner: bool, is_included: bool, protect: ProtectApi
) -> None:
    """Its dependencies, and those of ``include_router``, are for views only."""
    required = [Security(protect)]
    router = APIRouter(dependencies=[] if is_included else required)
    router.add_route("/plain", plain)
    router.mount("/mount", FILES)
    router.get("/view")(view)
    app = FastAPI()
    outer = APIRouter() if is_inner else app
    outer.include_router(router, dependencies=required if is_included else [])
    if isinstance(outer, APIRouter):
        app.include_router(outer)
    app.include_router(router, prefix="/again", dependencies=[])  # as open as the router itself
    app.add_route("/open", plain)
    with pytest.raises(ConfigurationError) as raised:
        protect.check_routes(app)
    named = [problem.option for problem in raised.value.problems]
    again = [] if is_included else ["Route /again/plain", "Mount /again/mount"]
    assert named == ["Route /plain", "Mount /mount", *again]


def _after_the_views(app: FastAPI, router: APIRouter, required: Any) -> None:
    app.include_router(router)
    app.router.dependencies.append(required)


def _into_routes(app: FastAPI, router: APIRouter, required: Any) -> None:
    app.router.dependencies.append(required)
    app.router.routes.extend(router.routes)


def _into_an_inner_router(app: FastAPI, router: APIRouter, required: Any) -> None:
    inner = APIRouter(dependencies=[required])
    inner.routes.extend(router.routes)
    app.include_router(inner)


def _into_an_included_router(app: FastAPI, router: APIRouter, required: Any) -> None:
    inner = APIRouter()
    inner.routes.extend(router.routes)
    app.include_router(inner, dependencies=[required])


Add = Callable[[FastAPI, APIRouter, Any], None]


@pytest.mark.parametrize(
    ("add", "is_open"),
    [
        (_after_the_views, True),
        (_into_routes, True),
        (_into_an_inner_router, True),
        (_into_an_included_router, False),
    ],
)
def test_views_without_the_dependencies_of_their_router_stop_the_start(
    add: Add, is_open: bool, protect: ProtectApi
) -> None:
    """FastAPI gives them to what is declared with a router or included; a public view needs none."""
    app, router = FastAPI(), APIRouter()
    router.get("/view")(view)
    router.websocket("/feed")(view)
    router.get("/open")(open_view)
    router.get("/own", dependencies=[Security(protect)])(view)
    add(app, router, Security(protect))
    if not is_open:
        protect.check_routes(app)
        return
    with pytest.raises(ConfigurationError) as raised:
        protect.check_routes(app)
    named = [problem.option for problem in raised.value.problems]
    assert named == [f"GET /view ({__name__}.view)", f"WebSocket /feed ({__name__}.view)"]
    assert {problem.message.partition(",")[0] for problem in raised.value.problems} == {"is not protected"}


def test_a_page_at_the_path_of_the_documentation_is_not_one_of_fastapi(protect: ProtectApi) -> None:
    """A route of the application does not become public by its path."""
    app = FastAPI(dependencies=[Security(protect)], docs_url=None)
    app.docs_url = "/plain"
    app.add_route("/plain", plain)
    with pytest.raises(ConfigurationError, match=r"^Route /plain: is not protected"):
        protect.check_routes(app)


def test_mounts_may_be_public(async_client: AsyncBackendClient) -> None:
    """A name is the whole path of the mount; a similar name opens nothing."""
    names = ["/static/", "/plain", "other.example.com", "/own/inner"]
    protect = ProtectApi(async_client, public_mounts=names)
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.mount("/static", FILES)
    app.mount("/own", with_mount(sub_application(view), dependencies=[Security(protect)]))
    app.host("other.example.com", sub_application(view))
    app.add_route("/plain", plain)
    with TestClient(app) as client:
        for path in ("/static/conftest.py", "/plain", "/own/inner/0"):
            assert client.get(path).status_code == 200
    app.mount("/statics", FILES)
    with pytest.raises(ConfigurationError, match=r"^Mount /statics: is not protected"):
        protect.check_routes(app)


def test_without_a_lifespan_an_uncovered_mount_is_a_500(
    protect: ProtectApi, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    """Every protected request is refused, and the log says why."""
    app = FastAPI(dependencies=[Security(protect)])
    app.get("/")(view)
    app.mount("/sub", sub_application(view))
    client = TestClient(app, raise_server_exceptions=False)
    assert [client.get("/", headers=bearer()).status_code for _ in range(2)] == [500, 500]
    assert "Mount /sub: is not protected" in caplog.text


def test_a_mount_that_is_added_after_the_start_is_a_500(
    async_client: AsyncBackendClient, bearer: Bearer
) -> None:
    """It is found by the next request that needs a token with other scopes than before."""
    protect = ProtectApi(async_client)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with protect.lifespan(app):
            app.mount("/sub", sub_application(view))
            yield

    app = FastAPI(lifespan=lifespan, dependencies=[Security(protect)])
    app.get("/")(view)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert [client.get("/", headers=bearer()).status_code for _ in range(2)] == [500, 500]


@pytest.mark.parametrize("names", ["/static", b"/static", [""], [5], {"/static": True}, 5])
def test_public_mounts_must_be_a_list(names: Any, async_client: AsyncBackendClient) -> None:
    """A string would be a list of letters."""
    with pytest.raises(ConfigurationError, match=r"^public_mounts: must be a list of paths and hosts"):
        ProtectApi(async_client, public_mounts=names)


@pytest.mark.parametrize("is_optional", [True, False])
def test_mounts_of_an_application_that_requires_no_token_are_accepted(
    is_optional: bool, protect: ProtectApi
) -> None:
    """They are as open as the application itself."""
    dependencies = [Security(protect.needing(optional=True))] if is_optional else []
    app = FastAPI(lifespan=protect.lifespan, dependencies=dependencies)
    app.mount("/bare", sub_application(view))
    with TestClient(app) as client:
        assert client.get("/bare/0").status_code == 200


def test_a_middleware_of_the_application_covers_mounts(
    protect: ProtectApi, async_client: AsyncBackendClient
) -> None:
    """The middleware sees every request."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.add_middleware(ProtectApiMiddleware, client=async_client)
    app.mount("/bare", sub_application(view))
    with TestClient(app) as client:
        assert client.get("/bare/0").status_code == 401


def test_a_middleware_with_an_optional_token_does_not_cover_mounts(
    protect: ProtectApi, async_client: AsyncBackendClient
) -> None:
    """Requests without a token would reach the mount, though the application requires one."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.add_middleware(ProtectApiMiddleware, client=async_client, optional=True)
    app.mount("/bare", sub_application(view))
    with pytest.raises(ConfigurationError, match="Mount /bare"), TestClient(app):
        pass


# The OpenAPI document


def test_public_operations_have_no_lock(protect: ProtectApi) -> None:
    """``@public`` lifts the scheme of the protection from an operation; other schemes stay."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    router = APIRouter(prefix="/router", dependencies=[Security(protect)])
    router.get("/open")(open_view)
    router.get("/locked")(view)
    app.include_router(router)
    app.get("/open", dependencies=[Security(APIKeyHeader(name="X-Key"))])(open_view)
    app.get("/both/{name}")(open_view)
    app.post("/both/{name}")(view)

    async def optional(
        claims: Annotated[AccessTokenClaims | None, Security(protect.needing(optional=True))],
    ) -> None: ...

    app.get("/optional")(public(optional))
    with TestClient(app) as client:
        document = client.get("/openapi.json").json()
    locks = {
        f"{method} {path}": operation.get("security")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    locked: Any = [{"MonoCloud": []}]
    assert locks == {
        "get /router/open": None,
        "get /router/locked": locked,
        "get /open": [{"APIKeyHeader": []}],
        "get /both/{name}": None,
        "post /both/{name}": locked,
        "get /optional": [*locked, {}],
    }
    protect.check_routes(app)  # again, as for a route that is added later
    assert app.openapi()["paths"] == document["paths"]


def test_a_document_without_a_start_has_no_lock_after_a_check(protect: ProtectApi) -> None:
    """A program that exports the document calls ``check_routes`` once all routes are declared."""
    app = FastAPI(dependencies=[Security(protect)])
    app.get("/open")(open_view)
    app.get("/locked")(view)
    protect.check_routes(app)
    paths = app.openapi()["paths"]
    assert [paths[path]["get"].get("security") for path in ("/open", "/locked")] == [
        None,
        [{"MonoCloud": []}],
    ]


def test_a_custom_document_has_no_lock_either(protect: ProtectApi) -> None:
    """An application may replace ``app.openapi``, as FastAPI's documentation shows."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.get("/open")(open_view)
    app.openapi = lambda: get_openapi(title="Own", version="1", routes=app.routes)  # type: ignore[method-assign]
    with TestClient(app) as client:
        document = client.get("/openapi.json").json()
    assert document["info"]["title"] == "Own"
    assert "security" not in document["paths"]["/open"]["get"]
