"""Attacks with tokens as tables, one module per family, and the tests that run them."""
