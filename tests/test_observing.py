"""Events of requests and explain mode, for the guard and for clients called directly."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args

import attrs
import pytest

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    BackendClient,
    ConfigurationError,
    CredentialsError,
    Guard,
    HttpError,
    HttpRequest,
    HttpResponse,
    MonoCloudError,
    Refused,
    Requirements,
    TokenError,
)
from monocloud_mw.documentation import docs_address
from monocloud_mw.events import Event, RequestRefused, TokenAccepted, subject_digest
from monocloud_mw.protect.guard import run_check, run_check_async

from .attacks.attack import ED, GOOD, ISSUER, JWKS, SUBJECT, options, token
from .project.sources import ROOT

ACCEPTED = TokenAccepted(
    method="'GET'", path="'/orders'", issuer=repr(ISSUER), subject_digest=subject_digest(SUBJECT)
)
NO_TOKEN = RequestRefused(
    method="'GET'",
    path="'/orders'",
    status=401,
    reason="no_token",
    message="The request has no access token",
    docs=docs_address("no_token"),
)


def _of_requests(told: list[Any]) -> Callable[[Event], None]:
    """Return an observer that records the events of requests only."""

    def observe(event: Event) -> None:
        if isinstance(event, (RequestRefused, TokenAccepted)):
            told.append(event)

    return observe


ENVIRONMENT = "MONOCLOUD_BACKEND_EXPLAIN"


def _check(is_async: bool, observer: Any, header: str | None, *, scopes: str = "", **more: Any) -> Any:
    """Check a request as an adapter does and return the result."""
    settings = options(observer=observer)
    client = AsyncBackendClient(settings) if is_async else BackendClient(settings)
    requirements = Requirements.of(scopes or ())
    request = {"method": "GET", "url": "/orders", **more}
    check = Guard(client).check(object(), [header] if header else [], requirements, **request)
    try:
        return asyncio.run(run_check_async(check)) if is_async else run_check(check)
    except Refused as refused:
        return refused


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_guard_emits_an_event_per_request(is_async: bool) -> None:
    """There is one event per accepted or refused request, and none for an anonymous one."""
    told: list[Event] = []
    assert isinstance(_check(is_async, _of_requests(told), f"Bearer {GOOD}"), AccessTokenClaims)
    assert isinstance(_check(is_async, _of_requests(told), None), Refused)
    assert _check(is_async, _of_requests(told), None, optional=True) is None
    assert told == [ACCEPTED, NO_TOKEN]


def test_the_guard_emits_an_event_for_claims_checked_again() -> None:
    """A refusal by a second dependency is an event too."""
    told: list[Event] = []
    with BackendClient(options(observer=_of_requests(told))) as client:
        claims = client.validate_access_token(GOOD)
        with pytest.raises(Refused):
            Guard(client).check_again(claims, Requirements.of("admin"), method="GET", url="/")
    (_, refusal) = told
    assert isinstance(refusal, RequestRefused)
    assert (refusal.reason, refusal.status) == ("insufficient_scope", 403)


def _raising(_event: Event) -> None:
    raise RuntimeError("canary")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_observer_that_raises_changes_nothing(is_async: bool) -> None:
    """Neither accepted nor refused requests are affected."""
    assert isinstance(_check(is_async, _raising, f"Bearer {GOOD}"), AccessTokenClaims)
    assert isinstance(_check(is_async, _raising, "Bearer x"), Refused)


def test_an_observer_that_blocks_holds_only_its_own_request() -> None:
    """No lock is held while an observer runs: other threads of the same client go on."""
    entered, release = threading.Event(), threading.Event()
    results: list[Any] = []

    def block(_event: Event) -> None:
        if threading.current_thread() is blocked:
            entered.set()
            assert release.wait(60)

    with BackendClient(options(observer=block)) as client:
        blocked = threading.Thread(target=lambda: results.append(client.validate_access_token(GOOD)))
        blocked.start()
        assert entered.wait(60)
        assert client.validate_access_token(GOOD).subject == SUBJECT
        assert results == []
        release.set()
        blocked.join()
    assert [claims.subject for claims in results] == [SUBJECT]


def test_an_observer_runs_on_the_event_loop() -> None:
    """So one that blocks holds all requests of the loop up, as the documentation says."""
    threads: set[threading.Thread] = set()
    observe = _check(True, lambda _event: threads.add(threading.current_thread()), f"Bearer {GOOD}")
    assert isinstance(observe, AccessTokenClaims)
    assert threads == {threading.current_thread()}


CALLS: dict[str, Callable[[Any, str], Any]] = {
    "validate_access_token": lambda client, token: client.validate_access_token(token),
    "validate_jwt_access_token": lambda client, token: client.validate_jwt_access_token(token),
    "validate_authorization": lambda client, token: client.validate_authorization(f"Bearer {token}"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_direct_call_emits_an_event(call: Callable[[Any, str], Any], is_async: bool) -> None:
    """Tokens have events with no request."""
    told: list[Event] = []
    settings = options(observer=_of_requests(told))
    client: Any = AsyncBackendClient(settings) if is_async else BackendClient(settings)

    def outcome(token: str) -> Any:
        answer = call(client, token)
        return asyncio.run(answer) if is_async else answer

    assert outcome(GOOD)["sub"] == SUBJECT
    with pytest.raises(MonoCloudError):
        outcome(f"{GOOD[:-4]}AAAA")
    accepted, refused = told
    assert accepted == TokenAccepted(issuer=repr(ISSUER), subject_digest=subject_digest(SUBJECT))
    assert isinstance(refused, RequestRefused)
    assert (refused.path, refused.status, refused.reason) == ("", 401, "bad_signature")


@pytest.mark.parametrize("observed", [True, False])
def test_a_header_without_a_token_is_a_refusal_too(observed: bool) -> None:
    """A header without a token is a refused event too."""
    told: list[Event] = []
    with (
        BackendClient(options(observer=_of_requests(told) if observed else None)) as client,
        pytest.raises(CredentialsError),
    ):
        client.validate_authorization(None)
    assert [event.reason for event in told if isinstance(event, RequestRefused)] == ["no_token"] * observed


@pytest.mark.parametrize("wrong", ["x", object(), [print]])
def test_an_invalid_observer_is_refused(wrong: Any) -> None:
    """The error is raised when the client is created."""
    with pytest.raises(ConfigurationError, match="observer: must be a function of one event, or an Observer"):
        BackendClient(options(observer=wrong))


class _AsyncMethod:
    async def token_accepted(self, event: TokenAccepted) -> None: ...


class _AsyncCallable:
    async def __call__(self, event: Event) -> None: ...


async def _async_function(event: Event) -> None: ...


@pytest.mark.parametrize("wrong", [_AsyncMethod(), _AsyncCallable(), _async_function])
def test_an_asynchronous_observer_is_refused(wrong: Any) -> None:
    """An async method would never be awaited."""
    with pytest.raises(ConfigurationError, match="observer: must not be asynchronous"):
        BackendClient(options(observer=wrong))


def test_a_subject_that_is_not_text_has_no_digest() -> None:
    """A subject with an unpaired surrogate has a digest, since claims may contain one."""
    assert (subject_digest(None), subject_digest(5)) == (None, None)
    assert len(subject_digest("\ud800") or "") == 16


@pytest.mark.parametrize("token", [f"Bearer {GOOD}", "bearer opaque"], ids=["JWT", "opaque"])
def test_a_scheme_inside_the_token_is_recognised(token: str) -> None:
    """It is recognised when a resolver passes the whole header, or the header has the scheme twice."""
    told: list[Any] = []
    _check(False, _of_requests(told), f"Bearer {token}")
    with BackendClient(options(observer=_of_requests(told))) as client, pytest.raises(TokenError):
        client.validate_jwt_access_token(token)
    assert [event.hint for event in told] == [
        'the token itself begins with "Bearer "; send the scheme once',
        'the token begins with "Bearer "; pass it without its scheme',
    ]


def test_a_scheme_inside_an_introspected_token_is_recognised() -> None:
    """Introspection would find such a token inactive."""
    settings = options(
        client_id="api",
        client_secret="secret",
        metadata_resolver=lambda: {"issuer": ISSUER, "introspection_endpoint": f"{ISSUER}/introspect"},
        fetcher=lambda request: HttpResponse(status=200, body=b'{"active":false}'),
    )
    with BackendClient(settings) as client, pytest.raises(TokenError) as caught:
        client.validate_access_token("Bearer opaque")
    assert caught.value.hint == 'the token begins with "Bearer "; pass it without its scheme'


def test_a_refusal_names_the_subject_where_the_token_is_proven() -> None:
    """`on_error` and handlers get the subject; an observer gets a digest."""
    told: list[Any] = []
    settings = options(observer=_of_requests(told), audience="other")
    with BackendClient(settings) as client, pytest.raises(TokenError) as caught:
        client.validate_access_token(GOOD)
    assert caught.value.subject == SUBJECT
    assert told[0].subject_digest == subject_digest(SUBJECT)


FORGED = "\r\nERROR forged \x1b[2J\x00\u2028\u202e\ud800" + "z" * 3000
HOSTILE: dict[str, dict[str, Any]] = {
    "issuer": {"claims": {"iss": FORGED}},
    "audience": {"claims": {"aud": FORGED}},
    "audiences": {"claims": {"aud": [FORGED] * 3}},
    "scopes": {"claims": {"scope": FORGED}},
    "key id": {"header": {"kid": FORGED[:200]}},
    "type": {"header": {"typ": FORGED[:200]}},
    "algorithm": {"header": {"alg": FORGED[:200]}},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_text_from_outside_forges_no_log_line(
    hostile: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Each record is one short line of printable ASCII; so are its fields."""
    caplog.set_level(logging.DEBUG, "monocloud_mw")
    refused = _check(
        False, None, f"Bearer {token(ED, **hostile)}", scopes="admin", method=FORGED, url=f"/{FORGED}"
    )
    assert isinstance(refused, Refused)
    (record,) = caplog.records
    for text in (record.getMessage(), *(str(value) for value in vars(record).values())):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 2000


