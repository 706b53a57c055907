"""The command line: ``pegbox``.

Every command talks to the server of the home as any other client does: signed requests over loopback. It opens no store, and
loads what it needs when it needs it, so that a command takes a fraction of a second.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process."""
    from pegbox.cli.app import run

    run()
