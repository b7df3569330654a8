"""``explain``: every check of a token with expected and found values, the result, and advice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from monocloud_mw.cli.explain.advice import ADVICE
from monocloud_mw.documentation import docs_address
from monocloud_mw.errors import Reason
from monocloud_mw.testing import LocalTenant, faults

from .conftest import Command, Result
from .servers import blocked_port

JWT_STEPS = [
    *("text", "form", "encoding", "header", "type", "payload", "key set", "key", "signature", "claims"),
    *("issuer", "audience", "dates", "lifetime", "subject", "binding", "scopes", "groups"),
]
NEARLY: Final = "they differ only in a slash at the end or in case; write both in the same way"
OPAQUE_STEPS = ["text", "form", "introspection", *JWT_STEPS[10:]]


def _explain(
    command: Command, token: str, *arguments: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Explain a token from standard input; return the whole document, and its checks by name."""
    command.secrets.append(token)
    result = command("explain", "--json", *arguments, stdin=token.encode() + b"\n")
    document = json.loads(result.out)
    assert result.status == (0 if document["accepted"] else 1)
    return document, {check["name"]: check for check in document["checks"]}


def test_a_good_jwt(tenant: LocalTenant, command: Command) -> None:
    """Every check is shown in its order, and passes."""
    token = tenant.mint(scopes="orders:read profile", groups=["admin"])
    document, checks = _explain(command, token, "--scope", "orders:read", "--group", "admin")
    assert list(checks) == JWT_STEPS
    assert document["accepted"]
    assert {name: check["state"] for name, check in checks.items()} == dict.fromkeys(JWT_STEPS, "passed") | {
        "binding": "skipped"
    }
    assert (checks["scopes"]["expected"], checks["scopes"]["found"]) == (
        "scope has 'orders:read'",
        "'orders:read' and 'profile'",
    )


def test_a_good_opaque_token(tenant: LocalTenant, command: Command) -> None:
    """It is introspected, and its claims go through the same checks."""
    document, checks = _explain(
        command, tenant.mint_opaque(scopes="a b"), "--any-scope", "b", "--any-scope", "c"
    )
    assert list(checks) == OPAQUE_STEPS
    assert document["accepted"]
    assert checks["scopes"]["expected"] == "scope has any of 'b' or 'c'"


@pytest.mark.parametrize(
    ("parameters", "reason", "step", "expected", "found"),
    [
        ({"lifetime_seconds": -7200}, "expired", "lifetime", "now < exp + 60 s", "(2 hours ago)"),
        ({"starts_in_seconds": 604800}, "not_yet_valid", "lifetime", "nbf - 60 s <= now", "(in 7 days)"),
        ({"audience": "https://other.test"}, "wrong_audience", "audience", "'https://api.", "other.test"),
        ({"claims": {"aud": ["a", "b"]}}, "wrong_audience", "audience", "'https://api.", "'a' and 'b'"),
        ({"claims": {"aud": None}}, "wrong_audience", "audience", "'https://api.", "no aud"),
        ({"claims": {"iss": "https://evil"}}, "wrong_issuer", "issuer", "iss 'https://127.", "evil"),
        ({"claims": {"exp": None}}, "invalid_claim", "dates", "exp and nbf are numbers", "exp is absent"),
        ({"claims": {"exp": "soon"}}, "invalid_claim", "dates", "exp and nbf are numbers", "exp is 'soon'"),
        ({"claims": {"nbf": 1e300}}, "not_yet_valid", "lifetime", "nbf - 60 s", "nbf is '1e+300'"),
        ({"claims": {"sub": 7}}, "invalid_claim", "subject", "a string", "a int"),
        ({"claims": {"cnf": {"jkt": "x"}}}, "dpop_required", "binding", "when_present", "cnf 'jkt'"),
        ({"claims": {"cnf": 7}}, "invalid_claim", "binding", "when_present", "cnf no object"),
        ({"claims": {"cnf": {"x5t#S256": "x"}}}, "certificate_missing", "binding", "when_", "no certificate"),
        ({"scopes": "b c"}, "insufficient_scope", "scopes", "scope has 'a'", "'b' and 'c'"),
        ({"scopes": "a", "groups": ["x"]}, "insufficient_groups", "groups", "groups has 'g'", "'x'"),
        ({"scopes": "a"}, "insufficient_groups", "groups", "groups has 'g'", "no groups"),
        ({"header": {"typ": "dpop+jwt"}}, "wrong_type", "type", "at+jwt", "typ 'dpop+jwt'"),
        ({"header": {"crit": ["x"]}}, "malformed", "header", "without crit", "must not contain crit"),
        ({"signed_by": "stranger"}, "unknown_key", "key", "it has 'tenant-es256", "kid 'stranger-"),
        ({"signed_by": "impostor"}, "bad_signature", "signature", "made by that key",
         "it does not match any tenant key with alg ES256"),
    ],
)  # fmt: skip
def test_a_refused_jwt(
    tenant: LocalTenant,
    command: Command,
    parameters: dict[str, Any],
    reason: str,
    step: str,
    expected: str,
    found: str,
) -> None:
    """The first check that fails has the reason of the error, what was expected and what was found."""
    token = tenant.mint(**parameters)
    document, checks = _explain(command, token, "--scopes", "a", "--groups", "g")
    failed = [name for name, check in checks.items() if check["state"] == "failed"]
    assert (document["reason"], failed[0], checks[step]["reason"]) == (reason, step, reason)
    assert expected in checks[step]["expected"]
    assert found in checks[step]["found"]
    assert document["status"] == (403 if reason.startswith("insufficient") else 401)
    assert document["advice"] == ADVICE[Reason(reason)]
    assert document["docs"] == docs_address(reason)


