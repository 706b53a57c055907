"""Requests per second and latency of one scikit-learn model, through the whole path and beside other servers, in one run.

``pegbox``: signed requests -> gateway (verifies) -> model server, one instance. ``bare Starlette``: the same predict call inline
in a bare Starlette application under uvicorn, which verifies nothing. Peers (``serving_peers.py``) have one worker process each.
The load comes from ``wrk`` with pre-signed requests, the same headers for all. Rounds are interleaved, the median is shown.

    python benchmarks/serving.py [--seconds 5] [--rounds 3] [--model logistic|forest] [--peers MLflow,BentoML,TorchServe]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import serving_model
import serving_peers

from pegbox.testing.lab import Lab
from pegbox.testing.serving_lab import Figures, deploy, runtime_url, signed, spool_metrics, wrk

CLIENTS = (1, 8, 64)
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextlib.contextmanager
def pegbox(model: Path, kind: str) -> Iterator[tuple[Lab, serving_peers.Peer]]:
    """Our own path: a server, a gateway, one model server."""
    with Lab() as lab:
        lab.start()
        script = Path(serving_model.__file__).read_text()
        deploy(lab, "m", script=script, files={"model.joblib": model.read_bytes()}, environment=THREADS)
        yield (
            lab,
            serving_peers.Peer(f"{runtime_url(lab)}/endpoints/m/invocations", serving_model.BODY, "text/csv"),
        )


def measure(lab: Lab, peer: serving_peers.Peer, clients: int, seconds: float) -> Figures:
    """Load one server."""
    headers = {"Content-Type": peer.content_type, "Accept": "text/csv"}
    if peer.content_type == "application/json":
        headers["Accept"] = "application/json"
    return wrk(
        peer.url, peer.body, signed(lab, peer.url, peer.body, headers), clients=clients, seconds=seconds
    )


def warm_up(lab: Lab, peer: serving_peers.Peer) -> str | None:
    """Have a server load what it loads with its first request; return what is wrong with its answer."""
    headers = signed(lab, peer.url, peer.body, {"Content-Type": peer.content_type})
    try:
        request = urllib.request.Request(peer.url, data=peer.body, headers=headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()
    except OSError as error:
        return str(error)
    measure(lab, peer, 4, 2)
    return None


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=serving_model.MODELS, default="logistic")
    parser.add_argument("--peers", default=",".join(serving_peers.PEERS))
    given = parser.parse_args()
    os.environ.update(THREADS)
    found: dict[tuple[str, int], list[Figures]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="pegbox-serving-") as folder, contextlib.ExitStack() as stack:
        model = Path(folder) / "model.joblib"
        model.write_bytes(serving_model.make_model(given.model))
        lab, ours = stack.enter_context(pegbox(model, given.model))
        servers = {
            "pegbox": ours,
            "bare Starlette": stack.enter_context(serving_peers.bare(model, Path(folder))),
        }
        for name in filter(None, given.peers.split(",")):
            try:
                servers[name] = stack.enter_context(serving_peers.PEERS[name](model, Path(folder)))
            except serving_peers.Unavailable as error:
                print(f"{name} is not measured: {error}", flush=True)
        for name, peer in list(servers.items()):
            warm = measure(lab, peer, 4, 2)
            if warm.errors or not warm.answers:
                print(
                    f"{name} is not measured: {warm.errors} of its first {warm.answers} answers were errors"
                )
                del servers[name]
        for _ in range(given.rounds):
            for clients in CLIENTS:
                for name, peer in servers.items():
                    found[name, clients].append(measure(lab, peer, clients, given.seconds))
        report(found, list(servers))
        added(lab, ours, found, given.seconds)
    return 0


def report(found: dict[tuple[str, int], list[Figures]], names: list[str]) -> None:
    """Print one line per server and number of clients."""
    titles = ("server", "clients", "requests/s", "p50 ms", "p99 ms", "errors", "of bare", "of best peer")
    print("{:15s} {:>7s} {:>10s} {:>8s} {:>8s} {:>7s} {:>8s} {:>13s}".format(*titles))
    for clients in CLIENTS:
        rates = {name: statistics.median(item.requests for item in found[name, clients]) for name in names}
        peers = [rate for name, rate in rates.items() if name not in ("pegbox", "bare Starlette")]
        for name in names:
            items = found[name, clients]
            p50, p99 = (
                statistics.median(getattr(item, key) for item in items) / 1000 for key in ("p50", "p99")
            )
            of_bare = rates[name] / rates["bare Starlette"]
            of_peers = f"{rates[name] / max(peers):12.2f}x" if peers and name == "pegbox" else ""
            errors = sum(item.errors for item in items)
            print(
                f"{name:15s} {clients:7d} {rates[name]:10.0f} {p50:8.3f} {p99:8.3f} {errors:7d} {of_bare:8.2f} {of_peers:>13s}"
            )


def added(
    lab: Lab, ours: serving_peers.Peer, found: dict[tuple[str, int], list[Figures]], seconds: float
) -> None:
    """Print what the gateway adds at one client: by its own count, and as the client sees it."""
    time.sleep(3)  # The gateway writes its counts every two seconds.
    before = len(spool_metrics(lab))
    alone = measure(lab, ours, 1, seconds)
    time.sleep(3)
    lines = spool_metrics(lab)[before:]
    count = sum(line["OverheadLatency"]["count"] for line in lines) or 1
    overhead, model = (
        sum(line[key]["sum"] for line in lines) / count for key in ("OverheadLatency", "ModelLatency")
    )
    print(
        f"at 1 client (mean of {count}): the model server answers the gateway after {model:.0f} us; before it sends, the gateway "
        f"takes {overhead:.0f} us; the client waits {1e6 / alone.requests:.0f} us in all"
    )
    p50, bare = (
        statistics.median(item.p50 for item in found[name, 1]) for name in ("pegbox", "bare Starlette")
    )
    print(
        f"the whole path takes {p50 - bare:.0f} us more than the inline call ({p50:.0f} us against {bare:.0f} us, medians)"
    )


if __name__ == "__main__":
    sys.exit(main())
