"""The durations that the servers of a run are configured with, and what follows for the checker."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["LONG", "SHORT", "Durations"]

EXCHANGES: Final = 3  # metadata, keys, introspection: the most that one request waits for
MACHINE_SECONDS: Final = 5.0  # the delay that a busy machine may add


@attrs.frozen(kw_only=True)
class Durations:
    """The options of the servers that are durations, in seconds."""

    lifetime: float
    max_stale: float
    cooldown: float
    response_timeout: float

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the servers; the token cache is small, so that it is soon full."""
        return {
            "MONOCLOUD_BACKEND_JWKS_CACHE_DURATION": f"{self.lifetime:g}",
            "MONOCLOUD_BACKEND_METADATA_CACHE_DURATION": f"{self.lifetime:g}",
            "MONOCLOUD_BACKEND_MAX_STALE": f"{self.max_stale:g}",
            "MONOCLOUD_BACKEND_REFRESH_COOLDOWN": f"{self.cooldown:g}",
            "MONOCLOUD_BACKEND_RESPONSE_TIMEOUT": f"{1000 * self.response_timeout:g}",
            "MONOCLOUD_BACKEND_JWT_CACHE_SIZE": "256",
        }

    @property
    def settle(self) -> float:
        """The seconds after an outage until it has no effect any more.

        An attempt that began in the outage ends with its timeout, for each of two documents; the next one is
        a cool-down later and succeeds.
        """
        return 2 * self.response_timeout + self.cooldown + 1.0

    @property
    def bound(self) -> float:
        """The longest that a response may take."""
        return EXCHANGES * self.response_timeout + MACHINE_SECONDS


SHORT: Final = Durations(lifetime=1.0, max_stale=120.0, cooldown=0.5, response_timeout=1.0)
"""For seconds of traffic, in which keys are never older than max_stale."""

LONG: Final = Durations(lifetime=5.0, max_stale=8.0, cooldown=2.0, response_timeout=1.0)
"""For minutes of traffic, in which some outages last longer than max_stale."""
