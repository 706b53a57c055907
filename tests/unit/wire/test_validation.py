"""Validation: every constraint, all problems at once, in AWS's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegbox.errors import SerializationException, UnknownOperationException, ValidationException
from pegbox.wire import Service
from pegbox.wire.model import Shape, build, prune
from pegbox.wire.protocols.decoder import Decoded
from pegbox.wire.validation import missing_members, problems_of, validate

ROLE = "arn:aws:iam::000000000000:role/pegbox"
ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/a"


@pytest.fixture(scope="module")
def extended() -> Service:
    """The served models with the limits of `extended`."""
    return Service.load()


@pytest.fixture(scope="module")
def strict() -> Service:
    """The served models as AWS publishes them."""
    return Service.load(mode="strict")


def _params(service: Service, operation: str, params: Any, prefix: str = "SageMaker") -> dict[str, Any]:
    headers = [("X-Amz-Target", f"{prefix}.{operation}"), ("Content-Type", "application/x-amz-json-1.1")]
    body = params if isinstance(params, bytes) else json.dumps(params).encode()
    return service.parse("POST", "/", headers, body).params()


def _refused(service: Service, operation: str, params: Any, prefix: str = "SageMaker") -> str:
    with pytest.raises(ValidationException) as caught:
        _params(service, operation, params, prefix)
    return caught.value.message


def test_all_problems_are_told_at_once_in_the_wording_of_aws(extended: Service) -> None:
    """Enum, minimum, missing member and pattern are counted and named with their paths."""
    message = _refused(
        extended,
        "CreateHyperParameterTuningJob",
        {
            "HyperParameterTuningJobName": "a_b",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Best",
                "ResourceLimits": {"MaxParallelTrainingJobs": 0},
            },
        },
    )
    assert message == (
        "3 validation errors detected: Value 'a_b' at 'hyperParameterTuningJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; "
        "Value 'Best' at 'hyperParameterTuningJobConfig.strategy' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Bayesian, Random, Hyperband, Grid]; "
        "Value '0' at 'hyperParameterTuningJobConfig.resourceLimits.maxParallelTrainingJobs' failed to satisfy "
        "constraint: Member must have value greater than or equal to 1"
    )


def test_a_single_problem_is_in_the_singular(extended: Service) -> None:
    """One missing member reads `1 validation error detected` and `Value null`."""
    assert _refused(extended, "DescribeTrainingJob", {}) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_elements_of_lists_are_counted_from_one(extended: Service) -> None:
    """The second tag's missing value is at tags.2.member.value."""
    tags = [{"Key": "a", "Value": "b"}, {"Key": "c"}]
    message = _refused(extended, "AddTags", {"ResourceArn": ARN, "Tags": tags})
    assert "Value null at 'tags.2.member.value'" in message


def test_sizes_of_lists_and_lengths_of_texts_have_both_bounds(extended: Service) -> None:
    """Too many tags, an empty key and a key too long are three problems."""
    tags = [{"Key": "", "Value": ""}, {"Key": "k" * 129, "Value": ""}, *[{"Key": "k", "Value": ""}] * 49]
    message = _refused(extended, "AddTags", {"ResourceArn": ARN, "Tags": tags})
    assert message.startswith("3 validation errors detected: Value at 'tags' failed to satisfy constraint: ")
    assert "'tags' failed to satisfy constraint: Member must have length less than or equal to 50" in message
    assert (
        "'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )
    assert (
        "'tags.2.member.key' failed to satisfy constraint: Member must have length less than or equal to 128"
    )


@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "NaN"])
def test_numbers_are_finite_wherever_they_stand(extended: Service, value: str) -> None:
    """What clients write for infinite numbers and NaN is refused by name, with bounds in the model and without."""
    weights = {
        "EndpointName": "e",
        "DesiredWeightsAndCapacities": [{"VariantName": "A", "DesiredWeight": value}],
    }
    text = _refused(extended, "UpdateEndpointWeightsAndCapacities", weights)
    assert (
        "'desiredWeightsAndCapacities.1.member.desiredWeight' failed to satisfy constraint: Member must be a finite"
        in text
    )
    limit = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": value}}
    request = {"HyperParameterTuningJobName": "t", "HyperParameterTuningJobConfig": limit}
    text = _refused(extended, "CreateHyperParameterTuningJob", request)
    assert (
        "tuningJobCompletionCriteria.targetObjectiveMetricValue' failed to satisfy constraint: Member must be a finite"
        in text
    )


