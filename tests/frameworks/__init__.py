"""Tests with real frameworks."""
