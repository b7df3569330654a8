"""Concurrent callers with one key: one run, and every caller gets its result.

The tests do not depend on timing: a leader finishes when the table of runs has counted all callers that have
to join it (:class:`~tests.drivers.harness.CountedRuns`).
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
    REQUEST,
    RESPONSE,
    TIMEOUT_SECONDS,
    CountedRuns,
    ask,
    new_async_driver,
    new_sync_driver,
    shared,
)

THREADS = 50
TASKS = 200


class Runs:
    """A flow that waits, counts its runs, and returns a number or raises."""

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


def wait_for(event: threading.Event) -> Callable[[], None]:
    """Return a function that waits for an event, with a timeout that fails the test."""

    def wait() -> None:
        assert event.wait(TIMEOUT_SECONDS)

    return wait


def when_joined(driver: SyncDriver | AsyncDriver, count: int) -> threading.Event:
    """Count callers from now on; return an event that is set when all have joined."""
    table = driver._runs = CountedRuns(count)
    return table.full


def copies_of(error: Exception, raised: Iterable[Exception]) -> bool:
    """Return whether all are copies of an error, each with a traceback of its own."""
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
    """Fifty threads with the same key cause one run."""
    driver = new_sync_driver()
    runs = Runs(wait_for(when_joined(driver, THREADS)))
    assert in_threads(lambda _number: driver.run(shared(runs)), THREADS) == [1] * THREADS
    assert runs.count == 1


def test_each_thread_gets_an_error_of_its_own() -> None:
    """One exception object raised in fifty threads would mix up their tracebacks."""
    driver = new_sync_driver()
    error = HttpError("away", status=503)
    runs = Runs(wait_for(when_joined(driver, THREADS)), error)
    raised = in_threads(lambda _number: driver.run(shared(runs)), THREADS)
    assert runs.count == 1
    assert copies_of(error, raised)
    assert {traceback.extract_tb(one.__traceback__)[-1].name for one in raised} == {"ask"}


def test_different_keys_are_different_runs() -> None:
    """Callers wait only for runs of their own key."""
    driver = new_sync_driver()
    all_joined = when_joined(driver, 8)
    runs = [Runs(wait_for(all_joined)) for _ in range(4)]
    in_threads(lambda number: driver.run(shared(runs[number % 4], number % 4)), 8)
    assert [run.count for run in runs] == [1, 1, 1, 1]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_thread_is_replaced(interrupt: type[BaseException]) -> None:
    """It raises its interrupt; one of the waiting threads runs the flow again, and all get its result."""
    driver = new_sync_driver()
    all_joined = when_joined(driver, 10)
    begun = []

    def fetch(_request: HttpRequest) -> HttpResponse:
        begun.append(threading.current_thread())
        if len(begun) == 1:
            wait_for(all_joined)()
            raise interrupt
        return RESPONSE

    driver._fetch = fetch
    results = in_threads(lambda _number: driver.run(shared(lambda _now: ask(Fetch(REQUEST)))), 10)
    assert sorted(map(repr, results)) == sorted([repr(interrupt())] + [repr(RESPONSE)] * 9)
    assert len(begun) >= 2


def test_a_thread_times_out_and_the_next_one_leads() -> None:
    """If a leader hangs, the first waiting thread times out and later ones do not wait for it."""
    driver = new_sync_driver(wait_timeout=0.05)
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        wait_for(over)()

    hanging = Runs(hang)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(driver.run, shared(hanging))
        wait_for(begun)()
        with pytest.raises(HttpError, match="timed out waiting for a shared request to the tenant"):
            driver.run(shared(hanging))
        assert driver.run(shared(Runs(lambda: None))) == 1
        over.set()
        assert leader.result() == 1
    assert hanging.count == 1
    assert driver.run(shared(hanging)) == 2


def test_a_short_timeout_does_not_abandon_the_run() -> None:
    """A short timeout does not abandon the run: later callers still share it."""
    driver = new_sync_driver()
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        wait_for(over)()

    hanging = Runs(hang)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(driver.run, shared(hanging))
        wait_for(begun)()
        for wait_seconds in (0.0, 0.05):
            with pytest.raises(HttpError, match="timed out waiting for a shared request"):
                driver.run(ask(RunOnce("key", hanging, wait_seconds)))
        joined = when_joined_existing(driver, 1)
        follower = pool.submit(driver.run, shared(hanging))
        wait_for(joined)()
        over.set()
        assert (leader.result(), follower.result(), hanging.count) == (1, 1, 1)


def test_a_thread_that_leads_waits_in_full() -> None:
    """The timeout applies only to callers that wait for another's run."""
    driver = new_sync_driver()
    assert driver.run(ask(RunOnce("key", Runs(lambda: None), 0.0))) == 1


