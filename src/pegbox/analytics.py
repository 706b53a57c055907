"""Results of jobs as tables. pandas is loaded when a table is asked for."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pegbox._sdk.extras import need
from pegbox.session import Session

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AnalyticsMetricsBase", "HyperparameterTuningJobAnalytics", "TrainingJobAnalytics"]


class AnalyticsMetricsBase(ABC):
    """A table about a job, fetched once and kept until it is asked for anew."""

    def __init__(self) -> None:
        self._dataframe: Any = None

    def export_csv(self, filename: str | os.PathLike[str]) -> None:
        """Write the table to a CSV file.

        Args:
            filename: Path of the file.
        """
        self.dataframe().to_csv(filename)

    def dataframe(self, force_refresh: bool = False) -> pd.DataFrame:
        """Return the table.

        Args:
            force_refresh: Fetch it anew.
        """
        if force_refresh:
            self.clear_cache()
        if self._dataframe is None:
            self._dataframe = self._fetch_dataframe()
        frame: pd.DataFrame = self._dataframe
        return frame

    def clear_cache(self) -> None:
        """Forget what was fetched."""
        self._dataframe = None

    @abstractmethod
    def _fetch_dataframe(self) -> Any:
        """Fetch the table."""


class HyperparameterTuningJobAnalytics(AnalyticsMetricsBase):
    """Training jobs of a tuning job.

    Args:
        hyperparameter_tuning_job_name: Name of the tuning job.
        sagemaker_session: The session; a new one by default.
    """

    def __init__(self, hyperparameter_tuning_job_name: str, sagemaker_session: Any = None) -> None:
        super().__init__()
        self._tuning_job_name = hyperparameter_tuning_job_name
        self._session = sagemaker_session or Session()
        self._description: dict[str, Any] | None = None
        self._summaries: list[dict[str, Any]] | None = None

    @property
    def name(self) -> str:
        """Name of the tuning job."""
        return self._tuning_job_name

    def __repr__(self) -> str:
        return f"<sagemaker.HyperparameterTuningJobAnalytics for {self.name}>"

    def clear_cache(self) -> None:
        """Forget table, description and training jobs."""
        super().clear_cache()
        self._description = None
        self._summaries = None

    @property
    def tuning_ranges(self) -> dict[str, Any]:
        """Ranges as the service has them by name; with several definitions by definition and name."""
        description = self.description()
        if "TrainingJobDefinition" in description:
            return _by_name(description["HyperParameterTuningJobConfig"]["ParameterRanges"])
        return {
            item["DefinitionName"]: _by_name(item["HyperParameterRanges"])
            for item in description["TrainingJobDefinitions"]
        }

    def description(self, force_refresh: bool = False) -> dict[str, Any]:
        """Return the description of the tuning job.

        Args:
            force_refresh: Fetch it anew, and forget the rest.
        """
        if force_refresh:
            self.clear_cache()
        if self._description is None:
            self._description = self._session.sagemaker_client.describe_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=self.name
            )
        found: dict[str, Any] = self._description or {}
        return found

    def training_job_summaries(self, force_refresh: bool = False) -> list[dict[str, Any]]:
        """Return the training jobs in the service's default order.

        Args:
            force_refresh: Fetch them anew, and forget the rest.
        """
        if force_refresh:
            self.clear_cache()
        if self._summaries is None:
            from pegbox._sdk.waiting import training_job_summaries

            self._summaries = training_job_summaries(self._session.sagemaker_client, self.name)
        return self._summaries

    def _fetch_dataframe(self) -> Any:
        """One row per training job: its hyperparameters, then name, status, objective and times."""
        pd = need("pandas", "data frames")
        return pd.DataFrame([_row(summary) for summary in self.training_job_summaries()])


class TrainingJobAnalytics(AnalyticsMetricsBase):
    """Metrics of a training job over time, by the minute.

    Args:
        training_job_name: Name of the training job.
        metric_names: Metrics to fetch; all that the job defines by default.
        sagemaker_session: The session; a new one by default.
        start_time: First moment; the job's start by default.
        end_time: Last moment; the job's end, or now, by default.
        period: Seconds that one value stands for.
    """

    CLOUDWATCH_NAMESPACE = "/aws/sagemaker/TrainingJobs"

    def __init__(
        self,
        training_job_name: str,
        metric_names: list[str] | None = None,
        sagemaker_session: Any = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        period: int | None = None,
    ) -> None:
        super().__init__()
        self._training_job_name = training_job_name
        self._session = sagemaker_session or Session()
        self._metric_names = metric_names
        self._start_time = start_time
        self._end_time = end_time
        self._period = period or 60
        self._interval: dict[str, datetime] | None = None

    @property
    def name(self) -> str:
        """Name of the training job."""
        return self._training_job_name

    def __repr__(self) -> str:
        return f"<sagemaker.TrainingJobAnalytics for {self.name}>"

    def clear_cache(self) -> None:
        """Forget table and time."""
        super().clear_cache()
        self._interval = None

    @property
    def _time_interval(self) -> dict[str, datetime]:
        """First and last moment, asked for once."""
        if self._interval is None:
            described: Mapping[str, Any] = {}
            if self._start_time is None or self._end_time is None:
                described = self._describe()
            start = self._start_time or described.get("TrainingStartTime") or described["CreationTime"]
            end = self._end_time
            if end is None:
                # A minute more, because values are stamped with the start of their period.
                end = described.get("TrainingEndTime") or datetime.now(start.tzinfo)
                end += timedelta(minutes=1)
            self._interval = {"start_time": start, "end_time": end}
        return self._interval

    def _describe(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._session.sagemaker_client.describe_training_job(
            TrainingJobName=self.name
        )
        return answer

    def _fetch_dataframe(self) -> Any:
        """One row per metric and minute: seconds since the start, name, value."""
        pd = need("pandas", "data frames")
        names = self._metric_names
        if names is None:
            definitions = self._describe()["AlgorithmSpecification"].get("MetricDefinitions") or ()
            names = [item["Name"] for item in definitions]
        rows = [row for name in names for row in self._series(name)]
        return pd.DataFrame(rows, columns=["timestamp", "metric_name", "value"])

    def _cloudwatch(self) -> Any:
        if isinstance(self._session, Session):
            return self._session.client("cloudwatch")
        return self._session.boto_session.client("cloudwatch")

    def _series(self, metric: str) -> list[dict[str, Any]]:
        interval = self._time_interval
        answer = self._cloudwatch().get_metric_statistics(
            Namespace=self.CLOUDWATCH_NAMESPACE,
            MetricName=metric,
            Dimensions=[{"Name": "TrainingJobName", "Value": self.name}],
            StartTime=interval["start_time"],
            EndTime=interval["end_time"],
            Period=self._period,
            Statistics=["Average"],
        )
        points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
        if not points:
            return []
        first = points[0]["Timestamp"]
        return [
            {
                "timestamp": (point["Timestamp"] - first).total_seconds(),
                "metric_name": metric,
                "value": point["Average"],
            }
            for point in points
        ]


def _by_name(ranges: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {item["Name"]: item for items in ranges.values() for item in items}


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: _number(value) for name, value in summary["TunedHyperParameters"].items()}
    start, end = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    row["TrainingJobName"] = summary["TrainingJobName"]
    row["TrainingJobStatus"] = summary["TrainingJobStatus"]
    row["FinalObjectiveValue"] = (summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}).get(
        "Value"
    )
    row["TrainingStartTime"] = start
    row["TrainingEndTime"] = end
    if start and end:
        row["TrainingElapsedTimeSeconds"] = (end - start).total_seconds()
    if "TrainingJobDefinitionName" in summary:
        row["TrainingJobDefinitionName"] = summary["TrainingJobDefinitionName"]
    return row


def _number(text: str) -> float | str:
    try:
        return float(text)
    except (TypeError, ValueError):
        return text
