"""JWTs: from an untrusted string to claims signed by the tenant, and the cache of verified tokens."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monocloud_mw.core.effects import Instant, RunOnce, RunOnceInBackground
from monocloud_mw.core.tenant.tenant import Tenant
from monocloud_mw.core.token import jwt as jwt_access_token
from monocloud_mw.core.token.jwt import JwtAccessTokenVerifier, check_type
from monocloud_mw.core.token.verified import VerifiedToken
from monocloud_mw.errors import HttpError, MonoCloudError, Reason, TokenError
from monocloud_mw.jose import (
    SIGNATURE_ALGORITHMS,
    Jwk,
    JwsHeader,
    KeySet,
    SigningKey,
    parse_header,
    sign_compact,
    split_compact,
    verify,
)
from monocloud_mw.options import Options

from ...test_frozen import JSON
from ..fake_driver import FakeDriver, json_response, step
from ..keys import ES256, FIRST, RS256, SECOND, jwks_of

TENANT: Final = "https://acme.us.monocloud.com"
DISCOVERY: Final = f"{TENANT}/.well-known/openid-configuration"
JWKS_URI: Final = f"{TENANT}/jwks"
CLAIMS: Final[dict[str, Any]] = {"iss": TENANT, "aud": "api", "sub": "user-1", "exp": 1_700_000_600}


class Harness(FakeDriver):
    """A tenant with some keys, and a verifier of its tokens."""

    def __init__(self, *keys: SigningKey, **settings: Any) -> None:
        super().__init__({DISCOVERY: json_response(json.dumps({"issuer": TENANT, "jwks_uri": JWKS_URI}))})
        self.options = Options(**{"tenant_domain": TENANT, "audience": "api", **settings})
        self.tenant = Tenant(self.options)
        self.reader = JwtAccessTokenVerifier(self.options, self.tenant)
        self.publish(*(keys or (FIRST, RS256)))

    def publish(self, *keys: SigningKey) -> None:
        """Publish these keys from now on."""
        self.responses[JWKS_URI] = json_response(json.dumps(jwks_of(*keys)))

    def read(self, token: str) -> VerifiedToken:
        """Read a token as the validator does: from the cache or by verifying it."""
        self.effects.clear()
        cache_key = self.reader.cache_key(token)
        known = self.reader.cached(cache_key)
        if known is not None and known.keys is not self.tenant.keys.fresh(self.now):
            known = self.run(self.reader.recheck_key(known, cache_key, self.now))
        if known is not None:
            return known
        parts = split_compact(token)
        if parts is None:  # the validator uses these for other checks
            raise TokenError(Reason.MALFORMED)
        return self.run(self.reader.verify(parts, cache_key, self.now))

    def error(self, token: str) -> TokenError:
        """Return the error with which a token is refused."""
        with pytest.raises(TokenError) as caught:
            self.read(token)
        return caught.value

    @property
    def fetches_of_keys(self) -> int:
        """The number of key set requests."""
        return self.urls.count(JWKS_URI)


def key_id_of(token: VerifiedToken) -> str | None:
    """Return the id of the key that signed a token."""
    assert token.key is not None
    return token.key.key_id


def part(content: object) -> str:
    """Return one part of a token."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token_of(header: object, payload: object = CLAIMS, signature: bytes = b"\0" * 64) -> str:
    """Assemble a token without a valid signature."""
    return f"{part(header)}.{part(payload)}.{part(signature)}"


GOOD: Final = sign_compact(CLAIMS, FIRST)
STRANGER: Final = SigningKey.generate("EdDSA", "first")


# -- What is accepted -----------------------------------------------------------------------------------


def test_a_token_of_the_tenant_is_read() -> None:
    """Discovery and keys are fetched for the first token; claims in UTF-8 are unchanged."""
    harness = Harness()
    token = sign_compact({**CLAIMS, "name": "Zo\u00eb \u65e5\u672c"}, FIRST)
    verified = harness.read(token)
    assert verified.claims == {**CLAIMS, "name": "Zo\u00eb \u65e5\u672c"}
    assert key_id_of(verified) == "first"
    assert harness.urls == [DISCOVERY, JWKS_URI]


