"""Every documented form of inputs, through real jobs of a real server."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from pegbox import KMeans, Session
from pegbox.amazon.amazon_estimator import FileSystemRecordSet, RecordSet
from pegbox.estimator import Estimator
from pegbox.inputs import FileSystemInput, ShuffleConfig, TrainingInput, s3_input
from pegbox.parameter import ContinuousParameter, IntegerParameter
from pegbox.testing.algorithm_runs import records
from pegbox.tuner import HyperparameterTuner

SHOW = """
import json, os, stat, pegbox
config = json.load(open(os.environ["SM_INPUT_CONFIG_DIR"] + "/inputdataconfig.json"))
found = {}
for name, said in sorted(config.items()):
    place = os.environ["SM_INPUT_DIR"] + "/data/" + name
    if said["TrainingInputMode"] == "Pipe":
        assert stat.S_ISFIFO(os.stat(place + "_0").st_mode)
        data = [open(f"{place}_{epoch}", "rb").read().decode("latin-1") for epoch in range(2)]
    else:
        data = {os.path.relpath(os.path.join(folder, file), place): open(os.path.join(folder, file)).read()
                for folder, _, files in os.walk(place, followlinks=True) for file in files}
    found[name] = [said["TrainingInputMode"], said.get("ContentType"), data]
open(os.environ["SM_MODEL_DIR"] + "/found.json", "w").write(json.dumps(found))
print("FOUND " + json.dumps(found))
pegbox.report(score=1)
"""
RANGES: dict[str, Any] = {"x": ContinuousParameter(0, 1)}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder that stands for a file system."""
    (tmp_path / "disk" / "sets").mkdir(parents=True)
    (tmp_path / "disk" / "sets" / "f").write_text("shared")
    (tmp_path / "disk" / "records").mkdir()
    (tmp_path / "disk" / "records" / "part").write_bytes(records(np.random.RandomState(0).rand(40, 3)))
    return tmp_path / "disk"


