"""The SDK against a real server process: scripts are really tuned and trained."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.estimator import Estimator
from pegbox.exceptions import UnexpectedStatusException
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import HyperparameterTuner

TRAIN = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--kind")
parser.add_argument("--fixed", type=int, default=0)
options = parser.parse_args()
bonus = float(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "bonus").read_text())
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(vars(options)))
score = bonus + options.fixed - (options.rate - 0.3) ** 2 - 0.01 * options.depth + (options.kind == "b")
REPORT
"""
RANGES: dict[str, Any] = {
    "rate": ContinuousParameter(0.01, 1.0, "Logarithmic"),
    "depth": IntegerParameter(1, 9),
    "kind": CategoricalParameter(["a", "b"]),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A training script and its data."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bonus").write_text("10")
    (tmp_path / "train.py").write_text(TRAIN.replace("REPORT", "import pegbox; pegbox.report(score=score)"))
    (tmp_path / "print.py").write_text(TRAIN.replace("REPORT", "print(f'the score is {score};')"))
    return tmp_path


def test_a_bare_script_is_tuned(session: Session, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six trials run, the best is the best of the table, its model is a file, and the log and metrics are there."""
    estimator = Estimator(
        entry_point=str(project / "train.py"), sagemaker_session=session, hyperparameters={"fixed": 5}
    )
    tuner = HyperparameterTuner(estimator, "score", RANGES, max_jobs=6, max_parallel_jobs=2)
    tuner.fit({"train": str(project / "data")}, wait=True)
    shown = capsys.readouterr().out.splitlines()
    assert len([line for line in shown if " Completed  score=" in line]) == 6
    assert shown[-1].startswith(f"{tuner.latest_tuning_job.name} Completed: 6 training jobs; best ")
    table = tuner.analytics().dataframe()
    assert len(table) == 6
    assert set(table["TrainingJobStatus"]) == {"Completed"}
    best = table.loc[table["FinalObjectiveValue"].idxmax()]
    assert tuner.best_training_job() == best["TrainingJobName"]
    expected = 15 - (best["rate"] - 0.3) ** 2 - 0.01 * best["depth"] + (best["kind"] == "b")
    assert best["FinalObjectiveValue"] == pytest.approx(expected)
    model = tuner.best_estimator().model_data
    bucket, _, key = model.removeprefix("s3://").partition("/")
    fetched = session.download_data(str(project / "model"), bucket, key)
    assert fetched == [str(project / "model" / "model.tar.gz")]
    session.logs_for_job(best["TrainingJobName"])


def test_attach_from_elsewhere_and_fit_again(session: Session, project: Path) -> None:
    """A framework's job is attached by its name alone and sent again, encoded once."""
    ranges = {"rate": RANGES["rate"], "depth": RANGES["depth"], "kind": RANGES["kind"]}
    estimator = SKLearn(
        "print.py", "1.0-1", source_dir=str(project), role="any", train_instance_count=1,
        train_instance_type="ml.m5.large", sagemaker_session=session,
    )  # fmt: skip
    definitions = [{"Name": "score", "Regex": "the score is ([^;]+);"}]
    first = HyperparameterTuner(estimator, "score", ranges, definitions, "Random", max_jobs=2, random_seed=7)
    first.fit({"train": f"file://{project}/data"})
    again = HyperparameterTuner.attach(first.latest_tuning_job.name, sagemaker_session=session)
    assert isinstance(again.estimator, SKLearn)
    again.wait(quiet=True)
    assert again.best_training_job().startswith(first.latest_tuning_job.name)
    again.fit({"train": str(project / "data")}, wait=True, quiet=True)
    one, two = (session.describe_tuning_job(t.latest_tuning_job.name) for t in (first, again))
    config = "HyperParameterTuningJobConfig"
    assert one[config]["ParameterRanges"] == two[config]["ParameterRanges"]
    assert one["BestTrainingJob"]["TunedHyperParameters"] == two["BestTrainingJob"]["TunedHyperParameters"]


def test_single_training_job(session: Session, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A training job's log is printed while it runs, and a failing program's words are in the error."""
    (project / "fail.py").write_text("raise SystemExit('no luck today')")
    estimator = Estimator(entry_point="fail.py", source_dir=str(project), sagemaker_session=session)
    with pytest.raises(UnexpectedStatusException, match="no luck today"):
        estimator.fit()
    assert "no luck today" in capsys.readouterr().out
    fine = Estimator(entry_point=str(project / "print.py"), sagemaker_session=session)
    fine.set_hyperparameters(rate=0.3, depth=0, kind="b")
    fine.fit({"train": str(project / "data")})
    assert "the score is 11.0;" in capsys.readouterr().out
    attached = Estimator.attach(fine.latest_training_job.name, sagemaker_session=session)
    assert attached.model_data == fine.model_data
    described = attached.hyperparameters()
    assert described == {name: str(value) for name, value in fine.hyperparameters().items()}
    assert {name: described[name] for name in ("rate", "depth", "kind")} == {
        "rate": "0.3",
        "depth": "0",
        "kind": "b",
    }


def test_stop_says_stopping(session: Session, project: Path, wait_until: Callable[..., Any]) -> None:
    """After stop_tuning_job the job is Stopping, then Stopped; wait returns, and a second stop is fine."""
    (project / "sleep.py").write_text("import time; time.sleep(600)")
    estimator = Estimator(entry_point=str(project / "sleep.py"), sagemaker_session=session)
    tuner = HyperparameterTuner(estimator, "score", RANGES, max_jobs=2)
    tuner.fit()
    wait_until(lambda: tuner.describe()["TrainingJobStatusCounters"]["InProgress"])
    tuner.stop_tuning_job()
    assert tuner.describe()["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    tuner.wait(quiet=True)
    assert tuner.describe()["HyperParameterTuningJobStatus"] == "Stopped"
    tuner.stop_tuning_job()


def test_two_fits_in_one_minute(session: Session, project: Path) -> None:
    """Two jobs of one base get two names."""
    estimator = Estimator(entry_point=str(project / "train.py"), sagemaker_session=session)
    names = []
    for _ in range(2):
        tuner = HyperparameterTuner(estimator, "score", RANGES, base_tuning_job_name="same")
        tuner.fit({"train": str(project / "data")})
        names.append(tuner.latest_tuning_job.name)
    assert len(set(names)) == 2
    assert all(len(name) <= 32 for name in names)


def test_the_first_script_of_a_new_user(home: Path, project: Path) -> None:
    """Ten lines, no server, an empty home and AWS settings around: the script starts the server and prints the best."""
    script = textwrap.dedent(
        """
        from pegbox.estimator import Estimator
        from pegbox.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter, CategoricalParameter

        estimator = Estimator(entry_point="train.py")
        ranges = {"rate": ContinuousParameter(0.01, 1), "depth": IntegerParameter(1, 9),
                  "kind": CategoricalParameter(["a", "b"])}
        tuner = HyperparameterTuner(estimator, "score", ranges, max_jobs=4, max_parallel_jobs=2)
        tuner.fit({"train": "data"}, wait=True)
        print(tuner.best_training_job())
        """
    )
    (project / "tune.py").write_text(script)
    ambient = {"AWS_PROFILE": "none", "AWS_ACCESS_KEY_ID": "AMBIENT", "AWS_SECRET_ACCESS_KEY": "x"}
    environment = {**os.environ, **ambient, "PEGBOX_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "tune.py"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("pegbox: local server http://127.0.0.1:") == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert lines[-1] in lines[-2]


def test_interrupting_the_watcher_leaves_the_job(server: Any, project: Path) -> None:
    """Ctrl-C ends the script with its way back; the job it watched completes."""
    program = f"""
import pathlib, time, pegbox
while not pathlib.Path({str(project / "go")!r}).exists(): time.sleep(0.05)
pegbox.report(score=1)
"""
    (project / "slow.py").write_text(program)
    script = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from pegbox.tuner import *
        from pegbox.estimator import Estimator
        tuner = HyperparameterTuner(Estimator(entry_point="slow.py"), "score", {"rate": ContinuousParameter(0, 1)})
        tuner.fit(job_name="watched")
        def interrupt_while_it_polls(watching=threading.main_thread().ident):
            frames = set()
            while "follow_tuning_job" not in frames:
                time.sleep(0.02)
                frame, frames = sys._current_frames()[watching], set()
                while frame:
                    frames |= {frame.f_code.co_name}
                    frame = frame.f_back
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt_while_it_polls, daemon=True).start()
        tuner.wait()
        """
    )
    (project / "tune.py").write_text(script)
    environment = {**os.environ, "PEGBOX_HOME": str(server.home)}
    watcher = subprocess.Popen(
        [sys.executable, "tune.py"],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, said = watcher.communicate()
    assert "HyperparameterTuner.attach('watched').wait()" in said
    (project / "go").touch()
    back = "from pegbox.tuner import *; t = HyperparameterTuner.attach('watched'); t.wait(); print(t.best_training_job())"
    done = subprocess.run(
        [sys.executable, "-c", back],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("watched-001-")


def test_wait_outlives_a_killed_server(session: Session, server: Any, project: Path) -> None:
    """With the server killed under it, wait starts it again and sees every trial through."""
    go = project / "go-on"
    (project / "slow.py").write_text(
        f"import os, time, pegbox\nwhile not os.path.exists({str(go)!r}): time.sleep(0.05)\npegbox.report(score=1)\n"
    )
    estimator = Estimator(entry_point=str(project / "slow.py"), sagemaker_session=session)
    tuner = HyperparameterTuner(estimator, "score", RANGES, max_jobs=4, max_parallel_jobs=2)
    tuner.fit()

    def kill() -> None:
        server.kill()
        go.touch()

    killer = threading.Timer(0.7, kill)
    killer.start()
    tuner.wait(quiet=True)
    killer.join()
    described = tuner.describe()
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 4
