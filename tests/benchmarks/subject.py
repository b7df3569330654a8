"""The process whose instructions are counted: repeats each piece of work and does nothing else.

Keys and tokens come in on standard input, since making an RSA key takes a random number of instructions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from monocloud_mw import BackendClient
from monocloud_mw.jose import KeySet

from .bare import BARE, bare_verify
from .tokens import AUDIENCE, ISSUER, SCOPE

__all__ = ["WORK"]


def _signatures(given: Mapping[str, Any], times: int) -> None:
    (key,) = KeySet.from_dict(given["jwks"])
    verify = bare_verify(given["tokens"][0], key.public_key)
    for _ in range(times):
        verify()


def _new_tokens(given: Mapping[str, Any], times: int) -> None:
    client = _client(given)
    for token in given["tokens"][:times]:
        client.validate_access_token(token, scopes=(SCOPE,))


def _one_token(given: Mapping[str, Any], times: int) -> None:
    client, token = _client(given), given["tokens"][0]
    for _ in range(times):
        client.validate_access_token(token, scopes=(SCOPE,))


def _client(given: Mapping[str, Any]) -> BackendClient:
    return BackendClient(
        tenant_domain=ISSUER,
        audience=AUDIENCE,
        jwks_resolver=lambda: given["jwks"],
        metadata_resolver=lambda: given["metadata"],
    )


WORK: Final[Mapping[str, Callable[[Mapping[str, Any], int], None]]] = {
    BARE: _signatures,
    "a new token": _new_tokens,
    "a repeated token": _one_token,
}

if __name__ == "__main__":
    workload = json.load(sys.stdin)
    for work, times in zip(WORK.values(), sys.argv[1:], strict=True):
        work(workload, int(times))
