"""A program that knows only boto3 deploys models: endpoints from their creation to their end, and every mistake told."""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.testing.lab import ROLE

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ACCOUNT = "000000000000"
SCRIPT = """
import json, os
def model_fn(folder):
    text = open(os.path.join(folder, "model.txt")).read()
    print("serving", text, flush=True)
    if text == "broken":
        raise RuntimeError("this model cannot be read")
    return text
def input_fn(body, content_type):
    return json.loads(body)
def predict_fn(data, model):
    return {"model": model, "sum": sum(data)}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""


def archive(server: Any, name: str, text: str) -> str:
    """Put a model archive into the server's bucket and return its address."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("model.txt")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    folder = server.home / "buckets" / "pegbox-local" / "models" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "model.tar.gz").write_bytes(packed.getvalue())
    return f"s3://pegbox-local/models/{name}/model.tar.gz"


@pytest.fixture(scope="module")
def container(server: Any) -> Callable[..., dict[str, Any]]:
    """Makes containers of the script with a model of some text."""
    code = server.upload_code(SCRIPT, "inference.py")

    def make(text: str = "first", **environment: str) -> dict[str, Any]:
        return {
            "Image": IMAGE,
            "ModelDataUrl": archive(server, text, text),
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": code,
                "SAGEMAKER_REGION": "us-east-1",
                "PEGBOX_PYTHON": sys.executable,
                **environment,
            },
        }

    return make


def variant(model: str, name: str = "AllTraffic", count: int = 1, **more: Any) -> dict[str, Any]:
    """Return a variant as SDKs send it."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InitialInstanceCount": count,
        "InstanceType": "ml.m5.large",
        **more,
    }


def wait_for(sagemaker: Any, name: str, wait_until: Callable[..., Any]) -> dict[str, Any]:
    """Return the description of an endpoint once it is at rest."""

    def rests() -> dict[str, Any] | None:
        found = sagemaker.describe_endpoint(EndpointName=name)
        return (
            found
            if found["EndpointStatus"] not in ("Creating", "Updating", "RollingBack", "Deleting")
            else None
        )

    found: dict[str, Any] = wait_until(rests)
    return found


def wait_until_gone(sagemaker: Any, name: str, wait_until: Callable[..., Any]) -> None:
    """Wait until an endpoint cannot be found."""

    def gone() -> bool:
        return not any(item["EndpointName"] == name for item in sagemaker.list_endpoints()["Endpoints"])

    wait_until(gone)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=name)


def invoke(server: Any, name: str, data: Any) -> tuple[Any, str]:
    """Return what an endpoint answers, and which variant did."""
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=name, Body=json.dumps(data), ContentType="application/json")
    return json.loads(answer["Body"].read()), answer["InvokedProductionVariant"]


@pytest.fixture(scope="module")
def served(
    server: Any, sagemaker: Any, container: Callable[..., Any], wait_until: Callable[..., Any]
) -> dict[str, Any]:
    """An endpoint ``life`` in service: model ``first``, two instances."""
    tags = [{"Key": "team", "Value": "a"}]
    sagemaker.create_model(ModelName="first", PrimaryContainer=container(), ExecutionRoleArn=ROLE, Tags=tags)
    sagemaker.create_endpoint_config(
        EndpointConfigName="first", ProductionVariants=[variant("first", count=2)], Tags=tags
    )
    sagemaker.create_endpoint(EndpointName="life", EndpointConfigName="first", Tags=tags)
    return wait_for(sagemaker, "life", wait_until)


def test_an_endpoint_is_described(served: dict[str, Any]) -> None:
    """Status, configuration, counts, weights and the image are those of the request."""
    assert served["EndpointStatus"] == "InService", served.get("FailureReason")
    assert served["EndpointArn"] == f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/life"
    assert served["EndpointConfigName"] == "first"
    (one,) = served["ProductionVariants"]
    assert (one["VariantName"], one["CurrentInstanceCount"], one["DesiredInstanceCount"]) == (
        "AllTraffic",
        2,
        2,
    )
    assert (one["CurrentWeight"], one["DesiredWeight"]) == (1.0, 1.0)
    assert one["DeployedImages"][0]["SpecifiedImage"] == IMAGE
    assert "FailureReason" not in served
    assert served["LastModifiedTime"] >= served["CreationTime"]


def test_it_answers(server: Any, served: dict[str, Any]) -> None:
    """An invocation through the server's one address reaches the model."""
    assert invoke(server, "life", [1, 2, 3]) == ({"model": "first", "sum": 6}, "AllTraffic")


