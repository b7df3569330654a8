"""Both clients: every public method, for threads and event loops, with a real tenant."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

from monocloud_mw import (
    AsyncBackendClient,
    BackendClient,
    ConfigurationError,
    CredentialsError,
    HttpError,
    HttpRequest,
    HttpResponse,
    MonoCloudError,
    Options,
    Presented,
    Problem,
    TokenError,
    error_response,
)
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.core.token.requirements import Requirements
from monocloud_mw.stores import MemoryCache
from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.transports.requests import RequestsTransport

TIMEOUT_SECONDS = 120.0
THREADS = 50
TASKS = 200
VALIDATIONS = ["validate_access_token", "validate_jwt_access_token", "introspect_access_token"]


class Caller:
    """Calls the methods of either client and waits for their results."""

    def __init__(self, client: BackendClient | AsyncBackendClient, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def __call__(self, method: str, *arguments: Any, **settings: Any) -> Any:
        result = getattr(self.client, method)(*arguments, **settings)
        return self._runner.run(result) if inspect.iscoroutine(result) else result

    def close(self) -> None:
        """Close the client."""
        self("close" if isinstance(self.client, BackendClient) else "aclose")

    def enter_and_leave(self) -> None:
        """Use the client as a context manager."""
        if isinstance(self.client, BackendClient):
            with self.client as client:
                assert client is self.client
                client.get_metadata()
        else:
            self._runner.run(self._enter_and_leave(self.client))

    async def _enter_and_leave(self, async_client: AsyncBackendClient) -> None:
        async with async_client as client:
            assert client is async_client
            await client.get_metadata()


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant without faults."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(autouse=True)
def _counts_from_zero(tenant: LocalTenant) -> None:
    tenant.requests.clear()


@pytest.fixture(params=[BackendClient, AsyncBackendClient])
def kind(request: pytest.FixtureRequest) -> type[BackendClient] | type[AsyncBackendClient]:
    """Return each client class in turn."""
    kind: type[BackendClient] | type[AsyncBackendClient] = request.param
    return kind


@pytest.fixture
def connect(
    kind: type[BackendClient] | type[AsyncBackendClient], tenant: LocalTenant
) -> Iterator[Callable[..., Caller]]:
    """Return a function that creates a client of the tenant, with credentials for introspection."""
    with ExitStack() as stack:

        def connect(**settings: Any) -> Caller:
            patient = {"response_timeout": TIMEOUT_SECONDS}
            client = kind(**patient | tenant.settings(tenant.client) | settings)
            caller = Caller(client, stack.enter_context(asyncio.Runner()))
            stack.callback(caller.close)
            return caller

        yield connect


# Validation


@pytest.mark.parametrize(
    ("method", "token", "settings", "questions"),
    [
        ("validate_access_token", "JWT", {}, 0),
        ("validate_access_token", "JWT", {"introspect_jwt_tokens": True}, 1),
        ("validate_access_token", "opaque", {}, 1),
        ("validate_jwt_access_token", "JWT", {}, 0),
        ("validate_jwt_access_token", "JWT", {"introspect_jwt_tokens": True}, 0),
        ("introspect_access_token", "JWT", {}, 1),
        ("introspect_access_token", "opaque", {}, 1),
    ],
)
def test_a_good_token_has_claims(
    connect: Callable[..., Caller],
    tenant: LocalTenant,
    method: str,
    token: str,
    settings: dict[str, Any],
    questions: int,
) -> None:
    """Tokens are verified with the tenant's keys or introspected, without a cache each time."""
    mint = tenant.mint if token == "JWT" else tenant.mint_opaque
    good = mint(subject="jürgen", scopes="orders:read orders:write", groups=["admin"])
    caller = connect(**settings)
    for _ in range(2):
        claims = caller(method, good, scopes="orders:read", groups="admin")
        assert (claims.subject, claims.issuer) == ("jürgen", tenant.domain)
        assert (claims.scopes, claims.groups) == ({"orders:read", "orders:write"}, ("admin",))
    assert tenant.requests.count("introspection") == 2 * questions
    assert tenant.requests.count("jwks") == (questions == 0)
    assert tenant.requests.count("discovery") == 1


