"""Results as tables and figures."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox import plots
from pegbox.analytics import HyperparameterTuningJobAnalytics, TrainingJobAnalytics

from .conftest import FakeService
from .descriptions import NAME, T0, summary, training_job, tuning_job

DESCRIBE = "DescribeHyperParameterTuningJob"
LIST = "ListTrainingJobsForHyperParameterTuningJob"


@pytest.fixture
def analytics(service: FakeService) -> HyperparameterTuningJobAnalytics:
    """Results of a job of three trials on two pages."""
    service.answers[DESCRIBE] = lambda _: tuning_job("Completed")
    service.answers[LIST] = lambda request: (
        {"TrainingJobSummaries": [summary(3, "InProgress", None)]}
        if request.get("NextToken") == "t"
        else {"TrainingJobSummaries": [summary(1, value=0.5), summary(2, value=0.25)], "NextToken": "t"}
    )
    return HyperparameterTuningJobAnalytics(NAME)


def test_dataframe_has_the_documented_columns(
    service: FakeService, analytics: HyperparameterTuningJobAnalytics, tmp_path: Path
) -> None:
    """Hyperparameters first, then name, status, objective and times, in the service's order of rows."""
    frame = analytics.dataframe()
    assert list(frame.columns) == [
        "lr", "n", "kind", "TrainingJobName", "TrainingJobStatus", "FinalObjectiveValue", "TrainingStartTime",
        "TrainingEndTime", "TrainingElapsedTimeSeconds",
    ]  # fmt: skip
    assert list(frame["FinalObjectiveValue"])[:2] == [0.5, 0.25]
    assert frame["FinalObjectiveValue"].isna().tolist() == [False, False, True]
    assert list(frame["n"]) == [1.0, 2.0, 3.0]
    assert list(frame["kind"]) == ['"a"'] * 3
    assert list(frame["TrainingElapsedTimeSeconds"])[:2] == [2.0, 2.0]
    pages = service.sent(LIST)
    assert [(page["MaxResults"], page.get("NextToken")) for page in pages] == [(100, None), (100, "t")]
    assert all("SortBy" not in page for page in pages)
    analytics.export_csv(tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text().startswith(",lr,n,kind,TrainingJobName")
    assert repr(analytics) == f"<sagemaker.HyperparameterTuningJobAnalytics for {NAME}>"


def test_caches_are_kept_and_forgotten_together(
    service: FakeService, analytics: HyperparameterTuningJobAnalytics
) -> None:
    """Each part is fetched once; force_refresh of any forgets all."""
    for _ in range(2):
        analytics.dataframe()
        analytics.description()
        analytics.training_job_summaries()
    assert (len(service.sent(LIST)), len(service.sent(DESCRIBE))) == (2, 1)
    analytics.description(force_refresh=True)
    analytics.training_job_summaries()
    assert (len(service.sent(LIST)), len(service.sent(DESCRIBE))) == (4, 2)


def test_empty_page_ends_the_list(service: FakeService) -> None:
    """A token on an empty page is not followed; a job without trials is an empty table."""
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": [], "NextToken": "for-ever"}
    frame = HyperparameterTuningJobAnalytics(NAME).dataframe()
    assert (len(frame), len(frame.columns), len(service.sent(LIST))) == (0, 0, 1)


def test_tuning_ranges(service: FakeService, analytics: HyperparameterTuningJobAnalytics) -> None:
    """Ranges are flat by name, or by definition and name."""
    assert set(analytics.tuning_ranges) == {"lr", "n", "kind"}
    assert analytics.tuning_ranges["lr"]["ScalingType"] == "Logarithmic"
    ranges = tuning_job()["HyperParameterTuningJobConfig"]["ParameterRanges"]
    several = tuning_job(TrainingJobDefinitions=[{"DefinitionName": "d", "HyperParameterRanges": ranges}])
    del several["TrainingJobDefinition"]
    service.answers[DESCRIBE] = lambda _: several
    analytics.clear_cache()
    assert set(analytics.tuning_ranges["d"]) == {"lr", "n", "kind"}


def test_training_job_metrics_come_by_the_minute(service: FakeService) -> None:
    """Metrics are asked of the monitoring service for the job's time, and counted from the first point."""
    service.answers["DescribeTrainingJob"] = lambda _: training_job(
        TrainingStartTime=T0, TrainingEndTime=T0 + 300
    )
    service.answers["GetMetricStatistics"] = lambda _: {
        "Label": "loss",
        "Datapoints": [{"Timestamp": T0 + 120, "Average": 0.2}, {"Timestamp": T0 + 60, "Average": 0.4}],
    }
    frame = TrainingJobAnalytics("job").dataframe()
    assert frame.to_dict("list") == {
        "timestamp": [0.0, 60.0],
        "metric_name": ["loss"] * 2,
        "value": [0.4, 0.2],
    }
    (request,) = service.sent("GetMetricStatistics")
    assert request["Dimensions"] == [{"Name": "TrainingJobName", "Value": "job"}]
    assert (request["Namespace"], request["Period"]) == ("/aws/sagemaker/TrainingJobs", 60)
    assert (moment(request["StartTime"]), moment(request["EndTime"])) == (T0, T0 + 360)


def moment(value: Any) -> float:
    """Return a time of a request in seconds, whichever form the protocol of the day gives it."""
    return value if isinstance(value, (int, float)) else datetime.fromisoformat(value).timestamp()


def test_training_job_metrics_of_a_time() -> None:
    """Times that are given are asked for as they are, of the CloudWatch client of a session that is not ours."""
    start, end = datetime(2026, 5, 1, 10, 0, 5), datetime(2026, 5, 1, 11, 0, 7)
    session = Mock(name="session")
    cloudwatch = session.boto_session.client.return_value
    cloudwatch.get_metric_statistics.return_value = {"Datapoints": []}
    job = TrainingJobAnalytics("job", ["loss"], session, start_time=start, end_time=end, period=300)
    assert job._time_interval == {"start_time": start, "end_time": end}
    assert len(job.dataframe()) == 0
    session.sagemaker_client.describe_training_job.assert_not_called()
    session.boto_session.client.assert_called_once_with("cloudwatch")
    asked = cloudwatch.get_metric_statistics.call_args.kwargs
    assert (asked["StartTime"], asked["EndTime"], asked["Period"]) == (start, end, 300)


def test_the_time_of_a_running_job_is_asked_for_anew() -> None:
    """What was asked once is kept until the cache is cleared."""
    session = Mock(name="session")
    begin = datetime(2026, 5, 1, 10, 0, 5)
    describe = session.sagemaker_client.describe_training_job
    describe.return_value = {"TrainingStartTime": begin, "TrainingEndTime": begin}
    job = TrainingJobAnalytics("job", ["loss"], session)
    expected = {"start_time": begin, "end_time": begin + timedelta(minutes=1)}
    assert [job._time_interval, job._time_interval] == [expected, expected]
    assert describe.call_count == 1
    job.clear_cache()
    assert job._time_interval == expected
    assert describe.call_count == 2


def test_figures(service: FakeService, analytics: HyperparameterTuningJobAnalytics) -> None:
    """Best so far follows the direction; coordinates have an axis per hyperparameter and one for the objective."""
    best = plots.best_so_far(analytics)
    assert list(best.data[1].y) == [0.5, 0.25]
    coordinates = plots.parallel_coordinates(NAME)
    assert [axis.label for axis in coordinates.data[0].dimensions] == ["lr", "n", "kind", "loss"]
    assert list(coordinates.data[0].dimensions[2].ticktext) == ['"a"']
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": []}
    with pytest.raises(ValueError, match="call wait"):
        plots.best_so_far(NAME)


def test_figures_of_several_algorithms(service: FakeService) -> None:
    """Each algorithm has its own marks; coordinates are those of the best one, or of the one that is named."""
    ranges = tuning_job()["HyperParameterTuningJobConfig"]["ParameterRanges"]
    objective = {"Type": "Minimize", "MetricName": "loss"}
    parts = [
        {"DefinitionName": name, "HyperParameterRanges": ranges, "TuningObjective": objective}
        for name in ("alpha", "beta")
    ]
    several = tuning_job("Completed", TrainingJobDefinitions=parts)
    del several["TrainingJobDefinition"]
    del several["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    service.answers[DESCRIBE] = lambda _: several
    rows = [
        summary(1, value=0.5, TrainingJobDefinitionName="alpha", TunedHyperParameters={"depth": "3"}),
        summary(2, value=0.25, TrainingJobDefinitionName="beta", TunedHyperParameters={"rate": "0.1"}),
        summary(3, value=0.3, TrainingJobDefinitionName="beta", TunedHyperParameters={"rate": "0.2"}),
    ]
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": rows}
    figure = plots.best_so_far(NAME)
    assert [(part.name, list(part.y)) for part in figure.data] == [
        ("alpha", [0.5]), ("beta", [0.25, 0.3]), ("best so far", [0.5, 0.25, 0.25]),
    ]  # fmt: skip
    assert [axis.label for axis in plots.parallel_coordinates(NAME).data[0].dimensions] == ["rate", "loss"]
    alpha = plots.parallel_coordinates(NAME, definition="alpha")
    assert [axis.label for axis in alpha.data[0].dimensions] == ["depth", "loss"]
    with pytest.raises(ValueError, match="no finished training job of definition 'gamma'"):
        plots.parallel_coordinates(NAME, definition="gamma")


def test_missing_packages_say_what_to_install(
    analytics: HyperparameterTuningJobAnalytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pandas or plotly the error is the command that brings them."""
    for name, ask in (("pandas", analytics.dataframe), ("plotly", lambda: plots.best_so_far(analytics))):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, f"{name}.graph_objects", None)
        with pytest.raises(ImportError, match=r"pip install 'pegbox\[analytics\]'"):
            ask()