@pytest.mark.parametrize(
    ("parameters", "reason", "step"),
    [
        (None, "inactive", "introspection"),
        ({"audience": "https://other.test"}, "wrong_audience", "audience"),
        ({"claims": {"token_type": "refresh_token"}}, "wrong_type", "introspection"),
        ({"claims": {"iss": "https://evil.test"}}, "wrong_issuer", "issuer"),
        ({"scopes": "b"}, "insufficient_scope", "scopes"),
    ],
)
def test_a_refused_opaque_token(
    tenant: LocalTenant, command: Command, parameters: dict[str, Any] | None, reason: str, step: str
) -> None:
    """The same for an introspected token."""
    token = "made-up-token-of-nobody" if parameters is None else tenant.mint_opaque(**parameters)
    document, checks = _explain(command, token, "--scope", "a")
    failed = [name for name, check in checks.items() if check["state"] == "failed"]
    assert (document["reason"], failed[0], checks[step]["reason"]) == (reason, step, reason)


def test_checks_after_the_first_failure_are_made_where_possible(
    tenant: LocalTenant, command: Command
) -> None:
    """Claims are shown even if the signature is invalid, with a hint that they are unverified."""
    document, checks = _explain(command, tenant.mint(signed_by="stranger", audience="https://other.test"))
    assert (checks["signature"]["state"], checks["issuer"]["state"]) == ("not reached", "passed")
    assert checks["audience"]["state"] == "failed"
    assert any("its signature is not verified" in hint for hint in document["hints"])


def test_without_a_client_an_opaque_token_is_malformed(tenant: LocalTenant, command: Command) -> None:
    """The error is that of an adapter; the step says which options are missing."""
    command.set_variables({"MONOCLOUD_BACKEND_CLIENT_ID": "", "MONOCLOUD_BACKEND_CLIENT_SECRET": ""})
    document, checks = _explain(command, "made-up-token-of-nobody")
    assert (document["reason"], checks["form"]["state"]) == ("malformed", "failed")
    assert "client_id is not set" in checks["form"]["expected"]


def test_jwts_are_introspected_where_the_options_say_so(tenant: LocalTenant, command: Command) -> None:
    """The steps are those of introspection."""
    command.set_variables({"MONOCLOUD_BACKEND_INTROSPECT_JWT_TOKENS": "true"})
    document, checks = _explain(command, tenant.mint())
    assert document["accepted"]
    assert list(checks) == OPAQUE_STEPS


def test_a_bound_token(tenant: LocalTenant, command: Command, tmp_path: Path) -> None:
    """It passes only with its certificate."""
    right, wrong = (tenant.authority().issue_client(name) for name in ("right", "wrong"))
    token = tenant.mint(certificate=right.pem)
    document, checks = _explain(command, token, "--certificate", right.paths[0])
    assert (document["accepted"], checks["binding"]["state"]) == (True, "passed")
    document, _ = _explain(command, token, "--certificate", wrong.paths[0])
    assert document["reason"] == "certificate_mismatch"
    (tmp_path / "none").write_text("no certificate")
    document, _ = _explain(command, token, "--certificate", str(tmp_path / "none"))
    assert document["reason"] == "certificate_malformed"


