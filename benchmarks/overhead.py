"""Trials per second of the whole durable path, beside a bare loop that runs the same program.

``python benchmarks/overhead.py [--trials 200] [--rounds 3]``. The program only prints its metric. Pegbox runs it as 200 trials of
one tuning job (strategy Random, 2 in parallel): signed create, code archive, a working directory and a log a trial, metric
extraction, model archive with checksum, every commit. The floor is the same interpreter and the same script, 2 at a time with
``subprocess``, output to a file. Both run in turn, in the same run; the figure is the ratio.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from pegbox.testing.lab import Lab, tuning_request

PROGRAM = """
import sys
print("objective=" + sys.argv[sys.argv.index("--rate") + 1])
"""


def floor(trials: int) -> float:
    """Return trials per second of the bare loop."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(PROGRAM)

        def once(number: int) -> None:
            with open(Path(folder) / f"{number}.log", "wb") as log:
                subprocess.run(
                    [sys.executable, str(script), "--rate", "0.5"], stdout=log, stderr=log, check=True
                )

        began = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(once, range(trials)))
        return trials / (time.perf_counter() - began)


def pegbox(lab: Lab, name: str, trials: int) -> tuple[float, float]:
    """Return trials per second from the create call to ``Completed``, and the server's CPU ms a trial."""
    client = lab.client()
    code = lab.upload_code(PROGRAM)
    server = psutil.Process(lab.start()["pid"])
    before = server.cpu_times()
    began = time.perf_counter()
    client.create_hyper_parameter_tuning_job(**tuning_request(name, code, max_jobs=trials, parallel=2))
    while True:
        described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if described["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    after = server.cpu_times()
    completed = described["TrainingJobStatusCounters"]["Completed"]
    if completed != trials:
        raise SystemExit(f"only {completed} of {trials} trials completed: {described.get('FailureReason')}")
    return trials / seconds, 1000 * (after.user + after.system - before.user - before.system) / trials


def main() -> None:
    """Print one line a round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios = []
    with Lab() as lab:
        lab.start()
        pegbox(lab, "warm-up", 10)
        print(f"{'round':>5} {'floor/s':>9} {'pegbox/s':>9} {'ratio':>7} {'server CPU ms a trial':>22}")
        for number in range(1, options.rounds + 1):
            bare = floor(options.trials)
            ours, cpu = pegbox(lab, f"overhead-{number}", options.trials)
            ratios.append(ours / bare)
            print(f"{number:5d} {bare:9.1f} {ours:9.1f} {ratios[-1]:7.2f} {cpu:22.2f}", flush=True)
    print(f"median ratio to the bare loop: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
