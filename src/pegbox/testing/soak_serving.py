"""Serves at half of the peak rate for a long time and watches the memory of every process.

Run ``python -m pegbox.testing.soak_serving --minutes 10``. The peak is measured first. Memory counts as flat when its median in
the last third of the time is not more than 5 % and 4 MB above that in the first third.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import psutil

from pegbox.testing.lab import Lab
from pegbox.testing.serving_lab import Figures, deploy, processes, runtime_url, signed, wrk

NAME = "soak"
BODY = b"5.1,3.5,1.4,0.2\n"
CLIENTS = 32
#: Seconds between looks at the memory, and of one run of the generator: signatures hold a quarter of an hour.
LOOK_SECONDS = 2.0
CHUNK_SECONDS = 120.0
#: What memory may grow by: a share, and bytes.
SHARE, BYTES = 1.05, 4 * 2**20


class Watch:
    """Notes the memory of a lab's processes until told to stop."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stopped = threading.Event()
        #: (kind, process id) -> bytes of memory of its own, over time.
        self.sizes: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        watched = [(kind, item) for kind, found in processes(self._lab).items() for item in found]
        while not self._stopped.wait(LOOK_SECONDS):
            for kind, process in watched:
                try:
                    self.sizes[kind, process.pid].append(process.memory_full_info().uss)
                except psutil.Error:
                    self.sizes[kind, process.pid].append(0)


def judge(sizes: list[int]) -> tuple[float, float, bool]:
    """Return the medians of the first and last third in bytes, and whether memory was flat."""
    third = max(1, len(sizes) // 3)
    first, last = statistics.median(sizes[:third]), statistics.median(sizes[-third:])
    return first, last, last <= max(first * SHARE, first + BYTES) and min(sizes) > 0


def run(minutes: float, instances: int) -> int:
    """Soak and print the table; return the exit status."""
    with Lab() as lab:
        lab.start()
        deploy(lab, NAME, instances=instances)
        url = f"{runtime_url(lab)}/endpoints/{NAME}/invocations"

        def load(seconds: float, delay_ms: int) -> Figures:
            headers = signed(lab, url, BODY, {"Content-Type": "text/csv"})
            return wrk(url, BODY, headers, clients=CLIENTS, seconds=seconds, delay_ms=delay_ms)

        load(5, 0)
        peak = load(10, 0).requests
        wanted = CLIENTS / (peak / 2) * 1000
        # A client's round takes its pause and the answer's time; the first guess tells how long the latter is.
        reached = CLIENTS / load(5, max(1, round(wanted))).requests * 1000
        delay = max(1, round(2 * wanted - reached))
        watch = Watch(lab)
        ended = time.monotonic() + minutes * 60
        figures: list[Figures] = []
        try:
            while (left := ended - time.monotonic()) > 1:
                figures.append(load(min(left, CHUNK_SECONDS), delay))
        finally:
            watch.stop()
    answers = sum(item.answers for item in figures)
    errors = sum(item.errors for item in figures)
    rate = statistics.mean(item.requests for item in figures)
    p50, p99 = (statistics.median(getattr(item, key) for item in figures) / 1000 for key in ("p50", "p99"))
    print(f"peak {peak:.0f} requests/s; soaked {minutes:g} min at {rate:.0f} requests/s ({rate / peak:.0%})")
    print(f"{answers} answers, {errors} errors, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    print(f"{'process':15s} {'first third MB':>15s} {'last third MB':>15s} {'most MB':>9s}  memory")
    flat = not errors
    for (kind, _), sizes in sorted(watch.sizes.items()):
        first, last, good = judge(sizes)
        flat = flat and good
        words = "flat" if good else "GROWS"
        print(f"{kind:15s} {first / 2**20:15.1f} {last / 2**20:15.1f} {max(sizes) / 2**20:9.1f}  {words}")
    return 0 if flat else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when memory grew or a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--instances", type=int, default=1)
    given = parser.parse_args(arguments)
    return run(given.minutes, given.instances)


if __name__ == "__main__":
    sys.exit(main())
