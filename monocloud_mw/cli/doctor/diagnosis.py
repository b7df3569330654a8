"""The shared state of ``doctor``'s checks: each check adds results that later ones need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ...core.effects import Flow, Instant
from ...core.tenant.metadata import Metadata
from ...drivers.clock import system_clock
from ...drivers.threads import SyncDriver
from ...http import HttpRequest, HttpResponse
from ...options import Options
from ...transports.requests import RequestsTransport
from ...urls import port_of

__all__ = ["Diagnosis"]


class Diagnosis:
    """One run of ``doctor``.

    Args:
        environ: the environment variables.
        timeout_seconds: time limit of each network step.
        cache_url: the URL of the Redis to check, if any.
        cache_ca_bundle: path of the PEM bundle to verify it.
        log: warnings and errors that the package has logged so far.
    """

    options: Options
    metadata: Metadata
    addresses: list[str]
    document: Mapping[str, Any]

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        timeout_seconds: float,
        cache_url: str | None = None,
        cache_ca_bundle: str | None = None,
        log: list[str] | None = None,
    ) -> None:
        self.environ = environ
        self.timeout_seconds = timeout_seconds
        self.cache_url = cache_url
        self.cache_ca_bundle = cache_ca_bundle
        self.log = [] if log is None else log
        self.proxy: SplitResult | None = None
        self.last_response: tuple[HttpResponse, float] | None = None
        self._transports: list[RequestsTransport] = []

    @property
    def tenant(self) -> SplitResult:
        """The parsed URL of the tenant."""
        return urlsplit(self.options.tenant_domain)

    @property
    def host(self) -> str:
        """The host to connect to: the proxy, if there is one, or the tenant."""
        return (self.proxy or self.tenant).hostname or ""

    @property
    def port(self) -> int:
        """The port of that host."""
        return port_of(self.proxy or self.tenant)

    def run(self, flow: Flow[Any], *, client_certificate: tuple[str, str] | None = None) -> Any:
        """Run a flow of the core, as a client does.

        Raises:
            MonoCloudError: what the flow raises.
        """
        transport = RequestsTransport(ca_bundle=self.options.ca_bundle, client_certificate=client_certificate)
        self._transports.append(transport)

        def fetch(request: HttpRequest) -> HttpResponse:
            response = transport(request)
            self.last_response = response, time.time()
            return response

        driver = SyncDriver(fetch, cache=None, clock=system_clock(), wait_timeout=self.timeout_seconds)
        return driver.run(flow)

    def now(self) -> Instant:
        """Read the clocks of this machine."""
        return system_clock()()

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports:
            transport.close()
