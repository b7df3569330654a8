"""The worker threads that run blocking functions: bounded, reused, and daemonic."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from monocloud_mw.drivers.worker_threads import WorkerThreads

from .harness import TIMEOUT_SECONDS

WorkersAlive = Callable[[], set[threading.Thread]]


@pytest.fixture(autouse=True)
def workers_alive() -> Iterator[WorkersAlive]:
    """Return a function that lists the worker threads of this test, which must have ended by the end of
    the test.
    """

    def list_workers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "monocloud-worker"}

    gc.collect()
    others = list_workers()  # of clients used by whole modules of tests
    yield lambda: list_workers() - others
    gc.collect()
    for thread in list_workers() - others:
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()


def wait(event: threading.Event) -> None:
    """Wait for an event, with a timeout that fails the test."""
    assert event.wait(TIMEOUT_SECONDS)


async def running(pool: WorkerThreads, count: int) -> tuple[list[asyncio.Task[Any]], threading.Event]:
    """Keep a number of threads busy until the returned event is set."""
    over, begun = threading.Event(), threading.Barrier(count + 1)

    def work() -> None:
        begun.wait(TIMEOUT_SECONDS)
        wait(over)

    tasks = [asyncio.create_task(pool.run(work)) for _ in range(count)]
    await asyncio.to_thread(begun.wait, TIMEOUT_SECONDS)
    return tasks, over


def test_a_function_runs_in_a_daemon_thread() -> None:
    """Arguments and result are passed on, and the daemon thread does not keep a program from ending."""

    def function(*arguments: object) -> tuple[object, ...]:
        return arguments, threading.current_thread()

    pool = WorkerThreads()
    arguments, thread = asyncio.run(pool.run(function, 1, "two"))
    assert arguments == (1, "two")
    assert isinstance(thread, threading.Thread)
    assert thread.daemon
    assert thread is not threading.current_thread()


class InterruptError(BaseException):
    """An exception that ``except Exception`` does not catch."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError, ValueError),
        (InterruptError, InterruptError),
        (asyncio.CancelledError, asyncio.CancelledError),
        (TimeoutError, TimeoutError),
        (StopIteration, RuntimeError),
    ],
)
def test_an_error_of_a_function_is_raised(
    error: type[BaseException], expected: type[BaseException], workers_alive: WorkersAlive
) -> None:
    """The waiting coroutine gets the error, and the thread stays."""

    def function() -> None:
        raise error

    async def main() -> None:
        pool = WorkerThreads(1)
        with pytest.raises(expected):
            await pool.run(function)
        assert await pool.run(int) == 0
        assert len(workers_alive()) == 1

    asyncio.run(main())


def test_idle_threads_are_used_again() -> None:
    """Successive functions use one thread, once it is idle again."""

    async def main() -> set[int]:
        pool = WorkerThreads()
        used = set()
        for _ in range(50):
            used.add(await pool.run(threading.get_ident))
            while pool._pool._unfinished:  # the result comes a moment before the thread is idle
                await asyncio.sleep(0)
        return used

    assert len(asyncio.run(main())) == 1


def test_the_number_of_threads_is_bounded(workers_alive: WorkersAlive) -> None:
    """When all threads are busy, functions wait for their turn."""

    async def main() -> None:
        pool = WorkerThreads(3)
        busy, over = await running(pool, 3)
        waiting = [asyncio.create_task(pool.run(threading.get_ident)) for _ in range(20)]
        await asyncio.sleep(0)
        assert len(workers_alive()) == 3
        assert not any(task.done() for task in waiting)
        over.set()
        assert len(set(await asyncio.gather(*waiting))) <= 3
        await asyncio.gather(*busy)

    asyncio.run(main())


def test_a_function_cancelled_before_its_turn_never_runs() -> None:
    """A function that runs already cannot be stopped, but its result is dropped."""
    calls: list[str] = []

    async def main() -> None:
        pool = WorkerThreads(1)
        (busy,), over = await running(pool, 1)
        waiting = asyncio.create_task(pool.run(calls.append, "cancelled"))
        await asyncio.sleep(0)
        waiting.cancel()
        busy.cancel()
        await asyncio.wait([waiting, busy])
        assert waiting.cancelled()
        assert busy.cancelled()
        over.set()
        await pool.run(calls.append, "later")

    asyncio.run(main())
    assert calls == ["later"]


def test_closing_ends_idle_threads_and_cancels_nothing(workers_alive: WorkersAlive) -> None:
    """Pending functions still run, since another event loop may wait for them."""

    async def main() -> None:
        pool = WorkerThreads(2)
        pool.close()
        busy, over = await running(pool, 2)
        waiting = asyncio.create_task(pool.run(int))
        await asyncio.sleep(0)
        threads = workers_alive()
        pool.close()
        assert await pool.run(str) == ""
        over.set()
        assert await waiting == 0
        await asyncio.gather(*busy)
        for thread in threads:
            await asyncio.to_thread(thread.join, TIMEOUT_SECONDS)
            assert not thread.is_alive()

    asyncio.run(main())


def test_the_result_for_a_closed_event_loop_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """The result is dropped, and the thread logs nothing and stays."""
    pool = WorkerThreads(1)
    loop = asyncio.new_event_loop()
    (busy,), over = loop.run_until_complete(running(pool, 1))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    over.set()
    assert asyncio.run(pool.run(int)) == 0
    assert caplog.records == []
    del busy
    gc.collect()  # asyncio's warning about a pending task belongs to this test


def test_the_threads_of_a_collected_pool_end(workers_alive: WorkersAlive) -> None:
    """A client that was never closed leaks no thread."""
    pool = WorkerThreads()
    asyncio.run(pool.run(int))
    threads = workers_alive()
    del pool
    gc.collect()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()


ENDINGS = {
    "a function hangs": """
async def main():
    asyncio.create_task(pool.run(threading.Event().wait))
    await pool.run(int)
asyncio.run(main(), debug=False)
""",
    "a thread was stopped holding the lock": """
asyncio.run(pool.run(int), debug=False)
pool._pool._lock.acquire()
""",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_program_ends_with_worker_threads(ending: str) -> None:
    """The interpreter does not wait for the threads, and nothing is printed.

    In development mode asyncio would log each step that takes a tenth of a second, hence ``debug=False``.
    """
    script = (
        "import asyncio, threading\n"
        "from monocloud_mw.drivers.worker_threads import WorkerThreads\n"
        "pool = WorkerThreads()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script + ending],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_function_submitted_during_close_gets_new_threads() -> None:
    """Closing in one thread and submitting in another may happen at the same time."""
    pool = WorkerThreads()

    class Closed:
        def submit(self, _job: Callable[[], Awaitable[None]]) -> bool:
            pool.reset_after_fork()
            return False

    pool._pool.close()
    assert not pool._pool.submit(int)
    pool._pool = Closed()  # type: ignore[assignment]
    assert asyncio.run(pool.run(int)) == 0


def test_without_any_thread_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With at least one thread, functions wait for their turn."""

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        pool = WorkerThreads()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await pool.run(int)
        (busy,), over = await running(pool, 1)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            waiting = asyncio.create_task(pool.run(int))
            await asyncio.sleep(0)
        over.set()
        assert await waiting == 0
        await busy

    asyncio.run(main())
