"""How fast the servers of a run live, and what follows from it for the judge."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["LONG", "SHORT", "Durations"]

EXCHANGES: Final = 3  # metadata, keys, introspection: the most that one request ever waits for
MACHINE_SECONDS: Final = 5.0  # how long a busy machine may keep a request waiting, whatever the tenant does


@attrs.frozen(kw_only=True)
class Durations:
    """The options of the servers that are durations, in seconds."""

    lifetime: float
    max_stale: float
    cooldown: float
    response_timeout: float

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of the servers; a small token memory, so that it fills at once."""
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
        """How long after an outage everything is as if it had never been.

        An attempt that began in the outage ends by its timeout, for each of two documents; the next one is
        a cool-down later, and succeeds.
        """
        return 2 * self.response_timeout + self.cooldown + 1.0

    @property
    def bound(self) -> float:
        """The longest that a response may take."""
        return EXCHANGES * self.response_timeout + MACHINE_SECONDS


SHORT: Final = Durations(lifetime=1.0, max_stale=120.0, cooldown=0.5, response_timeout=1.0)
"""For seconds of traffic, in which keys never get too old to serve."""

LONG: Final = Durations(lifetime=5.0, max_stale=8.0, cooldown=2.0, response_timeout=1.0)
"""For minutes of traffic, in which some outages are longer than the keys may serve."""
