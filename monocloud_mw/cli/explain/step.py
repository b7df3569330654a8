"""The steps of ``explain``: one check each, with the functions that the validator calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeAlias, TypeVar

import attrs

from ...errors import MonoCloudError, TokenError

__all__ = ["Outcome", "State", "Step", "StepRecorder"]

T = TypeVar("T")

State: TypeAlias = Literal["passed", "failed", "skipped", "not reached"]


@attrs.frozen(kw_only=True)
class Step:
    """One check.

    Args:
        name: the name of the check.
        state: the state; ``skipped`` if it does not apply, ``not reached`` if an earlier failure prevents it.
        expected: what the token must have.
        found: what it has; text of the token is escaped and shortened.
        reason: the reason of a failure.
        hint: the likely cause, if known.
    """

    name: str
    state: State
    expected: str | None = None
    found: str | None = None
    reason: str | None = None
    hint: str | None = None


@attrs.frozen
class Outcome(Generic[T]):
    """Whether a check passed, and its result."""

    passed: bool
    value: T | None = None


class StepRecorder:
    """Runs checks and records them as steps; continues after a failure."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

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
        """Run a check and record it.

        Args:
            name: the name of the step.
            function: raises if the check fails.
            expected: what is expected.
            found: what is found, or a function that returns it for a result; default for failures: that of
                the error.
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
        """Record a check that does not apply."""
        self._add(name, "skipped", None, why)

    def miss(self, *names: str) -> None:
        """Record checks that an earlier failure prevents."""
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
