"""The tests of the pure core: flows driven by hand, clocks that stand still."""
