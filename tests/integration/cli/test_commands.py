"""Every command as a user runs it, in a pipe, against a real server; and the AWS CLI after ``pegbox env``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.testing.lab import tuning_request

SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float); parser.add_argument("--wait", type=float, default=0)
given = parser.parse_args()
print("hello from the program", flush=True)
print(f"objective={given.x}", flush=True)
time.sleep(given.wait)
"""
RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


@pytest.fixture(scope="module")
def tuned(server: Any, sagemaker: Any, wait_until: Callable[..., Any]) -> str:
    """The name of a finished tuning job of three training jobs."""
    request = tuning_request("shown", server.upload_code(SCRIPT), max_jobs=3, parallel=2, ranges=RANGES)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    wait_until(
        lambda: (
            sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="shown")[
                "HyperParameterTuningJobStatus"
            ]
            == "Completed"
        )
    )
    return "shown"


def read(server: Any, *words: str) -> Any:
    """Return what a command prints with --json."""
    return json.loads(server.pegbox(*words, "--json").stdout)


def test_status_has_the_facts(server: Any) -> None:
    """server status --json has state, pid, url, home and version; the text has them for people."""
    facts = server.facts
    assert read(server, "server", "status") == {
        "state": "running",
        "pid": facts["pid"],
        "url": facts["url"],
        "home": str(server.home),
        "version": facts["version"],
        "runtime_url": facts["runtime_url"],
    }
    assert facts["url"] in server.pegbox("server", "status").stdout
    assert read(server, "server", "start")["pid"] == facts["pid"]


def test_jobs_lists_the_newest_first(server: Any, tuned: str) -> None:
    """jobs prints a row per tuning job with its counts and best value; --training and --status choose others."""
    text = server.pegbox("jobs").stdout
    assert text.splitlines()[0].split()[:2] == ["TUNING", "JOB"]
    row = next(line for line in text.splitlines() if line.startswith("shown"))
    assert "Completed" in row
    assert "objective=" in row
    assert [item["HyperParameterTuningJobName"] for item in read(server, "jobs")] == ["shown"]
    assert len(read(server, "jobs", "--training")) == 3
    assert len(read(server, "jobs", "--training", "-n", "2")) == 2
    assert read(server, "jobs", "--status", "Failed") == []


def test_show_tells_values_reasons_and_what_was_met_by_nature(server: Any, tuned: str) -> None:
    """show has the best values, each trial's reason, and why unusable members of the request were accepted."""
    text = server.pegbox("show", "shown").stdout
    for words in ("Completed", "3 completed", "Met by nature:", "RoleArn", "random", "x="):
        assert words in text
    data = read(server, "show", "shown")
    assert len(data["trials"]) == len(data["explanation"]["trials"]) == 3
    trial = data["trials"][0]["TrainingJobName"]
    alone = server.pegbox("show", trial).stdout
    for words in ("Completed", "model", "hyperparameters", "Uploading", "tuning job"):
        assert words in alone
    assert read(server, "show", trial)["job"]["TrainingJobName"] == trial


def test_logs_of_one_and_of_all(server: Any, tuned: str) -> None:
    """logs prints a training job's lines, or all of a tuning job's under headings."""
    trial = read(server, "show", "shown")["trials"][0]["TrainingJobName"]
    lines = server.pegbox("logs", trial).stdout.splitlines()
    assert lines[0] == "hello from the program"
    assert lines[1].startswith("objective=")
    together = server.pegbox("logs", "shown").stdout
    assert together.count("hello from the program") == 3
    assert f"==> {trial} <==" in together
    assert [item["message"] for item in read(server, "logs", trial)] == lines


def test_logs_follow_until_the_end(server: Any, sagemaker: Any) -> None:
    """logs --follow prints lines as they come and ends with the job."""
    request = tuning_request("followed", server.upload_code(SCRIPT), max_jobs=1, parallel=1, ranges=RANGES)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["wait"] = "2"
    sagemaker.create_hyper_parameter_tuning_job(**request)
    done = server.pegbox("logs", "followed", "--follow")
    assert "hello from the program" in done.stdout


