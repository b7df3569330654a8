"""FastAPI at start: wrong declarations, the client's start and stop, and the OpenAPI document."""

# No `from __future__ import annotations`: views here are declared in functions, with local protections.

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any
from unittest.mock import Mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.openapi.utils import get_openapi
from fastapi.testclient import TestClient
from typing_extensions import TypeAliasType

from monocloud_mw import AccessTokenClaims, AsyncBackendClient
from monocloud_mw.adapters.fastapi import RESPONSES, ProtectApi, public
from monocloud_mw.adapters.starlette import MonoCloudBackend
from monocloud_mw.core.tenant.metadata import parse_metadata
from monocloud_mw.errors import ConfigurationError, HttpError
from monocloud_mw.testing import LocalTenant, as_caller, faults

from .conftest import Bearer

Protect = ProtectApi
Declare = Callable[[FastAPI, ProtectApi], None]


@pytest.fixture
def protect(async_client: AsyncBackendClient) -> ProtectApi:
    """Return a protection with the tests' client."""
    return ProtectApi(async_client)


async def view() -> str:
    """Answer."""
    return "in"


async def open_view() -> str:
    """Answer any request."""
    return "in"


public(open_view)

# Wrong declarations


def _string_in_parameter(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: Annotated[AccessTokenClaims, Security(protect, scopes="orders:read")]) -> None:
        pass

    app.get("/orders")(orders)


def _blank_string(app: FastAPI, protect: ProtectApi) -> None:
    app.get("/orders", dependencies=[Security(protect, scopes="")])(view)


def _string_in_default(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: AccessTokenClaims = Security(protect, scopes="orders:read")) -> None:  # noqa: B008
        pass

    app.get("/orders")(orders)


def _string_in_dependencies(app: FastAPI, protect: ProtectApi) -> None:
    app.get("/orders", dependencies=[Security(protect, scopes="orders:read")])(view)


def _string_above(app: FastAPI, protect: ProtectApi) -> None:
    async def user(claims: Annotated[AccessTokenClaims, Security(protect)]) -> None:
        pass

    app.get("/orders", dependencies=[Security(user, scopes="orders:read")])(view)


def _string_in_router(app: FastAPI, protect: ProtectApi) -> None:
    router = APIRouter(dependencies=[Security(protect, scopes="orders:read")])
    router.get("/orders")(view)
    app.include_router(router)


def _string_in_include(app: FastAPI, protect: ProtectApi) -> None:
    router = APIRouter()
    router.get("/orders")(view)
    app.include_router(router, dependencies=[Security(protect, scopes="orders:read")])


