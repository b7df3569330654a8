"""Many who ask for the same thing at the same moment: one run, and nobody is forgotten.

Nothing here depends on how long anything takes: a leader lands when a table of flights has counted
everybody aboard who is to wait for it (:class:`~tests.drivers.harness.CountedRuns`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from monocloud_mw.core.effects import (
    CacheGet,
    Call,
    Failure,
    Fetch,
    Flow,
    Instant,
    RunOnce,
    RunOnceInBackground,
)
from monocloud_mw.drivers.asyncio import AsyncDriver
from monocloud_mw.drivers.threads import SyncDriver
from monocloud_mw.drivers.worker_threads import WorkerThreads
from monocloud_mw.errors import HttpError
from monocloud_mw.http import HttpRequest, HttpResponse
from monocloud_mw.stores import MemoryCache

from .harness import (
    PATIENCE_SECONDS,
    REQUEST,
    RESPONSE,
    CountedRuns,
    ask,
    new_async_driver,
    new_sync_driver,
    shared,
)

THREADS = 50
TASKS = 200


class Runs:
    """What a flight does: it waits for something, counts itself, and has a result or raises."""

    def __init__(self, wait: Callable[[], Any], error: Exception | None = None) -> None:
        self._wait = wait
        self._error = error
        self.count = 0

    def __call__(self, _now: Instant) -> Flow[int]:
        self.count += 1
        number = self.count
        yield Call(self._wait, "wait")
        if self._error is not None:
            raise self._error
        return number


def in_threads(work: Callable[[int], Any], count: int) -> list[Any]:
    """Call a function with 0, 1, ... in as many threads; return results and exceptions in order."""

    def caught(number: int) -> Any:
        try:
            return work(number)
        except BaseException as error:  # noqa: BLE001  results may be compared in any thread
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(caught, range(count)))


def patient(event: threading.Event) -> Callable[[], None]:
    """Return a function that waits for an event, and fails a test that would wait for ever."""

    def wait() -> None:
        assert event.wait(PATIENCE_SECONDS)

    return wait


def aboard(driver: SyncDriver | AsyncDriver, count: int) -> threading.Event:
    """Count who boards from now on; return what is set when all are aboard."""
    flights = driver._runs = CountedRuns(count)
    return flights.full


def copies_of(error: Exception, raised: Iterable[Exception]) -> bool:
    """Tell whether all are copies of an error, each with a traceback of its own."""
    seen = [error, *raised]
    tracebacks = [id(one.__traceback__) for one in seen if one.__traceback__ is not None]
    return (
        len({id(one) for one in seen}) == len(seen)
        and len(set(tracebacks)) == len(tracebacks)
        and {(type(one), str(one), str(vars(one))) for one in seen}
        == {(type(error), str(error), str(vars(error)))}
    )


# Threads


def test_threads_share_one_run() -> None:
    """Fifty threads that ask at the same moment cost one run."""
    driver = new_sync_driver()
    runs = Runs(patient(aboard(driver, THREADS)))
    assert in_threads(lambda _number: driver.run(shared(runs)), THREADS) == [1] * THREADS
    assert runs.count == 1


def test_each_thread_gets_an_error_of_its_own() -> None:
    """One exception object raised in fifty threads would mix up their tracebacks."""
    driver = new_sync_driver()
    error = HttpError("away", status=503)
    runs = Runs(patient(aboard(driver, THREADS)), error)
    raised = in_threads(lambda _number: driver.run(shared(runs)), THREADS)
    assert runs.count == 1
    assert copies_of(error, raised)
    assert {traceback.extract_tb(one.__traceback__)[-1].name for one in raised} == {"ask"}


def test_different_keys_are_different_runs() -> None:
    """Nobody waits for what somebody else asked for."""
    driver = new_sync_driver()
    all_aboard = aboard(driver, 8)
    runs = [Runs(patient(all_aboard)) for _ in range(4)]
    in_threads(lambda number: driver.run(shared(runs[number % 4], number % 4)), 8)
    assert [run.count for run in runs] == [1, 1, 1, 1]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_a_thread_that_is_interrupted_hands_over(interrupt: type[BaseException]) -> None:
    """It raises its interrupt; of those who waited, one leads anew and all have its result."""
    driver = new_sync_driver()
    all_aboard = aboard(driver, 10)
    begun = []

    def fetch(_request: HttpRequest) -> HttpResponse:
        begun.append(threading.current_thread())
        if len(begun) == 1:
            patient(all_aboard)()
            raise interrupt
        return RESPONSE

    driver._fetch = fetch
    results = in_threads(lambda _number: driver.run(shared(lambda _now: ask(Fetch(REQUEST)))), 10)
    assert sorted(map(repr, results)) == sorted([repr(interrupt())] + [repr(RESPONSE)] * 9)
    assert len(begun) >= 2


def test_a_thread_loses_patience_and_the_next_leads() -> None:
    """A leader that never lands holds up nobody after the first who gave it up."""
    driver = new_sync_driver(wait_timeout=0.05)
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        patient(over)()

    hanging = Runs(hang)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(driver.run, shared(hanging))
        patient(begun)()
        with pytest.raises(HttpError, match="timed out waiting for a shared request to the tenant"):
            driver.run(shared(hanging))
        assert driver.run(shared(Runs(lambda: None))) == 1
        over.set()
        assert leader.result() == 1
    assert hanging.count == 1
    assert driver.run(shared(hanging)) == 2


def test_a_thread_that_waits_for_a_bounded_time_leaves_the_leader_to_the_others() -> None:
    """A short wait says nothing about the leader: whoever comes later still shares its run."""
    driver = new_sync_driver()
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        patient(over)()

    hanging = Runs(hang)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(driver.run, shared(hanging))
        patient(begun)()
        for wait_seconds in (0.0, 0.05):
            with pytest.raises(HttpError, match="no answer in time"):
                driver.run(ask(RunOnce("key", hanging, wait_seconds)))
        joined = aboard_existing(driver, 1)
        follower = pool.submit(driver.run, shared(hanging))
        patient(joined)()
        over.set()
        assert (leader.result(), follower.result(), hanging.count) == (1, 1, 1)


def test_a_thread_that_leads_waits_in_full() -> None:
    """The bound is for those who wait for another."""
    driver = new_sync_driver()
    assert driver.run(ask(RunOnce("key", Runs(lambda: None), 0.0))) == 1


def test_only_one_refresh_runs_in_the_background() -> None:
    """However many ask for it while it runs; none of them waits, and who needs its result may join it."""
    driver = new_sync_driver()
    over = threading.Event()
    runs = Runs(patient(over))
    for _ in range(20):
        assert driver.run(ask(RunOnceInBackground("key", runs))) is None
    all_aboard = aboard_existing(driver, 1)
    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(driver.run, shared(runs))
        patient(all_aboard)()
        over.set()
        assert joined.result() == 1
    driver.close()
    assert runs.count == 1
    assert driver._threads == set()


def aboard_existing(driver: SyncDriver, count: int) -> threading.Event:
    """Count who boards from now on, with the flights under way kept."""
    flights = CountedRuns(count)
    flights._runs = driver._runs._runs
    driver._runs = flights
    return flights.full


def test_a_refresh_that_gets_no_thread_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without threads to give, or an interpreter that shuts down, is no reason to fail a request."""
    driver = new_sync_driver()
    runs = Runs(lambda: None)

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert driver.run(ask(RunOnceInBackground("key", runs))) is None
    assert (runs.count, driver._threads) == (0, set())
    assert driver.run(shared(runs)) == 1


