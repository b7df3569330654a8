"""``monocloud-mw doctor``: check step by step whether an API can validate tokens."""
