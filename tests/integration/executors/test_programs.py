"""Programs of all kinds through real agents."""

from __future__ import annotations

import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pegbox.domain.orders import ChannelOrder, RuntimeOrder
from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import LocalRig

SHOW_ENVIRONMENT = """
import json, os, sys
base = os.environ['SAGEMAKER_BASE_DIR']
files = {}
for root, _, names in os.walk(base, followlinks=True):
    for name in names:
        path = os.path.join(root, name)
        files[os.path.relpath(path, base)] = open(path).read()
shown = {'env': dict(os.environ), 'argv': sys.argv, 'cwd': os.getcwd(), 'files': files}
shown['checkpoints'] = os.path.realpath(base + '/checkpoints')
json.dump(shown, sys.stdout)
"""


def test_a_short_trial_is_one_report(rig: LocalRig) -> None:
    """Everything within 0.2 s arrives in one frame, and the next attempt finds the same agent warm."""
    for _ in range(3):
        order = rig.order("completes")
        rig.run(order)
        rig.executor.discard(order.attempt_id)
        events = rig.events(order.attempt_id)
        seconds = events[-1]["at"] - events[0]["at"]
        assert rig.committed.frames[order.attempt_id] <= 1 + int(seconds / 0.2)
        kinds = [event["kind"] for event in rig.events(order.attempt_id)]
        assert kinds == ["downloading", "training", "metric", "uploading", "finished"]
    assert len(rig.agents()) == 1


def test_the_training_contract(rig: LocalRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sees the layout, variables and arguments of the contract, its own Environment, and no secret of the server."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "server's own")
    monkeypatch.setenv("PEGBOX_SOMETHING", "server's own")
    data = tmp_path / "data"
    data.mkdir()
    (data / "x.csv").write_text("1,2\n")
    (tmp_path / "single.csv").write_text("3\n")
    (tmp_path / "part-1").write_text("a")
    (tmp_path / "part-2").write_text("b")
    order = rig.script(
        {"train.py": SHOW_ENVIRONMENT},
        hyperparameters={"lr": "0.1", "name": '"\\"a\\""', "sagemaker_region": '"us-east-1"'},
        environment={"MINE": "1", "TRAINING_JOB_NAME": "not mine"},
        channels=(
            ChannelOrder(name="train", path=str(data), uri="s3://b/data", content_type="text/csv"),
            ChannelOrder(name="single", path=str(tmp_path / "single.csv"), uri="s3://b/single.csv"),
            ChannelOrder(name="parts", path=str(tmp_path / "part-"), uri="s3://b/part-"),
        ),
        checkpoint_path=str(tmp_path / "kept"),
        output_uri="s3://b/out",
    )
    rig.executor.launch(order)
    rig.settle(lambda: rig.finished(order))
    shown = json.loads(rig.log(order))
    env, tree = shown["env"], Path(order.directory, "opt/ml")
    assert shown["argv"] == ["train.py", "--lr", "0.1", "--name", "a"]
    assert shown["cwd"] == str(tree / "code")
    assert "AWS_SECRET_ACCESS_KEY" not in env
    assert "PEGBOX_SOMETHING" not in env
    assert (env["MINE"], env["TRAINING_JOB_NAME"]) == ("1", order.training_job_name)
    assert env["TRAINING_JOB_ARN"] == order.training_job_arn
    assert env["SAGEMAKER_BASE_DIR"] == str(tree)
    assert env["PEGBOX_OUTPUT_URI"] == "s3://b/out"
    files = shown["files"]
    assert files["input/data/train/x.csv"] == "1,2\n"
    assert files["input/data/single/single.csv"] == "3\n"
    assert sorted(name for name in files if "/parts/" in name) == [
        "input/data/parts/part-1",
        "input/data/parts/part-2",
    ]
    assert json.loads(files["input/config/hyperparameters.json"]) == dict(order.hyperparameters)
    assert json.loads(files["input/config/inputdataconfig.json"])["train"]["ContentType"] == "text/csv"
    assert json.loads(files["input/config/resourceconfig.json"])["hosts"] == ["algo-1"]
    assert shown["checkpoints"] == env["PEGBOX_CHECKPOINT_DIR"].replace(
        str(tree / "checkpoints"), str((tmp_path / "kept").resolve())
    )
    rig.settle(lambda: not tree.exists())
    assert (tmp_path / "kept").exists()
    assert (data / "x.csv").exists()


def test_model_and_output_are_packed(rig: LocalRig) -> None:
    """What the program leaves in the model and output folders is staged with its checksum; the log stays after discard."""
    order = rig.script(
        {
            "train.py": "import os\nopen(os.environ['SM_MODEL_DIR'] + '/w', 'w').write('weights')\n"
            "open(os.environ['SM_OUTPUT_DATA_DIR'] + '/o', 'w').write('out')\nprint('loss=1')\n"
        }
    )
    end = rig.run(order)
    for name, content in (("model", b"weights"), ("output", b"out")):
        with tarfile.open(end["artifacts"][name]["staged"]) as tar:
            assert tar.extractfile(tar.getmembers()[0]).read() == content  # type: ignore[union-attr]
    rig.executor.discard(order.attempt_id)
    rig.settle(lambda: sorted(os.listdir(order.directory)) == ["log", "log.times", "result.json"])


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys\nprint('some words')\nsys.exit(3)\n", ["ExitCode 3", "some words", "train.py"]),
        ("raise ValueError('no good')\n", ["ValueError: no good", "ExitCode 1"]),
        (
            "import os\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my own words' + 'x' * 5000)\nos._exit(7)\n",
            ["my own words", "exit code: 7"],
        ),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", ["SIGSEGV"]),
    ],
)
def test_failures(program: str, words: list[str], rig: LocalRig) -> None:
    """A failure's message says how the program ended and its last words, within AWS's length."""
    end = rig.run(rig.script({"train.py": program}))
    assert end["outcome"] == "failed"
    assert end["failure"]["class"] == "AlgorithmError"
    assert len(end["failure"]["message"]) <= 1024
    for word in words:
        assert word in end["failure"]["message"]
    assert end["artifacts"]["model"] is None


