"""The table of outcomes: complete, and the same for code and documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest

from pegbox.engine.outcomes import TABLE, Outcome, as_markdown, notices_of, refusals

#: Members whose own members are one matter: no row of their own is needed below them.
WHOLE = {
    "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective",
    "HyperParameterTuningJobConfig.ResourceLimits",
    "HyperParameterTuningJobConfig.TuningJobCompletionCriteria",
    "HyperParameterTuningJobConfig.StrategyConfig",
    "HyperParameterTuningJobConfig.ParameterRanges",
    "TrainingJobDefinitions[].TuningObjective",
    "TrainingJobDefinitions[].HyperParameterRanges",
    "WarmStartConfig",
}


def _paths(shape: Any, prefix: str = "", depth: int = 0) -> list[str]:
    paths = []
    for name, member in shape.members.items():
        path = f"{prefix}{name}"
        paths.append(path)
        inner, here = (member.member, f"{path}[]") if member.type_name == "list" else (member, path)
        if inner.type_name == "structure" and depth < 4 and path not in WHOLE:
            paths += _paths(inner, f"{here}.", depth + 1)
    return paths


def _covered(path: str, rows: set[str], whole: set[str]) -> bool:
    """A member has a row, or an ancestor has one that speaks for all below it."""
    if path in rows:
        return True
    parts = path.split(".")
    ancestors = [".".join(parts[:i]).removesuffix("[]") for i in range(1, len(parts))]
    return any(a in whole for a in ancestors)


def _rows(scope: str) -> tuple[set[str], set[str]]:
    rows = {row.path for row in TABLE if row.scope == scope}
    # A path without a row below it speaks for all that is below.
    whole = {path for path in rows if not any(other.startswith((f"{path}.", f"{path}[]")) for other in rows)}
    return rows, whole


@pytest.mark.parametrize("operation", ["CreateHyperParameterTuningJob", "CreateTrainingJob"])
def test_every_member_of_a_create_request_has_an_outcome(operation: str) -> None:
    """Promise P9: works, met by nature or refused; no parameter is silently ignored."""
    shape = (
        botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    )
    definition = _rows("definition")
    if operation == "CreateTrainingJob":
        own = _rows("training")
        missing = [p for p in _paths(shape) if not _covered(p, *definition) and not _covered(p, *own)]
    else:
        own = _rows("tuning")
        missing = []
        for path in _paths(shape):
            below = path.removeprefix("TrainingJobDefinition.").removeprefix("TrainingJobDefinitions[].")
            shared = below != path and _covered(below, *definition)
            if not shared and not _covered(path, *own):
                missing.append(path)
    assert missing == []


def test_refused_and_met_rows_say_why() -> None:
    """Each has a remedy or a reason, and rows for some values name them."""
    for row in TABLE:
        assert row.outcome is Outcome.WORKS or row.note, row
        assert (row.when is None) == (not row.values), row


def test_values_are_shown_with_path_and_remedy() -> None:
    """Lists are indexed, long values are cut."""
    source = {"S3DataSource": {"S3DataType": "Converse", "S3Uri": "s3://b/x"}}
    request = {"InputDataConfig": [{"ChannelName": "a"}, {"ChannelName": "b", "DataSource": source}]}
    assert refusals(request, "definition", "D.") == [
        "D.InputDataConfig[1].DataSource.S3DataSource.S3DataType: 'Converse' is refused: use S3Prefix, ManifestFile or "
        "AugmentedManifestFile"
    ]
    assert "..." in refusals({"VpcConfig": {"Subnets": ["s" * 500]}}, "definition")[0]


def test_what_is_met_by_nature_is_told() -> None:
    """Spot, roles, volumes: accepted, with the reason for the owner."""
    request = {"RoleArn": "arn", "EnableManagedSpotTraining": True, "EnableNetworkIsolation": False}
    notices = notices_of(request, "definition")
    assert any("EnableManagedSpotTraining" in text and "nothing is interrupted" in text for text in notices)
    assert not any("EnableNetworkIsolation" in text for text in notices)
    assert refusals(request, "definition") == []


@pytest.mark.parametrize(
    ("own", "algorithm", "told"), [("Pipe", "File", 0), (None, "Pipe", 0), (None, "FastFile", 2)]
)
def test_what_depends_on_the_input_mode(own: str | None, algorithm: str, told: int) -> None:
    """Wrapping and shuffling work in Pipe mode and have nothing to act on elsewhere; a channel's own mode wins."""
    channel = {"ChannelName": "a", "RecordWrapperType": "RecordIO", "ShuffleConfig": {"Seed": 1}}
    if own is not None:
        channel["InputMode"] = own
    request = {"AlgorithmSpecification": {"TrainingInputMode": algorithm}, "InputDataConfig": [channel]}
    assert len([text for text in notices_of(request, "definition") if "InputDataConfig" in text]) == told
    assert refusals(request, "definition") == []


def test_the_documentation_is_written_from_the_table() -> None:
    """docs/parameters.md cannot drift; write it anew with ``python -c`` and ``as_markdown``."""
    page = Path(__file__).parents[3] / "docs" / "parameters.md"
    assert page.read_text() == as_markdown()
