"""Tests of the types that users of the package see."""