def test_what_cannot_run_is_refused(rig: LocalRig) -> None:
    """What cannot run ends at once as a client error that names the field and the remedy; nothing is started."""
    missing = ChannelOrder(name="train", path="/nonexistent/data", uri="s3://b/data")
    packed = ChannelOrder(name="train", path="/tmp", uri="s3://b/data", compression="Gzip")
    cases = [
        ({"hyperparameters": {"sagemaker_program": '"other.py"'}}, "sagemaker_program"),
        ({"hyperparameters": {"sagemaker_program": '"../x.py"'}}, "inside the code archive"),
        ({"code_archive": None}, "code archive"),
        ({"code_archive": "/nonexistent.tar.gz"}, "cannot be read"),
        ({"runtime": RuntimeOrder(kind="script", python="/nonexistent/python")}, "PEGBOX_PYTHON"),
        ({"runtime": RuntimeOrder(kind="command", command=("/nonexistent",))}, "pegbox images add"),
        ({"channels": (missing,)}, "s3://b/data"),
        ({"channels": (packed,)}, "belongs to Pipe mode"),
        ({"hyperparameters": {"a": '"x\\u0000y"'}}, "cannot be started"),
    ]
    for changes, words in cases:
        order = rig.script({"train.py": "print('never')"}, **changes)
        end = rig.run(order)
        assert (end["outcome"], end["failure"]["class"]) == ("failed", "ClientError"), changes
        assert words in end["failure"]["message"]
        assert not rig.of_kind(order, "training")


def test_reported_metrics_win_over_patterns(rig: LocalRig) -> None:
    """A metric reported through the file is counted once, with its step, whatever its pattern finds in the log."""
    program = (
        "import json, os, time\n"
        "for i in range(3):\n"
        "    with open(os.environ['PEGBOX_REPORT_FILE'], 'a') as f:\n"
        "        f.write(json.dumps({'metrics': {'loss': i / 2, 'extra': 'nan'}, 'step': i, 'time': time.time()}) + '\\n')\n"
        "    print(f'loss={i / 2}', flush=True)\n"
    )
    order = rig.script({"train.py": program})
    end = rig.run(order)
    points = [(e["name"], e["value"], e["step"], e["count"]) for e in rig.of_kind(order, "metric")]
    assert [point for point in points if point[0] == "loss"] == [
        ("loss", 0.0, 0, 1),
        ("loss", 0.5, 1, 2),
        ("loss", 1.0, 2, 3),
    ]
    assert [point[1] for point in points if point[0] == "extra"] == ["nan"] * 3
    assert end["unmatched"] is None


def test_pegbox_report_where_pegbox_is_not_installed(rig: LocalRig) -> None:
    """A program can import pegbox.report in an interpreter without Pegbox; where it is installed, the real one is used."""
    bare = rig.home / "bare"
    bare.mkdir()
    launcher = bare / "python"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    launcher.chmod(0o700)
    program = "import pegbox\npegbox.report(loss=0.5, step=2)\nprint(pegbox.__file__)\n"
    for python, place in ((str(launcher), str(rig.home / "cache")), (sys.executable, "src/pegbox")):
        order = rig.script({"train.py": program}, runtime=RuntimeOrder(kind="script", python=python))
        assert rig.run(order)["outcome"] == "completed", rig.log(order)
        assert place in rig.log(order)
        assert [(e["value"], e["step"]) for e in rig.of_kind(order, "metric")] == [(0.5, 2)]


