"""The public interface of the local tenant."""

from __future__ import annotations

import doctest
import gc
import inspect
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
import requests

import monocloud_mw.testing
from monocloud_mw import BackendClient, OAuthResponseError, Reason, TokenError
from monocloud_mw.testing import LocalTenant, faults
from monocloud_mw.testing._tenant import tenant as tenant_module

METHODS = [
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "spiffe_jwt",
    "spiffe_x509",
]
ROOT = Path(__file__).parents[2]


def test_the_examples_in_docstrings_work() -> None:
    """The examples give the documented results."""
    results = doctest.testmod(tenant_module)
    assert (results.attempted, results.failed) == (2, 0)


def test_the_fixture_in_the_documentation_works(tmp_path: Path) -> None:
    """The package's example, with a small Flask API, is a passing test."""
    example = inspect.getdoc(monocloud_mw.testing) or ""
    fixture = example.partition("::\n")[2].partition("\nStart with :class:")[0]
    api = """
        from flask import Flask
        from monocloud_mw.adapters.flask import protect_api

        def create_app():
            app = Flask(__name__)
            protect = protect_api()

            @app.get("/orders")
            @protect(scopes=["orders:read"])
            def orders():
                return []

            return app
        """
    module = tmp_path / "test_orders.py"
    module.write_text(textwrap.dedent(fixture) + textwrap.dedent(api), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, module],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in [str(ROOT), *sys.path] if path)},
    )
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({"lifetime_seconds": -300}, Reason.EXPIRED),
        ({"starts_in_seconds": 300}, Reason.NOT_YET_VALID),
        ({"audience": "https://other.test"}, Reason.WRONG_AUDIENCE),
        ({"claims": {"iss": "https://other.test"}}, Reason.WRONG_ISSUER),
        ({"claims": {"exp": None}}, Reason.INVALID_CLAIM),
        ({"signed_by": "stranger"}, Reason.UNKNOWN_KEY),
        ({"signed_by": "impostor"}, Reason.BAD_SIGNATURE),
        ({"header": {"typ": "dpop+jwt"}}, Reason.WRONG_TYPE),
        ({"header": {"crit": ["b64"]}}, Reason.MALFORMED),
    ],
)
def test_tokens_are_wrong_on_request(tenant: LocalTenant, wishes: Any, reason: Reason) -> None:
    """Each parameter gives a token that is refused for exactly that reason."""
    with BackendClient(**tenant.settings()) as client, pytest.raises(TokenError) as refusal:
        client.validate_access_token(tenant.mint(**wishes))
    assert refusal.value.reason == reason


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_the_algorithms_from_the_start(algorithm: str, default_tenant: LocalTenant) -> None:
    """By default a tenant signs with these four algorithms."""
    with BackendClient(**default_tenant.settings()) as client:
        token = default_tenant.mint(algorithm=algorithm, scopes="orders:read")
        assert client.validate_access_token(token, scopes="orders:read").subject == "local-user"


@pytest.fixture(scope="module")
def default_tenant() -> Any:
    """Return a tenant without any arguments."""
    with LocalTenant() as tenant:
        yield tenant


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trust_store", [None, "partners"])
def test_a_client_authenticates_with_its_settings(
    tls_tenant: LocalTenant, method: str, trust_store: str | None
) -> None:
    """The result of ``register_client`` is all that a ``BackendClient`` needs, with each method."""
    if trust_store and "tls" not in method and method != "spiffe_x509":
        trust_store = None
    account = tls_tenant.register_client(f"api {method}", method, trust_store=trust_store)
    with BackendClient(**tls_tenant.settings(account)) as client:
        token = tls_tenant.mint_opaque(scopes="orders:read")
        assert client.validate_access_token(token, scopes="orders:read").client_id == "local-client"
        tls_tenant.revoke(token)
        with pytest.raises(TokenError, match="not active"):
            client.validate_access_token(token)


@pytest.mark.parametrize("method", METHODS)
def test_a_replaced_client_is_refused(tls_tenant: LocalTenant, method: str) -> None:
    """Old credentials are refused after a new registration."""
    former = tls_tenant.register_client(f"replaced {method}", method)
    current = tls_tenant.register_client(f"replaced {method}", method)
    same_subject = method in ("tls_client_auth", "spiffe_x509")  # both certificates then name the client
    for account, accepted in ((current, True), (former, same_subject)):
        with BackendClient(**tls_tenant.settings(account)) as client:
            token = tls_tenant.mint_opaque()
            if accepted:
                assert client.validate_access_token(token)["active"] is True
            else:
                with pytest.raises(OAuthResponseError) as refusal:
                    client.validate_access_token(token)
                assert refusal.value.error == "invalid_client"


