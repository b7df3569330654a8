"""Disguised paths and methods cannot avoid a rule at real servers.

Each request has a valid token that does not meet the rule, so an answer of 200 is a bypass. Some
servers refuse some of these requests themselves, which is fine.
"""

from __future__ import annotations

import pytest

from monocloud_mw.testing import LocalTenant

from .exchange import Call

# The rule: /admin/<path:rest> needs the group admin. A request that the server accepts must be a 403.
ADMIN = [
    "/admin/users",
    "/admin/users/",
    "/admin/",
    "/admin",
    "//admin/users",
    "/admin//users",
    "///admin///users",
    "/./admin/users",
    "/admin/./users",
    "/x/../admin/users",
    "/healthz/../admin/users",
    "/../admin/users",
    "/admin/users/.",
    "/admin/users/x/..",
    "/%61dmin/users",
    "/%61%64%6d%69%6e/users",
    "/admin%2fusers",
    "/admin%2Fusers",
    "/%2561dmin/users",
    "/%252561dmin/users",
    "/admin%252fusers",
    "/%2e/admin/users",
    "/x/%2e%2e/admin/users",
    "/x/%2E%2E%2Fadmin/users",
    "/x/..%2fadmin/users",
    "/x%2f..%2fadmin%2fusers",
    "/healthz/%252e%252e/admin/users",
    "/admin\\users",
    "\\admin\\users",
    "/admin%5cusers",
    "/x/..%5cadmin/users",
    "/admin;x=1/users",
    "/admin/users;x=1",
    "/admin/;/users",
    "/;/admin/users",
    "/x/..;/admin/users",
    "/admin%3b/users",
    "/admin/users?x=1",
    "/admin/users%3fx=1",
    "/admin/users%23x",
    "/admin/users#x",
    "/admin/users%00",
    "/admin%00/users",
    "/%00/admin/users",
    "/admin/users%0a",
    "/admin/users%0d%0aX:y",
    "/admin/users%09",
    "/%ffadmin/users",
    "/adm%ffin/users",
    "/x/..%c0%afadmin/users",
    "/%c0%ae%c0%ae/admin/users",
    "//host/admin/users",
    "http://host/admin/users",
    "http://host//admin/users",
    "/admin/" + "x" * 3000,
]

# The rule: /healthz is public. Any path that is not exactly that one needs a token.
NOT_PUBLIC = [
    "/healthz/x",
    "/healthz%2fx",
    "//healthz",
    "/healthz//",
    "/HEALTHZ",
    "/healthz/../me",
    "/healthz/%2e%2e/me",
    "/healthz/%252e%252e/me",
    "/healthz/..%2fme",
    "/healthz/..%5cme",
    "/healthz;/../me",
    "/healthz/..;/me",
    "/healthz;x",
    "/healthz%3bx",
    "/healthz%3f/../me",
    "/healthz%23/../me",
    "/healthz%00",
    "/healthz%00/me",
    "/healthz%0a",
    "/healthz%20",
    "/healthz%ff",
    "/healthz/.",
    "/me/../healthz",
    "/me?/healthz",
    "//healthz/me",
    "//host/healthz/../me",
    "",
    "*",
]

# The rule: POST /orders needs the scope orders:write.
METHODS = ["POST", "post", "Post", "pOST"]

REFUSED_BY_THE_SERVER = (400, 404, 405, 414, 431, 501)


@pytest.fixture(scope="module")
def token(tenant: LocalTenant) -> str:
    """Return a valid token with only the default scope."""
    return tenant.mint(scopes="api")


def _credentials(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


@pytest.mark.parametrize("method", ["GET", "HEAD", "get", "POST"])
def test_no_spelling_of_a_path_avoids_a_rule(server: Call, token: str, method: str) -> None:
    """Every spelling of a path below /admin needs the group, unless the server refuses it first."""
    for target in ADMIN:
        answer = server(method, target, _credentials(token))
        assert answer.status in (403, *REFUSED_BY_THE_SERVER), target
        assert b"claims" not in answer.body, target


def test_no_spelling_of_a_path_avoids_a_rule_in_process(asgi: Call, token: str) -> None:
    """In process, without a server that could refuse the request, every spelling is a 403."""
    statuses = {target: asgi("GET", target, _credentials(token)).status for target in ADMIN}
    assert statuses == dict.fromkeys(ADMIN, 403)


def test_a_token_that_meets_the_rules_is_accepted(asgi: Call, tenant: LocalTenant) -> None:
    """A token that meets the rules reaches the application, however the path is spelled."""
    token = tenant.mint(scopes="api orders:write", groups=["admin"])
    statuses = {target: asgi("GET", target, _credentials(token)).status for target in ADMIN}
    assert statuses == dict.fromkeys(ADMIN, 200)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_no_spelling_of_a_path_makes_it_public(server: Call, method: str) -> None:
    """A path that resembles a public one is not public, unless the server refuses it first."""
    for target in NOT_PUBLIC:
        answer = server(method, target, ())
        assert answer.status in (401, *REFUSED_BY_THE_SERVER), target
        assert b"claims" not in answer.body, target


def test_no_spelling_of_a_path_makes_it_public_in_process(asgi: Call) -> None:
    """In process, without a server that could refuse the request, every such path is a 401."""
    statuses = {target: asgi("GET", target, ()).status for target in NOT_PUBLIC}
    assert statuses == dict.fromkeys(NOT_PUBLIC, 401)


@pytest.mark.parametrize("method", METHODS)
def test_letter_case_of_the_method_does_not_avoid_a_rule(server: Call, token: str, method: str) -> None:
    """A rule for POST applies in every letter case."""
    answer = server(method, "/orders", _credentials(token))
    assert answer.status in (403, *REFUSED_BY_THE_SERVER)


@pytest.mark.parametrize("target", ["/healthz", "/healthz/", "/healthz?x=/../me", "/%68ealthz"])
def test_public_paths_are_public(server: Call, target: str) -> None:
    """Plain spellings of a public path need no token."""
    assert server("GET", target, ()).status == 200
