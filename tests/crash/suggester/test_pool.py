"""Suggestion processes that are killed, hang, grow or lie; with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.suggester import SuggesterPool
from pegbox.suggester.process import ProcessPolicy

SPACE = {
    "parameters": [
        {"kind": "continuous", "name": "x", "low": 0.0, "high": 1.0, "scaling": "Linear"},
        {"kind": "integer", "name": "n", "low": 1, "high": 9, "scaling": "Linear"},
    ]
}

#: Speaks the protocol and misbehaves as the space's first key says, unless the strategy is Random.
ODD = r"""
import json, os, sys, time
def read(n):
    data = b""
    while len(data) < n:
        part = os.read(0, n - len(data))
        if not part: sys.exit()
        data += part
    return data
def write(message):
    body = json.dumps(message).encode()
    os.write(1, len(body).to_bytes(4, "big") + body)
write({"ready": True})
while True:
    request = json.loads(read(int.from_bytes(read(4), "big")))
    how = next(iter(request["space"]))
    answer = {"id": request["id"], "numerics": "odd", "suggestions": [{"values": {"x": request["strategy"]}}] * request["count"]}
    if request["strategy"] != "Random":
        if how == "hang":
            if request["space"][how] != 1: open(request["space"][how], "w").close()
            time.sleep(1000)
        if how == "crash": os.abort()
        if how == "exit": sys.exit(3)
        if how == "garbage": os.write(1, b"\x00\x00\x00\x03abc"); continue
        if how == "other": answer["id"] = -1
        if how == "nothing": answer["suggestions"] = []
        if how == "slow": time.sleep(0.3)
    if how == "pid": answer["suggestions"][0]["values"]["x"] = os.getpid()
    if how == "parents": answer["suggestions"][0]["values"]["x"] = request["parents"]
    if how == "history": answer["suggestions"][0]["values"]["x"] = [request["keep"], len(request["tail"])]
    write(answer)
"""


class Answers:
    """Collects answers of a pool."""

    def __init__(self, pool: SuggesterPool) -> None:
        self._pool = pool
        self._came = threading.Condition()
        self.items: list[tuple[int, SuggestAnswer]] = []

    def ask(self, job: int = 1, space: dict[str, Any] | None = None, **changes: Any) -> None:
        """Send a request."""
        given: dict[str, Any] = {
            "strategy": "Bayesian", "history": (), "pending": (), "count": 1, "seed": (1, 1), "maximize": True, **changes,
        }  # fmt: skip
        request = SuggestRequest(job_id=job, space=space or SPACE, **given)
        self._pool.request(request, lambda answer: self._take(job, answer))

    def _take(self, job: int, answer: SuggestAnswer) -> None:
        with self._came:
            self.items.append((job, answer))
            self._came.notify_all()

    def wait(self, count: int, seconds: float = 120.0) -> list[tuple[int, SuggestAnswer]]:
        """Return the answers once there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.items) >= count, seconds), self.items
            return list(self.items)

    def one(self, **request: Any) -> SuggestAnswer:
        """Send a request and return its answer."""
        count = len(self.items)
        self.ask(**request)
        return self.wait(count + 1)[count][1]


@pytest.fixture
def make_pool(tmp_path: Path) -> Iterator[Callable[..., Answers]]:
    """Make pools, of odd processes unless told otherwise; closed at the end, with no process left."""
    odd = tmp_path / "odd.py"
    odd.write_text(ODD)
    pools: list[SuggesterPool] = []

    def make(
        *,
        real: bool = False,
        seconds: float = 120.0,
        memory_mb: int = 4096,
        command: tuple[str, ...] = (sys.executable, "-I", "-S", str(odd)),
        **arguments: Any,
    ) -> Answers:
        chosen = {} if real else {"command": command}
        pool = SuggesterPool(
            policy=ProcessPolicy(seconds=seconds, memory_mb=memory_mb, **chosen), **arguments
        )
        pools.append(pool)
        return Answers(pool)

    yield make
    before = [pid for pool in pools for pid in pool.processes()]
    for pool in pools:
        pool.close()
    assert not [pid for pid in before if psutil.pid_exists(pid)]


def history(count: int) -> list[dict[str, Any]]:
    """Return finished trials."""
    return [
        {"number": i, "values": {"x": i / count, "n": 1 + i % 9}, "objective": -((i / count - 0.3) ** 2)}
        for i in range(count)
    ]


