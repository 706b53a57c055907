"""Endpoints on a real server in a lab: deployed with boto3, called with pre-signed requests, by clients or by ``wrk``."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from pegbox.testing.lab import BUCKET, IMAGE, ROLE, Lab
from pegbox.wire import sign_request

#: A model server without a model: it answers what it is sent, so that only what lies before it is measured.
ECHO = """
def model_fn(folder):
    return None
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return data
def output_fn(prediction, accept):
    return prediction, "text/csv"
"""


def deploy(
    lab: Lab,
    name: str,
    *,
    script: str = ECHO,
    files: Mapping[str, bytes] | None = None,
    instances: int = 1,
    environment: Mapping[str, str] | None = None,
    seconds: float = 120.0,
) -> None:
    """Deploy a script-mode model and wait until its endpoint is in service.

    Args:
        lab: The lab, its server running.
        name: Name of the model, the configuration and the endpoint.
        script: The inference script.
        files: What the model archive holds.
        instances: How many.
        environment: Of the model servers.
        seconds: Time it may take.

    Raises:
        RuntimeError: It did not come into service.
    """
    client = lab.client()
    container = {
        "Image": IMAGE,
        "ModelDataUrl": _upload_model(lab, name, files or {"model.txt": b"-"}),
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": lab.upload_code(script, "inference.py"),
            "PEGBOX_PYTHON": sys.executable,
            **(environment or {}),
        },
    }
    client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": instances,
        "InstanceType": "ml.m5.large",
    }
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    deadline = time.monotonic() + seconds
    while (told := client.describe_endpoint(EndpointName=name))["EndpointStatus"] != "InService":
        if told["EndpointStatus"] != "Creating" or time.monotonic() > deadline:
            raise RuntimeError(f"endpoint {name}: {told['EndpointStatus']}: {told.get('FailureReason')}")
        time.sleep(0.1)


def delete(lab: Lab, name: str, seconds: float = 60.0) -> None:
    """Delete an endpoint and wait until it is gone."""
    client = lab.client()
    client.delete_endpoint(EndpointName=name)
    deadline = time.monotonic() + seconds
    while any(item["EndpointName"] == name for item in client.list_endpoints()["Endpoints"]):
        if time.monotonic() > deadline:
            raise RuntimeError(f"endpoint {name} is not gone after {seconds:g} s")
        time.sleep(0.1)


def _upload_model(lab: Lab, name: str, files: Mapping[str, bytes]) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    folder = lab.home / "buckets" / BUCKET / "models" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "model.tar.gz").write_bytes(packed.getvalue())
    return f"s3://{BUCKET}/models/{name}/model.tar.gz"


def runtime_url(lab: Lab) -> str:
    """Return the address of the lab's gateway."""
    return str(json.loads((lab.home / "server.json").read_text())["runtime_url"])


def signed(lab: Lab, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a request that stays valid for a quarter of an hour."""
    return sign_request(
        "POST",
        url,
        headers=headers,
        body=body,
        access_key_id=lab.keys["access_key_id"],
        secret_access_key=lab.keys["secret_access_key"],
        region=lab.keys["region"],
        service="sagemaker",
        now=datetime.now(timezone.utc),
    )


class Caller:
    """A client that calls an address again and again over one kept connection.

    Args:
        url: The address.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, url: str, timeout: float = 70.0) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def call(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        """Return status, error type and body of an answer.

        Raises:
            OSError, http.client.HTTPException: There was no complete answer.
        """
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            self._connection.request("POST", self._path, body, dict(headers))
            answer = self._connection.getresponse()
            data = answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status, answer.getheader("x-amzn-errortype") or "", data

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What ``wrk`` measured.

    Attributes:
        requests: Answers per second.
        p50: Median latency in microseconds.
        p99: 99th percentile in microseconds.
        errors: Answers that were no 2xx or 3xx, and connections that broke.
        answers: All answers.
    """

    requests: float
    p50: float
    p99: float
    errors: int
    answers: int


_DONE = """
function done(summary, latency, requests)
  io.write(string.format('FIGURES {"requests": %.3f, "p50": %.1f, "p99": %.1f, "errors": %d, "answers": %d}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.requests))
end
"""


def wrk(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    clients: int,
    seconds: float,
    delay_ms: int = 0,
) -> Figures:
    """Load an address with ``wrk``, a generator that takes little of the machine.

    Args:
        url: The address.
        body: Of each request.
        headers: Of each request.
        clients: Connections; each sends its next request when it has its answer.
        seconds: How long.
        delay_ms: Milliseconds that each connection waits before a request.

    Raises:
        RuntimeError: wrk is not installed or failed.
    """
    lines = ['wrk.method = "POST"', f"wrk.body = {_lua(body)}"]
    lines += [
        f"wrk.headers[{_lua(name.encode())}] = {_lua(value.encode())}" for name, value in headers.items()
    ]
    if delay_ms:
        lines.append(f"function delay() return {delay_ms} end")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines) + _DONE)
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
        try:
            run = subprocess.run(
                [*command, "-s", script.name, url], capture_output=True, text=True, check=False
            )
        except FileNotFoundError as error:
            raise RuntimeError("wrk is not installed; install it with: apt-get install wrk") from error
    found = [line for line in run.stdout.splitlines() if line.startswith("FIGURES ")]
    if not found:
        raise RuntimeError(f"wrk failed: {run.stdout}{run.stderr}")
    return Figures(**json.loads(found[0].removeprefix("FIGURES ")))


def _lua(text: bytes) -> str:
    return '"' + "".join(f"\\{byte:03d}" for byte in text) + '"'


def processes(lab: Lab) -> dict[str, list[psutil.Process]]:
    """Return the processes of a lab's serving by kind: ``server``, ``gateway``, ``agents``, ``model servers``."""
    found: dict[str, list[psutil.Process]] = {
        "server": [],
        "gateway": [],
        "agents": [],
        "model servers": [],
    }
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if not any(str(lab.home) in word for word in (*words, *process.environ().values())):
                continue
        except psutil.Error:
            continue
        line = " ".join(words)
        if "pegbox.bootstrap" in line:
            found["server"].append(process)
        elif "pegbox.gateway" in line:
            found["gateway"].append(process)
        elif "--agent-id" in words:
            found["agents"].append(process)
        elif "serving/__main__.py" in line:
            found["model servers"].append(process)
    return found


def spool_metrics(lab: Lab) -> list[dict[str, Any]]:
    """Return all lines of the gateway's metrics."""
    folder = Path(lab.home) / "gateway" / "metrics"
    return [json.loads(line) for file in folder.rglob("*.jsonl") for line in file.read_text().splitlines()]
