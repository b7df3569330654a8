"""A document that outlives outages: every age, every failure, and who waits."""

from __future__ import annotations

import contextlib
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
from monocloud_mw.core.tenant.last_known_good import LastKnownGood
from monocloud_mw.errors import HttpError

from ..by_hand import NOW, World, result_of, step

LIFETIME: Final = 100.0
MAX_STALE: Final = 200.0
COOLDOWN: Final = 30.0


class Source:
    """Where documents come from: numbered by the load that brought them, unless the source is down."""

    def __init__(self) -> None:
        self.loads = 0
        self.down = False
        self.documents: dict[str, str] = {}

    def read(self) -> str:
        """Return the next document."""
        self.loads += 1
        if self.down:
            raise RuntimeError
        name = f"document {self.loads}"
        return self.documents.setdefault(name, name)

    def load(self, _now: Instant) -> Flow[str]:
        """Load a document, as the flows of the core do."""
        answer = yield from call(self.read, "source")
        if isinstance(answer, Failure):
            raise answer.copy()
        return str(answer)


def held_by(
    source: Source,
    *,
    lifetime: float = LIFETIME,
    max_stale: float = MAX_STALE,
    cooldown: float = COOLDOWN,
    longest_load: float = 0.0,
) -> LastKnownGood[str]:
    """Return what keeps the documents of a source."""
    return LastKnownGood(
        "document",
        source.load,
        lifetime=lifetime,
        max_stale=max_stale,
        cooldown=cooldown,
        longest_load=longest_load,
    )


class Scene(World):
    """A world with one source and what keeps its documents."""

    def __init__(self, **durations: float) -> None:
        super().__init__()
        self.source = Source()
        self.kept = held_by(self.source, **durations)

    def asked(self, flow: Flow[str]) -> tuple[str | None, list[str]]:
        """Run a flow, and return its document (``None`` for a failure) and the kinds of its first effects."""
        self.effects.clear()
        document: str | None = None
        with contextlib.suppress(HttpError):
            document = self.run(flow)
        inner = (Call, ReadClock)
        return document, [type(effect).__name__ for effect in self.effects if not isinstance(effect, inner)]

    def current(self) -> tuple[str | None, list[str]]:
        """Ask for the document to use now."""
        return self.asked(self.kept.current(self.now))

    def newer(self, seen: str) -> tuple[str | None, list[str]]:
        """Ask for a document newer than one that was seen."""
        return self.asked(self.demand(seen))

    def demand(self, seen: str) -> Flow[str]:
        """Return the flow that asks for a newer document; documents are told apart by identity."""
        return self.kept.newer(self.source.documents.get(seen, seen), self.now)


@pytest.fixture
def scene() -> Scene:
    """A document was loaded just now."""
    scene = Scene()
    assert scene.current() == ("document 1", ["RunOnce"])
    return scene


# -- Every region of the age diagram, with the source up and down ---------------------------------


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0.0, ("document 1", [])),
        (79.999, ("document 1", [])),
        (80.0, ("document 1", ["RunOnceInBackground"])),
        (99.999, ("document 1", ["RunOnceInBackground"])),
        (100.0, ("document 2", ["RunOnce"])),
        (299.999, ("document 2", ["RunOnce"])),
        (300.0, ("document 2", ["RunOnce"])),
        (1e9, ("document 2", ["RunOnce"])),
    ],
)
def test_what_an_age_gives_while_the_source_answers(scene: Scene, age: float, expected: Any) -> None:
    """Fresh: served. Due: served and refreshed unnoticed. Later: one waits for a new one."""
    scene.pass_time(age)
    assert scene.current() == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0.0, ("document 1", [])),
        (79.999, ("document 1", [])),
        (80.0, ("document 1", ["RunOnceInBackground"])),
        (99.999, ("document 1", ["RunOnceInBackground"])),
        (100.0, ("document 1", ["RunOnce"])),
        (299.999, ("document 1", ["RunOnce"])),
        (300.0, (None, ["RunOnce"])),
        (1e9, (None, ["RunOnce"])),
    ],
)
def test_what_an_age_gives_while_the_source_is_down(scene: Scene, age: float, expected: Any) -> None:
    """Stale: served on if the refresh fails. Gone: no more."""
    scene.source.down = True
    scene.pass_time(age)
    assert scene.current() == expected