# -- Without an observer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("observed", [False, True])
def test_nothing_is_made_on_the_accepted_path_unless_somebody_listens(
    is_async: bool, observed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event, and no digest of the subject."""
    made: list[str] = []

    def note(claims: Any, *_: Any) -> TokenAccepted:
        made.append("event")
        return ACCEPTED

    for module in ("guard", "observed"):
        monkeypatch.setattr(f"monocloud_mw.protect.{module}.describe_acceptance", note)
    monkeypatch.setattr("monocloud_mw.protect.logs.subject_digest", lambda _: made.append("digest"))
    observer = (lambda _: None) if observed else None
    assert isinstance(_check(is_async, observer, f"Bearer {GOOD}"), AccessTokenClaims)
    with BackendClient(options(observer=observer)) as client:
        client.validate_access_token(GOOD)
    assert made == ["event", "event"] * observed


# -- All of them, from the clients to the page -----------------------------------------------------------


class _FailingCache:
    def get(self, key: str) -> Any:
        raise OSError

    def set(self, key: str, claims: Any, expires_at: float) -> None:
        raise OSError

    def delete(self, key: str) -> None:
        raise OSError


@pytest.mark.parametrize("kind", [BackendClient, AsyncBackendClient])
def test_both_clients_tell_of_everything(kind: Any) -> None:
    """Keys that come, go and fail, introspection, its circuit, and a cache that fails."""
    told: list[str] = []
    documents: dict[str, Any] = {
        "/.well-known/openid-configuration": {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/jwks",
            "introspection_endpoint": f"{ISSUER}/ask",
        },
        "/jwks": {"keys": [*JWKS["keys"], {"kty": "new"}]},
        "/ask": {"active": False},
    }

    def fetch(request: HttpRequest) -> HttpResponse:
        document = documents[request.url.removeprefix(ISSUER)]
        if document is None:
            raise HttpError("no answer")
        return HttpResponse(status=200, body=json.dumps(document).encode())

    settings = {
        "metadata_resolver": None,
        "jwks_resolver": None,
        "fetcher": fetch,
        "cache": _FailingCache(),
        "client_id": "api",
        "client_secret": "secret",
        "refresh_cooldown": 0,
        "jwks_cache_duration": 0,
    }

    async def go() -> None:
        client = kind(options(observer=lambda event: told.append(type(event).__name__), **settings))

        async def validate(token: str) -> None:
            with suppress(MonoCloudError):
                answer = client.validate_access_token(token)
                await answer if kind is AsyncBackendClient else None

        await validate(GOOD)
        documents["/jwks"] = None
        await validate(GOOD)
        await validate("opaque")
        documents["/ask"] = None
        for number in range(4):
            await validate(f"opaque-{number}")
        documents["/ask"] = {"active": False}
        await validate("opaque-again")
        await client.aclose() if kind is AsyncBackendClient else client.close()

    asyncio.run(go())
    assert set(told) == {kind.__name__ for kind in get_args(Event)}


def test_the_page_has_every_event_with_its_fields() -> None:
    """And no other."""
    page = (ROOT / "docs/how-to/observability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]\w+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    assert {name: re.findall(r"`(\w+)`", fields) for name, fields in rows} == {
        kind.__name__: [field.name for field in attrs.fields(kind)] for kind in get_args(Event)
    }


# -- Explain mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_explain_mode_writes_to_the_terminal(
    is_async: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints the reason with the expected and found values, after a warning, without configured
    logging.
    """
    monkeypatch.setenv(ENVIRONMENT, "1")
    told: list[Event] = []
    assert isinstance(_check(is_async, _of_requests(told), f"Bearer {GOOD}", scopes="admin"), Refused)
    warning, *lines = capsys.readouterr().err.splitlines()
    assert "FOR DEVELOPMENT ONLY" in warning
    assert lines[0] == (
        "monocloud_mw: 'GET' '/orders' -> 403 [insufficient_scope] The access token lacks a required scope"
    )
    assert f"    see: {docs_address('insufficient_scope')}" in lines
    assert len(told) == 1
    assert GOOD[:20] not in "".join(lines)


def test_explain_mode_of_a_client_that_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output names no request."""
    monkeypatch.setenv(ENVIRONMENT, "on")
    with BackendClient(options()) as client, pytest.raises(MonoCloudError):
        client.validate_access_token("a.b.c")
    assert "monocloud_mw: access token refused [malformed] " in capsys.readouterr().err


@pytest.mark.parametrize("value", [None, "", " ", "0", "off"])
def test_explain_mode_is_off_by_default(
    value: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is also off if the variable says so."""
    if value is not None:
        monkeypatch.setenv(ENVIRONMENT, value)
    with BackendClient(options()) as client:
        assert client.notify is None
    assert capsys.readouterr().err == ""


def test_a_misspelt_switch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is refused like others."""
    monkeypatch.setenv(ENVIRONMENT, "yse")
    with pytest.raises(ConfigurationError, match=ENVIRONMENT):
        BackendClient(options())


def test_explain_mode_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without stderr, as under pythonw, nothing is printed and nothing fails."""
    monkeypatch.setenv(ENVIRONMENT, "1")
    monkeypatch.setattr("sys.stderr", None)
    assert isinstance(_check(False, None, "Bearer x"), Refused)
