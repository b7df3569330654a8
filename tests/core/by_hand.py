"""Flows run by hand: a world of tables instead of threads, sockets and clocks.

:func:`step` takes one effect at a time; :class:`World` performs the effects of a whole flow, in order, and
remembers them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

from monocloud_mw.core.effects import (
    CacheDelete,
    CacheGet,
    CacheSet,
    Call,
    Effect,
    Emit,
    Failure,
    Fetch,
    Flow,
    Instant,
    ReadClock,
    RunOnce,
    RunOnceInBackground,
)
from monocloud_mw.errors import HttpError, MonoCloudError
from monocloud_mw.events import Event
from monocloud_mw.http import HttpRequest, HttpResponse

__all__ = ["NOW", "World", "result_of", "step"]

T = TypeVar("T")

NOW: Final = Instant(unix=1_700_000_000.0, monotonic=1000.0)


def step(flow: Flow[Any], answer: object = None) -> Effect:
    """Give a flow the answer it waits for, and return the next effect that it asks for."""
    return flow.send(answer)


def result_of(flow: Flow[T], answer: object = None) -> T:
    """Give a flow its last answer, and return its result; asking for more is an error."""
    try:
        effect = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError(f"the flow asks for more: {effect}")


class World:
    """Performs effects one after the other, for one caller.

    What is started in the background waits until :meth:`run_background`, or until somebody waits for the same
    thing: there is one run for all, as in the drivers. With ``hangs``, nobody waits long enough.

    Args:
        responses: what answers a request, by URL: a response, a failure, or a function of the request.
    """

    def __init__(self, responses: Mapping[str, Any] | None = None, now: Instant = NOW) -> None:
        self.responses: dict[str, Any] = dict(responses or {})
        self.now = now
        self.requests: list[HttpRequest] = []
        self.effects: list[Effect] = []
        self.events: list[Event] = []
        self.hangs = False
        self.background: dict[Hashable, tuple[Instant, Callable[[Instant], Flow[Any]]]] = {}
        self.cache: dict[str, Any] = {}
        self.expiries: dict[str, float] = {}

    @property
    def urls(self) -> list[str]:
        """The addresses that were asked, in order."""
        return [request.url for request in self.requests]

    def pass_time(self, seconds: float) -> None:
        """Let both clocks run on."""
        self.now = Instant(self.now.unix + seconds, self.now.monotonic + seconds)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end."""
        answer: Any = None
        while True:
            try:
                effect = flow.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(effect, Emit):
                self.events.append(effect.event)
                answer = None
                continue
            self.effects.append(effect)
            answer = self._perform(effect)

    def run_background(self) -> list[Any]:
        """Run what was started in the background, and return how each ended."""
        started, self.background = self.background, {}
        return [self._share(start, began) for began, start in started.values()]

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Fetch(request):
                self.requests.append(request)
                answer = self.responses.get(request.url, Failure(HttpError("nothing answers there")))
                return answer(request) if callable(answer) else answer
            case RunOnce(key, start, _, since):
                began, start = self._joined(key, start, since)
                return self._share(start, began)
            case RunOnceInBackground(key, start, wait_seconds, since):
                began, start = self._joined(key, start, since)
                if wait_seconds > 0.0 and not self.hangs:
                    return self._share(start, began)
                self.background[key] = began, start
            case Call(function, purpose):
                return self._call(function, purpose)
            case ReadClock():
                return self.now
            case CacheGet(key):
                return self.cache.get(key)
            case CacheSet(key, claims, expires_at):
                self.cache[key] = claims
                self.expiries[key] = expires_at
            case CacheDelete(key):
                self.cache.pop(key, None)
        return None

    def _joined(
        self, key: Hashable, start: Callable[[Instant], Flow[Any]], since: float | None
    ) -> tuple[Instant, Callable[[Instant], Flow[Any]]]:
        """Return what is under way, if it is young enough, or what is started now."""
        under_way = self.background.pop(key, None)
        if under_way is None or (since is not None and under_way[0].monotonic < since):
            return self.now, start
        return under_way

    def _share(self, start: Callable[[Instant], Flow[Any]], began: Instant) -> Any:
        try:
            return self.run(start(began))
        except MonoCloudError as error:
            return Failure(error)

    def _call(self, function: Callable[[], Any], purpose: str) -> Any:
        try:
            return function()
        except RuntimeError as error:
            return Failure(HttpError(f"the {purpose} failed with {type(error).__name__}"))


def json_response(body: bytes | str, status: int = 200) -> HttpResponse:
    """Return what a server says."""
    data = body if isinstance(body, bytes) else body.encode()
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=data)
