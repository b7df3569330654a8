"""Tests with real external servers."""
