"""The state machines of tuning jobs and training jobs: records and events in, new records out.

Nothing in here does I/O, reads a clock, draws random numbers or keeps anything between calls. Statuses move only along the tables
in :mod:`pegbox.engine.lifecycle.moves`; a missing pair is an :class:`~pegbox.errors.InvalidTransition` with the object's history.
"""
