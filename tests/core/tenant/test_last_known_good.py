"""A document kept through outages: its age, failures, and which requests wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monocloud_mw.core.effects import (
    Call,
    Failure,
    Flow,
    Instant,
    ReadClock,
    RunOnce,
    RunOnceInBackground,
    call,
)
from monocloud_mw.core.tenant.interruption import InterruptedLoadError
from monocloud_mw.core.tenant.last_known_good import LastKnownGood
from monocloud_mw.core.tenant.load_record import Attempts
from monocloud_mw.core.tenant.refresh_policy import RefreshPolicy
from monocloud_mw.errors import HttpError, MonoCloudError

from ..fake_driver import NOW, FakeDriver, result_of, step

LIFETIME: Final = 100.0
MAX_STALE: Final = 200.0
COOLDOWN: Final = 30.0
LOAD_TIMEOUT: Final = 20.0


class Source:
    """A source of documents, numbered by load; it fails while it is down."""

    def __init__(self) -> None:
        self.loads = 0
        self.down = False
        self.documents: dict[str, str] = {}
        self.unlike: list[str | None] = []
        self.began: dict[str, float] = {}
        self.error: MonoCloudError | None = None

    def read(self) -> str:
        """Return the next document."""
        self.loads += 1
        if self.down:
            raise RuntimeError
        name = f"document {self.loads}"
        return self.documents.setdefault(name, name)

    def load(self, now: Instant, unlike: str | None) -> Flow[str]:
        """Load a document, as the flows of the core do."""
        self.unlike.append(unlike)
        answer = yield from call(self.read, "source")
        if isinstance(answer, Failure):
            raise self.error or answer.copy()
        self.began[str(answer)] = now.monotonic
        return str(answer)


def held_by(
    source: Source,
    *,
    lifetime: float = LIFETIME,
    max_stale: float = MAX_STALE,
    cooldown: float = COOLDOWN,
    load_timeout: float = LOAD_TIMEOUT,
) -> LastKnownGood[str]:
    """Return the holder of a source's document."""
    policy = RefreshPolicy(
        lifetime=lifetime, max_stale=max_stale, cooldown=cooldown, load_timeout=load_timeout
    )
    return LastKnownGood(("document", "https://acme.example"), source.load, policy)


class Harness(FakeDriver):
    """One source and the holder of its document."""

    def __init__(self, **durations: float) -> None:
        super().__init__()
        self.source = Source()
        self.kept = held_by(self.source, **durations)
        self.error: MonoCloudError | None = None

    def asked(self, flow: Flow[str]) -> tuple[str | None, list[str]]:
        """Run a flow; return its document (``None`` for a failure) and the runs that it started or waited
        for.

        ``foreground`` is a load that this request runs, ``background`` one that it does not wait for, and
        ``wait`` one that it waits for a while.
        """
        self.effects.clear()
        document, self.error = None, None
        try:
            document = self.run(flow)
        except HttpError as error:
            self.error = error
        kinds = []
        for effect in self.effects:
            match effect:
                case RunOnce():
                    kinds.append("foreground")
                case RunOnceInBackground(_, _, 0.0):
                    kinds.append("background")
                case RunOnceInBackground():
                    kinds.append("wait")
        return document, kinds

    def current(self) -> tuple[str | None, list[str]]:
        """Get the document to use now."""
        return self.asked(self.kept.current(self.now))

    def newer(self, seen: str) -> tuple[str | None, list[str]]:
        """Get a document newer than a given one."""
        return self.asked(self.demand(seen))

    def demand(self, seen: str) -> Flow[str]:
        """Return the flow that gets a newer document; documents are compared by identity."""
        return self.kept.newer_than(self.source.documents.get(seen, seen), self.now)

    @property
    def retry_after(self) -> float | None:
        """Return the Retry-After of the last error."""
        assert isinstance(self.error, HttpError)
        return self.error.retry_after


@pytest.fixture
def harness() -> Harness:
    """Return a harness whose document was just loaded."""
    harness = Harness()
    assert harness.current() == ("document 1", ["foreground"])
    return harness


# -- Every region of the age diagram, with the source up and down ---------------------------------


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0.0, ("document 1", [])),
        (79.999, ("document 1", [])),
        (80.0, ("document 1", ["background"])),
        (99.999, ("document 1", ["background"])),
        (100.0, ("document 2", ["wait"])),
        (299.999, ("document 2", ["wait"])),
        (300.0, ("document 2", ["foreground"])),
        (1e9, ("document 2", ["foreground"])),
    ],
)
@pytest.mark.parametrize("clocks", ["both", "monotonic", "wall"])
def test_what_an_age_gives_while_the_source_answers(
    harness: Harness, age: float, expected: Any, clocks: str
) -> None:
    """By either clock, a fresh document is served, a due one also refreshed, and a stale one waited for."""
    unix, monotonic = harness.now
    harness.now = Instant(
        unix + (0.0 if clocks == "monotonic" else age), monotonic + (0.0 if clocks == "wall" else age)
    )
    fresh = harness.kept.fresh(harness.now)
    assert fresh == ("document 1" if not expected[1] else None)
    assert harness.current() == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0.0, ("document 1", [])),
        (79.999, ("document 1", [])),
        (80.0, ("document 1", ["background"])),
        (99.999, ("document 1", ["background"])),
        (100.0, ("document 1", ["wait"])),
        (299.999, ("document 1", ["wait"])),
        (300.0, (None, ["foreground"])),
        (1e9, (None, ["foreground"])),
    ],
)
def test_what_an_age_gives_while_the_source_is_down(harness: Harness, age: float, expected: Any) -> None:
    """When a refresh fails, a stale document is still served, and one that is gone is an error."""
    harness.source.down = True
    harness.pass_time(age)
    assert harness.current() == expected