@pytest.mark.parametrize(("age", "is_fresh"), [(0.0, True), (79.999, True), (80.0, False), (1e9, False)])
def test_fresh_means_that_nothing_needs_to_be_done(scene: Scene, age: float, is_fresh: bool) -> None:
    """The hot path: a document or ``None``, without a flow."""
    scene.pass_time(age)
    assert scene.kept.fresh(scene.now) == ("document 1" if is_fresh else None)


def test_nothing_is_fresh_before_the_first_load() -> None:
    """There is nothing to serve yet."""
    assert Scene().kept.fresh(NOW) is None


def test_the_age_counts_from_the_beginning_of_the_load() -> None:
    """What the source said may be as old as the request for it."""
    source = Source()
    kept = held_by(source)
    share = step(kept.current(NOW))
    assert isinstance(share, RunOnce)
    load = share.start(NOW)
    assert step(load) == Call(source.read, "source")
    assert result_of(load, "document") == "document"  # whenever that was
    assert kept.fresh(Instant(0.0, NOW.monotonic + 79.9)) == "document"
    assert kept.fresh(Instant(0.0, NOW.monotonic + 80.0)) is None


def test_the_wall_clock_does_not_matter(scene: Scene) -> None:
    """Freshness is monotonic time: a clock that is set must not expire keys or keep them."""
    assert scene.kept.fresh(Instant(unix=NOW.unix + 1e9, monotonic=NOW.monotonic)) == "document 1"
    assert scene.kept.fresh(Instant(unix=0.0, monotonic=NOW.monotonic + 80.0)) is None


# -- The refresh in the background ------------------------------------------------------------------