def _string_in_websocket(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(
        socket: WebSocket, claims: Annotated[AccessTokenClaims, Security(protect, scopes="orders:read")]
    ) -> None:
        pass

    app.websocket("/orders")(orders)


def _string_in_mounted_app(app: FastAPI, protect: ProtectApi) -> None:
    mounted = FastAPI(dependencies=[Security(protect)])
    _string_in_parameter(mounted, protect)
    app.mount("/api", mounted)


def _wrong_type(app: FastAPI, protect: ProtectApi) -> None:
    scopes: Any = [5]
    app.get("/orders", dependencies=[Security(protect, scopes=scopes)])(view)


def _with_a_space(app: FastAPI, protect: ProtectApi) -> None:
    app.get("/orders", dependencies=[Security(protect, scopes=["orders:read orders:write"])])(view)


def _empty(app: FastAPI, protect: ProtectApi) -> None:
    app.get("/orders", dependencies=[Security(protect, scopes=[""])])(view)


def _public_and_protected(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: Annotated[AccessTokenClaims, Security(protect)]) -> None:
        pass

    app.get("/orders")(public(orders))


def _public_and_protected_by_the_route(app: FastAPI, protect: ProtectApi) -> None:
    app.get("/orders", dependencies=[Security(protect)])(open_view)


def _public_and_protected_in_a_router(app: FastAPI, protect: ProtectApi) -> None:
    router = APIRouter(dependencies=[Security(protect)])
    router.get("/orders", dependencies=[Security(protect, scopes=["a"])])(open_view)
    app.include_router(router)


def _unresolved(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: "Annotated[AccessTokenClaims, Security(local)]") -> None:  # noqa: F821
        pass

    app.get("/orders")(orders)


def _claims_without_security(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: AccessTokenClaims) -> None:
        pass

    app.get("/orders")(orders)


def _optional_claims_without_security(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: AccessTokenClaims | None = None) -> None:
        pass

    app.get("/orders", dependencies=[Security(protect)])(orders)


def _security_inside_a_union(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: Annotated[AccessTokenClaims, Security(protect)] | None = None) -> None:
        pass

    app.get("/orders")(orders)


def _claims_with_another_note(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: Annotated[AccessTokenClaims, "of the caller"]) -> None:
        pass

    app.get("/orders")(orders)


def _claims_with_the_protection(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(claims: Annotated[AccessTokenClaims, protect]) -> None:
        pass

    app.get("/orders")(orders)


def _anything_with_the_protection(app: FastAPI, protect: ProtectApi) -> None:
    async def orders(caller: Annotated[Any, protect.needing(scopes="a")] = None) -> None:
        pass

    app.get("/orders")(orders)


def _the_protection_in_a_dependency(app: FastAPI, protect: ProtectApi) -> None:
    async def user(caller: Annotated[str | None, protect] = None) -> None:
        pass

    app.get("/orders", dependencies=[Depends(user)])(view)


def _claims_of_a_dependency(app: FastAPI, protect: ProtectApi) -> None:
    async def user(claims: AccessTokenClaims) -> None:
        pass

    async def orders(user: Annotated[None, Depends(user)]) -> None:
        pass

    app.get("/orders")(orders)


def _claims_of_a_dependency_of_the_route(app: FastAPI, protect: ProtectApi) -> None:
    async def user(claims: AccessTokenClaims) -> None:
        pass

    app.get("/orders", dependencies=[Depends(user)])(view)


LETTERS = "splits into letters"
BODY = r"'claims' is read from the request's body.* write claims: Annotated\[AccessTokenClaims, Security\("
BARE = (
    r"has a ProtectApi without Security, .* write (claims|caller): Annotated\[AccessTokenClaims, Security\("
)
BOTH = "is @public and also requires a token"

WRONG: dict[str, tuple[Declare, str]] = {
    "string in a parameter": (_string_in_parameter, LETTERS),
    "blank string": (_blank_string, LETTERS),
    "string in a default": (_string_in_default, LETTERS),
    "string in dependencies": (_string_in_dependencies, LETTERS),
    "string above": (_string_above, LETTERS),
    "string in a router": (_string_in_router, LETTERS),
    "string in include_router": (_string_in_include, LETTERS),
    "string in a WebSocket": (_string_in_websocket, LETTERS),
    "string in a mounted application": (_string_in_mounted_app, LETTERS),
    "the protection with claims": (_claims_with_the_protection, BARE),
    "the protection with any type": (_anything_with_the_protection, BARE),
    "the protection in a dependency": (_the_protection_in_a_dependency, BARE),
    "wrong type": (_wrong_type, "non-empty string"),
    "a space": (_with_a_space, "white space"),
    "an empty scope": (_empty, "non-empty string"),
    "public and protected": (_public_and_protected, BOTH),
    "public and protected by the route": (_public_and_protected_by_the_route, BOTH),
    "public and protected in a router": (_public_and_protected_in_a_router, BOTH),
    "not resolved": (_unresolved, "cannot be resolved"),
    "claims without Security": (_claims_without_security, BODY),
    "optional claims without Security": (_optional_claims_without_security, BODY),
    "Security inside a union": (_security_inside_a_union, BODY),
    "claims with another note": (_claims_with_another_note, BODY),
    "claims of a dependency": (_claims_of_a_dependency, BODY),
    "claims of a dependency of the route": (_claims_of_a_dependency_of_the_route, BODY),
}


@pytest.mark.parametrize(("declare", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_is_an_error_at_start(
    declare: Declare, message: str, protect: ProtectApi
) -> None:
    """The error names the view and the mistake."""
    app = FastAPI(lifespan=protect.lifespan)
    declare(app, protect)
    with pytest.raises(ConfigurationError, match=message) as raised, TestClient(app):
        pass
    (problem,) = raised.value.problems
    assert re.fullmatch(r"(GET|WebSocket) (/api)?/orders \(.*(orders|view)\)", problem.option)


def _in_application(app: FastAPI, depends: Any) -> None:
    app.router.dependencies.append(depends)
    app.get("/orders")(view)
    app.get("/other")(view)


def _in_included_router(app: FastAPI, depends: Any) -> None:
    router = APIRouter(dependencies=[depends])
    router.get("/orders")(view)
    app.include_router(router)


def _in_include_router(app: FastAPI, depends: Any) -> None:
    router = APIRouter()
    router.get("/orders")(view)
    app.include_router(router, dependencies=[depends])


@pytest.mark.parametrize("add", [_in_application, _in_included_router, _in_include_router])
def test_a_misread_dependency_above_views_is_an_error_once(
    add: Callable[[FastAPI, Any], None], protect: ProtectApi
) -> None:
    """The error names the dependency, however many views have it."""

    async def user(caller: Annotated[Any, protect] = None) -> None:
        pass

    app = FastAPI()
    add(app, Depends(user))
    with pytest.raises(ConfigurationError, match=BARE) as raised:
        protect.check_routes(app)
    (problem,) = raised.value.problems
    assert re.fullmatch(r"the dependency .*\.user", problem.option)


NOT_DEPENDENCIES: dict[str, tuple[Callable[[ProtectApi], Any], str]] = {
    "the class": (lambda _: ProtectApi, "create protect = ProtectApi"),
    "needing": (lambda protect: protect.needing, "call it with the requirements"),
    "a part of needing": (lambda protect: partial(protect.needing, groups=["admin"]), "call it"),
    "needing of a derived one": (lambda protect: protect.needing(scopes="a").needing, "call it"),
    "requirements_with": (lambda protect: protect.requirements_with, "is not a dependency"),
    "describe": (lambda protect: protect.describe, "is not a dependency"),
}


@pytest.mark.parametrize(("wrong", "message"), NOT_DEPENDENCIES.values(), ids=NOT_DEPENDENCIES)
@pytest.mark.parametrize("depends", [Security, Depends])
def test_what_checks_nothing_is_not_a_dependency(
    wrong: Callable[[ProtectApi], Any], message: str, depends: Any, protect: ProtectApi
) -> None:
    """What would be called without a check is an error where the route is declared."""
    dependency = depends(wrong(protect))
    with pytest.raises(ConfigurationError, match=message):
        FastAPI().get("/orders", dependencies=[dependency])(view)
    with pytest.raises(ConfigurationError, match=message):
        FastAPI(dependencies=[dependency]).get("/orders")(view)

    async def orders(claims: Annotated[Any, dependency]) -> None: ...

    with pytest.raises(ConfigurationError, match=message):
        FastAPI().get("/orders")(orders)


def test_a_protection_without_security_is_not_a_dependency(protect: ProtectApi) -> None:
    """``dependencies=[protect]`` says what to write, where the route is declared or at start."""
    wrong: Any = [protect]
    message = r"write dependencies=\[Security\(protect\)\]"
    with pytest.raises(ConfigurationError, match=message):
        FastAPI().get("/orders", dependencies=wrong)(view)
    with pytest.raises(ConfigurationError, match=message):
        FastAPI(dependencies=wrong).get("/orders")(view)
    with pytest.raises(ConfigurationError, match=message):
        APIRouter(dependencies=wrong).get("/orders")(view)
    app = FastAPI(lifespan=protect.lifespan, dependencies=wrong)
    app.mount("/files", FastAPI())
    with pytest.raises(ConfigurationError, match=message), TestClient(app):
        pass


def test_a_protection_can_be_inspected(protect: ProtectApi) -> None:
    """Tools that read all attributes of an object, such as mocks, meet no error."""
    assert not hasattr(protect, "dependency")
    assert "needing" in dict(inspect.getmembers(protect))
    assert Mock(spec=protect).needing is not None


def test_a_router_with_what_checks_nothing_does_not_open_its_views(protect: ProtectApi) -> None:
    """``include_router(dependencies=[Security(protect.needing)])`` fails, at the latest at start."""
    app, router = FastAPI(lifespan=protect.lifespan), APIRouter()
    router.get("/orders")(view)
    with pytest.raises(ConfigurationError, match="call it"):  # noqa: PT012 - some versions include it later
        app.include_router(router, dependencies=[Security(protect.needing)])
        with TestClient(app):
            pass


@pytest.mark.parametrize("declare", [_string_in_parameter, _string_in_include, _wrong_type, _with_a_space])
def test_without_a_lifespan_it_is_a_500(
    declare: Declare, protect: ProtectApi, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    """Every protected request is refused, whatever its token, and the log names the view."""
    app = FastAPI()
    declare(app, protect)
    token = bearer(scopes="orders:read o r d e s : a")
    client = TestClient(app, raise_server_exceptions=False)
    for _ in range(2):
        assert client.get("/orders", headers=token).status_code == 500
    if declare is not _wrong_type:  # which FastAPI itself cannot look up
        assert "/orders" in caplog.text


def test_a_route_that_is_added_later_is_checked(protect: ProtectApi, bearer: Bearer) -> None:
    """A route added later is checked when it is first used."""
    app = FastAPI(lifespan=protect.lifespan)
    with TestClient(app, raise_server_exceptions=False) as client:
        _string_in_dependencies(app, protect)
        assert client.get("/orders", headers=bearer(scopes="o r d e s : a")).status_code == 500


def test_a_named_type_is_read_like_its_value(protect: ProtectApi, bearer: Bearer) -> None:
    """``type Claims = Annotated[...]`` of Python 3.12 declares what it stands for."""
    claims = TypeAliasType("claims", Annotated[AccessTokenClaims, Security(protect)])

    async def named(claims: claims) -> str:
        return "in"

    app = FastAPI()
    app.get("/named")(named)
    client = TestClient(app)
    assert [client.get("/named", headers=headers).status_code for headers in ({}, bearer())] == [401, 200]
    app.get("/open")(public(named))
    with pytest.raises(ConfigurationError, match=r"named\): is @public and also requires a token"):
        protect.check_routes(app)


def _good(app: FastAPI, protect: ProtectApi) -> None:
    async def optional(
        claims: Annotated[AccessTokenClaims | None, Security(protect.needing(optional=True))],
    ) -> None:
        pass

    class Query:
        def __init__(self, page: int = 1) -> None:
            self.page = page

    async def paged(query: Annotated[Query, Depends()]) -> None:
        pass

    router = APIRouter(dependencies=[Security(protect)])
    router.get("/open")(open_view)
    inner = APIRouter()
    inner.get("/open")(open_view)
    router.include_router(inner, prefix="/inner", dependencies=[Security(protect, scopes=["a"])])
    app.include_router(router, prefix="/router", dependencies=[Security(protect)])
    app.get("/optional")(public(optional))
    app.get("/paged")(paged)
    app.get("/letter", dependencies=[Security(protect, scopes=["a", "b"])])(view)
    app.add_api_websocket_route("/feed", view)


def test_good_declarations_pass(protect: ProtectApi) -> None:
    """Requirements that a public view inherits are no contradiction, and a scope may have one letter."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    _good(app, protect)
    with TestClient(app) as client:
        assert client.get("/router/open").status_code == 200
        assert client.get("/router/inner/open").status_code == 200
        assert client.get("/optional").status_code == 200
        assert client.get("/letter").status_code == 401


def test_needing_gives_the_same_object_for_the_same_requirements(protect: ProtectApi) -> None:
    """The same requirements give the same object, so it can be overridden; requirements add up."""
    admin = protect.needing(groups=["admin"], scopes=["a"])
    assert admin is protect.needing(scopes="a", groups="admin")
    assert admin is not protect.needing(groups=["admin"])
    assert admin.needing() is admin
    assert protect.needing(optional=False) is protect
    assert protect.needing(optional=True).needing(groups="g").optional


# Start and stop of the client


class Client:
    """A client that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def authenticate(self, presented: Any, requirements: Any, /) -> AccessTokenClaims:
        """Return claims."""
        return AccessTokenClaims({"sub": "alice"})

    async def prefetch(self) -> None:
        """Record it."""
        self.calls.append("prefetch")

    async def aclose(self) -> None:
        """Record it."""
        self.calls.append("aclose")


def test_a_client_that_was_passed_in_stays_open() -> None:
    """A client that was passed in is not closed."""
    client = Client()
    app = FastAPI(lifespan=ProtectApi(client).lifespan)
    with TestClient(app):
        assert client.calls == ["prefetch"]
    assert client.calls == ["prefetch"]


@pytest.mark.parametrize(
    "lifespan_of",
    [
        lambda client: ProtectApi(client).lifespan,
        lambda client: ProtectApi(client, authorization_code=True).lifespan,
        lambda client: MonoCloudBackend(client).lifespan,
    ],
    ids=["fastapi", "fastapi, authorization code", "starlette"],
)
def test_a_start_in_a_test_with_a_caller_contacts_no_tenant(tenant: LocalTenant, lifespan_of: Any) -> None:
    """With `as_caller` neither keys nor metadata are fetched, so the test needs no network."""
    tenant.requests.clear()
    app = FastAPI(lifespan=lifespan_of(AsyncBackendClient(**tenant.settings())))
    with as_caller("alice"), TestClient(app):
        pass

    @as_caller("alice")
    async def start() -> None:
        async with app.router.lifespan_context(app):
            pass

    asyncio.run(start())
    assert tenant.requests.count("discovery") == 0
    with TestClient(app):
        assert tenant.requests.count("discovery") == 1


def test_a_client_of_the_environment_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client created from the environment is closed at shutdown, also in a nested lifespan."""
    client = Client()
    monkeypatch.setattr(AsyncBackendClient, "shared", lambda: client)
    protect = ProtectApi()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with protect.lifespan(app):
            yield

    with TestClient(FastAPI(lifespan=lifespan)):
        assert client.calls == ["prefetch"]
    assert client.calls == ["prefetch", "aclose"]


def test_a_client_with_only_authenticate() -> None:
    """With a client that only has `authenticate`, the document has a bearer scheme without a URL."""

    class Least:
        async def authenticate(self, presented: Any, requirements: Any, /) -> AccessTokenClaims:
            return AccessTokenClaims({"sub": "alice"})

    protect = ProtectApi(Least())
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.get("/")(view)
    with TestClient(app) as client:
        assert client.get("/", headers={"Authorization": "Bearer x"}).status_code == 200
        schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes == {"MonoCloud": {"type": "http", "scheme": "bearer"}}


def test_keys_are_fetched_before_the_first_request(tenant: LocalTenant, bearer: Bearer) -> None:
    """Keys are fetched at start, so the first request does not wait for them."""
    client = AsyncBackendClient(**tenant.settings())
    protect = ProtectApi(client)
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.get("/")(view)
    with TestClient(app) as test_client:
        before = tenant.requests.count("discovery"), tenant.requests.count("jwks")
        assert test_client.get("/", headers=bearer()).status_code == 200
        assert (tenant.requests.count("discovery"), tenant.requests.count("jwks")) == before
        test_client.portal.call(client.aclose)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fault", "level"), [(faults.status(503), logging.WARNING), (faults.html(), logging.ERROR)]
)
def test_a_tenant_that_is_down_does_not_stop_the_start(
    fault: Any, level: int, tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreachable tenant at start is logged; public views are served."""
    client = AsyncBackendClient(**tenant.settings())
    protect = ProtectApi(client)
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])
    app.get("/")(open_view)
    with tenant.failing(fault), TestClient(app) as test_client:
        assert test_client.get("/").status_code == 200
        test_client.portal.call(client.aclose)  # type: ignore[union-attr]
    starts = [record.levelno for record in caplog.records if "starts without" in record.message]
    assert starts == [level]


# The OpenAPI document


def document_of(app: FastAPI, *, start: bool = True) -> Any:
    """Return the document as the API's clients get it."""
    if not start:
        return TestClient(app).get("/openapi.json").json()
    with TestClient(app) as client:
        return client.get("/openapi.json").json()


def create_app(protect: ProtectApi, **settings: Any) -> FastAPI:
    """Return an application with one view for readers and one for writers."""
    app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)], **settings)
    app.get("/orders", dependencies=[Security(protect, scopes=["orders:read"])])(view)
    app.post("/orders", dependencies=[Security(protect.needing(groups=["g"]), scopes=["orders:write"])])(view)
    return app


