"""A rule with a typed variable applies to every value that a framework accepts.

The application is called without protection first. Every path that it serves must be refused to a token
without the group and served to a token with it.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any, Final

import pytest

from monocloud_mw import AsyncBackendClient, BackendClient, Rule
from monocloud_mw.adapters import asgi, wsgi
from monocloud_mw.testing import LocalTenant

from ..adapters.exchange import Call, call_wsgi
from .in_process import call_framework
from .typed_views import ASGI_APPS, KINDS, WSGI_APPS

ID: Final = "a8098c1a-f86e-11da-bd1a-00112444be1e"
ANYWHERE: Final = [  # around a good value
    *("{}", "{}/", "{}//", "/{}", "//{}", "./{}", "{}/.", "x/../{}", "x/..%2F{}", "%20{}", "{}%20", "%09{}"),
    *(
        "{}%0A",
        "%0B{}",
        "{}%00",
        "%C2%A0{}",
        "%E2%80%83{}",
        "{};x=1",
        "{}%3Bx",
        "{}%3Fx",
        "{}%23x",
        "{}%2F",
    ),
    *(
        "%2F{}",
        "{}%2E",
        "{}%5C",
        "+{}",
        "%2B{}",
        "-{}",
        "0{}",
        "00{}",
        "{}_0",
        "%22{}%22",
        "'{}'",
        "{}%",
        "%25{}",
    ),
]
SPELLINGS: Final[dict[str, tuple[str, list[str]]]] = {
    "int": (
        "7",
        [
            *(
                "7.0",
                "7.",
                "7e0",
                "7E0",
                "0x7",
                "0b1",
                "0o7",
                "1_0",
                "%D9%A7",
                "%EF%BC%97",
                "%37",
                "%2537",
                "true",
            ),
            *("7" * 40, "9" * 400, "-0", "%E2%88%927", "1%2C000", "0%207", "NaN", "7L", "++7", "--7"),
        ],
    ),
    "float": (
        "1.5",
        [
            *("1", ".5", "5.", "1e3", "1E-3", "1e400", "nan", "NaN", "inf", "-Infinity", "1_0.5", "1,5"),
            *("%D9%A1.5", "0x1p3", "1.5e", "True", "1.5.5", "+.5", "-5."),
        ],
    ),
    "uuid": (
        ID,
        [
            *(ID.upper(), ID.replace("-", ""), f"%7B{ID}%7D", f"urn:uuid:{ID}", f"uuid:{ID}", f"{{{ID}}}"),
            *(ID.replace("-", "", 1), f"0x{ID}", "-".join(ID), f"%7B{ID.replace('-', '')}%7D"),
        ],
    ),
    "any": ("on", ["off", "ON", "On", "o%6E", "on,off", "on%00off", "1"]),
    "date": (
        "2026-01-31",
        [
            "20260131",
            "2026-1-31",
            "2026-W05-6",
            "1769817600",
            "2026-01-31T00:00:00",
            "2026-01-31T00:00:00Z",
            "0",
        ],
    ),
    "bool": ("1", ["true", "TRUE", "on", "yes", "y", "t", "0", "off", "no"]),
    "str": ("a", ["", "%C3%A9", "a%2Fb", "..", "%2e%2e", "a.b", "%F0%9F%92%A9", "*", "%", "a" * 300]),
    "path": (
        "a/b",
        ["", "a", "/", "//", "a/../b", "a/edit", "%2e%2e/b", "a%2Fb", "b/%2E", "edit", "a" * 300],
    ),
}
TARGETS: Final = {
    kind: list(dict.fromkeys([around.format(value) for around in ANYWHERE] + others))
    for kind, (value, others) in SPELLINGS.items()
}
# What each kind is in a rule: kinds that Werkzeug does not have are strings of a few forms.
RULES: Final = {
    "int": ["int", "int(min=1, max=9)", "int(signed=True)", "int(fixed_digits=1)"],
    "float": ["float", "float(signed=True)"],
    "uuid": ["uuid"],
    "any": ["any(on, off)"],
    "date": ["string(length=10)"],
    "bool": ["any('0', '1')"],
    "str": ["string", "default", "string(minlength=2)"],
    "path": ["path"],
}
VIEWS: Final = [
    (framework, kind, end)
    for framework, kinds in KINDS.items()
    for kind in kinds
    for end in ("", "/edit")
    if not (kind == "path" and end and framework.startswith(("falcon", "litestar")))  # have none
]


@pytest.fixture(scope="module")
def clients(tenant: LocalTenant) -> Iterator[tuple[BackendClient, AsyncBackendClient]]:
    """Return a synchronous and an asynchronous client."""
    options = tenant.settings(tenant.client)
    with BackendClient(**options) as client:
        async_client = AsyncBackendClient(**options)
        yield client, async_client
        asyncio.run(async_client.aclose())


@functools.cache
def _app(framework: str) -> Any:
    return (WSGI_APPS.get(framework) or ASGI_APPS[framework])()


def _protected(framework: str, clients: tuple[BackendClient, AsyncBackendClient], **settings: Any) -> Call:
    app = _app(framework)
    if framework in WSGI_APPS:
        return call_wsgi(wsgi.ProtectApiMiddleware(app, clients[0], **settings))
    return call_framework(asgi.ProtectApiMiddleware(app, clients[1], **settings))


def _plain(framework: str) -> Call:
    return call_wsgi(_app(framework)) if framework in WSGI_APPS else call_framework(_app(framework))


def _bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


@pytest.mark.parametrize(("framework", "kind", "end"), VIEWS)
def test_no_spelling_of_a_value_avoids_a_rule(
    framework: str,
    kind: str,
    end: str,
    tenant: LocalTenant,
    clients: tuple[BackendClient, AsyncBackendClient],
) -> None:
    """Every path that the view serves needs the group."""
    plain = _plain(framework)
    served = [
        target
        for target in (f"/{kind}/{value}{end}" for value in TARGETS[kind])
        if b"served" in plain("GET", target, ()).body
    ]
    assert f"/{kind}/{SPELLINGS[kind][0]}{end}" in served
    without, within = _bearer(tenant.mint()), _bearer(tenant.mint(groups=["admin"]))
    for rule in RULES[kind]:
        path = f"/{kind}/<{rule}:value>{end}"
        call = _protected(framework, clients, rules=[Rule(path, groups="admin")])
        for target in served:
            refused = {method: call(method, target, without).status for method in ("GET", "get", "HEAD")}
            assert {403} == set(refused.values()), (rule, target, refused)
            assert b"served" in call("GET", target, within).body
