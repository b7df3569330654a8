"""A local tenant to test your own API with: real HTTP, real signatures, and faults on request.

A fixture for pytest::

    import pytest
    from monocloud_mw.testing import LocalTenant

    @pytest.fixture(scope="session")
    def tenant():
        with LocalTenant(audience="https://api.example.com") as tenant:
            yield tenant

    def test_orders_need_a_scope(tenant, monkeypatch):
        for name, value in tenant.environment().items():
            monkeypatch.setenv(name, value)
        client = create_app().test_client()
        token = tenant.mint(scopes="orders:write")
        response = client.get("/orders", headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 403

Start with :class:`LocalTenant`. Its faults are in :mod:`monocloud_mw.testing.faults`.
"""

from __future__ import annotations

from . import faults
from ._tenant.certificates import CertificateAuthority, ClientCertificate
from ._tenant.clients import Client
from ._tenant.request_log import RecordedRequest
from ._tenant.tenant import LocalTenant
from ._tenant.tokens import AccessTokenParameters
from .callers import as_caller

__all__ = [
    "AccessTokenParameters",
    "CertificateAuthority",
    "Client",
    "ClientCertificate",
    "LocalTenant",
    "RecordedRequest",
    "as_caller",
    "faults",
]
