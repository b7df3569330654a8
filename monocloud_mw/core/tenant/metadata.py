"""The tenant's discovery document: its issuer, and the addresses of its key set and endpoints.

OpenID Connect Discovery 1.0 section 4, RFC 8414 sections 2 and 3.3, RFC 8705 section 5. The document's
``issuer`` must equal the tenant domain except for one trailing slash, so that a document of another issuer is
rejected. Endpoints must be ``https``, or loopback addresses if the tenant's own is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ...errors import HttpError
from ...frozen import FrozenDict, freeze
from ...options import VARIABLE_PREFIX, Options
from ...quoting import quoted
from ...urls import parse_url
from ..effects import Failure, Flow, Instant, call
from .first_load import outage_once_loaded
from .http_json import fetch_document
from .interruption import in_time
from .last_known_good import LastKnownGood
from .refresh_policy import RefreshPolicy

__all__ = ["Metadata", "metadata_source", "parse_metadata"]

ADVICE: Final = f"check tenant_domain ({VARIABLE_PREFIX}TENANT_DOMAIN)"
"""For a document that is missing or has another issuer."""

PATH: Final = "/.well-known/openid-configuration"


@attrs.frozen
class Metadata:
    """The tenant's discovery document.

    Args:
        issuer: the exact value of ``iss`` in the tenant's tokens.
        document: the whole document, read-only.
    """

    issuer: str
    document: FrozenDict = attrs.field(repr=False)

    @property
    def jwks_uri(self) -> str:
        """The address of the key set.

        Raises:
            HttpError: it is missing or invalid.
        """
        return self.endpoint("jwks_uri")

    def endpoint(self, name: str, aliases: Mapping[str, Any] | None = None) -> str:
        """Return the URL of an endpoint, exactly as it is in the document.

        Args:
            name: the member of the document, ``introspection_endpoint`` for example.
            aliases: the object to read instead of the document, ``mtls_endpoint_aliases`` for example.

        Raises:
            HttpError: the URL is missing, invalid, or not ``https``; the error is permanent.
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
        HttpError: its ``issuer`` is not the tenant domain; the error is permanent.
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
    """Return the tenant's discovery document as a cached document that stays usable in an outage."""

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
        None if options.observer is None else lambda _metadata, _seconds: None,  # only failures emit events
    )


def resolve(resolver: Any, name: str) -> Flow[Mapping[str, Any]]:
    """Call a user's resolver for a document.

    Raises:
        HttpError: the resolver raised an exception or did not return a mapping; treated as an outage.
    """
    document = yield from call(resolver, name)
    if isinstance(document, Failure):
        raise document.copy()
    if not isinstance(document, Mapping):
        raise HttpError(f"the {name} returned {type(document).__name__}, not a mapping")
    return document
