"""What every test stands on: no surroundings, no internet, and servers that may not go missing unnoticed.

- ``MONOCLOUD_BACKEND_`` variables of the developer's shell are hidden from the tests.
- A connection that leaves the loopback interface is refused, so that no test depends on the internet.
- A test that needs a program beside Python (redis-server, node) asks :func:`require_program` for it: where
  it is missing the test is skipped on a developer's machine and fails in CI (``CI`` set), where
  ``.ci/run`` has installed everything. A skip can therefore not hide a gap in CI.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import hypothesis
import pytest

for _variable in [name for name in os.environ if name.startswith("MONOCLOUD_BACKEND_")]:
    del os.environ[_variable]

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# Deadlines measure the machine, not the code; in CI the examples are the same ones every time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if IN_CI else "local")


def _refuse_internet(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse connections to other machines; an audit hook sees blocking sockets and event loops alike."""
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = arguments[1][0]
    try:
        allowed = ipaddress.ip_address(host).is_loopback
    except ValueError:
        allowed = host == "localhost"
    if not allowed:
        raise PermissionError(f"a test tried to reach {host!r}: tests talk to the loopback interface only")


sys.addaudithook(_refuse_internet)


def unavailable(what: str, *, in_ci: bool = IN_CI) -> NoReturn:
    """End a test that needs something this machine lacks: a skip here, a failure in CI."""
    if in_ci:
        pytest.fail(f"{what} is missing, and CI must not skip", pytrace=False)
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Return a function that gives the path of a program by name, or ends the test as :func:`unavailable`."""

    def path_of(name: str) -> str:
        return shutil.which(name) or unavailable(name)

    return path_of