@pytest.mark.parametrize("step_seconds", [-1e9, -3600.0, -1.0])
def test_a_wall_clock_that_is_set_back_changes_nothing(harness: Harness, step_seconds: float) -> None:
    """A clock that is set back makes a document neither expired nor valid for ever."""
    harness.now = Instant(harness.now.unix + step_seconds, harness.now.monotonic)
    assert harness.current() == ("document 1", [])
    harness.pass_time(80.0)
    assert harness.current() == ("document 1", ["background"])
    harness.background.clear()
    harness.pass_time(220.0)
    harness.source.down = True
    assert harness.current() == (None, ["foreground"])


def test_before_the_first_load_there_is_no_document() -> None:
    """Before the first load there is no document."""
    assert Harness().kept.fresh(NOW) is None


def test_the_age_counts_from_the_beginning_of_the_load() -> None:
    """The document may be as old as the request for it."""
    source = Source()
    kept = held_by(source)
    run = step(kept.current(NOW))
    assert isinstance(run, RunOnce)
    load = run.start(NOW)
    assert step(load) == Call(source.read, "source")
    assert step(load, "document") == ReadClock()
    assert result_of(load, Instant(NOW.unix + 9.0, NOW.monotonic + 9.0)) == "document"
    assert kept.fresh(Instant(0.0, NOW.monotonic + 79.9)) == "document"
    assert kept.fresh(Instant(0.0, NOW.monotonic + 80.0)) is None


def test_each_keeper_has_runs_of_its_own() -> None:
    """Two validators on one driver never share keys, not even for one tenant; the run's key names the
    tenant.
    """
    source = Source()
    runs = [step(held_by(source).current(NOW)) for _ in range(2)]
    keys = [run.key for run in runs if isinstance(run, RunOnce)]
    assert [key[:2] for key in keys] == [("document", "https://acme.example")] * 2  # type: ignore[index]
    assert keys[0] != keys[1]


# -- The refresh in the background ------------------------------------------------------------------


def test_a_refresh_in_the_background_replaces_the_document(harness: Harness) -> None:
    """No request waits for it."""
    harness.pass_time(85.0)
    assert harness.current() == ("document 1", ["background"])
    harness.run_background()
    assert harness.current() == ("document 2", [])


def test_one_refresh_in_the_background_is_enough(harness: Harness) -> None:
    """Requests during the refresh are served and start no other."""
    harness.pass_time(85.0)
    assert harness.current() == ("document 1", ["background"])
    assert harness.current() == ("document 1", [])
    harness.pass_time(14.0)
    assert harness.current() == ("document 1", [])


def test_a_background_refresh_that_comes_late_loads_nothing(harness: Harness) -> None:
    """A background run ends without a load if the document has been refreshed since."""
    harness.pass_time(80.0)
    flow = harness.kept.current(harness.now)
    background = step(flow)
    assert isinstance(background, RunOnceInBackground)
    assert result_of(flow) == "document 1"
    assert harness.asked(harness.kept.get(harness.now, reload=True)) == ("document 2", ["foreground"])
    assert result_of(background.start(harness.now)) == "document 2"
    assert harness.source.loads == 2


# -- Hosts that stop between requests ---------------------------------------------------------------


def test_a_stale_document_is_not_served_before_a_refresh_has_failed(harness: Harness) -> None:
    """A request that comes after the document has expired waits for the refresh that is under way."""
    harness.pass_time(85.0)
    assert harness.current() == ("document 1", ["background"])
    harness.pass_time(15.0)
    assert harness.current() == ("document 2", ["wait"])
    assert harness.source.loads == 2, "the run that was under way"


def test_a_refresh_that_was_interrupted_is_made_by_the_next_request(harness: Harness) -> None:
    """If a thread, event loop or process stops, the next request refreshes the document."""
    harness.pass_time(80.0)
    assert harness.current() == ("document 1", ["background"])
    harness.pass_time(19.999)
    assert harness.current() == ("document 1", []), "it may still be under way"
    harness.pass_time(0.001)
    assert harness.current() == ("document 2", ["wait"])
    assert harness.source.loads == 2, "the run that resumed was not waited for"


@pytest.mark.parametrize("stops", ["closed", "interrupted before it began"])
def test_a_refresh_that_is_stopped_is_known_to_be(harness: Harness, stops: str) -> None:
    """A cancelled task reports its end, so the next request does not have to wait for it."""
    harness.pass_time(80.0)
    assert harness.current() == ("document 1", ["background"])
    ((began, start),) = harness.background.values()
    harness.background.clear()
    load = start(began)
    if stops == "closed":
        step(load)
        load.close()
        assert harness.current() == ("document 2", ["wait"])
        return
    load.close()
    assert harness.current() == ("document 1", [])
    harness.pass_time(20.0)
    assert harness.current() == ("document 2", ["wait"])


