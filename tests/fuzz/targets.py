"""The fuzz targets: one for each kind of external input, with what must hold for all inputs.

A target takes bytes. It lets the documented errors pass, checks what must be true of whatever is accepted,
and raises otherwise. The same targets serve hypothesis in ``make test`` and atheris in ``make fuzz``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from monocloud_mw.claims import AccessTokenClaims
from monocloud_mw.core.effects import Instant
from monocloud_mw.core.tenant.http_json import parse_body
from monocloud_mw.core.tenant.metadata import parse_metadata
from monocloud_mw.core.token.claim_checks import (
    check_audience,
    check_issuer,
    check_lifetime,
    check_subject,
    parse_lifetime,
)
from monocloud_mw.core.token.introspection import introspection_endpoint, parse_introspection
from monocloud_mw.core.token.jwt import check_type
from monocloud_mw.core.token.requirements import Requirements, check_groups, check_scopes
from monocloud_mw.core.token.sender_constraint import certificate_to_der, check_confirmation
from monocloud_mw.errors import (
    AuthorizationServerError,
    ConfigurationError,
    CredentialsError,
    HttpError,
    MonoCloudError,
    TokenError,
)
from monocloud_mw.frozen import FrozenDict
from monocloud_mw.http import HttpResponse
from monocloud_mw.jose import (
    SIGNATURE_ALGORITHMS,
    DocumentError,
    KeySet,
    base64url,
    parse_header,
    parse_json_document,
    parse_json_object,
    verify_compact,
)
from monocloud_mw.options import Options, Settings
from monocloud_mw.protect.authorization import parse_authorization
from monocloud_mw.protect.paths import trace_interpretations
from monocloud_mw.protect.policy import Policy
from monocloud_mw.protect.responses import error_response
from monocloud_mw.protect.rules import Rule
from monocloud_mw.stores.entry import EntryError, EntryFormat
from monocloud_mw.urls import parse_url

__all__ = ["TARGETS", "Target"]

TENANT: Final = "https://tenant.example.com"
NOW: Final = Instant(unix=1_700_000_000.0, monotonic=1000.0)
VECTORS: Final = Path(__file__).parent.parent / "vectors"
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi"})
SETTINGS: Final[Settings] = {
    "tenant_domain": TENANT,
    "audience": "api",
    "client_id": "api",
    "client_secret": "not a secret",
    "client_auth_method": "client_secret_post",
}
OPTIONS: Final = Options(**SETTINGS)
OPTIONS_OF_A_TRUST_STORE: Final = Options(**Settings(**SETTINGS) | {"trust_store_id": "store"})
NEEDED: Final = Requirements.of(scopes="read", groups=["staff"])


@attrs.frozen
class Target:
    """One kind of input.

    Args:
        run: takes the bytes; raises where something undocumented happens.
        seeds: examples to start from.
        words: what inputs of this kind are made of, which chance would take long to find.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str, ...] = ()


@contextmanager
def _refusing(*documented: type[MonoCloudError]) -> Iterator[None]:
    """Accept documented errors whose texts and headers are safe."""
    try:
        yield
    except documented as error:
        text = f"{error} {error!r}"
        if not text.isprintable() or len(text) > 2000:
            raise AssertionError("a message is not escaped, or too long") from error
        if any("\n" in value or "\r" in value for _, value in error_response(error).headers):
            raise AssertionError("a header can be broken out of") from error


# -- Tokens and claims ------------------------------------------------------------------------------------


@functools.cache
def _vectors(kind: str) -> tuple[Mapping[str, Any], ...]:
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(VECTORS.glob("*.json"))]
    return tuple(vector for document in documents for vector in document.get(kind, ()))


@functools.cache
def _known_keys() -> KeySet:
    keys = [vector["key"] for vector in _vectors("signatures") if vector["key"]]
    return KeySet.from_dict(
        {"keys": [{name: key[name] for name in key.keys() - PRIVATE_MEMBERS} for key in keys]}
    )


@functools.cache
def _known_payloads() -> frozenset[bytes]:
    return frozenset(vector["payload"].encode() for vector in _vectors("signatures"))


def _token(data: bytes) -> None:
    """A token is refused, or has the content of a published example, since only its owner can sign."""
    with _refusing(TokenError):
        verified = verify_compact(data.decode("utf-8", "surrogateescape"), _known_keys())
        check_type(verified.header)
        assert verified.payload in _known_payloads()


