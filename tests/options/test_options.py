"""Every option: as argument, as variable, by default, and its errors."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, get_args

import attrs
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from monocloud_mw.errors import ConfigurationError, Problem
from monocloud_mw.events import Observer
from monocloud_mw.jose import SIGNATURE_ALGORITHMS, SigningKey
from monocloud_mw.options import VARIABLE_PREFIX, Options, Settings
from monocloud_mw.options import names as option_names
from monocloud_mw.options.client_authentication import CLIENT_AUTH_METHODS
from monocloud_mw.options.settings import CertificateBinding, ClientAuthMethod
from monocloud_mw.stores import MemoryCache

TENANT: Final = "https://acme.us.monocloud.com"
API: Final = "https://api.example.com"
REQUIRED: Final[dict[str, Any]] = {"tenant_domain": TENANT, "audience": API}
CLIENT: Final[dict[str, Any]] = {**REQUIRED, "client_id": "client-1"}
WITH_SECRET: Final[dict[str, Any]] = {**CLIENT, "client_secret": "s3cr3t-value"}
VARIABLES: Final = {f"{VARIABLE_PREFIX}TENANT_DOMAIN": TENANT, f"{VARIABLE_PREFIX}AUDIENCE": API}


def pem_of(key: Any, password: bytes | None = None) -> str:
    """Return a private key as PKCS #8 PEM."""
    encryption: Any = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return pem.decode()


EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
EC_PEM: Final = pem_of(EC_KEY)
RSA_PEM: Final = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
EC_JWK: Final[dict[str, Any]] = {**ECAlgorithm.to_jwk(EC_KEY, as_dict=True), "kid": "key-1"}
OCT_JWK: Final = {"kty": "oct", "k": "c3ltbWV0cmljLXNlY3JldC1zeW1tZXRyaWMtc2VjcmV0", "alg": "HS512"}


def from_variables(variables: Mapping[str, str], /, **arguments: Any) -> Options:
    """Create options from variables, named without their prefix."""
    environ = {VARIABLE_PREFIX + name: text for name, text in variables.items()}
    return Options.from_environment(environ, **arguments)


