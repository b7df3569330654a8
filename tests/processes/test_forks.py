"""Children forked at any time of a client's life work normally."""

from __future__ import annotations

import os

import pytest

from monocloud_mw.testing import LocalTenant

from .programs import Gate, running

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

CHILDREN = 3

FORK = """
children = []
for _ in range(3):
    children.append(os.fork())
    if children[-1] == 0:
        validate()
        sys.exit(7)
validate()
assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [7, 7, 7]
"""


@pytest.mark.parametrize(
    ("before", "fetches"),
    [("", 1 + CHILDREN), ("validate()", 1)],
    ids=["cold", "warm"],
)
def test_children_validate(tenant: LocalTenant, kind: str, before: str, fetches: int) -> None:
    """Children have the parent's keys or load their own, and exit without output."""
    with running(before + FORK, kind, tenant.mint(subject="user"), tenant.environment()) as program:
        assert program.end() == (0, "")
    assert tenant.requests.count("jwks") == fetches


def test_children_open_connections_of_their_own(tenant: LocalTenant, kind: str) -> None:
    """After a fork, parent and children repeatedly use the tenant at the same time."""
    script = FORK.replace("validate()", "for _ in range(5): call('get_jwks', True)")
    with running("validate()" + script, kind, tenant.mint(subject="user"), tenant.environment()) as program:
        assert program.end() == (0, "")
    assert tenant.requests.count("jwks") == 1 + (1 + CHILDREN) * 5


BESIDE_A_LEADER = """
leader = begin(validate)
sys.stdin.readline()
child = os.fork()
if child == 0:
    validate()
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
leader.join()
validate()
"""


@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
def test_a_child_does_not_wait_for_a_leader_of_its_parent(
    tenant: LocalTenant, kind: str, endpoint: str
) -> None:
    """A child runs its own request while the parent's is still running."""
    gate = Gate()
    tenant.fail(gate, endpoint=endpoint, times=1)  # type: ignore[arg-type]
    variables = tenant.environment()
    with running(BESIDE_A_LEADER, kind, tenant.mint(subject="user"), variables) as program:
        gate.await_request()
        program.tell()
        assert program.read() == "7"
        gate.open()
        assert program.end() == (0, "")
    assert tenant.requests.count("jwks") == 2