@pytest.mark.parametrize("method", VALIDATIONS)
@pytest.mark.parametrize(
    ("required", "code", "reason"),
    [
        ({"scopes": "orders:read orders:delete"}, "insufficient_scope", "insufficient_scope"),
        ({"scopes": ["orders:delete"]}, "insufficient_scope", "insufficient_scope"),
        ({"groups": "owner"}, "insufficient_groups", "insufficient_groups"),
        ({"groups": ["owner", "root"]}, "insufficient_groups", "insufficient_groups"),
        ({"client_certificate": "no certificate"}, "invalid_token", "certificate_malformed"),
        ({}, "invalid_token", "certificate_missing"),
    ],
)
def test_every_method_checks_its_requirements(
    connect: Callable[..., Caller],
    tenant: LocalTenant,
    method: str,
    required: dict[str, Any],
    code: str,
    reason: str,
) -> None:
    """Scopes, groups and the certificate are checked for either kind of token."""
    bound = {} if "scopes" in required or "groups" in required else {"cnf": {"x5t#S256": "A" * 43}}
    token = tenant.mint(scopes="orders:read", groups=["admin"], claims=bound)
    with pytest.raises(TokenError) as caught:
        connect()(method, token, **required)
    assert (caught.value.code, caught.value.reason) == (code, reason)


@pytest.mark.parametrize("method", VALIDATIONS)
@pytest.mark.parametrize("required", [{"scopes": 1}, {"groups": [None]}])
def test_a_requirement_of_a_wrong_type_is_a_configuration_error(
    connect: Callable[..., Caller], tenant: LocalTenant, method: str, required: dict[str, Any]
) -> None:
    """An invalid requirement is a configuration error and causes no request."""
    with pytest.raises(ConfigurationError):
        connect()(method, tenant.mint(), **required)
    assert len(tenant.requests) == 0


@pytest.mark.parametrize("method", VALIDATIONS)
def test_a_bad_token_has_its_reason(connect: Callable[..., Caller], tenant: LocalTenant, method: str) -> None:
    """Every method gives the same reason, for introspected tokens too."""
    with pytest.raises(TokenError) as caught:
        connect()(method, tenant.mint(audience="https://other.example"))
    assert (caught.value.code, caught.value.reason) == ("invalid_token", "wrong_audience")


def test_opaque_tokens_need_client_credentials(connect: Callable[..., Caller], tenant: LocalTenant) -> None:
    """Without client credentials, an opaque token is a configuration error for a direct call and a 401 in
    a request.
    """
    caller = connect(client_id=None, client_secret=None)
    opaque = tenant.mint_opaque()
    for method in "validate_access_token", "introspect_access_token":
        with pytest.raises(ConfigurationError, match="client_id"):
            caller(method, opaque)
    for method, arguments in {
        "authenticate": (Presented(token=opaque), Requirements.of((), ())),
        "validate_jwt_access_token": (opaque,),
    }.items():
        with pytest.raises(TokenError) as caught:
            caller(method, *arguments)
        assert (caught.value.code, caught.value.reason) == ("invalid_token", "malformed")
    assert len(tenant.requests) == 0


def test_the_credentials_of_a_request_are_authenticated(
    connect: Callable[..., Caller], tenant: LocalTenant
) -> None:
    """This is the method that all adapters call."""
    requirements = Requirements.of("orders:read", ())
    caller = connect()
    for mint in tenant.mint, tenant.mint_opaque:
        credentials = Presented(token=mint(subject="user", scopes="orders:read"))
        assert caller("authenticate", credentials, requirements).subject == "user"
        with pytest.raises(TokenError) as caught:
            caller("authenticate", Presented(token=mint(scopes="other")), requirements)
        assert caught.value.code == "insufficient_scope"


