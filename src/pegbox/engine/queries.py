"""Everything that reads committed state, named as the AWS operations are.

Parameters are the dict that ``wire`` parsed; results are AWS-shaped (datetimes aware, numbers as numbers). Operations that page
take ``after``, where the previous page ended, and return ``(result without NextToken, where the next page starts or None)``.
``after`` is JSON-able data that the API signs into a token; the engine trusts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]
Result = dict[str, Any]
After = Any
Paged = tuple[Result, After | None]


class Queries:
    """The engine's queries; every method may be called from any thread."""

    def describe_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Describe a tuning job; raises ResourceNotFound."""
        raise NotImplementedError

    def list_hyper_parameter_tuning_jobs(self, params: Params, after: After = None) -> Paged:
        """List tuning jobs: ``HyperParameterTuningJobSummaries``."""
        raise NotImplementedError

    def list_training_jobs_for_hyper_parameter_tuning_job(
        self, params: Params, after: After = None
    ) -> Paged:
        """List a tuning job's trials: ``TrainingJobSummaries``; raises ResourceNotFound."""
        raise NotImplementedError

    def describe_training_job(self, params: Params) -> Result:
        """Describe a training job; raises ResourceNotFound."""
        raise NotImplementedError

    def list_training_jobs(self, params: Params, after: After = None) -> Paged:
        """List training jobs: ``TrainingJobSummaries``."""
        raise NotImplementedError

    def list_tags(self, params: Params, after: After = None) -> Paged:
        """List tags of a resource: ``Tags``."""
        raise NotImplementedError

    def describe_log_groups(self, params: Params, after: After = None) -> Paged:
        """List log groups: ``logGroups``."""
        raise NotImplementedError

    def describe_log_streams(self, params: Params, after: After = None) -> Paged:
        """List streams of a group: ``logStreams``; raises ResourceNotFoundException."""
        raise NotImplementedError

    def get_log_events(self, params: Params) -> Result:
        """Read a stream: ``events``, ``nextForwardToken``, ``nextBackwardToken`` (complete; nothing to sign)."""
        raise NotImplementedError

    def filter_log_events(self, params: Params, after: After = None) -> Paged:
        """Search the streams of a group: ``events``, ``searchedLogStreams``."""
        raise NotImplementedError

    def get_metric_statistics(self, params: Params) -> Result:
        """Aggregate one metric: ``Label``, ``Datapoints``."""
        raise NotImplementedError

    def get_metric_data(self, params: Params, after: After = None) -> Paged:
        """Aggregate several metrics: ``MetricDataResults``, ``Messages``."""
        raise NotImplementedError

    def list_metrics(self, params: Params, after: After = None) -> Paged:
        """List metrics: ``Metrics``."""
        raise NotImplementedError

    def images(self) -> Result:
        """Return the image table: ``{"images": {name: runtime}}``, built-in patterns included."""
        raise NotImplementedError

    def explain(self, name: str) -> Result:
        """Explain a tuning job beyond AWS's answer: notices, completion reason, and each trial's reason and inputs."""
        raise NotImplementedError
