"""Fuzz each target for some time with atheris, which searches for inputs that reach new code.

What it learned stays in ``build/fuzz/TARGET/corpus`` for the next run. An input that crashes a target is
saved beside it, and this program says how to run it again; its exit status is then 1.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from .targets import TARGETS

BUILD: Final = Path("build") / "fuzz"
MAX_INPUT_BYTES: Final = 20_000  # a little more than the largest token
SLOW_SECONDS: Final = 10  # per input: a longer time counts as a crash
MEMORY_MEGABYTES: Final = 2048

# libFuzzer's own messages and each input that reached new code; the pulse shows progress.
_CHATTER: Final = re.compile(r"INFO: |WARNING: |Dictionary: |#\d+\s+(?:NEW|REDUCE|RELOAD)|\s+NEW_FUNC")


def main() -> int:
    """Fuzz the targets that the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target is fuzzed")
    parser.add_argument("--replay", type=Path, metavar="INPUT", help="run one saved input, and nothing else")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.targets) - TARGETS.keys())
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}")
    if arguments.replay is not None:
        return _replay(arguments.targets, arguments.replay)
    return _fuzz(arguments.targets or list(TARGETS), arguments.seconds)


def _fuzz(names: list[str], seconds: int) -> int:
    crashed = []
    started = time.monotonic()
    for number, name in enumerate(names, start=1):
        print(f"==> {name} ({number} of {len(names)}), {seconds} seconds", flush=True)
        if not _fuzz_one(name, seconds):
            crashed.append(name)
    took = time.monotonic() - started
    print(f"==> {len(names)} targets in {took:.0f} seconds; crashed: {', '.join(crashed) or 'none'}")
    return 1 if crashed else 0


def _fuzz_one(name: str, seconds: int) -> bool:
    """Fuzz one target in a subprocess, since atheris never returns; return whether it passed."""
    place = BUILD / name
    corpus = place / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = place / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in TARGETS[name].words), encoding="ascii")
    command = [
        *(sys.executable, "-m", "tests.fuzz.fuzzer", name, str(corpus), f"-dict={words}"),
        *(f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-timeout={SLOW_SECONDS}"),
        *(f"-rss_limit_mb={MEMORY_MEGABYTES}", f"-artifact_prefix={place}/", "-print_final_stats=1"),
    ]
    known = set(place.iterdir())
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as fuzzer:
        for line in fuzzer.stderr or ():
            if not _CHATTER.match(line):
                print(f"    {line}", end="", flush=True)
    survived = fuzzer.returncode == 0
    for path in sorted(set(place.iterdir()) - known):  # crash-..., timeout-..., oom-...
        again = f"{name} --replay {path}"
        print(f"==> {name} crashed; run it again with: make fuzz ARGS={shlex.quote(again)}", flush=True)
    return survived


def _escaped(word: str) -> str:
    """Return a word in the syntax of libFuzzer dictionaries."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def _replay(names: list[str], path: Path) -> int:
    if len(names) != 1:
        print("--replay needs one TARGET", file=sys.stderr)
        return 2
    TARGETS[names[0]].run(path.read_bytes())
    print(f"{names[0]} takes {path} without a complaint")
    return 0


if __name__ == "__main__":
    sys.exit(main())
