"""Processes that stand still between requests, as serverless ones do, and event loops that live for one."""

from __future__ import annotations

import signal
import time

import pytest

from monocloud_mw.testing import LocalTenant

from .programs import Gate, Program, running

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")

LIFETIME = 2.0

ANSWER_TOKENS = """
client = type(client)(response_timeout=5, jwks_cache_duration=2, metadata_cache_duration=600)
from monocloud_mw import MonoCloudError
for line in sys.stdin:
    try:
        call("validate_access_token", line.strip())
        verdict = "accepted"
    except MonoCloudError as error:
        verdict = str(getattr(error, "reason", error))
    print(verdict, flush=True)
"""


def verdict(program: Program, token: str) -> str:
    """Return what the program makes of a token."""
    stdin = program._process.stdin
    assert stdin is not None
    stdin.write(f"{token}\n")
    stdin.flush()
    return program.read()


def test_keys_are_refreshed_though_nothing_runs_between_requests(tenant: LocalTenant, kind: str) -> None:
    """The refresh in the background never ends; the next request makes it, and nothing is left behind."""
    withdrawn = tenant.mint()
    gate = Gate()
    with running(ANSWER_TOKENS, kind, withdrawn, tenant.environment()) as program:
        assert verdict(program, withdrawn) == "accepted"
        time.sleep(0.9 * LIFETIME)
        tenant.fail(gate, endpoint="jwks", times=1)
        assert verdict(program, withdrawn) == "accepted"  # starts the refresh
        program._process.send_signal(signal.SIGSTOP)
        tenant.rotate_keys(withdraw=True)
        time.sleep(LIFETIME)
        gate.open()
        program._process.send_signal(signal.SIGCONT)
        assert verdict(program, withdrawn) == "unknown_key"
        assert verdict(program, tenant.mint()) == "accepted"
        assert program.end() == (0, "")
