"""The rooms behind :class:`monocloud_mw.testing.LocalTenant`; private."""