def test_each_interruption_makes_the_next_wait_longer(harness: Harness) -> None:
    """Otherwise a tenant with slow responses could never be refreshed on hosts that stop after each
    request.
    """
    harness.hangs = True
    harness.pass_time(100.0)
    waits = []
    for _ in range(7):
        assert harness.current() == ("document 1", ["wait"])
        waits += [one.wait_seconds for one in harness.effects if isinstance(one, RunOnceInBackground)]
        harness.pass_time(20.0)
    assert waits == [1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]
    harness.hangs = False
    assert harness.current() == ("document 2", ["wait"])
    harness.pass_time(100.0)
    assert harness.current() == ("document 3", ["wait"])
    assert [one.wait_seconds for one in harness.effects if isinstance(one, RunOnceInBackground)] == [1.0]


def test_a_failure_does_not_hide_that_attempts_are_interrupted(harness: Harness) -> None:
    """After a failure, attempts run in the background and may be interrupted too."""
    harness.source.down = True
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    harness.source.down = False
    harness.pass_time(30.0)
    assert harness.current() == ("document 1", ["background"])
    harness.pass_time(19.999)
    assert harness.current() == ("document 1", [])
    harness.pass_time(0.001)
    assert harness.current() == ("document 3", ["wait"])


def test_an_interrupted_load_is_not_a_failure(harness: Harness) -> None:
    """The waiting request tries again at once; a second interruption in a row counts as a failure."""
    harness.source.down = True
    harness.source.error = InterruptedLoadError("timeout")
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait", "wait"])
    assert harness.source.loads == 3
    assert harness.current() == ("document 1", []), "the cool-down runs"
    harness.source.down = False
    harness.pass_time(300.0)
    assert harness.current() == ("document 4", ["foreground"])


def test_an_interrupted_load_is_repeated() -> None:
    """At the start and for an unknown key, an interrupted load is repeated by the request."""
    harness = Harness()
    harness.source.down = True
    harness.source.error = InterruptedLoadError("timeout")
    assert harness.current() == (None, ["foreground", "foreground"])
    harness.source.down = False
    harness.pass_time(30.0)
    assert harness.current() == ("document 3", ["foreground"])
    harness.source.down = True
    harness.pass_time(1.0)
    assert harness.newer("document 3") == (None, ["foreground", "foreground"])


def test_a_response_read_too_late_is_requested_again(harness: Harness) -> None:
    """It was sent before the process stopped and may contain a key that has been withdrawn since."""
    harness.pass_time(80.0)
    assert harness.current() == ("document 1", ["background"])
    ((began, start),) = harness.background.values()
    load = start(began)
    step(load)
    assert step(load, "sent long ago") == ReadClock()
    harness.pass_time(100.0)
    with pytest.raises(
        InterruptedLoadError, match="the tenant's document was out of date by the time it was read"
    ):
        load.send(harness.now)
    harness.background.clear()
    assert harness.current() == ("document 2", ["wait"])


@pytest.mark.parametrize(
    "error", [InterruptedLoadError("timeout"), HttpError("not sent", local=True)], ids=["late", "not sent"]
)
def test_the_late_end_of_an_abandoned_load_has_no_effect(harness: Harness, error: HttpError) -> None:
    """The late end of a given-up attempt does not end the attempt that replaced it."""
    harness.pass_time(80.0)
    assert harness.current() == ("document 1", ["background"])
    ((began, start),) = harness.background.values()
    old = start(began)
    step(old)
    harness.hangs = True
    harness.pass_time(20.0)
    assert harness.current() == ("document 1", ["wait"])
    assert step(old, Failure(error)) == ReadClock()
    with pytest.raises(type(error)):
        old.send(harness.now)
    assert harness.current() == ("document 1", []), "slow, but under way"
    harness.run_background()
    assert harness.current() == ("document 2", [])


# -- A tenant that hangs --------------------------------------------------------------------------------


def test_a_request_waits_a_second_for_a_tenant_that_hangs(harness: Harness) -> None:
    """Later requests do not wait until the attempt has ended or timed out."""
    harness.hangs = True
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    assert [one.wait_seconds for one in harness.effects if isinstance(one, RunOnceInBackground)] == [1.0]
    harness.pass_time(1.0)
    assert harness.current() == ("document 1", [])
    harness.source.down = True
    harness.run_background()
    assert harness.current() == ("document 1", [])
    harness.pass_time(30.0)
    assert harness.current() == ("document 1", ["background"])


def test_a_request_does_not_wait_twice_for_one_hang(harness: Harness) -> None:
    """The attempt began for this request, while it waited for something else."""
    asked_at = Instant(NOW.unix + 100.0, NOW.monotonic + 100.0)
    harness.hangs = True
    harness.pass_time(100.4)
    assert harness.current() == ("document 1", ["wait"])
    harness.kept._record._attempts = Attempts(1, began=harness.now)  # a waiting request is not done
    for waited, left in ((0.6, 0.4), (3.0, 0.0)):
        flow = harness.kept.current(asked_at)
        assert step(flow) == ReadClock()
        harness.now = Instant(asked_at.unix + 0.4 + waited, asked_at.monotonic + 0.4 + waited)
        wait = step(flow, harness.now)
        assert isinstance(wait, RunOnceInBackground)
        assert wait.wait_seconds == pytest.approx(left)
        assert wait.since is not None
        assert wait.since < asked_at.monotonic


