"""The modules behind :class:`monocloud_mw.testing.LocalTenant`; private."""
