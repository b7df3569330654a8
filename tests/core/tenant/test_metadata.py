"""The discovery document: only the tenant's own, and only safe endpoints."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Final

import pytest

from monocloud_mw.core.tenant.metadata import Metadata, metadata_source, parse_metadata
from monocloud_mw.errors import HttpError
from monocloud_mw.frozen import FrozenDict
from monocloud_mw.http import HttpResponse
from monocloud_mw.options import Options

from ..fake_driver import NOW, FakeDriver, json_response

TENANT: Final = "https://acme.us.monocloud.com"
URL: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = f"{TENANT}/jwks"
ADVICE: Final = "check tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN)"
MISTAKE: Final = f"correct it at the tenant '{TENANT}', or {ADVICE}"
DOCUMENT: Final[dict[str, Any]] = {"issuer": TENANT, "jwks_uri": JWKS_URI, "claims_supported": ["sub"]}


def options(**settings: Any) -> Options:
    """Return options for the tenant."""
    return Options(**{"tenant_domain": TENANT, "audience": "api", **settings})


def loaded(answer: Any, **settings: Any) -> tuple[Metadata, FakeDriver]:
    """Load the metadata from a tenant with the given response."""
    driver = FakeDriver({URL: answer})
    return driver.run(metadata_source(options(**settings)).current(NOW)), driver


def test_it_is_fetched_from_the_well_known_url() -> None:
    """One GET, with the response timeout (OpenID Connect Discovery 1.0 section 4.1)."""
    metadata, driver = loaded(json_response(json.dumps(DOCUMENT)), response_timeout=7)
    assert metadata.issuer == TENANT
    assert metadata.jwks_uri == JWKS_URI
    (request,) = driver.requests
    assert (request.method, request.url, request.timeout_seconds) == ("GET", URL, 7.0)
    assert not request.mutual_tls


def test_a_tenant_may_have_a_path() -> None:
    """The well-known path is appended to the tenant's path."""
    tenant = "http://localhost:5000/realms/one"
    url = f"{tenant}/.well-known/openid-configuration"
    driver = FakeDriver({url: json_response(json.dumps({"issuer": f"{tenant}/"}))})
    metadata = driver.run(metadata_source(options(tenant_domain=tenant)).current(NOW))
    assert (driver.urls, metadata.issuer) == ([url], f"{tenant}/")


@pytest.mark.parametrize("issuer", [TENANT, f"{TENANT}/"])
def test_the_issuer_is_the_tenant_up_to_one_slash(issuer: str) -> None:
    """The issuer is kept unchanged, since tokens have exactly that text."""
    assert parse_metadata({"issuer": issuer}, TENANT).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "https://evil.example",
        f"{TENANT}//",
        f"{TENANT}/x",
        f" {TENANT}",
        TENANT.upper(),
        TENANT.replace("https", "http"),
        "",
        None,
        5,
        True,
        [TENANT],
        {"issuer": TENANT},
    ],
)
def test_a_document_of_another_issuer_is_refused(issuer: Any) -> None:
    """Otherwise a single forged response could replace the tenant (RFC 8414 section 3.3)."""
    with pytest.raises(HttpError) as caught:
        loaded(json_response(json.dumps({**DOCUMENT, "issuer": issuer})))
    assert str(caught.value).startswith("the issuer of the discovery document is ")
    assert str(caught.value).endswith(f", not '{TENANT}'; {ADVICE}")
    assert (caught.value.status, caught.value.temporary) == (200, False)


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (HttpResponse(status=404), "answered with status 404"),
        (HttpResponse(status=410), "answered with status 410"),
        (HttpResponse(status=401), "answered with status 401"),
        *(
            (
                HttpResponse(status=status, headers={"Location": "https://acme.com\r\n"}),
                f"answered with status {status}, a redirect, which is not followed",
            )
            for status in (301, 302, 307, 308)
        ),
        (HttpResponse(status=302), "answered with status 302, a redirect, which is not followed"),
        (json_response("<html>"), "did not answer with a JSON object: it is HTML or XML"),
        (json_response("[]"), "did not answer with a JSON object: it is an array, not an object"),
    ],
    ids=["404", "410", "401", "301", "302", "307", "308", "redirect to nowhere", "HTML", "array"],
)
def test_a_wrong_address_is_a_configuration_error_before_the_first_success(
    response: HttpResponse, message: str
) -> None:
    """Before the first success the error says what to change; afterwards it is an outage."""
    driver = FakeDriver({URL: response})
    source = metadata_source(options(max_stale=0))
    with pytest.raises(HttpError) as caught:
        driver.run(source.current(driver.now))
    target = ": it redirects to 'https://acme.com\\r\\n'" if "location" in response.headers else ""
    assert str(caught.value) == f"'{URL}' {message}; {ADVICE}{target}"
    assert not caught.value.temporary

    driver.responses[URL] = json_response(json.dumps(DOCUMENT))
    good = driver.run(source.get(driver.now, reload=True))
    driver.responses[URL] = response
    with pytest.raises(HttpError) as caught:
        driver.run(source.get(driver.now, reload=True))
    assert str(caught.value) == f"'{URL}' {message}"
    assert caught.value.temporary
    assert driver.run(source.current(driver.now)) is good


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 204])
def test_other_statuses_are_an_outage_from_the_start(status: int) -> None:
    """These statuses say nothing about the URL."""
    with pytest.raises(HttpError) as caught:
        loaded(HttpResponse(status=status))
    assert str(caught.value) == f"'{URL}' answered with status {status}"
    assert caught.value.temporary


