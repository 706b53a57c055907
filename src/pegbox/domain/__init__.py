"""Frozen records and status enums: what the rooms above talk about.

Nothing here does I/O, reads a clock or knows a protocol. Times are aware UTC datetimes.
"""
