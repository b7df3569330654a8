"""``doctor``: each reproduced failure with its check and advice, and a correct set-up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from monocloud_mw.cli.doctor.run import CHECKS
from monocloud_mw.documentation import docs_address
from monocloud_mw.testing import LocalTenant

from ..free_port import free_port
from ..stores.redis_server import PASSWORD, RedisServer
from .conftest import Command
from .doctor_failures import FAILURES, Environment
from .servers import proxy, relay_to, tls_server

NAMES = [row.name for row in CHECKS]


def _checks(command: Command, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run ``doctor --json``; return the exit status, and the checks by name."""
    result = command("doctor", "--json", "--timeout", "0.5", *arguments)
    document = json.loads(result.out)
    assert document["ok"] == (result.status == 0)
    assert [check["name"] for check in document["checks"]] == NAMES
    return result.status, {check["name"]: check for check in document["checks"]}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_found(name: str, tenant: LocalTenant, command: Command, tmp_path: Path) -> None:
    """It is the only failing check, checks that depend on it are skipped, and the advice says what to do."""
    failure = FAILURES[name]
    with failure.prepare(Environment(tenant, command, tmp_path)):
        status, checks = _checks(command)
    assert [check["name"] for check in checks.values() if check["state"] == "failed"] == [failure.check]
    assert status == 1
    found = checks[failure.check]
    assert failure.detail in "\n".join([found["detail"], *found["items"]])
    assert failure.advice in found["advice"]
    assert found["docs"] == docs_address(f"doctor-{failure.check}")
    unmade = {row.name for row in CHECKS if failure.check in row.needs}
    assert {checks[other]["detail"] for other in unmade} <= {f"not checked, because {failure.check} failed"}


def test_a_good_setup(tenant: LocalTenant, command: Command) -> None:
    """Every check passes with its findings, also with a client certificate."""
    client = tenant.register_client("api", "tls_client_auth")
    command.set_variables({"MONOCLOUD_BACKEND_CLIENT_SECRET": ""} | tenant.environment(client))
    status, checks = _checks(command)
    assert status == 0
    assert {name: check["state"] for name, check in checks.items()} == dict.fromkeys(NAMES, "ok") | {
        "cache": "skipped"
    }
    assert checks["options"]["items"] == [
        f"tenant_domain '{tenant.domain}'",
        "audience 'https://api.example.com'",
        "client_id 'api' with tls_client_auth",
    ]
    assert [item.partition(": ")[2] for item in checks["keys"]["items"]] == ["usable for ES256"]


def test_text(tenant: LocalTenant, command: Command) -> None:
    """Without --json there is a line for each check, with its findings below, and a summary."""
    result = command("doctor")
    lines = result.out.splitlines()
    assert result.status == 0
    assert [line.split()[1] for line in lines if line[:1].isalpha() and line[-1] != "."] == NAMES
    assert lines[-1] == "All checks passed."
    assert result.err == ""


def test_text_of_a_failure(tenant: LocalTenant, command: Command) -> None:
    """The failed check has its advice below, and the summary names it."""
    command.set_variables({"MONOCLOUD_BACKEND_CLIENT_SECRET": "wrong-secret-of-the-api"})
    command.secrets.append("wrong-secret-of-the-api")
    result = command("doctor")
    assert result.status == 1
    assert "FAILED   introspection" in result.out
    assert "what to do: check MONOCLOUD_BACKEND_CLIENT_ID" in result.out
    assert f" see: {docs_address('doctor-introspection')}\n" in result.out
    assert result.out.splitlines()[-1] == "Failed: introspection."


def test_keys_that_cannot_be_used_are_named(tenant: LocalTenant, command: Command) -> None:
    """Each with the reason; the check passes while one can be used."""
    from monocloud_mw.testing import faults

    keys = [*tenant.jwks()["keys"], {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}, {"kty": "new"}]
    with tenant.failing(faults.document({"keys": keys}), endpoint="jwks"):
        status, checks = _checks(command)
    assert status == 0
    assert checks["keys"]["detail"] == "1 of 3 keys can be used"
    assert [item.partition(":")[0] for item in checks["keys"]["items"][1:]] == ["not usable"] * 2


def test_a_doubtful_audience(tenant: LocalTenant, command: Command) -> None:
    """If the audience is the tenant's URL, there is advice, since tokens name the API."""
    command.set_variables({"MONOCLOUD_BACKEND_AUDIENCE": f"{tenant.domain}/"})
    _, checks = _checks(command)
    assert "is the same as tenant_domain" in checks["options"]["advice"]


