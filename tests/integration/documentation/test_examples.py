"""Scripts written from the documentation of ``sagemaker.tuner`` alone, one for each of its examples; none says Pegbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"

BYOA = """
import json
import sys

if sys.argv[-1] == "serve":
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.say(b"")

        def do_POST(self):
            self.say(open("/opt/ml/model/x").read().encode() + b" " + self.rfile.read(int(self.headers["Content-Length"])))

        def say(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()

values = json.load(open("/opt/ml/input/config/hyperparameters.json"))
x = float(values["x"])
print(f"epoch=1 loss={abs(x - 0.5) + 10 - float(values.get('offset', 0)):.6f}")
open("/opt/ml/model/x", "w").write(str(x))
"""


@pytest.fixture(scope="module")
def images(server: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The image of the algorithm of one's own, as ``pegbox images add`` maps it."""
    program = tmp_path_factory.mktemp("byoa") / "algorithm.py"
    # Where /opt/ml cannot be real, the variable says where it is.
    text = BYOA.replace('"/opt/ml/', 'BASE + "/').replace(
        "import json\n", "import json, os\nBASE = os.environ['SAGEMAKER_BASE_DIR']\n"
    )
    program.write_text(text)
    for name in ("123456789012.dkr.ecr.us-west-2.amazonaws.com/byoa", "byoa"):
        server.pegbox("images", "add", name, "--", sys.executable, str(program))


def run(server: Any, script: str, *words: str) -> list[str]:
    """Run a script and return the words of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "pegbox.cli", "run", str(SCRIPTS / script), *words],
        env={
            **server.environment,
            "PYTHONPATH": os.pathsep.join([str(SCRIPTS), *(p for p in sys.path if p)]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    mark, *rest = done.stdout.splitlines()[-1].split(maxsplit=1)
    assert mark == "result"
    return rest[0].split()


@pytest.mark.usefixtures("images")
def test_attach_derives_the_class_from_the_image(server: Any) -> None:
    """Example 1 of attach: another process gets a tuner of PCA, its best job's estimator, and deploys it without a word."""
    (name,) = run(server, "example_1.py", "fit")
    cls, components = run(server, "example_1.py", "attach", name)
    assert cls == "PCA"
    assert components in ("1", "2", "3")


@pytest.mark.usefixtures("images")
def test_attach_to_two_definitions(server: Any) -> None:
    """Example 2 of attach: a built-in algorithm and a class of a package of one's own; the best is deployed."""
    (name,) = run(server, "example_2.py", "fit")
    assert run(server, "example_2.py", "attach", name) == ["4", "estimator_byoa", "estimator_pca", "PCA"]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("word", "kind"), [("transfer", "TransferLearning"), ("identical", "IdenticalDataAndAlgorithm")]
)
def test_warm_start(server: Any, word: str, kind: str) -> None:
    """The examples of transfer_learning_tuner and identical_dataset_and_algorithm_tuner, each with two parents."""
    found = run(server, "warm_start.py", word)
    assert found[:2] == [kind, "Completed"]
    assert "".join(found[2:]) == "[{'Key':'team','Value':'a'}]"


@pytest.mark.usefixtures("images")
def test_every_documented_name(server: Any) -> None:
    """Each class, method, argument and constant does what the documentation says, in one script."""
    assert run(server, "every_name.py") == ["3", "Stopped", "Estimator"]