def test_an_unknown_key_while_the_tenant_hangs(harness: Harness) -> None:
    """Whether the key is new is unknown; no other request waits for the answer."""
    harness.hangs = True
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    assert harness.newer("document 1") == (None, [])
    assert str(harness.error) == "the cached document may be out of date, and it is being refreshed"
    assert harness.retry_after == 1.0


# -- Failures and the cool-down ---------------------------------------------------------------------


def test_after_a_failure_no_request_waits(harness: Harness) -> None:
    """After a failure, attempts run in the background, one per cool-down, while a document can be served."""
    harness.source.down = True
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    harness.pass_time(29.999)
    assert harness.current() == ("document 1", [])
    harness.pass_time(0.001)
    assert harness.current() == ("document 1", ["background"])
    harness.run_background()
    assert harness.current() == ("document 1", [])
    harness.pass_time(30.0)
    assert harness.current() == ("document 1", ["background"])
    assert harness.source.loads == 3


def test_the_cooldown_begins_when_the_attempt_ended(harness: Harness) -> None:
    """A source that hangs until the timeout is not tried again at once."""
    harness.pass_time(100.0)
    flow = harness.kept.current(harness.now)
    run = step(flow)
    assert isinstance(run, RunOnceInBackground)
    load = run.start(harness.now)
    step(load)
    assert step(load, Failure(HttpError("timeout"))) == ReadClock()
    harness.pass_time(15.0)
    with pytest.raises(HttpError, match="timeout"):
        load.send(harness.now)
    assert result_of(flow, Failure(HttpError("timeout"))) == "document 1"
    harness.pass_time(29.999)
    assert harness.current() == ("document 1", [])
    harness.pass_time(0.001)
    assert harness.current() == ("document 1", ["background"])


def test_a_failed_refresh_ahead_is_not_repeated_at_once(harness: Harness) -> None:
    """A failed refresh ahead of the expiry waits for the cool-down too."""
    harness.source.down = True
    harness.pass_time(80.0)
    harness.current()
    harness.run_background()
    harness.pass_time(25.0)
    assert harness.current() == ("document 1", [])
    harness.pass_time(5.0)
    assert harness.current() == ("document 1", ["background"])


def test_it_recovers_within_a_cooldown(harness: Harness) -> None:
    """It recovers without a restart, and no request waits."""
    harness.source.down = True
    harness.pass_time(100.0)
    harness.current()
    harness.source.down = False
    harness.pass_time(30.0)
    assert harness.current() == ("document 1", ["background"])
    harness.run_background()
    assert harness.current() == ("document 3", [])
    harness.pass_time(80.0)
    assert harness.current() == ("document 3", ["background"]), "the failure is forgotten"


def test_without_a_document_attempts_follow_soon() -> None:
    """Attempts follow after 1, 2, 4, ... seconds up to the cool-down, which callers get as Retry-After."""
    harness = Harness()
    harness.source.down = True
    pauses = []
    for _ in range(8):
        assert harness.current() == (None, ["foreground"])
        assert harness.retry_after is not None
        pauses.append(harness.retry_after)
        harness.pass_time(harness.retry_after - 0.5)
        assert harness.current() == (None, [])
        assert harness.retry_after == 1.0, "never less than a second"
        harness.pass_time(0.5)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    harness.source.down = False
    assert harness.current() == ("document 9", ["foreground"])


def test_attempts_in_a_long_outage(harness: Harness) -> None:
    """When the keys have expired in the end, attempts stay one cool-down apart."""
    harness.source.down = True
    harness.pass_time(80.0)
    harness.current()
    harness.run_background()
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["background"])
    harness.run_background()
    harness.pass_time(200.0)
    assert harness.current() == (None, ["foreground"])
    assert harness.retry_after == 30.0


def test_without_a_document_one_request_at_a_time_tries() -> None:
    """Without a document one request tries; the others fail at once with exceptions of their own."""
    harness = Harness()
    harness.source.down = True
    assert harness.current() == (None, ["foreground"])
    errors = []
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            harness.run(harness.kept.current(harness.now))
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    harness.pass_time(1.0)
    probe = harness.kept.current(harness.now)
    assert isinstance(step(probe), RunOnce)
    for seconds in (0.0, 10.0, 9.999):
        harness.pass_time(seconds)
        assert harness.current() == (None, []), "one request waits, the others do not"
        assert harness.retry_after == 1.0
    harness.pass_time(0.001)
    harness.source.down = False
    assert harness.current() == ("document 2", ["foreground"]), "it was interrupted"


@pytest.mark.parametrize(("asked_for", "waits"), [(0.5, 1.0), (7.0, 7.0), (45.0, 45.0), (9999.0, 300.0)])
def test_retry_after_of_the_tenant(asked_for: float, waits: float) -> None:
    """The tenant's Retry-After is used, within bounds, and passed on to callers."""
    harness = Harness()
    harness.source.down = True
    harness.source.error = HttpError("busy", status=503, retry_after=asked_for)
    assert harness.current() == (None, ["foreground"])
    assert harness.retry_after == waits
    harness.pass_time(waits - 0.001)
    assert harness.current() == (None, [])
    harness.pass_time(0.001)
    harness.source.down = False
    assert harness.current() == ("document 2", ["foreground"])