def test_stop_stops_and_says_when_it_cannot(
    server: Any, sagemaker: Any, wait_until: Callable[..., Any]
) -> None:
    """stop ends a running tuning job; on a finished or unknown one it is an error."""
    request = tuning_request("halted", server.upload_code(SCRIPT), max_jobs=9, parallel=1, ranges=RANGES)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["wait"] = "100"
    sagemaker.create_hyper_parameter_tuning_job(**request)
    server.pegbox("stop", "halted")
    wait_until(
        lambda: (
            sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="halted")[
                "HyperParameterTuningJobStatus"
            ]
            == "Stopped"
        )
    )
    for name, words in (
        ("halted", "ValidationException"),
        ("unknown", "there is no tuning job or training job"),
    ):
        done = server.pegbox("stop", name, check=False)
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("words", [("show", "unknown"), ("logs", "unknown"), ("images", "remove", "unknown")])
def test_unknown_names_are_errors(server: Any, words: tuple[str, ...]) -> None:
    """A name that nothing has is an error on standard error with status 1, without a traceback."""
    done = server.pegbox(*words, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown" in done.stderr
    assert "Traceback" not in done.stderr


def test_images_are_added_listed_used_and_removed(
    server: Any, sagemaker: Any, wait_until: Callable[..., Any]
) -> None:
    """An image added as a command line runs as one; unknown programs and half descriptions are refused."""
    server.pegbox("images", "add", "acme/train:1", "--", "sh", "-c", "echo objective=7")
    table = read(server, "images", "list")
    assert table["images"]["acme/train:1"]["command"] == [shutil.which("sh"), "-c", "echo objective=7"]
    assert "scikit-learn" in table["built_in"]
    assert "acme/train:1" in server.pegbox("images").stdout
    sagemaker.create_training_job(
        TrainingJobName="by-command",
        AlgorithmSpecification={"TrainingImage": "acme/train:1", "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/pegbox",
        OutputDataConfig={"S3OutputPath": "s3://pegbox-local/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    wait_until(
        lambda: (
            sagemaker.describe_training_job(TrainingJobName="by-command")["TrainingJobStatus"] == "Completed"
        )
    )
    assert "objective=7" in server.pegbox("logs", "by-command").stdout
    server.pegbox("images", "add", "acme/script", "--python", sys.executable, "--framework", "acme")
    server.pegbox("images", "remove", "acme/train:1")
    assert list(read(server, "images")["images"]) == ["acme/script"]
    for words in (("x",), ("x", "--", "no-such-program"), ("x", "--python", "python", "--", "sh")):
        done = server.pegbox("images", "add", *words, check=False)
        assert done.returncode == 1, words


def test_server_logs_show_the_end(server: Any) -> None:
    """server logs prints the last lines of the server's log."""
    assert len(server.pegbox("server", "logs", "-n", "1").stdout.splitlines()) == 1
    assert "ready at" in server.pegbox("server", "logs").stdout


def test_doctor_finds_nothing_wrong_and_something_wrong(server: Any) -> None:
    """doctor checks everything it promises; a readable key file is found, named and remedied."""
    found = {item["check"]: item["state"] for item in read(server, "doctor")}
    assert {"python", "disk", "permissions", "port", "clock", "schema"} <= set(found)
    assert set(found.values()) <= {"ok", "note"}
    (server.home / "credentials.json").chmod(0o644)
    done = server.pegbox("doctor", check=False)
    (server.home / "credentials.json").chmod(0o600)
    assert done.returncode == 1
    assert "others can read credentials.json" in done.stdout
    assert "chmod" in done.stdout


def test_output_cut_short_is_no_error(server: Any, tuned: str) -> None:
    """A reader that closes the pipe early ends the command quietly."""
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m pegbox.cli show shown | head -1"],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("tuning job")


def test_env_prints_lines_that_a_shell_understands(server: Any) -> None:
    """After eval, all promised variables are set, foreign ones unset, and --json has the same values."""
    variables = read(server, "env")
    script = f'eval "$({sys.executable} -m pegbox.cli env)"; env'
    shell = {
        **server.environment,
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "t",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    }
    done = subprocess.run(["sh", "-c", script], env=shell, capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert {key: seen.get(key) for key in variables} == variables
    assert set(variables) >= {
        "AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS",
        "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION",
    }  # fmt: skip
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} & set(seen)


def test_the_aws_cli_and_boto3_work_after_env(server: Any, tuned: str) -> None:
    """Unmodified clients, told only by the environment, reach all three services."""
    aws = Path(sys.executable).with_name("aws")
    count = "print(len(boto3.client('sagemaker').list_training_jobs(NameContains='shown')['TrainingJobSummaries']))"
    script = f"""
set -e
eval "$({sys.executable} -m pegbox.cli env)"
describe="sagemaker describe-hyper-parameter-tuning-job --hyper-parameter-tuning-job-name shown"
{aws} $describe --query HyperParameterTuningJobStatus
{aws} logs describe-log-groups --query 'logGroups[0].logGroupName'
{aws} cloudwatch list-metrics --query 'Metrics[0].Namespace'
{sys.executable} -c "import boto3; {count}"
"""
    done = subprocess.run(
        ["bash", "-c", script], env=server.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    group = '"/aws/sagemaker/TrainingJobs"'
    assert done.stdout.split() == ['"Completed"', group, group, "3"]
