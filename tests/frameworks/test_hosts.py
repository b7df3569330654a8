"""The examples of the guides for gRPC, python-socketio and Celery, with real tokens and connections."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
import pytest
import socketio
from socketio.exceptions import ConnectionError as SocketError

from monocloud_mw import AsyncBackendClient, BackendClient, TokenError
from monocloud_mw.testing import LocalTenant
from monocloud_mw.testing.faults import FAULTS

from ..adapters.servers import uvicorn_server
from ..project.pages import PAGES, list_fences

Code: Final = grpc.StatusCode


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant without faults."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


def _run_guide(page: str, tenant: LocalTenant) -> dict[str, Any]:
    """Run the examples of a guide except its tests, and return their names."""
    names: dict[str, Any] = {"__name__": "guide"}
    variables = tenant.environment(tenant.client)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setitem(os.environ, name, value)
        for fence in list_fences(PAGES[f"docs/how-to/{page}.md"]):
            if fence.language == "python" and "def test_" not in fence.body:
                exec(compile(fence.body, f"{page}.md", "exec"), names)
    return names


def _bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


CALLS: Final[dict[str, tuple[str, Any, Any]]] = {
    "no token": ("List", None, Code.UNAUTHENTICATED),
    "another scheme": ("List", [("authorization", "Basic YTpi")], Code.UNAUTHENTICATED),
    "two tokens": ("List", _bearer("a.b.c") * 2, Code.UNAUTHENTICATED),
    "malformed": ("List", _bearer("a b"), Code.UNAUTHENTICATED),
    "a token that is none": ("List", _bearer("opaque"), Code.UNAUTHENTICATED),
    "expired": ("List", {"lifetime_seconds": -300}, Code.UNAUTHENTICATED),
    "good": ("List", {}, b"seen by alice"),
    "no scope": ("Create", {}, Code.PERMISSION_DENIED),
    "scope": ("Create", {"scopes": "orders:write"}, b"created"),
    "stream, no token": ("Stream", None, Code.UNAUTHENTICATED),
    "stream": ("Stream", {}, b"alice 3"),
    "upload, no token": ("Upload", None, Code.UNAUTHENTICATED),
    "upload": ("Upload", {}, b"alice ab"),
    "chat, no token": ("Chat", None, Code.UNAUTHENTICATED),
    "chat": ("Chat", {}, b"alice b"),
    "public": ("/grpc.health.v1.Health/Check", None, b"healthy"),
    "unknown": ("Unknown", {}, Code.UNIMPLEMENTED),
}
KINDS: Final = {"Stream": "unary_stream", "Upload": "stream_unary", "Chat": "stream_stream"}


def _more_methods(current_claims: Any, *, is_async: bool) -> dict[str, Any]:
    """Return methods of the other three kinds, which return the caller and the messages they read."""

    def stream(request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(4):
            yield f"{current_claims.get().subject} {number}".encode()

    def upload(requests: Iterator[bytes], context: Any) -> bytes:
        return f"{current_claims.get().subject} ".encode() + b"".join(requests)

    def chat(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield f"{current_claims.get().subject} ".encode() + request

    async def upload_async(requests: Any, context: Any) -> bytes:
        return upload(iter([request async for request in requests]), context)

    async def chat_async(requests: Any, context: Any) -> Any:
        async for request in requests:
            yield f"{current_claims.get().subject} ".encode() + request

    async def stream_async(request: bytes, context: Any) -> Any:
        for answer in stream(request, context):
            yield answer

    return {
        "Stream": grpc.unary_stream_rpc_method_handler(stream_async if is_async else stream),
        "Upload": grpc.stream_unary_rpc_method_handler(upload_async if is_async else upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat_async if is_async else chat),
    }


HEALTH: Final = {"Check": grpc.unary_unary_rpc_method_handler(lambda request, context: b"healthy")}


@pytest.fixture(scope="module")
def grpc_guide(tenant: LocalTenant) -> dict[str, Any]:
    """Return the names of the gRPC guide."""
    return _run_guide("grpc", tenant)


@pytest.fixture(scope="module")
def threads_port(tenant: LocalTenant, grpc_guide: dict[str, Any]) -> Iterator[int]:
    """Serve the guide's service with the additional methods in threads."""
    with BackendClient(**tenant.settings()) as client:
        server = grpc_guide["create_server"](client)
        more = _more_methods(grpc_guide["current_claims"], is_async=False)
        server.add_registered_method_handlers("shop.Orders", more)
        server.add_registered_method_handlers("grpc.health.v1.Health", HEALTH)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield port
        server.stop(None).wait()


def _call(port: int, method: str, metadata: Any) -> Any:
    """Call a method; return its last response or the status of the refusal."""
    path = method if method.startswith("/") else f"/shop.Orders/{method}"
    kind = KINDS.get(method, "unary_unary")
    request = iter([b"a", b"b"]) if kind.startswith("stream") else b""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer: Any = getattr(channel, kind)(path)(request, metadata=metadata, timeout=60)
            return answer if isinstance(answer, bytes) else list(answer)[-1]
        except grpc.RpcError as error:
            return error.code()


def _metadata(tenant: LocalTenant, token: Any) -> Any:
    return _bearer(tenant.mint(subject="alice", **token)) if isinstance(token, dict) else token