def test_maps_are_checked_by_key_and_value_and_environments_are_not_shown(extended: Service) -> None:
    """A hyperparameter too long and an environment value too long are named; the latter's value is hidden."""
    message = _refused(
        extended,
        "CreateTrainingJob",
        {
            "TrainingJobName": "a",
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://b/k"},
            "HyperParameters": {"x": "v" * 2501, "k" * 257: "v"},
            "Environment": {"TOKEN": "hush" * 300, "1bad": "v"},
        },
    )
    assert message.startswith("4 validation errors detected")
    assert (
        "at 'hyperParameters.x' failed to satisfy constraint: Map value must satisfy constraint: [" in message
    )
    assert "at 'hyperParameters' failed to satisfy constraint: Map keys must satisfy constraint: [" in message
    assert "Value at 'environment.TOKEN' failed" in message
    assert "hush" not in message


def test_an_unknown_member_is_named_with_the_likely_one(extended: Service, strict: Service) -> None:
    """A misspelt member is refused in both modes, with the member that was probably meant."""
    for service in (extended, strict):
        message = _refused(service, "ListTrainingJobs", {"NameContain": "a", "Foo": None})
        assert message == (
            "1 validation error detected: Unknown member 'NameContain' at the request: did you mean 'NameContains'?"
        )


def test_long_values_and_many_problems_are_shortened(extended: Service) -> None:
    """A message stays readable whatever was sent."""
    tags = [{"Key": "a" * 1000, "Value": "b"}] * 40
    message = _refused(extended, "AddTags", {"ResourceArn": ARN, "Tags": tags})
    assert message.startswith("40 validation errors detected: ")
    assert message.endswith("; and 10 more")
    assert "... (1000 characters)" in message
    assert len(message) < 10_000


def test_wrong_types_are_serialization_errors_all_named(extended: Service) -> None:
    """Types are checked before constraints, and each wrong one is named."""
    with pytest.raises(SerializationException) as caught:
        _params(
            extended,
            "CreateHyperParameterTuningJob",
            {
                "HyperParameterTuningJobName": 1,
                "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxParallelTrainingJobs": "2"}},
                "Tags": {},
            },
        )
    assert caught.value.message == (
        "'hyperParameterTuningJobName' must be a string, not a number; "
        "'hyperParameterTuningJobConfig.resourceLimits.maxParallelTrainingJobs' must be an integer, not text; "
        "'tags' must be a list, not an object"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'{"NameContains": NaN}',
        b'{"NameContains": "a", "NameContains": "b"}',
        b'{"NameContains": "\\ud800"}',
        b'{"NameContains": "\\u0000"}',
        b'{"MaxResults": 1e999}',
        b'{"MaxResults": 4294967296}',
        b'{"MaxResults": 1.5}',
        b'{"MaxResults": true}',
        b'{"CreationTimeAfter": "yesterday"}',
        b'{"CreationTimeAfter": 1e15}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_malformed_bodies_are_serialization_errors(extended: Service, body: bytes) -> None:
    """What is not a JSON object, or not of the member's type, never gets past the parser."""
    with pytest.raises(SerializationException):
        _params(extended, "ListTrainingJobs", body)


def test_integral_floats_iso_times_and_empty_bodies_are_understood(extended: Service) -> None:
    """5.0 is an integer, ISO 8601 is a time, no body is no parameters."""
    params = _params(
        extended, "ListTrainingJobs", b'{"MaxResults": 5.0, "CreationTimeAfter": "2026-01-02T03:04:05+01:00"}'
    )
    assert params["MaxResults"] == 5
    assert params["CreationTimeAfter"].isoformat() == "2026-01-02T02:04:05+00:00"
    assert _params(extended, "ListTrainingJobs", b"") == {}


def test_extended_and_strict_differ_exactly_where_the_table_says(extended: Service, strict: Service) -> None:
    """Long names, many categories, local files and local instances are for `extended` only."""
    long_name = {"HyperParameterTuningJobName": "a" * 63}
    assert _params(extended, "DescribeHyperParameterTuningJob", long_name) == long_name
    assert "less than or equal to 32" in _refused(strict, "DescribeHyperParameterTuningJob", long_name)
    too_long = {"HyperParameterTuningJobName": "a" * 64}
    assert "less than or equal to 63" in _refused(extended, "DescribeHyperParameterTuningJob", too_long)

    job: dict[str, Any] = {
        "TrainingJobName": "a",
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "/tmp/out"},
        "CheckpointConfig": {"S3Uri": "file:///tmp/checkpoints"},
        "ResourceConfig": {"InstanceType": "local", "VolumeSizeInGB": 1},
    }
    assert _params(extended, "CreateTrainingJob", job) == job
    message = _refused(strict, "CreateTrainingJob", job)
    assert message.startswith("3 validation errors detected")
    assert "'outputDataConfig.s3OutputPath'" in message

    ranges = {"CategoricalParameterRanges": [{"Name": "c", "Values": [str(i) for i in range(1000)]}]}
    config = {
        "Strategy": "Random",
        "ResourceLimits": {"MaxParallelTrainingJobs": 500},
        "ParameterRanges": ranges,
    }
    job = {"HyperParameterTuningJobName": "a", "HyperParameterTuningJobConfig": config}
    assert _params(extended, "CreateHyperParameterTuningJob", job) == job
    assert "length less than or equal to 30" in _refused(strict, "CreateHyperParameterTuningJob", job)
    ranges["CategoricalParameterRanges"][0]["Values"].append("one more")
    assert "length less than or equal to 1000" in _refused(extended, "CreateHyperParameterTuningJob", job)