def problems_of(make: Callable[..., Options], *arguments: Any, **settings: Any) -> list[str]:
    """Return the problems of options as text."""
    with pytest.raises(ConfigurationError) as caught:
        make(*arguments, **settings)
    assert str(caught.value) == "; ".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Return the paths of a certificate and its key, of which only the existence is checked here."""
    paths = tmp_path / "client.pem", tmp_path / "client.key"
    for path in paths:
        path.touch()
    return str(paths[0]), str(paths[1])


# -- The table ----------------------------------------------------------------------------------------

DEFAULTS: Final[dict[str, Any]] = {
    "client_id": None,
    "client_secret": None,
    "client_auth_method": "client_secret_post",
    "mtls_certificate": None,
    "client_assertion_audience": None,
    "trust_store_id": None,
    "ca_bundle": None,
    "scopes_claim": "scope",
    "groups_claim": "groups",
    "groups_match_all": False,
    "clock_skew": 0.0,
    "clock_tolerance": 60.0,
    "introspect_jwt_tokens": False,
    "validate_certificate_binding": "when_present",
    "jwks_cache_duration": 300.0,
    "metadata_cache_duration": 300.0,
    "introspection_cache_duration": 300.0,
    "max_stale": 3600.0,
    "refresh_cooldown": 30.0,
    "response_timeout": 10.0,
    "algorithms": tuple(SIGNATURE_ALGORITHMS),
    "max_token_size": 16384,
    "jwt_cache_size": 1024,
    "cache": None,
    "fetcher": None,
    "metadata_resolver": None,
    "jwks_resolver": None,
    "clock": None,
    "observer": None,
}
ARGUMENT_ONLY: Final = ("cache", "fetcher", "metadata_resolver", "jwks_resolver", "clock", "observer")
BOOLEANS: Final = ("groups_match_all", "introspect_jwt_tokens")
SECONDS: Final = (
    "clock_skew",
    "clock_tolerance",
    "jwks_cache_duration",
    "metadata_cache_duration",
    "introspection_cache_duration",
    "max_stale",
    "refresh_cooldown",
)
LIMITS: Final = {
    "clock_skew": 3600,
    "clock_tolerance": 3600,
    "jwks_cache_duration": 86400,
    "metadata_cache_duration": 86400,
    "introspection_cache_duration": 86400,
    "max_stale": 604800,
    "refresh_cooldown": 3600,
    "response_timeout": 120,
}
WITH_VARIABLE: Final = tuple(
    name
    for name in ("tenant_domain", "audience", *DEFAULTS)
    if name not in (*ARGUMENT_ONLY, "mtls_certificate")
)
TEXTS: Final = ("client_id", "client_assertion_audience", "trust_store_id", "groups_claim", "scopes_claim")


def test_the_defaults() -> None:
    """Tenant domain and audience are the only required options."""
    options = attrs.asdict(Options(**REQUIRED), recurse=False)
    assert options == {"tenant_domain": TENANT, "audience": (API,), **DEFAULTS}


def test_the_variables() -> None:
    """The variable of an option is its name in capitals; options that need an object have none."""
    variables = {field.name: field.metadata["variables"] for field in attrs.fields(Options)}
    expected: dict[str, tuple[str, ...]] = {
        name: (VARIABLE_PREFIX + name.upper(),) for name in ("tenant_domain", "audience", *DEFAULTS)
    }
    expected.update(dict.fromkeys(ARGUMENT_ONLY, ()))
    expected["mtls_certificate"] = (
        "MONOCLOUD_BACKEND_MTLS_CERTIFICATE",
        "MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY",
    )
    assert variables == expected


def test_every_option_has_an_accepted_type() -> None:
    """The table of options and their static types name the same options in the same order."""
    assert list(Settings.__annotations__) == [field.name for field in attrs.fields(Options)]
    assert Settings.__required_keys__ == frozenset()


def test_the_literal_types_are_the_accepted_names() -> None:
    """The literal types are exactly the accepted values."""
    assert get_args(ClientAuthMethod) == tuple(CLIENT_AUTH_METHODS)
    for name in get_args(CertificateBinding):
        assert Options(**REQUIRED, validate_certificate_binding=name).validate_certificate_binding == name


def test_only_asymmetric_algorithms_are_accepted_by_default() -> None:
    """``none`` and ``HS*`` are not supported at all."""
    algorithms = Options(**REQUIRED).algorithms
    assert {"RS256", "PS512", "ES384", "EdDSA", "Ed25519", "Ed448"} <= set(algorithms)
    assert not [name for name in algorithms if name.lower() == "none" or name.startswith("HS")]


def never(_request: Any) -> Any:
    """Take the place of a fetcher."""


OBSERVER = Observer()


class Cache:
    """An object with the methods of a claims cache."""

    def get(self, key: str) -> None: ...
    def set(self, key: str, claims: Any, expires_at: float) -> None: ...
    def delete(self, key: str) -> None: ...


CACHE: Final = Cache()


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("tenant_domain", "acme.us.monocloud.com", TENANT),
        ("tenant_domain", f"{TENANT}/", TENANT),
        ("tenant_domain", f"  {TENANT}\n", TENANT),
        ("tenant_domain", f"{TENANT}/a/path/", f"{TENANT}/a/path"),
        ("tenant_domain", "HTTPS://ACME.US.MonoCloud.com", TENANT),
        ("tenant_domain", "Acme.US.monocloud.com.", TENANT),
        ("tenant_domain", f"{TENANT}:443/", TENANT),
        ("tenant_domain", f"{TENANT}:0443", TENANT),
        ("tenant_domain", f"{TENANT}.:443/A/Path/", f"{TENANT}/A/Path"),
        ("tenant_domain", f"{TENANT}/a%20b", f"{TENANT}/a%20b"),
        ("tenant_domain", "http://LocalHost:80/", "http://localhost"),
        ("tenant_domain", "HTTP://LocalHost:5000", "http://localhost:5000"),
        ("tenant_domain", "http://localhost:443", "http://localhost:443"),
        ("tenant_domain", "https://[2001:DB8:0::1]:443", "https://[2001:db8::1]"),
        ("tenant_domain", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("tenant_domain", "https://mono_cloud:8443", "https://mono_cloud:8443"),
        ("tenant_domain", "https://192.0.2.1.", "https://192.0.2.1"),
        ("tenant_domain", "acme.example:8443", "https://acme.example:8443"),
        ("tenant_domain", "http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("tenant_domain", "http://localhost", "http://localhost"),
        ("tenant_domain", "http://[::1]:5000/", "http://[::1]:5000"),
        ("audience", "one two", ("one two",)),
        ("audience", ["one", "two"], ("one", "two")),
        ("audience", ("one",), ("one",)),
        ("audience", frozenset({"one"}), ("one",)),
        ("audience", {"one": 1}.keys(), ("one",)),
        ("audience", map(str, ["one", "two"]), ("one", "two")),
        ("audience", " one\n", ("one",)),
        ("audience", ["https://api.example.com/a,b", " two "], ("https://api.example.com/a,b", "two")),
        *((option, "some text", "some text") for option in TEXTS),
        *((option, " text\n", "text") for option in TEXTS),
        *((option, None, DEFAULTS[option]) for option in TEXTS),
        ("client_auth_method", "client_secret_basic", "client_secret_basic"),
        ("groups_match_all", True, True),
        ("introspect_jwt_tokens", True, True),
        *((option, 0, 0.0) for option in SECONDS),
        *((option, 1.5, 1.5) for option in SECONDS),
        *((option, limit, float(limit)) for option, limit in LIMITS.items()),
        ("response_timeout", 0.5, 0.5),
        ("response_timeout", 30, 30.0),
        ("validate_certificate_binding", "required", "required"),
        ("validate_certificate_binding", "dangerously_ignore", "dangerously_ignore"),
        ("algorithms", "ES256", ("ES256",)),
        ("algorithms", ["ES256", "RS256"], ("ES256", "RS256")),
        ("algorithms", iter(["ES256", "RS256"]), ("ES256", "RS256")),
        ("jwt_cache_size", 0, 0),
        ("jwt_cache_size", 10, 10),
        ("max_token_size", 1, 1),
        ("max_token_size", 1048576, 1048576),
        ("cache", CACHE, CACHE),
        *(
            (option, print, print)
            for option in ("fetcher", "metadata_resolver", "jwks_resolver", "clock", "observer")
        ),
        *((option, None, None) for option in ARGUMENT_ONLY),
    ],
)
def test_what_an_argument_becomes(option: str, value: object, kept: object) -> None:
    """Values are normalised; an explicit ``None`` counts as not given."""
    client = REQUIRED if option == "client_id" and value is None else WITH_SECRET
    found = getattr(Options(**{**client, option: value}), option)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("option", "text", "kept"),
    [
        ("tenant_domain", " acme.us.monocloud.com/ ", TENANT),
        ("audience", "one", ("one",)),
        ("audience", " one\ttwo ", ("one", "two")),
        *((option, " some text ", "some text") for option in TEXTS),
        ("client_auth_method", "client_secret_basic", "client_secret_basic"),
        *((option, text, True) for option in BOOLEANS for text in ("true", "TRUE", "1", "yes", "Yes", "on")),
        *((option, text, False) for option in BOOLEANS for text in ("false", "0", "no", "NO", " Off ")),
        *((option, "0", 0.0) for option in SECONDS),
        *((option, "90", 90.0) for option in SECONDS),
        *((option, " +1.5 ", 1.5) for option in SECONDS),
        ("response_timeout", "2500", 2.5),
        ("response_timeout", "0.5", 0.0005),
        ("response_timeout", "120000", 120.0),
        ("validate_certificate_binding", "required", "required"),
        ("algorithms", "ES256 RS256", ("ES256", "RS256")),
        ("jwt_cache_size", " 0 ", 0),
        ("jwt_cache_size", "4096", 4096),
        ("max_token_size", "32768", 32768),
    ],
)
def test_what_a_variable_becomes(option: str, text: str, kept: object) -> None:
    """Text is parsed completely; the timeout is in milliseconds, as in the Node SDK."""
    arguments = {name: value for name, value in WITH_SECRET.items() if name != option}
    found = getattr(from_variables({option.upper(): text}, **arguments), option)
    assert found == kept
    assert type(found) is type(kept)


def test_paths_of_files(certificate: tuple[str, str]) -> None:
    """A path is text or a ``Path``; certificate and key are a pair with two variables."""
    first, second = certificate
    settings: dict[str, Any] = {"ca_bundle": Path(first), "mtls_certificate": [Path(first), second]}
    options = Options(**REQUIRED, **settings)
    assert (options.ca_bundle, options.mtls_certificate) == (first, certificate)
    variables = {"CA_BUNDLE": first, "MTLS_CERTIFICATE": first, "MTLS_CERTIFICATE_KEY": second}
    options = from_variables(variables, **REQUIRED)
    assert (options.ca_bundle, options.mtls_certificate) == (first, certificate)


# -- Arguments take precedence over the environment ---------------------------------------------------


def test_an_argument_takes_precedence_over_its_variable() -> None:
    """With an argument, an invalid variable is not even read."""
    variables = {"TENANT_DOMAIN": "https://other.example", "CLOCK_SKEW": "nonsense", "AUDIENCE": "other"}
    options = from_variables(variables, **REQUIRED, clock_skew=5)
    assert (options.tenant_domain, options.audience, options.clock_skew) == (TENANT, (API,), 5.0)


def test_a_false_or_zero_argument_takes_precedence() -> None:
    """Only ``None`` falls back to the environment."""
    variables = {"GROUPS_MATCH_ALL": "true", "CLOCK_TOLERANCE": "90", "MAX_STALE": "7"}
    options = from_variables(variables, **REQUIRED, groups_match_all=False, clock_tolerance=0, max_stale=None)
    assert (options.groups_match_all, options.clock_tolerance, options.max_stale) == (False, 0.0, 7.0)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_unset(blank: str) -> None:
    """A deployment can unset a variable by making it blank."""
    names = [name.upper() for name in DEFAULTS] + ["MTLS_CERTIFICATE_KEY"]
    assert from_variables(dict.fromkeys(names, blank), **REQUIRED) == Options(**REQUIRED)


def test_the_environment_is_only_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other variables and the process environment are not read."""
    monkeypatch.setenv("MONOCLOUD_BACKEND_CLOCK_SKEW", "99")
    options = Options.from_environment({**VARIABLES, "AUDIENCE": "x", "MONOCLOUD_BACKEND_UNKNOWN": "x"})
    assert options == Options(**REQUIRED)
    assert Options(**REQUIRED).clock_skew == 0.0


