"""No part of a token, secret, claim or certificate is exposed, whatever goes wrong.

Errors are searched with messages, reprs, arguments, attributes, causes and contexts, also those that
``raise ... from None`` hides, since error trackers show them. Local variables of frames are not searched. The
key ID, algorithm and type of a token, and the issuer of a genuine one, may be in the log.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hmac
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    BackendClient,
    ConfigurationError,
    HttpRequest,
    HttpResponse,
    MonoCloudError,
    Options,
    Presented,
    TokenError,
)
from monocloud_mw.core.effects import CacheSet, Failure, Fetch
from monocloud_mw.core.token import sender_constraint as certificate_binding
from monocloud_mw.drivers.observer import notifier
from monocloud_mw.errors import Reason
from monocloud_mw.events import Event, RequestRefused, TokenAccepted
from monocloud_mw.frozen import freeze
from monocloud_mw.jose import KeySet, SigningKey, parse_header, verify_compact
from monocloud_mw.protect.guard import Guard, Refused, run_check
from monocloud_mw.stores import MemoryCache, entry
from monocloud_mw.stores.entry import EntryError, EntryFormat
from monocloud_mw.stores.redis import AsyncRedisCache, RedisCache
from monocloud_mw.telemetry import TelemetryObserver
from monocloud_mw.testing import LocalTenant
from monocloud_mw.testing._tenant.endpoints import EndpointName
from monocloud_mw.testing.faults import FAULTS
from monocloud_mw.transports.requests import RequestsTransport

from ..core.certificates import make_certificate, pem_of, thumbprint_of
from ..noted import noted
from .api import NEEDED, Api
from .attack import (
    AUDIENCE,
    CLAIMS,
    ED,
    GOOD,
    ISSUER,
    JWKS,
    SUBJECT,
    Attack,
    encode,
    options,
    token,
)
from .exposure import pieces_of, seen_in, shown_by, shown_in_log
from .table import each_family

SECRET: Final = "client-secret-3b6c1f0e5a7d4982"
OPAQUE: Final = "opaque-token-c81e728d9d4c2f636f06"
MINE: Final = make_certificate("somebody-with-a-name")
KEY: Final = SigningKey.generate("ES256", "client")
KEY_PEM: Final = KEY.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
LOCKED_PEM: Final = KEY.key.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password-5c1d9a77")
).decode()
D: Final = encode(KEY.key.private_numbers().private_value.to_bytes(32, "big"))
JWK: Final[dict[str, Any]] = {**KEY.public_jwk(), "d": D}
SEALED: Final = EntryFormat(SECRET * 2)
BOUND: Final = freeze({"cnf": {"x5t#S256": thumbprint_of(MINE)}})
OCT: Final[dict[str, Any]] = {"kty": "oct", "k": encode(SECRET)}


# -- Invalid tokens and certificates ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (MINE[:-1], Reason.CERTIFICATE_MALFORMED),
        (pem_of(MINE).replace("M", "\u00e9"), Reason.CERTIFICATE_MALFORMED),
        (pem_of(MINE).replace("M", "\u00e9").encode(), Reason.CERTIFICATE_MALFORMED),
        (base64.b64encode(MINE).decode()[:-3], Reason.CERTIFICATE_MALFORMED),
        (make_certificate("another"), Reason.CERTIFICATE_MISMATCH),
        ("", Reason.CERTIFICATE_MISSING),
    ],
)
def test_a_certificate_is_not_exposed(certificate: str | bytes, reason: Reason) -> None:
    """Neither the caller's certificate, valid or not, nor the thumbprint in the token is exposed."""
    bound = token(ED, claims={"cnf": {"x5t#S256": thumbprint_of(MINE)}})
    with BackendClient(options()) as client, pytest.raises(TokenError) as caught:
        client.authenticate(Presented(bound, client_certificate=certificate), NEEDED)
    assert caught.value.reason is reason
    text = certificate if isinstance(certificate, str) else certificate.decode("latin-1")
    pieces = pieces_of(pem_of(MINE), MINE, repr(MINE), thumbprint_of(MINE), bound, text)
    assert seen_in(shown_by(caught.value), pieces) == []


