"""What we know of the tenant: its metadata, its keys, and what it calls itself."""

from __future__ import annotations

from ...jose import KeySet
from ...options import Options
from ..effects import Flow, Instant
from .key_set import key_source
from .last_known_good import LastKnownGood
from .metadata import Metadata, metadata_source

__all__ = ["Tenant"]


class Tenant:
    """The tenant's documents, each of which outlives outages."""

    def __init__(self, options: Options) -> None:
        self.metadata: LastKnownGood[Metadata] = metadata_source(options)
        self.keys: LastKnownGood[KeySet] = key_source(options, self.metadata)
        # With keys from elsewhere nothing is fetched for a JWT, and the tenant domain is the issuer.
        self._issuer = (
            options.tenant_domain if options.jwks_resolver and not options.metadata_resolver else None
        )

    def jwt_issuer(self, now: Instant) -> Flow[str]:
        """Return what ``iss`` of a JWT must be.

        Raises:
            AuthorizationServerError: the metadata says so, and cannot be had.
        """
        return self._issuer or (yield from self.metadata.current(now)).issuer

    def prefetch(self, now: Instant) -> Flow[None]:
        """Load what validating a JWT needs.

        Raises:
            AuthorizationServerError: it cannot be loaded.
        """
        yield from self.keys.current(now)
        yield from self.jwt_issuer(now)
