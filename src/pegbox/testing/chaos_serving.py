"""Kills processes with ``kill -9`` while an endpoint of two instances is under steady load, and counts what clients notice.

Run ``python -m pegbox.testing.chaos_serving --cycles 100 --victims server,model,agent``. A request is lost when its client has no
complete answer; an answer with an error is counted apart, by its code. A model server or an agent is killed only while two
instances are in service, because with one there is nobody else to answer. A killed server is started anew. At the end the
endpoint is deleted and no model server may be left.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from pegbox.testing.lab import Lab
from pegbox.testing.serving_lab import Caller, delete, deploy, processes, runtime_url, signed

VICTIMS = ("server", "model", "agent", "gateway")
NAME = "chaos"
INSTANCES = 2
#: Seconds for both instances to be in service again after a kill.
RECOVERY_SECONDS = 120.0
#: Seconds after which signatures are made anew.
SIGNED_SECONDS = 300.0


@dataclass
class Verdict:
    """What a chaos run found.

    Attributes:
        kills: Number of kills by victim.
        answered: Requests with the right answer.
        errors: Answers with an error, by code.
        lost: Requests without a complete answer, by what happened.
        lost_at_gateway: Those of them that were on their way while the gateway was killed.
        longest_gap: Longest time without a right answer, in seconds.
        slowest: Slowest right answer, in seconds.
        recovery: Seconds until two instances were in service again, per kill.
        left: Processes that were left over.
        faults: Everything else that is not as it must be.
    """

    kills: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    lost_at_gateway: int = 0
    longest_gap: float = 0.0
    slowest: float = 0.0
    recovery: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something happened that may not."""
        lost = sum(self.lost.values()) - self.lost_at_gateway
        return bool(lost or self.left or self.faults)

    def summary(self) -> str:
        """Return the figures as lines of text."""
        killed = ", ".join(f"{number} of {victim}" for victim, number in sorted(self.kills.items()))
        errors = ", ".join(f"{number} {code}" for code, number in sorted(self.errors.items()))
        lost = ", ".join(f"{number} {words}" for words, number in sorted(self.lost.items()))
        times = sorted(self.recovery) or [0.0]
        lines = [
            f"kill -9          {killed}",
            f"answered         {self.answered}",
            f"errors           {sum(self.errors.values())}{f' ({errors})' if errors else ''}",
            f"lost             {sum(self.lost.values())}{f' ({lost})' if lost else ''}, "
            f"{self.lost_at_gateway} of them while the gateway itself was killed",
            f"longest gap      {self.longest_gap:.2f} s between right answers; slowest answer {self.slowest:.2f} s",
            f"two in service   again after {times[len(times) // 2]:.2f} s (median), {times[-1]:.2f} s (worst)",
            f"left over        {len(self.left)} processes",
        ]
        if not sum(self.lost.values()):
            bound = 3 / max(self.answered, 1)
            lines.append(f"0 lost: at most {bound:.6f} of the requests (3/N, 95 %)")
        return "\n".join([*lines, *self.left[:20], *self.faults[:20]])


