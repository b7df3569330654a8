"""Both clients validate tokens of a certified OpenID provider, and refuse others.

Every test runs with :class:`~monocloud_mw.BackendClient` and with
:class:`~monocloud_mw.AsyncBackendClient`. ``test_oidc_provider`` verifies that the provider really checks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwk

from monocloud_mw import (
    AccessTokenClaims,
    AsyncBackendClient,
    BackendClient,
    ConfigurationError,
    HttpError,
    OAuthResponseError,
    Reason,
    TokenError,
)

from .oidc_provider.certificates import ClientCertificate
from .oidc_provider.clients import (
    AUTHENTICATIONS,
    CALLER,
    CERTIFICATE_BOUND_CALLER,
    Client,
    impersonate,
)
from .oidc_provider.dpop import sign_dpop_proof
from .oidc_provider.keys import ALGORITHMS, generate_key_set
from .oidc_provider.provider import AUDIENCE, OTHER_AUDIENCE, SCOPES, OidcProvider

pytestmark = pytest.mark.slow

KINDS_OF_TOKENS = ("opaque", "RS256")


class Api:
    """An API behind one of the two clients; what is a coroutine there runs to its end here."""

    def __init__(self, client: BackendClient | AsyncBackendClient, finish: Callable[[Any], Any]) -> None:
        self._client = client
        self._finish = finish

    def validate(self, token: str, **arguments: Any) -> AccessTokenClaims:
        claims = self._finish(self._client.validate_access_token(token, **arguments))
        assert isinstance(claims, AccessTokenClaims)
        return claims

    def refusal(self, token: str, **arguments: Any) -> Reason:
        """Return why a token is refused."""
        with pytest.raises(TokenError) as caught:
            self.validate(token, **arguments)
        assert token not in str(caught.value)
        return caught.value.reason


Connect = Callable[..., Api]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Return a function that sets an API up at a provider, on top of either client."""
    with asyncio.Runner() as runner:
        closers: list[Callable[[], Any]] = []

        def connect_to(provider: OidcProvider, client: Client | None = None, **settings: Any) -> Api:
            settings = {
                "tenant_domain": provider.issuer,
                "audience": AUDIENCE,
                "ca_bundle": provider.ca_bundle,
                **(client.settings if client else {}),
                **settings,
            }
            if request.param == "sync":
                threaded = BackendClient(**settings)
                closers.append(threaded.close)
                return Api(threaded, lambda result: result)
            looped = AsyncBackendClient(**settings)
            closers.append(lambda: runner.run(looped.aclose()))
            return Api(looped, runner.run)

        yield connect_to
        for close in closers:
            close()


