"""Measures the requests per second of real servers, protected and bare."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from monocloud_mw.testing import LocalTenant

from .harness import Measurement
from .least import LEAST
from .load import CONNECTIONS, GENERATOR, count_answers
from .processes import Server, Serving, gunicorn, uvicorn
from .report import Bar, Effort, Section
from .tokens import SCOPE

__all__ = ["SERVERS", "measure_serving"]

SERVERS: Final[Mapping[str, tuple[Callable[..., Serving], str]]] = {
    "uvicorn with h11": (functools.partial(uvicorn, http="h11"), "asgi_app"),
    "uvicorn with httptools": (functools.partial(uvicorn, http="httptools"), "asgi_app"),
    "gunicorn": (gunicorn, "wsgi_app"),
}
KINDS: Final = ("bare", "least", "protected")
ROUND_SECONDS: Final = 1
MAX_ROUNDS: Final = 15


def measure_serving(effort: Effort) -> Iterator[Section]:
    """A small application with a repeated token; its keys come from a tenant over HTTP."""
    with LocalTenant() as tenant:
        token = tenant.mint(scopes=SCOPE)
        for name, (serve, app) in SERVERS.items():
            with contextlib.ExitStack() as stack:
                servers = {
                    kind: stack.enter_context(serve(f"{kind}_{app}", tenant.environment())) for kind in KINDS
                }
                rounds = _take_turns(servers, token, min(effort.rounds, MAX_ROUNDS))
            notes = (f"load from {GENERATOR}, {CONNECTIONS} connections; one process serves",)
            for figure, (suffix, title) in enumerate(
                [("", "requests a second"), ("-processor", "requests a second of its processor time")]
            ):
                bare, least, protected = (
                    Measurement(who, tuple(one[kind][figure] for one in rounds), "requests/s")
                    for kind, who in zip(KINDS, ("bare", LEAST, "protected"), strict=True)
                )
                yield Section(
                    name=f"serving-{name.replace(' ', '-')}{suffix}",
                    title=f"{name}, {title}",
                    measurements=(bare, least, protected),
                    bars=(Bar.at_least(0.9, "protected to bare", protected.over(bare)),),
                    notes=notes,
                )


def _take_turns(
    servers: Mapping[str, Server], token: str, rounds: int
) -> list[dict[str, tuple[float, float]]]:
    """Return the requests per second of wall time and of processor time, for each round and server."""
    order = list(servers)
    for server in servers.values():
        count_answers(server.port, token, ROUND_SECONDS)
    measured = []
    for _ in range(rounds):
        rates = {}
        for kind in order:
            server = servers[kind]
            busy = server.processor_seconds()
            answers = count_answers(server.port, token, ROUND_SECONDS)
            rates[kind] = (answers / ROUND_SECONDS, answers / (server.processor_seconds() - busy))
        measured.append(rates)
        order.append(order.pop(0))
    return measured
