"""A small Flask API: each route declares the scopes and groups that it requires."""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify

from monocloud_mw.adapters.flask import current_claims, protect_api

app = Flask(__name__)
protect = protect_api(certificate_resolver=lambda request: request.headers.get("Client-Cert"))


@app.get("/healthz")
def healthz() -> Any:
    return jsonify(status="ok")


@app.get("/me")
@protect
def me() -> Any:
    return jsonify(current_claims)


@app.get("/orders")
@protect(scopes=["orders:read"])
def orders() -> Any:
    return jsonify(orders=[], seen_by=current_claims.subject)


@app.get("/admin/users")
@protect(groups=["admin"])
def users() -> Any:
    return jsonify(users=[], seen_by=current_claims.subject)
