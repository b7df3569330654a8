"""Requests a second of whole servers, protected and bare: what protection costs where it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from monocloud_mw.testing import LocalTenant

from .harness import Measurement
from .load import CONNECTIONS, GENERATOR, requests_per_second
from .processes import Serving, gunicorn, uvicorn
from .report import Bar, Effort, Section
from .tokens import SCOPE

__all__ = ["measure_serving"]

SERVERS: Final[Mapping[str, tuple[Callable[..., Serving], str]]] = {
    "uvicorn": (uvicorn, "asgi_app"),
    "gunicorn": (gunicorn, "wsgi_app"),
}
ROUND_SECONDS: Final = 1
MAX_ROUNDS: Final = 15


def measure_serving(effort: Effort) -> Iterator[Section]:
    """A small application, its keys from a tenant over HTTP, a token that was seen before."""
    with LocalTenant() as tenant:
        token = tenant.mint(scopes=SCOPE)
        for name, (serve, app) in SERVERS.items():
            with contextlib.ExitStack() as stack:
                ports = {
                    kind: stack.enter_context(serve(f"{kind}_{app}", tenant.environment()))
                    for kind in ("bare", "protected")
                }
                for port in ports.values():
                    requests_per_second(port, token, ROUND_SECONDS)
                rates: dict[str, list[float]] = {kind: [] for kind in ports}
                order = list(ports)
                for _ in range(min(effort.rounds, MAX_ROUNDS)):
                    for kind in order:
                        rates[kind].append(requests_per_second(ports[kind], token, ROUND_SECONDS))
                    order.reverse()
            bare, protected = (
                Measurement(kind, tuple(samples), "requests/s") for kind, samples in rates.items()
            )
            yield Section(
                name=f"serving-{name}",
                title=f"{name}, requests a second",
                measurements=(bare, protected),
                bars=(Bar.at_least(0.9, "protected to bare", protected.over(bare)),),
                notes=(f"load from {GENERATOR}, {CONNECTIONS} connections; {name} has one process",),
            )