@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"],
)
def test_tokens_of_another_implementation_are_read(algorithm: str) -> None:
    """Tokens signed by PyJWT are accepted."""
    if algorithm[:2] in ("RS", "PS"):
        key = SigningKey(algorithm=algorithm, key_id="k", key=RS256.key)
    else:
        key = SigningKey.generate(algorithm, "k")
    token = jwt.encode(CLAIMS, key.key, algorithm=algorithm, headers={"kid": "k"})
    assert Harness(key).read(token).claims == CLAIMS


@pytest.mark.parametrize(
    "typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt", "JWT", "jwt", None]
)
def test_the_types_of_access_tokens(typ: str | None) -> None:
    """All types of RFC 9068 section 2.1 are accepted in any case; ``None`` leaves `typ` out."""
    assert Harness().read(sign_compact(CLAIMS, FIRST, {"typ": typ})).claims == CLAIMS


def test_white_space_around_the_claims_is_json() -> None:
    """White space of RFC 8259 section 2 is accepted."""
    assert Harness().read(sign_compact(f" \n{json.dumps(CLAIMS)}\r\t".encode(), FIRST)).claims == CLAIMS


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t"])
def test_keys_in_a_header_are_never_looked_at(name: str) -> None:
    """Keys in the header are ignored in valid tokens and in invalid ones."""
    harness = Harness()
    header = {name: SECOND.public_jwk() if name == "jwk" else "https://evil.example"}
    assert harness.read(sign_compact(CLAIMS, FIRST, header)).claims == CLAIMS
    assert harness.urls == [DISCOVERY, JWKS_URI]


# -- What is refused without keys -------------------------------------------------------------------------

EDDSA: Final = {"alg": "EdDSA", "kid": "first"}