class Load:
    """Clients that each call the endpoint at a steady rate and check every answer.

    Args:
        lab: The lab.
        verdict: Where answers are counted.
        clients: How many clients.
        rate: Requests per second of all together.
    """

    def __init__(self, lab: Lab, verdict: Verdict, *, clients: int, rate: float) -> None:
        self._lab = lab
        self._verdict = verdict
        self._pause = clients / rate
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._last = time.monotonic()
        #: Times between which requests may be lost because the gateway was killed.
        self.gateway_down: list[tuple[float, float]] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client have its last answer."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self._verdict.faults.append("a request was left hanging")

    def _run(self, number: int) -> None:
        url = f"{runtime_url(self._lab)}/endpoints/{NAME}/invocations"
        caller = Caller(url)
        body = f"client,{number}\n".encode()
        headers: dict[str, str] = {}
        made = -SIGNED_SECONDS
        following = time.monotonic()
        while not self._stopped.is_set():
            if time.monotonic() - made > SIGNED_SECONDS:
                headers = signed(self._lab, url, body, {"Content-Type": "text/csv"})
                made = time.monotonic()
            following = max(following + self._pause, time.monotonic() - 1.0)
            began = time.monotonic()
            try:
                status, code, answer = caller.call(body, headers)
            except (OSError, http.client.HTTPException) as error:
                self._lost(error, began)
                time.sleep(0.05)
                continue
            self._answered(status, code, answer == body, began)
            time.sleep(max(0.0, following - time.monotonic()))
        caller.close()

    def _answered(self, status: int, code: str, right: bool, began: float) -> None:
        now = time.monotonic()
        verdict = self._verdict
        with self._lock:
            if status != 200:
                verdict.errors[code or str(status)] += 1
            elif not right:
                verdict.faults.append("an answer was not the one to its request")
            else:
                verdict.answered += 1
                verdict.longest_gap = max(verdict.longest_gap, now - self._last)
                verdict.slowest = max(verdict.slowest, now - began)
                self._last = now

    def _lost(self, error: Exception, began: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._verdict.lost[type(error).__name__] += 1
            if any(began <= until and now >= since for since, until in self.gateway_down):
                self._verdict.lost_at_gateway += 1


class _Run:
    def __init__(self, lab: Lab, rng: random.Random, victims: Sequence[str], verdict: Verdict) -> None:
        self._lab, self._rng, self._victims, self._verdict = lab, rng, victims, verdict
        lab.launch()
        deploy(lab, NAME, instances=INSTANCES)

    def cycle(self, load: Load) -> None:
        """Let it serve for a moment, then kill something and wait until two instances are in service."""
        time.sleep(self._rng.uniform(0.1, 1.5))
        victim = self._rng.choice(list(self._victims))
        began = time.monotonic()
        if victim == "server":
            self._lab.kill_server()
            time.sleep(self._rng.uniform(0.0, 0.5))
            self._lab.launch()
        elif not self._kill_one(victim, load):
            return
        self._verdict.kills[victim] += 1
        deadline = time.monotonic() + RECOVERY_SECONDS
        while not self._whole():
            if time.monotonic() > deadline:
                self._verdict.faults.append(
                    f"after the kill of a {victim} there were not two instances again"
                )
                return
            time.sleep(0.05)
        self._verdict.recovery.append(time.monotonic() - began)

    def _kill_one(self, victim: str, load: Load) -> bool:
        kind = {"model": "model servers", "agent": "agents", "gateway": "gateway"}[victim]
        found = processes(self._lab)[kind]
        if not found:
            return False
        chosen = self._rng.choice(found)
        if victim == "gateway":
            load.gateway_down.append((time.monotonic(), time.monotonic() + 15.0))
        try:
            chosen.kill()
        except psutil.Error:
            return False
        return True

    def _whole(self) -> bool:
        """Whether two instances that live are routed to."""
        try:
            routes = json.loads((self._lab.home / "gateway" / "routes.json").read_bytes())
            variants = routes["endpoints"][NAME]["variants"]
        except (OSError, ValueError, KeyError):
            return False
        found = processes(self._lab)
        return (
            sum(len(variant["instances"]) for variant in variants) == INSTANCES
            and len(found["model servers"]) >= INSTANCES
            and bool(found["gateway"])
            and bool(found["server"])
        )

    def finish(self) -> None:
        """Delete the endpoint and look for what is left."""
        delete(self._lab, NAME)
        deadline = time.monotonic() + 120.0
        while time.monotonic() < deadline:
            found = processes(self._lab)
            left = found["model servers"] + found["agents"]
            if not left:
                break
            time.sleep(0.2)
        self._verdict.left = [f"{item.pid}: {' '.join(item.cmdline())[:200]}" for item in left]


def run(cycles: int, seed: int, victims: Sequence[str], *, clients: int = 8, rate: float = 100.0) -> Verdict:
    """Run ``cycles`` kills with the schedule that ``seed`` draws and return the verdict."""
    verdict = Verdict()
    with Lab({"PEGBOX_AGENT_IDLE_SECONDS": "2"}) as lab:
        work = _Run(lab, random.Random(seed), victims, verdict)
        load = Load(lab, verdict, clients=clients, rate=rate)
        try:
            for number in range(cycles):
                work.cycle(load)
                if sys.stderr.isatty():
                    print(f"\rcycle {number + 1}/{cycles}", end="", file=sys.stderr)
            time.sleep(1.0)
        finally:
            load.stop()
        work.finish()
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when a request was lost or a process left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--victims", default="server,model,agent", help=f"of {', '.join(VICTIMS)}")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float, default=100.0, help="requests per second")
    given = parser.parse_args(arguments)
    victims = given.victims.split(",")
    unknown = set(victims) - set(VICTIMS)
    if unknown:
        parser.error(
            f"--victims {given.victims}: unknown {', '.join(sorted(unknown))}; there are {', '.join(VICTIMS)}"
        )
    print(f"{given.cycles} cycles, seed {given.seed}", flush=True)
    verdict = run(given.cycles, given.seed, victims, clients=given.clients, rate=given.rate)
    print(verdict.summary())
    return 1 if verdict.failed else 0


if __name__ == "__main__":
    sys.exit(main())
