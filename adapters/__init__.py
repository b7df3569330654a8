"""Adapters: one module per web framework.

Installed as :mod:`monocloud_mw.adapters`. Import the module for your framework, such as
``monocloud_mw.adapters.flask``; this package imports none of them, so the other frameworks need not be
installed.
"""
