"""Run the command line in this process, and check that its output contains no secret."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest

from monocloud_mw.cli import main
from monocloud_mw.testing import LocalTenant

from ..attacks.exposure import pieces_of, seen_in
from ..stores.redis_server import RedisServer

__all__ = ["Command", "Result"]


@attrs.frozen
class Result:
    """The exit status and the output of a command."""

    status: int
    out: str
    err: str


class _Stdin:
    """Standard input that is not a terminal."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


class Command:
    """Runs ``monocloud-mw`` and searches its output for secrets."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.secrets: list[str | bytes] = []

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Set variables of the environment for this test."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Result:
        """Run the command line and return its result."""
        self._monkeypatch.setattr(sys, "stdin", _Stdin(stdin))
        try:
            status = main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        captured = self._capsys.readouterr()
        shown = captured.out + captured.err
        assert "Traceback" not in shown
        assert seen_in(shown, pieces_of(*self.secrets)) == []
        assert shown.isascii()
        return Result(status, captured.out, captured.err)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command line, in an environment without proxies and settings."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name)
    return Command(capsys, monkeypatch)


@pytest.fixture(scope="module")
def shared_tenant() -> Iterator[LocalTenant]:
    """Return a tenant with TLS for the tests of a module."""
    with LocalTenant(tls=True, algorithms=["ES256"]) as tenant:
        yield tenant


@pytest.fixture
def tenant(shared_tenant: LocalTenant, command: Command) -> Iterator[LocalTenant]:
    """Return that tenant without faults; the environment has its settings, with a client."""
    command.set_variables(shared_tenant.environment(shared_tenant.client))
    command.secrets.append(shared_tenant.client.secret or "")
    yield shared_tenant
    shared_tenant.recover()


@pytest.fixture(scope="session")
def redis_process(
    require_program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Return a real ``redis-server``."""
    import trustme

    server = RedisServer(require_program("redis-server"), tmp_path_factory.mktemp("redis"), trustme.CA())
    server.start()
    yield server
    server.kill()
