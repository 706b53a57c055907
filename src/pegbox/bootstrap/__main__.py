"""The server process: ``python -m pegbox.bootstrap``, as ``pegbox server start`` and ``server run`` start it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pegbox.bootstrap.home import Home, ServerFacts
from pegbox.errors import PegboxError
from pegbox.settings import home_folder


def main() -> int:
    """Serve the home that ``PEGBOX_HOME`` names; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pegbox.bootstrap")
    parser.add_argument("--auto", action="store_true", help="end when there is nothing to do")
    parser.add_argument("--s3", action="store_true", help="offer the buckets over S3")
    parser.add_argument("--report-fd", type=int, help="descriptor that is told how the start went")
    arguments = parser.parse_args()
    descriptor: int | None = arguments.report_fd
    if descriptor is not None:
        os.set_inheritable(descriptor, False)

    def tell(message: Mapping[str, Any]) -> None:
        nonlocal descriptor
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(descriptor, json.dumps(message).encode() + b"\n")
            os.close(descriptor)
            descriptor = None

    def ready(facts: ServerFacts) -> None:
        if arguments.report_fd is None:
            print(f"The server answers at {facts.url}; stop it with Ctrl-C.", flush=True)
        tell({"ready": asdict(facts)})

    try:
        from pegbox.bootstrap.server import serve

        serve(Home(home_folder()), auto=arguments.auto, s3=arguments.s3, ready=ready)
    except PegboxError as error:
        tell({"error": str(error), "kind": type(error).__name__})
        print(f"pegbox: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        tell({"error": f"{type(error).__name__}: {error}", "kind": "fault"})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
