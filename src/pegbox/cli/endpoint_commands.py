"""``pegbox deploy``, ``endpoints`` and ``delete-endpoint``."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from pegbox.cli.client import Client
from pegbox.cli.context import connect
from pegbox.cli.job_commands import no_such_job
from pegbox.cli.output import clock_time, print_facts, print_json, print_table
from pegbox.errors import ApiError, PegboxError

#: Log group of one endpoint is this and its name.
LOG_GROUP = "/aws/sagemaker/Endpoints/"
#: Statuses of an endpoint that is on its way somewhere.
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
#: Marks models and configurations that ``deploy`` made and ``delete-endpoint`` takes away again.
MADE_HERE = {"Key": "pegbox:made-by", "Value": "pegbox deploy"}
#: Environment entry that tells the server which interpreter runs the program.
PYTHON_VARIABLE = "PEGBOX_PYTHON"
#: Log lines shown of an endpoint that failed.
SHOWN_LINES = 20
POLL_SECONDS = 0.2


def deploy(name: str, endpoint: str | None, instances: int, wait: bool, as_json: bool) -> None:
    """Serve the model of a training job, or of a tuning job's best, at an endpoint."""
    client = connect()
    job = _training_job(client, name)
    endpoint = endpoint or job["TrainingJobName"]
    if find_endpoint(client, endpoint) is not None:
        raise PegboxError(
            f"there is an endpoint {endpoint!r} already; give another --name, or 'pegbox delete-endpoint {endpoint}'"
        )
    model = _create(
        client,
        "Model",
        endpoint,
        ExecutionRoleArn=job["RoleArn"],
        PrimaryContainer=_container(job, client.region),
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": job["ResourceConfig"]["InstanceType"],
        "InitialInstanceCount": instances,
        "InitialVariantWeight": 1,
    }
    made = {"Model": model}
    try:
        made["EndpointConfig"] = _create(client, "EndpointConfig", endpoint, ProductionVariants=[variant])
        client.call(
            "sagemaker", "CreateEndpoint", EndpointName=endpoint, EndpointConfigName=made["EndpointConfig"]
        )
    except ApiError:
        for kind, label in made.items():
            client.call("sagemaker", f"Delete{kind}", **{f"{kind}Name": label})
        raise
    described = _wait(client, endpoint, quiet=as_json) if wait else find_endpoint(client, endpoint) or {}
    status = described["EndpointStatus"]
    if as_json:
        print_json(
            {
                "endpoint": endpoint,
                "status": status,
                "training_job": job["TrainingJobName"],
                "model": model,
                "endpoint_config": made["EndpointConfig"],
                "url": client.invocations_url(endpoint),
            }
        )
    if wait and status != "InService":
        _print_end_of_log(client, endpoint, str(described.get("FailureReason")))
        raise PegboxError(
            f"{endpoint} is {status}: {described.get('FailureReason')}. 'pegbox logs {endpoint} --endpoint' has its whole log; "
            f"'pegbox delete-endpoint {endpoint}' takes it away"
        )
    if not as_json:
        print_facts(
            {
                "endpoint": f"{endpoint} ({status})",
                "training job": job["TrainingJobName"],
                "model": job["ModelArtifacts"]["S3ModelArtifacts"],
                "url": client.invocations_url(endpoint),
                "try it": f"pegbox invoke {endpoint} --file rows.csv",
                "delete it": f"pegbox delete-endpoint {endpoint}",
            }
        )


def print_endpoints(as_json: bool) -> None:
    """Print the endpoints, the newest first."""
    client = connect()
    pages = client.pages(
        "sagemaker", "ListEndpoints", SortBy="CreationTime", SortOrder="Descending", MaxResults=100
    )
    found = [item for page in pages for item in page["Endpoints"]]
    if as_json:
        print_json(found)
    elif not found:
        print("There are no endpoints.")
    else:
        rows = [
            (item["EndpointName"], item["EndpointStatus"], clock_time(item["CreationTime"]), variants)
            for item in found
            for variants in [_variants(find_endpoint(client, item["EndpointName"]) or {})]
        ]
        print_table(("ENDPOINT", "STATUS", "CREATED", "INSTANCES"), rows)


