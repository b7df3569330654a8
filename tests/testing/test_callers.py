"""``as_caller``: testing an application without tokens, on every adapter."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    BackendClient,
    Guard,
    HttpError,
    MonoCloudError,
    Refused,
    Requirements,
    TokenError,
)
from monocloud_mw.events import Event, RequestRefused, TokenAccepted
from monocloud_mw.protect.guard import find_caller, run_check
from monocloud_mw.testing import as_caller

from ..adapters.exchange import Call, call_asgi, call_wsgi
from ..adapters.sample_api import create_asgi_app, create_flask_app, create_wsgi_app

SETTINGS: dict[str, Any] = {"tenant_domain": "https://nowhere.example.com", "audience": "api"}
CREATE: dict[str, Callable[[], Call]] = {
    "flask": lambda: call_wsgi(create_flask_app(BackendClient(**SETTINGS))),
    "wsgi": lambda: call_wsgi(create_wsgi_app(BackendClient(**SETTINGS))),
    "asgi": lambda: call_asgi(create_asgi_app(AsyncBackendClient(**SETTINGS))),
}


@pytest.fixture(params=CREATE)
def call(request: pytest.FixtureRequest) -> Iterator[Call]:
    """Call the sample API in process, with a client whose tenant does not exist."""
    return CREATE[request.param]()  # type: ignore[return-value]


def test_requests_come_from_the_caller(call: Call) -> None:
    """The application gets the claims without a token and without a tenant."""
    with as_caller("alice", scopes=["api"], claims={"email": "alice@example.com"}) as claims:
        answer = call("GET", "/me", ())
        assert (answer.status, answer.json["claims"]) == (200, dict(claims))
    assert dict(claims) == {"sub": "alice", "scope": "api", "groups": [], "email": "alice@example.com"}
    assert call("GET", "/me", ()).status == 401


def test_scopes_and_groups_are_still_required(call: Call) -> None:
    """A caller without them is refused with the response for a token without them."""
    with as_caller("alice"):
        answer = call("GET", "/me", ())
    assert answer.status == 403
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="api"'
    with as_caller("alice", scopes="api"):
        assert call("GET", "/admin/users", ()).status == 403
    with as_caller("alice", scopes="api", groups="admin"):
        assert call("GET", "/admin/users", ()).status == 200


def test_observers_hear_of_accepted_and_refused_callers() -> None:
    """As of tokens, so that a test of metrics needs no tenant either."""
    events: list[Event] = []
    call = call_wsgi(create_wsgi_app(BackendClient(**SETTINGS, observer=events.append)))
    with as_caller("alice", scopes="api"):
        call("GET", "/me", ())
        call("GET", "/admin/users", ())
    assert [type(event) for event in events] == [TokenAccepted, RequestRefused]


def test_a_request_cannot_change_the_caller(call: Call) -> None:
    """Nothing in a request turns it on or off or changes the caller."""
    headers = [("Authorization", "Bearer x"), ("monocloud.claims", "mallory")]
    with as_caller("alice", scopes="api"):
        assert call("GET", "/me", headers).json["claims"]["sub"] == "alice"
    assert call("GET", "/me", headers).status == 401


def _subject(guard: Guard) -> str | None:
    try:
        claims = run_check(guard.check(None, [], Requirements()))
    except Refused:
        return "refused"
    return None if claims is None else claims.subject


@pytest.fixture
def guard() -> Guard:
    """Return a guard whose tenant does not exist."""
    return Guard(BackendClient(**SETTINGS))


def test_blocks_nest_and_end_even_where_they_raise(guard: Guard) -> None:
    """The innermost block applies; after an exception the outer one applies again."""
    with as_caller("alice"):
        try:
            with as_caller(None, claims={"client_id": "robot"}):
                assert _subject(guard) is None
                raise LookupError
        except LookupError:
            pass
        assert _subject(guard) == "alice"
    assert _subject(guard) == "refused"


def test_it_decorates_sync_and_async_functions(guard: Guard) -> None:
    """A decorated coroutine function has the caller while it runs, not only until it returns a coroutine."""

    @as_caller("alice")
    def sync() -> str | None:
        return _subject(guard)

    @as_caller("bob")
    async def later() -> str | None:
        await asyncio.sleep(0)
        return _subject(guard)

    class Later:
        async def __call__(self) -> str | None:
            return _subject(guard)

    async def call(function: Any) -> str | None:
        return await function()  # type: ignore[no-any-return]

    assert (sync(), asyncio.run(later()), _subject(guard)) == ("alice", "bob", "refused")
    assert asyncio.run(call(as_caller("carol")(Later()))) == "carol"


def test_it_applies_in_threads_started_before(guard: Guard) -> None:
    """A server that a test has started in a thread has the caller too."""
    may_go, seen = threading.Event(), []

    def serve() -> None:
        may_go.wait(30)
        seen.append(_subject(guard))

    thread = threading.Thread(target=serve)
    thread.start()
    with as_caller("alice"):
        may_go.set()
        thread.join()
    assert seen == ["alice"]


def test_all_groups_may_be_asked_for() -> None:
    """The client's option groups_match_all applies."""
    needed = Requirements.of((), ["a", "b"])
    every = Guard(BackendClient(**SETTINGS, groups_match_all=True))
    with as_caller("alice", groups=["a"]):
        assert run_check(Guard(BackendClient(**SETTINGS)).check(None, [], needed)) is not None
        with pytest.raises(Refused):
            run_check(every.check(None, [], needed))


