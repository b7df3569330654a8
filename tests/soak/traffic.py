"""Who asks for what: kinds of requests, and clients on threads and on an event loop that make them."""

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

from .mint import Mint, Token

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
        path: what is asked for.
        status: the answer while the tenant does its part.
        needs: what it takes to tell: nothing, the tenant's ``keys``, or its ``answer``.
        weight: how often it is made.
        good: whether the tenant's key signed it, so that it depends on the key being known.
        make: makes the header ``Authorization``.
    """

    path: str
    status: int
    make: Callable[[Mint, random.Random], Token | None]
    needs: str = "keys"
    weight: int = 1
    good: bool = False


def _text(text: str) -> Callable[[Mint, random.Random], Token]:
    return lambda _mint, _chance: Token(text, 0)


KINDS: Final[Mapping[str, Kind]] = {
    "good": Kind(
        path="/me", status=200, weight=6, good=True, make=lambda mint, chance: mint.remembered(chance)
    ),
    "new": Kind(path="/me", status=200, weight=3, good=True, make=lambda mint, _: mint.mint()),
    "scope": Kind(
        path="/orders", status=200, weight=2, good=True, make=lambda mint, _: mint.mint(scopes="orders:read")
    ),
    "missing scope": Kind(path="/orders", status=403, good=True, make=lambda mint, _: mint.mint()),
    "missing group": Kind(path="/admin/users", status=403, good=True, make=lambda mint, _: mint.mint()),
    "expired": Kind(path="/me", status=401, good=True, make=lambda mint, _: mint.mint(lifetime_seconds=-300)),
    "forged": Kind(path="/me", status=401, weight=4, make=lambda mint, _: mint.forge()),
    "impostor": Kind(path="/me", status=401, make=lambda mint, _: mint.mint(signed_by="impostor")),
    "opaque": Kind(
        path="/me",
        status=200,
        needs="answer",
        weight=4,
        make=lambda mint, chance: Token(chance.choice(mint.opaque), 0),
    ),
    "opaque, unknown": Kind(path="/me", status=401, needs="answer", make=_text("2YotnFZFEjr1zCsicMWpAA")),
    "garbage": Kind(path="/me", status=401, needs="nothing", make=_text("aaaa.bbbb.cccc")),
    "malformed header": Kind(path="/me", status=400, needs="nothing", make=_text("two words")),
    "no token": Kind(path="/me", status=401, needs="nothing", make=lambda _mint, _chance: None),
    "public": Kind(path="/healthz", status=200, needs="nothing", make=lambda _mint, _chance: None),
}


@attrs.frozen(kw_only=True)
class Sample:
    """One request and what came of it; times are monotonic seconds.

    Args:
        kind: a name of :data:`KINDS`.
        server: which of the APIs.
        generation: of the key that signed its token.
        status: of the response; 0 where none came.
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
    """Several clients that ask several servers for a mixture of everything.

    Args:
        urls: of the servers, by name.
        mint: makes the tokens.
        seed: of what is asked for.
    """

    def __init__(self, urls: Mapping[str, str], mint: Mint, seed: int) -> None:
        self.samples: list[Sample] = []
        self._urls = urls
        self._mint = mint
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(random.Random(f"{seed} {n}"),), name=f"client {n}")
            for n in range(THREADS)
        ]
        self._threads.append(
            threading.Thread(target=lambda: asyncio.run(self._ask_in_tasks(seed)), name="clients on a loop")
        )

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more, and wait for what was asked."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        """Let each server learn of the tenant."""
        for server in self._urls:
            for kind in ("good", "opaque"):
                sample = self._ask(kind, server, KINDS[kind].make(self._mint, random.Random(0)))
                if sample.status != 200:
                    raise RuntimeError(
                        f"{server} answers {kind} with {sample.status} before anything is wrong"
                    )

    def _ask_on(self, chance: random.Random) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            self.samples.append(self._ask(*self._choose(chance)))

    async def _ask_in_tasks(self, seed: int) -> None:
        async def ask_on(chance: random.Random) -> None:
            while not self._over.is_set():
                await asyncio.sleep(PAUSE_SECONDS)
                self.samples.append(await self._ask_on_loop(*self._choose(chance)))

        await asyncio.gather(*(ask_on(random.Random(f"{seed} task {n}")) for n in range(TASKS)))

    def _choose(self, chance: random.Random) -> tuple[str, str, Token | None]:
        (kind,) = chance.choices(list(KINDS), [kind.weight for kind in KINDS.values()])
        return kind, chance.choice(list(self._urls)), KINDS[kind].make(self._mint, chance)

    def _ask(self, kind: str, server: str, token: Token | None) -> Sample:
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

    async def _ask_on_loop(self, kind: str, server: str, token: Token | None) -> Sample:
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
