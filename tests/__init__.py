"""The tests mirror the modules: ``tests/<layer>/test_<module>.py``."""
