"""The model server as a program: run from its file, spoken to over its socket."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pegbox.testing.model_servers import RunningServer, UnixConnection, ask, ping

SCRIPT = """
import os, sys

def model_fn(model_dir, context):
    return {"dir": model_dir, "python": sys.version_info[:2]}

def input_fn(data, content_type):
    return data

def predict_fn(data, model):
    word = data if isinstance(data, str) else data.decode()
    if word == "raise":
        raise ValueError("a bad row")
    if word == "exit":
        sys.exit(7)
    if word.startswith("until "):
        open(word[6:] + ".begun", "w").close()
        while not os.path.exists(word[6:]):
            pass
    if word == "pid":
        return str(os.getpid())
    if word == "python":
        return "%d.%d" % model["python"]
    return word

def output_fn(prediction, accept, context):
    if prediction == "stream":
        def pieces():
            for number in range(3):
                yield "piece %d;" % number
        return pieces()
    if prediction == "break":
        def broken():
            yield "one"
            raise RuntimeError("no more")
        return broken()
    if prediction == "big":
        return b"x" * 8000000
    if prediction == "headers":
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", context.get_request_header("x-given"))
        context.set_response_content_type(0, "text/x-special")
    return prediction, accept
"""


@pytest.fixture
def run(folder: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts model servers; all are ended afterwards."""
    servers: list[RunningServer] = []

    def start(files: dict[str, Any] | None = None, **options: Any) -> RunningServer:
        place = folder / str(len(servers))
        servers.append(RunningServer(place, files or {"code/inference.py": SCRIPT}, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def _later(path: str, body: bytes) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def send() -> None:
        try:
            found.append(ask(path, body))
        except (OSError, http.client.HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    return thread, found


def _computing(path: str, go: Path) -> tuple[threading.Thread, list[Any]]:
    """Send a request that computes until a file is there; it has begun when this returns."""
    sent = _later(path, b"until %b" % bytes(go))
    while not go.with_name(f"{go.name}.begun").exists():
        time.sleep(0.02)
    return sent


def _takes_connections(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as channel:
        return channel.connect_ex(path) == 0


def test_answers_and_errors(run: Callable[..., RunningServer]) -> None:
    """Answers carry what the script says; an exception is a 500 with its text, its traceback is in the log, and life goes on."""
    server = run()
    assert ask(server.path, b"1,2", "text/csv") == (200, b"1,2", "application/json")
    assert ask(server.path, b"1,2", "text/csv", "text/csv") == (200, b"1,2", "text/csv")
    status, body, _ = ask(server.path, b"raise")
    assert (status, body) == (500, b"ValueError: a bad row")
    assert "in predict_fn" in server.log()
    assert ask(server.path, b"exit")[:2] == (500, b"SystemExit: 7")
    assert ask(server.path, b"\xff\xfe")[0] == 500
    assert ask(server.path, b"headers", **{"X-Given": "seven"})[2] == "text/x-special"
    assert ask(server.path, b"ok")[:2] == (200, b"ok")


def test_errors_are_told_whole(run: Callable[..., RunningServer]) -> None:
    """All lines of an error reach the caller, what is wrong with a body is a sentence, the log has the user's places only."""
    script = (
        "def model_fn(d):\n    return 1\ndef predict_fn(data, m):\n"
        "    if len(data) == 2:\n        raise ValueError('names differ:\\n- seen: a\\n- unseen: b')\n    return data\n"
    )
    server = run({"code/inference.py": script})
    assert ask(server.path, b"[1, 2]", "application/json")[:2] == (
        500,
        b"ValueError: names differ:\n- seen: a\n- unseen: b",
    )
    assert "in predict_fn" in server.log()
    assert "script.py" not in server.log()
    for body in (b"", b"\n\n"):
        assert ask(server.path, body, "text/csv")[:2] == (500, b"the body is no text/csv: it has no rows")
    lines = '{"text": "a\u2028b"}\n{"text": "c\x85d"}\n'.encode()
    answer = json.loads(ask(server.path, lines + b'{"text": "e"}\n', "application/jsonlines")[1])
    assert [row["text"] for row in answer] == ["a\u2028b", "c\x85d", "e"]


def test_predictions_of_unusual_kinds(run: Callable[..., RunningServer]) -> None:
    """NumPy's numbers as keys, iterators, bytes and nothing at all have a form, or are refused by their kind."""
    script = (
        "import numpy as np\n"
        "ANSWERS = {'keys': {np.int64(1): np.float32(2)}, 'bytes': b'raw', 'none': None, 'table': [[None, 'a,b'], [b'x', 1]]}\n"
        "def model_fn(d):\n    return ANSWERS\n"
        "def predict_fn(data, m):\n    return (n for n in range(2)) if data == 'iterator' else m[data]\n"
    )
    server = run({"code/inference.py": script})
    for word, accept, body in (
        ("keys", "application/json", b'{"1": 2.0}'),
        ("keys", "application/jsonlines", b'{"1": 2.0}\n'),
        ("iterator", "application/json", b"[0, 1]"),
        ("iterator", "text/csv", b"0\n1\n"),
        ("bytes", "text/csv", b"raw\n"),
        ("none", "text/csv", b"\n"),
        ("none", "application/json", b"null"),
        ("table", "text/csv", b',"a,b"\nx,1\n'),
    ):
        assert ask(server.path, json.dumps(word).encode(), "application/json", accept)[:2] == (200, body), (
            word
        )
    status, body, _ = ask(server.path, b'"keys"', "application/json", "application/x-npy")
    assert (status, b"dict has no NPY form" in body) == (500, True)


def test_ping_while_predicting(run: Callable[..., RunningServer], tmp_path: Path) -> None:
    """While a prediction computes, /ping is answered and further requests wait for their turn and get it."""
    server = run()
    go = tmp_path / "go"
    first, one = _computing(server.path, go)
    second, two = _later(server.path, b"next")
    assert ping(server.path) == 200
    assert not one
    assert not two
    go.touch()
    for thread in (first, second):
        thread.join()
    assert [one[0][:2], two[0][:2]] == [(200, b"until %b" % bytes(go)), (200, b"next")]
    assert ask(server.path, b"after")[:2] == (200, b"after")


def test_a_prediction_that_takes_too_long(run: Callable[..., RunningServer], tmp_path: Path) -> None:
    """Its client is told 500 at the time-out, /ping says 503 while it goes on, and 200 afterwards."""
    server = run(environment={"SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"})
    thread, found = _computing(server.path, tmp_path / "go")
    thread.join()
    assert found[0][0] == 500
    assert b"SAGEMAKER_MODEL_SERVER_TIMEOUT" in found[0][1]
    assert ping(server.path) == 503
    (tmp_path / "go").touch()
    while ping(server.path) != 200:
        time.sleep(0.05)
    assert ask(server.path, b"again")[:2] == (200, b"again")


def test_an_end_without_a_lost_answer(run: Callable[..., RunningServer], tmp_path: Path) -> None:
    """At SIGTERM what was begun is answered, no new connection is taken, and the exit code is 0."""
    server = run()
    go = tmp_path / "go"
    thread, found = _computing(server.path, go)
    server.process.send_signal(signal.SIGTERM)
    while _takes_connections(server.path):
        time.sleep(0.02)
    assert not found
    go.touch()
    thread.join()
    assert found[0][:2] == (200, b"until %b" % bytes(go))
    assert server.process.wait() == 0
    assert not _takes_connections(server.path)


def test_streams(run: Callable[..., RunningServer]) -> None:
    """A generator is answered in chunks; one that raises breaks the answer off, so that it cannot pass for whole."""
    server = run()
    connection = UnixConnection(server.path)
    for _ in range(2):
        connection.request("POST", "/invocations", b"stream", {"Content-Type": "text/csv"})
        answer = connection.getresponse()
        assert answer.getheader("Transfer-Encoding") == "chunked"
        assert answer.read() == b"piece 0;piece 1;piece 2;"
    connection.close()
    with pytest.raises(http.client.IncompleteRead):
        ask(server.path, b"break")
    assert ask(server.path, b"ok")[0] == 200


def test_one_connection_many_requests(run: Callable[..., RunningServer]) -> None:
    """Requests sent ahead on one connection are answered in their order; chunked bodies and 100-continue are understood."""
    server = run()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(120)
        channel.connect(server.path)
        post = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\n"
        channel.sendall(
            post + b"Content-Length: 1\r\n\r\na"
            b"GET /ping HTTP/1.1\r\n\r\n"
            b"GET /nowhere HTTP/1.1\r\n\r\n"
            + post
            + b"Transfer-Encoding: chunked\r\n\r\n1;x=y\r\nb\r\n2\r\ncd\r\n0\r\n\r\n"
            + post
            + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        seen = b""
        while b"100 Continue" not in seen:
            seen += channel.recv(65536)
        channel.sendall(b"ef")
        while not seen.endswith(b"ef"):
            seen += channel.recv(65536)
    statuses = re.findall(rb"HTTP/1.1 (\d+)", seen)
    assert statuses == [b"200", b"200", b"404", b"200", b"100", b"200"]
    assert seen.index(b"\r\n\r\na") < seen.index(b"\r\n\r\nbcd")


def test_big_answers_and_limits(run: Callable[..., RunningServer]) -> None:
    """An answer larger than the socket's buffer arrives whole while others are served; a body over the limit is 413."""
    server = run(environment={"SAGEMAKER_MAX_PAYLOAD_IN_MB": "1"})
    slow = UnixConnection(server.path)
    slow.request("POST", "/invocations", b"big", {"Content-Type": "text/csv"})
    assert ask(server.path, b"quick")[:2] == (200, b"quick")
    assert len(slow.getresponse().read()) == 8_000_000
    slow.close()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(120)
        channel.connect(server.path)
        channel.sendall(b"POST /invocations HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n")
        assert channel.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_workers(run: Callable[..., RunningServer]) -> None:
    """Several processes serve one socket; all end at SIGTERM, and when one dies all end, so that somebody starts anew."""
    server = run(environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    while server.log().count("serves it") < 2:
        time.sleep(0.02)
    pids = {int(ask(server.path, b"pid")[1]) for _ in range(3)}
    assert server.process.pid not in pids
    assert server.end() == 0
    again = run(environment={"SAGEMAKER_MODEL_SERVER_WORKERS": "2"})
    os.kill(int(ask(again.path, b"pid")[1]), 9)
    assert again.process.wait() == 1
    assert "the others end, too" in again.log()


@pytest.mark.parametrize(
    ("script", "environment", "words"),
    [
        (
            "def transform_fn(m, d, c, a): return d\ndef input_fn(d, c): return d\n",
            {},
            "remove one or the other",
        ),
        ("def input_fn(d, c): return d\n", {}, "defines no model_fn"),
        ("def model_fn(d):\n    raise OSError('weights are gone')\n", {}, "OSError: weights are gone"),
        ("def model_fn(d):\n    return 1\n", {}, "define predict_fn"),
        ("def model_fn(d:\n", {}, "SyntaxError"),
        ("import no_such_package\ndef model_fn(d): pass\n", {}, "No module named 'no_such_package'"),
        (SCRIPT, {"SAGEMAKER_MODEL_SERVER_WORKERS": "many"}, "SAGEMAKER_MODEL_SERVER_WORKERS is 'many'"),
    ],
)
def test_what_cannot_be_loaded(
    run: Callable[..., RunningServer], script: str, environment: dict[str, str], words: str
) -> None:
    """The program ends with exit code 1, and the last line of its log says why."""
    server = run({"code/inference.py": script}, environment=environment, ready=False)
    assert server.process.wait() == 1
    assert words in server.log().strip().splitlines()[-1]


def _old_python() -> str | None:
    for name in ("python3.8", "python3.9", "python3.10"):
        for found in (
            shutil.which(name),
            *map(str, Path.home().glob(f".pyenv/versions/{name[6:]}.*/bin/python")),
        ):
            if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
                return found
    return None


def test_an_interpreter_without_pegbox(run: Callable[..., RunningServer]) -> None:
    """The server runs in another, older Python that has nothing but its standard library, where there is one."""
    python = _old_python() or "python3"
    server = run(python=python)
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, check=True
    )
    assert ask(server.path, b"python")[1] == version.stdout.strip()


def test_the_users_modules_are_not_shadowed(run: Callable[..., RunningServer]) -> None:
    """A script's own modules win, whatever they are called; nothing of the server is importable by its plain name."""
    script = (
        "import messages, server, formats\n"
        "def model_fn(d):\n    return messages.WORD + server.WORD + formats.WORD\n"
        "def transform_fn(m, d, c, a):\n    return m\n"
    )
    own = {f"code/{name}.py": f"WORD = '{name} '\n" for name in ("messages", "server", "formats")}
    server = run({"code/inference.py": script, **own})
    assert ask(server.path, b"")[1] == b"messages server formats "


def test_json_is_the_default(run: Callable[..., RunningServer]) -> None:
    """SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT is the type where a request has none or ``*/*``."""
    script = "def model_fn(d):\n    return 1\ndef predict_fn(data, m):\n    return data\n"
    server = run(
        {"code/inference.py": script}, environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    )
    for accept in (None, "*/*"):
        assert ask(server.path, b"[[1, 2], [3, 4]]", "application/json", accept) == (
            200,
            b"1,2\n3,4\n",
            "text/csv",
        )
    status, body, _ = ask(server.path, b"[[1]]", "application/json", "image/png")
    assert status == 500
    assert b"output_fn" in body
    assert json.loads(ask(server.path, b"1,2\n", "text/csv", "application/json")[1]) == [[1.0, 2.0]]
