"""The tests mirror the modules: ``tests/<floor>/test_<module>.py``."""
