"""Compact JWS: accepted messages, and the exact reason of every refusal."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import assume, given
from hypothesis import strategies as st

from monocloud_mw.errors import Reason, TokenError
from monocloud_mw.frozen import FrozenDict
from monocloud_mw.jose import (
    MAX_TOKEN_CHARACTERS,
    SIGNATURE_ALGORITHMS,
    JwsHeader,
    KeySet,
    base64url,
    jws,
    parse_header,
    sign_compact,
    split_compact,
    verify_compact,
)
from monocloud_mw.jose.key_search import MAX_KEYS_TRIED

from .samples import (
    ALGORITHMS,
    JSON_OBJECTS,
    JSON_VALUES,
    PAYLOAD,
    key,
    key_set,
    reason_of,
    segment,
    stranger,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

NOT_TEXT: tuple[Any, ...] = (None, True, 0, 1.5, [], {}, [["key"]], {"key": 1})

NO_ALGORITHMS: list[dict[str, Any]] = [
    {},
    *({"alg": alg} for alg in ("none", "None", "NONE", "nOnE", "", " ", "HS256", "HS384", "HS512")),
    *({"alg": alg} for alg in ("rs256", "RS256 ", "RS1", "ES256K", "RSA-OAEP", "dir", "A128KW")),
    *({"alg": alg} for alg in (*NOT_TEXT, ["RS256"], {"RS256": 1})),
]
MALFORMED_HEADERS: list[dict[str, Any]] = [
    *({"crit": crit} for crit in (*NOT_TEXT, "b64", ["b64"], ["exp"])),
    {"crit": ["b64"], "b64": False},
    *({"b64": value} for value in (True, False, None, "false")),
    *({"enc": value} for value in ("A256GCM", "", None)),
    *({"zip": value} for value in ("DEF", "", None, False)),
    *({"kid": kid} for kid in NOT_TEXT),
]
UNKNOWN_KEYS: list[dict[str, Any]] = [
    *({"alg": "RS256", "kid": kid} for kid in ("unknown", "", "KEY", "key ", "../../key", "' OR 1=1 --")),
    {"alg": "RS384", "kid": "key"},  # the JWK says RS256
    {"alg": "PS256", "kid": "key"},
    {"alg": "ES256", "kid": "key"},
    {"alg": "EdDSA"},
]
ACCEPTED: Final = ", ".join(SIGNATURE_ALGORITHMS)
GOOD_HEADERS: list[dict[str, Any]] = [{}, {"kid": "key"}, {"typ": 5}, {"cty": "JWT"}, {"B64": False}]


def _token(algorithm: str = "RS256", **header: Any) -> str:
    return sign_compact(PAYLOAD, key(algorithm), header)


def _signed(algorithm: str, header: Any) -> str:
    """Return a message with this very header, and a valid signature."""
    signing_input = f"{segment(header)}.{base64url.encode(PAYLOAD)}"
    signature = SIGNATURE_ALGORITHMS[algorithm].sign(key(algorithm).key, signing_input.encode())
    return f"{signing_input}.{base64url.encode(signature)}"


def _with_signature(token: str, signature: bytes) -> str:
    return f"{token.rpartition('.')[0]}.{base64url.encode(signature)}"


def _signature(token: str) -> bytes:
    return base64url.decode(token.rpartition(".")[2])


def _refusal(token: Any, keys: KeySet) -> TokenError:
    with pytest.raises(TokenError) as caught:
        verify_compact(token, keys)
    return caught.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_verifies(algorithm: str) -> None:
    """A message signed with each algorithm comes out with its header, its payload and the key that signed."""
    keys = key_set(stranger(algorithm), key(algorithm))
    verified = verify_compact(_token(algorithm, typ="at+jwt"), keys)
    assert verified.header == {"alg": algorithm, "kid": "key", "typ": "at+jwt"}
    assert type(verified.header) is FrozenDict
    assert verified.payload == PAYLOAD
    assert verified.key is keys.keys[1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_unknown_key_is_refused(algorithm: str) -> None:
    """A signature by another key of the same type and ``kid`` is refused."""
    error = _refusal(sign_compact(PAYLOAD, stranger(algorithm)), key_set(key(algorithm)))
    assert error.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_change_of_one_bit_never_verifies(algorithm: str) -> None:
    """Changing any bit of any part is detected; long tokens are sampled."""
    token, keys = _token(algorithm), key_set(key(algorithm))
    data, bits = token.encode("ascii"), len(token) * 8
    for bit in range(0, bits, 1 + bits // 1500):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert reason_of(verify_compact, changed.decode("latin-1"), keys) is not None, f"bit {bit}"


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "a.b", "a.b.c.d", "a..b.c.d", "abc"),
        *("=.a.b", "e30=.e30.AA", "e30.e30=.AA", "e30.e30.AA=="),
        pytest.param(f"{segment({'alg': 'RS256'})}.e31.AA", id="stray bits in the payload"),
        pytest.param(f"{segment({'alg': 'RS256'})}.e30.AB", id="stray bits in the signature"),
        pytest.param(f".{base64url.encode(PAYLOAD)}.AA", id="empty header"),
        pytest.param(f"{segment(b'[]')}.e30.AA", id="header is an array"),
        pytest.param(f"{segment(b'null')}.e30.AA", id="header is null"),
        pytest.param(f"{segment(b'{')}.e30.AA", id="header is cut off"),
        pytest.param(
            f"{segment(b'{%calg%c:%cRS256%c,%calg%c:%cnone%c}' % ((34,) * 8))}.e30.AA", id="alg twice"
        ),
        pytest.param("a" * 5 + "." + "\u00e9" * 5 + ".a", id="not ASCII"),
        pytest.param("\ud800.a.a", id="half a surrogate pair"),
        pytest.param(None, id="None"),
        pytest.param(b"a.b.c", id="bytes"),
        pytest.param(["a", "b", "c"], id="list"),
    ],
)
def test_malformed(token: Any) -> None:
    """What is not three strict base64url parts with a JSON header is malformed."""
    assert _refusal(token, key_set()).reason is Reason.MALFORMED


@pytest.mark.parametrize("extra", [" ", "\n", "\t", "\r\n", "\0", "\u00a0", "="])
@pytest.mark.parametrize(
    "place", ["{extra}{token}", "{token}{extra}", "{head}{extra}.{tail}", "{head}.{extra}{tail}"]
)
def test_white_space_is_not_part_of_a_token(extra: str, place: str) -> None:
    """White space around or between the parts is not removed."""
    token = _token("ES256")
    head, _, tail = token.partition(".")
    spaced = place.format(extra=extra, token=token, head=head, tail=tail)
    assert _refusal(spaced, key_set(key("ES256"))).reason is Reason.MALFORMED


def test_the_limit_on_size_is_exact() -> None:
    """A token of 16384 characters is read, and one character more is refused whatever it holds."""
    room = MAX_TOKEN_CHARACTERS - len(sign_compact(b"", key("ES256")))
    longest = sign_compact(b"x" * (room * 3 // 4), key("ES256"))
    assert len(longest) == MAX_TOKEN_CHARACTERS
    assert verify_compact(longest, key_set(key("ES256")))
    assert _refusal(longest + "A", key_set(key("ES256"))).reason is Reason.MALFORMED


def test_the_limits_on_a_header_are_exact() -> None:
    """A header of 4096 characters and of 64 values is read; one more of either is malformed."""
    bare = len(json.dumps({"alg": "ES256", "kid": "key", "x": ""}))
    largest: dict[str, Any] = {
        "alg": "ES256",
        "kid": "key",
        "x": "y" * (jws.MAX_HEADER_CHARACTERS * 3 // 4 - bare),
    }
    widest: dict[str, Any] = {"alg": "ES256", "kid": "key", "x": [0] * (jws.MAX_HEADER_VALUES - 3)}
    assert len(segment(largest)) == jws.MAX_HEADER_CHARACTERS
    for header in (largest, widest):
        assert reason_of(verify_compact, _signed("ES256", header), key_set(key("ES256"))) is None
        header["x"] += header["x"][:1]
        token = _signed("ES256", header)
        assert reason_of(verify_compact, token, key_set(key("ES256"))) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        *((header, Reason.UNSUPPORTED_ALGORITHM) for header in NO_ALGORITHMS),
        *(({"alg": "RS256", **header}, Reason.MALFORMED) for header in MALFORMED_HEADERS),
        *((header, Reason.UNKNOWN_KEY) for header in UNKNOWN_KEYS),
        *(({"alg": "RS256", **header}, None) for header in GOOD_HEADERS),
    ],
)
def test_headers(header: dict[str, Any], reason: Reason | None) -> None:
    """Each header with a valid RS256 signature is accepted or refused for exactly this reason."""
    keys = key_set(key("RS256"))
    assert reason_of(verify_compact, _signed("RS256", header), keys) is reason


@pytest.mark.parametrize("parameter", ["jwk", "jku", "x5u", "x5c"])
def test_keys_in_the_header_are_ignored(parameter: str) -> None:
    """A key or key URL in the header is ignored, with and without a known ``kid``."""
    smuggled = {"jwk": stranger("RS256").public_jwk(), "x5c": ["MIIB"]}.get(
        parameter, "https://evil.example/jwks"
    )
    for key_id in ("key", None, "other"):
        token = sign_compact(PAYLOAD, stranger("RS256"), {"kid": key_id, parameter: smuggled})
        expected = Reason.UNKNOWN_KEY if key_id == "other" else Reason.BAD_SIGNATURE
        assert _refusal(token, key_set(key("RS256"))).reason is expected


@pytest.mark.parametrize("name", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_not_a_secret(name: str) -> None:
    """An HMAC with the public key as its secret is refused, even where a caller asks for the algorithm."""
    public = key("RS256").key.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ):
        signing_input = f"{segment({'alg': name, 'kid': 'key'})}.{base64url.encode(PAYLOAD)}"
        mac = hmac.HMAC(
            secret, {"HS256": hashes.SHA256(), "HS384": hashes.SHA384(), "HS512": hashes.SHA512()}[name]
        )
        mac.update(signing_input.encode())
        token = f"{signing_input}.{base64url.encode(mac.finalize())}"
        assert _refusal(token, key_set(key("RS256"))).reason is Reason.UNSUPPORTED_ALGORITHM
        with pytest.raises(TokenError) as caught:
            verify_compact(token, key_set(key("RS256")), algorithms=[name, "none"])
        assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


def test_only_accepted_algorithms() -> None:
    """A caller may accept fewer algorithms."""
    keys = key_set(key("RS256"), key("ES256"))
    assert verify_compact(_token("ES256"), keys, algorithms=["ES256"])
    with pytest.raises(TokenError) as caught:
        verify_compact(_token("RS256"), keys, algorithms=["ES256"])
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(64), id="zero"),
        pytest.param(bytes(32) + b"\1" * 32, id="r is zero"),
        pytest.param(b"\1" * 32 + bytes(32), id="s is zero"),
        pytest.param(b"\xff" * 64, id="out of range"),
        pytest.param(P256_ORDER.to_bytes(32, "big") * 2, id="the order"),
        pytest.param(b"\1" * 63, id="short"),
        pytest.param(b"\1" * 65, id="long"),
        pytest.param(b"\1" * 96, id="length of another curve"),
    ],
)
def test_impossible_ecdsa_signatures(signature: bytes) -> None:
    """Impossible values are refused as bad signatures, not as errors of the crypto library."""
    error = _refusal(_with_signature(_token("ES256"), signature), key_set(key("ES256")))
    assert error.reason is Reason.BAD_SIGNATURE


def test_ecdsa_signatures_come_in_one_form() -> None:
    """ASN.1, leading zeros and swapped halves are refused, although the numbers are right."""
    token, keys = _token("ES256"), key_set(key("ES256"))
    raw, secret = _signature(token), key("ES256").key
    der = secret.sign(token.rpartition(".")[0].encode(), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(der)
    as_raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert verify_compact(_with_signature(token, as_raw), keys)
    for signature in (der, b"\0" + raw[:32] + b"\0" + raw[32:], raw[32:] + raw[:32]):
        assert _refusal(_with_signature(token, signature), keys).reason is Reason.BAD_SIGNATURE


def test_ecdsa_signatures_keep_their_zeros() -> None:
    """The same number with fewer or more leading zeros is refused."""
    raw, token = b"", ""
    while raw[:1] + raw[66:67] != b"\0\0":  # of P-521, each is zero about every other time
        token = _token("ES512")
        raw = _signature(token)
    assert verify_compact(token, key_set(key("ES512")))
    for signature in (raw[:66] + raw[67:], raw[1:], raw[1:66] + raw[67:], b"\0" + raw, bytes(132) + raw):
        other = _with_signature(token, signature)
        assert _refusal(other, key_set(key("ES512"))).reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("salt_length", [0, 20, 31, 33, padding.PSS.MAX_LENGTH])
def test_pss_salts_have_the_length_of_the_digest(salt_length: Any) -> None:
    """A PSS signature with a salt of another length is bad (RFC 7518 section 3.5)."""
    token = _token("PS256")
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length)
    signature = key("PS256").key.sign(token.rpartition(".")[0].encode(), scheme, hashes.SHA256())
    error = _refusal(_with_signature(token, signature), key_set(key("PS256")))
    assert error.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("length", [0, 1, 255, 257, 512])
def test_rsa_signatures_of_wrong_length(length: int) -> None:
    """An RSA signature that is not as long as the modulus is bad."""
    error = _refusal(_with_signature(_token("RS256"), bytes(length)), key_set(key("RS256")))
    assert error.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("failure", [InvalidSignature(), ValueError(), UnsupportedAlgorithm("")])
def test_failures_of_the_library_are_bad_signatures(
    monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """Any exception of the crypto library is a bad signature."""

    def fail(*_arguments: Any) -> None:
        raise failure

    header = parse_header(_token("ES256").partition(".")[0])
    row = header.algorithm
    broken = JwsHeader(header.parameters, type(row)(**{**_fields(row), "verify": fail}), "key")
    monkeypatch.setattr(jws, "parse_header", lambda *_: broken)
    assert _refusal(_token("ES256"), key_set(key("ES256"))).reason is Reason.BAD_SIGNATURE


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("name", "key_type", "curves", "generate", "sign", "verify")}


@pytest.mark.parametrize("strangers", [0, 1, MAX_KEYS_TRIED, 20])
def test_without_kid_every_fitting_key_is_tried(strangers: int) -> None:
    """A message without ``kid`` verifies with any fitting key, however many are before it."""
    token = sign_compact(PAYLOAD, key("ES256"), {"kid": None})
    keys = [stranger("ES256", f"stranger {number}") for number in range(strangers)]
    assert verify_compact(token, key_set(key("RS256"), *keys, key("ES256"))).key.key_id == "key"


def test_a_key_that_verified_is_found_while_forged_messages_come() -> None:
    """That key is tried first, whatever the number of forged messages."""
    keys = key_set(*(stranger("ES256", f"stranger {number}") for number in range(9)), key("ES256"))
    token = sign_compact(PAYLOAD, key("ES256"), {"kid": None})
    assert verify_compact(token, keys).key.key_id == "key"
    forged = sign_compact(PAYLOAD, stranger("ES256"), {"kid": None})
    for _ in range(5):
        assert _refusal(forged, keys).reason is Reason.BAD_SIGNATURE
        assert verify_compact(token, keys).key.key_id == "key"


def test_keys_may_share_a_kid() -> None:
    """All keys of one ``kid`` are tried, and only these."""
    token = _token("ES256")
    assert verify_compact(token, key_set(stranger("ES256"), key("ES384"), key("ES256")))
    assert _refusal(token, key_set(key("ES256", "other"))).reason is Reason.UNKNOWN_KEY


def test_names_of_edwards_curves_are_interchangeable() -> None:
    """Messages and keys that say EdDSA, and those that name the curve, go together (RFC 9864)."""
    for curve in ("Ed25519", "Ed448"):
        for named in ("EdDSA", curve):
            published = {**key(curve).public_jwk(), "alg": named}
            for header in ({"alg": "EdDSA"}, {"alg": curve}):
                assert verify_compact(_signed(curve, header), key_set(published)).header == header
    assert _refusal(_token("Ed448"), key_set(key("Ed25519"))).reason is Reason.UNKNOWN_KEY
    assert _refusal(_token("Ed25519"), key_set(key("Ed448"))).reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (f"{segment({'alg': 'none', 'kid': 'a'})}.e30.", (f"alg is 'none'; accepted: {ACCEPTED}", "'a'")),
        (f"{segment({'kid': 'a'})}.e30.AA", (f"it has no alg; accepted: {ACCEPTED}", "'a'")),
        (
            f"{segment({'alg': ['RS256']})}.e30.AA",
            (f"alg is 'FrozenList(1 value)'; accepted: {ACCEPTED}", None),
        ),
        (
            f"{segment({'alg': 'RS256', 'kid': 'a'})}.e30.AA",
            ("none of the tenant's 1 keys has alg RS256 and kid 'a'", "'a'"),
        ),
        (
            f"{segment({'alg': 'RS256'})}.e30.AA",
            ("none of the tenant's 1 keys has alg RS256 and no kid", None),
        ),
        (
            f"{segment({'alg': 'ES256', 'kid': 'key'})}.e30.AA",
            ("it does not match any tenant key with alg ES256 and kid 'key'", "'key'"),
        ),
        (
            f"{segment({'alg': 'ES256'})}.e30.AA",
            ("it does not match any tenant key with alg ES256 and no kid", None),
        ),
        (f"{segment({'alg': 'RS256', 'crit': ['x']})}.e30.AA", ("its header must not contain crit", None)),
    ],
)
def test_details_for_developers(token: str, expected: tuple[str, str | None]) -> None:
    """The error says what was looked for, and which ``kid`` the message named."""
    error = _refusal(token, key_set(key("ES256")))
    assert expected == (error.detail, error.key_id)


def test_foreign_text_is_escaped_and_cut() -> None:
    """Text of the token cannot break or fill the log."""
    nasty = "x\r\nINFO all is well \u202e\x1b[31m" + "y" * 9000
    for header in ({"alg": "RS256", "kid": nasty}, {"alg": nasty}):
        text = str(_refusal(f"{segment(header)}.e30.AA", key_set(key("ES256"))))
        assert text.isprintable()
        assert text.isascii()
        assert len(text) < 300


def test_the_repr_of_a_message_is_redacted() -> None:
    """The reprs of messages hold neither payload nor signature nor header."""
    token = sign_compact(b"p4yl04d", key("ES256"), {"secret": "h34der"})
    header = parse_header(token.partition(".")[0])
    verified = verify_compact(token, key_set(key("ES256")))
    for shown in (repr(header), repr(verified)):
        assert "p4yl04d" not in shown
        assert "h34der" not in shown
        assert token.rpartition(".")[2][:20] not in shown


def test_parts_of_a_message() -> None:
    """A message is taken apart into exactly what was signed and what signs it."""
    token = _token("ES256")
    parts = split_compact(token)
    assert parts is not None
    header, payload, signature, signing_input = parts
    assert token == f"{header}.{payload}.{signature}" == f"{signing_input}.{signature}"
    assert parse_header(header).key_id == "key"
    assert parse_header(header).algorithm is SIGNATURE_ALGORITHMS["ES256"]
    assert base64url.decode(payload) == PAYLOAD


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "....", "\u3002.a"])
def test_text_without_three_parts(text: str) -> None:
    """It is not a compact JWS, whatever is in the parts."""
    assert split_compact(text) is None


@pytest.mark.parametrize("text", ["..", "a.b.c", " a.b.c\n", "\ud800.\x00.\xe9"])
def test_three_parts_of_anything(text: str) -> None:
    """Splitting looks at dots only."""
    parts = split_compact(text)
    assert parts == (*text.split("."), text.rpartition(".")[0])


@given(st.text(".a\n\0=\u3002\uff0e\ud800", max_size=8))
def test_exactly_two_dots_make_three_parts(text: str) -> None:
    """However empty the parts, and whatever else looks like a dot."""
    first, *others = text.split(".")
    parts = (first, *others, text.rpartition(".")[0]) if len(others) == 2 else None
    assert split_compact(text) == parts


@given(st.data())
def test_no_edit_of_a_good_token_verifies(data: st.DataObject) -> None:
    """Whatever is cut out of it, and whatever is put in its place, its own pieces included."""
    token = _token("ES256")
    places = st.integers(0, len(token)) | st.sampled_from(
        [found.start() + shift for found in re.finditer(r"\.", token) for shift in (0, 1)]
    )
    start, end = sorted((data.draw(places), data.draw(places)))
    pieces = st.sampled_from([*token.split("."), token, token[start:end] * 2])
    put_in = data.draw(st.text("Aa0-_.=+/\n \0\xe9\u3002\ud800", max_size=4) | pieces)
    edited = token[:start] + put_in + token[end:]
    assume(edited != token)
    assert reason_of(verify_compact, edited, key_set(key("ES256"))) is not None


@given(st.text() | st.from_regex(r"[A-Za-z0-9_=.-]{0,40}(\.[A-Za-z0-9_-]{0,20}){2}", fullmatch=True))
def test_any_text(token: str) -> None:
    """No text is accepted, and none raises anything but a refusal."""
    assert reason_of(verify_compact, token, key_set(key("ES256"), key("RS256"))) is not None


@given(st.binary(max_size=60), st.binary(max_size=20), st.binary(max_size=80))
def test_any_three_parts(header: bytes, payload: bytes, signature: bytes) -> None:
    """Three well-encoded parts of any bytes are refused."""
    token = ".".join(map(base64url.encode, (header, payload, signature)))
    assert reason_of(verify_compact, token, key_set(key("ES256"))) is not None


@given(JSON_OBJECTS, st.sampled_from(["alg", "kid", "crit", "typ", "zip", "jwk", "x5c"]), JSON_VALUES)
def test_any_header_value(more: dict[str, Any], name: str, value: Any) -> None:
    """A valid signature with a header of any JSON types is accepted or refused."""
    header = {**more, "alg": "ES256", "kid": "key", name: value}
    reason = reason_of(verify_compact, _signed("ES256", header), key_set(key("ES256")))
    allowed = {Reason.MALFORMED, Reason.UNSUPPORTED_ALGORITHM, Reason.UNKNOWN_KEY}
    assert reason is None or reason in allowed


@given(st.sampled_from(ALGORITHMS), st.binary(max_size=200))
def test_any_signature(algorithm: str, signature: bytes) -> None:
    """Any other bytes in the place of a signature are a bad signature, for every algorithm."""
    token = _with_signature(_token(algorithm), signature)
    assert _refusal(token, key_set(key(algorithm))).reason is Reason.BAD_SIGNATURE
