"""Measures the memory in use after many tokens, and the cost of importing the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from monocloud_mw.stores import MemoryCache

from .contenders import new_client
from .harness import Measurement
from .processes import ROOT
from .report import Bar, Effort, Section
from .tokens import SCOPE, Workload

__all__ = ["measure_import", "measure_memory"]

TOKENS: Final = 100_000
FEW_TOKENS: Final = 5_000  # enough to fill the smaller cache
CACHE_ENTRIES: Final = 4_000
MAX_ROUNDS: Final = 9
COMPILED: Final = ROOT / "build" / "bench" / "compiled"

# What is imported of the four dependencies when the package is.
FIND_DEPENDENCIES: Final = """
import sys, monocloud_mw
print(*(name for name in sys.modules if name.partition(".")[0] in
    ("attr", "attrs", "cryptography", "requests", "werkzeug")))
"""
IMPORT: Final = """
import importlib, resource, sys, time
def pages():  # ru_maxrss would also count what the parent had before exec
    with open("/proc/self/statm") as statm: return int(statm.read().split()[1])
seconds, before = time.process_time(), pages()
for name in sys.argv[1:]: importlib.import_module(name)
print(time.process_time() - seconds, (pages() - before) * resource.getpagesize())
"""


def measure_memory(effort: Effort) -> Iterator[Section]:
    """Entries that the caches hold after many distinct tokens."""
    tokens = FEW_TOKENS if effort.check else TOKENS
    workload = Workload.create("EdDSA", tokens=tokens)
    client, cache = new_client(workload), MemoryCache(CACHE_ENTRIES)
    for number, token in enumerate(workload.tokens):
        claims = client.validate_access_token(token, scopes=(SCOPE,))
        cache.set(f"{number:064}", claims, claims["exp"])
    verified = Measurement("verified tokens", (len(client._validator._jwt._verified),), "entries")
    kept = Measurement("claims cache in memory", (len(cache),), "entries")
    bounds = {verified: client.options.jwt_cache_size, kept: CACHE_ENTRIES}
    yield Section(
        name="memory",
        title=f"after {tokens:,} distinct tokens",
        measurements=tuple(bounds),
        bars=tuple(Bar.at_most(bound, found.name, found, guard=bound) for found, bound in bounds.items()),
    )


def measure_import(effort: Effort) -> Iterator[Section]:
    """Processor time and memory of ``import monocloud_mw``, compared with those of its dependencies."""
    names = {
        "what it imports of its dependencies": _python(FIND_DEPENDENCIES),
        "import monocloud_mw": ["monocloud_mw"],
    }
    rounds = [
        [[float(figure) for figure in _python(IMPORT, *modules)] for modules in names.values()]
        for _ in range(3 if effort.check else min(effort.rounds, MAX_ROUNDS))
    ]
    for figure, (name, title, unit) in enumerate(
        [("import", "time to import", "s"), ("import-memory", "memory to import", "B")]
    ):
        dependencies, ours = (
            Measurement(work, tuple(one[place][figure] for one in rounds), unit)
            for place, work in enumerate(names)
        )
        yield Section(
            name=name,
            title=title,
            measurements=(dependencies, ours),
            bars=(Bar.at_most(1.3, "to its dependencies", ours.over(dependencies), guard=2.5),),
        )


def _python(program: str, *arguments: str) -> list[str]:
    """Return the words that a new interpreter prints; its imports are compiled, as after an installation."""
    with_bytecode = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**with_bytecode, "PYTHONPYCACHEPREFIX": str(COMPILED)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()
