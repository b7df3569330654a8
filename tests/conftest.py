"""Settings for all tests: nothing from the developer's shell, no internet, and no server missing unnoticed.

- ``MONOCLOUD_BACKEND_`` variables of the developer's shell are hidden from the tests.
- A connection that leaves the loopback interface is refused, so that no test depends on the internet.
- Tests that change nothing at the tenant share one, and a client of each kind.
- A test that needs a program beside Python (redis-server, node) asks :func:`require_program` for it: where
  it is missing the test is skipped on a developer's machine and fails in CI (``CI`` set), where
  ``.ci/run`` has installed everything. A skip can therefore not hide a gap in CI.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import ipaddress
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import hypothesis
import pytest
import trustme

from monocloud_mw import AsyncBackendClient, BackendClient
from monocloud_mw.testing import LocalTenant
from monocloud_mw.transports import certificate_files

from .event_loop import close_event_loop

for _variable in [name for name in os.environ if name.startswith("MONOCLOUD_BACKEND_")]:
    del os.environ[_variable]


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


# Not `signal.default_int_handler`, because each `asyncio.run` replaces that one, which takes longer than a
# request in process. And a shell lets what it runs in the background ignore Ctrl-C, which programs started by
# tests would inherit.
signal.signal(signal.SIGINT, _interrupt)

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# Deadlines depend on the machine, not on the code; in CI the examples are the same each time. After the whole
# suite has passed, `--hypothesis-profile=brief` is enough to check other environments.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("brief", hypothesis.settings.get_profile("ci"), max_examples=10)
hypothesis.settings.load_profile("ci" if IN_CI else "local")


def _loopback_only(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    """Return a socket method that refuses to connect to other machines."""

    @functools.wraps(connect)
    def guarded(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise PermissionError(
                f"a test tried to reach {address[0]!r}: tests talk to the loopback interface only"
            )
        return connect(self, address)

    return guarded


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# Blocking sockets and event loops alike connect by these. An audit hook would see them too, but it also runs
# whenever a thread that coverage measures starts, and Python 3.11 does not bear that two threads are there
# at once: "Cannot install a trace function while another trace function is being installed".
for _method in "connect", "connect_ex":
    setattr(socket.socket, _method, _loopback_only(getattr(socket.socket, _method)))


def pytest_collection_finish() -> None:
    """Exempt the tests themselves from garbage collection: tests that call it would search them each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Close the event loop that the tests shared."""
    close_event_loop()


def unavailable(what: str, *, in_ci: bool = IN_CI) -> NoReturn:
    """End a test whose requirement this machine lacks: skip it, or fail it in CI."""
    if in_ci:
        pytest.fail(f"{what} is missing, and CI must not skip", pytrace=False)
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """Return a function that gives the path of a program, or ends the test as :func:`unavailable` does."""

    def path_of(name: str) -> str:
        return shutil.which(name) or unavailable(name)

    return path_of


@pytest.fixture(scope="session", autouse=True)
def default_ca_bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Let clients trust a single CA by default: reading all public ones takes too long. Return its file."""
    bundle = str(tmp_path_factory.mktemp("authorities") / "ca.pem")
    trustme.CA().cert_pem.write_to_path(bundle)
    with pytest.MonkeyPatch.context() as patch:
        for variable in (*certificate_files.VARIABLES, *certificate_files.OPENSSL_VARIABLES):
            patch.delenv(variable, raising=False)
        patch.setattr(certificate_files, "DEFAULT_CA_BUNDLE_PATH", bundle)
        yield bundle


@pytest.fixture
def all_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log limiter leave out no record."""
    monkeypatch.setattr("monocloud_mw.log_limits.REFILL_SECONDS", 1e-9)


@pytest.fixture(scope="session")
def tenant() -> Iterator[LocalTenant]:
    """Return a tenant without faults."""
    with LocalTenant(algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture(scope="session")
def client(tenant: LocalTenant) -> Iterator[BackendClient]:
    """Return a synchronous client of the tenant."""
    with BackendClient(**tenant.settings(tenant.client)) as client:
        yield client


@pytest.fixture(scope="session")
def async_client(tenant: LocalTenant) -> Iterator[AsyncBackendClient]:
    """Return an asynchronous client of the tenant."""
    client = AsyncBackendClient(**tenant.settings(tenant.client))
    yield client
    asyncio.run(client.aclose())