def test_the_mapping_and_the_arguments_are_not_changed() -> None:
    """The caller's objects are not changed."""
    environ, arguments = dict(VARIABLES), Settings(clock_skew=1)
    Options.from_environment(environ, **arguments)
    assert (environ, arguments) == (VARIABLES, {"clock_skew": 1})


# -- What is refused ----------------------------------------------------------------------------------

NOT_BLANK: Final = "must not be blank"
BINDINGS: Final = "must be one of when_present, required, dangerously_ignore"
METHODS: Final = (
    "must be one of client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, "
    "tls_client_auth, self_signed_tls_client_auth, spiffe_jwt, spiffe_x509"
)
UNITS: Final = " (an argument is in seconds, the variable in milliseconds)"
QUOTES: Final = "must not have quotes around it"
QUOTES_IN_VARIABLE: Final = f"{QUOTES}; some readers of .env files keep them"
COMMAS: Final = "must not contain commas; pass a list, or separate the values of a variable by spaces"
SPACES: Final = "must be separated by spaces, without commas and brackets"
UNSAFE: Final = "must be a URL without white space, control or other unsafe characters"
HOST_OR_PORT: Final = "must be a URL with a valid host and port"
DISCOVERY: Final = "must be the URL of the tenant, without /.well-known/ and what follows it"
SLASHES: Final = "must not have // in its path or at its end"
DOTS: Final = "must not have . or .. in its path"
ASCII: Final = "must be ASCII; write an international host name in its xn-- form"


def range_of(option: str, shown: str) -> str:
    """Return the message for a duration that is out of range."""
    units = UNITS if option == "response_timeout" else ""
    return f"must be from 0 to {LIMITS[option]} seconds, not '{shown}'{units}"


def number_of(option: str, shown: str) -> str:
    """Return the message for a value that is not a duration."""
    units = UNITS if option == "response_timeout" else ""
    return f"must be a number of seconds, not '{shown}'{units}"


KNOWN: Final = f"supported: {', '.join(SIGNATURE_ALGORITHMS)}"


async def _async_clock() -> float:
    return 0.0


