"""The kinds of requests, and the clients in threads and on an event loop that send them."""

from __future__ import annotations

import asyncio
import http.client
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import attrs

from .tokens import Token, TokenSource

__all__ = ["KINDS", "Kind", "Sample", "Traffic"]

THREADS: Final = 4
TASKS: Final = 8
PAUSE_SECONDS: Final = 0.06  # between two requests of a client
TIMEOUT_SECONDS: Final = 60.0
NO_RESPONSE: Final = 0


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of request.

    Args:
        path: the path of the request.
        status: the status of the response while the tenant has no fault.
        needs: what the server needs to decide: ``nothing``, the tenant's ``keys``, or its ``answer``.
        weight: how often it is sent, relative to the other kinds.
        good: whether a key of the tenant signed the token, so that the server must have loaded that key.
        make: creates the token.
    """

    path: str
    status: int
    make: Callable[[TokenSource, random.Random], Token | None]
    needs: str = "keys"
    weight: int = 1
    good: bool = False


def _text(text: str) -> Callable[[TokenSource, random.Random], Token]:
    return lambda _tokens, _rng: Token(text, 0)


KINDS: Final[Mapping[str, Kind]] = {
    "good": Kind(path="/me", status=200, weight=6, good=True, make=lambda tokens, rng: tokens.repeated(rng)),
    "new": Kind(path="/me", status=200, weight=3, good=True, make=lambda tokens, _: tokens.mint()),
    "scope": Kind(
        path="/orders",
        status=200,
        weight=2,
        good=True,
        make=lambda tokens, _: tokens.mint(scopes="orders:read"),
    ),
    "missing scope": Kind(path="/orders", status=403, good=True, make=lambda tokens, _: tokens.mint()),
    "missing group": Kind(path="/admin/users", status=403, good=True, make=lambda tokens, _: tokens.mint()),
    "expired": Kind(
        path="/me", status=401, good=True, make=lambda tokens, _: tokens.mint(lifetime_seconds=-300)
    ),
    "forged": Kind(path="/me", status=401, weight=4, make=lambda tokens, _: tokens.forge()),
    "impostor": Kind(path="/me", status=401, make=lambda tokens, _: tokens.mint(signed_by="impostor")),
    "opaque": Kind(
        path="/me",
        status=200,
        needs="answer",
        weight=4,
        make=lambda tokens, rng: Token(rng.choice(tokens.opaque), 0),
    ),
    "opaque, unknown": Kind(path="/me", status=401, needs="answer", make=_text("2YotnFZFEjr1zCsicMWpAA")),
    "garbage": Kind(path="/me", status=401, needs="nothing", make=_text("aaaa.bbbb.cccc")),
    "malformed header": Kind(path="/me", status=400, needs="nothing", make=_text("two words")),
    "no token": Kind(path="/me", status=401, needs="nothing", make=lambda _tokens, _rng: None),
    "public": Kind(path="/healthz", status=200, needs="nothing", make=lambda _tokens, _rng: None),
}


@attrs.frozen(kw_only=True)
class Sample:
    """One request and its response; times are monotonic seconds.

    Args:
        kind: a name of :data:`KINDS`.
        server: the name of the API.
        generation: of the key that signed its token.
        status: of the response; 0 if there was none.
        headers: of the response, in lower case.
    """

    kind: str
    server: str
    generation: int
    began: float
    ended: float
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)


class Traffic:
    """Several clients that send requests of all kinds to several servers.

    Args:
        urls: the base URLs of the servers, by name.
        tokens: creates the tokens.
        seed: of the choice of requests.
    """

    def __init__(self, urls: Mapping[str, str], tokens: TokenSource, seed: int) -> None:
        self.samples: list[Sample] = []
        self._urls = urls
        self._tokens = tokens
        self._over = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._send_repeatedly, args=(random.Random(f"{seed} {n}"),), name=f"client {n}"
            )
            for n in range(THREADS)
        ]
        self._threads.append(
            threading.Thread(target=lambda: asyncio.run(self._send_in_tasks(seed)), name="clients on a loop")
        )

    def start(self) -> None:
        """Start the clients."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients after their current requests."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        """Send each server requests, so that it loads the documents of the tenant."""
        for server in self._urls:
            for kind in ("good", "opaque"):
                sample = self._send(kind, server, KINDS[kind].make(self._tokens, random.Random(0)))
                if sample.status != 200:
                    raise RuntimeError(
                        f"{server} responds to {kind} with {sample.status} although the tenant has no fault"
                    )

    def _send_repeatedly(self, rng: random.Random) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            self.samples.append(self._send(*self._choose(rng)))

    async def _send_in_tasks(self, seed: int) -> None:
        async def send_repeatedly(rng: random.Random) -> None:
            while not self._over.is_set():
                await asyncio.sleep(PAUSE_SECONDS)
                self.samples.append(await self._send_async(*self._choose(rng)))

        await asyncio.gather(*(send_repeatedly(random.Random(f"{seed} task {n}")) for n in range(TASKS)))

    def _choose(self, rng: random.Random) -> tuple[str, str, Token | None]:
        (kind,) = rng.choices(list(KINDS), [kind.weight for kind in KINDS.values()])
        return kind, rng.choice(list(self._urls)), KINDS[kind].make(self._tokens, rng)

    def _send(self, kind: str, server: str, token: Token | None) -> Sample:
        address, began = urlsplit(self._urls[server]), time.monotonic()
        connection = http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("GET", KINDS[kind].path, headers=dict(_headers(token)))
            response = connection.getresponse()
            response.read()
            status, headers = response.status, response.getheaders()
        except (OSError, http.client.HTTPException):
            status, headers = NO_RESPONSE, []
        finally:
            connection.close()
        return _sample(kind, server, token, began, status, headers)

    async def _send_async(self, kind: str, server: str, token: Token | None) -> Sample:
        address, began = urlsplit(self._urls[server]), time.monotonic()
        lines = [f"GET {KINDS[kind].path} HTTP/1.1", f"Host: {address.netloc}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in _headers(token)]
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await _exchange(address.hostname or "", address.port or 0, lines)
            first, *rest = answer.partition("\r\n\r\n")[0].split("\r\n")
            status = int(first.split()[1])
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        except (OSError, IndexError, ValueError):
            status, headers = NO_RESPONSE, []
        return _sample(kind, server, token, began, status, headers)


async def _exchange(host: str, port: int, lines: Sequence[str]) -> str:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return (await reader.read()).decode("latin-1")
    finally:
        writer.close()


def _headers(token: Token | None) -> Sequence[tuple[str, str]]:
    return [] if token is None else [("Authorization", f"Bearer {token.text}")]


def _sample(
    kind: str, server: str, token: Token | None, began: float, status: int, headers: Sequence[tuple[str, str]]
) -> Sample:
    return Sample(
        kind=kind,
        server=server,
        generation=0 if token is None else token.generation,
        began=began,
        ended=time.monotonic(),
        status=status,
        headers={name.lower(): value for name, value in headers},
    )
