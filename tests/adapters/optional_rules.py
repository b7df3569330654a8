"""Rules of a middleware whose token is optional, and what requests without a token get."""

from __future__ import annotations

from typing import Final

from monocloud_mw import Rule

__all__ = ["WHERE_OPTIONAL", "WHERE_OPTIONAL_STATUSES"]

WHERE_OPTIONAL: Final = [
    Rule("/me"),
    Rule("/healthz", public=True),
    Rule("/admin/<path:rest>", groups=["admin"]),
    Rule("/orders", methods=["POST"], scopes=["orders:write"]),
]

WHERE_OPTIONAL_STATUSES: Final = [
    *(("GET", path, 200) for path in ("/", "/elsewhere", "/healthz", "/orders", "/admins", "/me/x")),
    *(("GET", path, 401) for path in ("/me", "/me/", "/admin", "/admin/users", "//admin/users")),
    *(("GET", path, 401) for path in ("/x/../admin/users", "/admin%2fusers", "/adm\0in")),
    *((method, "/orders", 401) for method in ("POST", "post")),
]