def test_the_document_names_the_discovery_document(protect: ProtectApi, tenant: LocalTenant) -> None:
    """There is one security scheme; each operation lists its scopes."""
    document = document_of(create_app(protect))
    scheme = document["components"]["securitySchemes"]["MonoCloud"]
    assert scheme["type"] == "openIdConnect"
    assert scheme["openIdConnectUrl"] == f"{tenant.domain}/.well-known/openid-configuration"
    operations = document["paths"]["/orders"]
    assert operations["get"]["security"] == [{"MonoCloud": ["orders:read"]}]
    assert operations["post"]["security"] == [{"MonoCloud": ["orders:write"]}]


def test_the_document_has_refusals_for_generated_clients(protect: ProtectApi) -> None:
    """With ``responses=RESPONSES`` the document describes refusals for generated clients."""
    document = document_of(create_app(protect, responses=RESPONSES))
    responses = document["paths"]["/orders"]["get"]["responses"]
    for status in ("401", "403", "503"):
        schema = responses[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/RefusalBody"}
    assert "WWW-Authenticate" in responses["401"]["headers"]
    detail = document["components"]["schemas"]["RefusalDetail"]
    assert detail["required"] == ["error", "error_description"]


def test_the_authorization_code_flow_with_given_urls(async_client: AsyncBackendClient) -> None:
    """The scopes of all routes are listed, with descriptions if there are any."""
    protect = ProtectApi(
        async_client,
        authorization_code=True,
        authorization_url="https://acme.test/authorize",
        token_url="https://acme.test/token",
        scope_descriptions={"orders:write": "Place orders"},
        scheme_name="Acme",
    )
    scheme = document_of(create_app(protect))["components"]["securitySchemes"]["Acme"]
    assert scheme == {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": "https://acme.test/authorize",
                "tokenUrl": "https://acme.test/token",
                "scopes": {"orders:write": "Place orders", "orders:read": ""},
            }
        },
    }