@pytest.mark.parametrize(
    ("authorization", "malformed"),
    [
        (None, False),
        ("", False),
        ([], False),
        ("Basic YTpi", False),
        ("Bearer", True),
        (["Bearer a"] * 2, True),
    ],
)
def test_an_authorization_header_without_a_token_is_the_callers_mistake(
    connect: Callable[..., Caller], authorization: Any, malformed: bool
) -> None:
    """``validate_authorization`` raises the errors of adapters, with their responses."""
    with pytest.raises(CredentialsError) as caught:
        connect()("validate_authorization", authorization)
    assert caught.value.malformed is malformed
    assert error_response(caught.value).status == (400 if malformed else 401)


@pytest.mark.parametrize("authorization", [b"Bearer a", [b"Bearer a"], 5, ["Bearer a", None]], ids=repr)
def test_an_authorization_header_of_a_wrong_type_is_a_type_error(
    connect: Callable[..., Caller], authorization: Any
) -> None:
    """Bytes, as in ASGI, are named in a TypeError; no foreign error is raised."""
    with pytest.raises(ConfigurationError, match="authorization must be a string"):
        connect()("validate_authorization", authorization)


def test_an_authorization_header_is_validated(connect: Callable[..., Caller], tenant: LocalTenant) -> None:
    """The header gives claims, with requirements; an opaque token is never a configuration error."""
    caller = connect(client_id=None, client_secret=None)
    header = f"Bearer {tenant.mint(subject='alice', scopes='a', groups=['g'])}"
    for value in header, [header]:
        claims = caller("validate_authorization", value, scopes="a", groups=["g"])
        assert claims.subject == "alice"
    for value, required, status in [
        (header, {"scopes": "b"}, 403),
        (header, {"groups": "h"}, 403),
        ("Bearer opaque", {}, 401),
    ]:
        with pytest.raises(TokenError) as caught:
            caller("validate_authorization", value, **required)
        assert error_response(caught.value).status == status


# Forgetting tokens


@pytest.mark.parametrize("token", ["JWT", "opaque"])
def test_a_revoked_token_that_is_forgotten_is_refused_at_once(
    connect: Callable[..., Caller], tenant: LocalTenant, token: str
) -> None:
    """Otherwise the cached response would still be accepted for a while."""
    caller = connect(cache=MemoryCache(), introspect_jwt_tokens=True)
    revoked = (tenant.mint if token == "JWT" else tenant.mint_opaque)()
    caller("validate_access_token", revoked)
    tenant.revoke(revoked)
    caller("validate_access_token", revoked)
    assert caller("forget", revoked) is None
    with pytest.raises(TokenError) as caught:
        caller("validate_access_token", revoked)
    assert caught.value.reason == "inactive"