def test_an_unknown_variable_is_named(tenant: LocalTenant, command: Command) -> None:
    """What the package would log at start is among the findings."""
    command.set_variables({"MONOCLOUD_BACKEND_COLOUR_OF_THE_SKY": "blue"})
    _, checks = _checks(command)
    assert "COLOUR_OF_THE_SKY" in checks["options"]["items"][-1]


def test_through_a_proxy(command: Command, tmp_path: Path) -> None:
    """A proxy that relays is used for all exchanges, with the password of its URL."""
    authority, heads = trustme.CA(), []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issuer = "https://acme.example.com"
    documents = {
        "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"},
        "/jwks": {"keys": []},
    }
    with tls_server(authority, "acme.example.com", documents) as port:
        relay = relay_to(port)

        def recorded(connection: Any, head: bytes) -> None:
            heads.append(head)
            relay(connection, head)

        with proxy(recorded) as proxy_port:
            command.secrets.append("secret-of-the-proxy")
            command.set_variables(
                {
                    "HTTPS_PROXY": f"http://user:secret-of-the-proxy@127.0.0.1:{proxy_port}",
                    "MONOCLOUD_BACKEND_TENANT_DOMAIN": issuer,
                    "MONOCLOUD_BACKEND_AUDIENCE": "https://api.example.com",
                    "MONOCLOUD_BACKEND_CA_BUNDLE": str(tmp_path / "ca.pem"),
                }
            )
            _, checks = _checks(command, "--timeout", "5")
    states = {name: check["state"] for name, check in checks.items()}
    assert states == dict.fromkeys(NAMES, "ok") | {
        "keys": "failed",
        "mtls": "skipped",
        "introspection": "skipped",
        "cache": "skipped",
    }
    assert checks["proxy"]["detail"].startswith(f"'http://127.0.0.1:{proxy_port}' is used")
    assert {head.split(b" HTTP/")[0] for head in heads} == {b"CONNECT acme.example.com:443"}
    assert all(
        b"basic dXNlcjpzZWNyZXQtb2YtdGhlLXByb3h5" in head.replace(b"Basic", b"basic") for head in heads
    )


# The cache


def test_a_cache_that_works(command: Command, tenant: LocalTenant, redis_process: RedisServer) -> None:
    """By its URL, and by the variable that holds it; the password is never printed."""
    command.secrets.append(PASSWORD)
    command.set_variables({"CACHE_URL": redis_process.url})
    for cache in (redis_process.url, "CACHE_URL"):
        status, checks = _checks(command, "--cache", cache)
        assert (status, checks["cache"]["state"]) == (0, "ok")
    status, checks = _checks(
        command, "--cache", redis_process.tls_url, "--cache-ca-bundle", redis_process.ca_bundle
    )
    assert (status, checks["cache"]["state"]) == (0, "ok")


CACHES: dict[str, tuple[Callable[[RedisServer], str], str, str]] = {
    "away": (
        lambda _: f"redis://:{PASSWORD}@127.0.0.1:{free_port()}/0",
        "ConnectionError",
        "Redis runs there",
    ),
    "wrong password": (
        lambda it: it.url.replace(PASSWORD, "wrong-password"),
        "Authentication",
        "check user and password",
    ),
    "no password": (
        lambda it: it.url.replace(f":{PASSWORD}@", ""),
        "Authentication",
        "check user and password",
    ),
    "another authority": (lambda it: it.tls_url, "ConnectionError", "check that Redis runs there"),
    "no URL": (lambda _: "http://127.0.0.1/", "invalid settings", "correct the URL of the cache"),
    "no variable": (lambda _: "CACHE_URL_THAT_IS_NOT_SET", "is not set", "set it to redis://"),
}


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_fails(
    name: str, command: Command, tenant: LocalTenant, redis_process: RedisServer
) -> None:
    """The check has the cause and advice; all others pass."""
    command.secrets += [PASSWORD, "wrong-password"]
    url, detail, advice = CACHES[name]
    status, checks = _checks(command, "--cache", url(redis_process))
    assert [check["name"] for check in checks.values() if check["state"] == "failed"] == ["cache"]
    assert status == 1
    assert detail in checks["cache"]["detail"]
    assert advice in checks["cache"]["advice"]


# Time


def test_it_ends_in_time(command: Command) -> None:
    """Without responses it ends within the timeouts and says what it waits for."""
    with_blocked_port = FAILURES["blocked_port"]
    began = time.monotonic()
    with LocalTenant(algorithms=["ES256"]) as tenant:
        command.set_variables(tenant.environment())
        with with_blocked_port.prepare(Environment(tenant, command, Path())):
            result = command("doctor", "--timeout", "1.5")
    assert result.status == 1
    assert "waiting: tcp (1 s)" in result.err
    assert time.monotonic() - began < 10
