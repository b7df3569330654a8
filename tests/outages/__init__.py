"""Clients during an outage of the tenant, over real HTTP."""
