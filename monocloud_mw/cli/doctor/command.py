"""``doctor``: its arguments and its output."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..arguments import seconds
from ..console import print_json, print_line
from .check import Check
from .diagnosis import Diagnosis
from .run import run_checks

__all__ = ["add_to"]

DESCRIPTION = (
    "Check step by step whether an API can validate tokens. Reads the same MONOCLOUD_BACKEND_ variables as"
    " the API: run it in the same environment (container, user). Exit status 0 if all checks pass, else 1."
)


def add_to(subcommands: Any) -> None:
    """Add this command to the command line."""
    parser = subcommands.add_parser(
        "doctor", help="check settings, network and tenant", description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--timeout", type=seconds, default=5.0, metavar="SECONDS", help="time limit of each step (default: 5)"
    )
    parser.add_argument(
        "--cache",
        metavar="URL",
        help="also check this claims cache on Redis: its URL, or an environment variable with it",
    )
    parser.add_argument("--cache-ca-bundle", metavar="FILE", help="PEM bundle to verify that Redis")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, log: list[str]) -> int:
    """Run the checks, print each result immediately, and return the exit status."""
    diagnosis = Diagnosis(
        os.environ,
        timeout_seconds=arguments.timeout,
        cache_url=arguments.cache,
        cache_ca_bundle=arguments.cache_ca_bundle,
        log=log,
    )
    checks = []
    try:
        for check in run_checks(diagnosis):
            checks.append(check)
            if not arguments.json:
                _print(check)
    finally:
        diagnosis.close()
    failures = [check.name for check in checks if check.state == "failed"]
    if arguments.json:
        print_json({"ok": not failures, "checks": [check.to_dict() for check in checks]})
    else:
        print_line()
        print_line(f"Failed: {', '.join(failures)}." if failures else "All checks passed.")
    return 1 if failures else 0


def _print(check: Check) -> None:
    state = "FAILED" if check.state == "failed" else check.state
    print_line(f"{state:<8} {check.name:<14} {check.detail}")
    for item in check.items:
        print_line(f"{'':23} - {item}")
    if check.advice is not None:
        print_line(f"{'':23} what to do: {check.advice}")
    if check.state == "failed":
        print_line(f"{'':23} see: {check.docs}")
