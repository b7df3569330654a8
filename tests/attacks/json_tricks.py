"""JSON that parsers read differently, and members of wrong types (RFC 8259, RFC 8725 section 2.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from monocloud_mw.errors import Reason

from .attack import AUDIENCE, CLAIMS, ED, GOOD, ISSUER, NOW, Attack, seal, token

__all__ = ["ATTACKS"]

HEADER: Final = '{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}'
PAYLOAD: Final = json.dumps(CLAIMS)

MORE_MEMBERS: Final = {
    "a name twice": b'"x":1,"x":1',
    "a name twice, once escaped": b'"x":1,"\\u0078":1',
    "a name twice, deep": b'"x":[{"y":{"z":1,"z":1}}]',
    "NaN": b'"x":NaN',
    "Infinity": b'"x":Infinity',
    "-Infinity": b'"x":-Infinity',
    "a number beyond a float": b'"x":1e999',
    "an integer of 65 digits": b'"x":' + b"9" * 65,
    "an integer of 2000 digits": b'"x":' + b"9" * 2000,
    "a leading zero": b'"x":01',
    "a hexadecimal number": b'"x":0x1',
    "nesting beyond the bound": b'"x":' + b"[" * 32 + b"]" * 32,
    "nesting without end": b'"x":' + b"[" * 1000,
    "invalid UTF-8": b'"x":"\xff"',
    "overlong UTF-8": b'"x":"\xc0\xae"',
    "half a surrogate pair": b'"x":"\\ud800"',
    "half a surrogate pair in UTF-8": b'"x":"\xed\xa0\x80"',
    "half a surrogate pair as a name": b'"\\udfff":1',
    "a line feed in a string": b'"x":"\n"',
    "a string without end": b'"x":"',
    "an unknown escape": b'"x":"\\x41"',
    "a comment": b'"x":1/**/',
    "a trailing comma": b'"x":1,',
    "single quotes": b"'x':1",
    "a name without quotes": b"x:1",
}
ROLES: Final = {"alg": '"none"', "kid": '"other"', "typ": '"dpop+jwt"', "crit": "[]"}


def _wholes(text: str) -> dict[str, bytes]:
    """Return variants that a lenient parser accepts as the object itself."""
    return {
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32-le"),
        "text behind": f"{text} x".encode(),
        "two objects": f"{text}{text}".encode(),
        "a zero byte behind": f"{text}\0".encode(),
        "a vertical tab in front": f"\v{text}".encode(),
        "a no-break space in front": f"\u00a0{text}".encode(),
        "an array around": f"[{text}]".encode(),
        "a string around": json.dumps(text).encode(),
        "null": b"null",
        "nothing": b"",
        "an empty array": b"[]",
    }


def _with(text: str, members: bytes) -> bytes:
    """Put members before those of an object."""
    return b"{" + members + b"," + text[1:].encode()


def _readings() -> Iterator[Attack]:
    for name, members in MORE_MEMBERS.items():
        yield Attack(f"header: {name}", seal(_with(HEADER, members), PAYLOAD, ED), Reason.MALFORMED, GOOD)
        yield Attack(f"claims: {name}", seal(HEADER, _with(PAYLOAD, members), ED), Reason.MALFORMED, GOOD)
    for name, whole in _wholes(HEADER).items():
        yield Attack(f"header: {name}", seal(whole, PAYLOAD, ED), Reason.MALFORMED, GOOD)
    for name, whole in _wholes(PAYLOAD).items():
        yield Attack(f"claims: {name}", seal(HEADER, whole, ED), Reason.MALFORMED, GOOD)
    for name, value in ROLES.items():
        first, last = f'"{name}":{value},', f',"{name}":{value}}}'
        present = HEADER if name != "crit" else _with(HEADER, b'"crit":["exp"]').decode()
        for place, header in (("first", f"{{{first}{present[1:]}"), ("last", f"{present[:-1]}{last}")):
            yield Attack(f"a second {name}, {place}", seal(header, PAYLOAD, ED), Reason.MALFORMED, GOOD)
    for name in ("iss", "aud", "exp", "sub", "scope", "cnf"):
        claims = {**CLAIMS, "cnf": {}}
        second = f'"{name}":{json.dumps(claims[name])}'
        doubled = _with(json.dumps(claims), second.encode())
        yield Attack(f"a second {name}", seal(HEADER, doubled, ED), Reason.MALFORMED, GOOD)


# Wrong values of each registered member, and the reason of the refusal; ``...`` removes it.
NO_TEXT: Final[tuple[Any, ...]] = (None, True, False, 0, 1, 1.5, [], {}, ["x"], [["x"]], {"x": "x"})
NO_NUMBER: Final[tuple[Any, ...]] = (None, True, False, "", "1", f"{NOW + 600}", [], {}, [NOW + 600])
NO_OBJECT: Final[tuple[Any, ...]] = (None, True, 0, 1, "", "x", [], ["x"], [{}])


def _types() -> Iterator[Attack]:
    for value in NO_TEXT:
        yield _typed("typ", value, Reason.WRONG_TYPE, header=True)
        yield _typed("iss", value, Reason.WRONG_ISSUER)
        yield _typed("sub", value, Reason.INVALID_CLAIM)
        yield _typed("aud", value, Reason.WRONG_AUDIENCE)
    for value in ([ISSUER], {"iss": ISSUER}, ...):
        yield _typed("iss", value, Reason.WRONG_ISSUER)
    for value in ([[AUDIENCE]], {AUDIENCE: True}, {"aud": AUDIENCE}, f"{AUDIENCE} other", ...):
        yield _typed("aud", value, Reason.WRONG_AUDIENCE)
    for value in (*NO_NUMBER, ...):
        yield _typed("exp", value, Reason.INVALID_CLAIM)
    for value in NO_NUMBER:
        yield _typed("nbf", value, Reason.INVALID_CLAIM)
    for value in NO_OBJECT:
        yield _typed("cnf", value, Reason.INVALID_CLAIM)
    for value in (*NO_TEXT, "API", "api2", "other", "apis and more", ...):
        yield _typed("scope", value, Reason.INSUFFICIENT_SCOPE)
    for value in (None, True, 0, 1.5, "", "Staff", "staff ", [], {}, [["staff"]], {"staff": True}, ...):
        yield _typed("groups", value, Reason.INSUFFICIENT_GROUPS)
    for value in ([{"id": ["staff"]}], [{"name": {"id": "staff"}}], [{"role": "staff"}]):
        yield _typed("groups", value, Reason.INSUFFICIENT_GROUPS)


def _typed(name: str, value: Any, reason: Reason, *, header: bool = False) -> Attack:
    shown = "left out" if value is ... else repr(value)
    member = {name: value}
    return Attack(
        f"{name} {shown}", token(ED, member if header else {}, {} if header else member), reason, GOOD
    )


def _numbers() -> Iterator[Attack]:
    for name, value, reason in (
        ("exp", 0, Reason.EXPIRED),
        ("exp", -(10**60), Reason.EXPIRED),
        ("exp", -1e308, Reason.EXPIRED),
        ("exp", 5e-324, Reason.EXPIRED),
        ("exp", NOW - 60, Reason.EXPIRED),
        ("nbf", 10**60, Reason.NOT_YET_VALID),
        ("nbf", 1e308, Reason.NOT_YET_VALID),
        ("nbf", NOW + 60.001, Reason.NOT_YET_VALID),
    ):
        yield _typed(name, value, reason)
    control = token(ED, claims={"exp": 10**60, "nbf": -1e308})
    milliseconds = token(ED, claims={"exp": NOW + 600, "nbf": int(NOW) * 1000})
    yield Attack("nbf in milliseconds", milliseconds, Reason.NOT_YET_VALID, control)


ATTACKS: Final = (*_readings(), *_types(), *_numbers())
