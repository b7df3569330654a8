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
    """The result of a check.

    Args:
        name: the name of the check; its section in the troubleshooting page is ``doctor-<name>``.
        state: the state; ``skipped`` if there is nothing to check or it cannot be checked.
        detail: what was found, in one line.
        advice: what to do; always set if the check failed.
        items: further findings, one line each.
    """

    name: str
    state: State
    detail: str
    advice: str | None = None
    items: tuple[str, ...] = ()

    @property
    def docs(self) -> str:
        """The address of the documentation about this check."""
        return docs_address(f"doctor-{self.name}")

    def to_dict(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        return {**attrs.asdict(self), "docs": self.docs}


def passed(name: str, detail: str, *, advice: str | None = None, items: Iterable[str] = ()) -> Check:
    """Return a passed check; ``advice`` may still recommend something."""
    return Check(name=name, state="ok", detail=detail, advice=advice, items=tuple(items))


def failed(name: str, detail: str, advice: str, items: Iterable[str] = ()) -> Check:
    """Return a failed check."""
    return Check(name=name, state="failed", detail=detail, advice=advice, items=tuple(items))


def skipped(name: str, detail: str) -> Check:
    """Return a skipped check."""
    return Check(name=name, state="skipped", detail=detail)


def failed_by(name: str, error: MonoCloudError, advice: str) -> Check:
    """Return a check that failed with an error of the package.

    Args:
        name: the name of the check.
        error: the error; its own advice, if any, replaces ``advice``.
        advice: what to do.
    """
    if isinstance(error, ConfigurationError) and error.problems:
        return failed(name, "invalid settings", advice, map(str, error.problems))
    detail = str(error)
    if isinstance(error, HttpError) and error.advice is not None:
        detail, advice = detail.removesuffix(f"; {error.advice}"), error.advice
    elif isinstance(error, HttpError) and error.status is None and "; " in detail:  # advice about TLS
        detail, _, advice = detail.partition("; ")
    return failed(name, detail, advice)
