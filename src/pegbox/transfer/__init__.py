"""What parents' observations say about a child job: coordinates, experts, agreement, a prior mean, first points.

Pure functions of arrays and values: no I/O, no clock, no random generator. A parent is advice, never data of the child:
its weight is what the child's own observations grant it. Values are minimised in this room, and only their order and
their relative distances count, so a parent may measure on any scale.
"""
