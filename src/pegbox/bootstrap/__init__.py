"""The only place that knows every room: makes a home, opens the rooms with the values they need, and serves.

``home`` is light and tells what lies where; the command line uses it too. ``server`` assembles and runs. No decision about
jobs is taken here.
"""