def test_a_cache_that_fails_to_forget_is_an_error(
    connect: Callable[..., Caller], tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests continue without the cache, but a caller that removes a token has to know that it failed."""

    class Broken:
        def get(self, _key: str) -> None: ...
        def set(self, _key: str, _claims: object, _expires_at: float) -> None: ...
        def delete(self, key: str) -> None:
            raise OSError(key)

    caller, token = connect(cache=Broken()), tenant.mint_opaque()
    caller("validate_access_token", token)
    with pytest.raises(MonoCloudError) as caught:
        caller("forget", token)
    assert str(caught.value) == (
        "the claims cache failed to delete with OSError; it may still have the token's claims"
    )


# Metadata and keys


@pytest.mark.parametrize(
    ("method", "endpoint", "known"),
    [
        ("get_metadata", "discovery", lambda metadata, tenant: metadata.issuer == tenant.domain),
        ("get_jwks", "jwks", lambda keys, tenant: [key.key_id for key in keys] == _key_ids(tenant)),
    ],
)
def test_documents_are_cached_unless_refreshed(
    connect: Callable[..., Caller], tenant: LocalTenant, method: str, endpoint: Any, known: Any
) -> None:
    """The first call fetches, and each call with ``force_refresh``."""
    caller = connect()
    counts = []
    for force_refresh in False, False, True, True, False:
        assert known(caller(method, force_refresh=force_refresh), tenant)
        counts.append(tenant.requests.count(endpoint))
    assert counts == [1, 1, 2, 3, 3]


def _key_ids(tenant: LocalTenant) -> list[str]:
    return [key["kid"] for key in tenant.jwks()["keys"]]


def test_after_prefetching_no_jwt_waits_for_the_tenant(
    connect: Callable[..., Caller], tenant: LocalTenant
) -> None:
    """Both documents are loaded, and prefetching again sends no request."""
    caller = connect()
    assert caller("prefetch") is None
    assert caller("prefetch") is None
    assert (tenant.requests.count("discovery"), tenant.requests.count("jwks")) == (1, 1)
    with tenant.outage():
        assert caller("validate_access_token", tenant.mint(subject="user")).subject == "user"


@pytest.mark.parametrize("method", ["get_metadata", "get_jwks", "prefetch"])
def test_a_failing_tenant_is_an_error(
    connect: Callable[..., Caller], tenant: LocalTenant, method: str
) -> None:
    """The error has the status; an older document is not returned in place of a new one."""
    with tenant.failing(faults.status(502)), pytest.raises(HttpError) as caught:
        connect()(method)
    assert caught.value.status == 502


# First requests, counted at the server


def test_first_requests_in_threads_cause_two_requests(tenant: LocalTenant) -> None:
    """One request for the metadata and one for the keys, however many tokens are validated at the same
    time.
    """
    together = threading.Barrier(THREADS)
    with BackendClient(**tenant.settings(), response_timeout=TIMEOUT_SECONDS) as client:

        def validate(token: str) -> str | None:
            together.wait(TIMEOUT_SECONDS)
            return client.validate_access_token(token).subject

        subjects = [f"user {number}" for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            assert list(threads.map(validate, [tenant.mint(subject=name) for name in subjects])) == subjects
    assert [request.endpoint for request in tenant.requests] == ["discovery", "jwks"]


def test_first_requests_in_tasks_cause_two_requests(tenant: LocalTenant) -> None:
    """The same on an event loop."""

    async def main() -> list[str | None]:
        async with AsyncBackendClient(**tenant.settings(), response_timeout=TIMEOUT_SECONDS) as client:
            tokens = [tenant.mint(subject=name) for name in subjects]
            validated = await asyncio.gather(*map(client.validate_access_token, tokens))
            return [claims.subject for claims in validated]

    subjects = [f"user {number}" for number in range(TASKS)]
    assert asyncio.run(main()) == subjects
    assert [request.endpoint for request in tenant.requests] == ["discovery", "jwks"]


# Closing


def test_a_client_can_be_closed_and_used_again(connect: Callable[..., Caller], tenant: LocalTenant) -> None:
    """Closing releases connections and threads, not cached documents."""
    caller = connect()
    caller.close()
    caller("prefetch")
    assert pools(caller.client) == 1
    caller.close()
    caller.close()
    assert pools(caller.client) == 0
    assert caller("validate_access_token", tenant.mint(subject="user")).subject == "user"
    assert caller("get_metadata", force_refresh=True).issuer == tenant.domain
    assert tenant.requests.count("jwks") == 1


def test_leaving_the_context_closes(connect: Callable[..., Caller]) -> None:
    """Each client is a context manager of its own kind."""
    caller = connect()
    caller.enter_and_leave()
    assert pools(caller.client) == 0


def test_a_fetcher_is_not_closed(connect: Callable[..., Caller]) -> None:
    """With a fetcher, the client creates no transport."""

    def fetch(_request: HttpRequest) -> HttpResponse:
        raise HttpError("away", status=503)

    caller = connect(fetcher=fetch)
    assert caller.client._transport is None
    with pytest.raises(HttpError, match="away"):
        caller("prefetch")
    caller.close()


def pools(client: BackendClient | AsyncBackendClient) -> int:
    """Return how many pools (per origin or event loop) hold connections."""
    transport = client._transport
    assert transport is not None
    if isinstance(transport, RequestsTransport):
        return sum(len(adapter.poolmanager.pools) for adapter in transport._adapters.peek() or ())
    return len(transport._connections._lifespans)


# Configuration


SETTINGS = {"tenant_domain": "https://acme.us.monocloud.com", "audience": "https://api.example.com"}


def problems_of(kind: type, *arguments: Any, **settings: Any) -> list[Problem]:
    """Return the problems of a client."""
    with pytest.raises(ConfigurationError) as caught:
        kind(*arguments, **settings)
    return list(caught.value.problems)


def test_options_or_their_names_make_the_same_client(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options come from keywords, then from the environment; an Options object is used unchanged."""
    monkeypatch.setenv("MONOCLOUD_BACKEND_AUDIENCE", "https://environment.example")
    monkeypatch.setenv("MONOCLOUD_BACKEND_CLOCK_TOLERANCE", "7")
    options = Options(**SETTINGS)  # type: ignore[arg-type]
    assert kind(options).options is options
    assert kind(**SETTINGS).options == Options(**SETTINGS, clock_tolerance=7)  # type: ignore[arg-type]
    by_environment = kind(tenant_domain=SETTINGS["tenant_domain"]).options
    assert by_environment.audience == ("https://environment.example",)


def test_settings_cannot_be_combined_with_options(kind: type) -> None:
    """The error names each setting that is combined with options."""
    assert problems_of(kind, Options(**SETTINGS), clock_skew=1, audience="other") == [  # type: ignore[arg-type]
        Problem("clock_skew", None, "cannot be combined with `options`; pass one or the other"),
        Problem("audience", None, "cannot be combined with `options`; pass one or the other"),
    ]


@pytest.mark.parametrize("options", [SETTINGS, "https://acme.us.monocloud.com", 1])
def test_options_must_be_options(kind: type, options: object) -> None:
    """A mapping is not accepted as options."""
    message = f"must be Options, not {type(options).__name__}"
    assert problems_of(kind, options) == [Problem("options", None, message)]


def test_every_problem_is_reported(kind: type) -> None:
    """All problems are reported together at construction."""
    problems = problems_of(kind, audience=" ", clock_skew=-1)
    assert {problem.option for problem in problems} == {"tenant_domain", "audience", "clock_skew"}


async def coroutine_function(*_arguments: Any) -> Any:
    """A function that only an event loop can run."""


class CoroutineObject:
    """An object whose __call__ is async."""

    async def __call__(self, *_arguments: Any) -> Any: ...


class AsyncCache:
    """A cache for event loops."""

    get = set = delete = staticmethod(coroutine_function)


class MixedCache:
    """A cache with a synchronous get and an asynchronous set."""

    set = delete = staticmethod(coroutine_function)

    def get(self, _key: str) -> None: ...


class CacheWithAsyncDelete:
    """A cache whose delete alone is asynchronous."""

    delete = staticmethod(coroutine_function)

    def get(self, _key: str) -> None: ...

    def set(self, *_arguments: Any) -> None: ...


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((name, coroutine_function) for name in ("fetcher", "metadata_resolver", "jwks_resolver")),
        ("fetcher", CoroutineObject()),
        ("cache", AsyncCache()),
        ("cache", MixedCache()),
        ("cache", CacheWithAsyncDelete()),
        ("fetcher", partial(CoroutineObject())),
    ],
)
def test_a_synchronous_client_refuses_async_functions(option: str, value: Any) -> None:
    """They are refused at construction; an event loop accepts both kinds."""
    message = "must be synchronous; use AsyncBackendClient for an asynchronous one"
    assert problems_of(BackendClient, **SETTINGS | {option: value}) == [Problem(option, None, message)]
    assert AsyncBackendClient(**SETTINGS | {option: value})


