"""Kills processes with ``kill -9`` while tuning jobs run, again and again, and counts what was lost.

Run ``python -m pegbox.testing.chaos --cycles 200 --victims server,agent,suggester``. Four tuning jobs are kept going, and
further ones are created while the kill happens. A killed server is started anew. At the end every acknowledged tuning job must
have run exactly its number of trials, each attempt's program at most once and never two of a trial at a time, with counters
that agree with the list, and no process may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pegbox.testing.chaos_work import RETRIES, Work
from pegbox.testing.lab import Lab

VICTIMS = ("server", "agent", "suggester")
#: Seconds given to a victim to appear.
VICTIM_SECONDS = 60.0


@dataclass
class Verdict:
    """What a chaos run found.

    Attributes:
        kills: Number of kills by victim.
        tuning_jobs: Tuning jobs that exist at the end.
        trials: Their trials.
        stopped: Those of them that were told to stop.
        unanswered: Creations that were not answered and have not come about, as they may.
        ready_seconds: From the start of a server's process until it is ready.
        answer_seconds: From the kill of a server until a client's request is answered by the next.
        faults: Everything that is not as it must be.
    """

    kills: Counter[str] = field(default_factory=Counter)
    tuning_jobs: int = 0
    trials: int = 0
    stopped: int = 0
    unanswered: int = 0
    ready_seconds: list[float] = field(default_factory=list)
    answer_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the figures as lines of text; zeros with the bound that N runs can show (3/N, 95 %)."""
        killed = ", ".join(f"{number} of {victim}" for victim, number in sorted(self.kills.items()))
        lines = [
            f"kill -9              {killed}",
            f"tuning jobs, trials  {self.tuning_jobs} ({self.stopped} told to stop), {self.trials}",
            f"unanswered           {self.unanswered} creations that have not come about, as they may",
            f"recovery             {_times(self.ready_seconds)} from the start of the process until it is ready",
            f"                     {_times(self.answer_seconds)} from the kill until a request is answered",
            f"faults               {len(self.faults)}",
        ]
        if not self.faults:
            kills = max(sum(self.kills.values()), 1)
            per_kill, per_trial = 3 / kills, 3 / max(self.trials, 1)
            lines.append(
                f"0 lost, 0 doubled, 0 orphans: at most {per_kill:.3f} a kill, {per_trial:.5f} a trial (3/N)"
            )
        return "\n".join([*lines, *self.faults[:50]])


def _times(seconds: list[float]) -> str:
    found = sorted(seconds) or [0.0]
    return f"median {statistics.median(found):.2f} s, worst {found[-1]:.2f} s"


class _Run:
    def __init__(self, lab: Lab, rng: random.Random, victims: Sequence[str], verdict: Verdict) -> None:
        self.lab, self.rng, self.victims, self.verdict = lab, rng, victims, verdict
        lab.launch()
        self.work = Work(lab, rng, retries=RETRIES if set(victims) - {"server"} else 0)
        self.suggesters: list[psutil.Process] = []

    def cycle(self) -> None:
        """Let it work for a moment, then kill something."""
        self.work.top_up()
        pause = self.rng.uniform(0.05, 1.0)
        race = self.work.race(pause + 0.2) if self.rng.random() < 0.3 else None
        time.sleep(pause)
        victim = self.rng.choice(self.victims)
        if victim == "server":
            self._kill_server()
        else:
            self._kill_one(victim)
        if race is not None:
            race.join()

    def _kill_one(self, victim: str) -> None:
        """Kill an agent or a suggester; after a kill of the server it may take a while until there is one again."""
        deadline = time.monotonic() + VICTIM_SECONDS
        while time.monotonic() < deadline:
            found = self.lab.agents() if victim == "agent" else self.lab.suggesters()
            with contextlib.suppress(psutil.NoSuchProcess):
                if found:
                    self.rng.choice(found).kill()
                    self.verdict.kills[victim] += 1
                    return
            time.sleep(0.02)
            self.work.top_up()

    def _kill_server(self) -> None:
        self.suggesters += self.lab.suggesters()
        began = time.monotonic()
        self.lab.kill_server()
        self.verdict.kills["server"] += 1
        self.verdict.ready_seconds.append(self.lab.launch())
        self.work.client.list_hyper_parameter_tuning_jobs(MaxResults=1)
        self.verdict.answer_seconds.append(time.monotonic() - began)

    def judge(self) -> None:
        """Wait for the end of all work and look for what is wrong."""
        self.work.drain()
        self.work.settle()
        self.work.drain()
        self.verdict.faults = self.work.faults()
        self.verdict.faults += [
            f"suggester {process.pid} has outlived its server"
            for process in self.suggesters
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
        self.verdict.tuning_jobs = len(self.work.expected)
        self.verdict.trials = self.work.trials()
        self.verdict.stopped = len(set(self.work.stopped) & set(self.work.expected))
        self.verdict.unanswered = len(self.work.unanswered)


def run(cycles: int, seed: int, victims: Sequence[str] = ("server",)) -> Verdict:
    """Run ``cycles`` kills with the schedule that ``seed`` draws and return the verdict."""
    verdict = Verdict()
    with Lab() as lab:
        work = _Run(lab, random.Random(seed), victims, verdict)
        for number in range(cycles):
            work.cycle()
            if sys.stderr.isatty():
                print(f"\rcycle {number + 1}/{cycles}", end="", file=sys.stderr)
        work.judge()
        if verdict.faults:
            kept = Path.cwd() / "chaos-evidence"
            print(f"server log kept in {kept}", file=sys.stderr)
            kept.mkdir(exist_ok=True)
            (kept / "server.log").write_bytes((lab.home / "logs" / "server.log").read_bytes())
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when anything was lost, doubled or left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--victims", default="server", help=f"one or more of {','.join(VICTIMS)}")
    options = parser.parse_args(arguments)
    victims = options.victims.split(",")
    if not set(victims) <= set(VICTIMS):
        parser.error(f"--victims {options.victims}: give one or more of {','.join(VICTIMS)}")
    print(f"seed {options.seed}", flush=True)
    verdict = run(options.cycles, options.seed, victims)
    print(verdict.summary())
    if verdict.faults:
        again = f"--cycles {options.cycles} --seed {options.seed} --victims {options.victims}"
        print(f"again with: python -m pegbox.testing.chaos {again}")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