def test_models_and_configurations_are_described(sagemaker: Any, served: dict[str, Any]) -> None:
    """What was sent comes back, with ARNs, times and what clients index without a default."""
    model = sagemaker.describe_model(ModelName="first")
    assert model["ModelArn"].endswith(":model/first")
    assert model["PrimaryContainer"]["Image"] == IMAGE
    assert model["ExecutionRoleArn"] == ROLE
    assert model["EnableNetworkIsolation"] is False
    config = sagemaker.describe_endpoint_config(EndpointConfigName="first")
    assert config["EndpointConfigArn"].endswith(":endpoint-config/first")
    assert config["ProductionVariants"][0]["InitialVariantWeight"] == 1.0
    assert config["ProductionVariants"][0]["ModelName"] == "first"


def test_lists_page_sort_and_filter(sagemaker: Any, served: dict[str, Any], container: Any) -> None:
    """Newest first by default; by name on demand; page tokens carry on."""
    for name in ("list-b", "list-a", "list-c"):
        sagemaker.create_model(ModelName=name, PrimaryContainer=container())
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])
    for kind, key, name in (
        ("models", "Models", "ModelName"),
        ("endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ):
        call = getattr(sagemaker, f"list_{kind}")
        newest = [item[name] for item in call(NameContains="LIST")[key]]
        assert newest == ["list-c", "list-a", "list-b"]
        pages = sagemaker.get_paginator(f"list_{kind}").paginate(
            SortBy="Name", SortOrder="Ascending", NameContains="list-", PaginationConfig={"PageSize": 2}
        )
        assert [[item[name] for item in page[key]] for page in pages] == [["list-a", "list-b"], ["list-c"]]
    for name in ("list-b", "list-a", "list-c"):
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
        sagemaker.delete_model(ModelName=name)
    found = sagemaker.list_endpoints(StatusEquals="InService", NameContains="life", SortBy="Status")[
        "Endpoints"
    ]
    assert [(item["EndpointName"], item["EndpointStatus"]) for item in found] == [("life", "InService")]
    assert sagemaker.list_endpoints(StatusEquals="Failed", NameContains="life")["Endpoints"] == []


def test_tags(sagemaker: Any, served: dict[str, Any]) -> None:
    """Models, configurations and endpoints carry tags."""
    for kind, name in (("model", "first"), ("endpoint-config", "first"), ("endpoint", "life")):
        arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{kind}/{name}"
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "more", "Value": "b"}])
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "more", "Value": "b"}]
    with pytest.raises(ClientError, match="Could not find endpoint 'nothing'"):
        sagemaker.list_tags(ResourceArn=f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/nothing")


def test_logs(logs: Any, served: dict[str, Any], wait_until: Callable[..., Any]) -> None:
    """Each instance has a stream in the endpoint's group, with what its program printed."""
    group = "/aws/sagemaker/Endpoints/life"
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/sagemaker/Endpoints/l")["logGroups"]
    assert [item["logGroupName"] for item in groups] == [group]
    streams = wait_until(
        lambda: (
            (found := logs.describe_log_streams(logGroupName=group)["logStreams"])
            and len(found) >= 2
            and found
        )
    )
    assert all(item["logStreamName"].startswith("AllTraffic/i-") for item in streams)
    name = streams[0]["logStreamName"]
    events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
    assert "serving first" in [item["message"] for item in events["events"]]
    again = logs.get_log_events(logGroupName=group, logStreamName=name, nextToken=events["nextForwardToken"])
    assert again["events"] == []
    assert again["nextForwardToken"] == events["nextForwardToken"]
    searched = logs.filter_log_events(logGroupName=group, filterPattern="serving")["events"]
    assert len(searched) >= 2
    paged = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 1}
    )
    assert [page["logStreams"][0]["logStreamName"] for page in paged] == sorted(
        item["logStreamName"] for item in streams
    )
    with pytest.raises(ClientError, match="log group does not exist"):
        logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/nothing")


