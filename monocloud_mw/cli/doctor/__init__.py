"""``monocloud-mw doctor``: checks, step by step, what an API needs to validate tokens."""
