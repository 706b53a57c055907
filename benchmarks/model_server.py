"""Predictions per second of one small model: in this process, and through the model server at 1, 8 and 64 connections.

Processor time per request of the server's process is the figure that other work on the machine does not spoil.
Beside the server as it is stand two other ways to build it, over the same parser and the same handler: a thread per connection
with one lock around the prediction, and an asyncio loop with one worker thread. All are measured in the same run, interleaved.

    python benchmarks/model_server.py [--seconds 3] [--workers 1] [--model logistic|forest]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy
import psutil
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from pegbox.agent.serving_plan import SERVER
from pegbox.serving.messages import RequestReader
from pegbox.serving.program import _answering
from pegbox.serving.script import Script

BODY = b"5.1,3.5,1.4,0.2\n"
REQUEST = (
    b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nAccept: text/csv\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def make_model(kind: str, folder: Path) -> None:
    """Train a small model and store it."""
    random = numpy.random.default_rng(1)
    features = random.normal(size=(500, 4))
    labels = (features[:, 0] + 0.3 * features[:, 1] > 0).astype(int)
    model = LogisticRegression() if kind == "logistic" else RandomForestClassifier(20, max_depth=6)
    joblib.dump(model.fit(features, labels), folder / "model.joblib")


def thread_per_connection(path: str, model_dir: str) -> None:
    """Serve with a thread for each connection and one lock."""
    script = Script(model_dir, "", "", "application/json")
    script.load()
    answer, lock = _answering(script.answer), threading.Lock()

    def serve(channel: socket.socket) -> None:
        reader = RequestReader(1 << 20)
        while data := channel.recv(1 << 16):
            reader.feed(data)
            while (request := reader.next()) is not None:
                with lock:
                    found = answer(request)
                try:
                    channel.sendall(found.encode(True))
                except OSError:
                    return

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    while True:
        channel, _ = listener.accept()
        threading.Thread(target=serve, args=(channel,), daemon=True).start()


def loop_and_worker(path: str, model_dir: str) -> None:
    """Serve with an asyncio loop (uvloop) and one worker thread."""
    import uvloop

    script = Script(model_dir, "", "", "application/json")
    script.load()
    answer, pool = _answering(script.answer), ThreadPoolExecutor(1)

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport, self.reader = transport, RequestReader(1 << 20)

        def data_received(self, data: bytes) -> None:
            self.reader.feed(data)
            while (request := self.reader.next()) is not None:
                future = asyncio.get_running_loop().run_in_executor(pool, answer, request)
                future.add_done_callback(self.reply)

        def reply(self, done: Any) -> None:
            if not self.transport.is_closing():
                self.transport.write(done.result().encode(True))

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_unix_server(Protocol, path, backlog=1024)
        await server.serve_forever()

    uvloop.run(serve())


def start(kind: str, path: str, model_dir: str, workers: int) -> Any:
    """Start a server and wait until it answers."""
    if kind == "pegbox":
        words = [sys.executable, SERVER, "--socket", path, "--model-dir", model_dir]
        environment = {**os.environ, "SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
        process: Any = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    else:
        target = thread_per_connection if kind == "threads" else loop_and_worker
        process = multiprocessing.get_context("spawn").Process(
            target=target, args=(path, model_dir), daemon=True
        )
        process.start()
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as channel:
                channel.connect(path)
                return process
        except OSError:
            time.sleep(0.05)


def load(path: str, connections: int, seconds: float) -> tuple[float, list[float]]:
    """Keep one request in flight on each connection; return requests per second and latencies."""
    poller = select.epoll()
    channels: dict[int, socket.socket] = {}
    sent: dict[int, float] = {}
    latencies: list[float] = []
    begin = time.perf_counter()
    for _ in range(connections):
        channel = socket.socket(socket.AF_UNIX)
        channel.connect(path)
        channels[channel.fileno()] = channel
        poller.register(channel.fileno(), select.EPOLLIN)
        channel.send(REQUEST)
        sent[channel.fileno()] = time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end:
        for number, _ in poller.poll(1.0):
            data = channels[number].recv(4096)
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"unexpected answer: {data[:200]!r}")
            now = time.perf_counter()
            latencies.append(now - sent[number])
            channels[number].send(REQUEST)
            sent[number] = now
    for channel in channels.values():
        channel.close()
    return len(latencies) / (now - begin), sorted(latencies)


def spent(pid: int) -> float:
    """Return processor seconds of a process and its children."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def inline(model_dir: str, seconds: float) -> tuple[float, float]:
    """Return microseconds of a bare ``predict`` and of the whole handler, in this process."""
    script = Script(model_dir, "", "", "application/json")
    script.load()
    reader, row = RequestReader(1 << 20), numpy.array([[5.1, 3.5, 1.4, 0.2]])
    found: list[float] = []
    for run in (lambda: script._model.predict(row), None):
        count, begin = 0, time.process_time()
        while time.process_time() - begin < seconds:
            if run is not None:
                run()
            else:
                reader.feed(REQUEST)
                request = reader.next()
                assert request is not None
                script.answer(request).encode(True)
            count += 1
        found.append((time.process_time() - begin) / count * 1e6)
    return found[0], found[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--model", choices=("logistic", "forest"), default="logistic")
    parser.add_argument("--kinds", default="pegbox,threads,asyncio")
    options = parser.parse_args()
    os.environ.update(THREADS)
    with tempfile.TemporaryDirectory(prefix="pbx") as name:
        folder = Path(name)
        model_dir = folder / "model"
        model_dir.mkdir()
        make_model(options.model, model_dir)
        bare, handled = inline(str(model_dir), options.seconds)
        print(
            f"processor time here: predict alone {bare:.0f} us; with parsing and formats {handled:.0f} us "
            f"({1e6 / handled:.0f}/s)"
        )
        for connections in (1, 8, 64):
            for kind in options.kinds.split(","):
                path = str(folder / f"{kind}{connections}")
                process = start(kind, path, str(model_dir), options.workers)
                load(path, connections, 1.0)
                before = spent(process.pid)
                rate, latencies = load(path, connections, options.seconds)
                each = (spent(process.pid) - before) / len(latencies) * 1e6
                process.terminate()
                process.wait() if hasattr(process, "wait") else process.join()
                p50, p99 = (latencies[int(len(latencies) * part)] * 1e6 for part in (0.5, 0.99))
                print(
                    f"{kind:8} {connections:3} connections: {rate:7.0f}/s  p50 {p50:6.0f} us  p99 {p99:6.0f} us  "
                    f"processor time per request {each:4.0f} us"
                )


if __name__ == "__main__":
    main()