def _validate(client: BackendClient | AsyncBackendClient, header: str | None, groups: list[str]) -> Any:
    answer: Any = client.validate_authorization(header, scopes="api", groups=groups)
    return asyncio.run(answer) if isinstance(client, AsyncBackendClient) else answer


@pytest.mark.parametrize("header", [None, "Bearer a.b.c", "Bearer ?"])
@pytest.mark.parametrize("kind", [BackendClient, AsyncBackendClient])
def test_validate_authorization_returns_the_caller(kind: Any, header: str | None) -> None:
    """``validate_authorization`` returns the caller, whatever the header; scopes still apply."""
    client, every = kind(**SETTINGS), kind(**SETTINGS, groups_match_all=True)
    with as_caller("alice", scopes="api", groups=["a"]) as claims:
        assert _validate(client, header, ["a", "b"]) == claims
        with pytest.raises(TokenError, match="group"):
            _validate(every, header, ["a", "b"])
    with as_caller("alice"), pytest.raises(TokenError, match="scope"):
        _validate(client, header, [])
    with pytest.raises(MonoCloudError):
        _validate(client, header, [])


@pytest.mark.parametrize("kind", [BackendClient, AsyncBackendClient])
def test_prefetch_contacts_no_tenant(kind: Any) -> None:
    """An application that loads the keys at start needs no network in a test."""
    sent: list[str] = []

    def refuse(request: Any) -> Any:
        sent.append(request.url)
        raise OSError

    client = kind(**SETTINGS, fetcher=refuse)

    def prefetch() -> None:
        answer: Any = client.prefetch()
        if answer is not None:
            asyncio.run(answer)

    with as_caller("alice"):
        prefetch()
    assert sent == []
    with pytest.raises(HttpError):
        prefetch()
    assert len(sent) == 1


@pytest.mark.parametrize("kind", [BackendClient, AsyncBackendClient])
def test_a_token_validated_by_the_application_is_checked(kind: Any) -> None:
    """Only the token of a request is replaced: code that validates a token itself still does so."""
    client = kind(**SETTINGS)

    def validate() -> None:
        answer: Any = client.validate_access_token("a.b.c")
        asyncio.run(answer)

    with as_caller("alice"), pytest.raises(TokenError):
        validate()


def test_blocks_of_several_threads_may_end_in_any_order() -> None:
    """When all blocks have ended, requests are checked again, whichever ended last."""
    first, second = as_caller("first"), as_caller("second")
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert find_caller() is not None
    second.__exit__()
    assert find_caller() is None
    with first, second, first:
        pass
    assert find_caller() is None


# Tasks, threads and decorators


async def _subject_soon(guard: Guard, ready: asyncio.Event, then: asyncio.Event) -> str | None:
    ready.set()
    await then.wait()
    return _subject(guard)


def test_a_block_in_a_task_does_not_reach_other_tasks(guard: Guard) -> None:
    """Tasks that run at the same time each have their own caller, or none."""

    async def main() -> None:
        ready, then = asyncio.Event(), asyncio.Event()

        async def as_(subject: str) -> str | None:
            with as_caller(subject):
                return await _subject_soon(guard, ready, then)

        tasks = [
            asyncio.create_task(task)
            for task in (as_("alice"), as_("bob"), _subject_soon(guard, ready, then))
        ]
        await ready.wait()
        await asyncio.sleep(0)
        then.set()
        assert await asyncio.gather(*tasks) == ["alice", "bob", "refused"]

    asyncio.run(main())
    assert find_caller() is None


def test_a_block_in_a_task_reaches_what_the_task_starts(guard: Guard) -> None:
    """Tasks, worker threads and threads of servers have the caller until the block ends."""

    async def main() -> None:
        ready, then = asyncio.Event(), asyncio.Event()
        with as_caller("alice"):
            late = asyncio.create_task(_subject_soon(guard, ready, then))
            assert await asyncio.create_task(_subject_soon(guard, ready, ready)) == "alice"
            assert await asyncio.to_thread(_subject, guard) == "alice"
            in_pool = asyncio.get_running_loop().run_in_executor(None, _subject, guard)  # has no context
            assert await in_pool == "alice"
        then.set()
        assert await late == "refused"

    asyncio.run(main())


def test_a_block_around_an_event_loop_reaches_its_tasks(guard: Guard) -> None:
    """A block of a thread applies to all event loops; a task's own block replaces it."""

    async def main() -> list[str | None]:
        with as_caller("bob"):
            inner = _subject(guard)
        return [_subject(guard), inner, await asyncio.create_task(asyncio.to_thread(_subject, guard))]

    seen: list[Any] = []
    with as_caller("alice"):
        seen.append(asyncio.run(main()))
        thread = threading.Thread(target=lambda: seen.append(asyncio.run(main())))
        thread.start()
        thread.join()
    assert seen == [["alice", "bob", "alice"]] * 2