def test_retry_after_of_the_tenant_while_known_keys_are_used(harness: Harness) -> None:
    """A Retry-After longer than the cool-down is used."""
    harness.source.down = True
    harness.source.error = HttpError("busy", status=429, retry_after=45.0)
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    harness.pass_time(44.999)
    assert harness.current() == ("document 1", [])
    assert harness.newer("document 1") == (None, [])
    harness.pass_time(0.001)
    assert harness.current() == ("document 1", ["background"])


LOCAL: Final = HttpError("not sent", local=True, retry_after=1.0)


def test_a_request_that_was_not_sent_is_no_failure_without_a_document() -> None:
    """If this process had no free connection, the next request tries at once, without a pause."""
    harness = Harness()
    harness.source.down, harness.source.error = True, LOCAL
    for _ in range(3):
        assert harness.current() == (None, ["foreground"])
        assert harness.retry_after == 1.0
    harness.source.down = False
    assert harness.current() == ("document 4", ["foreground"])


@pytest.mark.parametrize("age", [85.0, 150.0])
def test_a_request_that_was_not_sent_starts_no_cooldown(harness: Harness, age: float) -> None:
    """If this process had no free connection, the next request refreshes the document."""
    harness.pass_time(age)
    harness.source.error = LOCAL
    for down in (True, False):
        harness.source.down = down
        assert harness.current()[0] == "document 1" or not down
        harness.run_background()
    assert harness.current() == ("document 3", [])


def test_a_key_that_could_not_be_looked_up_is_looked_up_by_the_next_request(harness: Harness) -> None:
    """If this process had no free connection, an unknown key starts no cool-down either."""
    harness.source.down, harness.source.error = True, LOCAL
    harness.pass_time(1.0)
    assert harness.newer("document 1") == (None, ["foreground"])
    assert harness.retry_after == 1.0
    harness.source.down = False
    assert harness.newer("document 1") == ("document 3", ["foreground"])


def test_an_error_that_is_no_http_error_is_raised_as_it_is() -> None:
    """A defect or a wrong option is raised unchanged and has no Retry-After."""
    harness = Harness()
    harness.source.down = True
    harness.source.error = MonoCloudError("a defect")
    for _ in range(2):
        with pytest.raises(MonoCloudError, match=r"^a defect$"):
            harness.run(harness.kept.current(harness.now))
    assert harness.source.loads == 1


def test_a_document_past_max_stale_is_not_served() -> None:
    """One request tries to load a new document; the others fail, and the old one is not used again."""
    harness = Harness()
    harness.current()
    harness.source.down = True
    harness.pass_time(299.0)
    assert harness.current() == ("document 1", ["wait"])
    harness.pass_time(0.999)
    assert harness.current() == ("document 1", [])
    harness.pass_time(0.001)
    assert harness.current() == (None, ["foreground"])
    assert harness.current() == (None, [])
    harness.pass_time(2.0)
    assert harness.current() == (None, ["foreground"])
    assert harness.current() == (None, [])


def test_concurrent_first_requests_share_one_load() -> None:
    """The second request uses the document that the first one loaded."""
    harness = Harness()
    runs = [step(harness.kept.current(harness.now)) for _ in range(2)]
    documents = [harness.run(run.start(harness.now)) for run in runs if isinstance(run, RunOnce)]
    assert documents == ["document 1", "document 1"]
    assert harness.source.loads == 1


def test_requests_that_wait_for_a_refresh_share_one_load(harness: Harness) -> None:
    """Requests that wait for a refresh share it."""
    harness.pass_time(150.0)
    first = step(harness.kept.current(harness.now))
    second = harness.kept.current(harness.now)
    assert step(second) == ReadClock()
    runs = [first, step(second, harness.now)]
    documents = [harness.run(run.start(harness.now)) for run in runs if isinstance(run, RunOnceInBackground)]
    assert documents == ["document 2", "document 2"]
    assert harness.source.loads == 2


def test_a_load_that_just_failed_is_not_repeated() -> None:
    """Of two requests without a document, the second fails with the first one's error without another
    load.
    """
    harness = Harness()
    harness.source.down = True
    runs = [step(harness.kept.current(harness.now)) for _ in range(2)]
    for run in runs:
        assert isinstance(run, RunOnce)
        with pytest.raises(HttpError, match="the source failed with RuntimeError"):
            harness.run(run.start(harness.now))
    assert harness.source.loads == 1


def test_a_failure_from_before_does_not_stop_a_new_attempt() -> None:
    """An older failure does not stop a new attempt, even if several requests start at the same time."""
    harness = Harness(cooldown=0.0, load_timeout=0.0)
    harness.source.down = True
    harness.current()
    harness.source.down = False
    runs = [step(harness.kept.current(harness.now)) for _ in range(2)]
    documents = [harness.run(run.start(harness.now)) for run in runs if isinstance(run, RunOnce)]
    assert documents == ["document 2", "document 2"]


# -- A newer document, for an unknown key -----------------------------------------------------------