class _AsyncClock:
    async def __call__(self) -> float:
        return 0.0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("tenant_domain", "", NOT_BLANK),
        ("tenant_domain", 5, "must be a string, not int"),
        ("tenant_domain", b"acme", "must be a string, not bytes"),
        ("tenant_domain", "https://", "must be an https:// URL"),
        ("tenant_domain", "ftp://acme.example", "must be an https:// URL"),
        (
            "tenant_domain",
            "http://acme.example",
            "must be https:// (http:// only for localhost or a loopback address, in development)",
        ),
        ("tenant_domain", "https://u:p@acme.example", "must not contain user info"),
        ("tenant_domain", "https://acme.example?a=b", "must not have a query"),
        ("tenant_domain", "https://acme.example/?", "must not have a query"),
        ("tenant_domain", "https://acme.example/#", "must not have a fragment"),
        ("tenant_domain", "https://acme.example:99999", "must be a URL with a valid host and port"),
        (
            "tenant_domain",
            "https://acme .example",
            "must be a URL without white space, control or other unsafe characters",
        ),
        *(
            ("tenant_domain", f"{TENANT}{path}", DISCOVERY)
            for path in (
                "/.well-known/openid-configuration",
                "/.well-known/",
                "/.well-known",
                "/a/.well-known/jwks",
                "//.well-known/oauth-authorization-server",
                "/.Well-Known/openid-configuration",
                "/a/%2Ewell-known%2Fopenid-configuration",
            )
        ),
        *(("tenant_domain", f"{TENANT}{path}", SLASHES) for path in ("//", "///", "//a", "/a//", "/a//b")),
        *(("tenant_domain", text, SLASHES) for text in ("http//acme.example", "https.//acme.example")),
        *(("tenant_domain", f"{TENANT}{path}", DOTS) for path in ("/.", "/..", "/a/../b", "/%2E/a", "/%2e.")),
        *(
            ("tenant_domain", text, HOST_OR_PORT)
            for text in (
                "https:acme.example",
                "https://https://acme.example",
                "acme..example",
                ".acme.example",
                "https://.",
                "acme.example..",
                "-acme.example",
                "acme-.example",
                "acme,example",
                "https;//acme.example",
                "https://acme%2eexample",
                "https://$TENANT",
                "<TENANT>".strip("<>") + "!",
                f"{'a' * 64}.example",
                ".".join(["a" * 49] * 6),
                "https://256.0.0.1",
                "https://2130706433",
                "https://127.1",
                "::1",
                "https://[fe80::1%25eth0]",
                "https://[fe80::1%eth0]",
                "https://[v1.a]",
                "https://[127.0.0.1]",
                f"{TENANT}/%",
                f"{TENANT}/%zz",
            )
        ),
        *(
            ("tenant_domain", text, UNSAFE)
            for text in (
                "acme .example",
                "acme.example\\",
                "https:\\\\acme.example",
                "https:\\acme.example",
                "<your tenant>",
                "${TENANT}",
                'https://acme"example',
            )
        ),
        ("tenant_domain", "https:/acme.example", "must be an https:// URL"),
        ("tenant_domain", "https:///acme.example", "must be an https:// URL"),
        ("tenant_domain", "//acme.example", "must be an https:// URL"),
        ("tenant_domain", "https://b\u00fccher.example", ASCII),
        ("tenant_domain", "b\u00fccher.example", ASCII),
        ("tenant_domain", f"\ufeff{TENANT}", ASCII),
        ("tenant_domain", f"{TENANT}\u200b", ASCII),
        *(
            (option, text, QUOTES)
            for option in ("tenant_domain", "audience", *TEXTS)
            for text in ('"a"', "'a'", "`a`", '"a', "a'", "\u201ca\u201d", '"', '""')
        ),
        *(
            (option, text, "must not have a comma at either end")
            for option in ("tenant_domain", *TEXTS)
            for text in ("a,", ",a", "a, ", ",")
        ),
        *(
            (option, text, "must not have control characters")
            for option in ("tenant_domain", "audience", *TEXTS)
            for text in ("a\0b", "a\nb", "a\x7fb", "a\x9fb", "a\tb")
        ),
        *(
            (
                option,
                text,
                "must not have invisible characters, such as U+200B; type it instead of pasting it",
            )
            for option in ("audience", *TEXTS)
            for text in ("a\u200b", "\ufeffa", "a\u00adb", "a\u00a0b", "\u202ea")
        ),
        *(
            (option, text, "must not have a dot at either end, or two in a row")
            for option in ("scopes_claim", "groups_claim")
            for text in (".", "a.", ".a", "a..b", "realm_access..roles")
        ),
        *(("audience", text, "must be a list, not the text of one") for text in ('["a"]', "['a']", "(a)")),
        *(("audience", text, COMMAS) for text in ("a,", "a,b", "a, b", ",a")),
        ("audience", ["a", "b,"], "must not have a comma at either end"),
        ("audience", ["a", '"b"'], QUOTES),
        ("audience", b"a", "must be a string or a non-empty list of strings"),
        ("audience", iter(()), "must be a string or a non-empty list of strings"),
        ("algorithms", "RS256,ES256", COMMAS),
        ("tenant_domain", "\ud800", "must be valid Unicode"),
        ("audience", "", NOT_BLANK),
        ("audience", ["one", " "], NOT_BLANK),
        ("audience", ["one", 2], "must be a string, not int"),
        ("audience", [], "must be a string or a non-empty list of strings"),
        ("audience", {"one": 1}, "must be a string or a non-empty list of strings"),
        ("audience", 5, "must be a string or a non-empty list of strings"),
        *((option, " ", NOT_BLANK) for option in TEXTS),
        *((option, 5, "must be a string, not int") for option in TEXTS),
        *((option, True, "must be a string, not bool") for option in TEXTS),
        *((option, "a\udc80", "must be valid Unicode") for option in TEXTS),
        ("client_secret", "", NOT_BLANK),
        ("client_secret", 5, "must be text, a JWK or a PEM private key"),
        ("client_secret", b"secret", "must be text, a JWK or a PEM private key"),
        ("client_secret", "\ud800", "must be valid Unicode"),
        ("client_auth_method", "none", f"{METHODS}, not 'none'"),
        ("client_auth_method", "Client_Secret_Post", f"{METHODS}, not 'Client_Secret_Post'"),
        ("client_auth_method", ["tls_client_auth"], f"{METHODS}, not \"['tls_client_auth']\""),
        ("mtls_certificate", "cert.pem", "must be a pair: the paths of a PEM certificate and of its key"),
        ("mtls_certificate", ["a"], "must be a pair: the paths of a PEM certificate and of its key"),
        (
            "mtls_certificate",
            ["a", "b", "c"],
            "must be a pair: the paths of a PEM certificate and of its key",
        ),
        ("mtls_certificate", [None, "b"], "must be a string, not NoneType"),
        ("mtls_certificate", ["/nowhere/a", "b"], "there is no file '/nowhere/a'"),
        ("mtls_certificate", [__file__, "/nowhere/b"], "there is no file '/nowhere/b'"),
        ("mtls_certificate", [__file__, EC_PEM], "must be the path of a PEM file, not its content"),
        ("ca_bundle", "/nowhere", "there is no file '/nowhere'"),
        ("ca_bundle", "/", "there is no file '/'"),
        ("ca_bundle", "a\0b", "there is no file 'a\\x00b'"),
        ("ca_bundle", "a" * 5000, "there is no file '" + "a" * 79 + "...'"),
        ("ca_bundle", True, "must be a string, not bool"),
        ("ca_bundle", EC_PEM, "must be the path of a PEM file, not its content"),
        *((option, 1, "must be True or False, not '1'") for option in BOOLEANS),
        *((option, "true", "must be True or False, not 'true'") for option in BOOLEANS),
        *((option, "5", number_of(option, "5")) for option in LIMITS),
        *((option, True, number_of(option, "True")) for option in LIMITS),
        *((option, -0.001, range_of(option, "-0.001")) for option in LIMITS),
        *((option, float("nan"), range_of(option, "nan")) for option in LIMITS),
        *((option, float("inf"), range_of(option, "inf")) for option in LIMITS),
        *((option, limit + 1, range_of(option, str(limit + 1))) for option, limit in LIMITS.items()),
        ("response_timeout", 10_000, range_of("response_timeout", "10000")),
        ("clock_skew", 10**400, range_of("clock_skew", f"1{'0' * 78}...")),
        ("response_timeout", 0, "must be more than 0 seconds"),
        ("validate_certificate_binding", "never", f"{BINDINGS}, not 'never'"),
        ("validate_certificate_binding", True, f"{BINDINGS}, not 'True'"),
        ("algorithms", "none", f"unsupported algorithm 'none'; {KNOWN}"),
        ("algorithms", ["RS256", "HS256", "rs256"], f"unsupported algorithm 'HS256', 'rs256'; {KNOWN}"),
        ("algorithms", "RS256 ES256", f"unsupported algorithm 'RS256 ES256'; {KNOWN}"),
        ("algorithms", [], "must be a string or a non-empty list of strings"),
        ("max_token_size", 0, "must be from 1 to 1048576 characters, not 0"),
        ("max_token_size", 1048577, "must be from 1 to 1048576 characters, not 1048577"),
        ("max_token_size", True, "must be a whole number, 0 or more, not 'True'"),
        ("jwt_cache_size", -1, "must be a whole number, 0 or more, not '-1'"),
        ("jwt_cache_size", 1.0, "must be a whole number, 0 or more, not '1.0'"),
        ("jwt_cache_size", True, "must be a whole number, 0 or more, not 'True'"),
        ("jwt_cache_size", "10", "must be a whole number, 0 or more, not '10'"),
        ("cache", {}, "must have the methods get, set and delete of a claims cache"),
        ("cache", "redis://localhost", "must have the methods get, set and delete of a claims cache"),
        ("cache", MemoryCache, "must not be the class MemoryCache: write MemoryCache()"),
        *(
            (option, SimpleNamespace, "must not be the class SimpleNamespace: write SimpleNamespace()")
            for option in ("fetcher", "metadata_resolver", "jwks_resolver", "clock", "observer")
        ),
        *(
            (option, "text", "must be callable, not str")
            for option in ("fetcher", "metadata_resolver", "jwks_resolver", "clock")
        ),
        *(
            ("clock", clock, "must not be asynchronous: it must return Unix seconds, and is not awaited")
            for clock in (_async_clock, partial(_async_clock), _AsyncClock())
        ),
    ],
)
def test_a_wrong_argument_is_refused(option: str, value: object, message: str) -> None:
    """The error has the option, its variable if any, and the expected value."""
    variable = None if option in ARGUMENT_ONLY else f"{VARIABLE_PREFIX}{option.upper()}"
    if option == "mtls_certificate":
        variable = f"{variable} and {variable}_KEY"
    with pytest.raises(ConfigurationError) as caught:
        Options(**{**WITH_SECRET, option: value})
    assert caught.value.problems == (Problem(option, variable, message),)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("tenant_domain", "ftp://acme.example", "must be an https:// URL"),
        *(
            (option, text, f"must be true, false, 1, 0, yes, no, on or off, not '{text}'")
            for option in BOOLEANS
            for text in ("ture", "2", "y", "None")
        ),
        *(
            (option, text, f"must be a number, not '{text}'")
            for option in (*SECONDS, "response_timeout")
            for text in (
                "5s",
                "1e3",
                "1_000",
                "1,5",
                "0x10",
                "nan",
                "inf",
                ".5",
                "5.",
                "--1",
                "\u0665".encode().hex(),
            )
        ),
        *((option, "-1", range_of(option, "-1.0")) for option in SECONDS),
        *((option, "9" * 500, range_of(option, "inf")) for option in LIMITS),
        ("response_timeout", "120001", range_of("response_timeout", "120.001")),
        *(
            (option, text, QUOTES_IN_VARIABLE)
            for option in WITH_VARIABLE
            for text in ('"a"', "'a'", '"', "''", ' "a" ', "\u201ca\u201d")
        ),
        *(
            (option, text, SPACES)
            for option in ("audience", "algorithms")
            for text in ("ES256,", "ES256, RS256", "ES256,RS256", '["ES256"]', "[ES256]", "(ES256)")
        ),
        ("tenant_domain", f"{TENANT}/.well-known/openid-configuration", DISCOVERY),
        ("tenant_domain", f"{TENANT}//", SLASHES),
        ("response_timeout", "0", "must be more than 0 seconds"),
        ("clock_skew", "\u0665", "must be a number, not '\\u0665'"),
        ("validate_certificate_binding", "Required", f"{BINDINGS}, not 'Required'"),
        ("algorithms", "RS256 HS256", f"unsupported algorithm 'HS256'; {KNOWN}"),
        *(
            ("jwt_cache_size", text, f"must be a whole number, 0 or more, not '{text}'")
            for text in ("-1", "+1", "1.0", "1e3", "1_000", "1" * 13)
        ),
        ("ca_bundle", "/nowhere", "there is no file '/nowhere'"),
        ("client_auth_method", "basic", f"{METHODS}, not 'basic'"),
    ],
)
def test_a_wrong_variable_is_refused(option: str, text: str, message: str) -> None:
    """A typing error is never ignored."""
    arguments = {name: value for name, value in WITH_SECRET.items() if name != option}
    with pytest.raises(ConfigurationError) as caught:
        from_variables({option.upper(): text}, **arguments)
    assert caught.value.problems == (Problem(option, f"{VARIABLE_PREFIX}{option.upper()}", message),)


