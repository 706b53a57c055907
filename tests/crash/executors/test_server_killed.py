"""The server's side is killed with SIGKILL while programs run."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import COUNT_START, LocalRig


def test_server_killed_at_random_instants(rig: LocalRig) -> None:
    """Over twelve kills every attempt ends exactly once and completed, each program started once, nothing is lost or left."""
    rig.executor.close()
    rng = random.Random(5)
    enough = rig.home / "enough"
    program = COUNT_START + (
        "import itertools, time\n"
        "for i in itertools.count():\n    print(f'loss={i}', flush=True)\n    time.sleep(0.1)\n"
        f"    if os.path.exists({str(enough)!r}): break\n"
    )
    orders = [rig.script({"train.py": program}) for _ in range(6)]
    lines = [json.dumps(order.to_json()) for order in orders]
    Path(rig.home, "orders.jsonl").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pegbox.testing.standin_engine", str(rig.home)]
    for _ in range(12):
        server = subprocess.Popen(command)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(rng.uniform(0.1, 0.7))
        assert server.poll() is None
        server.kill()
        server.wait()
    enough.touch()
    assert subprocess.run(command, timeout=500, check=False).returncode == 0
    events: dict[str, list[dict[str, Any]]] = {}
    for line in Path(rig.home, "events.jsonl").read_text().splitlines():
        record = json.loads(line)
        events.setdefault(record["attempt"], []).append(record["event"])
    for order in orders:
        mine = events[order.attempt_id]
        assert [event["kind"] for event in mine].count("finished") == 1
        assert mine[-1]["outcome"] == "completed"
        values = [event["value"] for event in mine if event["kind"] == "metric"]
        assert values == [float(i) for i in range(len(values))]
        assert len(values) == rig.log(order).count("loss=")
        assert rig.starts(order.attempt_id) == 1
        assert rig.processes(order) == []


def test_agents_end_when_the_server_is_gone(rig: LocalRig) -> None:
    """An idle agent without a server ends by itself after its idle time."""
    rig.executor.close()
    rig._options["idle_seconds"] = 2.0
    rig.open()
    order = rig.order("runs")
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "training"))
    assert len(rig.agents()) == 1
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 60)
    rig.settle(lambda: rig.finished(order))
    # The listener goes without a word, as when the server is killed.
    rig.executor._hub.close()
    rig.settle(lambda: not rig.agents())
    rig.executor._closed = True
    rig.executor._starter.forget_children()
