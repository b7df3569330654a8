"""The same API in FastAPI: views declare their requirements, and all others need a valid token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Request, Security

from monocloud_mw import AccessTokenClaims
from monocloud_mw.adapters.fastapi import ProtectApi, public


def client_certificate(request: Request) -> str | None:
    """Return the certificate from the proxy's header; the proxy must remove this header from requests."""
    return request.headers.get("client-cert")


protect = ProtectApi(certificate_resolver=client_certificate)
app = FastAPI(lifespan=protect.lifespan, dependencies=[Security(protect)])


@app.get("/healthz")
@public
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/me")
async def me(claims: Annotated[AccessTokenClaims, Security(protect)]) -> AccessTokenClaims:
    return claims


@app.get("/orders")
async def orders(
    claims: Annotated[AccessTokenClaims, Security(protect, scopes=["orders:read"])],
) -> dict[str, Any]:
    return {"orders": [], "seen_by": claims.subject}


@app.get("/admin/users", dependencies=[Security(protect.needing(groups=["admin"]))])
async def users() -> dict[str, Any]:
    return {"users": []}