@pytest.mark.parametrize(("method", "token", "expected"), CALLS.values(), ids=CALLS)
def test_grpc_in_threads(
    method: str, token: Any, expected: Any, tenant: LocalTenant, threads_port: int
) -> None:
    """Methods of every kind refuse with the right status or know the caller."""
    assert _call(threads_port, method, _metadata(tenant, token)) == expected


def test_grpc_on_an_event_loop(tenant: LocalTenant, grpc_guide: dict[str, Any]) -> None:
    """The asynchronous interceptor gives the same results."""

    async def serve_and_call() -> dict[str, Any]:
        async with AsyncBackendClient(**tenant.settings()) as client:
            server = grpc_guide["create_async_server"](client)
            more = _more_methods(grpc_guide["current_claims"], is_async=True)
            server.add_registered_method_handlers("shop.Orders", more)
            server.add_registered_method_handlers("grpc.health.v1.Health", HEALTH)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            with ThreadPoolExecutor(1) as pool:
                loop = asyncio.get_running_loop()
                answers = {
                    name: await loop.run_in_executor(pool, _call, port, method, _metadata(tenant, token))
                    for name, (method, token, _) in CALLS.items()
                }
            await server.stop(None)
            return answers

    assert asyncio.run(serve_and_call()) == {name: expected for name, (*_, expected) in CALLS.items()}


@pytest.mark.parametrize(("fault", "code"), [("close", Code.UNAVAILABLE), ("html", Code.INTERNAL)])
def test_grpc_tells_an_outage_from_a_mistake(
    fault: str, code: grpc.StatusCode, tenant: LocalTenant, grpc_guide: dict[str, Any]
) -> None:
    """Outages and configuration errors have statuses that do not blame the caller."""
    with BackendClient(**tenant.settings()) as client, tenant.failing(FAULTS[fault]()):
        server = grpc_guide["create_server"](client)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        found = _call(port, "List", _bearer(tenant.mint()))
        server.stop(None).wait()
    assert found == code


@pytest.fixture(scope="module")
def socketio_port(tenant: LocalTenant) -> Iterator[int]:
    """Serve the application of the python-socketio guide."""
    guide = _run_guide("python-socketio", tenant)
    guide["sio"].eio.ping_interval, guide["sio"].eio.ping_timeout = (
        0.1,
        2,
    )  # otherwise long polls outlast a test
    with uvicorn_server(guide["app"]) as port:
        yield port


def _ask(port: int, auth: Any, namespace: str = "/orders") -> Any:
    with socketio.SimpleClient() as client:
        try:
            client.connect(
                f"http://127.0.0.1:{port}",
                auth=auth,
                namespace=namespace,
                transports=["polling"],
                wait_timeout=60,
            )
            return client.call("list", timeout=20)
        except SocketError as error:
            return "refused", str(error)


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (lambda tenant: {"token": tenant.mint(subject="alice", scopes="orders:read")}, {"seen_by": "alice"}),
        (lambda tenant: {"token": tenant.mint(subject="alice")}, {"error": "insufficient_scope"}),
        (lambda tenant: {"token": tenant.mint(lifetime_seconds=-300)}, "refused"),
        (lambda tenant: {"token": "a.b.c"}, "refused"),
        (lambda tenant: {"token": "a b"}, "refused"),
        (lambda tenant: {"token": ["a.b.c"]}, "refused"),
        (lambda tenant: tenant.mint(scopes="orders:read"), "refused"),
        (lambda tenant: {}, "refused"),
        (lambda tenant: None, "refused"),
    ],
    ids=["good", "scope", "expired", "garbage", "malformed", "list", "text", "empty", "none"],
)
def test_socketio_checks_the_token_of_a_connection(
    auth: Any, expected: Any, tenant: LocalTenant, socketio_port: int
) -> None:
    """A namespace is connected only with a valid token, and its events have the claims."""
    found = _ask(socketio_port, auth(tenant))
    assert (found[0] if isinstance(found, tuple) else found) == expected


@pytest.mark.parametrize("namespace", ["/", "/other"])
def test_socketio_refuses_other_namespaces(namespace: str, tenant: LocalTenant, socketio_port: int) -> None:
    """A namespace without a handler, including the default one, cannot be connected."""
    auth = {"token": tenant.mint(scopes="orders:read")}
    assert _ask(socketio_port, auth, namespace)[0] == "refused"


def test_celery_checks_the_token_of_a_task(tenant: LocalTenant, caplog: pytest.LogCaptureFixture) -> None:
    """The task runs with a valid token and fails with an invalid one, without the token in its error."""
    task = _run_guide("celery", tenant)["import_orders"]
    good = tenant.mint(subject="alice", scopes="orders:write")
    assert task.apply((good, "orders.csv")).get() == "orders.csv imported by alice"
    bad = tenant.mint(subject="alice")
    result = task.apply((bad, "orders.csv"))
    with pytest.raises(TokenError, match="lacks a required scope"):
        result.get()
    assert bad not in caplog.text + str(result.result) + (result.traceback or "")


def test_celery_retries_while_the_tenant_is_unavailable(tenant: LocalTenant) -> None:
    """The task is retried in an outage, after at least the time that the tenant asks for."""
    task = _run_guide("celery", tenant)["import_orders"]
    token = tenant.mint(subject="alice", scopes="orders:write")
    retried: list[Any] = []
    with pytest.MonkeyPatch.context() as patch, tenant.outage():
        patch.setattr(task, "retry", lambda **how: retried.append(how["countdown"]))
        assert task.apply((token, "orders.csv")).failed()
    assert [delay > 0 for delay in retried] == [True]