SETTINGS: Final[tuple[dict[str, Any], ...]] = (
    {"validate_certificate_binding": "required"},
    {"algorithms": ["ES256"]},
    {"audience": "other"},
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_valid_token_is_not_exposed(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A valid token that the options refuse is not exposed either."""
    caplog.set_level(logging.DEBUG)
    api = Api(options(**settings))
    shown = [shown_by(error) for error in api.outcomes(GOOD) if isinstance(error, MonoCloudError)]
    shown += [repr(answer) for answer in api.answers(b"Bearer " + GOOD.encode())]
    api.close()
    assert len(shown) == 5
    assert (
        seen_in("\n".join([*shown, shown_in_log(caplog.records)]), pieces_of(*GOOD.split("."), SUBJECT)) == []
    )


# -- Faults of the tenant ---------------------------------------------------------------------------------

# The endpoint with the fault, and whether a JWT or an opaque token uses it.
ENDPOINTS: Final[tuple[tuple[EndpointName, bool], ...]] = (
    ("discovery", True),
    ("jwks", True),
    ("introspection", False),
)
WAYS: Final[dict[str, Any]] = {
    "client_secret_basic": SECRET,
    "client_secret_post": SECRET,
    "client_secret_jwt": SECRET,
    "private_key_jwt": JWK,
    "spiffe_jwt": GOOD,
}


@pytest.fixture(scope="module")
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant that can have any fault."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.mark.parametrize(("endpoint", "is_jwt"), ENDPOINTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_tenant_exposes_nothing(
    fault: str, endpoint: EndpointName, is_jwt: bool, tenant: LocalTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """With any fault at any endpoint, no token, secret or claim is in an error, a log or a response."""
    caplog.set_level(logging.DEBUG)
    settings = Options(**tenant.settings(), client_id="api", client_secret=SECRET, response_timeout=0.2)
    text = tenant.mint(subject=SUBJECT, scopes="api", groups=["staff"]) if is_jwt else OPAQUE
    api = Api(settings)
    with tenant.failing(FAULTS[fault](), endpoint=endpoint):
        outcomes, answers = api.outcomes(text), api.answers(f"Bearer {text}".encode())
    api.close()
    shown = [shown_by(error) for error in outcomes if isinstance(error, MonoCloudError)]
    shown += [repr(answers), _without_the_web(caplog.records)]
    assert seen_in("\n".join(shown), pieces_of(*text.split("."), SUBJECT, SECRET)) == []


def _without_the_web(records: list[logging.LogRecord]) -> str:
    """Return the log without the records of the test's servers and event loop."""
    return shown_in_log(record for record in records if record.name not in ("werkzeug", "asyncio"))


@pytest.mark.parametrize("method", WAYS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_client_authentication_exposes_nothing(
    method: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A tenant that refuses the client, or returns another client's claims, puts no secret into an error."""
    caplog.set_level(logging.DEBUG)
    requests: list[HttpRequest] = []

    def refuse(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        answer = (
            {"active": True, **CLAIMS, "iss": "https://evil.example"} if status == 200 else {"error": "no"}
        )
        return HttpResponse(status=status, body=json.dumps(answer).encode())

    api = Api(_introspecting(fetcher=refuse, client_auth_method=method, client_secret=WAYS[method]))
    shown = [shown_by(error) for error in api.outcomes(OPAQUE) if isinstance(error, MonoCloudError)]
    shown += [repr(answer) for answer in api.answers(b"Bearer " + OPAQUE.encode())]
    api.close()
    assert len(shown) == 5
    sent = [str(request.headers.get("authorization", "")) for request in requests]
    sent += [(request.body or b"").decode().partition("client_assertion=")[2] for request in requests]
    pieces = pieces_of(SECRET, D, OPAQUE, SUBJECT, *GOOD.split("."), *filter(None, sent))
    assert requests
    assert seen_in("\n".join([*shown, repr(requests), shown_in_log(caplog.records)]), pieces) == []


def _introspecting(**settings: Any) -> Options:
    """Return options of an API that introspects, with a fetcher in place of the tenant."""
    metadata = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", "introspection_endpoint": f"{ISSUER}/ask"}
    defaults = {"client_id": "api", "client_secret": SECRET, "metadata_resolver": lambda: metadata}
    return options(**{**defaults, **settings})


# -- Custom code ------------------------------------------------------------------------------------------


def _raising(*_arguments: Any) -> Any:
    raise RuntimeError(f"it failed with {_arguments!r} {SECRET} {OPAQUE} {GOOD}")


class _Cache:
    """A claims cache that fails with all its data in the message, or returns an invalid entry."""

    def __init__(self, found: Any = _raising) -> None:
        self._found = found

    def get(self, key: str) -> Any:
        return _raising(key) if self._found is _raising else self._found

    def set(self, key: str, claims: Mapping[str, Any], expires_at: float) -> None:
        _raising(key, claims, expires_at)

    def delete(self, key: str) -> None:
        _raising(key)


def _response(body: Any, status: int = 200) -> Callable[[Any], HttpResponse]:
    return lambda _request: HttpResponse(
        status=status, body=body if isinstance(body, bytes) else body.encode()
    )


ACTIVE: Final = json.dumps({"active": True, **CLAIMS})
OTHERS_CODE: Final[dict[str, dict[str, Any]]] = {
    "a fetcher that raises": {"fetcher": _raising},
    "a fetcher that returns text": {"fetcher": lambda request: f"{SECRET} {request.body}"},
    "a fetcher that returns the request": {"fetcher": lambda request: request},
    "a response that is not JSON": {"fetcher": _response(f"{ACTIVE} {SECRET}")},
    "a response that is not UTF-8": {"fetcher": _response(ACTIVE.encode() + b"\xff" + SECRET.encode())},
    "an answer with a name twice": {"fetcher": _response(ACTIVE[:-1] + f',"sub":"{SUBJECT}"}}')},
    "an answer of another type": {"fetcher": _response(json.dumps([SUBJECT, SECRET]))},
    "an answer that does not say": {"fetcher": _response(json.dumps({**CLAIMS, "active": SUBJECT}))},
    "an error of another type": {"fetcher": _response(json.dumps({"error": [SUBJECT, SECRET]}), 400)},
    "an answer beyond the bound": {"fetcher": _response(ACTIVE + " " * 1_100_000)},
    "a wrong issuer": {"fetcher": _response(ACTIVE.replace(ISSUER, "https://evil.example"))},
    "a wrong audience": {"fetcher": _response(ACTIVE.replace(AUDIENCE, "https://other.example"))},
    "a subject of another type": {
        "fetcher": _response(json.dumps({"active": True, **CLAIMS, "sub": [SUBJECT]}))
    },
    "a binding of another type": {
        "fetcher": _response(json.dumps({"active": True, **CLAIMS, "cnf": SUBJECT}))
    },
    "a missing scope": {"fetcher": _response(json.dumps({"active": True, **CLAIMS, "scope": "other"}))},
    "a missing group": {"fetcher": _response(json.dumps({"active": True, **CLAIMS, "groups": ["staff"]}))},
    "a date of another type": {"fetcher": _response(json.dumps({"active": True, **CLAIMS, "exp": SUBJECT}))},
    "a cache that raises": {"fetcher": _response(ACTIVE), "cache": _Cache()},
    "a cache of other things": {"fetcher": _raising, "cache": _Cache({"active": SUBJECT, "sub": SECRET})},
    "a cache of text": {"fetcher": _raising, "cache": _Cache(f"{SUBJECT} {SECRET}")},
    "metadata that cannot be had": {"metadata_resolver": _raising},
    "metadata of another tenant": {
        "metadata_resolver": lambda: {"issuer": "https://evil.example", "x": SECRET}
    },
    "metadata that are text": {"metadata_resolver": lambda: f"{SECRET}"},
    "an endpoint with a password": {
        "metadata_resolver": lambda: {
            "issuer": ISSUER,
            "introspection_endpoint": f"https://x:{SECRET}@h.example",
        }
    },
    "an endpoint with a broken port": {
        "metadata_resolver": lambda: {"issuer": ISSUER, "introspection_endpoint": f"https://h:{SECRET}/ask"}
    },
    "keys that cannot be had": {"jwks_resolver": _raising},
    "keys that are private": {"jwks_resolver": lambda: {"keys": [JWK, OCT]}},
    "keys that are broken": {
        "jwks_resolver": lambda: {"keys": [{**KEY.public_jwk(), "x": SECRET, "n": SECRET}]}
    },
    "keys that are text": {"jwks_resolver": lambda: f"{SECRET}"},
    "an identity that cannot be had": {"client_auth_method": "spiffe_jwt", "client_secret": _raising},
    "an identity that is none": {"client_auth_method": "spiffe_jwt", "client_secret": lambda: [SECRET]},
}


@pytest.mark.parametrize("settings", OTHERS_CODE.values(), ids=OTHERS_CODE)
def test_custom_code_exposes_nothing(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Fetchers, resolvers and caches that fail with all their data in the message."""
    caplog.set_level(logging.DEBUG)
    api = Api(_introspecting(**settings))
    shown: list[str] = []
    for text in (OPAQUE, GOOD):
        shown += [shown_by(error) for error in api.outcomes(text) if isinstance(error, MonoCloudError)]
        shown += [repr(answer) for answer in api.answers(f"Bearer {text}".encode())]
    api.close()
    pieces = pieces_of(SECRET, D, OPAQUE, SUBJECT, *GOOD.split("."))
    assert seen_in("\n".join([*shown, shown_in_log(caplog.records)]), pieces) == []


@pytest.fixture(scope="module")
def observed() -> Iterator[tuple[BackendClient, list[Event], InMemoryMetricReader]]:
    """Return a client in explain mode, the list of its events, and the reader of its metrics."""
    reader, events = InMemoryMetricReader(), list[Event]()
    observer = notifier(TelemetryObserver(MeterProvider([reader])), events.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONOCLOUD_BACKEND_EXPLAIN", "1")
        with BackendClient(options(observer=observer)) as client:
            yield client, events, reader


@each_family
def test_events_and_telemetry_expose_nothing(
    family: list[Attack],
    observed: tuple[BackendClient, list[Event], InMemoryMetricReader],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No event, explain output or telemetry contains the token."""
    for attack in family:
        with noted(attack.name):
            _check_observed(attack, *observed, capsys)


def _check_observed(
    attack: Attack,
    client: BackendClient,
    events: list[Event],
    reader: InMemoryMetricReader,
    capsys: pytest.CaptureFixture[str],
) -> None:
    events.clear()
    certificate = attack.certificate
    guard = Guard(client, token_resolver=lambda text: text, certificate_resolver=lambda _text: certificate)
    for text in (attack.token, attack.control):
        with suppress(Refused):
            run_check(guard.check(text, [], NEEDED, method="GET", url="/orders"))
    requests = [type(event) for event in events if isinstance(event, (RequestRefused, TokenAccepted))]
    assert len(requests) == 2
    explained = capsys.readouterr().err
    assert attack.reason in explained or attack.token.strip() == attack.control  # as resolvers' results are
    shown = f"{events!r} {explained} {reader.get_metrics_data()!r}"
    assert seen_in(shown, pieces_of(*attack.token.split("."), *attack.control.split("."), SUBJECT)) == []


# -- Passwords in the addresses of proxies and Redis ------------------------------------------------------

PROXIES: Final = {
    "away": f"http://user:{SECRET}@127.0.0.1:1",
    "encoded": f"http://{SECRET}%40:{SECRET}@127.0.0.1:1",
    "broken": f"http://user:{SECRET}@[broken",
    "a wrong port": f"http://user:{SECRET}@127.0.0.1:{SECRET}",
    "SOCKS": f"socks5://user:{SECRET}@127.0.0.1:1",
    "no scheme": f"user:{SECRET}@127.0.0.1:1",
    "Redis": "",
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_passwords_of_proxies_and_of_redis_are_not_exposed(
    proxy: str,
    is_async: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No error, log record, event, telemetry and output of explain mode contains the password."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MONOCLOUD_BACKEND_EXPLAIN", "1")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    reader, told = InMemoryMetricReader(), list[Event]()
    url = f"redis://user:{SECRET}@127.0.0.1:1"
    settings = _introspecting(
        cache=(AsyncRedisCache if is_async else RedisCache).from_url(url),
        observer=notifier(TelemetryObserver(MeterProvider([reader])), told.append),
        response_timeout=1,
        **({} if proxy else {"fetcher": _response(ACTIVE)}),
    )

    async def ask(client: Any) -> Any:
        answer = client.validate_access_token(OPAQUE)
        return await answer if is_async else answer

    async def go() -> str:
        client: Any = AsyncBackendClient(settings) if is_async else BackendClient(settings)
        try:
            return repr(await ask(client))
        except MonoCloudError as error:
            return shown_by(error)
        finally:
            await client.aclose() if is_async else client.close()

    shown = asyncio.run(go())
    data = reader.get_metrics_data()
    shown += (
        f"{told!r} {capsys.readouterr()} {data.to_json() if data else None} {shown_in_log(caplog.records)}"
    )
    assert told
    assert seen_in(shown, pieces_of(SECRET, base64.b64encode(f"user:{SECRET}".encode()))) == []


# -- Configuration errors ---------------------------------------------------------------------------------

HALF: Final = f"\ud800{SECRET}"
PRIVATE: Final = {"client_auth_method": "private_key_jwt"}
SHARED: Final = {"client_auth_method": "client_secret_jwt"}
MISTAKES: Final[dict[str, dict[str, Any]]] = {
    "no client_id": {"client_id": None, "client_secret": SECRET},
    "a secret of another type": {"client_secret": [SECRET]},
    "a secret that is not Unicode": {"client_secret": HALF},
    "a secret that is not Unicode, signing": {"client_secret": HALF, **SHARED},
    "text as a private key": {"client_secret": SECRET, **PRIVATE},
    "a JWK as text": {"client_secret": JWK},
    "a private JWK as a secret": {"client_secret": JWK, **SHARED},
    "a PEM key as a secret": {"client_secret": KEY_PEM, **SHARED},
    "an oct JWK as a private key": {"client_secret": OCT, **PRIVATE},
    "a JWK whose parts do not fit": {"client_secret": {**JWK, "x": JWK["y"]}, **PRIVATE},
    "a JWK in a broken encoding": {"client_secret": {**JWK, "d": f"{D}="}, **PRIVATE},
    "a JWK of another kind": {"client_secret": {**JWK, "kty": SECRET[:4]}, **PRIVATE},
    "a JWK with a secret of a wrong type": {"client_secret": {**OCT, "k": [SECRET]}, **SHARED},
    "a JWK in broken JSON": {"client_secret": json.dumps(JWK)[:-1], **PRIVATE},
    "a JWK in no UTF-8": {"client_secret": json.dumps(JWK)[:-1] + "\ud800}", **PRIVATE},
    "a broken PEM key": {"client_secret": KEY_PEM.replace("M", "", 1), **PRIVATE},
    "half a PEM key": {"client_secret": KEY_PEM[:120], **PRIVATE},
    "an encrypted PEM key": {"client_secret": LOCKED_PEM, **PRIVATE},
    "a PEM key for a path": {"mtls_certificate": (KEY_PEM, KEY_PEM)},
    "a password in the tenant domain": {"tenant_domain": f"https://user:{SECRET}@tenant.example.com"},
    "a password for a port": {"tenant_domain": f"https://tenant.example.com:{SECRET}"},
    "a password in brackets": {"tenant_domain": f"https://[{SECRET}]"},
}


@pytest.mark.parametrize("settings", MISTAKES.values(), ids=MISTAKES)
def test_a_configuration_error_exposes_nothing(settings: dict[str, Any]) -> None:
    """An invalid secret is refused without being quoted, as argument and as variable."""
    pieces = pieces_of(SECRET, D, OCT["k"], *KEY_PEM.splitlines()[1:-1], *LOCKED_PEM.splitlines()[1:-1])
    with pytest.raises(ConfigurationError) as caught:
        _introspecting(**settings)
    assert seen_in(shown_by(caught.value), pieces) == []
    variables = {
        f"MONOCLOUD_BACKEND_{name.upper()}": json.dumps(value) if isinstance(value, dict) else value
        for name, value in {"client_id": "api", **settings}.items()
        if isinstance(value, (str, dict))
    }
    variables = {"MONOCLOUD_BACKEND_TENANT_DOMAIN": ISSUER, **variables}
    assert seen_in(_shown_of(lambda: Options.from_environment(variables, audience=AUDIENCE)), pieces) == []


def _shown_of(make: Callable[[], Any]) -> str:
    try:
        return repr(make())
    except ConfigurationError as error:
        return shown_by(error)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EntryFormat(SECRET[:20]),
        lambda: RedisCache.from_url(f"http://user:{SECRET}@localhost"),
        lambda: RedisCache.from_url(f"redis://localhost:{SECRET}/0"),
        lambda: RedisCache.from_url(f"redis://user:{SECRET}@localhost/0?socket_timeout={SECRET}"),
        lambda: AsyncRedisCache.from_url(f"redis://localhost:{SECRET}/0"),
        lambda: AsyncRedisCache.from_url(f"rediss://user:{SECRET}@localhost", ca_bundle="nowhere"),
    ],
)
def test_a_cache_with_invalid_settings_exposes_nothing(make: Callable[[], Any]) -> None:
    """Neither the integrity key nor the URL's password is exposed."""
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert seen_in(shown_by(caught.value), pieces_of(SECRET, SECRET[:20])) == []


@pytest.mark.parametrize(
    "text",
    [SECRET, f"{{{SECRET}", f'{{"key":"k","expires_at":"{SECRET}","claims":{{}}}}', f'{{"key":"{SECRET}"}}'],
)
@pytest.mark.parametrize("form", [EntryFormat(), SEALED], ids=["plain", "sealed"])
def test_an_invalid_entry_exposes_nothing(text: str, form: EntryFormat) -> None:
    """The content of an invalid entry is not exposed."""
    for data in (text.encode(), text.encode() + b"\xff"):
        with pytest.raises(EntryError) as caught:
            form.parse("k", data)
        assert seen_in(shown_by(caught.value) + repr(form), pieces_of(SECRET)) == []


def test_an_unreadable_client_certificate_exposes_nothing(tmp_path: Path) -> None:
    """Neither the certificate nor its key is exposed."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(pem_of(MINE))
    for text in (KEY_PEM, KEY_PEM[:100], LOCKED_PEM):
        key.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            RequestsTransport(client_certificate=(str(certificate), str(key)))
        pieces = pieces_of(*KEY_PEM.splitlines()[1:-1], *LOCKED_PEM.splitlines()[1:-1])
        assert seen_in(shown_by(caught.value), pieces) == []


# -- Reprs ------------------------------------------------------------------------------------------------


def test_reprs_expose_nothing() -> None:
    """Values that may be logged or shown by a debugger have a repr and a text without contents."""
    settings = _introspecting(client_secret=SECRET, cache=MemoryCache())
    request = HttpRequest(
        url=ISSUER,
        headers={"authorization": SECRET},
        body=OPAQUE.encode(),
        timeout_seconds=1,
        max_body_bytes=1,
    )
    response = HttpResponse(status=200, headers={"set-cookie": SECRET}, body=ACTIVE.encode())
    values: list[Any] = [
        settings,
        *(_introspecting(client_secret=secret, client_auth_method=method) for method, secret in WAYS.items()),
        AccessTokenClaims(CLAIMS),
        Presented(GOOD, client_certificate=pem_of(MINE)),
        (request, response, Fetch(request), CacheSet("key", CLAIMS, 1.0)),
        Failure(TokenError(Reason.EXPIRED)),
        (KEY, SigningKey.from_secret(SECRET), KeySet.from_dict({"keys": [*JWKS["keys"], JWK]})),
        (parse_header(GOOD.partition(".")[0]), verify_compact(GOOD, KeySet.from_dict(JWKS))),
        RequestsTransport(),
        RedisCache.from_url(f"redis://user:{SECRET}@localhost"),
        AsyncRedisCache.from_url(f"redis://user:{SECRET}@localhost"),
    ]
    with BackendClient(settings) as client:
        async_client = AsyncBackendClient(settings)
        asyncio.run(async_client.aclose())
        values += [client, async_client, copy.copy(values[2])]
    pieces = pieces_of(SECRET, D, OPAQUE, SUBJECT, *GOOD.split("."), pem_of(MINE))
    assert {repr(value): seen_in(f"{value!r} {value}", pieces) for value in values} == {
        repr(value): [] for value in values
    }


def test_the_search_finds_hidden_causes() -> None:
    """The search finds hidden causes and contexts, so the tests above can fail."""
    for error in (
        RuntimeError(SECRET),
        _chained(lambda: (SECRET + "\u00e9").encode("ascii"), hide=True),
        _chained(lambda: json.loads(SECRET), hide=True),
        _chained(lambda: int(SECRET), hide=False),
    ):
        assert seen_in(shown_by(error), pieces_of(SECRET)) != []
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%.3s", (SECRET,), None)
    assert seen_in(shown_in_log([record]), pieces_of(SECRET)) != []


def _chained(fail: Callable[[], Any], *, hide: bool) -> BaseException:
    try:
        try:
            fail()
        except ValueError as error:
            if hide:
                raise RuntimeError("refused") from None
            raise RuntimeError("refused") from error
    except RuntimeError as error:
        return error
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("module", "compare"),
    [
        (certificate_binding, lambda: certificate_binding.check_confirmation(BOUND, MINE, "required")),
        (
            entry,
            lambda: EntryFormat(SECRET * 2).parse("k", EntryFormat(SECRET * 2).render("k", {}, 1) or b""),
        ),
    ],
    ids=["thumbprint", "authentication code"],
)
def test_secrets_are_compared_in_constant_time(
    module: Any, compare: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparisons use ``hmac.compare_digest``: if that returns False, equal values are refused."""
    compare()
    compared: list[tuple[bytes, bytes]] = []

    class AlwaysUnequal:
        digest = staticmethod(hmac.digest)

        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return False

    monkeypatch.setattr(module, "hmac", AlwaysUnequal)
    with pytest.raises((TokenError, EntryError)):
        compare()
    ((one, other),) = compared
    assert one == other