def test_a_document_needs_an_issuer() -> None:
    """A document without an issuer is refused."""
    with pytest.raises(HttpError, match="is 'None', not"):
        loaded(json_response("{}"))


def test_the_document_is_read_only() -> None:
    """It is shared by all requests and returned to the developer."""
    metadata = parse_metadata(MappingProxyType(DOCUMENT), TENANT)
    assert metadata.document == {**DOCUMENT, "claims_supported": ["sub"]}
    assert isinstance(metadata.document, FrozenDict)
    assert repr(metadata) == f"Metadata(issuer='{TENANT}')"


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/jwks",
        f"{TENANT}:8443/a//b/../jwks?x=%2f&y",
        "HTTPS://Acme.US.monocloud.com/JWKS/",
    ],
)
def test_an_endpoint_is_used_byte_for_byte(url: str) -> None:
    """A URL is used unchanged if it is legal and https; it may be on another host."""
    assert parse_metadata({"issuer": TENANT, "jwks_uri": url}, TENANT).jwks_uri == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "the discovery document has no jwks_uri"),
        (5, "the discovery document has no jwks_uri"),
        ([JWKS_URI], "the discovery document has no jwks_uri"),
        ("", "the jwks_uri of the discovery document must be an https:// URL"),
        ("/jwks", "the jwks_uri of the discovery document must be an https:// URL"),
        ("file:///etc/passwd", "the jwks_uri of the discovery document must be an https:// URL"),
        (
            "http://acme.us.monocloud.com/jwks",
            "the jwks_uri of the discovery document must be https:// "
            "(http:// only for localhost or a loopback address, in development)",
        ),
        ("http://127.0.0.1:6379/", "the jwks_uri of the discovery document must be https://"),
        ("https://u:p@acme.example/", "the jwks_uri of the discovery document must not contain user info"),
        ("https://acme.example/#x", "the jwks_uri of the discovery document must not have a fragment"),
        (
            f"{JWKS_URI}\r\nX: y",
            "the jwks_uri of the discovery document must be a URL without white space, control or other "
            "unsafe characters",
        ),
    ],
)
def test_an_unsafe_endpoint_is_refused(url: Any, message: str) -> None:
    """A tenant on the internet cannot direct requests to this machine either."""
    metadata = parse_metadata({"issuer": TENANT, "jwks_uri": url}, TENANT)
    with pytest.raises(HttpError) as caught:
        metadata.jwks_uri  # noqa: B018
    assert str(caught.value) == f"{message}; {MISTAKE}"
    assert (caught.value.status, caught.value.temporary) == (200, False)


