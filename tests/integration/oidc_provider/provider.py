"""Runs the provider and talks to it as callers and API clients do, over real TLS.

The process tells on standard output when it is ready, so nothing here sleeps; its standard error is kept in a
file for :meth:`OidcProvider.log`. Requests go through plain ``requests``, never through the code under test.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs
import requests

from .certificates import Authority
from .clients import CALLER, CIBA, Client, authenticate, create_clients
from .keys import ALGORITHMS, generate_key_set

__all__ = ["AUDIENCE", "OTHER_AUDIENCE", "SCOPES", "OidcProvider", "TokenSet"]

AUDIENCE: Final = "https://orders.example"
OTHER_AUDIENCE: Final = "https://billing.example"
SCOPES: Final = ("orders:read", "orders:write")
CLAIMS_OF_CALLERS: Final = {CALLER: {"groups": ["admins", {"id": "g-1", "name": "Zürich"}]}}
START_SECONDS: Final = 60
REQUEST_SECONDS: Final = 30


@attrs.frozen(kw_only=True)
class TokenSet:
    """What a person's consent gives a caller."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    id_token: str = attrs.field(repr=False)


def _resources() -> dict[str, Any]:
    """Describe the resource indicators (RFC 8707): per audience one for each format of access token."""
    formats: dict[str, dict[str, Any]] = {"opaque": {"accessTokenFormat": "opaque"}}
    for algorithm in ALGORITHMS:
        formats[algorithm] = {"accessTokenFormat": "jwt", "jwt": {"sign": {"alg": algorithm}}}
    return {
        f"{audience}/{name}": {"audience": audience, "scope": " ".join(SCOPES), **form}
        for audience in (AUDIENCE, OTHER_AUDIENCE)
        for name, form in formats.items()
    }


class OidcProvider:
    """A running provider; a context manager that starts and ends its process.

    Attributes:
        issuer: the issuer identifier, also the base address of endpoints without a client certificate.
        mtls: the base address of the endpoints that ask for one.
        authority: signs the provider's certificate and those of its clients.
        clients: every registered client, by name.
    """

    def __init__(self, node: str, directory: Path) -> None:
        self.authority = Authority(directory)
        self.clients = create_clients(self.authority)
        self._command = [node, str(Path(__file__).with_name("server.mjs"))]
        self._log = directory / "provider.log"
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            self._configure(self._configuration())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; it ends by itself when its standard input closes."""
        self._session.close()
        try:
            self._process.communicate(timeout=REQUEST_SECONDS)
        finally:
            self._process.kill()

    @property
    def ca_bundle(self) -> str:
        return self.authority.bundle

    def log(self) -> str:
        """Return what the process has written to standard error."""
        return self._log.read_text(errors="replace")

    def replace_keys(self, key_set: Mapping[str, Any]) -> None:
        """Sign with, and publish, these private keys and no others from now on."""
        self._configure({"jwks": key_set})

    def obtain(
        self,
        token_format: str = "opaque",
        *,
        audience: str = AUDIENCE,
        scopes: Iterable[str] = SCOPES,
        caller: str = CALLER,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Return an access token by client credentials: opaque, or a JWT signed by the algorithm named."""
        form = {
            "grant_type": "client_credentials",
            "resource": f"{audience}/{token_format}",
            "scope": " ".join(scopes),
        }
        return str(self._succeed("/token", self.clients[caller], form, headers)["access_token"])

    def sign_in(self, person: str, token_format: str = "opaque") -> TokenSet:
        """Return the tokens that a person lets the caller have (CIBA; the person agrees at once)."""
        caller = self.clients[CALLER]
        resource = f"{AUDIENCE}/{token_format}"
        scope = " ".join(("openid", "offline_access", *SCOPES))
        asked = self._succeed(
            "/backchannel", caller, {"login_hint": person, "scope": scope, "resource": resource}
        )
        tokens = self._succeed(
            "/token",
            caller,
            {"grant_type": CIBA, "auth_req_id": asked["auth_req_id"], "resource": resource},
        )
        names = attrs.fields_dict(TokenSet)
        return TokenSet(**{name: tokens[name] for name in names})

    def revoke(self, token: str) -> None:
        """Revoke a token of the caller (RFC 7009)."""
        self.post("/revocation", self.clients[CALLER], {"token": token}).raise_for_status()

    def introspect(self, client: Client, token: str) -> requests.Response:
        """Ask the introspection endpoint (RFC 7662) as an API client does."""
        return self.post("/introspection", client, {"token": token})

    def post(
        self, path: str, client: Client, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a form to an endpoint, authenticated as the client, at the address that fits its method."""
        arguments = authenticate(client, self.issuer)
        cert = client.certificate.paths if client.certificate else None
        return self._session.post(
            (self.mtls if cert else self.issuer) + path,
            data={**form, **arguments["data"]},
            headers={**arguments["headers"], **(headers or {})},
            cert=cert,
            verify=self.ca_bundle,
            timeout=REQUEST_SECONDS,
        )

    def _succeed(
        self, path: str, client: Client, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        response = self.post(path, client, form, headers)
        assert response.ok, f"{response.status_code} {response.text}"
        answer: dict[str, Any] = response.json()
        return answer

    def _configuration(self) -> dict[str, Any]:
        certificate, key = self.authority.issue_server()
        return {
            "tls": {"cert": certificate, "key": key, "ca": self.authority.certificate},
            "jwks": generate_key_set("first"),
            "clients": [client.metadata for client in self.clients.values()],
            "resources": _resources(),
            "claims": CLAIMS_OF_CALLERS,
        }

    def _configure(self, configuration: Mapping[str, Any]) -> None:
        """Hand a configuration over and wait until the process works by it."""
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):  # it has ended: its log will say why
            print(json.dumps(configuration), file=self._process.stdin, flush=True)
        # readline() returns when the process responds or has ended.
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        watchdog.join()
        if not line:
            raise RuntimeError(f"the OpenID provider has ended or hangs:\n{self.log()}")
        answer = json.loads(line)
        self.issuer, self.mtls = answer["issuer"], answer["mtls"]