def test_requirements(rig: LocalRig) -> None:
    """requirements.txt is installed once into an environment that still sees its parent's packages."""
    wheel = rig.home / "demo_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("demo_pkg.py", "WORD = 'installed'\n")
        archive.writestr(
            "demo_pkg-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n"
        )
        archive.writestr(
            "demo_pkg-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("demo_pkg-1.0.dist-info/RECORD", "")
    files: dict[str, str | bytes] = {
        "train.py": "import demo_pkg, psutil\nprint(demo_pkg.WORD, psutil.__name__)\n",
        "requirements.txt": f"./{wheel.name}\n",
        wheel.name: wheel.read_bytes(),
    }
    for _ in range(2):
        order = rig.script(files)
        end = rig.run(order)
        assert end["outcome"] == "completed", rig.log(order)
        assert "installed psutil" in rig.log(order)
    assert len(list((rig.home / "cache" / "environments").glob("*.lock"))) == 1
    order = rig.script({"train.py": "", "requirements.txt": "./missing.whl\n"})
    end = rig.run(order)
    assert end["failure"]["class"] == "AlgorithmError"
    assert "InstallRequirementsError" in end["failure"]["message"]


def test_entry_points(rig: LocalRig) -> None:
    """A shell script runs as such and passes SIGTERM on; a command image runs with the argument train."""
    shell = {"go.sh": '#!/bin/sh\necho "shell $1 $2"\npython -c "print(\'python on PATH\')"\n'}
    order = rig.script(shell, hyperparameters={"sagemaker_program": "go.sh", "lr": "1"})
    assert rig.run(order)["outcome"] == "completed"
    assert rig.log(order).splitlines() == ["shell --lr 1", "python on PATH"]
    runtime = RuntimeOrder(kind="command", command=("/bin/echo", "hello"))
    order = rig.script({}, runtime=runtime, code_archive=None)
    assert rig.run(order)["outcome"] == "completed"
    assert rig.log(order) == "hello train\n"
    order = rig.script(
        {"go.sh": "#!/bin/sh\nsleep 600\necho never\n"}, hyperparameters={"sagemaker_program": "go.sh"}
    )
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "training") and len(rig.processes(order)) == 2)
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 60)
    rig.settle(lambda: rig.finished(order))
    assert rig.processes(order) == []


def test_opt_ml(rig: LocalRig) -> None:
    """A script that names /opt/ml finds it real where bubblewrap works, and is told about SM_* variables elsewhere."""
    order = rig.script(
        {
            "train.py": "import json, os\n"
            "real = os.path.exists('/opt/ml/input/config/hyperparameters.json')\n"
            "print('real' if real else 'not real')\n"
            "if real:\n    open('/opt/ml/model/w', 'w').write('x')\n"
            "    assert os.environ['SM_MODEL_DIR'] == '/opt/ml/model'\n"
        }
    )
    end = rig.run(order)
    assert end["outcome"] == "completed", rig.log(order)
    notices = [event["text"] for event in rig.of_kind(order, "notice")]
    if rig.log(order) == "real\n":
        assert notices == []
        with tarfile.open(end["artifacts"]["model"]["staged"]) as tar:
            assert tar.getnames() == ["w"]
    else:
        assert "SM_MODEL_DIR" in notices[0]


def test_stop_reaches_a_program_in_a_sandbox(rig: LocalRig) -> None:
    """SIGTERM reaches the program itself, which may save its model; the model is packed."""
    program = (
        "import os, signal, sys, time\n# /opt/ml\n"
        "def save(*_):\n    open(os.environ['SM_MODEL_DIR'] + '/saved', 'w').close(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('loss=1', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    for text in (program, program.replace("# /opt/ml", "#")):
        order = rig.script({"train.py": text})
        rig.executor.launch(order)
        rig.settle(lambda order=order: rig.of_kind(order, "metric"))  # type: ignore[misc]
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 60)
        rig.settle(lambda order=order: rig.finished(order))  # type: ignore[misc]
        end = rig.finished(order)
        assert end is not None
        assert end["outcome"] == "stopped"
        with tarfile.open(end["artifacts"]["model"]["staged"]) as tar:
            assert tar.getnames() == ["saved"]


def test_stop_before_the_program_starts(rig: LocalRig) -> None:
    """An attempt that is stopped while it is being prepared never starts its program."""
    order = rig.script({"train.py": "print('never')", "requirements.txt": "./slow.whl\n"})
    slow = rig.home / "slow"
    slow.mkdir()
    launcher = slow / "python"
    launcher.write_text("#!/bin/sh\nsleep 600\n")
    launcher.chmod(0o700)
    order = rig.script(
        {"train.py": "print('never')"}, runtime=RuntimeOrder(kind="script", python=str(launcher))
    )
    rig.executor.launch(order)
    rig.settle(rig.agents)
    rig.settle(lambda: rig.processes(order))
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 60)
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "stopped"
    assert not rig.of_kind(order, "training")
    assert rig.processes(order) == []


def test_a_flood_of_output(rig: LocalRig) -> None:
    """Megabytes of lines are searched to the end; every value is found once and counted in order."""
    program = (
        "for i in range(200_000):\n"
        "    print('x' * 60)\n"
        "    if i % 100 == 0:\n        print(f'loss={i}')\n"
        "print('\\xff' * 10, end='')\n"
    )
    order = rig.script({"train.py": program})
    assert rig.run(order)["outcome"] == "completed"
    points = rig.of_kind(order, "metric")
    assert [point["value"] for point in points] == [float(i) for i in range(0, 200_000, 100)]
    assert [point["count"] for point in points] == list(range(1, 2001))
