"""The tenant's cached documents: its discovery document and its key set."""

from __future__ import annotations

from ...jose import KeySet
from ...options import Options
from ..effects import Flow, Instant
from .key_set import key_source
from .last_known_good import LastKnownGood
from .metadata import Metadata, metadata_source

__all__ = ["Tenant"]


class Tenant:
    """The tenant's cached documents, which stay usable in an outage."""

    def __init__(self, options: Options) -> None:
        self.metadata: LastKnownGood[Metadata] = metadata_source(options)
        self.keys: LastKnownGood[KeySet] = key_source(options, self.metadata)
        # With jwks_resolver nothing is fetched to validate a JWT, and the tenant domain is the issuer.
        self._issuer = (
            options.tenant_domain if options.jwks_resolver and not options.metadata_resolver else None
        )

    def jwt_issuer(self, now: Instant) -> Flow[str]:
        """Return the required value of ``iss``.

        Raises:
            AuthorizationServerError: it is in the discovery document, which cannot be loaded.
        """
        return self._issuer or (yield from self.metadata.current(now)).issuer

    def prefetch(self, now: Instant) -> Flow[None]:
        """Load the documents that are needed to validate a JWT.

        Raises:
            AuthorizationServerError: one of them cannot be loaded.
        """
        yield from self.keys.current(now)
        yield from self.jwt_issuer(now)