def _token_seeds() -> Iterator[bytes]:
    for vector in _vectors("signatures"):
        yield vector["compact"].encode()
    yield b"a.b.c"
    yield b"eyJhbGciOiJub25lIn0.e30."


def _header(data: bytes) -> None:
    """A header gives an algorithm that can verify and the name of a key, or is refused."""
    with _refusing(TokenError):
        header = parse_header(base64url.encode(data))
        assert SIGNATURE_ALGORITHMS[header.parameters["alg"]] is header.algorithm
        assert header.key_id == header.parameters.get("kid")
        assert "crit" not in header.parameters
        check_type(header.parameters)


def _header_seeds() -> Iterator[bytes]:
    yield from (
        base64url.decode(token.partition(b".")[0].decode()) for token in _token_seeds() if token[:2] == b"ey"
    )
    yield b'{"alg":"ES256","kid":"key","typ":"at+jwt","crit":["b64"],"jwk":{"kty":"EC"},"x5c":["MIIB"]}'


def _claims(data: bytes) -> None:
    """Claims of a verified token may still have any type."""
    with _refusing(TokenError):
        _check_claims(parse_json_object(data))


def _check_claims(document: FrozenDict) -> None:
    claims = AccessTokenClaims(document)
    json.dumps(claims, allow_nan=False)
    for name in dir(AccessTokenClaims):
        if isinstance(getattr(AccessTokenClaims, name), property):
            getattr(claims, name)
    checks: tuple[Callable[[], None], ...] = (
        lambda: check_issuer(claims, TENANT),
        lambda: check_audience(claims, ("api",)),
        lambda: check_lifetime(parse_lifetime(claims, skew_seconds=0, tolerance_seconds=60), NOW),
        lambda: check_subject(claims),
        lambda: check_confirmation(claims, None, "when_present"),
        lambda: check_confirmation(claims, b"\x30", "required"),
        lambda: check_scopes(claims, NEEDED),
        lambda: check_groups(claims, NEEDED, match_all=False),
        lambda: check_groups(claims, NEEDED, match_all=True),
    )
    for check in checks:
        with _refusing(TokenError):
            check()