def test_metrics(server: Any, sagemaker: Any, cloudwatch: Any, served: dict[str, Any]) -> None:
    """What the gateway counted is told by minutes and by longer periods, with units, by all plain statistics."""
    row_id = next((server.home / "endpoints").iterdir()).name
    folder = server.home / "gateway" / "metrics" / row_id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    spread = {"sum": 3000, "min": 500, "max": 2000, "count": 2}
    line = {
        "minute": 1_600_000_020,
        "variant": "AllTraffic",
        "Invocations": 4,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 0,
        "InvocationModelErrors": 1,
        "ModelLatency": spread,
        "OverheadLatency": spread,
    }
    lines = [line, {**line, "Invocations": 2, "Invocation4XXErrors": 2}, {**line, "minute": 1_600_000_080}]
    (folder / "20200913.jsonl").write_text("".join(json.dumps(item) + "\n" for item in lines) + '{"minute"')
    asked = {
        "Namespace": "AWS/SageMaker",
        "Dimensions": [
            {"Name": "EndpointName", "Value": "life"},
            {"Name": "VariantName", "Value": "AllTraffic"},
        ],
        "StartTime": dt.datetime.fromtimestamp(1_600_000_000, dt.timezone.utc),
        "EndTime": dt.datetime.fromtimestamp(1_600_000_200, dt.timezone.utc),
    }
    every = ["Sum", "Average", "Minimum", "Maximum", "SampleCount"]

    def points(metric: str, period: int) -> list[list[Any]]:
        answer = cloudwatch.get_metric_statistics(**asked, MetricName=metric, Period=period, Statistics=every)
        found = sorted(answer["Datapoints"], key=lambda item: item["Timestamp"])
        return [[item[name] for name in every] + [item["Unit"]] for item in found]

    assert points("Invocations", 60) == [[6, 1, 1, 1, 6, "None"], [4, 1, 1, 1, 4, "None"]]
    assert points("Invocation4XXErrors", 60)[0] == [3, 0.5, 0, 1, 6, "None"]
    assert points("ModelLatency", 300) == [[9000, 1500, 500, 2000, 6, "Microseconds"]]
    query = {
        "Id": "m1",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SageMaker",
                "MetricName": "Invocations",
                "Dimensions": asked["Dimensions"],
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }
    data = cloudwatch.get_metric_data(
        MetricDataQueries=[query], StartTime=asked["StartTime"], EndTime=asked["EndTime"]
    )
    assert data["MetricDataResults"][0]["Values"] == [4.0, 6.0]
    listed = cloudwatch.list_metrics(Namespace="AWS/SageMaker", MetricName="ModelLatency")["Metrics"]
    assert {item["Value"] for item in listed[0]["Dimensions"]} == {"life", "AllTraffic"}
    with pytest.raises(ClientError, match="'p50' is not offered for metrics of endpoints"):
        cloudwatch.get_metric_statistics(
            **asked, MetricName="ModelLatency", Period=60, ExtendedStatistics=["p50"]
        )


def test_an_update_changes_the_model(
    server: Any,
    sagemaker: Any,
    served: dict[str, Any],
    container: Callable[..., Any],
    wait_until: Callable[..., Any],
) -> None:
    """Every answer during an update is the old model's or the new one's; at the end it is the new one's."""
    sagemaker.create_model(ModelName="second", PrimaryContainer=container("second"))
    sagemaker.create_endpoint_config(
        EndpointConfigName="second", ProductionVariants=[variant("second", count=1)]
    )
    sagemaker.update_endpoint(EndpointName="life", EndpointConfigName="second")
    seen = set()
    while sagemaker.describe_endpoint(EndpointName="life")["EndpointStatus"] == "Updating":
        seen.add(invoke(server, "life", [1])[0]["model"])
    assert seen <= {"first", "second"}
    found = sagemaker.describe_endpoint(EndpointName="life")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "second")
    wait_until(lambda: invoke(server, "life", [1])[0]["model"] == "second")


def test_weights_and_counts(sagemaker: Any, served: dict[str, Any], wait_until: Callable[..., Any]) -> None:
    """A variant grows, shrinks and gets another weight."""
    change = {"VariantName": "AllTraffic", "DesiredWeight": 2.0, "DesiredInstanceCount": 2}
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="life", DesiredWeightsAndCapacities=[change]
    )
    (found,) = wait_for(sagemaker, "life", wait_until)["ProductionVariants"]
    assert (found["CurrentInstanceCount"], found["CurrentWeight"]) == (2, 2.0)
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="life",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}],
    )
    (found,) = wait_for(sagemaker, "life", wait_until)["ProductionVariants"]
    assert found["DesiredInstanceCount"] == 1