def test_keys_rotate(tenant: LocalTenant) -> None:
    """Tokens of new keys are accepted; those of withdrawn keys and of strangers are not."""
    with BackendClient(**tenant.settings(), refresh_cooldown=0, jwks_cache_duration=0) as client:
        before = tenant.mint()
        tenant.rotate_keys()
        for token in (before, tenant.mint()):
            client.validate_access_token(token)
        tenant.rotate_keys(withdraw=True)
        client.validate_access_token(tenant.mint())
        with pytest.raises(TokenError) as refusal:
            client.validate_access_token(before)
    assert refusal.value.reason == Reason.UNKNOWN_KEY


def test_tenants_share_nothing() -> None:
    """Several tenants run at once, and each refuses the tokens of the others."""
    with LocalTenant(algorithms=["ES256"]) as ours, LocalTenant(algorithms=["ES256"]) as theirs:
        assert ours.domain != theirs.domain
        with BackendClient(**ours.settings()) as client:
            client.validate_access_token(ours.mint())
            with pytest.raises(TokenError):
                client.validate_access_token(theirs.mint())
            with pytest.raises(TokenError):
                client.validate_access_token(theirs.mint(claims={"iss": ours.domain}))
        assert (ours.requests.count("jwks") >= 1, len(theirs.requests)) == (True, 0)


def test_a_restarted_tenant_is_unchanged() -> None:
    """After a stop and a start, URL, keys, tokens and clients are the same."""
    with LocalTenant(algorithms=["ES256"], tls=True) as tenant:
        account = tenant.register_client("api", "self_signed_tls_client_auth")
        token, opaque, metadata = tenant.mint(), tenant.mint_opaque(), tenant.metadata()
        with tenant.outage(), pytest.raises(requests.ConnectionError):
            requests.get(metadata["jwks_uri"], verify=tenant.ca_bundle)
        assert tenant.metadata() == metadata
        with BackendClient(**tenant.settings(account)) as client:
            client.validate_access_token(token)
            client.validate_access_token(opaque)


def test_a_stopped_tenant_still_mints(tenant: LocalTenant) -> None:
    """Tests of an outage can mint tokens during the outage."""
    with tenant.outage():
        assert tenant.mint().count(".") == 2
        assert tenant.jwks()["keys"]


def test_nothing_is_left_behind() -> None:
    """No thread, socket or file is left when a tenant ends."""
    threads = set(threading.enumerate())
    with LocalTenant(algorithms=["ES256"], tls=True, trust_stores=["partners"]) as tenant:
        directory = Path(tenant.ca_bundle).parent
        requests.get(tenant.metadata()["jwks_uri"], verify=tenant.ca_bundle)
    assert set(threading.enumerate()) == threads
    assert directory.is_dir()
    del tenant
    gc.collect()
    assert not directory.exists()


@pytest.mark.parametrize("path", ["", "/", "/acme", "/acme/eu/"])
def test_the_path_of_a_tenant(path: str) -> None:
    """A tenant domain may have a path, which its endpoints have too."""
    with LocalTenant(algorithms=["ES256"], path=path) as tenant:
        assert tenant.domain.partition("127.0.0.1:")[2].lstrip("0123456789") == path.rstrip("/")
        with BackendClient(**tenant.settings(tenant.client)) as client:
            client.validate_access_token(tenant.mint())
            client.validate_access_token(tenant.mint_opaque())


