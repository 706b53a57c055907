"""With a key, what a job makes and what an endpoint serves never lies on the disk in the clear; a bad key is refused."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from pegbox.sealing import is_sealed
from pegbox.testing import plaintext
from pegbox.testing.lab import tuning_request

#: Made by the program, so that neither code nor request holds it.
SECRET = b"the quick brown weights " * 40
SCRIPT = """
import argparse, json, os, pathlib, time

def secret():
    return " ".join(["the", "quick", "brown", "weights", ""]) * 40

def model_fn(folder):
    return open(os.path.join(folder, "weights.txt")).read()

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    return {"length": len(model), "same": model == secret()}

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float)
    rate = parser.parse_args().rate
    for folder in (os.environ["SM_MODEL_DIR"], os.environ["SM_OUTPUT_DATA_DIR"]):
        pathlib.Path(folder, "weights.txt").write_text(secret())
    print(f"objective={rate}", flush=True)
    while not os.path.exists(os.environ.get("UNTIL", "/")):
        time.sleep(0.02)
"""


def holders(home: Path) -> list[str]:
    """Return the files below a home that hold the secret, plain or inside an archive."""
    return plaintext.holders(home, _holds)


def _holds(path: Path, data: bytes) -> bool:
    if data[:2] == b"\x1f\x8b":
        with tarfile.open(path) as archive:
            entries = [archive.extractfile(item) for item in archive if item.isfile()]
            if any(entry is not None and SECRET in entry.read() for entry in entries):
                return True
    return SECRET in data


@pytest.fixture(scope="module")
def programs(
    server: Any, processes_of: Callable[[Path], list[psutil.Process]]
) -> Callable[[], list[psutil.Process]]:
    """``programs()`` returns the training programs that run and have written their weights."""

    def written(process: psutil.Process) -> bool:
        try:
            folder = process.environ().get("SM_MODEL_DIR", "")
            return "--rate" in process.cmdline() and Path(folder, "weights.txt").exists()
        except psutil.Error:
            return False

    return lambda: [item for item in processes_of(server.home) if written(item)]


@pytest.fixture(scope="module")
def sealed(
    server: Any,
    sagemaker: Any,
    wait_until: Callable[..., Any],
    programs: Callable[[], list[psutil.Process]],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The name of a training job whose artifacts are sealed, found clean while it ran and after."""
    server.pegbox("keys", "create", "models")
    until = tmp_path_factory.mktemp("sealed") / "until"
    environment = {"UNTIL": str(until)}
    request = tuning_request(
        "sealed", server.upload_code(SCRIPT), max_jobs=2, parallel=2, environment=environment
    )
    definition = request["TrainingJobDefinition"]
    definition["OutputDataConfig"]["KmsKeyId"] = "alias/models"
    definition["ResourceConfig"]["VolumeKmsKeyId"] = "models"
    sagemaker.create_hyper_parameter_tuning_job(**request)

    def status() -> Any:
        found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="sealed")
        return found if found["HyperParameterTuningJobStatus"] != "InProgress" else None

    wait_until(lambda: len(programs()) == 2)
    for _ in range(3):
        assert holders(server.home) == []
    until.touch()
    while status() is None:
        assert holders(server.home) == []
    done = status()
    assert done["HyperParameterTuningJobStatus"] == "Completed", done.get("FailureReason")
    assert holders(server.home) == []
    return str(done["BestTrainingJob"]["TrainingJobName"])


def test_artifacts_are_sealed_and_open_with_their_key(server: Any, sealed: str, tmp_path: Path) -> None:
    """Model and output are sealed files; keys open gives the archive; nothing is left in memory."""
    published = server.home / "buckets" / "pegbox-local" / sealed / "output"
    for name in ("model.tar.gz", "output.tar.gz"):
        assert is_sealed(published / name)
        server.pegbox("keys", "open", str(published / name), str(tmp_path / name))
        with tarfile.open(tmp_path / name) as archive:
            entry = archive.extractfile("weights.txt")
            assert entry is not None
            assert entry.read() == SECRET
    from pegbox.bootstrap.keys import memory_folder

    assert not Path(memory_folder(server.home)).exists()


