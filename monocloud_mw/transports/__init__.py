"""HTTP exchanges with the tenant: ``requests`` for threads, ``httpcore2`` for event loops."""
