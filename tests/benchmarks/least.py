"""The smallest validator and middlewares in Python: the limit of what omitting checks could save.

Nothing here is safe to use. The validation reads base64url and JSON as leniently as the standard library
does, and has no cache; the middlewares accept every token, and only look up its digest. They show how much
of a figure is due to Python, and how much to the library.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, Final

from monocloud_mw.jose import SIGNATURE_ALGORITHMS

from .fairness import Validate
from .tokens import AUDIENCE, ISSUER, LEEWAY_SECONDS, SCOPE, Workload

__all__ = ["LEAST", "least_asgi", "least_validation", "least_wsgi"]

LEAST: Final = "the least in Python"
CLAIMS_KEY: Final = "monocloud.claims"
FROM_BASE64URL: Final = bytes.maketrans(b"-_", b"+/")
BEARER: Final = "Bearer "
SECONDS: Final = 3600


def least_validation(workload: Workload) -> Validate:
    """Return the shortest function that passes :mod:`.fairness`."""
    public_key = workload.key.key.public_key()
    verify = SIGNATURE_ALGORITHMS[workload.algorithm].verify

    def validate(token: str) -> Any:
        signing_input, _, signature = token.encode().rpartition(b".")
        verify(public_key, _decode(signature), signing_input)
        claims = json.loads(_decode(signing_input.partition(b".")[2]))
        now = time.time()
        if (
            claims["iss"] != ISSUER
            or AUDIENCE not in claims["aud"]
            or claims["exp"] + LEEWAY_SECONDS <= now
            or claims["nbf"] - LEEWAY_SECONDS > now
            or SCOPE not in claims["scope"].split()
        ):
            raise ValueError
        return claims

    return validate


def _decode(text: bytes) -> bytes:
    return binascii.a2b_base64(text.translate(FROM_BASE64URL) + b"==")


def least_asgi(app: Any) -> Any:
    """Wrap an ASGI application in the smallest possible middleware."""
    recall = _memory()

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        scope = {**scope}
        for name, value in scope["headers"]:
            if name == b"authorization":
                scope[CLAIMS_KEY] = recall(value.decode("latin-1"))
        await app(scope, receive, send)

    return middleware


def least_wsgi(app: Any) -> Any:
    """Wrap a WSGI application in the same way."""
    recall = _memory()

    def middleware(environ: Any, start_response: Any) -> Any:
        environ[CLAIMS_KEY] = recall(environ.get("HTTP_AUTHORIZATION", ""))
        return app(environ, start_response)

    return middleware


def _memory() -> Callable[[str], Any]:
    remembered: dict[bytes, Any] = {}

    def recall(authorization: str) -> Any:
        digest = hashlib.sha256(authorization.removeprefix(BEARER).encode()).digest()
        claims = remembered.get(digest)
        if claims is None:
            claims = remembered[digest] = {"exp": time.time() + SECONDS}
        if claims["exp"] <= time.time():
            raise ValueError
        return claims

    return recall
