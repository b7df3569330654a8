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
    verdict = explanation.verdict
    result: dict[str, Any] = {"accepted": verdict is None, "reason": None, "error": None, "status": 200}
    if isinstance(verdict, TokenError):
        result |= {"reason": str(verdict.reason), **_facts(verdict)}
    if verdict is not None:
        result |= {
            "error": str(verdict),
            "status": error_response(verdict).status,
            "advice": advice_for(verdict),
            "hints": hints_for(token, explanation.steps),
            "docs": verdict.docs,
        }
    steps = [
        {"name": s.name, "state": s.state, "expected": s.expected, "found": s.found, "reason": s.reason}
        for s in explanation.steps
    ]
    return result | {"checks": steps}


def print_text(explanation: Explanation, token: str) -> None:
    """Print the steps, the verdict and what to do."""
    for step in explanation.steps:
        _print_step(step)
    print_line()
    verdict = explanation.verdict
    if verdict is None:
        print_line("Accepted.")
        return
    if isinstance(verdict, TokenError):
        print_line(f"Rejected [{verdict.reason}]: {verdict.description}. The caller gets {_status(verdict)}.")
        for name, value in _facts(verdict).items():
            if value is not None:
                print_line(f"{name.capitalize()}: {value}.")
    else:
        kind = "The request to the tenant failed" if isinstance(verdict, HttpError) else "Not checked"
        print_line(f"{kind}: {verdict}. The caller gets {_status(verdict)}.")
    print_line(f"What to do: {advice_for(verdict)}.")
    for hint in hints_for(token, explanation.steps):
        print_line(f"Hint: {hint}.")
    print_line(f"See: {verdict.docs}")


def _print_step(step: Step) -> None:
    state = f"FAILED [{step.reason or 'error'}]" if step.state == "failed" else step.state
    print_line(f"{step.name:<14} {state}")
    if step.expected is not None:
        print_line(f"{'':15}expected: {step.expected}")
    if step.found is not None:
        print_line(f"{'':15}found:    {step.found}")


def _facts(verdict: TokenError) -> dict[str, str | None]:
    """Return the expected and found values of the validator, as in the log of the API."""
    return {"expected": verdict.expected, "found": verdict.found}


def _status(verdict: Any) -> int:
    return error_response(verdict).status
