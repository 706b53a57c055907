"""Attacks a real server: forged requests, hostile calls, foreign web pages, foreign users.

Run ``python -m pegbox.testing.attack``. Nothing forged may be accepted, no answer may be of the 5xx class, no page of
another site may pass, and no other user may read a key. Every attack has a number; a failing one is printed with the
command that repeats it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from random import Random
from urllib.parse import urlsplit

import psutil

from pegbox.testing.attack_calls import Calls
from pegbox.testing.foreigners import page_attacks, readable_to_others
from pegbox.testing.fuzz import FuzzedCall
from pegbox.testing.lab import Lab
from pegbox.testing.raw_http import Answer, RawConnection, to_bytes
from pegbox.testing.signature_mutations import Key, mutants, signed_request
from pegbox.wire import Request, load_models, sign_request

#: An answer that takes longer is a fault: one client could hold up the others.
SLOW_SECONDS = 25.0
_THREADS = 4
#: Calls between two moments at which jobs that were created are stopped.
_ROUND = 1_000
#: Lines of the server's log that no client may be able to cause.
_FAULT_LINES = (
    "unhandled fault",
    "step failed",
    "could not be applied",
    "could not be planned",
    "an effect failed",
)


@dataclass
class Verdict:
    """What an attack found.

    Attributes:
        forged: Forged requests sent.
        calls: Hostile calls sent.
        pages: Requests of foreign web pages sent.
        files: Files of the home that were tried as another user.
        statuses: Number of answers to the calls by HTTP status.
        seconds: Time of each answer.
        memory: Resident megabytes of the server before the attack, after a tenth of it, and at its end.
        faults: Everything that is not as it must be.
        counts: Number of faults by kind.
    """

    forged: int = 0
    calls: int = 0
    pages: int = 0
    files: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def fault(self, kind: str, text: str) -> None:
        """Note a fault of a kind."""
        self.counts[kind] += 1
        self.faults.append(f"{kind}: {text}")

    def summary(self) -> str:
        """Return the figures as lines of text; zeros with the bound that N tries can show (3/N, 95 %)."""
        times = sorted(self.seconds) or [0.0]
        lines = [
            self._figure("forged requests", self.forged, "accepted"),
            self._figure("hostile calls", self.calls, "met a fault of the server"),
            self._figure("requests of foreign pages", self.pages, "passed"),
            self._figure("files tried as another user", self.files, "could be reached"),
            f"answers to calls by status: {dict(sorted(self.statuses.items()))}",
            f"time of an answer: median {1000 * statistics.median(times):.2f} ms, worst {times[-1]:.2f} s",
            f"server's memory: {' -> '.join(f'{size:.0f}' for size in self.memory)} MB (before, after a tenth, at the end)",
            f"faults: {len(self.faults)}",
        ]
        return "\n".join([*lines, *self.faults[:50]])

    def _figure(self, name: str, number: int, what: str) -> str:
        count = self.counts[what]
        bound = "" if count or not number else f" (at most {3 / number:.1e} of all such, 3/N)"
        return f"{name}: {number}, {count} {what}{bound}"


class _Attack:
    """One run against one server."""

    def __init__(self, lab: Lab, seed: int, verdict: Verdict) -> None:
        self.lab, self.seed, self.verdict = lab, seed, verdict
        state = lab.start()
        address = urlsplit(state["url"])
        self.host, self.port = address.hostname or "127.0.0.1", address.port or 80
        self.key = Key(**lab.keys)
        self.process = psutil.Process(state["pid"])
        self._lock = threading.Lock()
        self.remember()

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    def remember(self) -> None:
        """Note the server's memory."""
        self.verdict.memory.append(self.process.memory_info().rss / 2**20)

    def fault(self, kind: str, text: str) -> None:
        with self._lock:
            self.verdict.fault(kind, text)

    def each(self, numbers: range, one: Callable[[RawConnection, int], Answer]) -> None:
        """Do one thing for every number, on a few connections at a time."""

        def some(part: range) -> list[Answer]:
            with RawConnection(self.host, self.port) as connection:
                return [one(connection, number) for number in part]

        with ThreadPoolExecutor(_THREADS) as pool:
            for answers in pool.map(some, [numbers[i::_THREADS] for i in range(_THREADS)]):
                self.verdict.seconds += [answer.seconds for answer in answers]

    def forge(self, numbers: range) -> None:
        """Send forged requests; none may be accepted."""

        def now() -> datetime:
            return datetime.now(timezone.utc)

        def one(connection: RawConnection, number: int) -> Answer:
            seed = self.seed * 10**9 + number
            mutant = next(mutants(self.key, now(), seed, host=self.authority, fresh=now))
            answer = connection.exchange(to_bytes(mutant.request))
            if answer.accepted or answer.status >= 500:
                again = self.again(number, "--mutations 1 --calls 0")
                self.fault("accepted", f"{mutant.what}: {answer.status} to {mutant.request}; {again}")
            return answer

        self._check_that_good_ones_pass()
        self.each(numbers, one)
        self.verdict.forged += len(numbers)

    def _check_that_good_ones_pass(self) -> None:
        """A door that lets nobody in would pass for a good one."""
        rng = Random(self.seed)
        with RawConnection(self.host, self.port) as connection:
            for _ in range(20):
                request = signed_request(rng, self.key, datetime.now(timezone.utc), self.authority)
                answer = connection.exchange(to_bytes(request))
                if not answer.accepted:
                    self.fault("met a fault of the server", f"{answer.status} to a good request: {request}")

    def call(self, numbers: range) -> None:
        """Send hostile calls with good signatures; none may meet a fault of the server."""
        calls = Calls(self.lab, load_models(), self.seed)

        def one(connection: RawConnection, number: int) -> Answer:
            call = calls.call(number)
            answer = connection.exchange(to_bytes(self.signed(call)))
            with self._lock:
                self.verdict.statuses[answer.status] += 1
            if answer.status == 0 or answer.status >= 500 or answer.seconds > SLOW_SECONDS:
                again = self.again(number, "--mutations 0 --calls 1")
                said = answer.body[:200].decode(errors="replace")
                text = f"{call.what}: {answer.status} after {answer.seconds:.1f} s: {said!r}; {again}"
                self.fault("met a fault of the server", text)
            return answer

        for begin in range(0, len(numbers), _ROUND):
            self.each(numbers[begin : begin + _ROUND], one)
            calls.settle(self.lab.client())
            if begin <= len(numbers) // 10 < begin + _ROUND:
                self.remember()
        self.verdict.calls += len(numbers)

    def signed(self, call: FuzzedCall) -> Request:
        """Return a call, signed as it stands."""
        request = call.request
        target = request.path + (f"?{request.query}" if request.query else "")
        headers = sign_request(
            request.method,
            f"http://{self.authority}{target}",
            headers={name: value for name, value in request.headers if name != "host"},
            body=request.body,
            access_key_id=self.key.access_key_id,
            secret_access_key=self.key.secret_access_key,
            region=self.key.region,
            service=call.signing_name,
            now=datetime.now(timezone.utc),
        )
        return Request.of(request.method, target, headers.items(), request.body)

    def knock(self) -> None:
        """Send what a web page of another site could make a browser send; nothing may pass."""
        with RawConnection(self.host, self.port) as connection:
            for what, request in page_attacks(self.key, self.authority, datetime.now(timezone.utc)):
                answer = connection.exchange(request)
                self.verdict.pages += 1
                if answer.status not in (400, 403, 0):
                    self.fault("passed", f"{answer.status} to {what}")
            health = f"GET /healthz HTTP/1.1\r\nHost: {self.authority}\r\n\r\n".encode()
            if connection.exchange(health).status != 200:
                self.fault("met a fault of the server", "it no longer answers its owner")

    def peek(self) -> None:
        """Try every file of the home as another user."""
        self.verdict.files, readable = readable_to_others(self.lab.home)
        for text in readable:
            self.fault("could be reached", text)

    def finish(self) -> None:
        """Look at what the server has become."""
        self.remember()
        if self.lab.start()["pid"] != self.process.pid:
            self.fault("met a fault of the server", "its process has ended")
        logs = [path.read_text(errors="replace") for path in (self.lab.home / "logs").glob("server.log*")]
        for line in "".join(logs).splitlines():
            if any(words in line for words in _FAULT_LINES):
                self.fault("met a fault of the server", f"its log says: {line[:300]}")

    def again(self, number: int, what: str) -> str:
        return f"again with: python -m pegbox.testing.attack --seed {self.seed} --start {number} {what}"


def run(mutations: int, calls: int, *, seed: int = 20261123, start: int = 0) -> Verdict:
    """Attack a server in a home of its own and return the verdict.

    Args:
        mutations: How many forged requests.
        calls: How many hostile calls.
        seed: What all choices come from.
        start: Number of the first forged request and of the first call.
    """
    verdict = Verdict()
    with Lab({"PEGBOX_GRACE_SECONDS": "0.5"}) as lab:
        attack = _Attack(lab, seed, verdict)
        attack.forge(range(start, start + mutations))
        attack.call(range(start, start + calls))
        attack.knock()
        attack.peek()
        attack.finish()
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when anything got through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=100_000, help="number of forged requests")
    parser.add_argument("--calls", type=int, default=100_000, help="number of hostile calls")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--start", type=int, default=0, help="number of the first of each, to repeat one")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    verdict = run(options.mutations, options.calls, seed=options.seed, start=options.start)
    print(verdict.summary())
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