@pytest.fixture
def api(connect: Connect, oidc_provider: OidcProvider) -> Api:
    """An API that asks the provider about every opaque token anew."""
    return connect(
        oidc_provider, oidc_provider.clients["client_secret_basic"], introspection_cache_duration=0
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jwt_is_accepted(connect: Connect, oidc_provider: OidcProvider, algorithm: str) -> None:
    """A JWT by any algorithm of the provider validates by its key set, with its claims intact."""
    claims = connect(oidc_provider).validate(oidc_provider.obtain(algorithm), scopes=SCOPES, groups="Zürich")
    assert claims.issuer == oidc_provider.issuer
    assert claims.audience == (AUDIENCE,)
    assert claims.client_id == CALLER
    assert claims.scopes == set(SCOPES)
    assert claims["groups"] == ["admins", {"id": "g-1", "name": "Zürich"}]


@pytest.mark.parametrize("name", AUTHENTICATIONS)
def test_opaque_token_is_introspected(connect: Connect, oidc_provider: OidcProvider, name: str) -> None:
    """The API authenticates in every way the provider knows, and learns of the token's claims."""
    api = connect(oidc_provider, oidc_provider.clients[name])
    claims = api.validate(oidc_provider.obtain(), scopes=SCOPES, groups="g-1")
    assert claims.issuer == oidc_provider.issuer
    assert claims.audience == (AUDIENCE,)
    assert claims.client_id == CALLER
    assert claims.subject is None
    assert claims.scopes == set(SCOPES)


@pytest.mark.parametrize("name", AUTHENTICATIONS)
def test_each_introspection_authenticates_afresh(
    connect: Connect, oidc_provider: OidcProvider, name: str
) -> None:
    """A second question, another token's, comes with credentials of its own: no assertion is used twice."""
    api = connect(oidc_provider, oidc_provider.clients[name], introspection_cache_duration=0)
    for _ in range(2):
        assert api.validate(oidc_provider.obtain()).client_id == CALLER


@pytest.mark.parametrize("name", AUTHENTICATIONS)
def test_wrong_credentials_are_the_tenants_refusal(
    connect: Connect, oidc_provider: OidcProvider, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A wrong secret, key or certificate is an error that says who asked whom and how, and no secret."""
    caplog.set_level(logging.DEBUG)
    impostor = impersonate(oidc_provider.clients[name], oidc_provider.authority)
    token = oidc_provider.obtain()
    with pytest.raises(OAuthResponseError) as caught:
        connect(oidc_provider, impostor).validate(token)
    assert (caught.value.status, caught.value.error) == (401, "invalid_client")
    base = oidc_provider.mtls if impostor.certificate else oidc_provider.issuer
    for needed in (f"{base}/introspection", impostor.client_id, impostor.method):
        assert needed in str(caught.value)
    secret = impostor.secret if isinstance(impostor.secret, str) else json.dumps(impostor.secret)
    for forbidden in (token, secret):
        assert forbidden not in f"{caught.value!r} {caplog.text}"


def test_unknown_client_is_the_tenants_refusal(connect: Connect, oidc_provider: OidcProvider) -> None:
    """A client id the provider has never heard of is refused like a wrong secret."""
    api = connect(oidc_provider, client_id="nobody", client_secret="secret")
    with pytest.raises(OAuthResponseError) as caught:
        api.validate(oidc_provider.obtain())
    assert (caught.value.status, caught.value.error) == (401, "invalid_client")


@pytest.mark.parametrize("form", ["JSON text", "PEM"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_private_key_as_text(
    connect: Connect, oidc_provider: OidcProvider, algorithm: str, form: str
) -> None:
    """The key of ``private_key_jwt`` may come as the text of a JWK or as PEM."""
    client = oidc_provider.clients[f"private_key_jwt {algorithm}"]
    assert not isinstance(client.secret, (str, type(None)))
    key = jwk.import_key(dict(client.secret))
    assert not isinstance(key, jwk.OctKey)
    secret = json.dumps(client.secret) if form == "JSON text" else key.as_pem(private=True).decode()
    api = connect(oidc_provider, client, client_secret=secret)
    assert api.validate(oidc_provider.obtain()).client_id == CALLER


def test_settings_from_the_environment(
    connect: Connect, oidc_provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables alone set an API up that authenticates by a private key."""
    client = oidc_provider.clients["private_key_jwt PS256"]
    variables = {
        "TENANT_DOMAIN": oidc_provider.issuer,
        "AUDIENCE": AUDIENCE,
        "CA_BUNDLE": oidc_provider.ca_bundle,
        "CLIENT_ID": client.client_id,
        "CLIENT_AUTH_METHOD": client.method,
        "CLIENT_SECRET": json.dumps(client.secret),
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"MONOCLOUD_BACKEND_{name}", value)
    api = connect(oidc_provider, tenant_domain=None, audience=None, ca_bundle=None)
    assert api.validate(oidc_provider.obtain()).client_id == CALLER


def test_assertion_audience_may_be_the_token_endpoint(connect: Connect, oidc_provider: OidcProvider) -> None:
    """``client_assertion_audience`` goes into the assertion: the provider takes its token endpoint, too."""
    client = oidc_provider.clients["private_key_jwt ES256"]
    api = connect(oidc_provider, client, client_assertion_audience=f"{oidc_provider.issuer}/token")
    assert api.validate(oidc_provider.obtain()).client_id == CALLER
    elsewhere = connect(oidc_provider, client, client_assertion_audience="https://elsewhere.example")
    with pytest.raises(OAuthResponseError):
        elsewhere.validate(oidc_provider.obtain())


def test_token_of_a_person_names_its_subject(api: Api, oidc_provider: OidcProvider) -> None:
    """The person who let the caller have the token is its subject, opaque or not."""
    for kind in KINDS_OF_TOKENS:
        assert api.validate(oidc_provider.sign_in("ann", kind).access_token).subject == "ann"


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_other_audience_is_refused(api: Api, oidc_provider: OidcProvider, kind: str) -> None:
    """A token for another API of the same provider is refused."""
    token = oidc_provider.obtain(kind, audience=OTHER_AUDIENCE)
    assert api.refusal(token) is Reason.WRONG_AUDIENCE


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_expired_token_is_refused(connect: Connect, oidc_provider: OidcProvider, kind: str) -> None:
    """A token past its ``exp`` is refused, even where the provider thinks it is still active."""
    later = time.time() + 3600
    api = connect(oidc_provider, oidc_provider.clients["client_secret_post"], clock=lambda: later)
    assert api.refusal(oidc_provider.obtain(kind)) is Reason.EXPIRED


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_missing_scope_and_group_are_refused(api: Api, oidc_provider: OidcProvider, kind: str) -> None:
    """The scopes and groups of the token decide, wherever its claims come from."""
    token = oidc_provider.obtain(kind, scopes=["orders:read"])
    assert api.validate(token, scopes="orders:read", groups=["admins"]).scopes == {"orders:read"}
    assert api.refusal(token, scopes=SCOPES) is Reason.INSUFFICIENT_SCOPE
    assert api.refusal(token, groups=["owners"]) is Reason.INSUFFICIENT_GROUPS


def test_algorithm_that_is_not_accepted_is_refused(connect: Connect, oidc_provider: OidcProvider) -> None:
    """An API may accept fewer algorithms than its provider has keys for."""
    api = connect(oidc_provider, algorithms=["ES256"])
    assert api.validate(oidc_provider.obtain("ES256")).client_id == CALLER
    assert api.refusal(oidc_provider.obtain("RS256")) is Reason.UNSUPPORTED_ALGORITHM


def test_revoked_token_is_inactive(api: Api, oidc_provider: OidcProvider) -> None:
    """A token that was good is refused once it is revoked."""
    token = oidc_provider.obtain()
    assert api.validate(token).client_id == CALLER
    oidc_provider.revoke(token)
    assert api.refusal(token) is Reason.INACTIVE


@pytest.mark.parametrize("token", ["unknown", "ünknøwn", "a.b", "a.b.c.d", "&token=x", "%41+ b", "x" * 4000])
def test_unknown_token_is_inactive(api: Api, token: str) -> None:
    """Whatever the provider does not know is inactive, however it is spelled."""
    assert api.refusal(token) is Reason.INACTIVE


def test_refresh_token_is_refused_by_its_audience(api: Api, oidc_provider: OidcProvider) -> None:
    """The provider calls a refresh token active; that it has no audience keeps it out."""
    assert api.refusal(oidc_provider.sign_in("ann").refresh_token) is Reason.WRONG_AUDIENCE


def test_id_token_is_refused_by_its_audience(api: Api, oidc_provider: OidcProvider) -> None:
    """An ID token of this provider has no ``typ`` and a good signature; its audience is the caller."""
    assert api.refusal(oidc_provider.sign_in("ann").id_token) is Reason.WRONG_AUDIENCE


def test_opaque_token_needs_a_client(connect: Connect, oidc_provider: OidcProvider) -> None:
    """Without a ``client_id`` an opaque token cannot be introspected; that is a mistake in the settings."""
    with pytest.raises(ConfigurationError, match="client_id"):
        connect(oidc_provider).validate(oidc_provider.obtain())


def test_jwt_that_the_provider_will_not_introspect(connect: Connect, oidc_provider: OidcProvider) -> None:
    """``introspect_jwt_tokens`` at a provider that refuses JWTs is an error, and never claims."""
    client = oidc_provider.clients["client_secret_post"]
    api = connect(oidc_provider, client, introspect_jwt_tokens=True)
    with pytest.raises(OAuthResponseError) as caught:
        api.validate(oidc_provider.obtain("ES256"))
    assert (caught.value.status, caught.value.error) == (400, "unsupported_token_type")


def _certificate(provider: OidcProvider) -> ClientCertificate:
    certificate = provider.clients[CERTIFICATE_BOUND_CALLER].certificate
    assert certificate
    return certificate


@pytest.mark.parametrize("mode", ["when_present", "required"])
@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_certificate_bound_token(connect: Connect, oidc_provider: OidcProvider, kind: str, mode: str) -> None:
    """A bound token (RFC 8705) passes with the certificate of its caller, in any form, and only with it."""
    client = oidc_provider.clients["client_secret_post"]
    api = connect(oidc_provider, client, validate_certificate_binding=mode)
    token = oidc_provider.obtain(kind, caller=CERTIFICATE_BOUND_CALLER)
    certificate = _certificate(oidc_provider)
    without_delimiters = "".join(certificate.pem.splitlines()[1:-1])
    for form in (certificate.pem, without_delimiters, certificate.der):
        claims = api.validate(token, client_certificate=form)
        assert claims["cnf"] == {"x5t#S256": certificate.thumbprint}
    other = oidc_provider.authority.issue_client("other")
    assert api.refusal(token) is Reason.CERTIFICATE_MISSING
    assert api.refusal(token, client_certificate=other.pem) is Reason.CERTIFICATE_MISMATCH
    assert api.refusal(token, client_certificate="nonsense") is Reason.CERTIFICATE_MALFORMED


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_unbound_token_where_binding_is_required(
    connect: Connect, oidc_provider: OidcProvider, kind: str
) -> None:
    """``required`` refuses a token that is bound to nothing, whatever certificate comes with it."""
    client = oidc_provider.clients["client_secret_post"]
    api = connect(oidc_provider, client, validate_certificate_binding="required")
    token = oidc_provider.obtain(kind)
    assert api.refusal(token, client_certificate=_certificate(oidc_provider).pem) is Reason.NOT_BOUND


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_binding_can_be_ignored(connect: Connect, oidc_provider: OidcProvider, kind: str) -> None:
    """``dangerously_ignore`` lets a bound token pass without its certificate."""
    client = oidc_provider.clients["client_secret_post"]
    api = connect(oidc_provider, client, validate_certificate_binding="dangerously_ignore")
    token = oidc_provider.obtain(kind, caller=CERTIFICATE_BOUND_CALLER)
    assert api.validate(token).client_id == CERTIFICATE_BOUND_CALLER


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_dpop_bound_token_is_no_bearer_token(api: Api, oidc_provider: OidcProvider, kind: str) -> None:
    """A token bound to a key by DPoP (RFC 9449) must not pass without a proof."""
    proof = sign_dpop_proof("POST", f"{oidc_provider.issuer}/token")
    assert api.refusal(oidc_provider.obtain(kind, headers={"DPoP": proof})) is Reason.DPOP_REQUIRED


def test_keys_are_rotated(connect: Connect, rotating_oidc_provider: OidcProvider) -> None:
    """A token of a new key is accepted at once, and one of a withdrawn key is refused."""
    api = connect(rotating_oidc_provider)
    first = rotating_oidc_provider.obtain("ES256")
    assert api.validate(first).client_id == CALLER
    rotating_oidc_provider.replace_keys(generate_key_set("second"))
    assert api.validate(rotating_oidc_provider.obtain("ES256")).client_id == CALLER
    assert api.refusal(first) is Reason.UNKNOWN_KEY


def test_replaced_key_of_the_same_id_is_a_bad_signature(
    connect: Connect, rotating_oidc_provider: OidcProvider
) -> None:
    """A token of another key with a known key ID is refused."""
    token = rotating_oidc_provider.obtain("RS256")
    rotating_oidc_provider.replace_keys(generate_key_set("first"))
    assert connect(rotating_oidc_provider).refusal(token) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("kind", KINDS_OF_TOKENS)
def test_untrusted_server_is_not_believed(connect: Connect, oidc_provider: OidcProvider, kind: str) -> None:
    """A server whose authority is not trusted counts as unreachable."""
    api = connect(oidc_provider, oidc_provider.clients["client_secret_post"], ca_bundle=None)
    with pytest.raises(HttpError) as caught:
        api.validate(oidc_provider.obtain(kind))
    assert caught.value.status is None
