"""Runs one API in each framework, on real servers, with a local tenant, and prints who gets access.

Prints one row per case, and exits with status 1 if a response is not the expected one. With ``SERVE=1`` it
keeps the servers running and prints ``curl`` commands.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import requests
from servers import running_servers

from monocloud_mw.testing import CertificateAuthority, LocalTenant

WIDTH: Final = 36


class Case(NamedTuple):
    """A request and the expected status."""

    name: str
    path: str
    authorization: str | None
    expected: int
    headers: Mapping[str, str] = {}


class TokenClient:
    """A client that requests access tokens from the tenant over HTTP."""

    def __init__(self, tenant: LocalTenant) -> None:
        self._tenant = tenant

    def token(self, **parameters: str) -> str:
        """Return an access token from the token endpoint; the parameters are those of the local tenant."""
        client = self._tenant.client
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.secret,
        }
        answer = requests.post(self._tenant.token_endpoint, data={**form, **parameters}, timeout=10)
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def bearer(self, **parameters: str) -> str:
        return f"Bearer {self.token(**parameters)}"


def list_cases(tenant: LocalTenant, directory: Path) -> Iterator[Case]:
    """Yield the cases in order, because some of them change the tenant."""
    tokens = TokenClient(tenant)
    good = tokens.bearer()
    yield Case("a valid token", "/me", good, 200)
    yield Case("a public path, no token", "/healthz", None, 200)
    yield Case("no token", "/me", None, 401)
    yield Case("another scheme", "/me", "Basic dXNlcjpwYXNz", 401)
    yield Case("a malformed header", "/me", "Bearer two words", 400)
    yield Case("garbage", "/me", "Bearer aaaa.bbbb.cccc", 401)
    yield Case("expired", "/me", tokens.bearer(lifetime_seconds="-300"), 401)
    yield Case("not valid yet", "/me", tokens.bearer(starts_in_seconds="300"), 401)
    yield Case("for another audience", "/me", tokens.bearer(audience="https://other.example.com"), 401)
    yield Case("scope missing", "/orders", good, 403)
    yield Case("scope present", "/orders", tokens.bearer(scope="orders:read"), 200)
    yield Case("group missing", "/admin/users", tokens.bearer(groups="sales"), 403)
    yield Case("group present", "/admin/users", tokens.bearer(groups="sales admin"), 200)
    for algorithm in ("PS256", "ES256", "EdDSA"):
        yield Case(f"signed with {algorithm}", "/me", tokens.bearer(algorithm=algorithm), 200)

    tenant.rotate_keys()
    yield Case("signed with a new key", "/me", tokens.bearer(), 200)
    yield Case("signed with the previous key", "/me", good, 200)
    yield Case("signed by an unknown key", "/me", tokens.bearer(signed_by="stranger"), 401)
    yield Case("an unknown key under a known key id", "/me", tokens.bearer(signed_by="impostor"), 401)

    opaque = tokens.token(token_format="opaque", scope="orders:read")
    yield Case("opaque, introspected", "/orders", f"Bearer {opaque}", 200)
    yield Case("opaque, unknown", "/orders", "Bearer 2YotnFZFEjr1zCsicMWpAA", 401)
    tenant.revoke(opaque)
    yield Case("opaque, revoked", "/orders", f"Bearer {opaque}", 401)

    authority = CertificateAuthority(directory)
    certificate, other = authority.issue_client("caller"), authority.issue_client("another caller")
    bound = tokens.bearer(certificate=certificate.pem)
    yield Case("bound, with its certificate", "/me", bound, 200, _presenting(certificate.der))
    yield Case("bound, another certificate", "/me", bound, 401, _presenting(other.der))
    yield Case("bound, no certificate", "/me", bound, 401)


def _presenting(certificate: bytes) -> dict[str, str]:
    """Return the header in which a TLS-terminating proxy passes the caller's certificate."""
    return {"Client-Cert": base64.b64encode(certificate).decode()}


def call(url: str, case: Case) -> requests.Response:
    headers = dict(case.headers)
    if case.authorization is not None:
        headers["Authorization"] = case.authorization
    return requests.get(url + case.path, headers=headers, timeout=30)


def run_cases(cases: Iterator[Case], urls: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Run every case on every server, and return the number of unexpected responses."""
    wrong = 0
    say(f"{'case':<{WIDTH}}" + "".join(f"{name:>9}" for name in urls) + f"{'expected':>11}")
    for case in cases:
        statuses = [call(url, case).status_code for url in urls.values()]
        unexpected = [status for status in statuses if status != case.expected]
        wrong += len(unexpected)
        cells = "".join(f"{status:>9}" for status in statuses)
        say(f"{case.name:<{WIDTH}}{cells}{case.expected:>11}{'  <-- differs' if unexpected else ''}")
    return wrong


def show_claims(tokens: TokenClient, urls: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Print the claims that the API gets, and return the number of servers with different ones."""
    case = Case("claims", "/me", tokens.bearer(scope="orders:read", groups="admin", subject="Zoë"), 200)
    answers = {name: call(url, case).json() for name, url in urls.items()}
    first: Any = next(iter(answers.values()))
    say(
        "\nThe claims that the API gets, the same on each server:\n"
        + json.dumps(first, indent=2, ensure_ascii=False)
    )
    return sum(answer != first for answer in answers.values())


def show_curl_lines(tokens: TokenClient, urls: Mapping[str, str], say: Callable[[str], None]) -> None:
    token = tokens.token(scope="orders:read", groups="admin")
    say(f"\nexport TOKEN={token}\n")
    for name, url in urls.items():
        say(f"# {name}")
        for path in ("/healthz", "/me", "/orders", "/admin/users"):
            say(f'curl -i -H "Authorization: Bearer $TOKEN" {url}{path}')
    say("\nCtrl-C stops everything.")


def main() -> int:
    def say(line: str) -> None:
        print(line, flush=True)

    for variable in [name for name in os.environ if name.startswith("MONOCLOUD_BACKEND_")]:
        del os.environ[variable]  # of another tenant

    with tempfile.TemporaryDirectory() as directory, LocalTenant() as tenant:
        say(f"local tenant at {tenant.domain}; starting one server for each framework ...\n")
        with running_servers(tenant.environment(tenant.client)) as urls:
            wrong = run_cases(list_cases(tenant, Path(directory)), urls, say)
            wrong += show_claims(TokenClient(tenant), urls, say)
            say(f"\n{'all responses as expected' if not wrong else f'{wrong} unexpected responses'}")
            if os.environ.get("SERVE", "0") not in ("", "0"):
                show_curl_lines(TokenClient(tenant), urls, say)
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
