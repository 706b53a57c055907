"""The gateway process: ``python -m pegbox.gateway --home DIR``."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
from pathlib import Path

from pegbox import __version__
from pegbox.errors import PegboxError
from pegbox.gateway.capture import FREE_SHARE


def main() -> int:
    """Serve a home; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pegbox.gateway")
    parser.add_argument("--home", required=True, type=Path, help="the home folder")
    parser.add_argument(
        "--control", type=Path, help="control socket; run/gateway.sock in the home by default"
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; the home's runtime-port by default")
    parser.add_argument(
        "--listener", type=int, help="descriptor of the socket to listen on, instead of a port"
    )
    parser.add_argument(
        "--allowed-host", action="append", default=[], help="a further name that Host may carry"
    )
    parser.add_argument(
        "--capture-free", type=float, default=FREE_SHARE, help="share of the disk below which capture pauses"
    )
    parser.add_argument("--idle-seconds", type=float, help="seconds without endpoints until the end")
    parser.add_argument(
        "--keys-on-stdin",
        action="store_true",
        help="standard input holds the server's first word on data keys",
    )
    parser.add_argument("--log-level", default="info", help="least level that is logged")
    given = parser.parse_args()
    logging.basicConfig(
        level=given.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    from pegbox.gateway import process

    home = Path(os.path.abspath(given.home))
    try:
        place = process.Place(
            home=home,
            control=given.control or home / "run" / "gateway.sock",
            host=given.host,
            port=given.port or _port(home),
            listener=given.listener,
            version=__version__,
            home_id=hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:16],
            allowed_hosts=tuple(given.allowed_host),
            free_share=given.capture_free,
            keys=sys.stdin.buffer.read() if given.keys_on_stdin else b"",
            idle_seconds=process.IDLE_SECONDS if given.idle_seconds is None else given.idle_seconds,
        )
        process.serve(place, process.as_facts(__version__, home))
    except PegboxError as error:
        print(f"pegbox gateway: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _port(home: Path) -> int:
    """Return the port that the server chose.

    Raises:
        PegboxError: It has not chosen one yet.
    """
    file = home / "runtime-port"
    try:
        return int(file.read_text())
    except (OSError, ValueError) as error:
        raise PegboxError(f"{file} holds no port; start the server with 'pegbox server start'") from error


if __name__ == "__main__":
    sys.exit(main())