@pytest.mark.parametrize("path", ["relative/path", "file://host/path", "ftp://a/b", "s3:/b", "/a\nb"])
def test_other_addresses_stay_refused_in_extended_mode(extended: Service, path: str) -> None:
    """Only absolute paths and file:/// join the addresses of AWS."""
    job = {"TrainingJobName": "a", "RoleArn": ROLE, "OutputDataConfig": {"S3OutputPath": path}}
    assert "'outputDataConfig.s3OutputPath'" in _refused(extended, "CreateTrainingJob", job)


def test_patterns_match_the_whole_text(extended: Service) -> None:
    """A trailing newline or dash does not slip past an anchored pattern."""
    for name in ("a\n", "a-", "-a", "a b", "ä"):
        assert "trainingJobName" in _refused(extended, "DescribeTrainingJob", {"TrainingJobName": name})


def test_unions_need_exactly_one_member() -> None:
    """A union with two members set, or none, is a problem; sensitive values are never shown."""
    data = {
        "metadata": {"apiVersion": "1", "protocol": "json", "endpointPrefix": "x"},
        "operations": {"Do": {"name": "Do", "input": {"shape": "In"}}},
        "shapes": {
            "In": {"type": "structure", "members": {"U": {"shape": "U"}, "S": {"shape": "S"}}},
            "U": {"type": "structure", "union": True, "members": {"A": {"shape": "S"}, "B": {"shape": "S"}}},
            "S": {"type": "string", "max": 3, "sensitive": True},
        },
    }
    shape = build("x", prune(data, ["Do"])).operations["Do"].input
    assert shape is not None
    assert problems_of({"U": {"A": "a"}}, shape) == []
    for union in ({}, {"A": "a", "B": "b"}):
        assert problems_of({"U": union}, shape) == [
            "Value at 'u' failed to satisfy constraint: Exactly one of [A, B] must be set"
        ]
    assert problems_of({"S": "secret"}, shape) == [
        "Value at 's' failed to satisfy constraint: Member must have length less than or equal to 3"
    ]


def test_an_operation_without_input_accepts_nothing_to_check() -> None:
    """No shape, no problem."""
    validate(Decoded({}), None)


def test_missing_members_of_an_answer_are_found_at_every_depth(extended: Service) -> None:
    """The check that tests of answers use names each required member that is not there."""
    shape = extended.models["sagemaker"].operations["ListTrainingJobs"].output
    assert isinstance(shape, Shape)
    result = {"TrainingJobSummaries": [{"TrainingJobName": "a", "TrainingJobArn": "b", "CreationTime": 0}]}
    assert missing_members(result, shape) == ["trainingJobSummaries.1.member.trainingJobStatus"]
    assert missing_members({}, shape) == ["trainingJobSummaries"]


def test_unknown_operations_and_services_are_told_apart(extended: Service) -> None:
    """No such service, no such operation: both UnknownOperationException, each with its reason."""
    with pytest.raises(UnknownOperationException, match="no operation 'Nope'"):
        _params(extended, "Nope", {})
    with pytest.raises(UnknownOperationException, match="names no service"):
        _params(extended, "ListTrainingJobs", {}, prefix="Nope")


def test_what_a_client_sent_cannot_forge_a_line_of_a_log(extended: Service) -> None:
    """Control characters are quoted as escapes, in values, names and keys alike."""
    message = _refused(extended, "ListTrainingJobs", {"SortBy": "a\nERROR x\x1b[2J\u2028", "b\r\n": 1})
    assert message.isprintable()
    assert "Value 'a\\nERROR x\\x1b[2J\\u2028' at 'sortBy'" in message
    with pytest.raises(SerializationException) as caught:
        _params(extended, "CreateTrainingJob", {"HyperParameters": {"a\nb": 1}})
    assert caught.value.message == "'hyperParameters.a\\nb.value' must be a string, not a number"