NO_TYPES: Final[tuple[Any, ...]] = (
    *(
        "",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "id_token+jwt",
        "JOSE",
        "at+jwt ",
        "at",
        "application/jwt",
    ),
    *(None, 5, True, ["at+jwt"], {}),
)
NO_ALGORITHMS: Final[tuple[Any, ...]] = (
    *("none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "hs256", "rs256", "eddsa"),
    *(None, 5, True, ["EdDSA"], {"alg": "EdDSA"}),
)

GARBAGE: Final[list[tuple[str, Reason]]] = [
    ("", Reason.MALFORMED),
    ("..", Reason.MALFORMED),
    ("a.b.c", Reason.MALFORMED),
    ("a.b", Reason.MALFORMED),
    (f"{GOOD}.x", Reason.MALFORMED),
    (f"{GOOD}=", Reason.MALFORMED),
    (f"{GOOD}\n", Reason.MALFORMED),
    (GOOD.replace(".", " .", 1), Reason.MALFORMED),
    (GOOD.replace(".", "\u3002"), Reason.MALFORMED),
    (GOOD + "\u00fc", Reason.MALFORMED),
    (GOOD + "\ud800", Reason.MALFORMED),
    (token_of(b"not JSON"), Reason.MALFORMED),
    (token_of([]), Reason.MALFORMED),
    (token_of(None), Reason.MALFORMED),
    (token_of(b'{"alg": "EdDSA", "alg": "EdDSA"}'), Reason.MALFORMED),
    (token_of(b'{"alg": "EdDSA", "x": NaN}'), Reason.MALFORMED),
    (token_of(b'{"alg": "EdDSA", "x": "\xff"}'), Reason.MALFORMED),
    (token_of(b"[" * 10_000), Reason.MALFORMED),
    (token_of({**EDDSA, "kid": 5}), Reason.MALFORMED),
    (token_of({**EDDSA, "kid": None}), Reason.MALFORMED),
    (token_of({**EDDSA, "kid": ["first"]}), Reason.MALFORMED),
    (token_of({**EDDSA, "crit": ["exp"]}), Reason.MALFORMED),
    (token_of({**EDDSA, "crit": []}), Reason.MALFORMED),
    (token_of({**EDDSA, "crit": None}), Reason.MALFORMED),
    (token_of({**EDDSA, "crit": ["b64"], "b64": False}), Reason.MALFORMED),
    ("A" * (16 * 1024 - 3) + ".A.A", Reason.MALFORMED),
    (token_of({}), Reason.UNSUPPORTED_ALGORITHM),
    (token_of({"kid": "first"}), Reason.UNSUPPORTED_ALGORITHM),
    *((token_of({**EDDSA, "alg": name}), Reason.UNSUPPORTED_ALGORITHM) for name in NO_ALGORITHMS),
    *((token_of({**EDDSA, "typ": typ}), Reason.WRONG_TYPE) for typ in NO_TYPES),
    *((token_of(EDDSA, payload), Reason.MALFORMED) for payload in (b"", b"{", b"}", b"not JSON", b"[{}]")),
    *((token_of(EDDSA, payload), Reason.MALFORMED) for payload in (b"\x0b{}", b"{}\x0c", b"\xc2\xa0{}")),
    (sign_compact(b"[]", SigningKey.generate("EdDSA", "unknown")), Reason.MALFORMED),
]


@pytest.mark.parametrize(("token", "reason"), GARBAGE)
def test_a_malformed_token_causes_no_request(token: str, reason: Reason) -> None:
    """A malformed token causes no effect at all."""
    harness = Harness()
    assert harness.error(token).reason is reason
    assert harness.effects == []


def test_only_accepted_algorithms() -> None:
    """Algorithms that the options leave out are refused even if they are supported."""
    harness = Harness(ES256, FIRST, algorithms=["ES256"])
    assert harness.read(sign_compact(CLAIMS, ES256)).claims == CLAIMS
    error = harness.error(GOOD)
    assert (error.reason, error.detail) == (Reason.UNSUPPORTED_ALGORITHM, "alg is 'EdDSA'; accepted: ES256")
    assert harness.effects == []


def test_a_header_that_was_accepted_is_known_only_as_a_whole() -> None:
    """A cached header is only used for exactly the same header text."""
    harness = Harness()
    harness.read(GOOD)
    assert harness.error(sign_compact(CLAIMS, FIRST, {"typ": "dpop+jwt"})).reason is Reason.WRONG_TYPE
    assert harness.error(sign_compact(CLAIMS, FIRST, {"crit": ["x"]})).reason is Reason.MALFORMED


def test_a_header_that_is_known_still_needs_a_signature() -> None:
    """A token with a cached header still needs a valid signature and payload."""
    harness = Harness()
    harness.read(GOOD)
    header, _, signature = GOOD.split(".")
    forged = f"{header}.{part({**CLAIMS, 'sub': 'admin'})}.{signature}"
    assert harness.error(forged).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("claims", "by_stranger"),
    [
        (CLAIMS, True),
        (b"{not JSON}", False),
        ({**CLAIMS, "iss": "x"}, False),
        ({**CLAIMS, "aud": "x"}, False),
        ({**CLAIMS, "exp": True}, False),
        (CLAIMS, False),
    ],
)
def test_headers_of_good_tokens_are_read_once_and_no_others_are_remembered(
    claims: Any, by_stranger: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made-up tokens and tokens for other APIs cannot displace the headers of valid tokens."""
    read: list[str] = []

    def reading(encoded: str, *arguments: Any) -> JwsHeader:
        read.append(encoded)
        return parse_header(encoded, *arguments)

    monkeypatch.setattr(jwt_access_token, "parse_header", reading)
    harness = Harness(jwt_cache_size=0)
    token = sign_compact(claims, STRANGER if by_stranger else FIRST)
    is_good = claims is CLAIMS and not by_stranger
    for _ in range(3):
        if is_good:
            harness.read(token)
        else:
            harness.error(token)
    assert len(read) == (1 if is_good else 3)


# -- What is refused with keys ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (sign_compact(CLAIMS, SigningKey.generate("EdDSA", "unknown")), Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, SECOND), Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, FIRST, {"kid": "First"}), Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, FIRST, {"kid": ""}), Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, FIRST, {"kid": "rsa"}), Reason.UNKNOWN_KEY),
        (token_of({"alg": "RS256", "kid": "first"}), Reason.UNKNOWN_KEY),
        (token_of({"alg": "ES256", "kid": "first"}), Reason.UNKNOWN_KEY),
        (token_of({"alg": "PS256", "kid": "rsa"}), Reason.UNKNOWN_KEY),
        (sign_compact(CLAIMS, STRANGER), Reason.BAD_SIGNATURE),
        (sign_compact(CLAIMS, STRANGER, {"kid": None}), Reason.BAD_SIGNATURE),
        (sign_compact(CLAIMS, STRANGER, {"jwk": STRANGER.public_jwk()}), Reason.BAD_SIGNATURE),
        (sign_compact(CLAIMS, STRANGER, {"jku": "https://evil.example"}), Reason.BAD_SIGNATURE),
        (token_of(EDDSA), Reason.BAD_SIGNATURE),
        (token_of(EDDSA, signature=b""), Reason.BAD_SIGNATURE),
        (f"{GOOD.rpartition('.')[0]}.", Reason.BAD_SIGNATURE),
        (sign_compact(b"{not JSON}", FIRST), Reason.MALFORMED),
        (sign_compact(b'{"aud": "api", "aud": "api"}', FIRST), Reason.MALFORMED),
        (sign_compact(b'{"exp": Infinity}', FIRST), Reason.MALFORMED),
        (sign_compact({**CLAIMS, "iss": "https://evil.example"}, FIRST), Reason.WRONG_ISSUER),
        (sign_compact({**CLAIMS, "iss": f"{TENANT}/"}, FIRST), Reason.WRONG_ISSUER),
        (sign_compact({**CLAIMS, "aud": "other"}, FIRST), Reason.WRONG_AUDIENCE),
        (sign_compact({**CLAIMS, "exp": "soon"}, FIRST), Reason.INVALID_CLAIM),
    ],
)
def test_what_is_refused(token: str, reason: Reason) -> None:
    """Each token has its own reason, and requests go only to the tenant."""
    harness = Harness()
    assert harness.error(token).reason is reason
    assert set(harness.urls) == {DISCOVERY, JWKS_URI}


def test_the_signature_is_checked_before_any_claim() -> None:
    """The error of a forged token does not tell which claims are wrong."""
    harness = Harness()
    payload = {"iss": "x", "aud": "x", "exp": "soon"}
    assert harness.error(sign_compact(payload, STRANGER)).reason is Reason.BAD_SIGNATURE
    assert harness.error(sign_compact(b"{not JSON}", STRANGER)).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("position", [0, 1, 10, -1, -2, -20])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_changed_character_never_verifies(index: int, position: int) -> None:
    """A changed character in any part is refused, even where base64 would decode to the same bytes."""
    parts = GOOD.split(".")
    characters = list(parts[index])
    for replacement in ("A", "B", "-", "_", "9"):
        if characters[position] == replacement:
            continue
        changed = [*characters]
        changed[position] = replacement
        token = ".".join([*parts[:index], "".join(changed), *parts[index + 1 :]])
        assert Harness().error(token).reason in {
            Reason.MALFORMED,
            Reason.UNSUPPORTED_ALGORITHM,
            Reason.UNKNOWN_KEY,
            Reason.BAD_SIGNATURE,
        }


def test_the_errors_name_key_and_issuer_for_the_log() -> None:
    """Key ID and issuer are escaped; an issuer is only named if the tenant signed it."""
    harness = Harness()
    unknown = harness.error(sign_compact(CLAIMS, FIRST, {"kid": "a\nb"}))
    assert (unknown.key_id, unknown.issuer) == ("'a\\nb'", None)
    other = harness.error(sign_compact({**CLAIMS, "iss": "x\ny"}, FIRST))
    assert (other.key_id, other.issuer) == ("'first'", "'x\\ny'")
    nameless = SigningKey(algorithm="EdDSA", key=FIRST.key)
    assert Harness(nameless).error(sign_compact({**CLAIMS, "aud": "x"}, nameless)).key_id is None


def test_without_keys_nothing_is_validated() -> None:
    """The error is the tenant's, not the token's."""
    harness = Harness()
    harness.responses.clear()
    with pytest.raises(HttpError, match="nothing answers there"):
        harness.read(GOOD)


def test_without_an_issuer_nothing_is_validated() -> None:
    """Keys from a resolver do not replace the issuer from the metadata."""

    def fail() -> None:
        raise RuntimeError

    harness = Harness(jwks_resolver=lambda: jwks_of(FIRST), metadata_resolver=fail)
    with pytest.raises(HttpError, match="the metadata_resolver failed with RuntimeError"):
        harness.read(GOOD)
    assert harness.error(sign_compact(CLAIMS, STRANGER)).reason is Reason.BAD_SIGNATURE


# -- Rotation ---------------------------------------------------------------------------------------------


def test_a_new_key_works_at_once() -> None:
    """A token signed by a new key is accepted after one refresh, whatever the age of the key set."""
    harness = Harness(FIRST)
    harness.read(GOOD)
    harness.publish(FIRST, SECOND)
    assert key_id_of(harness.read(sign_compact(CLAIMS, SECOND))) == "second"
    assert harness.fetches_of_keys == 2


def test_unknown_keys_cost_one_request_per_cooldown() -> None:
    """However many unknown key IDs are presented, there is one request per cool-down."""
    harness = Harness(FIRST)
    for number in range(20):
        assert harness.error(sign_compact(CLAIMS, SECOND, {"kid": f"k{number}"})).reason is Reason.UNKNOWN_KEY
    assert harness.fetches_of_keys == 2
    harness.pass_time(30.0)
    harness.error(sign_compact(CLAIMS, SECOND))
    assert harness.fetches_of_keys == 3


def test_a_key_replaced_under_its_id_works_at_once() -> None:
    """A bad signature of a known key causes at most one request per cool-down."""
    harness = Harness(FIRST)
    harness.read(GOOD)
    harness.publish(STRANGER)
    assert harness.read(sign_compact(CLAIMS, STRANGER)).claims == CLAIMS
    assert harness.fetches_of_keys == 2
    for _ in range(20):
        assert harness.error(sign_compact(CLAIMS, FIRST)).reason is Reason.BAD_SIGNATURE
    assert harness.fetches_of_keys == 2
    harness.pass_time(30.0)
    harness.error(sign_compact(CLAIMS, FIRST))
    assert harness.fetches_of_keys == 3


def test_a_bad_signature_of_a_known_key_while_the_tenant_is_down() -> None:
    """The key is known, so the token is refused as the caller's fault."""
    harness = Harness(FIRST)
    harness.read(GOOD)
    harness.responses.clear()
    for _ in range(2):
        assert harness.error(sign_compact(CLAIMS, STRANGER)).reason is Reason.BAD_SIGNATURE


def test_tokens_without_a_key_id() -> None:
    """Every suitable key is tried; if none verifies, a newer set is requested once per cool-down."""
    harness = Harness(SECOND, FIRST)
    assert key_id_of(harness.read(sign_compact(CLAIMS, FIRST, {"kid": None}))) == "first"
    new = SigningKey.generate("EdDSA", "new")
    harness.publish(new)
    assert key_id_of(harness.read(sign_compact(CLAIMS, new, {"kid": None}))) == "new"
    assert harness.fetches_of_keys == 2
    error = harness.error(sign_compact({**CLAIMS, "jti": "2"}, FIRST, {"kid": None}))
    assert error.reason is Reason.BAD_SIGNATURE
    assert harness.fetches_of_keys == 2


def test_a_bad_signature_is_checked_once_where_there_are_no_newer_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise a forgery without a key ID would cost twice as much as a valid token."""
    checked: list[KeySet] = []

    def checking(header: JwsHeader, signature: bytes, message: bytes, keys: KeySet) -> Jwk:
        checked.append(keys)
        return verify(header, signature, message, keys)

    harness = Harness()
    forged = sign_compact(CLAIMS, STRANGER, {"kid": None})
    harness.error(forged)
    monkeypatch.setattr(jwt_access_token, "verify", checking)
    assert harness.error(forged).reason is Reason.BAD_SIGNATURE
    assert len(checked) == 1


def test_an_unknown_key_while_the_tenant_is_down() -> None:
    """Whether the key is new cannot be known, so this is an outage, while known keys stay in use."""
    harness = Harness(FIRST)
    harness.read(GOOD)
    harness.responses.clear()
    for token in (sign_compact(CLAIMS, SECOND), sign_compact(CLAIMS, SECOND, {"kid": None})):
        with pytest.raises(HttpError, match="the cached key set may be out of date") as caught:
            harness.read(token)
        assert caught.value.temporary
        assert caught.value.retry_after == 30.0
    assert harness.read(GOOD).claims == CLAIMS
    harness.pass_time(3899.0)
    later = {**CLAIMS, "jti": "2", "exp": CLAIMS["exp"] + 3899}
    assert harness.read(sign_compact(later, FIRST)).claims["jti"] == "2"


# -- The cache of verified tokens -------------------------------------------------------------------------


def test_a_repeated_token_needs_no_effect() -> None:
    """A cached token needs no effect and has the same claims object."""
    harness = Harness()
    first = harness.read(GOOD)
    assert harness.read(GOOD) is first
    assert harness.effects == []


def test_a_repeated_token_stays_valid_after_a_refresh_with_its_key() -> None:
    """The signature is not checked again, and the claims are the same object."""
    harness = Harness(FIRST)
    first = harness.read(GOOD)
    harness.publish(SECOND, FIRST)
    harness.run(harness.tenant.keys.get(harness.now, reload=True))
    second = harness.read(GOOD)
    assert second.claims is first.claims
    assert second.key == first.key
    assert second.keys is harness.tenant.keys.fresh(harness.now)
    assert harness.read(GOOD) is second


def test_a_withdrawn_key_stops_working_at_the_next_refresh() -> None:
    """Cached tokens are refused as well."""
    harness = Harness(FIRST, SECOND)
    harness.read(GOOD)
    harness.publish(SECOND)
    assert harness.read(GOOD).claims == CLAIMS
    harness.run(harness.tenant.keys.get(harness.now, reload=True))
    assert harness.error(GOOD).reason is Reason.UNKNOWN_KEY
    assert harness.reader.cached(harness.reader.cache_key(GOOD)) is None


@pytest.mark.parametrize("age", [250.0, 350.0])
def test_a_withdrawn_key_stops_working_without_a_demand(age: float) -> None:
    """The key set is refreshed in the background or for a waiting request."""
    harness = Harness(FIRST, SECOND)
    harness.read(GOOD)
    harness.publish(SECOND)
    harness.pass_time(age)
    if age < 300.0:
        assert harness.read(GOOD).claims == CLAIMS
        assert [type(effect) for effect in harness.effects] == [RunOnceInBackground]
        harness.run_background()
    assert harness.error(GOOD).reason is Reason.UNKNOWN_KEY


def test_a_key_with_the_id_of_another_is_another_key() -> None:
    """A token signed by the old key is checked with the new one and refused."""
    harness = Harness(FIRST)
    harness.read(GOOD)
    harness.publish(STRANGER)
    harness.run(harness.tenant.keys.get(harness.now, reload=True))
    assert harness.error(GOOD).reason is Reason.BAD_SIGNATURE


def test_a_key_whose_use_changed_is_another_key() -> None:
    """A key that is now for another use is a different key."""
    rsa = SigningKey(algorithm="RS256", key_id="rsa", key=RS256.key)
    token = sign_compact(CLAIMS, rsa)
    harness = Harness(rsa)
    harness.read(token)
    harness.publish(SigningKey(algorithm="PS256", key_id="rsa", key=RS256.key))
    harness.run(harness.tenant.keys.get(harness.now, reload=True))
    assert harness.error(token).reason is Reason.UNKNOWN_KEY


def test_only_tokens_of_our_tenant_for_our_api_get_in() -> None:
    """A token that is refused is verified each time and never cached."""
    harness = Harness()
    harness.read(GOOD)
    for token in (
        sign_compact(CLAIMS, STRANGER),
        sign_compact({**CLAIMS, "iss": "x"}, FIRST),
        sign_compact({**CLAIMS, "aud": "x"}, FIRST),
        sign_compact({**CLAIMS, "exp": True}, FIRST),
    ):
        harness.error(token)
        assert harness.reader.cached(harness.reader.cache_key(token)) is None


@pytest.mark.parametrize("dates", [{"exp": 1_600_000_000}, {"nbf": 1_700_000_500}])
def test_tokens_outside_their_lifetime_are_verified_once(dates: dict[str, int]) -> None:
    """An expired token that is presented again does not cost another signature check."""
    harness = Harness()
    token = sign_compact({**CLAIMS, **dates}, FIRST)
    assert harness.read(token) is harness.read(token)


def test_the_cache_can_be_turned_off() -> None:
    """With a cache size of 0 every token is verified."""
    harness = Harness(jwt_cache_size=0)
    assert harness.read(GOOD) is not harness.read(GOOD)


def test_verifiers_do_not_share_a_cache() -> None:
    """A token verified for one API is not accepted from the cache of another."""
    harness = Harness()
    harness.read(GOOD)
    other = JwtAccessTokenVerifier(Options(tenant_domain=TENANT, audience=("other",)), harness.tenant)
    assert other.cache_key(GOOD) != harness.reader.cache_key(GOOD)


def test_the_repr_of_a_verified_token_is_redacted() -> None:
    """The repr of a verified token has no claims."""
    assert "user-1" not in repr(Harness().read(GOOD))


# -- Random tokens ----------------------------------------------------------------------------------------

HEADERS: Final = st.fixed_dictionaries(
    {},
    optional={
        "alg": JSON | st.sampled_from([*SIGNATURE_ALGORITHMS]),
        "kid": JSON | st.just("first"),
        "typ": JSON | st.just("at+jwt"),
        "crit": JSON,
        "jwk": JSON,
        "x": JSON,
    },
)


def outcome_of(token: str) -> TokenError | None:
    """Read a token with a new tenant; only a ``TokenError`` may be raised."""
    harness = Harness(FIRST)
    try:
        harness.read(token)
    except TokenError as error:
        return error
    return None


@given(HEADERS, st.binary(max_size=80))
def test_no_header_escapes_the_documented_errors(header: dict[str, Any], signature: bytes) -> None:
    """Headers with members of any JSON type, not signed by the tenant."""
    error = outcome_of(token_of(header, signature=signature))
    assert error is not None
    assert error.reason in {
        Reason.MALFORMED,
        Reason.UNSUPPORTED_ALGORITHM,
        Reason.WRONG_TYPE,
        Reason.UNKNOWN_KEY,
        Reason.BAD_SIGNATURE,
    }


@given(st.dictionaries(st.sampled_from(["iss", "aud", "exp", "scope"]), JSON))
def test_no_claim_escapes_the_documented_errors(claims: dict[str, Any]) -> None:
    """Claims of any JSON type, signed by the tenant."""
    error = outcome_of(sign_compact(json.dumps(claims).encode(), FIRST))
    assert error is not None
    assert error.reason in {
        Reason.WRONG_ISSUER,
        Reason.WRONG_AUDIENCE,
        Reason.INVALID_CLAIM,
        Reason.MALFORMED,
    }


@given(st.text() | st.text("abcABC019-_=. \n").map(lambda text: f"{GOOD[:60]}{text}"))
def test_no_text_escapes_the_documented_errors(token: str) -> None:
    """Any text is refused with a documented error."""
    error = outcome_of(token)
    assert isinstance(error, MonoCloudError)


def test_the_first_effect_loads_the_keys() -> None:
    """The first effect is the shared load of the key set; nothing is verified before it."""
    harness = Harness()
    parts = split_compact(GOOD)
    assert parts is not None
    flow = harness.reader.verify(parts, harness.reader.cache_key(GOOD), Instant(0.0, 0.0))
    share = step(flow)
    assert isinstance(share, RunOnce)
    assert share.key[0] == "key set"  # type: ignore[index]


@pytest.mark.parametrize("header", [{}, {"typ": "JWT"}, {"typ": "At+Jwt", "alg": "none"}])
def test_check_type_looks_at_nothing_else(header: dict[str, Any]) -> None:
    """Other parameters of the type are ignored."""
    check_type(header)