def test_a_chosen_port() -> None:
    """A tenant listens on a given port, and raises an error if it is taken."""
    with LocalTenant(algorithms=["ES256"]) as first:
        port = int(first.domain.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            LocalTenant(algorithms=["ES256"], port=port).start()
    with LocalTenant(algorithms=["ES256"], port=port) as second:
        assert second.domain == first.domain


def test_a_tenant_with_a_given_clock() -> None:
    """Tokens are issued and checked by the clock that the test passes."""
    now = 1_000_000.0
    with LocalTenant(algorithms=["ES256"], clock=lambda: now) as tenant:
        settings = tenant.settings(tenant.client) | {"clock": lambda: now}
        with BackendClient(**settings) as client:
            jwt, opaque = tenant.mint(lifetime_seconds=100), tenant.mint_opaque(lifetime_seconds=100)
            assert client.validate_access_token(jwt).expires_at == 1_000_100
            now += 161
            for token, reason in ((jwt, Reason.EXPIRED), (opaque, Reason.INACTIVE)):
                with pytest.raises(TokenError) as refusal:
                    client.validate_access_token(token)
                assert refusal.value.reason == reason


def test_the_environment_of_an_api(tls_tenant: LocalTenant) -> None:
    """The variables configure an API in another process."""
    account = tls_tenant.register_client(
        "environment", "tls_client_auth", trust_store="partners", secret="unused"
    )
    assert account.certificate is not None
    assert tls_tenant.environment() == {
        "MONOCLOUD_BACKEND_TENANT_DOMAIN": tls_tenant.domain,
        "MONOCLOUD_BACKEND_AUDIENCE": "https://api.example.com",
        "MONOCLOUD_BACKEND_CA_BUNDLE": tls_tenant.ca_bundle,
    }
    assert tls_tenant.environment(account) == {
        **tls_tenant.environment(),
        "MONOCLOUD_BACKEND_CLIENT_ID": "environment",
        "MONOCLOUD_BACKEND_CLIENT_SECRET": "unused",
        "MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD": "tls_client_auth",
        "MONOCLOUD_BACKEND_MTLS_CERTIFICATE": account.certificate.certificate,
        "MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY": account.certificate.key,
        "MONOCLOUD_BACKEND_TRUST_STORE_ID": "partners",
    }


def test_a_key_cannot_be_a_variable(tenant: LocalTenant) -> None:
    """A key object cannot be a variable; the error says so."""
    account = tenant.register_client("api", "private_key_jwt")
    with pytest.raises(ValueError, match="cannot be an environment variable"):
        tenant.environment(account)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "acme"}, "path must begin with a slash"),
        ({"trust_stores": ["partners"]}, "trust_stores need tls=True"),
        ({"algorithms": ["HS256"]}, "algorithms must be some of"),
    ],
)
def test_invalid_arguments_are_refused(arguments: Any, message: str) -> None:
    """The error is raised before anything is started."""
    with pytest.raises(ValueError, match=message):
        LocalTenant(**arguments)


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("password", {}, "the method of a client must be one of client_secret_basic, "),
        ("tls_client_auth", {}, "this needs tls=True"),
        ("self_signed_tls_client_auth", {}, "this needs tls=True"),
        ("spiffe_x509", {"trust_store": "partners"}, "this tenant has no trust store 'partners'"),
        ("private_key_jwt", {"jwks": {}}, "it must be an object with an array named keys"),
        ("spiffe_jwt", {"jwks": {"keys": 1}}, "it must be an object with an array named keys"),
    ],
)
def test_invalid_clients_are_refused(tenant: LocalTenant, method: str, arguments: Any, message: str) -> None:
    """The error says what the registration lacks."""
    with pytest.raises(ValueError, match=message):
        tenant.register_client("api", method, **arguments)


def test_certificates_need_tls(tenant: LocalTenant, tls_tenant: LocalTenant) -> None:
    """Without TLS there are no certificates, and with TLS only the requested ones."""
    with pytest.raises(ValueError, match="certificates need tls=True"):
        tenant.ca_bundle  # noqa: B018
    with pytest.raises(ValueError, match="unknown trust store"):
        tls_tenant.authority("strangers")


def test_an_address_needs_a_start() -> None:
    """Before its first start a tenant has no URL and no issuer."""
    tenant = LocalTenant(algorithms=["ES256"])
    with pytest.raises(RuntimeError, match="has no address before it is started"):
        tenant.mint()
    tenant.stop()


def test_a_tenant_starts_once(tenant: LocalTenant) -> None:
    """A second start is an error and has no other effect."""
    with pytest.raises(RuntimeError, match="is running already"):
        tenant.start()
    assert requests.get(tenant.metadata()["jwks_uri"]).status_code == 200


def test_mutual_tls_without_a_certificate_to_check(tls_tenant: LocalTenant) -> None:
    """Documents are at the tenant domain only, not at the endpoints for mutual TLS."""
    endpoint = tls_tenant.metadata()["mtls_endpoint_aliases"]["token_endpoint"]
    origin = endpoint.removesuffix("/connect/token")
    response = requests.get(origin + "/.well-known/openid-configuration", verify=tls_tenant.ca_bundle)
    assert response.status_code == 404


def test_a_forked_child_leaves_the_files_alone() -> None:
    """A forked child that exits does not delete the parent's certificates."""
    script = """
import os
from monocloud_mw.testing import LocalTenant
with LocalTenant(algorithms=["ES256"], tls=True) as tenant:
    bundle = tenant.ca_bundle
    tenant.stop()
    child = os.fork()
    if not child:
        raise SystemExit
    assert os.waitpid(child, 0)[1] == 0
    assert os.path.exists(bundle)
print(bundle)
"""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert ran.stderr == ""
    assert not os.path.exists(ran.stdout.strip())


def test_failing_is_scoped_to_its_block(tenant: LocalTenant) -> None:
    """The fault ends with the block, also after an exception."""
    with pytest.raises(LookupError), tenant.failing(faults.status(500)):
        raise LookupError
    assert requests.get(tenant.metadata()["jwks_uri"]).status_code == 200