def test_a_newer_document_is_loaded_on_demand(harness: Harness) -> None:
    """A token signed by a new key is accepted at once, however fresh the key set is."""
    assert harness.newer("document 1") == ("document 2", ["foreground"])
    assert harness.current() == ("document 2", [])
    assert harness.source.unlike == [None, "document 1"]


def test_a_document_loaded_by_another_request_is_newer(harness: Harness) -> None:
    """A request with an older document gets the newer one without a load."""
    harness.run(harness.kept.get(harness.now, reload=True))
    assert harness.newer("document 1") == ("document 2", [])


def test_before_the_first_load_nothing_is_newer() -> None:
    """Before the first load, any document is newer."""
    assert Harness().newer("document 0") == ("document 0", [])


def test_what_was_loaded_since_the_token_came_is_new_enough() -> None:
    """A first request with an unknown key causes one load, not two."""
    harness = Harness()
    came_at = harness.now
    harness.pass_time(0.001)
    harness.current()
    assert harness.asked(harness.kept.newer_than(harness.source.documents["document 1"], came_at)) == (
        "document 1",
        [],
    )
    harness.pass_time(0.001)
    assert harness.newer("document 1") == ("document 2", ["foreground"])


def test_many_demands_cause_one_load_per_cooldown(harness: Harness) -> None:
    """However many unknown key IDs are presented, there is one load per cool-down."""
    assert harness.newer("document 1") == ("document 2", ["foreground"])
    harness.pass_time(29.999)
    assert harness.newer("document 2") == ("document 2", [])
    harness.pass_time(0.001)
    assert harness.newer("document 2") == ("document 3", ["foreground"])
    assert harness.newer("document 3") == ("document 3", [])


def test_a_refresh_ahead_does_not_end_the_cooldown(harness: Harness) -> None:
    """A refresh ahead neither begins nor ends the cool-down."""
    harness.pass_time(79.0)
    assert harness.newer("document 1") == ("document 2", ["foreground"])
    harness.run(harness.kept.get(harness.now, reload=True))
    harness.pass_time(29.999)
    assert harness.newer("document 3") == ("document 3", [])
    harness.pass_time(0.001)
    assert harness.newer("document 3") == ("document 4", ["foreground"])


def test_concurrent_demands_share_one_load(harness: Harness) -> None:
    """The second request joins, for at most a second, and gets the newer document."""
    runs = [step(harness.demand("document 1")) for _ in range(2)]
    assert [run.wait_seconds for run in runs if isinstance(run, RunOnce)] == [1.0, 1.0]
    documents = [harness.run(run.start(harness.now)) for run in runs if isinstance(run, RunOnce)]
    assert documents == ["document 2", "document 2"]


def test_a_demand_joins_nothing_that_began_before_it(harness: Harness) -> None:
    """A refresh that began earlier may have been answered before the new key was published."""
    harness.pass_time(85.0)
    assert harness.current() == ("document 1", ["background"])
    harness.pass_time(0.001)
    run = step(harness.demand("document 1"))
    assert isinstance(run, RunOnce)
    assert run.since == harness.now.monotonic
    assert harness.newer("document 1")[0] == "document 2"


def during_a_demand(harness: Harness) -> tuple[Flow[str], Instant, Callable[[], str]]:
    """Begin a demand and start a second one during its load.

    Returns:
        the second demand, when it was started, and a function that ends the load.
    """
    first = step(harness.demand("document 1"))
    assert isinstance(first, RunOnce)
    load = first.start(harness.now)
    step(load)
    harness.pass_time(1.0)
    came_at = harness.now
    second = harness.demand("document 1")

    def end() -> str:
        harness.pass_time(1.0)
        value = harness.source.read()
        assert step(load, value) == ReadClock()
        newer: str = result_of(load, harness.now)
        return newer

    return second, came_at, end


def test_a_demand_that_joined_another_needs_a_younger_document(harness: Harness) -> None:
    """The key may have been published during the first load, so there is one more load for all such
    requests.
    """
    second, came_at, end = during_a_demand(harness)
    join = step(second)
    assert isinstance(join, RunOnce)
    assert (join.since, join.wait_seconds) == (None, 1.0)
    newer = end()
    assert result_of(second, newer) == newer
    assert harness.asked(harness.kept.newer_than(newer, came_at)) == ("document 3", ["foreground"])
    third = harness.source.documents["document 3"]
    assert harness.asked(harness.kept.newer_than(third, came_at)) == ("document 3", []), (
        "and it has no such key"
    )
    assert harness.newer("document 3") == ("document 3", [])
    harness.pass_time(27.999)
    assert harness.newer("document 3") == ("document 3", [])
    harness.pass_time(0.001)
    assert harness.newer("document 3") == ("document 4", ["foreground"]), "the cool-down is that of the first"


def test_demands_during_a_load_share_one_more(harness: Harness) -> None:
    """Requests that come during the second load have to try again after the cool-down."""
    _, came_at, end = during_a_demand(harness)
    newer = end()
    repeat = step(harness.kept.newer_than(newer, came_at))
    assert isinstance(repeat, RunOnce)
    load = repeat.start(harness.now)
    step(load)
    harness.pass_time(1.0)
    came_later = harness.now
    harness.pass_time(1.0)
    latest = harness.source.documents.setdefault("latest", "latest")
    assert step(load, latest) == ReadClock()
    assert result_of(load, harness.now) == "latest"
    assert harness.asked(harness.kept.newer_than(latest, came_later)) == (None, [])
    assert harness.retry_after == 1.0
    harness.pass_time(0.001)
    assert harness.newer("latest") == ("latest", []), "a later request gets the current document"