def test_closing_waits_a_moment_for_refreshes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not longer: one that hangs ends with the process. One that has yet to start is not waited for."""
    monkeypatch.setattr("monocloud_mw.drivers.threads.CLOSE_WAIT_SECONDS", 0.01)
    driver = new_sync_driver()
    over = threading.Event()
    driver.run(ask(RunOnceInBackground("key", Runs(patient(over)))))
    (refresh,) = driver._threads
    unstarted = threading.Thread()
    driver._threads.add(unstarted)
    driver.close()
    assert refresh.is_alive()
    over.set()
    refresh.join()
    assert driver._threads == {unstarted}


# Tasks


def test_tasks_share_one_run() -> None:
    """Two hundred tasks that ask at the same moment cost one run."""
    driver = new_async_driver()
    runs = Runs(patient(aboard(driver, TASKS)))

    async def main() -> list[Any]:
        results = await asyncio.gather(*(driver.run(shared(runs)) for _ in range(TASKS)))
        await driver.aclose()
        return results

    assert asyncio.run(main()) == [1] * TASKS
    assert runs.count == 1


def test_each_task_gets_an_error_of_its_own() -> None:
    """As each thread does."""
    driver = new_async_driver()
    error = HttpError("away", status=503)
    runs = Runs(patient(aboard(driver, TASKS)), error)

    async def main() -> list[Any]:
        return await asyncio.gather(*(driver.run(shared(runs)) for _ in range(TASKS)), return_exceptions=True)

    raised = asyncio.run(main())
    assert runs.count == 1
    assert copies_of(error, raised)


def test_a_cancelled_caller_harms_nobody() -> None:
    """Whoever asked first may go away; the run goes on for those who came later, and they all have it."""
    driver = new_async_driver()
    all_aboard = aboard(driver, 6)
    over = threading.Event()
    runs = Runs(patient(over))

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(driver.run(shared(runs))) for _ in range(6)]
        await asyncio.to_thread(patient(all_aboard))
        tasks[0].cancel()
        tasks[3].cancel()
        await asyncio.wait([tasks[0], tasks[3]])
        over.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert [type(result) for result in results].count(asyncio.CancelledError) == 2
    assert results.count(1) == 4
    assert runs.count == 1


def test_a_cancelled_leader_hands_over() -> None:
    """Where the leading task itself is stopped, one of those who wait leads anew."""
    driver = new_async_driver()
    all_aboard = aboard(driver, 6)

    async def hang_at_first() -> None:
        if runs.count == 1:
            await asyncio.Event().wait()

    runs = Runs(hang_at_first)

    async def main() -> list[Any]:
        waiting = [asyncio.create_task(driver.run(shared(runs))) for _ in range(6)]
        await asyncio.to_thread(patient(all_aboard))
        (leader,) = driver._tasks
        leader.cancel()
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == [2] * 6


def test_a_leader_that_was_cancelled_before_it_began_hands_over() -> None:
    """Its flight lands although its coroutine never ran, and nothing warns of it."""
    driver = new_async_driver()
    runs = Runs(lambda: None)

    async def main() -> int:
        await driver.run(ask(RunOnceInBackground("key", runs)))
        await driver.aclose()
        assert (runs.count, driver._tasks, driver._runs._runs) == (0, {}, {})
        result: int = await driver.run(shared(runs))
        return result

    assert asyncio.run(main()) == 1


def test_a_task_loses_patience_and_the_next_leads() -> None:
    """As a thread does."""
    driver = new_async_driver(wait_timeout=0.05)
    over = threading.Event()
    hanging = Runs(patient(over))

    async def main() -> None:
        await driver.run(ask(RunOnceInBackground("key", hanging)))
        with pytest.raises(HttpError, match="timed out waiting for a shared request to the tenant"):
            await driver.run(shared(hanging))
        assert await driver.run(shared(Runs(lambda: None))) == 1
        over.set()
        await asyncio.gather(*driver._tasks)

    asyncio.run(main())
    assert hanging.count == 1


def test_a_task_that_waits_for_a_bounded_time_leaves_the_leader_to_the_others() -> None:
    """As a thread does; the task that started the run waits in full."""
    driver = new_async_driver()
    over = threading.Event()
    hanging = Runs(patient(over))

    async def main() -> None:
        leader = asyncio.create_task(driver.run(ask(RunOnce("key", hanging, 0.05))))
        await asyncio.sleep(0)
        for wait_seconds in (0.0, 0.05):
            with pytest.raises(HttpError, match="no answer in time"):
                await driver.run(ask(RunOnce("key", hanging, wait_seconds)))
        follower = asyncio.create_task(driver.run(shared(hanging)))
        await asyncio.sleep(0)
        over.set()
        assert list(await asyncio.gather(leader, follower)) == [1, 1]

    asyncio.run(main())
    assert hanging.count == 1


def test_only_one_refresh_task_runs_in_the_background() -> None:
    """As with threads; closing stops it and waits until it has stopped."""
    driver = new_async_driver()
    over = threading.Event()
    runs = Runs(patient(over))

    async def main() -> None:
        for _ in range(20):
            assert await driver.run(ask(RunOnceInBackground("key", runs))) is None
        assert len(driver._tasks) == 1
        await driver.aclose()
        assert driver._tasks == {}

    asyncio.run(main())
    over.set()
    assert runs.count <= 1


def test_the_exchange_is_bounded_where_the_fetcher_is_not() -> None:
    """A coroutine that hangs is cancelled when the time of its request is up."""
    cancelled = []

    async def fetch(_request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        raise AssertionError

    request = HttpRequest(url="https://tenant.example.test/", timeout_seconds=0.05, max_body_bytes=1)
    with pytest.raises(HttpError, match=r"^no complete response within 0\.05 seconds$"):
        asyncio.run(new_async_driver(fetch=fetch).run(ask(Fetch(request))))
    assert cancelled == [True]


def test_exchanges_hold_up_no_lookup() -> None:
    """A caller who makes up tokens fills all threads with exchanges, and none of those of the cache."""
    began, looked_up = threading.Event(), threading.Event()

    def fetch(_request: HttpRequest) -> HttpResponse:
        began.set()
        assert looked_up.wait(REQUEST.timeout_seconds)
        return RESPONSE

    cache = MemoryCache()
    cache.set("known", {"active": True}, math.inf)
    driver = new_async_driver(fetch=fetch, cache=cache, workers=WorkerThreads(max_threads=1))

    async def main() -> tuple[Any, Any]:
        exchange = asyncio.ensure_future(driver.run(ask(Fetch(REQUEST))))
        await asyncio.to_thread(began.wait)
        found = await driver.run(ask(CacheGet("known")))
        looked_up.set()
        return found, await exchange

    assert asyncio.run(main()) == ({"active": True}, RESPONSE)


@pytest.mark.parametrize("where", ["fetch", "call", "cache"])
def test_a_function_that_cancels_itself_has_failed(where: str) -> None:
    """Passed on, its CancelledError would send one leader after the other into the same fate."""
    calls = []

    async def function(*_arguments: object) -> HttpResponse:
        calls.append(True)
        raise asyncio.CancelledError

    def start(_now: Instant) -> Flow[Any]:
        return (yield Fetch(REQUEST) if where == "fetch" else Call(function, "function"))

    answer = asyncio.run(new_async_driver(fetch=function).run(shared_answer(start)))
    assert isinstance(answer, Failure)
    assert "failed with CancelledFromWithinError" in str(answer.error)
    assert calls == [True]


def shared_answer(start: Callable[[Instant], Flow[Any]]) -> Flow[Any]:
    """Return a flow that shares another, and returns the answer as it comes back."""
    return (yield RunOnce("key", start))


# Several event loops, and forks


def test_event_loops_share_one_run() -> None:
    """Ten event loops on one driver, twenty tasks each: one run, and everybody has its result."""
    driver = new_async_driver()
    runs = Runs(patient(aboard(driver, 200)))

    async def main() -> list[Any]:
        return await asyncio.gather(*(driver.run(shared(runs)) for _ in range(20)))

    assert in_threads(lambda _number: asyncio.run(main()), 10) == [[1] * 20] * 10
    assert runs.count == 1


def test_an_event_loop_that_ends_hands_over() -> None:
    """Tasks of other event loops wait for a leader whose own loop ends under it; one of them leads anew."""
    driver = new_async_driver()
    led, all_aboard = threading.Event(), aboard(driver, 5)

    async def hang() -> None:
        led.set()
        await asyncio.Event().wait()

    async def short_lived() -> None:
        await driver.run(ask(RunOnceInBackground("key", Runs(hang))))
        await asyncio.to_thread(patient(all_aboard))

    async def long_lived() -> list[Any]:
        await asyncio.to_thread(patient(led))
        return await asyncio.gather(*(driver.run(shared(Runs(lambda: None))) for _ in range(4)))

    mains: list[Callable[[], Any]] = [short_lived, long_lived]
    ended, results = in_threads(lambda number: asyncio.run(mains[number]()), 2)
    assert ended is None
    assert results == [1, 1, 1, 1]


@pytest.mark.parametrize("asks", [RunOnceInBackground, RunOnce])
def test_an_event_loop_that_was_closed_under_its_leader_holds_nobody_up(
    asks: type[RunOnceInBackground] | type[RunOnce], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing cancels what is left on a loop that is only closed; whoever asks next leads at once."""
    driver = new_async_driver()
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        patient(over)()

    async def start() -> None:
        await driver.run(ask(RunOnceInBackground("key", Runs(hang))))
        await asyncio.to_thread(patient(begun))

    with contextlib.closing(asyncio.new_event_loop()) as short_lived:
        short_lived.run_until_complete(start())
        short_lived.run_until_complete(short_lived.shutdown_default_executor())
    runs = Runs(lambda: None)

    async def ask_again() -> None:
        await driver.run(ask(asks("key", runs)))
        await asyncio.gather(*driver._tasks)

    asyncio.run(ask_again())
    assert (runs.count, driver._tasks, driver._runs._runs) == (1, {}, {})
    over.set()
    gc.collect()
    assert {record.name for record in caplog.records} <= {"asyncio"}  # which says that a task was left behind


