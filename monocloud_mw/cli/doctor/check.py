"""The outcome of one check of ``doctor``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import attrs

from ...documentation import docs_address
from ...errors import ConfigurationError, HttpError, MonoCloudError

__all__ = ["Check", "State", "failed", "failed_by", "passed", "skipped"]

State: TypeAlias = Literal["ok", "failed", "skipped"]


@attrs.frozen(kw_only=True)
class Check:
    """What was found.

    Args:
        name: of the check; its section in the troubleshooting page has the anchor ``doctor-<name>``.
        state: ``skipped`` where there is nothing to check, or where it cannot be checked.
        detail: what was found, in one line.
        advice: what to do; always there where the check failed.
        items: further findings, one line each.
    """

    name: str
    state: State
    detail: str
    advice: str | None = None
    items: tuple[str, ...] = ()

    @property
    def docs(self) -> str:
        """The address of the section of the documentation about this check."""
        return docs_address(f"doctor-{self.name}")

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**attrs.asdict(self), "docs": self.docs}


def passed(name: str, detail: str, *, advice: str | None = None, items: Iterable[str] = ()) -> Check:
    """Return a check that found nothing wrong; ``advice`` may name what to look at all the same."""
    return Check(name=name, state="ok", detail=detail, advice=advice, items=tuple(items))


def failed(name: str, detail: str, advice: str, items: Iterable[str] = ()) -> Check:
    """Return a check that found something wrong."""
    return Check(name=name, state="failed", detail=detail, advice=advice, items=tuple(items))


def skipped(name: str, detail: str) -> Check:
    """Return a check that was not made."""
    return Check(name=name, state="skipped", detail=detail)


def failed_by(name: str, error: MonoCloudError, advice: str) -> Check:
    """Return a check that failed with an error of the package.

    Args:
        name: of the check.
        error: its own advice, where it has some, replaces ``advice``.
        advice: what to do.
    """
    if isinstance(error, ConfigurationError) and error.problems:
        return failed(name, "settings cannot work", advice, map(str, error.problems))
    detail = str(error)
    if isinstance(error, HttpError) and error.advice is not None:
        detail, advice = detail.removesuffix(f"; {error.advice}"), error.advice
    elif isinstance(error, HttpError) and error.status is None and "; " in detail:  # what is said of TLS
        detail, _, advice = detail.partition("; ")
    return failed(name, detail, advice)
