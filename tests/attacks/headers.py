"""Header parameters that change what a token means (RFC 7515 sections 4.1.10 and 4.1.11, RFC 7797)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

from monocloud_mw.errors import Reason
from monocloud_mw.jose import SIGNATURE_ALGORITHMS

from .attack import CLAIMS, ED, GOOD, Attack, encode, seal, token

__all__ = ["ATTACKS"]

CRITICAL: Final[tuple[Any, ...]] = (
    *(["b64"], ["exp"], ["alg"], ["http://example.com/x"], [], [""], [5], [["exp"]]),
    *("exp", "", None, True, False, 0, {}, {"exp": True}),
)


def _critical() -> Iterator[Attack]:
    for value in CRITICAL:
        yield Attack(f"crit {value!r}", token(ED, {"crit": value, "exp": 1}), Reason.MALFORMED, GOOD)


def _unencoded() -> Iterator[Attack]:
    """The payload unencoded: with ``b64`` it has other claims than without."""
    payload = json.dumps(CLAIMS)
    for label, parameters in (("with crit", {"crit": ["b64"]}), ("without crit", {})):
        header = encode(json.dumps({"alg": "EdDSA", "kid": "ed", "b64": False, **parameters}))
        signed = f"{header}.{payload}".encode()
        signature = encode(SIGNATURE_ALGORITHMS["EdDSA"].sign(ED.key, signed))
        for place, text in (
            ("detached", f"{header}..{signature}"),
            ("inside", f"{header}.{payload}.{signature}"),
        ):
            yield Attack(f"b64 false {label}, payload {place}", text, Reason.MALFORMED, GOOD)
    for value in (True, False, None, "false"):
        yield Attack(f"b64 {value!r}", token(ED, {"b64": value}), Reason.MALFORMED, GOOD)


def _encrypted() -> Iterator[Attack]:
    """JWE parameters: a reader that uses them gets other claims."""
    for name, value in (("enc", "A256GCM"), ("enc", None), ("zip", "DEF"), ("zip", None)):
        yield Attack(f"{name} {value!r}", token(ED, {name: value}), Reason.MALFORMED, GOOD)


def _compressed() -> Iterator[Attack]:
    header = json.dumps({"alg": "EdDSA", "kid": "ed", "zip": "DEF"})
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(json.dumps(CLAIMS).encode()) + raw.flush()
    bomb = zlib.compress(b" " * 10_000_000, 9)
    for label, payload in (("DEF", deflated), ("a bomb", bomb)):
        yield Attack(f"zipped: {label}", seal(header, payload, ED), Reason.MALFORMED, GOOD)


def _nested() -> Iterator[Attack]:
    header = json.dumps({"alg": "EdDSA", "kid": "ed", "cty": "JWT"})
    control = seal(header, json.dumps(CLAIMS), ED)
    yield Attack("a token in a token", seal(header, GOOD, ED), Reason.MALFORMED, control)


ATTACKS: Final = (*_critical(), *_unencoded(), *_encrypted(), *_compressed(), *_nested())