def test_the_authorization_code_flow_from_metadata(tenant: LocalTenant) -> None:
    """URLs come from metadata loaded at start; a document made earlier is made again."""
    client = AsyncBackendClient(**tenant.settings())
    app = create_app(ProtectApi(client, authorization_code=True))
    early = app.openapi()["components"]["securitySchemes"]["MonoCloud"]
    assert early["type"] == "openIdConnect"
    flow = document_of(app)["components"]["securitySchemes"]["MonoCloud"]["flows"]["authorizationCode"]
    assert flow["authorizationUrl"] == f"{tenant.domain}/connect/authorize"
    assert flow["tokenUrl"] == f"{tenant.domain}/connect/token"
    assert flow["scopes"] == {"orders:read": "", "orders:write": ""}
    assert asyncio.run(client.aclose()) is None


def test_metadata_that_come_later_complete_the_document(
    tenant: LocalTenant, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until metadata are loaded the document uses OpenID Connect, and a message is logged."""
    monkeypatch.setattr("monocloud_mw.adapters.fastapi.shared.RETRY_AFTER_SECONDS", 0.01)
    answers: list[dict[str, Any]] = []

    class Late(Client):
        options = tenant

        async def get_metadata(self) -> Any:
            if not answers:
                raise HttpError("not yet")
            return parse_metadata(answers[0], tenant.domain)

    app = create_app(ProtectApi(Late(), authorization_code=True))

    def kind(client: TestClient) -> str:
        document = client.get("/openapi.json").json()
        return str(document["components"]["securitySchemes"]["MonoCloud"]["type"])

    with TestClient(app) as client:
        assert kind(client) != "oauth2"
        assert "lacks the authorization code flow" in caplog.text
        answers.append(tenant.metadata())
        for _ in range(1000):
            if kind(client) == "oauth2":
                break
        assert kind(client) == "oauth2"


def test_the_start_ends_while_metadata_are_still_missing(tenant: LocalTenant) -> None:
    """A background load of metadata is stopped at shutdown."""
    metadata = {**tenant.metadata(), "authorization_endpoint": None}
    client = AsyncBackendClient(**tenant.settings(), metadata_resolver=lambda: metadata)
    app = create_app(ProtectApi(client, authorization_code=True))
    assert document_of(app)["components"]["securitySchemes"]["MonoCloud"]["type"] == "openIdConnect"
    asyncio.run(client.aclose())


def test_a_custom_document_has_the_scheme(protect: ProtectApi) -> None:
    """A document made by a replaced ``app.openapi`` has the scheme."""
    app = create_app(protect)
    document = get_openapi(title="Mine", version="1", routes=app.routes)
    assert "MonoCloud" in document["components"]["securitySchemes"]
