"""The tenant's discovery document: where its key set and endpoints are, and what it calls itself.

OpenID Connect Discovery 1.0 section 4, RFC 8414 sections 2 and 3.3, RFC 8705 section 5. The document's
``issuer`` must equal the tenant domain up to one trailing slash, so that a document from elsewhere is
never believed; endpoints must be ``https``, or on this machine where the tenant itself is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ...errors import HttpError, quoted
from ...frozen import FrozenDict, freeze
from ...options import VARIABLE_PREFIX, Options
from ...urls import parse_url
from ..effects import Failure, Flow, Instant, call
from .first_load import outage_once_loaded
from .http_json import fetch_document
from .last_known_good import LastKnownGood, in_time
from .refresh_policy import RefreshPolicy

__all__ = ["Metadata", "metadata_source", "parse_metadata"]

ADVICE: Final = f"check tenant_domain ({VARIABLE_PREFIX}TENANT_DOMAIN)"
"""Where the document is not the tenant's, or not there at all."""

PATH: Final = "/.well-known/openid-configuration"


@attrs.frozen
class Metadata:
    """What the tenant says of itself.

    Args:
        issuer: the exact value of ``iss`` in its tokens.
        document: the whole document, read-only.
    """

    issuer: str
    document: FrozenDict = attrs.field(repr=False)

    @property
    def jwks_uri(self) -> str:
        """The address of the key set.

        Raises:
            HttpError: the document has none that may be used.
        """
        return self.endpoint("jwks_uri")

    def endpoint(self, name: str, aliases: Mapping[str, Any] | None = None) -> str:
        """Return the address of an endpoint, byte for byte as the tenant wrote it.

        Args:
            name: the member of the document, ``introspection_endpoint`` for example.
            aliases: the object that holds it, where that is not the document itself.

        Raises:
            HttpError: there is none, or it is not safe to speak to; a permanent mistake of the tenant.
        """
        url = (self.document if aliases is None else aliases).get(name)
        if not isinstance(url, str):
            raise self._mistake(f"the discovery document has no {name}")
        try:
            scheme = parse_url(url).scheme
        except ValueError as error:
            raise self._mistake(f"the {name} of the discovery document {error}") from None
        if scheme == "http" and not self.issuer.startswith("http://"):
            raise self._mistake(f"the {name} of the discovery document must be https://")
        return url

    def _mistake(self, message: str) -> HttpError:
        advice = f"correct it at the tenant {quoted(self.issuer)}, or {ADVICE}"
        return HttpError(message, status=200, advice=advice)


def parse_metadata(document: Mapping[str, Any], tenant_domain: str) -> Metadata:
    """Read a discovery document.

    Raises:
        HttpError: its ``issuer`` is not the tenant, which is a permanent mistake.
    """
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or issuer.removesuffix("/") != tenant_domain:
        raise HttpError(
            f"the issuer of the discovery document is {quoted(issuer)}, not {quoted(tenant_domain)}",
            status=200,
            advice=ADVICE,
        )
    try:
        return Metadata(issuer, freeze(document))
    except RecursionError:
        raise HttpError("the discovery document is nested too deeply") from None


def metadata_source(options: Options) -> LastKnownGood[Metadata]:
    """Return the tenant's metadata as a document that outlives outages."""

    @outage_once_loaded
    def load(now: Instant, _unlike: Metadata | None) -> Flow[Metadata]:
        if options.metadata_resolver is not None:
            document = yield from resolve(options.metadata_resolver, "metadata_resolver")
        else:
            document = yield from in_time(
                fetch_document(
                    options.tenant_domain + PATH,
                    timeout_seconds=options.response_timeout,
                    now_unix=now.unix,
                    advice=ADVICE,
                    body_advice=ADVICE,
                ),
                options.response_timeout,
            )
        return parse_metadata(document, options.tenant_domain)

    return LastKnownGood(
        ("discovery document", options.tenant_domain),
        load,
        RefreshPolicy(
            lifetime=options.metadata_cache_duration,
            max_stale=options.max_stale,
            cooldown=options.refresh_cooldown,
            load_timeout=options.response_timeout,
        ),
    )


def resolve(resolver: Any, name: str) -> Flow[Mapping[str, Any]]:
    """Ask a user's resolver for a document.

    Raises:
        HttpError: it failed or returned no mapping; to the request that is as if the tenant were away.
    """
    document = yield from call(resolver, name)
    if isinstance(document, Failure):
        raise document.copy()
    if not isinstance(document, Mapping):
        raise HttpError(f"the {name} returned {type(document).__name__}, not a mapping")
    return document
