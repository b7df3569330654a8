"""``explain``: the report as text and JSON, without any part of the token."""

from __future__ import annotations

from typing import Any

from ...errors import HttpError, TokenError
from ...protect.responses import error_response
from ..console import print_line
from .advice import advice_for, hints_for
from .explain import Explanation
from .step import Step

__all__ = ["print_text", "to_dict"]


def to_dict(explanation: Explanation, token: str) -> dict[str, Any]:
    """Return the report as a JSON object."""
    error = explanation.error
    result: dict[str, Any] = {"accepted": error is None, "reason": None, "error": None, "status": 200}
    if isinstance(error, TokenError):
        result |= {"reason": str(error.reason), **_facts(error)}
    if error is not None:
        result |= {
            "error": str(error),
            "status": error_response(error).status,
            "advice": advice_for(error),
            "hints": hints_for(token, explanation.steps),
            "docs": error.docs,
        }
    steps = [
        {"name": s.name, "state": s.state, "expected": s.expected, "found": s.found, "reason": s.reason}
        for s in explanation.steps
    ]
    return result | {"checks": steps}


def print_text(explanation: Explanation, token: str) -> None:
    """Print the steps, the result and what to do."""
    for step in explanation.steps:
        _print_step(step)
    print_line()
    error = explanation.error
    if error is None:
        print_line("Accepted.")
        return
    if isinstance(error, TokenError):
        print_line(f"Refused [{error.reason}]: {error}. The caller gets {_status(error)}.")
        for name, value in _facts(error).items():
            if value is not None:
                print_line(f"{name.capitalize()}: {value}.")
    else:
        kind = "The request to the tenant failed" if isinstance(error, HttpError) else "Not checked"
        print_line(f"{kind}: {error}. The caller gets {_status(error)}.")
    print_line(f"What to do: {advice_for(error)}.")
    for hint in hints_for(token, explanation.steps):
        print_line(f"Hint: {hint}.")
    print_line(f"See: {error.docs}")


def _print_step(step: Step) -> None:
    state = f"FAILED [{step.reason or 'error'}]" if step.state == "failed" else step.state
    print_line(f"{step.name:<14} {state}")
    if step.expected is not None:
        print_line(f"{'':15}expected: {step.expected}")
    if step.found is not None:
        print_line(f"{'':15}found:    {step.found}")


def _facts(error: TokenError) -> dict[str, str | None]:
    """Return the expected and found values of the validator, as in the log of the API."""
    return {"expected": error.expected, "found": error.found}


def _status(error: Any) -> int:
    return error_response(error).status
