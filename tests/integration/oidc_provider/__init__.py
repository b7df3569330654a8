"""A certified OpenID provider, independent of monocloud_mw, to test against.

The provider is the npm package ``oidc-provider`` in a process of its own (``server.mjs``), served over TLS by
certificates made on the spot. ``installation`` puts the package in place, ``certificates`` and ``clients``
make what the provider is told, ``provider`` runs it and obtains its tokens.
"""