@pytest.mark.parametrize("name", ["MTLS_CERTIFICATE", "MTLS_CERTIFICATE_KEY"])
def test_a_certificate_needs_its_key(name: str) -> None:
    """If one of the two variables is set, both are named."""
    assert problems_of(from_variables, {name: __file__}, **REQUIRED) == [
        "mtls_certificate (MONOCLOUD_BACKEND_MTLS_CERTIFICATE and MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY): "
        "needs both variables, the certificate's and the key's"
    ]


def test_tenant_and_audience_are_required() -> None:
    """Both are reported together, with option and variable."""
    expected = [
        "tenant_domain (MONOCLOUD_BACKEND_TENANT_DOMAIN): is required",
        "audience (MONOCLOUD_BACKEND_AUDIENCE): is required",
    ]
    assert problems_of(Options) == expected
    assert problems_of(Options.from_environment, {}) == expected


def test_all_problems_are_reported_together() -> None:
    """Problems of arguments, variables, combinations and unknown names are reported together."""
    variables = {"GROUPS_MATCH_ALL": "maybe", "CLOCK_SKEW": "-5", "CLIENT_AUTH_METHOD": "private_key_jwt"}
    settings = {"tenant_domain": TENANT, "client_secret": "plain", "client_id": 5, "cach": None}
    found = problems_of(from_variables, variables, **settings)
    assert found == [
        "cach: is not an option; did you mean cache?",
        "client_id (MONOCLOUD_BACKEND_CLIENT_ID): must be a string, not int",
        "groups_match_all (MONOCLOUD_BACKEND_GROUPS_MATCH_ALL): "
        "must be true, false, 1, 0, yes, no, on or off, not 'maybe'",
        f"clock_skew (MONOCLOUD_BACKEND_CLOCK_SKEW): {range_of('clock_skew', '-5.0')}",
        "audience (MONOCLOUD_BACKEND_AUDIENCE): is required",
        "client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): is invalid for private_key_jwt: "
        "it must be a private JWK or a PEM private key, not plain text",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tenant_domian", "did you mean tenant_domain?"),
        ("tenantDomain", "did you mean tenant_domain?"),
        ("Audience", "did you mean audience?"),
        ("clock_toleranse", "did you mean clock_tolerance?"),
        ("tenant", "the most similar one is tenant_domain"),
        ("introspectJwtTokens", "the most similar one is introspect_jwt_tokens"),
        ("certificate_binding", "the most similar one is validate_certificate_binding"),
    ],
)
def test_an_unknown_argument_is_refused(name: str, said: str) -> None:
    """An unknown name is refused however different it is; the nearest option is suggested."""
    expected = [f"{name}: is not an option; {said}"]
    assert problems_of(from_variables, {}, **REQUIRED, **{name: "x"}) == expected
    assert problems_of(Options, **REQUIRED, **{name: "x"}) == expected


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("MONOCLOUD_BACKEND_VALIDATE_CERTIFICATE_BINDNG", "VALIDATE_CERTIFICATE_BINDING"),
        ("MONOCLOUD_BACKEND_TENANT_DOMIAN", "TENANT_DOMAIN"),
        ("MONOCLOUD_BACKEND_AUDIENCES", "AUDIENCE"),
        ("MONOCLOUD_BACKEND_AUDINECE", "AUDIENCE"),
        ("MONOCLOUD_BACKEND_ADUEINCE", "AUDIENCE"),
        ("MONOCLOUD_BACKEND_MTLS_CERTIFICATES", "MTLS_CERTIFICATE"),
        ("MONOCLOUD_BACKEND__AUDIENCE", "AUDIENCE"),
        ("MONOCLOUD_BACKEND_CLIENT-SECRET", "CLIENT_SECRET"),
        ("MONOCLOUD_BACKEND_EXPLAN", "EXPLAIN"),
        ("MONOCLOUD_BACKND_AUDIENCE", "AUDIENCE"),
        ("MONOCLUD_BACKEND_AUDIENCE", "AUDIENCE"),
        ("MNOOCLOUD_BACKEDN_AUDIENCE", "AUDIENCE"),
        ("MONOCLOUDBACKEND_AUDIENCE", "AUDIENCE"),
        ("monocloud_backend_audience", "AUDIENCE"),
        ("MonoCloud_Backend_Audience", "AUDIENCE"),
    ],
)
def test_a_misspelt_variable_is_refused(variable: str, meant: str) -> None:
    """A variable within two letters of a known one, in any case, is refused; its value is not in the
    error.
    """
    with pytest.raises(ConfigurationError) as caught:
        Options.from_environment({variable: "s3cr3t"}, **REQUIRED)
    option = variable.upper().removeprefix(VARIABLE_PREFIX).lower()
    message = f"is not an option; did you mean {VARIABLE_PREFIX}{meant}?"
    assert caught.value.problems == (Problem(option, variable, message),)