def test_a_refresh_in_the_background_replaces_the_document(scene: Scene) -> None:
    """Nobody waited for it."""
    scene.pass_time(85.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.run_background()
    assert scene.current() == ("document 2", [])


def test_one_refresh_in_the_background_is_enough(scene: Scene) -> None:
    """Those who come while it runs are served and start nothing."""
    scene.pass_time(85.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    assert scene.current() == ("document 1", [])
    scene.pass_time(20.0)
    assert scene.current() == ("document 1", []), "stale by now, and still nobody waits"


def test_a_refresh_that_was_interrupted_is_started_again(scene: Scene) -> None:
    """A thread or an event loop that ended must not leave the document without a refresh."""
    scene.pass_time(80.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.background.clear()
    scene.pass_time(19.0)
    assert scene.current() == ("document 1", [])
    scene.pass_time(10.999)
    assert scene.current() == ("document 1", [])
    scene.pass_time(0.001)
    assert scene.current() == ("document 2", ["RunOnce"]), "stale, and nobody is trying: this request waits"


def test_a_refresh_may_take_longer_than_a_cooldown() -> None:
    """While it may still be under way, nobody waits for it, however short the cool-down is."""
    scene = Scene(cooldown=5.0, longest_load=40.0)
    scene.current()
    scene.pass_time(80.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.pass_time(39.999)
    assert scene.current() == ("document 1", ["RunOnceInBackground"]), (
        "asked for again; it joins what is under way"
    )
    scene.background.clear()
    scene.pass_time(40.0)
    assert scene.current() == ("document 2", ["RunOnce"])


def test_an_old_interruption_does_not_let_a_stale_document_be_served_untried(scene: Scene) -> None:
    """The source may be up, and the key in the document withdrawn long ago."""
    scene.pass_time(80.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.background.clear()
    scene.pass_time(200.0)
    assert scene.current() == ("document 2", ["RunOnce"])


def test_a_background_refresh_that_comes_late_loads_nothing(scene: Scene) -> None:
    """Somebody else has refreshed the document since it was asked for."""
    scene.pass_time(80.0)
    flow = scene.kept.current(scene.now)
    background = step(flow)
    assert isinstance(background, RunOnceInBackground)
    assert result_of(flow) == "document 1"
    assert scene.asked(scene.kept.get(scene.now, reload=True)) == ("document 2", ["RunOnce"])
    assert result_of(background.start(scene.now)) == "document 2"
    assert scene.source.loads == 2


# -- Failures and the cool-down ---------------------------------------------------------------------


def test_after_a_failure_nobody_waits(scene: Scene) -> None:
    """Attempts are a cool-down apart and in the background, for as long as there is something to serve."""
    scene.source.down = True
    scene.pass_time(100.0)
    assert scene.current() == ("document 1", ["RunOnce"])
    scene.pass_time(29.999)
    assert scene.current() == ("document 1", [])
    scene.pass_time(0.001)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.run_background()
    assert scene.current() == ("document 1", [])
    scene.pass_time(30.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    assert scene.source.loads == 3


def test_the_cooldown_begins_when_the_attempt_ended(scene: Scene) -> None:
    """A source that hangs until the timeout is not asked again at once."""
    scene.pass_time(100.0)
    flow = scene.kept.current(scene.now)
    share = step(flow)
    assert isinstance(share, RunOnce)
    load = share.start(scene.now)
    step(load)
    assert step(load, Failure(HttpError("timeout"))) == ReadClock()
    scene.pass_time(60.0)
    with pytest.raises(HttpError, match="timeout"):
        load.send(scene.now)
    assert result_of(flow, Failure(HttpError("timeout"))) == "document 1"
    scene.pass_time(29.999)
    assert scene.current() == ("document 1", [])
    scene.pass_time(0.001)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])


def test_a_failed_refresh_ahead_is_not_repeated_at_once(scene: Scene) -> None:
    """Also while the document is not even expired."""
    scene.source.down = True
    scene.pass_time(80.0)
    scene.current()
    scene.run_background()
    scene.pass_time(25.0)
    assert scene.current() == ("document 1", [])
    scene.pass_time(5.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])


def test_it_recovers_within_a_cooldown(scene: Scene) -> None:
    """Without a restart, and without anybody waiting."""
    scene.source.down = True
    scene.pass_time(100.0)
    scene.current()
    scene.source.down = False
    scene.pass_time(30.0)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.run_background()
    assert scene.current() == ("document 3", [])
    scene.pass_time(80.0)
    assert scene.current() == ("document 3", ["RunOnceInBackground"]), "the failure is forgotten"


def test_with_nothing_to_serve_one_request_per_cooldown_tries() -> None:
    """The others fail at once, each with an exception of its own."""
    scene = Scene()
    scene.source.down = True
    assert scene.current() == (None, ["RunOnce"])
    errors = []
    for _ in range(2):
        with pytest.raises(HttpError) as caught:
            scene.run(scene.kept.current(scene.now))
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    scene.pass_time(29.999)
    assert scene.current() == (None, [])
    scene.pass_time(0.001)
    probe = scene.kept.current(scene.now)
    assert isinstance(step(probe), RunOnce)
    assert scene.current() == (None, []), "while the probe waits, the others do not"
    scene.source.down = False
    scene.pass_time(30.0)
    assert scene.current() == ("document 2", ["RunOnce"])


def test_a_document_that_is_gone_is_served_no_more() -> None:
    """One request probes for a new one, the others fail; the old one is not brought back."""
    scene = Scene()
    scene.current()
    scene.source.down = True
    scene.pass_time(290.0)
    assert scene.current() == ("document 1", ["RunOnce"])
    scene.pass_time(9.999)
    assert scene.current() == ("document 1", [])
    scene.pass_time(0.001)
    assert scene.current() == (None, [])
    scene.pass_time(20.0)
    assert scene.current() == (None, ["RunOnce"])
    assert scene.current() == (None, [])


def test_those_who_start_cold_together_share_one_load() -> None:
    """The second in line finds the document that the first one loaded."""
    scene = Scene()
    flows = [scene.kept.current(scene.now) for _ in range(2)]
    shares = [step(flow) for flow in flows]
    assert [effect.key for effect in shares if isinstance(effect, RunOnce)] == ["document", "document"]
    documents = [scene.run(effect.start(scene.now)) for effect in shares if isinstance(effect, RunOnce)]
    assert documents == ["document 1", "document 1"]
    assert scene.source.loads == 1


def test_those_who_wait_for_a_stale_document_share_one_load(scene: Scene) -> None:
    """The same for a refresh that somebody waits for."""
    scene.pass_time(150.0)
    shares = [step(scene.kept.current(scene.now)) for _ in range(2)]
    documents = [scene.run(effect.start(scene.now)) for effect in shares if isinstance(effect, RunOnce)]
    assert documents == ["document 2", "document 2"]
    assert scene.source.loads == 2


def test_who_was_second_in_line_does_not_repeat_a_load_that_failed_just_now() -> None:
    """Two cold requests ask at once; the first load fails, and the second request fails without a load."""
    scene = Scene()
    scene.source.down = True
    shares = [step(scene.kept.current(scene.now)) for _ in range(2)]
    for effect in shares:
        assert isinstance(effect, RunOnce)
        with pytest.raises(HttpError, match="the source failed with RuntimeError"):
            scene.run(effect.start(scene.now))
    assert scene.source.loads == 1


def test_a_failure_from_before_does_not_stop_a_new_attempt() -> None:
    """Not even where others set out to try at the same time: one of them must, or it would never recover."""
    scene = Scene(cooldown=0.0)
    scene.source.down = True
    scene.current()
    scene.source.down = False
    shares = [step(scene.kept.current(scene.now)) for _ in range(2)]
    documents = [scene.run(effect.start(scene.now)) for effect in shares if isinstance(effect, RunOnce)]
    assert documents == ["document 2", "document 2"]


def test_a_background_refresh_that_is_slow_to_start_still_tries(scene: Scene) -> None:
    """A cool-down later somebody else asked for it, and found it waiting; that is no failure."""
    scene.source.down = True
    scene.pass_time(100.0)
    scene.current()
    scene.source.down = False
    for _ in range(2):
        scene.pass_time(30.0)
        assert scene.current() == ("document 1", ["RunOnceInBackground"])
    assert scene.run_background() == ["document 3"]


# -- A newer one: an unknown key --------------------------------------------------------------------


def test_a_newer_document_is_loaded_on_demand(scene: Scene) -> None:
    """However fresh the one at hand is: a token signed by a brand-new key validates on first sight."""
    assert scene.newer("document 1") == ("document 2", ["RunOnce"])
    assert scene.current() == ("document 2", [])


def test_what_others_have_loaded_is_newer(scene: Scene) -> None:
    """A request that saw the old document learns of the new one without a load."""
    scene.run(scene.kept.get(scene.now, reload=True))
    assert scene.newer("document 1") == ("document 2", [])


def test_before_the_first_load_nothing_is_newer() -> None:
    """There is nothing to compare with."""
    assert Scene().newer("document 0") == ("document 0", [])


def test_a_flood_of_demands_is_one_load_per_cooldown(scene: Scene) -> None:
    """Unknown key ids cost the tenant next to nothing."""
    assert scene.newer("document 1") == ("document 2", ["RunOnce"])
    scene.pass_time(29.999)
    assert scene.newer("document 2") == ("document 2", [])
    scene.pass_time(0.001)
    assert scene.newer("document 2") == ("document 3", ["RunOnce"])
    assert scene.newer("document 3") == ("document 3", [])


def test_those_who_demand_together_share_one_load(scene: Scene) -> None:
    """The second in line finds the newer document."""
    shares = [step(scene.demand("document 1")) for _ in range(2)]
    documents = [scene.run(effect.start(scene.now)) for effect in shares if isinstance(effect, RunOnce)]
    assert documents == ["document 2", "document 2"]


def test_a_demand_joins_what_is_under_way(scene: Scene) -> None:
    """A refresh in the background that has begun will do."""
    scene.pass_time(85.0)
    scene.current()
    assert scene.newer("document 1") == ("document 2", ["RunOnce"])
    assert scene.source.loads == 2


def test_a_demand_that_fails_keeps_the_document(scene: Scene) -> None:
    """And no demand waits for the source until it has answered again."""
    scene.source.down = True
    assert scene.newer("document 1") == ("document 1", ["RunOnce"])
    assert scene.newer("document 1") == ("document 1", [])
    scene.pass_time(30.0)
    scene.source.down = False
    assert scene.newer("document 1") == ("document 1", ["RunOnceInBackground"])
    assert scene.newer("document 1") == ("document 1", [])
    scene.run_background()
    assert scene.newer("document 1") == ("document 3", [])


def test_a_demand_that_was_interrupted_is_made_again(scene: Scene) -> None:
    """Those who waited for it choose a new leader, and that one asks the source."""
    share = step(scene.demand("document 1"))
    assert isinstance(share, RunOnce)
    load = share.start(scene.now)
    step(load)
    load.close()
    assert scene.run(share.start(scene.now)) == "document 2"


# -- A load by force ----------------------------------------------------------------------------------


def test_a_reload_takes_a_new_document_whatever_the_age(scene: Scene) -> None:
    """For a developer who asks for it."""
    assert scene.asked(scene.kept.get(scene.now, reload=True)) == ("document 2", ["RunOnce"])
    assert scene.asked(scene.kept.get(scene.now)) == ("document 2", [])


def test_a_reload_that_fails_is_an_error(scene: Scene) -> None:
    """The old document stays, but it is not what was asked for."""
    scene.source.down = True
    assert scene.asked(scene.kept.get(scene.now, reload=True)) == (None, ["RunOnce"])
    assert scene.asked(scene.kept.get(scene.now)) == ("document 1", [])


# -- Durations of zero --------------------------------------------------------------------------------


def test_a_lifetime_of_zero_loads_every_time() -> None:
    """Nothing is ever fresh; the last one still serves through an outage."""
    scene = Scene(lifetime=0.0)
    assert scene.current() == ("document 1", ["RunOnce"])
    assert scene.kept.fresh(scene.now) is None
    assert scene.current() == ("document 2", ["RunOnce"])
    scene.source.down = True
    assert scene.current() == ("document 2", ["RunOnce"])
    assert scene.current() == ("document 2", [])
    scene.pass_time(200.0)
    assert scene.current() == (None, ["RunOnce"])


def test_max_stale_of_zero_serves_nothing_old() -> None:
    """A document is refreshed ahead, and gone when it has expired."""
    scene = Scene(max_stale=0.0)
    scene.current()
    scene.source.down = True
    scene.pass_time(99.999)
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.pass_time(0.001)
    assert scene.current() == (None, ["RunOnce"])


def test_a_cooldown_of_zero_tries_every_time() -> None:
    """In the background where there is something to serve."""
    scene = Scene(cooldown=0.0)
    scene.current()
    scene.source.down = True
    scene.pass_time(100.0)
    assert scene.current() == ("document 1", ["RunOnce"])
    assert scene.current() == ("document 1", ["RunOnceInBackground"])
    scene.pass_time(200.0)
    assert scene.current() == (None, ["RunOnce"])
    assert scene.current() == (None, ["RunOnce"])


# -- Loads that overtake each other -------------------------------------------------------------------


def started(scene: Scene) -> Flow[str]:
    """Start a load by force and stop where it waits for the source; nothing joins it."""
    share = step(scene.kept.get(scene.now, reload=True))
    assert isinstance(share, RunOnce)
    load = share.start(scene.now)
    assert isinstance(step(load), Call)
    return load


def test_the_newest_load_wins(scene: Scene) -> None:
    """One that began earlier and ends later changes nothing, and hands out the newer document."""
    older = started(scene)
    newer = started(scene)
    assert result_of(newer, "newer") == "newer"
    assert result_of(older, "older") == "newer"
    assert scene.current() == ("newer", [])


def test_a_late_failure_of_an_older_load_does_not_count(scene: Scene) -> None:
    """A newer one has shown that the source answers, so a demand waits for it."""
    older = started(scene)
    newer = started(scene)
    result_of(newer, "newer")
    assert step(older, Failure(HttpError("timeout"))) == ReadClock()
    with pytest.raises(HttpError, match="timeout"):
        older.send(scene.now)
    assert scene.newer("newer") == ("document 2", ["RunOnce"])


def test_a_late_success_of_an_older_load_is_better_than_nothing() -> None:
    """Where the newer one has failed, it is the newest document."""
    scene = Scene()
    older = started(scene)
    newer = started(scene)
    step(newer, Failure(HttpError("timeout")))
    with pytest.raises(HttpError, match="timeout"):
        newer.send(scene.now)
    assert result_of(older, "older") == "older"
    assert scene.current() == ("older", [])


# -- Anything, in any order ---------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Requests, outages, interruptions and time, in any order; the model is only what the rules promise."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.loaded_at: dict[str, float] = {}
        self.failed_since_loaded = False
        self.attempts: list[float] = []
        self.demands: list[float] = []
        self.newest = ""

    def observe(self, ask: Callable[[], tuple[str | None, list[str]]]) -> str | None:
        """Ask, and note the loads that this caused."""
        loads = self.scene.source.loads
        document, _ = ask()
        self.note(loads)
        return document

    def note(self, loads_before: int) -> None:
        """Note the loads made since then."""
        for number in range(loads_before + 1, self.scene.source.loads + 1):
            self.attempts.append(self.scene.now.monotonic)
            self.failed_since_loaded = self.scene.source.down
            if not self.scene.source.down:
                self.newest = f"document {number}"
                self.loaded_at[self.newest] = self.scene.now.monotonic

    @rule(seconds=st.sampled_from([0.001, 1.0, 10.0, 29.0, 30.0, 31.0, 79.0, 80.0, 100.0, 250.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        """Time passes."""
        self.scene.pass_time(seconds)

    @rule()
    def the_source_goes_down_or_up(self) -> None:
        """An outage begins or ends."""
        self.scene.source.down = not self.scene.source.down

    @rule()
    def the_background_runs(self) -> None:
        """What was started gets to its end."""
        loads = self.scene.source.loads
        self.scene.run_background()
        self.note(loads)

    @rule()
    def the_background_is_interrupted(self) -> None:
        """A thread dies, an event loop ends."""
        self.scene.background.clear()

    @rule()
    def a_request_comes(self) -> None:
        """It is served a document young enough, or there is none and the source has just failed."""
        failed_before = self.failed_since_loaded
        document = self.observe(self.scene.current)
        if document is None:
            assert self.failed_since_loaded
            newest = self.loaded_at.get(self.newest, float("-inf"))
            assert self.scene.now.monotonic - newest >= LIFETIME + MAX_STALE
            return
        age = self.scene.now.monotonic - self.loaded_at[document]
        assert age < LIFETIME + MAX_STALE
        assert failed_before or self.failed_since_loaded or age < LIFETIME + COOLDOWN
        assert document == self.newest

    @rule()
    def an_unknown_key_comes(self) -> None:
        """It never fails for want of a newer document."""
        joins = bool(self.scene.background)
        loads = self.scene.source.loads
        self.observe(lambda: self.scene.newer(self.newest))
        if self.scene.source.loads > loads and not joins:
            self.demands.append(self.scene.now.monotonic)

    @invariant()
    def demands_are_a_cooldown_apart(self) -> None:
        """However many ask."""
        gaps = [later - earlier for earlier, later in zip(self.demands, self.demands[1:], strict=False)]
        assert all(gap > COOLDOWN - 1e-6 for gap in gaps)

    @invariant()
    def loads_are_few(self) -> None:
        """No burst of requests is ever a burst of loads: within a cool-down at most three, one per cause."""
        for position in range(len(self.attempts) - 3):
            assert self.attempts[position + 3] - self.attempts[position] > COOLDOWN - 1e-6


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
test_any_order = AnyOrder.TestCase