def delete_endpoint(name: str, everything: bool, as_json: bool) -> None:
    """Delete an endpoint, and its configuration and models if ``deploy`` made them or all is asked for."""
    client = connect()
    described = find_endpoint(client, name)
    if described is None:
        raise no_such_endpoint(name)
    config = _describe(client, "EndpointConfig", described.get("EndpointConfigName"))
    client.call("sagemaker", "DeleteEndpoint", EndpointName=name)
    models: list[str] = []
    config_deleted = config is not None and _delete_config(client, name, config, everything)
    if config is not None and config_deleted:
        models = _delete_models(client, config, everything)
    if as_json:
        config_name = config["EndpointConfigName"] if config is not None and config_deleted else None
        print_json({"endpoint": name, "endpoint_config": config_name, "models": models})
        return
    print(f"{name} is being deleted.")
    if config is not None and not config_deleted:
        print(
            f"Its configuration {config['EndpointConfigName']} and its models stay; --all takes away what no other uses."
        )


def _delete_config(client: Client, endpoint: str, config: Mapping[str, Any], everything: bool) -> bool:
    """Delete the configuration of a deleted endpoint if it may go, and tell whether it went."""
    name = config["EndpointConfigName"]
    if not everything and not _made_here(client, config["EndpointConfigArn"]):
        return False
    pages = client.pages("sagemaker", "ListEndpoints", MaxResults=100)
    others = [item["EndpointName"] for page in pages for item in page["Endpoints"]]
    for other in others:
        if other != endpoint and (find_endpoint(client, other) or {}).get("EndpointConfigName") == name:
            return False
    client.call("sagemaker", "DeleteEndpointConfig", EndpointConfigName=name)
    return True


def _delete_models(client: Client, config: Mapping[str, Any], everything: bool) -> list[str]:
    """Delete the models of a deleted configuration that may go, and return their names."""
    pages = client.pages("sagemaker", "ListEndpointConfigs", MaxResults=100)
    names = [item["EndpointConfigName"] for page in pages for item in page["EndpointConfigs"]]
    others = [_describe(client, "EndpointConfig", name) or {} for name in names]
    kept = {variant.get("ModelName") for other in others for variant in other.get("ProductionVariants", ())}
    deleted = []
    for name in dict.fromkeys(variant.get("ModelName") for variant in config["ProductionVariants"]):
        model = _describe(client, "Model", name) if name not in kept else None
        if model is not None and (everything or _made_here(client, model["ModelArn"])):
            client.call("sagemaker", "DeleteModel", ModelName=name)
            deleted.append(name)
    return deleted


