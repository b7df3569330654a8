"""Call an ASGI framework in process like a server; after the request body, receive waits."""

from __future__ import annotations

import asyncio
from typing import Any

from ..adapters.exchange import Answer, AsgiApp, Call, Message, RequestHeaders, http_scope
from ..event_loop import run

__all__ = ["call_framework"]


def call_framework(app: AsgiApp, **more: Any) -> Call:
    """Return a function that calls an application; ``more`` is added to the scope of each request."""

    async def exchange(scope: Message) -> list[Message]:
        sent: list[Message] = []
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if not requests:
                await asyncio.Event().wait()  # until the framework has responded and cancels the call
            return requests.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent

    def call(method: str, target: str, headers: RequestHeaders = ()) -> Answer:
        start, *parts = run(exchange(http_scope(method, target, headers, **more)))
        lower = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], lower, b"".join(part.get("body", b"") for part in parts))

    return call
