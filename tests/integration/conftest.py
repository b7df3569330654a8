"""Fixtures: the servers of the integration tests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Final

import pytest

from ..conftest import unavailable
from .oidc_provider.installation import InstallationError, install_packages
from .oidc_provider.provider import OidcProvider

LOG_CHARACTERS: Final = 4000


@pytest.fixture(scope="session")
def node(require_program: Callable[[str], str], request: pytest.FixtureRequest) -> str:
    """Return the path of ``node``, with the packages of the OpenID provider in place."""
    program, npm = require_program("node"), require_program("npm")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    terminal = request.config.get_terminal_writer()

    def report(progress: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.line()
            terminal.line(progress)

    try:
        install_packages(npm, report)
    except InstallationError as error:
        unavailable(f"the OpenID provider ({error})")
    return program


@pytest.fixture(scope="session")
def oidc_provider(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """Run the OpenID provider for all tests, which leave its keys as they are."""
    with OidcProvider(node, tmp_path_factory.mktemp("oidc_provider")) as running:
        yield running


@pytest.fixture
def rotating_oidc_provider(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    """Run an OpenID provider for one test, which may replace its keys."""
    with OidcProvider(node, tmp_path_factory.mktemp("oidc_provider")) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the provider logged where a test that used it has failed."""
    report = yield
    for running in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(running, OidcProvider):
            report.sections.append(("end of the OpenID provider's log", running.log()[-LOG_CHARACTERS:]))
    return report