@pytest.fixture
def session(make_server: Callable[..., Any], disk: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session with a server that knows the file system, and a bucket with data."""
    server = make_server(PEGBOX_FILE_SYSTEMS=f"fs-0123456789={disk}")
    monkeypatch.setenv("PEGBOX_HOME", str(server.home))
    bucket = server.home / "buckets" / "pegbox-local"
    (bucket / "set").mkdir(parents=True)
    for name in "abc":
        (bucket / "set" / name).write_text(name)
    (bucket / "packed.gz").write_bytes(gzip.compress(b"unpacked"))
    (bucket / "manifest").write_text(json.dumps([{"prefix": "s3://pegbox-local/set/"}, "c", "a"]))
    line = {"source-ref": "s3://pegbox-local/set/b", "label": 1}
    (bucket / "augmented").write_text(json.dumps(line))
    return Session()


def test_every_field_of_an_input_arrives(session: Session, tmp_path: Path) -> None:
    """Text, input objects with each field, file systems and paths, as channels of one job; what a program reads is shown."""
    base = "s3://pegbox-local/"
    (tmp_path / "train.py").write_text(SHOW)
    estimator = Estimator(entry_point=str(tmp_path / "train.py"), sagemaker_session=session)
    inputs: dict[str, Any] = {
        "text": base + "set",
        "path": tmp_path / "disk" / "sets",
        "typed": s3_input(base + "set/a", content_type="text/csv", distribution="ShardedByS3Key"),
        "manifest": TrainingInput(base + "manifest", s3_data_type="ManifestFile"),
        "fast": TrainingInput(base + "set", input_mode="FastFile"),
        "pipe": TrainingInput(base + "set", input_mode="Pipe"),
        "gzip": TrainingInput(base + "packed.gz", input_mode="Pipe", compression="Gzip"),
        "wrapped": TrainingInput(base + "set/a", input_mode="Pipe", record_wrapping="RecordIO"),
        "shuffled": TrainingInput(base + "set", input_mode="Pipe", shuffle_config=ShuffleConfig(5)),
        "attributes": TrainingInput(
            base + "augmented",
            s3_data_type="AugmentedManifestFile",
            attribute_names=["source-ref", "label"],
            input_mode="Pipe",
            record_wrapping="RecordIO",
        ),
        "efs": FileSystemInput("fs-0123456789", "EFS", "/sets", content_type="x/y"),
    }
    tuner = HyperparameterTuner(estimator, "score", RANGES, max_jobs=1)
    tuner.fit(inputs, wait=True, quiet=True)
    logs = session.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=tuner.best_training_job())[
        "logStreams"
    ]
    lines = [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]
    found = json.loads(next(line for line in lines if line.startswith("FOUND ")).removeprefix("FOUND "))
    whole = {name: name for name in "abc"}
    assert found["text"] == ["File", None, whole]
    assert found["path"] == ["File", None, {"f": "shared"}]
    assert found["typed"] == ["File", "text/csv", {"a": "a"}]
    assert found["manifest"] == ["File", None, {"a": "a", "c": "c"}]
    assert found["fast"] == ["FastFile", None, whole]
    assert found["pipe"] == ["Pipe", None, ["abc", "abc"]]
    assert found["gzip"] == ["Pipe", None, ["unpacked", "unpacked"]]
    assert found["efs"] == ["File", "x/y", {"f": "shared"}]
    assert [sorted(text) for text in found["shuffled"][2]] == [["a", "b", "c"]] * 2
    (mark,) = {text[:4] for text in (*found["wrapped"][2], *found["attributes"][2])}
    assert mark.encode("latin-1") == b"\x0a\x23\xd7\xce"
    assert found["wrapped"][2][0][8:9] == "a"
    assert [found["attributes"][2][0][place] for place in (8, 20)] == ["b", "1"]


def test_the_algorithms_own_mode_and_record_sets(session: Session, disk: Path) -> None:
    """The estimator's mode holds where an input says none; record sets of files and of objects train an algorithm."""
    estimator = KMeans("role", 1, "local", k=3, epochs=1, input_mode="Pipe", sagemaker_session=session)
    train = FileSystemRecordSet("fs-0123456789", "EFS", "/records", num_records=40, feature_dim=3)
    test = estimator.record_set(np.random.RandomState(1).rand(20, 3).astype("float32"), channel="test")
    tuner = HyperparameterTuner(
        estimator, "test:msd", {"k": IntegerParameter(2, 4)}, objective_type="Minimize", max_jobs=1
    )
    tuner.fit([train, test], wait=True, quiet=True)
    assert tuner.describe()["TrainingJobStatusCounters"]["Completed"] == 1
    definition = tuner.describe()["TrainingJobDefinition"]
    assert definition["AlgorithmSpecification"]["TrainingInputMode"] == "Pipe"
    # The documentation of the algorithm's metrics is part of a description.
    assert {item["Name"] for item in definition["AlgorithmSpecification"]["MetricDefinitions"]} >= {
        "test:msd"
    }
    address = str(disk / "records" / "part")
    estimator.input_mode = "File"
    tuner.fit(
        [
            RecordSet("file://" + address, 40, 3, s3_data_type="S3Prefix"),
            FileSystemRecordSet("fs-0123456789", "EFS", "/records", 40, 3, channel="test"),
        ],
        wait=True,
        quiet=True,
    )
    assert tuner.best_training_job()


def test_what_is_refused(session: Session, tmp_path: Path) -> None:
    """Nothing is started; field, value and remedy are told."""
    (tmp_path / "train.py").write_text(SHOW)
    estimator = Estimator(entry_point=str(tmp_path / "train.py"), sagemaker_session=session)
    cases: list[tuple[Any, list[str]]] = [
        (FileSystemInput("fs-9999999999", "FSxLustre", "/sets"), ["'fs-9999999999'", "file_systems"]),
        (FileSystemInput("fs-0123456789", "EFS", "/none"), ["'/none'", "no readable folder"]),
        (
            FileSystemInput("fs-0123456789", "EFS", "/sets", "rw"),
            ["FileSystemAccessMode: 'rw' is refused: use ro"],
        ),
        (TrainingInput("s3://pegbox-local/packed.gz", compression="Gzip"), ["'Gzip'", "InputMode Pipe"]),
        (
            TrainingInput("s3://pegbox-local/set", instance_groups=["g"]),
            ["InstanceGroupNames: ['g'] is refused"],
        ),
        (TrainingInput("s3://pegbox-local/none"), ["No S3 objects found"]),
    ]
    for source, words in cases:
        with pytest.raises(ClientError) as caught:
            HyperparameterTuner(estimator, "score", RANGES).fit({"c": source})
        for word in words:
            assert word in str(caught.value)
    assert (
        session.sagemaker_client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"] == []
    )