@pytest.mark.parametrize("option", ARGUMENT_ONLY)
def test_an_option_without_a_variable_is_refused_as_a_variable(option: str) -> None:
    """An option without a variable is refused as a variable."""
    variable = VARIABLE_PREFIX + option.upper()
    assert problems_of(Options.from_environment, {variable: "redis://"}, **REQUIRED) == [
        f"{option} ({variable}): cannot be set by a variable; pass it as an argument"
    ]


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("MONOCLOUD_BACKEND_JWKS_DURATION", "JWKS_CACHE_DURATION"),
        ("MONOCLOUD_BACKEND_CERTIFICATE", "MTLS_CERTIFICATE"),
        ("monocloud_backend_tenant_id", "TENANT_DOMAIN"),
    ],
)
def test_an_unknown_variable_is_logged(variable: str, nearest: str, caplog: pytest.LogCaptureFixture) -> None:
    """It may be for something else or for another version; its value is not logged."""
    assert Options.from_environment({variable: "s3cr3t"}, **REQUIRED) == Options(**REQUIRED)
    message = f"'{variable}' is not an option; the most similar one is {VARIABLE_PREFIX}{nearest}"
    assert caplog.record_tuples == [("monocloud_mw", logging.WARNING, message)]


def test_only_the_first_unknown_variables_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """The others are counted; a name may be of any length."""
    names = [f"MONOCLOUD_BACKEND_{'X' * 30_000}{number}" for number in range(12)]
    Options.from_environment(dict.fromkeys(names, "s3cr3t"), **REQUIRED)
    *named, counted = (record.getMessage() for record in caplog.records)
    assert len(named) == 10
    assert max(map(len, named)) < 400
    assert counted == "2 more variables that begin with MONOCLOUD_BACKEND_ are not options"


@pytest.mark.parametrize(
    "pattern",
    [
        "GOOGLE_CLOUD_SERVICE_{}_PORT",
        "MONOCLOUD_BACKEND_OTHER_{}",
        "BACKEND_" + "X" * 10_000 + "{}",
    ],
)
def test_many_variables_cost_little(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a cluster that tells a container of every service: only names that are near are compared."""
    compared: list[str] = []

    def count(first: str, second: str) -> int:
        compared.append(first)
        return option_names.MISSPELT + 1

    monkeypatch.setattr(option_names, "edit_distance", count)
    Options.from_environment({pattern.format(number): "x" for number in range(200)}, **REQUIRED)
    assert compared == []


@pytest.mark.parametrize(
    "environ",
    [
        {"MONOCLOUD_BACKEND_VALIDATE_CERTIFICATE_BINDNG": " ", "MONOCLOUD_BACKEND_DEBUG": ""},
        {"MONOCLOUD_BACKEND_CACHE": ""},
        {"MONOCLOUD_BACKEND_EXPLAIN": "1"},
        {"MONOCLOUD_AUTH_TENANT_DOMAIN": "x", "BACKEND_AUDIENCE": "x", "AUDIENCE": "x", "PATH": "x"},
    ],
    ids=["blank", "blank without variable", "switch", "others"],
)
def test_ignored_variables(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Blank variables, a development switch, and those of other programs are ignored."""
    assert Options.from_environment(environ, **REQUIRED) == Options(**REQUIRED)
    assert caplog.records == []


def test_a_wrong_method_reports_no_problem_of_the_secret() -> None:
    """With an invalid method it is unknown which secret would be valid."""
    assert problems_of(Options, **CLIENT, client_secret=EC_JWK, client_auth_method="private_key_jtw") == [
        f"client_auth_method (MONOCLOUD_BACKEND_CLIENT_AUTH_METHOD): {METHODS}, not 'private_key_jtw'"
    ]


@pytest.mark.parametrize(
    ("settings", "companions"),
    [
        ({"client_secret": "s"}, ["client_secret"]),
        ({"client_secret": {}}, ["client_secret"]),
        ({"introspect_jwt_tokens": True}, ["introspect_jwt_tokens"]),
        ({"client_secret": "s", "introspect_jwt_tokens": True}, ["client_secret", "introspect_jwt_tokens"]),
    ],
)
def test_options_that_need_a_client_id(settings: Any, companions: list[str]) -> None:
    """A secret without a client ID, and introspection without one, are refused."""
    assert problems_of(Options, **REQUIRED, **settings) == [
        f"client_id (MONOCLOUD_BACKEND_CLIENT_ID): is required with {name}" for name in companions
    ]


def test_a_wrong_secret_does_not_hide_the_missing_client_id() -> None:
    """Both problems are reported."""
    assert problems_of(Options, **REQUIRED, client_secret=5) == [
        "client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): must be text, a JWK or a PEM private key",
        "client_id (MONOCLOUD_BACKEND_CLIENT_ID): is required with client_secret",
    ]


# -- Requirements of the authentication methods --------------------------------------------------------

SECRET_METHODS: Final[tuple[Any, ...]] = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "spiffe_jwt",
)
CERTIFICATE_METHODS: Final[tuple[Any, ...]] = (
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "spiffe_x509",
)


