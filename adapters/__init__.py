"""Adapters: a request in, its claims or a refusal out; one module per web framework.

Installed as :mod:`monocloud_mw.adapters`. Import the module you need (``monocloud_mw.adapters.flask``,
``.wsgi`` or ``.asgi``); nothing is imported here, so that no framework is needed that is not used.
"""
