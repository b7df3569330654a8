"""Measures, prints a table as it goes, and writes every figure to ``build/bench/`` as JSON.

Exits with an error where a contender accepts a bad token, since its figures would say nothing; and with
``--check``, where something has become much slower than it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from .bytecodes import measure_bytecodes
from .fastapi_dependency import measure_fastapi
from .instructions import measure_instructions
from .memory import measure_import, measure_memory
from .middleware import measure_middleware
from .opaque_tokens import measure_opaque_tokens
from .parts import measure_parts
from .publish import publish
from .report import Effort, Section, describe_machine, render_section, write_json
from .serving import measure_serving
from .validation import measure_new_tokens, measure_repeated_tokens

Group = Callable[[Effort], Iterator[Section]]

GROUPS: Final[Mapping[str, Group]] = {
    "new": measure_new_tokens,
    "parts": measure_parts,
    "repeated": measure_repeated_tokens,
    "middleware": measure_middleware,
    "fastapi": measure_fastapi,
    "opaque": measure_opaque_tokens,
    "serving": measure_serving,
    "memory": measure_memory,
    "import": measure_import,
    "bytecodes": measure_bytecodes,
    "instructions": measure_instructions,
}
CHECKED: Final = ("new", "repeated", "memory", "import", "bytecodes")
CHECK_ATTEMPTS: Final = 3  # a machine that is busy may fail once; code that is slow fails always
RESULTS: Final = Path(__file__).parents[2] / "build" / "bench"


def main() -> int:
    """Measure the works that the arguments name; return the exit status."""
    arguments = _read_arguments()
    if arguments.check:
        return _check()
    if arguments.publish:
        publish(RESULTS / "all.json")
        return 0
    results = RESULTS / f"{'-'.join(arguments.groups) or 'all'}.json"
    machine = describe_machine()
    for name, value in machine.items():
        print(f"{name:10} {value}")
    sections = []
    for name in arguments.groups or GROUPS:
        for section in GROUPS[name](Effort(arguments.rounds)):
            print(*render_section(section), sep="\n", flush=True)
            sections.append(section)
            write_json(results, machine, sections)
    met = [bar.met for section in sections for bar in section.bars]
    print(f"\n{sum(met)} of {len(met)} bars met; every figure is in {results}")
    return 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("groups", nargs="*", type=_group, help=f"of {', '.join(GROUPS)}; default: all")
    parser.add_argument("--rounds", type=int, default=25, help="how often each contender is measured")
    parser.add_argument(
        "--publish", action="store_true", help="put the figures of the last whole run into docs"
    )
    parser.add_argument(
        "--check", action="store_true", help="only find out, quickly, whether we got much slower"
    )
    return parser.parse_args()


def _group(name: str) -> str:
    if name not in GROUPS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(GROUPS)}")
    return name


def _check() -> int:
    """Check that nothing has become much slower."""
    return max(_check_group(name) for name in CHECKED)


def _check_group(name: str) -> int:
    for _ in range(CHECK_ATTEMPTS):
        sections = list(GROUPS[name](Effort(rounds=7, check=True)))
        for section in sections:
            print(*render_section(section, check=True), sep="\n", flush=True)
        if all(bar.tolerated for section in sections for bar in section.bars):
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
