"""A service that records requests and answers from a script, over real HTTP and a real boto3 client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox._sdk.local_server import home_id

Answer = dict[str, Any] | Callable[[dict[str, Any]], Any]


class FakeService:
    """A recording stand-in for the service and a home folder that names it as the local server."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: dict[str, Answer] = {}
        #: Predictions that were asked for: path, headers, body; and what they are answered with: MIME type, body.
        self.invocations: list[tuple[str, dict[str, str], bytes]] = []
        self.prediction: tuple[str, bytes] = ("application/json", b"[1]")
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, {"version": "0.1.0", "home_id": home_id(service.home)})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.startswith("/endpoints/"):
                    self._predict(body)
                    return
                operation = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
                request = json.loads(body or b"{}")
                service.requests.append((operation, request))
                service.headers.append(dict(self.headers))
                answer = service.answers.get(operation, {})
                if callable(answer):
                    answer = answer(request)
                status = answer.pop("__status__", 200) if isinstance(answer, dict) else 200
                self._send(status, answer)

            def _predict(self, body: bytes) -> None:
                service.invocations.append((self.path, dict(self.headers), body))
                kind, answer = service.prediction
                later = self.path.endswith("async-invocations")
                answer = b"{}" if later else answer
                self.send_response(202 if later else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                for name in ("OutputLocation", "FailureLocation"):
                    self.send_header(f"X-Amzn-SageMaker-{name}", f"s3://pegbox-local/async/{name}")
                self.end_headers()
                self.wfile.write(answer)

            def _send(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.write_home()

    def write_home(self, version: str = "0.1.0") -> None:
        """Describe this service as the home's server."""
        self.home.mkdir(exist_ok=True)
        facts = {
            "url": self.url,
            "pid": 1,
            "version": version,
            "home": str(self.home),
            "bucket": "pegbox-local",
        }
        facts |= {"account": "000000000000", "region": "us-east-1"}
        (self.home / "server.json").write_text(json.dumps(facts))
        keys = {"access_key_id": "PEGBOXKEY", "secret_access_key": "secret", "region": "us-east-1"}
        (self.home / "credentials.json").write_text(json.dumps(keys))

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """Return the requests of one operation."""
        return [request for name, request in self.requests if name == operation]

    def refuse(self, code: str, message: str = "no", times: int = 10**6) -> Callable[[dict[str, Any]], Any]:
        """Return an answer that is this error for some times, then empty."""
        left = [times]

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            left[0] -= 1
            return {"__type": code, "Message": message, "__status__": 400} if left[0] >= 0 else {}

        return answer

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """A fake local server, found through ``PEGBOX_HOME``; the environment names no other service."""
    for variable in ("PEGBOX_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PEGBOX_HOME", str(tmp_path / "home"))
    found = FakeService(tmp_path / "home")
    yield found
    found.close()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A training script."""
    path = tmp_path / "train.py"
    path.write_text("print('[pegbox] accuracy=0.5')\n")
    return path


@pytest.fixture
def session() -> Mock:
    """A mock with the attributes that other people's tests give it."""
    mock = Mock(name="session", boto_session=Mock(name="boto"), s3_client=None, s3_resource=None, config=None)
    mock.boto_region_name = "us-west-2"
    mock.default_bucket = Mock(return_value="bucket")
    return mock
