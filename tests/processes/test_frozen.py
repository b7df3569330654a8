"""Processes that are stopped between requests, as on serverless hosts, and event loops for one request
each.
"""

from __future__ import annotations

import signal
import time

import pytest

from monocloud_mw.testing import LocalTenant

from .programs import Gate, Program, running

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")]

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
    """Return the program's result for a token."""
    stdin = program._process.stdin
    assert stdin is not None
    stdin.write(f"{token}\n")
    stdin.flush()
    return program.read()


def test_keys_are_refreshed_though_nothing_runs_between_requests(tenant: LocalTenant, kind: str) -> None:
    """The background refresh never ends; the next request refreshes, and nothing is left behind."""
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


ASYNC_TO_SYNC = """
from asgiref.sync import async_to_sync
def call(method, *arguments):
    return async_to_sync(getattr(client, method))(*arguments)
"""


@pytest.mark.parametrize("loops", ["asyncio.run", "async_to_sync"])
@pytest.mark.parametrize("client", ["event loop", "event loop, HTTP in threads"])
def test_keys_are_refreshed_though_each_request_has_an_event_loop(
    tenant: LocalTenant, client: str, loops: str
) -> None:
    """A refresh ends with the event loop of its request, and the next request refreshes."""
    withdrawn = tenant.mint()
    program_text = (ASYNC_TO_SYNC if loops == "async_to_sync" else "") + ANSWER_TOKENS
    with running(program_text, client, withdrawn, tenant.environment()) as program:
        assert verdict(program, withdrawn) == "accepted"
        tenant.rotate_keys(withdraw=True)
        time.sleep(0.85 * LIFETIME)
        verdict(program, withdrawn)  # starts the refresh
        time.sleep(0.2 * LIFETIME)
        assert verdict(program, withdrawn) == "unknown_key"
        assert verdict(program, tenant.mint()) == "accepted"
        assert program.end() == (0, "")
