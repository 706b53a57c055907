"""Other model servers with the same model and input, each in an environment of its own, one worker process each.

Environments are made once in ``~/.cache/pegbox/serving-peers`` (or ``$SERVING_PEERS``). What cannot be installed here is reported
with the reason, never silently left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import serving_model

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("SERVING_PEERS", Path.home() / ".cache" / "pegbox" / "serving-peers"))
READY_SECONDS = 120


class Unavailable(Exception):
    """A peer cannot be measured here; the text says why."""


@dataclass
class Peer:
    """A running server.

    Attributes:
        url: Where predictions are asked for.
        body: What is sent.
        content_type: Its type.
    """

    url: str
    body: bytes
    content_type: str


def environment(name: str, *packages: str, probe: str) -> Path:
    """Return the interpreter of a peer's environment, making it at the first use."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    tool = shutil.which("uv")
    if not python.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run(
            [tool, "venv", "-q", "--python", sys.executable, str(folder)]
            if tool
            else [sys.executable, "-m", "venv", str(folder)]
        )
    if subprocess.run([python, "-c", probe], capture_output=True, check=False).returncode:
        install = (
            [tool, "pip", "install", "-q", "--python", str(python)]
            if tool
            else [str(python), "-m", "pip", "install", "-q"]
        )
        _run([*install, *packages])
        _run([str(python), "-c", probe])
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
        raise Unavailable(f"{' '.join(command[:4])} ... failed: {''.join(last)}")


@contextlib.contextmanager
def mlflow(model: Path, work: Path) -> Iterator[Peer]:
    """MLflow's model server (``mlflow models serve``), its default server, one worker."""
    python = environment("mlflow", "mlflow", "scikit-learn", probe="import mlflow, sklearn")
    folder = work / "mlflow"
    save = (
        f"import joblib, mlflow.sklearn as m; model = joblib.load({str(model)!r}); "
        f"m.save_model(model, {str(folder)!r}, serialization_format='cloudpickle')"
    )
    port = _port()
    bin_ = f"{python.parent}:{os.environ['PATH']}"
    _run([str(python), "-W", "ignore", "-c", save])
    command = [
        str(python),
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        str(folder),
        "-p",
        str(port),
        "--env-manager",
        "local",
        "-w",
        "1",
    ]
    with _serving(command, f"http://127.0.0.1:{port}/ping", {"PATH": bin_}, work / "mlflow.log"):
        body = b"0,1,2,3\n" + serving_model.BODY
        yield Peer(f"http://127.0.0.1:{port}/invocations", body, "text/csv")


_BENTO = """
import sys; sys.path.insert(0, {here!r})
import bentoml, joblib, numpy
model = joblib.load({model!r})

@bentoml.service(workers=1, traffic={{"timeout": 60}})
class Iris:
    @bentoml.api
    def predict(self, rows: list[list[float]]) -> list[int]:
        return model.predict(numpy.array(rows)).tolist()
"""


@contextlib.contextmanager
def bentoml(model: Path, work: Path) -> Iterator[Peer]:
    """BentoML's server (``bentoml serve``), one worker."""
    python = environment("bentoml", "bentoml", "scikit-learn", probe="import bentoml, sklearn")
    folder = work / "bento"
    folder.mkdir()
    (folder / "service.py").write_text(_BENTO.format(here=str(HERE), model=str(model)))
    port = _port()
    command = [
        str(python.with_name("bentoml")),
        "serve",
        "service:Iris",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
    ]
    variables = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(work / "bentoml")}
    with _serving(command, f"http://127.0.0.1:{port}/readyz", variables, work / "bento.log", cwd=folder):
        yield Peer(
            f"http://127.0.0.1:{port}/predict", b'{"rows": [[5.1, 3.5, 1.4, 0.2]]}', "application/json"
        )


_HANDLER = """
import sys; sys.path.insert(0, {here!r})
import serving_model

class Handler:
    def initialize(self, context):
        self.model = serving_model.model_fn({folder!r})
        self.initialized = True
    def handle(self, requests, context):
        answers = []
        for request in requests:
            body = request.get("body") or request.get("data")
            data = serving_model.input_fn(body if isinstance(body, str) else bytes(body), "text/csv")
            answers.append(serving_model.output_fn(serving_model.predict_fn(data, self.model), "text/csv")[0])
        return answers

service = Handler()
def handle(data, context):
    if not getattr(service, "initialized", False):
        service.initialize(context)
    return service.handle(data, context) if data is not None else None
"""


@contextlib.contextmanager
def torchserve(model: Path, work: Path) -> Iterator[Peer]:
    """TorchServe with a custom handler, one worker, no batching, token checks off."""
    if shutil.which("java") is None:
        raise Unavailable("TorchServe needs Java; install it with: apt-get install default-jre-headless")
    python = environment(
        "torchserve", "torchserve", "torch-model-archiver", "torch", "scikit-learn", "numpy", "pyyaml", "psutil", "requests",
        "packaging", "setuptools", probe="import torch, ts, sklearn",
    )  # fmt: skip
    folder = work / "torchserve"
    folder.mkdir()
    (folder / "handler.py").write_text(_HANDLER.format(here=str(HERE), folder=str(model.parent)))
    archiver = [str(python.with_name("torch-model-archiver")), "--model-name", "m", "--version", "1"]
    _run([*archiver, "--handler", str(folder / "handler.py"), "--export-path", str(folder)])
    port, management, metrics = _port(), _port(), _port()
    address = "http://127.0.0.1:"
    (folder / "config").write_text(
        f"inference_address={address}{port}\nmanagement_address={address}{management}\nmetrics_address={address}{metrics}\n"
        "default_workers_per_model=1\ndisable_token_authorization=true\nenable_envvars_config=false\n"
    )
    command = [
        str(python.with_name("torchserve")),
        "--start",
        "--foreground",
        "--ncs",
        "--model-store",
        str(folder),
    ]
    command += ["--models", "m=m.mar", "--ts-config", str(folder / "config"), "--disable-token-auth"]
    variables = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "LOG_LOCATION": str(folder),
        "METRICS_LOCATION": str(folder),
    }
    with _serving(command, f"{address}{port}/ping", variables, work / "torchserve.log", cwd=folder):
        yield Peer(f"{address}{port}/predictions/m", serving_model.BODY, "text/csv")


@contextlib.contextmanager
def bare(model: Path, work: Path) -> Iterator[Peer]:
    """The same predict call inline in a bare Starlette application, in our own environment."""
    port = _port()
    command = [sys.executable, str(HERE / "serving_bare.py"), str(model.parent), str(port)]
    with _serving(command, f"http://127.0.0.1:{port}/ping", {}, work / "bare.log"):
        yield Peer(f"http://127.0.0.1:{port}/endpoints/m/invocations", serving_model.BODY, "text/csv")


@contextlib.contextmanager
def _serving(
    command: list[str], health: str, variables: dict[str, str], log: Path, cwd: Path | None = None
) -> Iterator[None]:
    """Run a server until the block is left; everything that it started ends with it."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            env={**os.environ, **threads, **variables},
            start_new_session=True,
            cwd=cwd,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(health):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Unavailable(f"{Path(command[0]).name} did not start: {''.join(tail)}")
            time.sleep(0.2)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


PEERS = {"MLflow": mlflow, "BentoML": bentoml, "TorchServe": torchserve}
