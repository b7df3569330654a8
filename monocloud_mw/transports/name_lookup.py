"""Name look-ups with a timeout.

``getaddrinfo`` cannot be interrupted, so it runs in a thread, at most one per host at a time: a hanging name
server occupies one thread, however many exchanges wait for it.
"""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future

from ..lifecycle.forks import reset_in_children
from ..urls import is_address
from .background import run_in_thread
from .loopback import allowed_addresses

__all__ = ["look_up"]


class _Running:
    """The look-ups under way; a forked child process starts with none."""

    def __init__(self) -> None:
        self.reset_after_fork()
        reset_in_children(self)

    def reset_after_fork(self) -> None:
        self.lock = threading.Lock()
        self.by_host: dict[str, Future[list[str] | OSError]] = {}


_running = _Running()


def look_up(host: str) -> Future[list[str] | OSError]:
    """Return the future of a host's addresses; join a look-up under way, or start one.

    The result is the allowed addresses, or the error as a value, because several callers share it.

    Raises:
        OSError: no thread can be started.
    """
    if is_address(host):
        outcome: Future[list[str] | OSError] = Future()
        outcome.set_result(_find(host))
        return outcome
    by_host = _running.by_host
    with _running.lock:
        running = by_host.get(host)
        if running is not None:
            return running
        future = by_host[host] = run_in_thread(_find, host)
    future.add_done_callback(lambda _: by_host.pop(host, None))
    return future


def _find(host: str) -> list[str] | OSError:
    try:
        return allowed_addresses(host, socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except UnicodeError:  # an empty or overlong label (RFC 1035 section 2.3.4)
        return socket.gaierror(socket.EAI_NONAME, "the host name is invalid")
    except OSError as error:
        return error
