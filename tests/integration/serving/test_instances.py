"""Instances of endpoints, with real agents and real model servers."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pegbox.domain.orders import RuntimeOrder, ServingOrder
from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import LocalRig, archive
from pegbox.testing.model_servers import ask, ping

ECHO = "def model_fn(model_dir):\n    return 'model'\n\ndef transform_fn(model, data, content_type, accept):\n    return %s\n"

#: A program that serves ``/ping`` and ``/invocations`` itself.
PROGRAM = """#!{python}
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = (" ".join(sys.argv[1:]) + " " + os.listdir(os.environ["SM_MODEL_DIR"])[0]).encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


def start(rig: LocalRig, order: ServingOrder) -> str:
    """Launch an instance and return its address when it is ready."""
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "ready") or rig.finished(order))
    ready = rig.of_kind(order, "ready")
    assert ready, rig.finished(order)
    address: str = ready[0]["address"]
    return address


@pytest.fixture(scope="module", autouse=True)
def hung() -> Iterator[tuple[LocalRig, ServingOrder]]:
    """An instance whose model server was stopped; the time of the three looks at it passes while others are tested."""
    place = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    rig = LocalRig(place / "home")
    try:
        order = rig.instance({"code/inference.py": ECHO % "'x'"})
        start(rig, order)
        os.kill(rig.of_kind(order, "starting")[0]["pid"], 19)
        yield rig, order
    finally:
        rig.close()
        shutil.rmtree(place, ignore_errors=True)


def test_a_model_server_in_its_environment(rig: LocalRig) -> None:
    """The server has the toolkit's variables, one thread per worker, its mark, and a socket that only its owner can use."""
    names = [
        "SM_MODEL_DIR",
        "SAGEMAKER_BASE_DIR",
        "SAGEMAKER_REGION",
        "OMP_NUM_THREADS",
        "PEGBOX_ATTEMPT",
        "MY_OWN",
    ]
    code = "import os\n" + ECHO % f"' '.join(os.environ[name] for name in {names})"
    order = rig.instance({"code/inference.py": code}, environment={"MY_OWN": "mine"})
    path = start(rig, order).removeprefix("unix:")
    assert os.stat(path).st_mode & 0o777 == 0o600
    tree = f"{order.directory}/opt/ml"
    assert ask(path, b"")[1].decode().split() == [
        f"{tree}/model", tree, "us-east-1", "1", order.attempt_id, "mine"
    ]  # fmt: skip
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
    rig.settle(lambda: rig.finished(order))
    assert not rig.processes(order)
    assert not Path(path).exists()
    rig.settle(lambda: not Path(order.directory, "opt").exists())


def test_code_from_an_archive_of_its_own(rig: LocalRig) -> None:
    """SAGEMAKER_PROGRAM names a script in the code archive; threads that the user set stay."""
    code = archive(
        rig.home / "code.tar.gz", {"serve_me.py": "import os\n" + ECHO % "os.environ['OMP_NUM_THREADS']"}
    )
    order = rig.instance(
        {"weights": b"1"},
        code_archive=str(code),
        environment={"SAGEMAKER_PROGRAM": "serve_me.py", "OMP_NUM_THREADS": "2"},
    )
    assert ask(start(rig, order).removeprefix("unix:"), b"")[:2] == (200, b"2")


def test_opt_ml_is_real_where_it_is_mentioned(rig: LocalRig) -> None:
    """A script that says /opt/ml finds the model there."""
    code = ECHO % "open('/opt/ml/model/weights').read()"
    order = rig.instance({"weights": b"42", "code/inference.py": code})
    assert ask(start(rig, order).removeprefix("unix:"), b"")[:2] == (200, b"42")
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
    rig.settle(lambda: rig.finished(order))
    assert not rig.processes(order)


def test_requirements(rig: LocalRig, folder: Path) -> None:
    """What requirements.txt beside the script asks for is there when the script is imported."""
    package = folder / "tiny"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(BACKEND)
    code = "import tiny_thing\n" + ECHO % "tiny_thing.WORD"
    order = rig.instance({"code/inference.py": code, "code/requirements.txt": f"{package}\n"})
    assert ask(start(rig, order).removeprefix("unix:"), b"")[:2] == (200, b"found")


BACKEND = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "tiny_thing-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("tiny_thing.py", "WORD = 'found'")
        wheel.writestr("tiny_thing-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny-thing\\nVersion: 1\\n")
        wheel.writestr("tiny_thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny_thing-1.dist-info/RECORD", "")
    return name
