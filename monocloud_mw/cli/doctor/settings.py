"""``doctor``: check the options, as the API reads them from the environment."""

from __future__ import annotations

from ...errors import ConfigurationError
from ...options import VARIABLE_PREFIX, Options
from ...quoting import quoted
from .check import Check, failed, passed
from .diagnosis import Diagnosis

__all__ = ["check_options"]

NAME = "options"


def check_options(diagnosis: Diagnosis) -> Check:
    """Read the ``MONOCLOUD_BACKEND_`` variables as clients do."""
    try:
        Options.from_environment(diagnosis.environ)
        # Read them first without the timeout of this command, which would hide an invalid RESPONSE_TIMEOUT.
        diagnosis.options = options = Options.from_environment(
            diagnosis.environ, response_timeout=diagnosis.timeout_seconds
        )
    except ConfigurationError as error:
        variables = [problem.variable for problem in error.problems if problem.variable]
        return failed(
            NAME,
            "invalid settings",
            f"set or correct {' and '.join(dict.fromkeys(variables))}, and run this again in the"
            " environment of the API (.env files are not read)",
            map(str, error.problems),
        )
    items = [
        f"tenant_domain {quoted(options.tenant_domain)}",
        f"audience {', '.join(map(quoted, options.audience))}",
        "no client_id: only JWTs are accepted, opaque tokens are refused"
        if options.client_id is None
        else f"client_id {quoted(options.client_id)} with {options.client_auth_method}",
        *(f"warning: {message}" for message in diagnosis.log),
    ]
    return passed(NAME, "the settings are valid", advice=_probable_mistake(options), items=items)


def _probable_mistake(options: Options) -> str | None:
    """Return advice if an audience equals another setting, which is probably a mistake."""
    tenant = options.tenant_domain.removesuffix("/")
    for audience in options.audience:
        for what, name in (("tenant_domain", tenant), ("client_id", options.client_id)):
            if audience.removesuffix("/") == name:
                return (
                    f"audience ({VARIABLE_PREFIX}AUDIENCE) is the same as {what}; set it to the identifier of"
                    " the API at the tenant, or tokens are refused [wrong_audience]"
                )
    return None
