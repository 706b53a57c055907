"""Pages and live charts over the engine's queries.

Nothing is here yet: the place and its import rule are kept, so that pages can come without moving a wall.
"""
