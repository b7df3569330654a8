"""``doctor``: the order of the checks and their dependencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ..console import TookTooLongError, wait_for
from .cache import check_cache
from .check import Check, failed, skipped
from .diagnosis import Diagnosis
from .documents import check_clock, check_discovery, check_issuer, check_keys
from .introspection import check_introspection
from .mutual_tls import check_mutual_tls
from .network import check_dns, check_proxy, check_tcp
from .settings import check_options
from .tls import check_tls

__all__ = ["CHECKS", "run_checks"]

STEPS_IN_A_CHECK: Final = 3
"""The maximum number of exchanges in one check; each has its own time limit."""


class Row(NamedTuple):
    """One check: its name, its function, and the checks that must have passed before."""

    name: str
    check: Callable[[Diagnosis], Check]
    needs: tuple[str, ...] = ()


CHECKS: Final = (
    Row("options", check_options),
    Row("proxy", check_proxy, ("options",)),
    Row("dns", check_dns, ("proxy",)),
    Row("tcp", check_tcp, ("dns",)),
    Row("tls", check_tls, ("tcp",)),
    Row("discovery", check_discovery, ("tls",)),
    Row("issuer", check_issuer, ("discovery",)),
    Row("keys", check_keys, ("issuer",)),
    Row("clock", check_clock, ("tls",)),
    Row("mtls", check_mutual_tls, ("options",)),
    Row("introspection", check_introspection, ("issuer", "mtls")),
    Row("cache", check_cache),
)


def run_checks(diagnosis: Diagnosis) -> Iterator[Check]:
    """Run all checks, each within its time limit; skip checks that depend on a failed one."""
    causes: dict[str, str] = {}  # by check without a result: the check that failed
    for row in CHECKS:
        cause = next((causes[name] for name in row.needs if name in causes), None)
        if cause is None:
            check = _make(row, diagnosis)
        else:
            check = skipped(row.name, f"not checked, because {cause} failed")
        if cause is not None or check.state == "failed":
            causes[row.name] = cause or row.name
        yield check


def _make(row: Row, diagnosis: Diagnosis) -> Check:
    limit = STEPS_IN_A_CHECK * diagnosis.timeout_seconds + 1
    try:
        return wait_for(row.name, lambda: row.check(diagnosis), limit)
    except TookTooLongError:
        return failed(
            row.name,
            f"no result within {limit:g} seconds",
            "check the network; increase --timeout if it is slow",
        )
    except Exception as error:  # noqa: BLE001  its message may contain secrets
        return failed(row.name, f"unexpected {type(error).__name__}", "please report it, with this output")
