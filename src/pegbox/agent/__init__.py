"""The process beside the user's program: prepares it, starts it, watches it, reports, packs its model.

One agent drives one attempt at a time and outlives the server. Start-up time is most of a short trial's overhead, so modules
here import next to nothing at their top: no ``json``, ``re``, ``subprocess``, ``typing`` or ``dataclasses`` on the way to the
program's start. Nothing of Pegbox outside this package is imported, nothing is decided here that the server decides, and no
program is ever started where there is evidence that it was started before.

The protocol and the files of an attempt are described in ``docs/agent-protocol.md``.
"""
