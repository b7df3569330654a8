"""The steps of ``explain``: one check each, made by the functions that the validator calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeAlias, TypeVar

import attrs

from ...errors import MonoCloudError, TokenError

__all__ = ["Outcome", "State", "Step", "Walk"]

T = TypeVar("T")

State: TypeAlias = Literal["passed", "failed", "skipped", "not reached"]


@attrs.frozen(kw_only=True)
class Step:
    """One check.

    Args:
        name: of the check.
        state: ``skipped`` where it does not apply, ``not reached`` where an earlier failure prevents it.
        expected: what the token must have.
        found: what it has; text of the token is escaped and shortened.
        reason: why the token is refused here.
        hint: the usual cause, where the token shows one.
    """

    name: str
    state: State
    expected: str | None = None
    found: str | None = None
    reason: str | None = None
    hint: str | None = None


@attrs.frozen
class Outcome(Generic[T]):
    """Whether a check passed, and what it returned."""

    passed: bool
    value: T | None = None


class Walk:
    """Goes through checks, notes each, and goes on after the first that fails."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @property
    def refusal(self) -> str | None:
        """The reason of the first check that failed."""
        return next((step.reason for step in self.steps if step.reason is not None), None)

    @property
    def failed(self) -> bool:
        """Whether a check has failed."""
        return any(step.state == "failed" for step in self.steps)

    def check(
        self,
        name: str,
        function: Callable[[], T],
        expected: str | None = None,
        found: str | Callable[[T], str] | None = None,
    ) -> Outcome[T]:
        """Make a check.

        Args:
            name: of the step.
            function: raises where the check fails.
            expected: what must be there.
            found: what is there, or a function that tells it of a result; of a failure without it the
                error tells.
        """
        try:
            value = function()
        except TokenError as error:
            shown = found if isinstance(found, str) else error.found or error.detail
            self._add(name, "failed", expected or error.expected, shown, str(error.reason), error.hint)
            return Outcome(False)
        except MonoCloudError as error:
            self._add(name, "failed", expected, str(error))
            return Outcome(False)
        self._add(name, "passed", expected, found(value) if callable(found) else found)
        return Outcome(True, value)

    def skip(self, name: str, why: str) -> None:
        """Note a check that does not apply."""
        self._add(name, "skipped", None, why)

    def miss(self, *names: str) -> None:
        """Note checks that an earlier failure prevents."""
        for name in names:
            self._add(name, "not reached", None, None)

    def _add(
        self,
        name: str,
        state: State,
        expected: str | None,
        found: str | None,
        reason: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.steps.append(
            Step(name=name, state=state, expected=expected, found=found, reason=reason, hint=hint)
        )
