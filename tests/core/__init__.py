"""Tests of the pure core: flows run without drivers, with fixed clocks."""