def test_only_one_refresh_runs_in_the_background() -> None:
    """However many callers start it, one refresh runs; none waits, and a later caller may join it."""
    driver = new_sync_driver()
    over = threading.Event()
    runs = Runs(wait_for(over))
    for _ in range(20):
        assert driver.run(ask(RunOnceInBackground("key", runs))) is None
    all_joined = when_joined_existing(driver, 1)
    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(driver.run, shared(runs))
        wait_for(all_joined)()
        over.set()
        assert joined.result() == 1
    driver.close()
    assert runs.count == 1
    assert driver._threads == set()


def when_joined_existing(driver: SyncDriver, count: int) -> threading.Event:
    """Count callers from now on and keep the current runs."""
    table = CountedRuns(count)
    table._runs = driver._runs._runs
    driver._runs = table
    return table.full


def test_a_refresh_without_a_thread_is_left_to_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a new thread, or at interpreter shutdown, the request succeeds and the next one tries again."""
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
    """Closing waits briefly for running refreshes, and not for those that have yet to start."""
    monkeypatch.setattr("monocloud_mw.drivers.threads.CLOSE_WAIT_SECONDS", 0.01)
    driver = new_sync_driver()
    over = threading.Event()
    driver.run(ask(RunOnceInBackground("key", Runs(wait_for(over)))))
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
    """Two hundred tasks with the same key cause one run."""
    driver = new_async_driver()
    runs = Runs(wait_for(when_joined(driver, TASKS)))

    async def main() -> list[Any]:
        results = await asyncio.gather(*(driver.run(shared(runs)) for _ in range(TASKS)))
        await driver.aclose()
        return results

    assert asyncio.run(main()) == [1] * TASKS
    assert runs.count == 1


def test_each_task_gets_an_error_of_its_own() -> None:
    """One exception object raised in many tasks would mix up their tracebacks."""
    driver = new_async_driver()
    error = HttpError("away", status=503)
    runs = Runs(wait_for(when_joined(driver, TASKS)), error)

    async def main() -> list[Any]:
        return await asyncio.gather(*(driver.run(shared(runs)) for _ in range(TASKS)), return_exceptions=True)

    raised = asyncio.run(main())
    assert runs.count == 1
    assert copies_of(error, raised)


def test_a_cancelled_caller_does_not_end_the_run() -> None:
    """The run continues for later callers when the first caller is cancelled."""
    driver = new_async_driver()
    all_joined = when_joined(driver, 6)
    over = threading.Event()
    runs = Runs(wait_for(over))

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(driver.run(shared(runs))) for _ in range(6)]
        await asyncio.to_thread(wait_for(all_joined))
        tasks[0].cancel()
        tasks[3].cancel()
        await asyncio.wait([tasks[0], tasks[3]])
        over.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert [type(result) for result in results].count(asyncio.CancelledError) == 2
    assert results.count(1) == 4
    assert runs.count == 1


def test_a_cancelled_leader_is_replaced() -> None:
    """If the leading task itself is cancelled, one of the waiting tasks leads a new run."""
    driver = new_async_driver()
    all_joined = when_joined(driver, 6)

    async def hang_at_first() -> None:
        if runs.count == 1:
            await asyncio.Event().wait()

    runs = Runs(hang_at_first)

    async def main() -> list[Any]:
        waiting = [asyncio.create_task(driver.run(shared(runs))) for _ in range(6)]
        await asyncio.to_thread(wait_for(all_joined))
        (leader,) = driver._tasks
        leader.cancel()
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == [2] * 6


def test_a_leader_cancelled_before_its_start_is_replaced() -> None:
    """The run finishes although its coroutine never ran, without a warning."""
    driver = new_async_driver()
    runs = Runs(lambda: None)

    async def main() -> int:
        await driver.run(ask(RunOnceInBackground("key", runs)))
        await driver.aclose()
        assert (runs.count, driver._tasks, driver._runs._runs) == (0, {}, {})
        result: int = await driver.run(shared(runs))
        return result

    assert asyncio.run(main()) == 1


def test_a_task_times_out_and_the_next_one_leads() -> None:
    """If a leader hangs, the first waiting task times out and later ones do not wait for it."""
    driver = new_async_driver(wait_timeout=0.05)
    over = threading.Event()
    hanging = Runs(wait_for(over))

    async def main() -> None:
        await driver.run(ask(RunOnceInBackground("key", hanging)))
        with pytest.raises(HttpError, match="timed out waiting for a shared request to the tenant"):
            await driver.run(shared(hanging))
        assert await driver.run(shared(Runs(lambda: None))) == 1
        over.set()
        await asyncio.gather(*driver._tasks)

    asyncio.run(main())
    assert hanging.count == 1


def test_a_short_timeout_of_a_task_does_not_abandon_the_run() -> None:
    """A short timeout does not abandon the run; the task that started it waits in full."""
    driver = new_async_driver()
    over = threading.Event()
    hanging = Runs(wait_for(over))

    async def main() -> None:
        leader = asyncio.create_task(driver.run(ask(RunOnce("key", hanging, 0.05))))
        await asyncio.sleep(0)
        for wait_seconds in (0.0, 0.05):
            with pytest.raises(HttpError, match="timed out waiting for a shared request"):
                await driver.run(ask(RunOnce("key", hanging, wait_seconds)))
        follower = asyncio.create_task(driver.run(shared(hanging)))
        await asyncio.sleep(0)
        over.set()
        assert list(await asyncio.gather(leader, follower)) == [1, 1]

    asyncio.run(main())
    assert hanging.count == 1


def test_only_one_refresh_task_runs_in_the_background() -> None:
    """Closing cancels the refresh task and waits for its end."""
    driver = new_async_driver()
    over = threading.Event()
    runs = Runs(wait_for(over))

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
    """A hanging coroutine is cancelled at the request's timeout."""
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