def test_another_time(tenant: LocalTenant, command: Command) -> None:
    """--at takes Unix seconds and ISO 8601."""
    token = tenant.mint()
    for moment in ("2020-01-01T00:00:00Z", "2020-01-01", "1577836800"):
        document, checks = _explain(command, token, "--at", moment)
        assert document["reason"] == "not_yet_valid"
        assert "now 2020-01-01T00:00:00Z" in checks["lifetime"]["expected"]


def test_offline(tenant: LocalTenant, command: Command, tmp_path: Path) -> None:
    """With a key set file no request is sent; arguments take precedence over variables."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(tenant.jwks()))
    offline = "--offline", "--jwks", str(path)
    token = tenant.mint()
    before = len(tenant.requests)
    assert _explain(command, token, *offline)[0]["accepted"]
    assert (
        _explain(command, token, *offline, "--audience", "https://other.test")[0]["reason"]
        == "wrong_audience"
    )
    document, _ = _explain(command, token, *offline, "--issuer", tenant.domain + "/")
    assert document["reason"] == "wrong_issuer"
    assert document["hints"] == [f"issuer: {NEARLY}"]
    document, checks = _explain(command, tenant.mint_opaque(), *offline)
    assert document["reason"] == "malformed"
    assert checks["form"]["expected"] == "a JWT, because introspection needs the network (--offline)"
    assert any("without --offline" in hint for hint in document["hints"])
    assert len(tenant.requests) == before


def test_offline_without_variables(shared_tenant: LocalTenant, command: Command, tmp_path: Path) -> None:
    """--issuer and --audience are enough; without them the error names the variables."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(shared_tenant.jwks()))
    token = shared_tenant.mint()
    offline = "--offline", "--jwks", str(path)
    document, _ = _explain(
        command, token, *offline, "--issuer", shared_tenant.domain, "--audience", shared_tenant.audience
    )
    assert document["accepted"]
    result = command("explain", *offline, stdin=token.encode())
    assert result.status == 1
    assert "MONOCLOUD_BACKEND_TENANT_DOMAIN" in result.err
    assert "MONOCLOUD_BACKEND_AUDIENCE" in result.err


