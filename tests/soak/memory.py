"""Memory of the servers: the resident sets of their processes, from ``/proc``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

__all__ = ["MemoryMonitor"]

PROC: Final = Path("/proc")
MIB: Final = 1024 * 1024
INTERVAL_SECONDS: Final = 0.5


class MemoryMonitor(threading.Thread):
    """Records the memory of servers until :meth:`stop`; nothing on systems without ``/proc``.

    Args:
        ports: of the servers by name; a server is all processes with its port in the command line.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__(name="memory", daemon=True)
        self.sizes: dict[str, list[tuple[float, float]]] = {server: [] for server in ports}
        self._processes = {
            server: list(_processes_with(f":{port}", f"={port}")) for server, port in ports.items()
        }
        self._over = threading.Event()

    def run(self) -> None:
        """Measure at intervals."""
        while not self._over.wait(INTERVAL_SECONDS):
            for server, processes in self._processes.items():
                size = sum(_resident_bytes(process) for process in processes) / MIB
                if size:
                    self.sizes[server].append((time.monotonic(), size))

    def stop(self) -> None:
        """Stop measuring."""
        self._over.set()
        self.join()


def _processes_with(*endings: str) -> Iterable[Path]:
    for process in PROC.glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # it has ended, or belongs to another user
        if any(word.endswith(endings) for word in words):
            yield process


def _resident_bytes(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
