"""Run flows without a real driver: with tables in place of threads, sockets and clocks.

:func:`step` performs one effect of a flow; :class:`FakeDriver` performs all effects of a flow in order and
records them.
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

__all__ = ["NOW", "FakeDriver", "result_of", "step"]

T = TypeVar("T")

NOW: Final = Instant(unix=1_700_000_000.0, monotonic=1000.0)


def step(flow: Flow[Any], answer: object = None) -> Effect:
    """Send a flow the result of its last effect and return the next effect."""
    return flow.send(answer)


def result_of(flow: Flow[T], answer: object = None) -> T:
    """Send a flow its last result and return the value of the flow; another effect is an error."""
    try:
        effect = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError(f"the flow asks for more: {effect}")


class FakeDriver:
    """Performs the effects of flows, one after the other.

    Background runs wait until :meth:`run_background`, or until a flow waits for the same key: as in the
    drivers, there is one run for all. With ``hangs``, every wait times out.

    Args:
        responses: the result of a request, by URL: a response, a failure, or a function of the request.
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
        """The requested URLs, in order."""
        return [request.url for request in self.requests]

    def pass_time(self, seconds: float) -> None:
        """Advance both clocks."""
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
        """Run what was started in the background; return the result of each run."""
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
        """Return the current run if it is young enough, or a new one."""
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
    """Return a JSON response."""
    data = body if isinstance(body, bytes) else body.encode()
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=data)
