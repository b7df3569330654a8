"""Which failures of loads count as interruptions."""

from __future__ import annotations

import pytest

from monocloud_mw.core.effects import Flow, ReadClock
from monocloud_mw.core.tenant.interruption import InterruptedLoadError, in_time
from monocloud_mw.errors import HttpError

from ..fake_driver import NOW, FakeDriver, step


def late(error: HttpError) -> Flow[str]:
    """Return a flow that fails, long after its timeout unless in_time."""
    yield ReadClock()
    raise error


@pytest.mark.parametrize(
    ("seconds", "raised"), [(0.0, HttpError), (15.0, HttpError), (15.1, InterruptedLoadError)]
)
@pytest.mark.parametrize("clock", ["unix", "monotonic"])
def test_a_failure_long_after_the_timeout_is_an_interruption(
    seconds: float, raised: type, clock: str
) -> None:
    """A stopped process or suspended machine finds its connection closed; that is not a failure of the
    tenant.
    """
    flow = in_time(late(HttpError("timeout")), 10.0)
    assert step(flow) == ReadClock()
    assert step(flow, NOW) == ReadClock()
    assert step(flow) == ReadClock()
    ended = NOW._replace(**{clock: getattr(NOW, clock) + seconds})
    with pytest.raises(HttpError, match="timeout") as caught:
        flow.send(ended)
    assert type(caught.value) is raised


def test_a_late_response_is_used() -> None:
    """A response that arrives late is used."""

    def answer() -> Flow[str]:
        yield ReadClock()
        return "answer"

    assert FakeDriver().run(in_time(answer(), 10.0)) == "answer"
