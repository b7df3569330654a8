"""``as_caller``: testing an application without tokens, on every adapter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monocloud_mw import (
    AsyncBackendClient,
    BackendClient,
    Guard,
    MonoCloudError,
    Refused,
    Requirements,
    TokenError,
)
from monocloud_mw.protect.guard import find_caller, run
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


def test_a_request_cannot_change_the_caller(call: Call) -> None:
    """Nothing in a request turns it on or off or changes the caller."""
    headers = [("Authorization", "Bearer x"), ("monocloud.claims", "mallory")]
    with as_caller("alice", scopes="api"):
        assert call("GET", "/me", headers).json["claims"]["sub"] == "alice"
    assert call("GET", "/me", headers).status == 401


def _subject(guard: Guard) -> str | None:
    try:
        claims = run(guard.check(None, [], Requirements()))
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

    assert (sync(), asyncio.run(later()), _subject(guard)) == ("alice", "bob", "refused")


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
        assert run(Guard(BackendClient(**SETTINGS)).check(None, [], needed)) is not None
        with pytest.raises(Refused):
            run(every.check(None, [], needed))


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
