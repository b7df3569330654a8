"""Makes requests as fast as a server answers them, over a number of connections that stay open.

``wrk`` does it where it is installed; otherwise a small loop of our own does, which needs less of a
processor for a request than any of the servers here, but says less about the largest figures.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import time
from typing import Final

__all__ = ["GENERATOR", "requests_per_second"]

WRK: Final = shutil.which("wrk")
GENERATOR: Final = "wrk" if WRK else "a loop of our own"
CONNECTIONS: Final = 16
WRK_RATE: Final = re.compile(r"Requests/sec:\s+([\d.]+)")
WRK_FAILURES: Final = re.compile(r"Non-2xx.*|Socket errors:.*")


def requests_per_second(port: int, token: str, seconds: int) -> float:
    """Return how many requests a second a server answers.

    Args:
        port: of the server on this machine.
        token: goes along as bearer token.
        seconds: how long to go on.

    Raises:
        RuntimeError: the server did not answer every request with 200.
    """
    return _wrk(port, token, seconds) if WRK else _loop(port, token, seconds)


def _wrk(port: int, token: str, seconds: int) -> float:
    command = [str(WRK), "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
    command += ["--header", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}/orders"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, failures = WRK_RATE.search(said), WRK_FAILURES.search(said)
    if rate is None or failures is not None or float(rate[1]) == 0:
        raise RuntimeError(failures[0] if failures else said)
    return float(rate[1])


def _loop(port: int, token: str, seconds: int) -> float:
    request = (
        f"GET /orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    connections = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connections.register(connection, selectors.EVENT_READ)
        connection.sendall(request)
    answers, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for key, _ in connections.select():
            assert isinstance(key.fileobj, socket.socket)
            answer = key.fileobj.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"the server answered {answer[:40]!r}")
            answers += 1
            key.fileobj.sendall(request)
    for key in list(connections.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    connections.close()
    return answers / elapsed