def test_a_missing_endpoint_is_refused() -> None:
    """The error names the endpoint."""
    with pytest.raises(HttpError, match=r"^the discovery document has no introspection_endpoint; correct it"):
        parse_metadata({"issuer": TENANT}, TENANT).endpoint("introspection_endpoint")


def test_a_local_tenant_may_use_plain_http() -> None:
    """http is allowed on this machine only."""
    local = "http://127.0.0.1:5000"
    document = {"issuer": local, "jwks_uri": f"{local}/jwks", "x_endpoint": "http://acme.example"}
    metadata = parse_metadata(document, local)
    assert metadata.jwks_uri == f"{local}/jwks"
    with pytest.raises(HttpError, match="must be https://"):
        metadata.endpoint("x_endpoint")


def test_an_endpoint_may_stand_among_aliases() -> None:
    """``mtls_endpoint_aliases`` have URLs of their own (RFC 8705 section 5)."""
    metadata = parse_metadata({"issuer": TENANT, "x_endpoint": "https://a.example"}, TENANT)
    aliases = {"x_endpoint": "https://mtls.example"}
    assert metadata.endpoint("x_endpoint", aliases) == "https://mtls.example"
    with pytest.raises(HttpError, match="has no x_endpoint"):
        metadata.endpoint("x_endpoint", {})


# -- A resolver instead of a request ----------------------------------------------------------------------


@pytest.mark.parametrize("document", [DOCUMENT, MappingProxyType(DOCUMENT), FrozenDict(DOCUMENT)])
def test_a_resolver_replaces_the_request(document: Any) -> None:
    """Any mapping is accepted and checked like a fetched document."""
    metadata, driver = loaded(None, metadata_resolver=lambda: document)
    assert metadata.jwks_uri == JWKS_URI
    assert driver.requests == []


def test_a_resolver_cannot_bring_another_issuer() -> None:
    """The issuer must match the tenant domain."""
    with pytest.raises(HttpError, match=r"the issuer of the discovery document is 'https://evil.example'"):
        loaded(None, metadata_resolver=lambda: {"issuer": "https://evil.example"})


@pytest.mark.parametrize("document", [None, "{}", b"{}", [DOCUMENT], 5])
def test_a_resolver_returns_a_mapping(document: Any) -> None:
    """Any other result is an outage."""
    with pytest.raises(HttpError) as caught:
        loaded(None, metadata_resolver=lambda: document)
    assert str(caught.value) == f"the metadata_resolver returned {type(document).__name__}, not a mapping"
    assert caught.value.status is None


def test_a_resolver_returns_a_document_of_finite_depth() -> None:
    """Unlimited nesting is a documented error."""
    document: dict[str, Any] = dict(DOCUMENT)
    document["x"] = document
    with pytest.raises(HttpError, match=r"^the discovery document is nested too deeply$"):
        loaded(None, metadata_resolver=lambda: document)


def test_a_resolver_may_fail() -> None:
    """An error of the resolver is an outage."""

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(HttpError, match=r"^the metadata_resolver failed with RuntimeError$"):
        loaded(None, metadata_resolver=fail)


def test_the_durations_come_from_the_options() -> None:
    """They set the lifetime, the time in an outage and the time between failed attempts."""
    settings = options(metadata_cache_duration=10, max_stale=5, refresh_cooldown=3, jwks_cache_duration=999)
    source = metadata_source(settings)
    driver = FakeDriver({URL: json_response(json.dumps(DOCUMENT))})
    first = driver.run(source.current(driver.now))
    driver.responses.clear()
    driver.pass_time(7.999)
    assert source.fresh(driver.now) is first
    driver.pass_time(2.001)
    assert driver.run(source.current(driver.now)) is first
    driver.pass_time(4.999)
    assert driver.run(source.current(driver.now)) is first
    assert len(driver.requests) == 2
    driver.run_background()
    assert len(driver.requests) == 3
    driver.pass_time(0.001)
    with pytest.raises(HttpError, match="nothing answers there"):
        driver.run(source.current(driver.now))
    assert len(driver.requests) == 3
