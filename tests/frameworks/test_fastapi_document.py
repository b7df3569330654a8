"""FastAPI: the OpenAPI document says what is enforced, without a start of the application."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.openapi import utils
from fastapi.openapi.utils import get_openapi
from fastapi.security import APIKeyHeader
from fastapi.testclient import TestClient

from monocloud_mw import AccessTokenClaims, AsyncBackendClient
from monocloud_mw.adapters.fastapi import RESPONSES, ProtectApi, public
from monocloud_mw.adapters.fastapi.openapi_operations import install
from monocloud_mw.errors import ConfigurationError

from .conftest import Bearer

Operation = dict[str, Any]

protect = ProtectApi(
    AsyncBackendClient(tenant_domain="https://acme.us.monocloud.com", audience="https://api.acme.com")
)
other = ProtectApi(protect.client, scopes="base", scheme_name="Other")
api_key = APIKeyHeader(name="X-Key", auto_error=False)


def view() -> None:
    """Answer nothing."""


@public
def open_view() -> None:
    """Answer nothing, without a token."""


@public
def greeting(claims: Annotated[AccessTokenClaims | None, Security(protect.needing(optional=True))]) -> None:
    """Answer nothing, to anybody."""


def with_refusals(*dependencies: Any) -> FastAPI:
    """Return an application that describes refusals for all of its operations."""
    return FastAPI(dependencies=list(dependencies), responses={**RESPONSES, 404: {"description": "None"}})


def operation_of(document: dict[str, Any], path: str = "/view") -> Operation:
    """Return the operation for ``GET`` of a path."""
    operation: Operation = document["paths"][path]["get"]
    return operation


LOCKED: list[dict[str, list[str]]] = [{"MonoCloud": []}]
MANY = [protect.needing(any_scopes=[f"{letter}{number}" for number in range(3)]) for letter in "abc"]


@pytest.mark.parametrize(
    ("of_app", "of_view", "function", "security"),
    [
        pytest.param([], [], view, None, id="nothing"),
        pytest.param([protect], [], view, LOCKED, id="application"),
        pytest.param([protect], [], open_view, None, id="public"),
        pytest.param([protect], [], functools.partial(view), LOCKED, id="partial"),
        pytest.param([protect], [], functools.partial(open_view), None, id="partial-of-public"),
        pytest.param([protect], [], functools.wraps(open_view)(lambda: None), LOCKED, id="copied-name"),
        pytest.param(
            [protect], [api_key], open_view, [{"APIKeyHeader": []}], id="public-with-another-scheme"
        ),
        pytest.param([protect], [], greeting, [*LOCKED, {}], id="public-and-optional"),
        pytest.param([protect.needing(optional=True)], [], view, [*LOCKED, {}], id="optional"),
        pytest.param([protect], [protect.needing(optional=True)], view, LOCKED, id="optional-and-required"),
        pytest.param(
            [protect.needing(optional=True), api_key],
            [],
            view,
            [*LOCKED, {"APIKeyHeader": []}],
            id="optional-with-another-scheme",
        ),
        pytest.param(
            [protect.needing(scopes="app")],
            [Security(protect, scopes=["view"])],
            view,
            [{"MonoCloud": ["view", "app"]}],
            id="scopes",
        ),
        pytest.param(
            [protect.needing(scopes="all")],
            [protect.needing(any_scopes="x y"), protect.needing(any_scopes="z all")],
            view,
            [
                {"MonoCloud": ["all", "x"]},
                {"MonoCloud": ["all", "x", "z"]},
                {"MonoCloud": ["all", "y"]},
                {"MonoCloud": ["all", "y", "z"]},
            ],
            id="any-scopes",
        ),
        pytest.param(MANY, [protect.needing(scopes="one")], view, [{"MonoCloud": ["one"]}], id="too-many"),
        pytest.param([protect.needing(groups="admin")], [], view, LOCKED, id="groups"),
        pytest.param([protect, other], [], view, [{"MonoCloud": [], "Other": ["base"]}], id="two-schemes"),
        pytest.param([Security(protect, scopes=["a b"])], [], view, LOCKED, id="refused-at-start"),
    ],
)
def test_an_operation_lists_what_is_enforced(
    of_app: list[Any], of_view: list[Any], function: Callable[..., Any], security: list[Any] | None
) -> None:
    """The document is right although the application has never started; so is that of a mounted one."""
    app = FastAPI(dependencies=list(map(as_dependency, of_app)))
    app.get("/view", dependencies=list(map(as_dependency, of_view)))(function)
    assert security == operation_of(app.openapi()).get("security")
    outer = FastAPI()
    outer.mount("/inner", app)
    served = TestClient(outer).get("/inner/openapi.json").json()
    assert security == operation_of(served).get("security")
    custom = get_openapi(title="Own", version="1", routes=app.routes)
    assert security == operation_of(custom).get("security")


@pytest.mark.parametrize(
    ("first", "second", "security"),
    [
        pytest.param([protect], [other], LOCKED, id="two-schemes"),
        pytest.param([], [protect], None, id="open-first"),
        pytest.param([protect], [], LOCKED, id="protected-first"),
    ],
)
def test_of_two_routes_the_one_that_answers_is_described(
    first: list[Any], second: list[Any], security: list[Any] | None
) -> None:
    """The second route of a path and method is never called; methods that only it has are described."""
    app = FastAPI()
    app.get("/view", dependencies=list(map(as_dependency, first)))(view)
    app.get("/view", dependencies=list(map(as_dependency, second)))(open_view)
    app.post("/view", dependencies=[Security(protect)])(view)
    for _ in range(2):
        app.openapi_schema = None
        document = app.openapi()
        assert security == operation_of(document).get("security")
        assert operation_of(document)["operationId"] == "view_view_get"
        assert document["paths"]["/view"]["post"]["security"] == LOCKED


def test_callbacks_are_described_with_each_of_their_routes() -> None:
    """They are requests of the API, which no route answers, and do not hide a route of the same path."""
    app = FastAPI()
    for path in ("/first", "/second"):
        callbacks = APIRouter()
        callbacks.get("/view", operation_id=f"callback of {path}")(open_view)
        app.get(path, callbacks=callbacks.routes, dependencies=[Security(protect)])(view)
    app.get("/view", dependencies=[Security(protect)])(view)
    document = app.openapi()
    assert all(
        "/view" in operation_of(document, path)["callbacks"]["open_view"] for path in ("/first", "/second")
    )
    assert operation_of(document)["security"] == LOCKED


def as_dependency(declared: Any) -> Any:
    """Return an object as an entry of ``dependencies``."""
    return Security(declared) if callable(declared) else declared


@pytest.mark.parametrize(
    ("function", "statuses"),
    [
        pytest.param(view, {"200", "401", "403", "404", "503"}, id="protected"),
        pytest.param(open_view, {"200", "404"}, id="public"),
        pytest.param(greeting, {"200", "401", "403", "404", "503"}, id="optional"),
    ],
)
def test_public_operations_list_no_refusals(function: Callable[..., Any], statuses: set[str]) -> None:
    """``RESPONSES`` of the application or of a router applies to operations that need a token."""
    app = with_refusals(Security(protect))
    app.get("/view")(function)
    router = APIRouter(prefix="/router", responses=RESPONSES)
    router.get("/view")(function)
    app.include_router(router)
    document = app.openapi()
    assert statuses == set(operation_of(document)["responses"])
    assert statuses == set(operation_of(document, "/router/view")["responses"])


def test_responses_of_the_application_itself_stay() -> None:
    """A 401 that a public operation describes itself is not from ``RESPONSES``."""
    app = with_refusals(Security(protect))
    app.get("/view", responses={401: {"description": "Wrong password"}})(open_view)
    assert operation_of(app.openapi())["responses"]["401"] == {"description": "Wrong password"}


def test_scopes_are_in_the_scheme_before_the_start() -> None:
    """The authorization code flow lists the scopes of all operations, public ones and others."""
    flow = ProtectApi(
        protect.client,
        authorization_code=True,
        authorization_url="https://acme.us.monocloud.com/connect/authorize",
        token_url="https://acme.us.monocloud.com/connect/token",
    )
    app = FastAPI(dependencies=[Security(flow)])
    app.get("/first", dependencies=[Security(flow, scopes=["one"])])(view)
    app.get("/second", dependencies=[Security(flow.needing(any_scopes="two three"))])(view)
    app.get("/third")(open_view)
    scheme = app.openapi()["components"]["securitySchemes"]["MonoCloud"]
    assert scheme["flows"]["authorizationCode"]["scopes"] == {"one": "", "three": "", "two": ""}


def test_routes_that_are_added_later_are_right_too(bearer: Bearer, async_client: AsyncBackendClient) -> None:
    """A document made before a route was added is made again by FastAPI, and is right."""
    late = ProtectApi(async_client)
    app = FastAPI(lifespan=late.lifespan, dependencies=[Security(late)])
    app.get("/view")(view)
    with TestClient(app) as client:
        assert operation_of(client.get("/openapi.json").json())["security"] == LOCKED
        app.get("/later")(open_view)
        assert "security" not in operation_of(client.get("/openapi.json").json(), "/later")
        assert client.get("/later").status_code == 200
        assert client.get("/view", headers=bearer()).status_code == 200


def decorating(function: Callable[..., Awaitable[Any]]) -> Any:
    """Return a decorator's function, which calls the one that it wraps."""

    @functools.wraps(function)
    async def outer(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return outer


def copying(function: Callable[..., Any]) -> Any:
    """Return a function that has only the name of another."""

    @functools.wraps(function)
    async def other_function(**_: Any) -> None:
        return None

    return other_function


@pytest.mark.parametrize(
    ("make", "covers"),
    [
        pytest.param(decorating, True, id="decorator"),
        pytest.param(functools.partial, True, id="partial"),
        pytest.param(lambda protection: protection.__call__, True, id="method"),
        pytest.param(copying, False, id="copied-name"),
    ],
)
def test_a_dependency_that_wraps_a_protection_counts_if_it_calls_it(
    make: Callable[[Any], Any], covers: bool, async_client: AsyncBackendClient
) -> None:
    """A function that only copies the name of a protection does not protect a mount."""
    own = ProtectApi(async_client)
    mounted = FastAPI()
    mounted.get("/view", dependencies=[Depends(make(own))])(view)
    app = FastAPI(dependencies=[Security(own)])
    app.mount("/mounted", mounted)
    if covers:
        own.check_routes(app)
        assert TestClient(app).get("/mounted/view").status_code == 401
    else:
        with pytest.raises(ConfigurationError, match="Mount /mounted"):
            own.check_routes(app)


def test_a_fastapi_without_the_function_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A later FastAPI that describes operations in another way is logged, and everything else works."""
    monkeypatch.delattr(utils, "get_openapi_path")
    install()
    assert "no get_openapi_path" in caplog.text
    assert not hasattr(utils, "get_openapi_path")