def show_endpoint(client: Client, name: str, as_json: bool) -> None:
    """Print an endpoint.

    Raises:
        ApiError: There is none.
    """
    described = find_endpoint(client, name)
    if described is None:
        raise no_such_job(name)
    config = _describe(client, "EndpointConfig", described.get("EndpointConfigName")) or {}
    models = {
        label: _describe(client, "Model", label)
        for label in (variant.get("ModelName") for variant in config.get("ProductionVariants", ()))
        if label
    }
    explanation = client.call("pegbox", "ExplainEndpoint", Name=name)["Explanation"]
    if as_json:
        print_json({"endpoint": described, "config": config, "models": models, "explanation": explanation})
        return
    capture = described.get("DataCaptureConfig") or {}
    print_facts(
        {
            "endpoint": name,
            "status": described["EndpointStatus"],
            "failure": described.get("FailureReason"),
            "created": clock_time(described["CreationTime"]),
            "changed": clock_time(described["LastModifiedTime"]),
            "configuration": described.get("EndpointConfigName"),
            "data capture": _capture(capture),
            "url": client.invocations_url(name),
        }
    )
    current = {item["VariantName"]: item for item in described.get("ProductionVariants") or ()}
    rows = []
    for variant in config.get("ProductionVariants", ()):
        now = current.get(variant["VariantName"], {})
        container = (models.get(variant.get("ModelName")) or {}).get("PrimaryContainer") or {}
        rows.append(
            (
                variant["VariantName"],
                f"{now.get('CurrentInstanceCount', 0)} of "
                f"{now.get('DesiredInstanceCount', variant.get('InitialInstanceCount', '-'))}",
                f"{now.get('CurrentWeight', variant.get('InitialVariantWeight', 1)):g}",
                variant.get("InstanceType", "-"),
                variant.get("ModelName", "-"),
                container.get("ModelDataUrl", "-"),
            )
        )
    if rows:
        print()
        print_table(("VARIANT", "INSTANCES", "WEIGHT", "TYPE", "MODEL", "ARCHIVE"), rows)
    _print_instances(explanation)
    for fact in explanation.get("met_by_nature", ()):
        print(f"\nMet by nature: {fact}")


def _print_instances(explanation: Mapping[str, Any]) -> None:
    """Print the instances that live, the last one that failed, and what they noted."""
    instances = explanation.get("instances", ())
    failed = [item for item in instances if item["state"] == "ended" and item["outcome"] != "stopped"][-1:]
    shown = [*(item for item in instances if item["state"] != "ended"), *failed]
    if shown:
        print()
        rows = [(item["id"], item["variant"], item["outcome"] or item["state"]) for item in shown]
        print_table(("INSTANCE", "VARIANT", "STATE"), rows)
    for item in shown:
        for notice in (*item["notices"], *filter(None, [item["failure"]])):
            print(f"\n{item['id']}: {notice}")


def no_such_endpoint(name: str) -> ApiError:
    """Return the error for a name that no endpoint has."""
    return ApiError(
        f"there is no endpoint {name!r}; 'pegbox endpoints' lists them", code="ValidationException"
    )


def find_endpoint(client: Client, name: str) -> dict[str, Any] | None:
    """Return the description of an endpoint, or None if there is none of that name."""
    return _describe(client, "Endpoint", name)