FORKING = """
import os, sys, threading
from monocloud_mw.core.effects import Instant, RunOnce
from monocloud_mw.drivers.asyncio import AsyncDriver
from monocloud_mw.drivers.threads import SyncDriver
from monocloud_mw.drivers.worker_threads import WorkerThreads
import asyncio

settings = dict(cache=None, clock=lambda: Instant(0.0, 0.0), wait_timeout=60.0)
sync = SyncDriver(print, **settings)
workers = WorkerThreads()
loops = AsyncDriver(print, **settings, workers=workers)

def start(now):
    return "result"
    yield

def flow():
    return (yield RunOnce("key", start))

assert asyncio.run(workers.run(int)) == 0
for driver in sync, loops:
    driver._runs.join("key", driver.now())  # led by the parent
    driver._runs._lock.acquire()     # held by a thread of the parent
workers._pool._lock.acquire()

child = os.fork()
if child == 0:
    assert sync.run(flow()) == "result"
    assert asyncio.run(loops.run(flow())) == "result"
    assert asyncio.run(workers.run(int)) == 0
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
workers._pool._lock.release()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_forked_child_starts_with_an_empty_table() -> None:
    """Leaders, worker threads and whoever held a lock have stayed behind in the parent."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# No wake-up is lost: many short flights, interrupted at random