"""


def test_a_program_that_serves_itself(rig: LocalRig) -> None:
    """A command image is run with the argument ``serve`` and reached at the port that it was told."""
    program = rig.home / "program"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    order = rig.instance(
        {"weights": b"1"}, runtime=RuntimeOrder(kind="command", command=(str(program), "--fast"))
    )
    address = start(rig, order)
    assert address.startswith("http://127.0.0.1:")
    import http.client

    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)
    connection.request("POST", "/invocations", b"!")
    assert connection.getresponse().read() == b"--fast serve weights!"
    connection.close()
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
    rig.settle(lambda: rig.finished(order))
    assert not rig.processes(order)


def test_a_server_that_never_answers(rig: LocalRig) -> None:
    """Without an answer to /ping in time the server is ended, with the last lines of its log."""
    script = "import time\ndef model_fn(d):\n    print('still loading', flush=True)\n    time.sleep(600)\n"
    # On a machine that has much else to do the script may not even come to its first word in so short a time.
    for seconds in (1, 5, 25, 60):
        order = rig.instance({"code/inference.py": script}, startup_seconds=float(seconds))
        end = rig.run(order)
        assert end["outcome"] == "failed"
        assert f"did not answer /ping within {seconds} s" in end["failure"]["message"]
        assert not rig.processes(order)
        if "still loading" in end["failure"]["message"]:
            return
    raise AssertionError(end["failure"]["message"])


def test_a_stubborn_server_is_killed(rig: LocalRig) -> None:
    """A server that ignores SIGTERM, and children that left its session, are gone after the grace."""
    code = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n    os.setsid()\n    while True:\n        time.sleep(1)\n"
        "def model_fn(d):\n    return 1\n"
        "def transform_fn(m, d, c, a):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(600)\n"
    )
    order = rig.instance({"code/inference.py": code})
    path = start(rig, order).removeprefix("unix:")
    from pegbox.testing.model_servers import UnixConnection

    connection = UnixConnection(path)
    connection.request("POST", "/invocations", b"1")
    rig.settle(lambda: ping(path) == 200)
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 0.5)
    rig.settle(lambda: rig.finished(order))
    connection.close()
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "stopped"
    assert not rig.processes(order)


def _tar(*members: tuple[str, bytes, str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, kind, target, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


BAD_ARCHIVES: dict[str, Callable[[], bytes]] = {
    "lies outside": lambda: _tar(("../evil", tarfile.REGTYPE, "", b"x")),
    "lies outside of": lambda: _tar(("/tmp/evil", tarfile.REGTYPE, "", b"x")),
    "links to": lambda: _tar(("model", tarfile.SYMTYPE, "/etc/passwd", b"")),
    "device or a pipe": lambda: _tar(("model", tarfile.CHRTYPE, "", b"")),
    "cannot be unpacked": lambda: b"this is no archive",
    "Compressed file ended": lambda: _tar(("model", tarfile.REGTYPE, "", os.urandom(9999)))[:-3000],
}


def test_bad_model_archives(rig: LocalRig) -> None:
    """Archives that are damaged or lead out fail the instance with a ClientError that says why; nothing is started."""
    orders = []
    for number, (words, make) in enumerate(BAD_ARCHIVES.items()):
        path = rig.home / f"bad{number}.tar.gz"
        path.write_bytes(make())
        orders.append((words, rig.instance({}, model_archive=str(path))))
    orders.append(("not there any more", rig.instance({}, model_archive="/nonexistent/model.tar.gz")))
    bad_program = {"SAGEMAKER_PROGRAM": "other.py"}
    orders.append(
        ("it holds: inference.py", rig.instance({"code/inference.py": ""}, environment=bad_program))
    )
    orders.append(("SAGEMAKER_SUBMIT_DIRECTORY", rig.instance({"weights": b""}, environment=bad_program)))
    nowhere = RuntimeOrder(kind="script", python="/nonexistent/python")
    orders.append(("PEGBOX_PYTHON", rig.instance({}, runtime=nowhere)))
    for words, order in orders:
        end = rig.run(order)
        assert (end["outcome"], end["failure"]["class"]) == ("failed", "ClientError"), words
        assert words in end["failure"]["message"]
        assert not rig.of_kind(order, "starting")


def test_a_script_without_model_fn(rig: LocalRig) -> None:
    """Without model_fn and without a model of a known kind the failure names both and what the archive holds."""
    order = rig.instance(
        {"weights.bin": b"1", "code/inference.py": "def input_fn(data, content_type):\n    return data\n"}
    )
    end = rig.run(order)
    assert end["outcome"] == "failed"
    assert "defines no model_fn" in end["failure"]["message"]
    assert "weights.bin" in end["failure"]["message"]


def test_a_server_that_ends_by_itself(rig: LocalRig) -> None:
    """A server that was ready and ends with exit code 0 is completed: the engine replaces it."""
    code = "import os\ndef model_fn(d):\n    return 1\ndef transform_fn(m, d, c, a):\n    os._exit(0)\n"
    order = rig.instance({"code/inference.py": code})
    path = start(rig, order).removeprefix("unix:")
    with pytest.raises(OSError):
        ask(path, b"")
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["exit_code"]) == ("completed", 0)


def test_agents_stay_with_a_server(folder: Path) -> None:
    """An agent that drives an instance outlives its idle time and its number of attempts."""
    rig = LocalRig(folder / "home", idle_seconds=0.3, max_attempts=1)
    try:
        order = rig.server("serves")
        start(rig, order)
        time.sleep(1.0)
        assert len(rig.agents()) == 1
        assert rig.finished(order) is None
    finally:
        rig.close()


def test_a_server_that_stops_answering(hung: tuple[LocalRig, ServingOrder]) -> None:
    """A stopped process answers no /ping: after three looks it is killed."""
    rig, order = hung
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["failure"]["class"]) == ("failed", "AlgorithmError")
    assert "stopped answering /ping" in end["failure"]["message"]
    assert not rig.processes(order)