def test_a_sealed_model_is_served_from_memory(
    server: Any, sagemaker: Any, sealed: str, wait_until: Callable[..., Any]
) -> None:
    """An endpoint answers from the sealed model, and no file on the disk holds it meanwhile, nor memory afterwards."""
    description = sagemaker.describe_training_job(TrainingJobName=sealed)
    sagemaker.create_model(
        ModelName="sealed",
        ExecutionRoleArn=description["RoleArn"],
        PrimaryContainer={
            "Image": description["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": description["ModelArtifacts"]["S3ModelArtifacts"],
            "Environment": {
                "SAGEMAKER_PROGRAM": "train.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": description["HyperParameters"]["sagemaker_submit_directory"],
                "PEGBOX_PYTHON": sys.executable,
            },
        },
    )
    variant = {
        "VariantName": "v",
        "ModelName": "sealed",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName="sealed", ProductionVariants=[variant], KmsKeyId="alias/models"
    )
    assert sagemaker.describe_endpoint_config(EndpointConfigName="sealed")["KmsKeyId"] == "alias/models"
    sagemaker.create_endpoint(EndpointName="sealed", EndpointConfigName="sealed")

    def status() -> Any:
        found = sagemaker.describe_endpoint(EndpointName="sealed")
        return found if found["EndpointStatus"] != "Creating" else None

    found = wait_until(status)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="sealed", Body=b"[1]", ContentType="application/json")
    assert json.loads(answer["Body"].read()) == {"length": len(SECRET), "same": True}
    assert holders(server.home) == []
    server.kill()
    server.start()
    answer = runtime.invoke_endpoint(EndpointName="sealed", Body=b"[1]", ContentType="application/json")
    assert json.loads(answer["Body"].read())["same"]
    client = server.client()
    client.delete_endpoint(EndpointName="sealed")
    wait_until(lambda: not client.list_endpoints()["Endpoints"])
    from pegbox.bootstrap.keys import memory_folder

    wait_until(lambda: not Path(memory_folder(server.home)).exists())


def test_keys_that_cannot_be_used_are_refused_at_create_time(server: Any, sealed: str) -> None:
    """An unknown and a disabled key are refused for jobs and configurations, each with the member's name."""
    client = server.client()
    server.pegbox("keys", "create", "off")
    server.pegbox("keys", "disable", "off")
    request = tuning_request("refused", server.upload_code(SCRIPT), max_jobs=1, parallel=1)
    definition = request["TrainingJobDefinition"]
    definition["OutputDataConfig"]["KmsKeyId"] = "alias/nobody"
    definition["ResourceConfig"]["VolumeKmsKeyId"] = "off"
    with pytest.raises(ClientError) as caught:
        client.create_hyper_parameter_tuning_job(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    for words in (
        "2 validation errors",
        "OutputDataConfig.KmsKeyId: 'alias/nobody'",
        "VolumeKmsKeyId: 'off'",
    ):
        assert words in str(caught.value)
    variant = {
        "VariantName": "v",
        "ModelName": "none",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    with pytest.raises(ClientError, match=r"KmsKeyId: 'off': the key is disabled"):
        client.create_endpoint_config(EndpointConfigName="off", ProductionVariants=[variant], KmsKeyId="off")


def test_a_key_that_is_disabled_meanwhile_fails_the_job_with_its_words(
    server: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """A trial that starts after its key was disabled fails with the reason, and nothing of it runs."""
    client = server.client()
    server.pegbox("keys", "create", "brief")
    environment = {"UNTIL": str(tmp_path / "until")}
    request = tuning_request(
        "brief", server.upload_code(SCRIPT), max_jobs=2, parallel=1, environment=environment
    )
    request["TrainingJobDefinition"]["OutputDataConfig"]["KmsKeyId"] = "alias/brief"
    client.create_hyper_parameter_tuning_job(**request)
    server.pegbox("keys", "disable", "brief")
    (tmp_path / "until").touch()

    def ended() -> Any:
        found = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="brief")
        return found if found["HyperParameterTuningJobStatus"] != "InProgress" else None

    wait_until(ended)
    jobs = client.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="brief", SortBy="CreationTime"
    )["TrainingJobSummaries"]
    assert jobs[-1]["TrainingJobStatus"] == "Failed"
    assert "the key is disabled" in jobs[-1]["FailureReason"]


def test_nothing_is_published_in_the_clear_when_the_key_goes_while_the_program_runs(
    server: Any,
    wait_until: Callable[..., Any],
    processes_of: Callable[[Path], list[psutil.Process]],
    programs: Callable[[], list[psutil.Process]],
    tmp_path: Path,
) -> None:
    """Server and agent are killed after the key was disabled; the survivor's job fails, and its model reaches no disk."""
    client = server.client()
    server.pegbox("keys", "create", "fleeting")
    request = tuning_request(
        "fleeting",
        server.upload_code(SCRIPT),
        max_jobs=1,
        parallel=1,
        environment={"UNTIL": str(tmp_path / "until")},
    )
    request["TrainingJobDefinition"]["OutputDataConfig"]["KmsKeyId"] = "alias/fleeting"
    client.create_hyper_parameter_tuning_job(**request)

    def summaries() -> Any:
        return client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="fleeting"
        )["TrainingJobSummaries"]

    wait_until(programs)
    server.pegbox("keys", "disable", "fleeting")
    server.kill()
    for process in processes_of(server.home):
        if any(word.endswith("agent/__main__.py") for word in process.cmdline()):
            process.kill()
    server.start()
    (tmp_path / "until").touch()
    client = server.client()
    wait_until(lambda: summaries()[0]["TrainingJobStatus"] != "InProgress")
    assert summaries()[0]["TrainingJobStatus"] == "Failed"
    assert "the key is disabled" in summaries()[0]["FailureReason"]
    assert holders(server.home) == []
    assert not (server.home / "buckets" / "pegbox-local" / summaries()[0]["TrainingJobName"]).exists()