@pytest.mark.parametrize("method", SECRET_METHODS)
def test_a_method_with_a_secret_needs_one(method: Any) -> None:
    """It is refused at construction, not at the first introspection."""
    assert problems_of(Options, **CLIENT, client_auth_method=method) == [
        f"client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): is required with {method}"
    ]


@pytest.mark.parametrize("method", CERTIFICATE_METHODS)
def test_a_method_with_a_certificate_needs_one(method: Any, certificate: tuple[str, str]) -> None:
    """The certificate is required unless a fetcher presents it."""
    assert problems_of(Options, **CLIENT, client_auth_method=method) == [
        "mtls_certificate (MONOCLOUD_BACKEND_MTLS_CERTIFICATE and MONOCLOUD_BACKEND_MTLS_CERTIFICATE_KEY): "
        f"is required with {method}"
    ]
    options = Options(**CLIENT, client_auth_method=method, mtls_certificate=certificate)
    assert options.mtls_certificate == certificate
    assert Options(**CLIENT, client_auth_method=method, fetcher=never).mtls_certificate is None


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "spiffe_jwt"])
@pytest.mark.parametrize("secret", ["plain", "{looks like JSON", "-----BEGIN"])
def test_a_text_secret_is_kept_as_it_is(method: Any, secret: str) -> None:
    """A text secret is sent to the tenant unchanged, whatever it contains."""
    for options in (
        Options(**CLIENT, client_auth_method=method, client_secret=secret),
        from_variables({"CLIENT_SECRET": secret}, **CLIENT, client_auth_method=method),
    ):
        assert options.client_secret == secret
        assert type(options.client_secret) is str


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", [EC_JWK, OCT_JWK, SigningKey.generate("ES256"), str])
def test_a_method_with_a_text_secret_takes_nothing_else(method: Any, secret: Any) -> None:
    """A method that sends the secret cannot use a key."""
    assert problems_of(Options, **CLIENT, client_auth_method=method, client_secret=secret) == [
        f"client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): is invalid for {method}: it must be plain text"
    ]


def test_a_spiffe_identity_may_be_renewed() -> None:
    """A JWT-SVID is valid for minutes, so a callable may return the current one."""
    options = Options(**CLIENT, client_auth_method="spiffe_jwt", client_secret=str)
    assert options.client_secret is str


@pytest.mark.parametrize(
    ("secret", "algorithm", "key_id"),
    [
        ("plain text", "HS256", None),
        (OCT_JWK, "HS512", None),
        ({**OCT_JWK, "kid": "k", "alg": "HS384"}, "HS384", "k"),
        ({"kty": "oct", "k": OCT_JWK["k"]}, "HS256", None),
        (json.dumps(OCT_JWK), "HS512", None),
        (f"\n{json.dumps(OCT_JWK)} ", "HS512", None),
        (SigningKey.from_secret("s", "HS384"), "HS384", None),
    ],
)
def test_a_symmetric_secret(secret: Any, algorithm: str, key_id: str | None) -> None:
    """Plain text signs with HS256, an ``oct`` JWK with its ``alg``."""
    options = Options(**CLIENT, client_auth_method="client_secret_jwt", client_secret=secret)
    assert isinstance(options.client_secret, SigningKey)
    assert (options.client_secret.algorithm, options.client_secret.key_id) == (algorithm, key_id)


@pytest.mark.parametrize(
    ("secret", "algorithm", "key_id"),
    [
        (EC_JWK, "ES256", "key-1"),
        (json.dumps(EC_JWK), "ES256", "key-1"),
        (EC_PEM, "ES256", None),
        (f"\n  {EC_PEM}", "ES256", None),
        (EC_PEM.replace("\n", "\\n"), "ES256", None),
        (RSA_PEM, "RS256", None),
        (SigningKey.generate("PS512", "k"), "PS512", "k"),
    ],
    ids=["JWK", "JWK text", "PEM", "PEM, indented", "PEM in one line", "RSA PEM", "SigningKey"],
)
def test_a_private_key(secret: Any, algorithm: str, key_id: str | None) -> None:
    r"""A JWK, its text, or PEM; in a one-line variable, ``\n`` may replace line breaks."""
    options = Options(**CLIENT, client_auth_method="private_key_jwt", client_secret=secret)
    assert isinstance(options.client_secret, SigningKey)
    assert (options.client_secret.algorithm, options.client_secret.key_id) == (algorithm, key_id)
    if isinstance(secret, str):
        variables = {"CLIENT_SECRET": secret}
        assert from_variables(variables, **CLIENT, client_auth_method="private_key_jwt") == options


ANY_REASON: Final = ""  # as the reader of keys says
NOT_PRIVATE: Final = "it must be a private key, not a symmetric one"
NOT_SYMMETRIC: Final = "it must be plain text or an oct JWK, not a private key"
PUBLIC_JWK: Final = {name: value for name, value in EC_JWK.items() if name != "d"}


@pytest.mark.parametrize(
    ("method", "secret", "message"),
    [
        ("client_secret_jwt", EC_PEM, "it must be plain text or an oct JWK, not a PEM key"),
        ("client_secret_jwt", EC_JWK, NOT_SYMMETRIC),
        ("client_secret_jwt", SigningKey.generate("ES256"), NOT_SYMMETRIC),
        ("client_secret_jwt", "{not JSON", "it looks like a JWK but is not a valid JSON object"),
        (
            "client_secret_jwt",
            '{"kty": "oct", "kty": "oct"}',
            "it looks like a JWK but is not a valid JSON object",
        ),
        ("client_secret_jwt", {"kty": "oct", "k": ""}, ANY_REASON),
        ("client_secret_jwt", {"kty": "oct"}, ANY_REASON),
        ("client_secret_jwt", str, "it must be a key, not a callable"),
        ("private_key_jwt", "plain", "it must be a private JWK or a PEM private key, not plain text"),
        ("private_key_jwt", OCT_JWK, NOT_PRIVATE),
        ("private_key_jwt", json.dumps(OCT_JWK), NOT_PRIVATE),
        ("private_key_jwt", SigningKey.from_secret("s"), NOT_PRIVATE),
        ("private_key_jwt", PUBLIC_JWK, ANY_REASON),
        ("private_key_jwt", {**EC_JWK, "d": 5}, ANY_REASON),
        ("private_key_jwt", {**EC_JWK, "d": "AAAA"}, ANY_REASON),
        ("private_key_jwt", {**EC_JWK, "kid": 5}, ANY_REASON),
        ("private_key_jwt", {}, ANY_REASON),
        ("private_key_jwt", {"kty": []}, ANY_REASON),
        ("private_key_jwt", '{"kty": {}}', ANY_REASON),
        ("private_key_jwt", {**EC_JWK, "alg": "RS256"}, ANY_REASON),
        ("private_key_jwt", "{", "it looks like a JWK but is not a valid JSON object"),
        ("private_key_jwt", "-----BEGIN", ANY_REASON),
        ("private_key_jwt", EC_PEM[:-40], ANY_REASON),
        ("private_key_jwt", pem_of(EC_KEY, b"password"), ANY_REASON),
        ("private_key_jwt", str, "it must be a key, not a callable"),
        ("spiffe_jwt", EC_JWK, "it must be plain text"),
    ],
)
def test_a_secret_that_does_not_fit_its_method(method: Any, secret: Any, message: str) -> None:
    """It is refused at construction."""
    (problem,) = problems_of(Options, **CLIENT, client_auth_method=method, client_secret=secret)
    expected = f"client_secret (MONOCLOUD_BACKEND_CLIENT_SECRET): is invalid for {method}: {message}"
    assert problem == expected if message else problem.startswith(expected)