def test_files_and_functions_are_reported_together() -> None:
    """Problems of files and of functions are reported together."""
    problems = problems_of(BackendClient, **SETTINGS, ca_bundle=__file__, jwks_resolver=coroutine_function)
    assert [(problem.option, problem.variable) for problem in problems] == [
        ("ca_bundle", "MONOCLOUD_BACKEND_CA_BUNDLE"),
        ("jwks_resolver", None),
    ]


# Shared clients


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set variables, named without their prefix, in addition to the required ones."""
    required = {"TENANT_DOMAIN": SETTINGS["tenant_domain"], "AUDIENCE": SETTINGS["audience"]}
    for name, text in {**required, **variables}.items():
        monkeypatch.setenv(f"MONOCLOUD_BACKEND_{name}", text)


def test_there_is_one_shared_client_for_each_set_of_options(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blank variable counts as unset; another value or class gives another client."""
    set_environment(monkeypatch)
    first = kind.shared()
    assert type(first) is kind
    set_environment(monkeypatch, CLOCK_SKEW=" ", AUDIENCE=f" {SETTINGS['audience']} ")
    assert kind.shared() is first
    set_environment(monkeypatch, CLOCK_SKEW="1")
    second = kind.shared()
    assert (second is first, second.options.clock_skew) == (False, 1.0)

    other: Any = type("Other", (kind,), {})
    assert type(other.shared()) is other
    assert kind() is not kind()