def test_a_demand_waits_no_longer_than_a_second_for_another(harness: Harness) -> None:
    """After a second of waiting for another load, the caller is told to retry soon."""
    second, _, _ = during_a_demand(harness)
    assert isinstance(step(second), RunOnce)
    assert step(second, Failure(HttpError("no answer in time"))) == ReadClock()
    with pytest.raises(HttpError, match="may be out of date, and refreshing it failed: no answer") as caught:
        second.send(harness.now)
    assert (caught.value.temporary, caught.value.retry_after) == (True, 1.0)


def test_a_demand_that_fails_keeps_the_document(harness: Harness) -> None:
    """Without a response of the source it is unknown whether there is a newer document."""
    harness.source.down = True
    assert harness.newer("document 1") == (None, ["foreground"])
    assert harness.retry_after == 30.0
    assert harness.newer("document 1") == (None, [])
    assert harness.current() == ("document 1", [])
    harness.pass_time(29.5)
    assert harness.newer("document 1") == (None, [])
    assert harness.retry_after == 1.0
    harness.pass_time(0.5)
    harness.source.down = False
    assert harness.newer("document 1") == (None, ["background"])
    assert harness.newer("document 1") == (None, [])
    harness.run_background()
    assert harness.newer("document 1") == ("document 3", [])


@pytest.mark.parametrize("status", [404, 500, None])
def test_a_failed_demand_is_temporary(harness: Harness, status: int | None) -> None:
    """Whatever the reason of the failure, retrying may help, so the response is 503 and not 500."""
    harness.source.down = True
    harness.source.error = HttpError("a secret place", status=status)
    assert harness.newer("document 1") == (None, ["foreground"])
    assert isinstance(harness.error, HttpError)
    assert harness.error.temporary


def test_a_demand_after_interrupted_attempts_is_met(harness: Harness) -> None:
    """On hosts that stop between requests, a new key works too."""
    harness.source.down = True
    harness.pass_time(100.0)
    harness.current()
    harness.source.down = False
    harness.pass_time(30.0)
    assert harness.newer("document 1") == (None, ["background"])
    harness.pass_time(20.0)
    assert harness.newer("document 1") == ("document 3", ["wait"])


def test_a_demand_that_was_interrupted_is_made_again(harness: Harness) -> None:
    """Waiting requests repeat an interrupted load."""
    run = step(harness.demand("document 1"))
    assert isinstance(run, RunOnce)
    load = run.start(harness.now)
    step(load)
    load.close()
    assert harness.run(run.start(harness.now)) == "document 2"


# -- A load by force ----------------------------------------------------------------------------------


def test_a_reload_takes_a_new_document_whatever_the_age(harness: Harness) -> None:
    """A reload starts a new load and does not use one that began before."""
    run = step(harness.kept.get(harness.now, reload=True))
    assert isinstance(run, RunOnce)
    assert run.since == harness.now.monotonic
    assert harness.asked(harness.kept.get(harness.now, reload=True)) == ("document 2", ["foreground"])
    assert harness.asked(harness.kept.get(harness.now)) == ("document 2", [])


def test_a_reload_that_fails_is_an_error(harness: Harness) -> None:
    """The old document stays in use, but reload raises the error."""
    harness.source.down = True
    assert harness.asked(harness.kept.get(harness.now, reload=True)) == (None, ["foreground"])
    assert harness.asked(harness.kept.get(harness.now)) == ("document 1", [])


# -- Durations of zero --------------------------------------------------------------------------------


def test_a_lifetime_of_zero_loads_every_time() -> None:
    """With a lifetime of zero every request loads; the last document is still used in an outage."""
    harness = Harness(lifetime=0.0)
    assert harness.current() == ("document 1", ["foreground"])
    assert harness.kept.fresh(harness.now) is None
    assert harness.current() == ("document 2", ["wait"])
    harness.source.down = True
    assert harness.current() == ("document 2", ["wait"])
    assert harness.current() == ("document 2", [])
    harness.pass_time(200.0)
    assert harness.current() == (None, ["foreground"])


def test_max_stale_of_zero_serves_nothing_old() -> None:
    """With max_stale of zero a document is refreshed ahead and not used after it has expired."""
    harness = Harness(max_stale=0.0)
    harness.current()
    harness.source.down = True
    harness.pass_time(99.999)
    assert harness.current() == ("document 1", ["background"])
    harness.pass_time(0.001)
    assert harness.current() == (None, ["foreground"])


def test_a_cooldown_of_zero_tries_every_time() -> None:
    """With a cool-down of zero every request tries, in the background while a document can be served."""
    harness = Harness(cooldown=0.0)
    harness.current()
    harness.source.down = True
    harness.pass_time(100.0)
    assert harness.current() == ("document 1", ["wait"])
    assert harness.current() == ("document 1", ["background"])
    harness.run_background()
    harness.pass_time(200.0)
    assert harness.current() == (None, ["foreground"])
    assert harness.current() == (None, ["foreground"])


