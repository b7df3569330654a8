"""What decides: flows that yield effects. Pure; see :mod:`.effects`."""
