"""A program ends without waiting for its tenant and without output."""

from __future__ import annotations

import pytest

from monocloud_mw.testing import LocalTenant

from .programs import Gate, running

pytestmark = pytest.mark.slow

# Shortly before the keys expire, a request is served at once and starts a refresh in the background.
REFRESH = """
call("prefetch")
now = client._driver.now

def advance(seconds):
    client._driver.now = lambda: Instant(now().unix, now().monotonic + seconds)

advance(240)
"""

ENDINGS = {
    "threads: it is over": ("threads", "validate(); sys.stdin.readline()"),
    "threads: exit": ("threads", "validate(); sys.stdin.readline(); sys.exit()"),
    "threads: closed": ("threads", "validate(); sys.stdin.readline(); client.close()"),
    "threads: a context": ("threads", "with client:\n    validate(); sys.stdin.readline()"),
    "threads: a request hangs": (
        "threads",
        "begin(lambda: client.get_jwks(force_refresh=True)); sys.stdin.readline()",
    ),
    "event loop: it is over": (
        "event loop",
        """
async def main():
    await client.validate_access_token(token)
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    ),
    "event loop: closed": (
        "event loop",
        """
async def main():
    async with client:
        await client.validate_access_token(token)
        await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    ),
    "event loop: a request hangs": (
        "event loop",
        """
async def main():
    request = asyncio.create_task(client.get_jwks(force_refresh=True))
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    ),
    "event loop: in a thread that is left behind": (
        "event loop",
        """
async def main():
    await client.validate_access_token(token)
    await asyncio.Event().wait()
begin(lambda: asyncio.run(main()))
sys.stdin.readline()
""",
    ),
    "event loop: another one has long ended": (
        "event loop",
        """
validate()  # and the refresh that it began is cancelled
advance(280)
async def main():
    await client.validate_access_token(token)
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
""",
    ),
}


# Without the extra ``async`` a hanging request occupies a worker thread, which must not delay the exit.
ENDINGS |= {
    name.replace(":", ", HTTP in threads:"): (f"{kind}, HTTP in threads", ending)
    for name, (kind, ending) in ENDINGS.items()
    if kind == "event loop"
}


@pytest.mark.parametrize(("kind", "ending"), ENDINGS.values(), ids=ENDINGS)
def test_a_program_ends_while_a_refresh_hangs(tenant: LocalTenant, kind: str, ending: str) -> None:
    """It ends at once with exit code 0 and empty stderr, although the tenant never responds."""
    gate = Gate()
    with running(
        REFRESH + "print(flush=True); sys.stdin.readline()\n" + ending,
        kind,
        tenant.mint(subject="user"),
        tenant.environment(),
    ) as program:
        program.read()
        tenant.fail(gate)
        program.tell()
        gate.await_request()
        program.tell()
        assert program.end() == (0, "")
    gate.open()