def test_a_decorated_function_may_run_in_several_tasks(guard: Guard) -> None:
    """The end of one call does not end the block of another, though both have one ``as_caller``."""

    @as_caller("alice")
    async def call(then: asyncio.Event) -> list[str | None]:
        await then.wait()
        return [_subject(guard)]

    async def main() -> None:
        first, second = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(call(first)), asyncio.create_task(call(second))]
        await asyncio.sleep(0)
        first.set()
        assert await tasks[0] == ["alice"]
        second.set()
        assert [await tasks[1], _subject(guard)] == [["alice"], "refused"]

    asyncio.run(main())
    assert find_caller() is None


def test_an_async_fixture_may_end_in_another_task(guard: Guard) -> None:
    """An asynchronous generator that another task closes still ends its block."""

    async def fixture() -> AsyncIterator[None]:
        with as_caller("alice"):
            yield

    async def main() -> None:
        generator = fixture()

        async def advance() -> None:
            await anext(generator, None)

        await asyncio.create_task(advance())
        assert find_caller() is None  # this task has none
        await asyncio.create_task(advance())
        assert await asyncio.to_thread(find_caller) is None

    asyncio.run(main())


def test_it_is_entered_in_the_set_up_of_unittest(guard: Guard) -> None:
    """Blocks of ``setUp`` and ``asyncSetUp`` apply to an async test and end with it."""
    seen: list[str | None] = []

    class Case(unittest.IsolatedAsyncioTestCase):
        def setUp(self) -> None:
            self.enterContext(as_caller("alice"))

        async def asyncSetUp(self) -> None:
            seen.append(_subject(guard))
            self.enterContext(as_caller("bob"))

        async def test(self) -> None:
            seen.append(_subject(guard))

    result = Case("test").run()
    assert result is not None
    assert (result.errors, result.failures, seen) == ([], [], ["alice", "bob"])
    assert find_caller() is None


@pytest.mark.parametrize(
    "subject", [lambda: None, print, 3, b"alice", []], ids=["function", "built-in", "number", "bytes", "list"]
)
def test_the_subject_is_text(subject: Any) -> None:
    """``@as_caller`` without parentheses would replace a test by an object that pytest does not run."""
    with pytest.raises(
        TypeError, match=r"^as_caller: subject must be a string or None, not .*@as_caller\(\)"
    ):
        as_caller(subject)


def test_what_would_end_too_early_cannot_be_decorated() -> None:
    """A class would no longer be collected, and the body of a generator runs after the call."""

    class Tests:
        pass

    def generator() -> Iterator[None]:
        yield

    async def async_generator() -> AsyncIterator[None]:
        yield

    for target in (Tests, generator, async_generator):
        with pytest.raises(TypeError, match=r"^as_caller cannot decorate a (class|generator function): "):
            as_caller("alice")(target)


@pytest.fixture
def anyio_backend() -> str:
    """Run the async tests below on asyncio."""
    return "asyncio"


@pytest.fixture
def alice() -> Iterator[AccessTokenClaims]:
    """Set the caller, in a fixture."""
    with as_caller("alice") as claims:
        yield claims


@pytest.fixture
async def bob() -> AsyncIterator[AccessTokenClaims]:
    """Set the caller, in an async fixture."""
    with as_caller("bob") as claims:
        yield claims


def test_a_fixture_sets_the_caller(alice: AccessTokenClaims, guard: Guard) -> None:
    """A test gets the caller of its fixture, and the claims."""
    assert (_subject(guard), alice.subject) == ("alice", "alice")


@pytest.mark.anyio
async def test_a_fixture_sets_the_caller_of_an_async_test(alice: AccessTokenClaims, guard: Guard) -> None:
    """An async test gets the caller of a sync fixture."""
    assert _subject(guard) == "alice"


@pytest.mark.anyio
async def test_an_async_fixture_sets_the_caller(bob: AccessTokenClaims, guard: Guard) -> None:
    """An async test gets the caller of an async fixture."""
    assert _subject(guard) == "bob"


@pytest.mark.anyio
@as_caller("carol")
async def test_it_decorates_an_async_test(guard: Guard) -> None:
    """A decorated async test has its caller."""
    assert _subject(guard) == "carol"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scopes", 3),
        ("scopes", [3]),
        ("scopes", b"orders:read"),
        ("scopes", {"orders:read": True}),
        ("groups", 3),
        ("groups", [["admin"]]),
        ("groups", {"id": "admin"}),
        ("claims", 3),
        ("claims", [("sub", "alice")]),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(name: str, value: object) -> None:
    """The error says which argument of as_caller is wrong, and what is expected."""
    arguments: dict[str, Any] = {name: value}
    with pytest.raises(TypeError, match=rf"^as_caller: {name} must be a "):
        as_caller(**arguments)