NO_KEY_SET = "the file in --jwks is not a key set: it must be an object with an array named keys"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param([], NO_KEY_SET, id="array"),
        pytest.param(
            {"issuer": "https://a.test", "jwks_uri": "https://a.test/jwks"}, NO_KEY_SET, id="metadata"
        ),
        pytest.param({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, NO_KEY_SET, id="key"),
        pytest.param({"keys": {}}, NO_KEY_SET, id="object"),
        pytest.param({"keys": []}, "the key set in --jwks has no usable key: it is empty", id="empty"),
        pytest.param(
            {"keys": [{"kty": "oct"}]}, "the key set in --jwks has no usable key: key 0: ", id="secret"
        ),
    ],
)
def test_json_that_is_no_key_set(command: Command, tmp_path: Path, content: object, problem: str) -> None:
    """The file is named, and not the tenant, which is not asked."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(content))
    result = command(
        "explain", "--offline", "--jwks", str(path), "--issuer", "https://a.test", stdin=b"a.b.c"
    )
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith(f"error: {problem}")


@pytest.mark.parametrize("content", ["not JSON", "[" * 100_000, None])
def test_a_key_set_that_cannot_be_used(command: Command, tmp_path: Path, content: str | None) -> None:
    """The error contains nothing of the file."""
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_text(content)
    result = command("explain", "--offline", "--jwks", str(path), "--issuer", "https://a.test", stdin=b"x")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("error: the file in --jwks ")


@pytest.mark.parametrize(
    ("token", "hint"),
    [
        ("", "the input is empty"),
        ("Bearer a.b.c", "it begins with Bearer"),
        ('"a.b.c"', "it begins with a quotation mark"),
        ("a.b.\nc", "it contains white space"),
    ],
)
def test_hints(tenant: LocalTenant, command: Command, token: str, hint: str) -> None:
    """Common copying mistakes are named."""
    document, _ = _explain(command, token)
    assert document["reason"] == "malformed"
    assert any(hint in found for found in document["hints"])


@pytest.mark.parametrize("change", [lambda it: f"{it}/", str.upper], ids=["slash", "case"])
def test_nearly_the_same(tenant: LocalTenant, command: Command, change: Callable[[str], str]) -> None:
    """An audience that differs by a slash, or by the case of letters, is named."""
    document, _ = _explain(command, tenant.mint(audience=change(tenant.audience)))
    assert document["hints"] == [f"audience: {NEARLY}"]


def test_where_a_token_comes_from(tenant: LocalTenant, command: Command, tmp_path: Path) -> None:
    """An argument, a file and standard input are the same."""
    token = tenant.mint(lifetime_seconds=-300)
    command.secrets.append(token)
    path = tmp_path / "token"
    path.write_text(f"{token}\r\n")
    results: list[Result] = [
        command("explain", token),
        command("explain", "--file", str(path)),
        command("explain", stdin=token.encode()),
        command("explain", "-", stdin=token.encode()),
    ]
    assert [result.status for result in results] == [1] * 4
    for result in results:
        assert "lifetime       FAILED [expired]\n" in result.out
        assert "\nRefused [expired]: The access token has expired. The caller gets 401.\n" in result.out
        assert f"\nWhat to do: {ADVICE[Reason.EXPIRED]}.\n" in result.out
        assert f"\nSee: {docs_address('expired')}\n" in result.out


def test_a_tenant_that_is_unreachable(tenant: LocalTenant, command: Command) -> None:
    """The step fails, later ones are skipped, and the advice is to run ``doctor``."""
    with tenant.failing(faults.status(503)):
        document, checks = _explain(command, tenant.mint())
        assert (document["reason"], document["status"], checks["key set"]["state"]) == (None, 503, "failed")
        assert "monocloud-mw doctor" in document["advice"]
        assert document["docs"] == docs_address("tenant_unavailable")
        _, checks = _explain(command, tenant.mint_opaque())
        assert (checks["introspection"]["state"], checks["issuer"]["state"]) == ("failed", "not reached")
        result = command("explain", stdin=tenant.mint().encode())
        assert "The request to the tenant failed: " in result.out


def test_a_tenant_that_does_not_answer(command: Command) -> None:
    """It ends within the timeout, with status 1."""
    with blocked_port() as port, LocalTenant(algorithms=["ES256"]) as other:
        command.set_variables(other.environment())
        command.set_variables({"MONOCLOUD_BACKEND_TENANT_DOMAIN": f"https://127.0.0.1:{port}"})
        document, _ = _explain(command, other.mint(), "--timeout", "0.5")
    assert document["status"] == 503


def test_the_verdict_has_what_the_log_of_the_api_has(tenant: LocalTenant, command: Command) -> None:
    """The document has the validator's expected and found values."""
    token = tenant.mint(scopes="orders:write")
    document, _ = _explain(command, token, "--scope", "orders:read")
    assert (document["expected"], document["found"]) == (
        "all of the scopes 'orders:read'",
        "the scopes 'orders:write'",
    )
    result = command("explain", "--scope", "orders:read", stdin=token.encode())
    assert "\nExpected: all of the scopes 'orders:read'.\nFound: the scopes 'orders:write'.\n" in result.out


@pytest.mark.parametrize(
    ("token", "result"),
    [
        (
            {"claims": {"exp": None}},
            "Refused [invalid_claim]: The access token has a missing or invalid claim: exp",
        ),
        ({"signed_by": "stranger"}, "if not, request a new token, since the tenant has replaced its key"),
    ],
    ids=["the claim is named", "an unknown key of the same issuer"],
)
def test_the_text_names_the_cause(
    token: dict[str, Any], result: str, tenant: LocalTenant, command: Command
) -> None:
    """The last lines are enough to see what is wrong with the token."""
    assert result in command("explain", stdin=tenant.mint(**token).encode()).out


def test_a_client_that_the_tenant_refuses(tenant: LocalTenant, command: Command) -> None:
    """The advice names the variables of the client."""
    command.set_variables({"MONOCLOUD_BACKEND_CLIENT_SECRET": "wrong"})
    document, _ = _explain(command, tenant.mint_opaque())
    assert document["status"] == 500
    assert "MONOCLOUD_BACKEND_CLIENT_SECRET" in document["advice"]


def test_every_reason_has_advice() -> None:
    """The table has all of them."""
    assert set(ADVICE) == set(Reason)