ROUNDS = 300


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_hasty_threads")
def test_no_thread_is_forgotten() -> None:
    """Short flights end while others board, hundreds of times; some of the leaders are interrupted."""
    driver = new_sync_driver()
    chance = random.Random(1)
    interrupted = [chance.random() < 0.3 for _ in range(ROUNDS * 8)]

    def work(number: int) -> int:
        results = 0
        for turn in range(ROUNDS):
            try:
                results += driver.run(shared(flight(interrupted[number * ROUNDS + turn])))
            except KeyboardInterrupt:
                results += 1
        return results

    def flight(is_interrupted: bool) -> Callable[[Instant], Flow[int]]:
        def start(_now: Instant) -> Flow[int]:
            yield Fetch(REQUEST)
            if is_interrupted:
                raise KeyboardInterrupt
            return 1

        return start

    assert in_threads(work, 8) == [ROUNDS] * 8
    assert driver._runs._runs == {}


def test_no_task_is_forgotten() -> None:
    """The same on three event loops at once, where tasks are cancelled while they wait or lead."""
    driver = new_async_driver()

    def start(_now: Instant) -> Flow[int]:
        yield Call(lambda: None, "worker thread")
        return 1

    async def main(seed: int) -> int:
        chance = random.Random(seed)
        results = 0
        for _ in range(ROUNDS // 3):
            tasks = [asyncio.create_task(driver.run(shared(start))) for _ in range(8)]
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            for task in [*tasks, *driver._tasks]:
                if task.get_loop() is asyncio.get_running_loop() and chance.random() < 0.2:
                    task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            results += sum(one == 1 or isinstance(one, asyncio.CancelledError) for one in ended)
        return results

    assert in_threads(lambda number: asyncio.run(main(number)), 3) == [ROUNDS // 3 * 8] * 3
    assert driver._runs._runs == {}
    assert driver._tasks == {}