def test_exchanges_do_not_delay_cache_lookups() -> None:
    """Made-up tokens that occupy all threads with introspections do not delay cache look-ups."""
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
    """Its CancelledError is an error of the function and does not cancel the leader."""
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
    """Return a flow that shares another and returns its result."""
    return (yield RunOnce("key", start))


# Several event loops, and forks


def test_event_loops_share_one_run() -> None:
    """Ten event loops with twenty tasks each on one driver cause one run."""
    driver = new_async_driver()
    runs = Runs(wait_for(when_joined(driver, 200)))

    async def main() -> list[Any]:
        return await asyncio.gather(*(driver.run(shared(runs)) for _ in range(20)))

    assert in_threads(lambda _number: asyncio.run(main()), 10) == [[1] * 20] * 10
    assert runs.count == 1


def test_a_leader_on_an_ended_event_loop_is_replaced() -> None:
    """If the leader's event loop ends, a task of another loop leads a new run."""
    driver = new_async_driver()
    led, all_joined = threading.Event(), when_joined(driver, 5)

    async def hang() -> None:
        led.set()
        await asyncio.Event().wait()

    async def short_lived() -> None:
        await driver.run(ask(RunOnceInBackground("key", Runs(hang))))
        await asyncio.to_thread(wait_for(all_joined))

    async def long_lived() -> list[Any]:
        await asyncio.to_thread(wait_for(led))
        return await asyncio.gather(*(driver.run(shared(Runs(lambda: None))) for _ in range(4)))

    mains: list[Callable[[], Any]] = [short_lived, long_lived]
    ended, results = in_threads(lambda number: asyncio.run(mains[number]()), 2)
    assert ended is None
    assert results == [1, 1, 1, 1]


@pytest.mark.parametrize("asks", [RunOnceInBackground, RunOnce])
def test_a_leader_on_a_closed_event_loop_is_replaced(
    asks: type[RunOnceInBackground] | type[RunOnce], caplog: pytest.LogCaptureFixture
) -> None:
    """A closed loop cancels nothing, so the next caller starts a new run at once."""
    workers = WorkerThreads()
    driver = new_async_driver(workers=workers)
    begun, over = threading.Event(), threading.Event()
    threads = []

    def hang() -> None:
        threads.append(threading.current_thread())
        begun.set()
        wait_for(over)()

    async def start() -> None:
        await driver.run(ask(RunOnceInBackground("key", Runs(hang))))
        await asyncio.to_thread(wait_for(begun))

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
    workers.close()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)  # it refers to the pending task
    gc.collect()
    assert {record.name for record in caplog.records} <= {"asyncio"}  # asyncio's warning about a pending task


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
    """The child does not wait for leaders, worker threads or locks of the parent."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# Many short runs, interrupted at random: every waiting caller is woken

ROUNDS = 300


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Switch between threads as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_hasty_threads")
def test_every_waiting_thread_is_woken() -> None:
    """Short runs end while other threads join, hundreds of times; some leaders are interrupted."""
    driver = new_sync_driver()
    chance = random.Random(1)
    interrupted = [chance.random() < 0.3 for _ in range(ROUNDS * 8)]

    def work(number: int) -> int:
        results = 0
        for turn in range(ROUNDS):
            try:
                results += driver.run(shared(interruptible(interrupted[number * ROUNDS + turn])))
            except KeyboardInterrupt:
                results += 1
        return results

    def interruptible(is_interrupted: bool) -> Callable[[Instant], Flow[int]]:
        def start(_now: Instant) -> Flow[int]:
            yield Fetch(REQUEST)
            if is_interrupted:
                raise KeyboardInterrupt
            return 1

        return start

    assert in_threads(work, 8) == [ROUNDS] * 8
    assert driver._runs._runs == {}


def test_every_waiting_task_is_woken() -> None:
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