def test_an_accelerator_that_is_offered(
    make_server: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """The setting's variable reaches the model server; the endpoint can be described at any time on the way."""
    server = make_server(PEGBOX_ACCELERATORS="half-gpu=PART=half")
    sagemaker = server.client("sagemaker")
    code = server.upload_code(
        "import os\nmodel_fn = lambda folder: os.environ['PART']\npredict_fn = lambda data, model: model\n",
        "inference.py",
    )
    environment = {
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": code,
        "PEGBOX_PYTHON": sys.executable,
    }
    container = {"Image": IMAGE, "ModelDataUrl": archive(server, "a", "a"), "Environment": environment}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container)
    sagemaker.create_endpoint_config(
        EndpointConfigName="c", ProductionVariants=[variant("m", AcceleratorType="half-gpu")]
    )
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    assert sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] in ("Creating", "InService")
    assert wait_for(sagemaker, "e", wait_until)["EndpointStatus"] == "InService"
    assert invoke(server, "e", [1])[0] == "half"


def test_a_model_that_fails_to_load(
    sagemaker: Any, container: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """The endpoint is Failed with the last lines of the log; it can only be deleted, which frees its name."""
    sagemaker.create_model(ModelName="broken", PrimaryContainer=container("broken"))
    sagemaker.create_endpoint_config(EndpointConfigName="broken", ProductionVariants=[variant("broken")])
    sagemaker.create_endpoint(EndpointName="broken", EndpointConfigName="broken")
    found = wait_for(sagemaker, "broken", wait_until)
    assert found["EndpointStatus"] == "Failed"
    assert "this model cannot be read" in found["FailureReason"]
    with pytest.raises(ClientError, match="Cannot update failed endpoint"):
        sagemaker.update_endpoint(EndpointName="broken", EndpointConfigName="first")
    sagemaker.delete_endpoint(EndpointName="broken")
    wait_until_gone(sagemaker, "broken", wait_until)


def test_an_update_to_a_broken_model_rolls_back(
    server: Any, sagemaker: Any, served: dict[str, Any], wait_until: Callable[..., Any]
) -> None:
    """The endpoint goes on with what it had and says why."""
    before = sagemaker.describe_endpoint(EndpointName="life")["EndpointConfigName"]
    sagemaker.update_endpoint(EndpointName="life", EndpointConfigName="broken")
    found = wait_for(sagemaker, "life", wait_until)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", before)
    assert "this model cannot be read" in found["FailureReason"]
    assert invoke(server, "life", [2])[0]["sum"] == 2


def test_an_endpoint_outlives_its_server(
    make_server: Callable[..., Any], wait_until: Callable[..., Any], processes_of: Callable[..., Any]
) -> None:
    """After kill -9 of the server the same model servers answer, before and after the next one is there; deletion ends them."""
    server = make_server()
    server.start()
    sagemaker = server.client()
    code = server.upload_code(SCRIPT, "inference.py")
    environment = {"SAGEMAKER_SUBMIT_DIRECTORY": code, "PEGBOX_PYTHON": sys.executable}
    container = {"Image": IMAGE, "ModelDataUrl": archive(server, "m", "lasting"), "Environment": environment}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container)
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m")])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    assert wait_for(sagemaker, "e", wait_until)["EndpointStatus"] == "InService"
    folder = server.home / "endpoints"
    before = sorted(item.name for item in folder.glob("*/*"))
    server.kill()
    server.start()
    sagemaker = server.client()
    assert sagemaker.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService"
    assert invoke(server, "e", [4]) == ({"model": "lasting", "sum": 4}, "AllTraffic")
    assert sorted(item.name for item in folder.glob("*/*")) == before
    sagemaker.delete_endpoint(EndpointName="e")
    wait_until_gone(sagemaker, "e", wait_until)
    wait_until(lambda: not [p for p in processes_of(server.home) if "PEGBOX_ATTEMPT" in p.environ()])