def _training_job(client: Client, name: str) -> dict[str, Any]:
    """The training job whose model is meant, with a model."""
    try:
        tuning = client.call("sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
        best = tuning.get("BestTrainingJob")
        if not best:
            raise PegboxError(
                f"{name} ({tuning['HyperParameterTuningJobStatus']}) has no best training job; 'pegbox show {name}' says more"
            )
        name = best["TrainingJobName"]
    except ApiError as error:
        if error.code != "ResourceNotFound":
            raise
    try:
        job = client.call("sagemaker", "DescribeTrainingJob", TrainingJobName=name)
    except ApiError as error:
        raise no_such_job(name) if error.code == "ResourceNotFound" else error from None
    if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
        raise PegboxError(
            f"{name} ({job['TrainingJobStatus']}) has no model yet; 'pegbox logs {name} --follow' tells when it has ended"
        )
    if job["TrainingJobStatus"] == "Failed" or not job.get("ModelArtifacts"):
        raise PegboxError(
            f"{name} ({job['TrainingJobStatus']}) has no model; 'pegbox logs {name}' may say why"
        )
    return job


def _container(job: Mapping[str, Any], region: str) -> dict[str, Any]:
    """What serves the model: the image and code that made it, by the same interpreter."""
    values = job.get("HyperParameters") or {}
    environment: dict[str, str] = {}
    python = (job.get("Environment") or {}).get(PYTHON_VARIABLE)
    if python:
        environment[PYTHON_VARIABLE] = python
    if "sagemaker_program" in values and "sagemaker_submit_directory" in values:
        environment |= {
            "SAGEMAKER_PROGRAM": _plain(values["sagemaker_program"]),
            "SAGEMAKER_SUBMIT_DIRECTORY": _plain(values["sagemaker_submit_directory"]),
            "SAGEMAKER_CONTAINER_LOG_LEVEL": _plain(values.get("sagemaker_container_log_level", "20")),
            "SAGEMAKER_REGION": region,
        }
    if "sagemaker_enable_cloudwatch_metrics" in values:
        # As the SDK says it: a model that either makes can be used by the other.
        environment["SAGEMAKER_ENABLE_CLOUDWATCH_METRICS"] = _plain(
            values["sagemaker_enable_cloudwatch_metrics"]
        ).lower()
    return {
        "Image": job["AlgorithmSpecification"]["TrainingImage"],
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        "Environment": environment,
    }


def _plain(text: str) -> str:
    """A hyperparameter that the SDK wrote as JSON."""
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def _create(client: Client, kind: str, name: str, **request: Any) -> str:
    """Make a model or configuration and return its name, which has the time in it where the plain one is taken."""
    for label in (name, f"{name[:47]}-{time.strftime('%Y%m%d-%H%M%S')}"):
        try:
            client.call("sagemaker", f"Create{kind}", **{f"{kind}Name": label}, **request, Tags=[MADE_HERE])
        except ApiError as error:
            if label != name or "already existing" not in error.message:
                raise
        else:
            return label
    raise AssertionError("unreachable")


def _wait(client: Client, endpoint: str, quiet: bool) -> dict[str, Any]:
    told = ""
    try:
        while True:
            described = client.call("sagemaker", "DescribeEndpoint", EndpointName=endpoint)
            status = str(described["EndpointStatus"])
            if status != told and not quiet:
                print(f"{endpoint}: {status}", flush=True)
                told = status
            if status not in MOVING:
                return described
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise PegboxError(
            f"no longer watching; {endpoint} goes on ('pegbox show {endpoint} --endpoint', 'pegbox delete-endpoint {endpoint}')"
        ) from None


def _print_end_of_log(client: Client, endpoint: str, reason: str) -> None:
    """Print the last lines of a failed endpoint's log, unless its failure ends with them."""
    try:
        lines = deque(_log_lines(client, endpoint), maxlen=SHOWN_LINES)
    except ApiError:
        # An endpoint without a log: the reason alone has to do.
        return
    for line in lines if lines and lines[-1] not in reason else ():
        print(f"  {line}", file=sys.stderr)


def _log_lines(client: Client, endpoint: str) -> Iterable[str]:
    group = LOG_GROUP + endpoint
    for page in client.pages("logs", "DescribeLogStreams", logGroupName=group):
        for stream in page["logStreams"]:
            events = client.call(
                "logs",
                "GetLogEvents",
                logGroupName=group,
                logStreamName=stream["logStreamName"],
                limit=SHOWN_LINES,
            )
            yield from (event["message"] for event in events["events"])


def _describe(client: Client, kind: str, name: str | None) -> dict[str, Any] | None:
    """The description of an endpoint, configuration or model, or None if there is none."""
    if not name:
        return None
    try:
        return client.call("sagemaker", f"Describe{kind}", **{f"{kind}Name": name})
    except ApiError as error:
        if error.code == "ValidationException" and "Could not find" in error.message:
            return None
        raise


def _variants(described: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{item['VariantName']} {item.get('CurrentInstanceCount', 0)} of {item.get('DesiredInstanceCount', '-')}"
        for item in described.get("ProductionVariants") or ()
    )


def _capture(config: Mapping[str, Any]) -> str | None:
    if not config:
        return None
    share = f"{config.get('CurrentSamplingPercentage', '-')} % to {config.get('DestinationS3Uri', '-')}"
    return f"{config.get('CaptureStatus', '-')}, {share}" if config.get("EnableCapture") else "off"


def _made_here(client: Client, arn: str) -> bool:
    tags = client.call("sagemaker", "ListTags", ResourceArn=arn).get("Tags", [])
    return MADE_HERE in tags