def test_real_suggestions_equal_those_of_a_direct_call(make_pool: Callable[..., Answers]) -> None:
    """A process gives exactly what the pure function gives, whether the history came whole or in parts."""
    from pegbox.space import Space
    from pegbox.strategies import NUMERICS_VERSION, Observation, suggest

    code = (
        "import json, sys; from pegbox.space import Space; from pegbox.strategies import Observation, suggest;"
        "d = json.load(sys.stdin); print(json.dumps([s.to_json() for s in suggest('Bayesian', Space.from_json(d[0]),"
        "[Observation.from_json(i) for i in d[1]], [], 1, [7, 8], maximize=True, budget=20)]))"
    )
    answers = make_pool(real=True)
    for count in (2, 6, 7, 3):
        got = answers.one(history=history(count), seed=(7, 8), budget=20)
        assert got.fault is None
        assert got.numerics == NUMERICS_VERSION
        wanted = suggest(
            "Bayesian", Space.from_json(SPACE), [Observation.from_json(item) for item in history(count)], [], 1,
            [7, 8], maximize=True, budget=20,
        )  # fmt: skip
        assert list(got.suggestions) == [item.to_json() for item in wanted], code


def test_the_server_side_loads_no_numerics() -> None:
    """Making a pool and asking it loads neither numpy nor the strategies into the server."""
    code = (
        "import sys, threading; from pegbox.suggester import SuggesterPool; "
        "from pegbox.ports.suggester import SuggestRequest; pool = SuggesterPool(); came = threading.Event(); "
        f"pool.request(SuggestRequest(job_id=1, strategy='Random', space={SPACE!r}, history=(), pending=(), count=1, "
        "seed=(1, 1), maximize=True), lambda answer: came.set()); assert came.wait(60); pool.close(); "
        "print(*(name for name in ('numpy', 'scipy', 'pegbox.strategies', 'pegbox.space') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("how", ["hang", "crash", "exit", "garbage", "other", "nothing"])
def test_a_bad_process_is_replaced_and_random_values_are_used(
    make_pool: Callable[..., Answers], how: str
) -> None:
    """Whatever a process does, the answer comes, once, from Random, and says why; the next request works."""
    answers = make_pool(seconds=5.0 if how == "hang" else 120.0)
    answer = answers.one(space={how: 1}, count=2)
    assert [item["values"]["x"] for item in answer.suggestions] == ["Random", "Random"]
    assert answer.fault is not None
    assert "random values are used" in answer.fault
    assert answers.one(space={"fine": 1}).fault is None
    assert len(answers.items) == 2


def test_kill_9_of_a_process_costs_nothing_but_the_strategy(
    make_pool: Callable[..., Answers], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """A process killed while it computes is replaced; the answer is random and names the signal."""
    answers = make_pool()
    answers.ask(space={"hang": str(tmp_path / "computing")})
    wait_until((tmp_path / "computing").exists)
    os.kill(answers._pool.processes()[0], signal.SIGKILL)
    (_, answer), *rest = answers.wait(1)
    assert rest == []
    assert answer.fault is not None
    assert "signal 9" in answer.fault
    assert answer.suggestions


def test_a_slow_job_does_not_hold_up_others(make_pool: Callable[..., Answers]) -> None:
    """While more jobs hang than there are processes, another job is answered; it does not wait for the end of their time."""
    answers = make_pool(seconds=1000.0)
    for job in (1, 2):
        answers.ask(job=job, space={"hang": 1})
    answers.ask(job=3, space={"fine": 1})
    (job, answer), *_ = answers.wait(1)
    assert (job, answer.fault) == (3, None)


def test_one_job_has_one_request_computed_at_a_time(make_pool: Callable[..., Answers]) -> None:
    """Requests of a job are answered in order by one process, so they cannot take the whole pool."""
    answers = make_pool()
    for seed in range(4):
        answers.ask(space={"slow": 1}, seed=(1, seed))
    answers.wait(1)
    assert len(answers._pool.processes()) == 1
    answers.wait(4)


def test_a_process_stays_warm_and_ends_when_idle(
    make_pool: Callable[..., Answers], wait_until: Callable[..., Any]
) -> None:
    """Successive requests meet the same process; without work it ends and a new one is started when needed."""

    def asked(answers: Answers) -> int:
        return int(answers.one(space={"pid": 1}).suggestions[0]["values"]["x"])

    lasting = make_pool(idle_seconds=600.0)
    assert asked(lasting) == asked(lasting)
    brief = make_pool(idle_seconds=0.2)
    first = asked(brief)
    wait_until(lambda: not psutil.pid_exists(first))
    assert brief._pool.processes() == []
    assert asked(brief) != first


def test_history_is_sent_once(make_pool: Callable[..., Answers]) -> None:
    """A grown history is sent as what was added; one that differs is sent whole."""
    answers = make_pool(processes=1)

    def sent(job: int, items: list[dict[str, Any]]) -> list[int]:
        value: list[int] = answers.one(job=job, space={"history": 1}, history=items).suggestions[0]["values"][
            "x"
        ]
        return value

    assert sent(1, history(3)) == [0, 3]
    assert sent(1, [*history(3), *history(1)]) == [3, 1]
    assert sent(2, history(2)) == [0, 2]
    assert sent(1, [*history(3), *history(1)]) == [4, 0]
    assert sent(1, history(5)) == [0, 5]


def test_parents_are_sent_once(make_pool: Callable[..., Answers]) -> None:
    """Parents travel with a job's first request and when they differ from its last ones."""
    answers = make_pool(processes=1)

    def sent(job: int, parents: list[dict[str, Any]]) -> Any:
        return answers.one(job=job, space={"parents": 1}, parents=parents).suggestions[0]["values"]["x"]

    assert sent(1, [{"name": "a"}]) == [{"name": "a"}]
    assert sent(1, [{"name": "a"}]) is None
    assert sent(2, []) == []
    assert sent(1, [{"name": "b"}]) == [{"name": "b"}]


def test_parents_reach_the_strategy(make_pool: Callable[..., Answers]) -> None:
    """A real process suggests a parent's best values first, and knows the parent at the next request, too."""
    answers = make_pool(real=True, processes=1)
    seen = [
        {"number": k, "values": {"x": 0.1 * k, "n": k + 1}, "objective": -abs(0.1 * k - 0.3)}
        for k in range(6)
    ]
    parent = {"name": "earlier", "space": SPACE, "observations": seen}
    for _ in range(2):
        first = answers.one(parents=[parent], seed=(1, 0)).suggestions[0]
        assert first["reason"] == "from a parent"
        assert first["values"]["n"] == 4


#: The real process, whose Bayesian strategy wants two gigabytes.
HUNGRY = """
import pegbox.suggester.work as work
honest = work.suggest
def suggest(strategy, *arguments, **named):
    if strategy == "Bayesian":
        bytearray(2 * 2**30)
    return honest(strategy, *arguments, **named)
work.suggest = suggest
from pegbox.suggester.__main__ import main
main()
"""


def test_memory_growth_ends_in_random_values(make_pool: Callable[..., Answers]) -> None:
    """A computation that wants more memory than allowed fails alone; the process goes on."""
    answers = make_pool(command=(sys.executable, "-c", HUNGRY), memory_mb=1024)
    answer = answers.one()
    assert answer.suggestions[0]["reason"] == "random"
    assert answer.fault is not None
    assert "MemoryError" in answer.fault
    before = answers._pool.processes()
    assert answers.one(strategy="Random").fault is None
    assert answers._pool.processes() == before


def test_closing_ends_all_processes_at_once(make_pool: Callable[..., Answers]) -> None:
    """Closing does not wait for a computation, and refuses further requests."""
    answers = make_pool()
    answers.ask(space={"hang": 1})
    while not answers._pool.processes():
        time.sleep(0.01)
    pids = answers._pool.processes()
    answers._pool.close()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert answers.items == []
    with pytest.raises(RuntimeError, match="closed"):
        answers.ask()


#: A suggestion process that never comes back from its computation.
STUCK = """
import os, time
import pegbox.suggester.work as work
def suggest(*arguments, **named):
    open(os.environ["COMPUTING"], "w").close()
    time.sleep(1000)
work.suggest = suggest
from pegbox.suggester.__main__ import main
main()
"""
#: A stand-in for a server that has such a process.
ABANDONING = f"""
import os, sys, time
from pegbox.ports.suggester import SuggestRequest
from pegbox.suggester import SuggesterPool
from pegbox.suggester.process import ProcessPolicy
pool = SuggesterPool(policy=ProcessPolicy(seconds=900.0, command=(sys.executable, "-c", {STUCK!r})))
pool.request(
    SuggestRequest(
        job_id=1, strategy="Bayesian", space={SPACE!r}, history=(), pending=(), count=1, seed=(1, 1), maximize=True
    ),
    print,
)
while not (pool.processes() and os.path.exists(os.environ["COMPUTING"])):
    time.sleep(0.01)
print(pool.processes()[0], flush=True)
time.sleep(1000)
"""


def test_no_process_outlives_a_killed_server(wait_until: Callable[..., Any], tmp_path: Path) -> None:
    """When the server is killed while a computation hangs, the process that computes goes with it."""
    environment = {**os.environ, "COMPUTING": str(tmp_path / "computing")}
    command = [sys.executable, "-c", ABANDONING]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        child = psutil.Process(int(server.stdout.readline()))
        assert child.is_running()
        server.kill()
        server.wait()

    def gone() -> bool:
        try:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_until(gone)
