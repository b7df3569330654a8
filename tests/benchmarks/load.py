"""Sends requests as fast as a server responds, over a number of persistent connections.

``wrk`` sends them if it is installed; otherwise a small loop in this module does. The loop needs less
processor time for a request than the servers here, but limits the largest figures.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import time
from collections import defaultdict
from typing import Any, Final

from .apps import BODY

__all__ = ["CONNECTIONS", "GENERATOR", "count_answers"]

WRK: Final = shutil.which("wrk")
GENERATOR: Final = "wrk" if WRK else "a loop of our own"
CONNECTIONS: Final = 16
WRK_COUNT: Final = re.compile(r"(\d+) requests in")
WRK_FAILURES: Final = re.compile(r"Non-2xx.*|Socket errors:.*")


def count_answers(port: int, token: str, seconds: int) -> int:
    """Return the number of requests that a server responds to.

    Args:
        port: of the server on this machine.
        token: goes along as bearer token.
        seconds: how long to go on.

    Raises:
        RuntimeError: the server did not answer every request with 200.
    """
    return _wrk(port, token, seconds) if WRK else _loop(port, token, seconds)


def _wrk(port: int, token: str, seconds: int) -> int:
    command = [str(WRK), "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
    command += ["--header", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}/orders"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    count, failures = WRK_COUNT.search(said), WRK_FAILURES.search(said)
    if count is None or failures is not None or count[1] == "0":
        raise RuntimeError(failures[0] if failures else said)
    return int(count[1])


def _loop(port: int, token: str, seconds: int) -> int:
    request = (
        f"GET /orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    connections = selectors.DefaultSelector()
    received: dict[Any, bytes] = defaultdict(bytes)  # some servers send the body separately
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connections.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
    answers, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        for key, _ in connections.select():
            assert isinstance(key.fileobj, socket.socket)
            answer = received[key.fileobj] + (data := key.fileobj.recv(65536))
            if not data or not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]):
                raise RuntimeError(f"the server answered {answer[:40]!r}")
            is_chunked = b"\r\ntransfer-encoding: chunked\r\n" in answer.lower()
            if not answer.endswith(b"\r\n0\r\n\r\n" if is_chunked else BODY):
                received[key.fileobj] = answer
                continue
            received[key.fileobj] = b""
            answers += 1
            key.fileobj.sendall(request)
    for key in list(connections.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    connections.close()
    return answers
