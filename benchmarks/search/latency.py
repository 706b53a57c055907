"""How long a suggestion takes, and what the room costs to import and to hold.

    python benchmarks/search/latency.py [--repeats 20] [--json FILE]

CPU milliseconds of `suggest` (process time, so that other programs on the machine matter less), one BLAS thread,
p50 / p95. "warm": a memory that has followed the job; "empty": a new one for each call. Each n runs in a process of
its own, whose peak memory is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

CASES = [(50, 7), (100, 10), (1000, 10), (10000, 10)]


def _child(n: int, d: int, repeats: int) -> dict:
    import numpy as np

    from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
    from pegbox.strategies import Memory, Observation, suggest

    rng = np.random.default_rng(0)
    space = Space(
        [
            ContinuousRange(f"x{i}", 1e-3, 1.0, Scaling.LOGARITHMIC if i % 2 else Scaling.LINEAR)
            for i in range(d - 3)
        ]
        + [IntegerRange("i", 1, 20), IntegerRange("j", 1, 500), CategoricalRange("c", ("a", "b", "c"))]
    )

    def loss(v):
        u = space.encode(v)
        return float(
            ((u[: d - 1] - 0.4) ** 2 * np.arange(1, d)).sum() + 0.1 * (v["c"] != "b") + 0.01 * rng.normal()
        )

    # a history as a search makes it: half spread out, half around the best
    drawn = [s.values for s in suggest("Random", space, (), (), n + repeats, (5, 0), maximize=False)]
    history = []
    for i, values in enumerate(drawn):
        if i % 2:
            near = 0.4 + 0.1 * rng.normal(size=d)
            near[d - 1] = rng.integers(3)
            values = space.decode(space.encoding.snap(near[None])[0])
        history.append(Observation(i, values, loss(values)))
    memory = Memory()
    suggest("Bayesian", space, history[: n - 1], (), 1, (1, n - 1), maximize=False, memory=memory)
    times = {"warm": [], "empty": []}
    for k in range(repeats):
        for name, keep in (("warm", memory), ("empty", Memory())):
            start = time.process_time()
            suggest("Bayesian", space, history[: n + k], (), 1, (1, n + k), maximize=False, memory=keep)
            times[name].append(1e3 * (time.process_time() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = {"n": n, "d": d, "peak_mb": round(peak, 1)}
    for name, values in times.items():
        row[f"{name}_p50"] = round(float(np.percentile(values, 50)), 1)
        row[f"{name}_p95"] = round(float(np.percentile(values, 95)), 1)
    return row


def _import_seconds() -> dict:
    code = "import time; t = time.process_time(); {0}; print(time.process_time() - t)"
    row = {}
    statements = (
        "import numpy",
        "from pegbox.strategies import suggest",
        "import scipy.linalg, scipy.special",
    )
    for name in statements:
        runs = [
            float(
                subprocess.run(
                    [sys.executable, "-c", code.format(name)], capture_output=True, check=True
                ).stdout
            )
            for _ in range(5)
        ]
        row[name] = round(sorted(runs)[2], 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", default="")
    parser.add_argument("--child", nargs=2, type=int)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(_child(*args.child, args.repeats)))
        return
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    rows = []
    print("| n | d | warm p50 | warm p95 | empty p50 | empty p95 | peak MB |\n|" + " ---: |" * 7)
    for n, d in CASES:
        command = [sys.executable, __file__, "--repeats", str(args.repeats), "--child", str(n), str(d)]
        row = json.loads(subprocess.run(command, capture_output=True, check=True, env=env).stdout)
        rows.append(row)
        print(
            "| {n} | {d} | {warm_p50} | {warm_p95} | {empty_p50} | {empty_p95} | {peak_mb} |".format(**row),
            flush=True,
        )
    seconds = _import_seconds()
    print("\nimport, CPU seconds: " + ", ".join(f"{name} {value}" for name, value in seconds.items()))
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"latency": rows, "import": seconds}, file, indent=1)


if __name__ == "__main__":
    main()
