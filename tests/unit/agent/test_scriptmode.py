"""The script-mode contract."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegbox.agent import scriptmode
from pegbox.domain.orders import AttemptOrder, ChannelOrder, RuntimeOrder


def order(**hyperparameters: str) -> dict[str, Any]:
    """An order as the agent gets it."""
    return AttemptOrder(
        attempt_id="a" * 32,
        token="b" * 64,
        training_job_id=1,
        training_job_name="job",
        training_job_arn="arn",
        attempt=1,
        directory="/d",
        runtime=RuntimeOrder(
            kind="script", python="/usr/bin/python3", framework="sagemaker_sklearn_container"
        ),
        hyperparameters=hyperparameters,
        channels=(
            ChannelOrder(name="train", path="/data", uri="s3://b/data", content_type="text/csv"),
            ChannelOrder(name="my-val", path="/val", uri="s3://b/val"),
        ),
        instance_type="ml.m5.xlarge",
    ).to_json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("5", 5),
        ("true", True),
        ("sgd", "sgd"),
        ('"sgd"', "sgd"),
        ('"\\"sgd\\""', "sgd"),
        ('"\\"\\\\\\"sgd\\\\\\"\\""', "sgd"),
        ('"5"', "5"),
        ("[1, 2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ("", ""),
        ("1e-3", 0.001),
        ('"', '"'),
        ('""', ""),
    ],
)
def test_decoding(text: str, value: object) -> None:
    """Values are JSON where they are JSON, text else, and quoted as often as clients quote."""
    assert scriptmode.decode_hyperparameter(text) == value


def test_arguments_are_sorted_and_withheld() -> None:
    """The script gets sorted options; what the toolkit keeps to itself is not among them."""
    texts = {
        "zeta": "1",
        "alpha": '"x y"',
        "b": "true",
        "map": '{"k": 1, "a": "v"}',
        "nothing": "null",
        "sagemaker_program": "train.py",
        "_tuning_objective_metric": "loss",
    }
    words = scriptmode.arguments(scriptmode.user_hyperparameters(texts))
    assert words == ["--alpha", "x y", "-b", "True", "--map", "a=v,k=1", "--nothing", "None", "--zeta", "1"]


def test_all_variables() -> None:
    """Every SM_* variable of the contract is set, as the toolkit sets it."""
    env = scriptmode.variables(order(lr="0.1", **{"batch-size": "32", "name": '"a"'}), "/opt/ml", "train.py")
    assert env["SM_MODEL_DIR"] == "/opt/ml/model"
    assert env["SM_OUTPUT_DATA_DIR"] == "/opt/ml/output/data"
    assert env["SM_OUTPUT_DIR"] == "/opt/ml/output"
    assert env["SM_OUTPUT_INTERMEDIATE_DIR"] == "/opt/ml/output/intermediate"
    assert env["SM_INPUT_DIR"] == "/opt/ml/input"
    assert env["SM_INPUT_CONFIG_DIR"] == "/opt/ml/input/config"
    assert json.loads(env["SM_CHANNELS"]) == ["my-val", "train"]
    assert env["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert env["SM_CHANNEL_MY-VAL"] == "/opt/ml/input/data/my-val"
    assert json.loads(env["SM_HPS"]) == {"batch-size": 32, "lr": 0.1, "name": "a"}
    assert (env["SM_HP_LR"], env["SM_HP_BATCH-SIZE"], env["SM_HP_NAME"]) == ("0.1", "32", "a")
    assert json.loads(env["SM_HOSTS"]) == [env["SM_CURRENT_HOST"]]
    assert env["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.xlarge"
    assert json.loads(env["SM_CURRENT_INSTANCE_GROUP_HOSTS"]) == [env["SM_CURRENT_HOST"]]
    assert json.loads(env["SM_INSTANCE_GROUPS"]) == [env["SM_CURRENT_INSTANCE_GROUP"]]
    assert env["SM_CURRENT_INSTANCE_GROUP"] in json.loads(env["SM_INSTANCE_GROUPS_DICT"])
    assert int(env["SM_NUM_CPUS"]) >= 1
    assert int(env["SM_NUM_GPUS"]) >= 0
    assert env["SM_NUM_NEURONS"] == "0"
    assert json.loads(env["SM_RESOURCE_CONFIG"])["network_interface_name"] == env["SM_NETWORK_INTERFACE_NAME"]
    assert json.loads(env["SM_INPUT_DATA_CONFIG"])["train"] == {
        "ContentType": "text/csv",
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert json.loads(env["SM_USER_ARGS"]) == ["--batch-size", "32", "--lr", "0.1", "--name", "a"]
    assert (env["SM_USER_ENTRY_POINT"], env["SM_MODULE_NAME"]) == ("train.py", "train")
    assert env["SM_LOG_LEVEL"] == "20"
    assert env["SM_FRAMEWORK_PARAMS"] == "{}"
    assert env["SM_FRAMEWORK_MODULE"] == "sagemaker_sklearn_container"
    training_env = json.loads(env["SM_TRAINING_ENV"])
    assert training_env["hyperparameters"] == {"batch-size": 32, "lr": 0.1, "name": "a"}
    assert training_env["channel_input_dirs"]["train"] == "/opt/ml/input/data/train"
    assert "SM_MODULE_DIR" in env