def _claims_seeds() -> Iterator[bytes]:
    whole = {
        "iss": TENANT,
        "aud": ["api"],
        "sub": "user",
        "exp": 1_700_000_600,
        "nbf": 1.7e9,
        "scope": "read write",
        "groups": [{"id": "1", "name": "staff"}, "other"],
        "cnf": {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
    }
    yield json.dumps(whole).encode()
    yield json.dumps(whole | {"cnf": {"jkt": "x"}, "scope": ["read"], "groups": "staff"}).encode()
    yield b'{"exp":1e308,"nbf":-0.0,"n":"\\ud83d\\ude00"}'


CLAIM_WORDS: Final = (
    *('"iss":', '"aud":', '"sub":', '"exp":', '"nbf":', '"scope":', '"groups":', '"id":', '"name":'),
    *('"cnf":', '"jkt":', '"x5t#S256":', "null", "true", "false", "NaN", "1e999", "\\ud800", f'"{TENANT}"'),
)


def _certificate(data: bytes) -> None:
    """A proxy's header is a certificate or is refused."""
    with _refusing(TokenError):
        certificate_to_der(data)
    with _refusing(TokenError):
        certificate_to_der(data.decode("latin-1"))


def _certificate_seeds() -> Iterator[bytes]:
    yield b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    yield b"\x30\x00"
    for vector in _vectors("key_sets"):
        for key in vector["key_set"]["keys"]:
            yield from (value.encode() for value in key.get("x5c", ()))


# -- Requests ---------------------------------------------------------------------------------------------

TOKEN_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")


def _authorization(data: bytes) -> None:
    """One or several header lines give one token of the grammar, after one ``Bearer``."""
    values = data.decode("latin-1").split("\n")
    with _refusing(CredentialsError):
        token = parse_authorization(values)
        assert token
        assert frozenset(token) <= TOKEN_CHARACTERS
        scheme, _, rest = ", ".join(values).strip(" \t").partition(" ")
        assert scheme.lower() == "bearer"
        assert rest.strip(" \t") == token


def _authorization_seeds() -> Iterator[bytes]:
    yield from (
        b"Bearer abc.def.ghi",
        b"bearer  a==",
        b"Basic YTpi\nBearer abc",
        b"Bearer",
        b"Bearer a,Bearer b",
    )
    yield from (b"Bearer " + seed for seed in _token_seeds())


@functools.cache
def _policy() -> Policy:
    return Policy(
        [
            Rule("/healthz", public=True),
            Rule("/public/<path:rest>", public=True),
            Rule("/public/admin/<path:rest>", groups=["admin"]),
            Rule("/orders/<int:number>", methods=["POST"], scopes=["write"]),
        ]
    )


def _path(data: bytes) -> None:
    """A path needs no token only if every interpretation of it is public."""
    path, prefix, raw, *_ = [*data.decode("utf-8", "replace").split("\n"), "", "", ""]
    needed = _policy().requirements_for("GET", path, prefix=prefix, raw_path=raw)
    if needed is None:
        readings = trace_interpretations([path], [prefix])
        assert readings is not None
        for reading in ("/" + path.lstrip("/") for path in readings):  # one slash or several are one path
            assert reading.rstrip("/") == "/healthz" or reading.startswith("/public/")
            assert not reading.startswith("/public/admin/")


def _path_seeds() -> Iterator[bytes]:
    yield from (
        b"/healthz",
        b"/public/x",
        b"/public/..%2fadmin/x",
        b"/public/a/../admin/x\n/mount\n/%2e%2e/x",
    )
    yield from (b"/orders/1", b"//host/public/x", b"/public;a/admin/b", b"/public/\\..\\admin")


def _rule(data: bytes) -> None:
    """A rule is refused when declared, or gives a result for any path."""
    text = data.decode("utf-8", "replace")
    with suppress(ConfigurationError):
        policy = Policy([Rule(text, groups=["admin"])])
        policy.requirements_for("GET", text)


def _rule_seeds() -> Iterator[bytes]:
    yield from (b"/a/<int:b>", b"/a/<path:rest>", b"/<any(a,b):c>/", b"/<string(length=2):x>", b"/<x>/<y>")


def _url(data: bytes) -> None:
    """An accepted URL has a host, a safe scheme and no user."""
    with suppress(ValueError):
        url = parse_url(data.decode("utf-8", "replace"))
        assert url.hostname
        assert url.username is None
        assert url.scheme in ("http", "https")


def _url_seeds() -> Iterator[bytes]:
    yield from (
        b"https://a.example/x?y=1",
        b"http://[::1]:80/",
        b"http://127.0.0.1",
        b"https://u:p@h",
        b"//h/p",
    )


# -- The tenant's answers ---------------------------------------------------------------------------------


def _document(data: bytes) -> None:
    """The result is strict JSON, and the same as that of the strict parser where that accepts the input."""
    document = None
    with suppress(DocumentError):
        document = parse_json_document(data)
    with suppress(TokenError):
        assert parse_json_object(data) == document
    if document is not None:
        assert parse_json_object(json.dumps(document, allow_nan=False).encode()) == document
        with suppress(DocumentError):
            assert parse_json_document(data, unique=tuple(document)) == document


def _document_seeds() -> Iterator[bytes]:
    yield from (seed for seeds in (_key_set_seeds, _discovery_seeds, _claims_seeds) for seed in seeds())
    yield b'\xef\xbb\xbf{"a":1,"a":[NaN,1e999,-Infinity],"\\ud800":"\\udfff","b":"\xff"}'
    yield b'{"n":' + b"9" * 70 + b',"deep":' + b"[" * 40 + b"]" * 40 + b"}"


def _key_set(data: bytes) -> None:
    """A key set is read or refused; a key in it is public, and fits some algorithm."""
    with suppress(ValueError):
        keys = KeySet.from_dict(parse_json_document(data))
        assert all(reason.isprintable() for reason in keys.skipped)
        for key in keys:
            assert any(key in keys.candidates(name, key.key_id) for name in SIGNATURE_ALGORITHMS)


def _key_set_seeds() -> Iterator[bytes]:
    for vector in _vectors("key_sets"):
        yield json.dumps(vector["key_set"]).encode()
    for vector in _vectors("thumbprints"):
        yield json.dumps({"keys": [vector["key"]]}).encode()


KEY_WORDS: Final = (
    *('"keys":[', '"kty":', '"RSA"', '"EC"', '"OKP"', '"AKP"', '"oct"', '"crv":', '"P-256"', '"P-384"'),
    *('"P-521"', '"Ed25519"', '"Ed448"', '"alg":', '"use":', '"sig"', '"key_ops":', '"verify"', '"kid":'),
    *('"n":', '"e":', '"x":', '"y":', '"pub":', '"d":', '"k":', '"ML-DSA-44"'),
)


def _discovery(data: bytes) -> None:
    """A discovery document has the tenant's issuer and safe URLs, or is refused."""
    with _refusing(HttpError, ConfigurationError):
        metadata = parse_metadata(parse_body(TENANT, HttpResponse(status=200, body=data)), TENANT)
        assert metadata.issuer.rstrip("/") == TENANT
        with _refusing(HttpError):
            assert metadata.jwks_uri.startswith("https://") or metadata.jwks_uri.lower().startswith("https:")
        for options in (OPTIONS, OPTIONS_OF_A_TRUST_STORE):
            with _refusing(HttpError, ConfigurationError):
                introspection_endpoint(metadata, options)


def _discovery_seeds() -> Iterator[bytes]:
    document = {
        "issuer": TENANT,
        "jwks_uri": f"{TENANT}/jwks",
        "introspection_endpoint": f"{TENANT}/introspect",
        "mtls_endpoint_aliases": {"introspection_endpoint": f"{TENANT}:8443/introspect"},
        "mtls_additional_endpoint_aliases": {
            "store": {"introspection_endpoint": f"{TENANT}:9443/introspect"}
        },
    }
    yield json.dumps(document).encode()
    yield json.dumps(document | {"issuer": f"{TENANT}/", "jwks_uri": "http://evil.example"}).encode()


def _introspection(data: bytes) -> None:
    """An introspection response is an answer with claims of any type, or the tenant's fault."""
    status = (200, 200, 200, 400, 401, 403, 404, 500)[data[0] % 8] if data else 204
    with _refusing(AuthorizationServerError):
        response = HttpResponse(status=status, body=data[1:])
        answer = parse_introspection(f"{TENANT}/introspect", response, OPTIONS)
        assert status == 200
        assert isinstance(answer["active"], bool)
        _check_claims(answer)


def _introspection_seeds() -> Iterator[bytes]:
    for claims in _claims_seeds():
        yield b"\x00" + claims.replace(b"{", b'{"active":true,', 1)
    yield b'\x00{"active":false}'
    yield b'\x03{"error":"invalid_client","error_description":"who are you"}'


def _cache_entry(data: bytes) -> None:
    """A value in a shared cache is an entry of this package or a miss."""
    plain, sealed = EntryFormat(), EntryFormat(b"k" * 32)
    with suppress(EntryError):
        plain.parse("key", data)
    with suppress(EntryError):
        sealed.parse("key", data)
        raise AssertionError("an entry without a valid code was accepted")


def _cache_entry_seeds() -> Iterator[bytes]:
    yield EntryFormat().render("key", {"active": True, "sub": "user"}, 1_700_000_000) or b""


TARGETS: Final[Mapping[str, Target]] = {
    "token": Target(_token, _token_seeds, ("eyJhbGciOi", "none", "RS256", "HS256", ".", "=")),
    "header": Target(_header, _header_seeds, ('"alg":', '"kid":', '"typ":', '"crit":', "\\u0061", '"none"')),
    "claims": Target(_claims, _claims_seeds, CLAIM_WORDS),
    "certificate": Target(
        _certificate, _certificate_seeds, ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    ),
    "authorization": Target(
        _authorization, _authorization_seeds, ("Bearer ", "Basic ", ",", "\t", "=", "\n")
    ),
    "path": Target(_path, _path_seeds, ("/..", "%2e", "%2f", "%5c", "//", ";", "%25", "/public/", "/admin/")),
    "rule": Target(_rule, _rule_seeds, ("<int:", "<path:", "<any(", "):", "<", ">", "<uuid:", "<float(min=")),
    "url": Target(_url, _url_seeds, ("https://", "http://", "localhost", "@", "[::1]", ":0", "#")),
    "document": Target(
        _document,
        _document_seeds,
        ("NaN", "1e999", "\\ud800", "[" * 33, '"issuer":', '"a":1,"a":2', "\ufeff"),
    ),
    "key_set": Target(_key_set, _key_set_seeds, KEY_WORDS),
    "discovery": Target(
        _discovery, _discovery_seeds, ('"issuer":', '"jwks_uri":', '"mtls_endpoint_aliases":', "http://")
    ),
    "introspection": Target(
        _introspection, _introspection_seeds, ('"active":', "true", '"error":', '"error_description":')
    ),
    "cache_entry": Target(_cache_entry, _cache_entry_seeds, ('"key":', '"expires_at":', '"claims":')),
}
