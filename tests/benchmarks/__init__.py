"""Benchmarks: side by side, in one run, with the same checks on the same tokens. ``make bench`` runs them."""