# -- Redaction -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "secret", "sensitive"),
    [
        ("client_secret_post", "s3cr3t-value", "s3cr3t"),
        ("client_secret_jwt", "s3cr3t-value", "s3cr3t"),
        ("client_secret_jwt", OCT_JWK, OCT_JWK["k"][:10]),
        ("private_key_jwt", EC_JWK, EC_JWK["d"][:10]),
        ("private_key_jwt", EC_PEM, EC_PEM.splitlines()[1][40:60]),
        ("spiffe_jwt", "header.s3cr3t.signature", "s3cr3t"),
    ],
    ids=["plain", "plain, signing", "oct JWK", "private JWK", "PEM", "SVID"],
)
def test_a_secret_is_in_no_repr_and_in_no_message(method: Any, secret: Any, sensitive: str) -> None:
    """The secret is in no repr and no error, of valid and of invalid options."""
    options = Options(**CLIENT, client_auth_method=method, client_secret=secret)
    assert sensitive not in repr(options)
    for wrong_method in (*SECRET_METHODS, *CERTIFICATE_METHODS):
        try:
            shown = repr(
                Options(**CLIENT, client_auth_method=wrong_method, client_secret=secret, clock_skew=0)
            )
        except ConfigurationError as error:
            shown = f"{error!r} {error} {error.problems!r} {error.__context__!r} {error.__cause__!r}"
        assert sensitive not in shown


def test_a_cache_is_in_no_repr() -> None:
    """The repr of a cache may contain the URL of its server with a password."""

    class Cache:
        get = set = delete = print

        def __repr__(self) -> str:
            return "redis://:passw0rd@cache"

    assert "passw0rd" not in repr(Options(**REQUIRED, cache=Cache()))


@pytest.mark.parametrize("option", ["ca_bundle", "mtls_certificate"])
def test_a_key_in_place_of_its_path_is_not_quoted(option: str) -> None:
    """A private key passed as a path is not quoted in the error."""
    value = EC_PEM if option == "ca_bundle" else (EC_PEM, EC_PEM)
    (problem,) = problems_of(Options, **REQUIRED, **{option: value})
    assert EC_PEM.splitlines()[1][:20] not in problem


# -- As values --------------------------------------------------------------------------------------------


def test_options_cannot_be_changed() -> None:
    """Options are immutable after validation."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Options(**REQUIRED).audience = ("other",)  # type: ignore[misc]


def test_options_are_given_by_name() -> None:
    """Options are keyword-only."""
    with pytest.raises(TypeError):
        Options(TENANT, (API,))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("method", "secret"),
    [("client_secret_post", "s"), ("client_secret_jwt", "s"), ("private_key_jwt", EC_PEM)],
)
def test_options_may_be_derived_from_others(method: Any, secret: str) -> None:
    """Normalised values are accepted as arguments."""
    options = Options(**CLIENT, client_auth_method=method, client_secret=secret)
    changes: Any = {"clock_skew": 5}
    derived = attrs.evolve(options, **changes)
    assert derived == attrs.evolve(derived, **changes)
    assert derived.client_secret == options.client_secret


@pytest.mark.parametrize(
    ("method", "secret"),
    [
        ("client_secret_post", "s"),
        ("client_secret_jwt", OCT_JWK),
        ("private_key_jwt", EC_PEM),
        ("private_key_jwt", EC_JWK),
        ("spiffe_jwt", str),
    ],
    ids=["text", "oct JWK", "PEM", "private JWK", "function"],
)
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda options: pickle.loads(pickle.dumps(options))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_options_are_copied_and_pickled(
    method: Any, secret: Any, copied: Callable[[Options], Options]
) -> None:
    """A copy has the secrets, so that a client can be created in another process."""
    options = Options(**CLIENT, client_auth_method=method, client_secret=secret)
    assert copied(options) == options
    assert hash(copied(options)) == hash(options)


# -- Random values ---------------------------------------------------------------------------------------

NAMES: Final = [field.name for field in attrs.fields(Options)]
SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text() | st.just(10**400)
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
JWKS: Final = st.fixed_dictionaries(
    {},
    optional={name: VALUES | st.just(value) for name, value in {**EC_JWK, "n": "AQAB", "e": "AQAB"}.items()},
)


def check(make: Callable[..., Options], *arguments: Any, **settings: Any) -> None:
    """Create options or expect the documented error; any other error fails the test."""
    problems: Any = "none"
    try:
        make(*arguments, **settings)
    except ConfigurationError as error:
        problems = error.problems
    assert problems


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_no_argument_escapes_the_documented_error(arguments: dict[str, Any]) -> None:
    """Any argument is accepted or reported by name."""
    check(Options, **arguments)
    check(Options, **{**CLIENT, **arguments})


@given(st.dictionaries(st.sampled_from([name.upper() for name in NAMES]), st.text()))
def test_no_variable_escapes_the_documented_error(variables: dict[str, str]) -> None:
    """Any variable is accepted or reported by name."""
    check(from_variables, variables)
    check(from_variables, variables, **REQUIRED)


@given(st.sampled_from(SECRET_METHODS), JWKS)
def test_no_key_escapes_the_documented_error(method: Any, jwk: dict[str, Any]) -> None:
    """Any key is accepted or refused with the documented error."""
    check(Options, **CLIENT, client_auth_method=method, client_secret=jwk)