@pytest.mark.parametrize("variable", ["CLIENT_SECRET", "TENANT_DOMAIN"])
def test_clients_with_other_secrets_are_others(
    kind: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Clients with any different secret are never shared."""
    set_environment(monkeypatch, CLIENT_ID="me", CLIENT_SECRET="one")
    first = kind.shared()
    set_environment(monkeypatch, CLIENT_ID="me", **{variable: "other"})
    assert kind.shared() is not first


def test_a_shared_client_ends_with_its_last_user(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its users keep a shared client alive."""
    set_environment(monkeypatch)
    reference = weakref.ref(kind.shared())
    gc.collect()
    assert reference() is None


def test_a_wrong_environment_has_no_shared_client(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is raised each time until the environment is corrected."""
    set_environment(monkeypatch, CLOCK_SKEW="x")
    for _ in range(2):
        assert [problem.option for problem in problems_of(kind.shared)] == ["clock_skew"]
    set_environment(monkeypatch, CLOCK_SKEW="")
    assert kind.shared().options == Options(**SETTINGS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("middleware", "kind"),
    [(wsgi.ProtectApiMiddleware, BackendClient), (asgi.ProtectApiMiddleware, AsyncBackendClient)],
    ids=["WSGI", "ASGI"],
)
def test_middlewares_without_a_client_share_one(
    middleware: Any, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some frameworks create a middleware for each route; twenty of them fetch the keys once."""
    set_environment(monkeypatch)
    clients = {id(made.client) for made in [middleware(print) for _ in range(20)]}
    assert len(clients) == 1
    assert type(middleware(print).client) is kind


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, pickle.dumps, ForkingPickler.dumps],
    ids=["copy", "deepcopy", "pickle", "multiprocessing"],
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside"])
def test_copying_a_client_is_an_error(kind: type, copied: Any, inside: bool) -> None:
    """The error says to copy the options instead, also for a client inside another object."""
    client = kind(**SETTINGS)
    if inside and copied is copy.copy:
        assert copied([client]) == [client]
        return
    with pytest.raises(TypeError) as caught:
        copied([client] if inside else client)
    assert str(caught.value).endswith(
        f"in another process, create one from its options: {kind.__name__}(client.options)"
    )
    assert kind(pickle.loads(pickle.dumps(client.options))).options == client.options


def test_the_repr_of_a_client_is_redacted(kind: type) -> None:
    """The repr has tenant and audience only."""
    client = kind(**SETTINGS, client_id="api", client_secret="correct-horse")
    assert repr(client) == (
        f"{kind.__name__}('https://acme.us.monocloud.com', audience=('https://api.example.com',))"
    )


def test_both_clients_have_the_same_methods() -> None:
    """Their parameters are the same; those of the asynchronous client are coroutines."""
    methods = {name: method for name, method in public_methods(BackendClient) if name != "close"}
    coroutines = {name: method for name, method in public_methods(AsyncBackendClient) if name != "aclose"}
    assert methods.keys() == coroutines.keys()
    assert not any(map(inspect.iscoroutinefunction, methods.values()))
    assert all(map(inspect.iscoroutinefunction, coroutines.values()))
    for name, method in methods.items():
        assert inspect.signature(method) == inspect.signature(coroutines[name])


def public_methods(kind: type) -> list[tuple[str, Any]]:
    """Return the public methods."""
    return [(name, value) for name, value in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"]
