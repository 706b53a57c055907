"""A real gateway process over a home of its own, with real model servers and the real ``boto3``."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pegbox.agent.health import free_port
from pegbox.wire import sign_request

KEY = "PEGBTESTKEYTESTKEYTE"
SECRET = "a-secret-for-tests"
REGION = "us-east-1"
ACCOUNT = "000000000000"
#: Nothing is proved by haste: on a machine that has much else to do everything takes its time.
PATIENCE_SECONDS = 120.0


class ModelServer:
    """A stub model server in a process of its own.

    Args:
        address: ``unix:/path`` or ``http://127.0.0.1:PORT``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pegbox.testing.stub_model_server", address],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Let it hang: it keeps its connections and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        """End it, whatever its state."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


class GatewayRig:
    """A home with a gateway.

    Args:
        home: The folder to use; it need not exist.
        options: Further arguments of the gateway.
    """

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self.options = list(options)
        self.version = 0
        self.models: list[ModelServer] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._sockets = tempfile.TemporaryDirectory(prefix="pegbox-rig-")
        for folder in ("gateway", "run", "logs", "buckets/pegbox-local"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        key = {"access_key_id": KEY, "secret_access_key": SECRET, "region": REGION}
        (home / "credentials.json").write_text(json.dumps(key))
        self.control = Path(self._sockets.name) / "gateway.sock"
        self.port = free_port()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    def model(self, *, tcp: bool = False) -> ModelServer:
        """Start a model server."""
        path = f"unix:{self._sockets.name}/m{len(self.models)}.sock"
        server = ModelServer(f"http://127.0.0.1:{free_port()}" if tcp else path)
        self.models.append(server)
        return server

    def publish(self, endpoints: Mapping[str, Any]) -> None:
        """Make these endpoints the current snapshot and wait until a running gateway has applied it."""
        self.version += 1
        snapshot = {
            "version": self.version,
            "written_at": time.time(),
            "region": REGION,
            "account": ACCOUNT,
            "endpoints": endpoints,
        }
        temporary = self.home / "gateway" / ".routes"
        temporary.write_text(json.dumps(snapshot))
        temporary.replace(self.home / "gateway" / "routes.json")
        if self.process is not None:
            with self.word() as word:
                word.tell({"type": "routes", "version": self.version})
                word.wait(lambda message: message["type"] == "applied" and message["version"] >= self.version)

    def start(self) -> None:
        """Start the gateway and wait until it answers."""
        log = (self.home / "logs" / "gateway.log").open("ab")
        places = ["--home", str(self.home), "--port", str(self.port), "--control", str(self.control)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pegbox.gateway", *places, *self.options], stderr=log
        )
        log.close()
        eventually(self._answers, "the gateway answers")

    def kill(self) -> None:
        """End the gateway with SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def end(self) -> int:
        """End the gateway in order and return its exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(PATIENCE_SECONDS)
        self.process = None
        return status

    def log(self) -> str:
        """Return what the gateway logged."""
        return (self.home / "logs" / "gateway.log").read_text()

    def client(self, **options: Any) -> Any:
        """Return a ``sagemaker-runtime`` client without retries."""
        return boto3.client(
            "sagemaker-runtime",
            endpoint_url=options.pop("endpoint_url", self.url),
            region_name=REGION,
            aws_access_key_id=options.pop("key", KEY),
            aws_secret_access_key=options.pop("secret", SECRET),
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, **options),
        )

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, host: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a signed request and return status, headers in lower case, and body."""
        name = host or f"127.0.0.1:{self.port}"
        sent = sign_request(
            "POST",
            f"http://{name}{path}",
            headers=headers or {},
            body=body,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region=REGION,
            service="sagemaker",
            now=datetime.now(timezone.utc),
        )
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", path, body, sent)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def word(self) -> Word:
        """Return a connection to the control socket."""
        return Word(self.control)

    def close(self) -> None:
        """End everything."""
        if self.process is not None:
            self.kill()
        for model in self.models:
            model.close()
        self._sockets.cleanup()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Word:
    """The server's side of the control socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Word:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def wait(self, wanted: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Return the next message that fits."""
        while True:
            line = self._file.readline()
            assert line, "the gateway hung up"
            message: Mapping[str, Any] = json.loads(line)
            if wanted(message):
                return message


def endpoint(
    *instances: ModelServer | str,
    number: int = 1,
    first: int = 1,
    status: str = "InService",
    capture: Mapping[str, Any] | None = None,
    asynchronous: Mapping[str, Any] | None = None,
    variants: list[dict[str, Any]] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return an endpoint of a snapshot; its instances have ids from ``first`` on."""
    return {
        "id": number,
        "arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/e{number}",
        "status": status,
        "variants": variants or [variant("AllTraffic", *instances, first=first, **options)],
        "capture": capture,
        "async": asynchronous,
    }


def variant(
    name: str, *instances: ModelServer | str, first: int = 1, weight: float = 1.0, **options: Any
) -> dict[str, Any]:
    """Return a variant of a snapshot."""
    return {
        "name": name,
        "weight": weight,
        "routing": "LEAST_OUTSTANDING_REQUESTS",
        "timeout_seconds": 60,
        "max_payload_bytes": 25 * 2**20,
        "instances": [
            {
                "id": first + place,
                "address": item if isinstance(item, str) else item.address,
                "log_stream_arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/e",
            }
            for place, item in enumerate(instances)
        ],
        **options,
    }


def eventually(check: Callable[[], Any], words: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return what ``check`` returns once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {words}"
        time.sleep(0.02)
