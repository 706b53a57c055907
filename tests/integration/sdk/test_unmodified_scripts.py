"""Scripts written for the AWS SDK run by ``pegbox run``: not a word of them says Pegbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TRAIN = """
import argparse
import os
import time
parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
parser.add_argument("--kind")
parser.add_argument("--release", default="/")
given = parser.parse_args()
while not os.path.exists(given.release):
    time.sleep(0.05)
print(f"validation-score={given.alpha};")
"""
VERSION_1 = """
import os
import sys
import boto3
import sagemaker
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner

estimator = SKLearn(
    entry_point="train.py",
    role=sagemaker.get_execution_role(),
    train_instance_count=1,
    train_instance_type="ml.m4.xlarge",
    framework_version="0.20.0",
    hyperparameters={"release": os.path.abspath("released")},
)
tuner = HyperparameterTuner(
    estimator,
    "validation-score",
    {"alpha": ContinuousParameter(0.1, 1), "kind": CategoricalParameter(["a", "b"])},
    [{"Name": "validation-score", "Regex": "validation-score=(.*?);"}],
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.fit()
name = tuner.latest_tuning_job.name
client = boto3.client("sagemaker")
before = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
open("released", "w").close()
tuner.wait()
frame = sagemaker.HyperparameterTuningJobAnalytics(name).dataframe()
attached = HyperparameterTuner.attach(name)
assert attached.best_training_job() == tuner.best_training_job()
print(sagemaker.__version__, sys.argv[1:], before["HyperParameterTuningJobStatus"], len(frame), type(attached.estimator).__name__)
"""
SERVE = """
def model_fn(folder):
    return 10

def predict_fn(rows, model):
    return rows * model
"""
VERSION_2 = """
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.image_uris import retrieve
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import JSONSerializer
from sagemaker.session import Session
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

session = Session()
data = session.upload_data("train.py", key_prefix="some-data")
estimator = Estimator(
    image_uri=retrieve("sklearn", session.boto_region_name, version="1.2-1"),
    role="SageMakerRole",
    instance_count=1,
    instance_type="ml.m5.large",
    entry_point="train.py",
    sagemaker_session=session,
)
tuner = HyperparameterTuner(
    estimator,
    "validation-score",
    {"alpha": ContinuousParameter(0.1, 1)},
    [{"Name": "validation-score", "Regex": "validation-score=(.*?);"}],
    max_jobs=2,
    max_parallel_jobs=2,
)
tuner.fit({"train": TrainingInput(data)})
print(tuner.describe()["HyperParameterTuningJobStatus"])
predictor = tuner.deploy(
    initial_instance_count=1,
    instance_type="ml.m5.large",
    serializer=JSONSerializer(),
    deserializer=JSONDeserializer(),
    entry_point="serve.py",
    source_dir=".",
)
print(predictor.endpoint_name == tuner.best_training_job(), predictor.predict([[1, 2], [3, 4]]))
predictor.delete_model()
predictor.delete_endpoint()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and what they train."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, text in (("train", TRAIN), ("serve", SERVE), ("version1", VERSION_1), ("version2", VERSION_2)):
        (folder / f"{name}.py").write_text(text)
    return folder


def run(server: Any, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``pegbox run`` in the folder."""
    return subprocess.run(
        [sys.executable, "-m", "pegbox.cli", "run", *words],
        cwd=folder,
        env={**server.environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_of_version_1(server: Any, folder: Path) -> None:
    """Old names, fit that does not wait, boto3 beside the SDK, analytics and attach work; arguments reach the script."""
    done = run(server, folder, "version1.py", "--api", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1.72.1 ['--api', 'mine'] InProgress 2 SKLearn"


def test_a_script_of_version_2(server: Any, folder: Path) -> None:
    """New names work, fit waits, and the best model is deployed with another script, asked and deleted."""
    done = run(server, folder, "--api", "v2", "version2.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "Completed" in lines
    assert lines[-1] == "True [[10, 20], [30, 40]]"


def test_failures_of_scripts(server: Any, folder: Path) -> None:
    """A script's own error is shown with its traceback; a script that is not there and a wrong version in one line."""
    (folder / "fails.py").write_text(
        "from sagemaker.tuner import HyperparameterTuner\nHyperparameterTuner.attach('no-such-job')\n"
    )
    done = run(server, folder, "fails.py")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "no-such-job" in done.stderr
    for words, told in ((("nowhere.py",), "nowhere.py"), (("--api", "v3", "train.py"), "v3")):
        done = run(server, folder, *words)
        assert done.returncode == 1
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1