def test_mistakes_are_told(
    server: Any, sagemaker: Any, served: dict[str, Any], container: Callable[..., Any]
) -> None:
    """Each mistake has AWS's code and text, or names field, value and remedy; all problems of a request come at once."""
    good = container()
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"

    def told(operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            getattr(sagemaker, operation)(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    for operation, request, text in (
        ("describe_model", {"ModelName": "x"}, f'Could not find model "{arn}:model/x".'),
        ("delete_model", {"ModelName": "x"}, f'Could not find model "{arn}:model/x".'),
        (
            "describe_endpoint_config",
            {"EndpointConfigName": "x"},
            f'Could not find endpoint configuration "{arn}:endpoint-config/x".',
        ),
        ("describe_endpoint", {"EndpointName": "x"}, f'Could not find endpoint "{arn}:endpoint/x".'),
        ("delete_endpoint", {"EndpointName": "x"}, f'Could not find endpoint "{arn}:endpoint/x".'),
        (
            "create_model",
            {"ModelName": "FIRST", "PrimaryContainer": good},
            f'Cannot create already existing model "{arn}:model/first".',
        ),
        (
            "create_endpoint_config",
            {"EndpointConfigName": "First", "ProductionVariants": [variant("first")]},
            f'Cannot create already existing endpoint configuration "{arn}:endpoint-config/first".',
        ),
        (
            "create_endpoint",
            {"EndpointName": "LIFE", "EndpointConfigName": "first"},
            f'Cannot create already existing endpoint "{arn}:endpoint/life".',
        ),
        (
            "create_endpoint_config",
            {"EndpointConfigName": "y", "ProductionVariants": [variant("nobody")]},
            f'Could not find model "{arn}:model/nobody".',
        ),
    ):
        assert told(operation, **request) == ("ValidationException", text)

    nothing = "s3://pegbox-local/models/nothing/model.tar.gz"
    bad = {**good, "Image": "mine", "ModelDataUrl": nothing, "Mode": "MultiModel"}
    code, text = told("create_model", ModelName="y", PrimaryContainer=bad)
    assert (code, text.startswith("3 validation errors detected: ")) == ("ValidationException", True)
    assert "PrimaryContainer.Mode: 'MultiModel' is refused: use SingleModel" in text
    assert "PrimaryContainer.Image: 'mine' is not in the image table" in text
    assert f"Could not access model data at {nothing}" in text
    (server.home / "buckets/pegbox-local/models/plain.tar.gz").write_text("no archive")
    for address, words in (
        ("s3://pegbox-local/models/plain.tar.gz", "is no gzip archive"),
        ("s3://pegbox-local/models/plain.tar", "does not end in .tar.gz"),
    ):
        assert (
            words
            in told("create_model", ModelName="y", PrimaryContainer={**good, "ModelDataUrl": address})[1]
        )
    program = {**good["Environment"], "SAGEMAKER_PROGRAM": "other.py"}
    text = told("create_model", ModelName="y", PrimaryContainer={**good, "Environment": program})[1]
    assert "SAGEMAKER_PROGRAM: 'other.py' is not in" in text
    assert "missing; give one of them with one container" in told("create_model", ModelName="y")[1]

    item = variant(
        "first",
        AcceleratorType="ml.eia2.medium",
        ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    )
    text = told("create_endpoint_config", EndpointConfigName="y", ProductionVariants=[item, item])[1]
    assert "ProductionVariants: 'AllTraffic' is given more than once" in text
    assert "ProductionVariants[1].AcceleratorType: 'ml.eia2.medium' is not offered" in text
    assert "ProductionVariants[0].ServerlessConfig" in text

    sagemaker.create_endpoint_config(
        EndpointConfigName="huge", ProductionVariants=[variant("first", count=10_000)]
    )
    code, text = told("create_endpoint", EndpointName="huge", EndpointConfigName="huge")
    assert code == "ResourceLimitExceeded"
    assert "request delta of 10000 Instances" in text
    canary = {"Type": "CANARY", "WaitIntervalInSeconds": 0}
    policy = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": canary}}
    text = told("update_endpoint", EndpointName="life", EndpointConfigName="first", DeploymentConfig=policy)[
        1
    ]
    assert "TrafficRoutingConfiguration.Type: 'CANARY' is refused: use ALL_AT_ONCE" in text


def test_the_command_line_explains_it(server: Any, served: dict[str, Any]) -> None:
    """``pegbox show`` has what AWS's answer has not: instances with what became of them, and what was met by nature."""
    told = json.loads(server.pegbox("show", "life", "--json").stdout)["explanation"]
    assert told["status"] == "InService"
    assert {item["state"] for item in told["instances"]} >= {"ready", "ended"}
    assert any("InstanceType: 'ml.m5.large'" in fact for fact in told["met_by_nature"])
    plain = server.pegbox("show", "life").stdout
    assert "this model cannot be read" in plain
    assert "ready" in plain


def test_deleting(
    server: Any, sagemaker: Any, served: dict[str, Any], wait_until: Callable[..., Any]
) -> None:
    """The endpoint goes with its processes; its logs stay; its configuration and model can go."""
    sagemaker.delete_endpoint(EndpointName="life")
    wait_until_gone(sagemaker, "life", wait_until)
    with pytest.raises(ClientError, match=r"not found|Could not find"):
        invoke(server, "life", [1])
    groups = server.client("logs").describe_log_groups()["logGroups"]
    assert "/aws/sagemaker/Endpoints/life" in [item["logGroupName"] for item in groups]
    sagemaker.delete_endpoint_config(EndpointConfigName="first")
    sagemaker.delete_model(ModelName="first")