# -- Concurrent loads ---------------------------------------------------------------------------------


def started(harness: Harness) -> Flow[str]:
    """Start a reload and stop where it waits for the source."""
    run = step(harness.kept.get(harness.now, reload=True))
    assert isinstance(run, RunOnce)
    load = run.start(harness.now)
    assert isinstance(step(load), Call)
    return load


def ended(harness: Harness, load: Flow[str], answer: object) -> str:
    """End a load with a response of the source."""
    assert step(load, answer) == ReadClock()
    document: str = result_of(load, harness.now)
    return document


def test_the_newest_load_wins(harness: Harness) -> None:
    """A load that began earlier and ends later returns the newer document."""
    older = started(harness)
    newer = started(harness)
    assert ended(harness, newer, "newer") == "newer"
    assert ended(harness, older, "older") == "newer"
    assert harness.current() == ("newer", [])


def test_a_late_failure_of_an_older_load_does_not_count(harness: Harness) -> None:
    """A newer load has shown that the source responds, so a demand waits for it."""
    older = started(harness)
    newer = started(harness)
    ended(harness, newer, "newer")
    with pytest.raises(HttpError, match="timeout"):
        ended(harness, older, Failure(HttpError("timeout")))
    assert harness.newer("newer") == ("document 2", ["foreground"])


def test_a_late_success_of_an_older_load_is_used() -> None:
    """If the newer load failed, the document of the older load is used."""
    harness = Harness()
    older = started(harness)
    newer = started(harness)
    with pytest.raises(HttpError, match="timeout"):
        ended(harness, newer, Failure(HttpError("timeout")))
    assert ended(harness, older, "older") == "older"
    assert harness.current() == ("older", [])


# -- Random sequences ---------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Requests, outages, interruptions and passing time in random order, checked against the documented
    rules.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harness = Harness()
        self.began = self.harness.source.began
        self.failed_since_loaded = False
        self.attempts: list[float] = []
        self.demands: list[float] = []
        self.newest = ""

    def observe(self, ask: Callable[[], tuple[str | None, list[str]]]) -> str | None:
        """Run a flow and record its loads."""
        loads = self.harness.source.loads
        document, _ = ask()
        self.note(loads)
        return document

    def note(self, loads_before: int) -> None:
        """Record the loads since the last call.

        A document's age counts from when its load began. In the background that may be long ago.
        """
        for number in range(loads_before + 1, self.harness.source.loads + 1):
            newest = self.began.get(self.newest, float("-inf"))
            if self.harness.now.monotonic - newest < LIFETIME + MAX_STALE:
                self.attempts.append(self.harness.now.monotonic)
            self.failed_since_loaded = self.harness.source.down
            if not self.harness.source.down:
                self.newest = f"document {number}"

    @rule(seconds=st.sampled_from([0.001, 1.0, 10.0, 29.0, 30.0, 31.0, 79.0, 80.0, 100.0, 250.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        """Advance the clocks."""
        self.harness.pass_time(seconds)

    @rule()
    def the_source_goes_down_or_up(self) -> None:
        """Begin or end an outage."""
        self.harness.source.down = not self.harness.source.down

    @rule()
    def the_background_runs(self) -> None:
        """Finish all background runs."""
        loads = self.harness.source.loads
        self.harness.run_background()
        self.note(loads)

    @rule()
    def the_background_is_interrupted(self) -> None:
        """Interrupt a background run, as when a thread or event loop ends."""
        self.harness.background.clear()

    @rule()
    def a_request_comes(self) -> None:
        """A request gets a document that is young enough, or fails if the source has just failed."""
        failed_before = self.failed_since_loaded
        document = self.observe(self.harness.current)
        if document is None:
            assert self.failed_since_loaded
            newest = self.began.get(self.newest, float("-inf"))
            assert self.harness.now.monotonic - newest >= LIFETIME + MAX_STALE
            return
        age = self.harness.now.monotonic - self.began[document]
        assert age < LIFETIME + MAX_STALE
        assert failed_before or self.failed_since_loaded or age < LIFETIME
        assert document == self.newest

    @rule()
    def an_unknown_key_comes(self) -> None:
        """A demand for a newer document fails only while it is unknown whether there is one."""
        loads = self.harness.source.loads
        self.observe(lambda: self.harness.newer(self.newest))
        if self.harness.source.loads > loads and self.harness.source.unlike[-1] is not None:
            self.demands.append(self.harness.now.monotonic)

    @invariant()
    def demands_are_a_cooldown_apart(self) -> None:
        """Loads for unknown keys are at least a cool-down apart."""
        gaps = [later - earlier for earlier, later in zip(self.demands, self.demands[1:], strict=False)]
        assert all(gap > COOLDOWN - 1e-6 for gap in gaps)

    @invariant()
    def loads_are_few(self) -> None:
        """Within a cool-down there are at most three loads, one per cause, however many requests.

        Without a document more may follow at first, after 1, 2, 4, ... seconds.
        """
        for position in range(len(self.attempts) - 3):
            assert self.attempts[position + 3] - self.attempts[position] > COOLDOWN - 1e-6


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_any_order = AnyOrder.TestCase
