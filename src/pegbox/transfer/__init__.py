"""What parents' observations say about a child job (a prior). Pure: no I/O, no clock.

Nothing is here yet: warm start is refused with a clear error until it exists.
"""
