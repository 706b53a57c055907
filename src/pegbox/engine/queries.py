"""Everything that reads committed state, named as the AWS operations are.

Parameters are the dict that ``wire`` parsed; results are AWS-shaped (datetimes aware, numbers as numbers). Operations that page
take ``after``, where the previous page ended, and return ``(result without NextToken, where the next page starts or None)``.
``after`` is JSON-able data that the API signs into a token; the engine trusts it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pegbox.domain.names import parse_arn
from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.engine import views
from pegbox.engine.active import curve_of, final_value, judge_for, stopped_early
from pegbox.engine.handlers import resource_id
from pegbox.engine.images import BUILT_IN
from pegbox.engine.log_queries import LogQueries
from pegbox.engine.metric_queries import MetricQueries
from pegbox.engine.outcomes import notices_of
from pegbox.engine.parts import Parts
from pegbox.engine.specs import maximizes, read_tuning
from pegbox.engine.warm_start import overall_best
from pegbox.errors import ResourceNotFound, ValidationException
from pegbox.ports.logs import LogReader
from pegbox.ports.serving_metrics import ServingMetrics
from pegbox.ports.store import Page
from pegbox.stopping import progress_of

Params = Mapping[str, Any]
Result = dict[str, Any]
After = Any
Paged = tuple[Result, After]

_DEFAULT_LIMIT = 10
_TAG_LIMIT = 50
#: Terminal jobs whose figures are kept at hand.
_SETTLED = 1000


class Queries(LogQueries, MetricQueries):
    """The engine's queries; every method may be called from any thread.

    Args:
        parts: Ports and values.
        logs: Program output.
        not_improving: Returns an active tuning job's count of finished trials since the last improvement, by row id, or None.
        serving_logs: Output of model servers, by endpoint and instance.
        serving_metrics: What the gateway counted.
    """

    def __init__(
        self,
        parts: Parts,
        logs: LogReader,
        not_improving: Callable[[int], int | None],
        *,
        serving_logs: LogReader | None = None,
        serving_metrics: ServingMetrics | None = None,
    ) -> None:
        self._parts = parts
        self._logs = logs
        self._serving_logs = serving_logs
        self._serving_metrics = serving_metrics
        self._reader = parts.store.reader
        self._not_improving_now = not_improving
        #: The same of terminal jobs, which never changes.
        self._settled: dict[int, int] = {}

    def describe_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Describe a tuning job.

        Raises:
            ResourceNotFound: There is no such job.
        """
        job = self._tuning(params["HyperParameterTuningJobName"])
        maximize = maximizes(job.request)
        best = self._reader.best_trial(job.id, maximize)
        return views.tuning_description(
            self._parts.realm,
            job,
            self._reader.counters(job.id),
            best,
            self._not_improving(job, maximize),
            self._parts.clock.now(),
            overall_best(self._reader, job, best, maximize=maximize),
        )

    def list_hyper_parameter_tuning_jobs(self, params: Params, after: After = None) -> Paged:
        """List tuning jobs: ``HyperParameterTuningJobSummaries``."""
        rows = self._reader.list_tuning_jobs(_page(params, after, default_sort="Name"))
        realm = self._parts.realm
        items = [views.tuning_summary(realm, job, self._reader.counters(job.id)) for job in rows.items]
        return {"HyperParameterTuningJobSummaries": items}, rows.next_after

    def list_training_jobs_for_hyper_parameter_tuning_job(self, params: Params, after: After = None) -> Paged:
        """List a tuning job's trials: ``TrainingJobSummaries``.

        Raises:
            ResourceNotFound: There is no such job.
        """
        job = self._tuning(params["HyperParameterTuningJobName"])
        page = _page(params, after, default_sort="Name")
        rows = self._reader.list_training_jobs(dataclasses.replace(page, tuning_job_id=job.id))
        items = [views.trial_summary(self._parts.realm, job, trial) for trial in rows.items]
        return {"TrainingJobSummaries": items}, rows.next_after

    def describe_training_job(self, params: Params) -> Result:
        """Describe a training job.

        Raises:
            ResourceNotFound: There is no such job.
        """
        job = self._training(params["TrainingJobName"])
        tuning = self._reader.tuning_job_by_id(job.tuning_job_id) if job.tuning_job_id is not None else None
        return views.training_description(self._parts.realm, job, tuning.name if tuning is not None else None)

    def list_training_jobs(self, params: Params, after: After = None) -> Paged:
        """List training jobs: ``TrainingJobSummaries``.

        Raises:
            ValidationException: A filter that is not offered.
        """
        if params.get("WarmPoolStatusEquals") is not None or params.get("TrainingPlanArnEquals") is not None:
            raise ValidationException(
                "WarmPoolStatusEquals and TrainingPlanArnEquals: there are no warm pools or training plans here; "
                "leave them out."
            )
        rows = self._reader.list_training_jobs(_page(params, after, default_sort="CreationTime"))
        items = [views.training_summary(self._parts.realm, job) for job in rows.items]
        return {"TrainingJobSummaries": items}, rows.next_after

    def list_tags(self, params: Params, after: After = None) -> Paged:
        """List tags of a resource: ``Tags``.

        Raises:
            ResourceNotFound: There is no such resource.
        """
        arn = params["ResourceArn"]
        resource_id(self._reader, arn)
        tags = list(self._reader.tags(arn).items())
        start = int(after or 0)
        end = start + int(params.get("MaxResults") or _TAG_LIMIT)
        items = [{"Key": key, "Value": value} for key, value in tags[start:end]]
        return {"Tags": items}, end if end < len(tags) else None

    def images(self) -> Result:
        """Return the image table: ``{"images": {name: runtime}, "built_in": {name: pattern}}``."""
        entries = {name: dict(runtime) for name, runtime in self._reader.images().items()}
        return {"images": entries, "built_in": {known.name: known.pattern for known in BUILT_IN}}

    def explain(self, name: str) -> Result:
        """Explain a tuning job or a training job beyond AWS's answer.

        Notices, what of the request is met by nature, why the search ended, and each trial's reason with its inputs.

        Raises:
            ResourceNotFound: There is no job of this name.
        """
        arn = parse_arn(name)
        name = arn[1] if arn else name
        tuning = self._reader.tuning_job(name)
        if tuning is None:
            return self._explain_training(self._training(name))
        met = notices_of(tuning.request, "tuning") + definition_notices(tuning.request)
        return {
            "name": tuning.name,
            "status": tuning.status.value,
            "seed": tuning.seed,
            "completion_reason": tuning.completion_reason,
            "notices": [*tuning.notices],
            "met_by_nature": met,
            "parents": [
                {
                    "name": item["name"],
                    "finished": item["finished"],
                    "used": {key: len(history["observations"]) for key, history in item["histories"].items()},
                }
                for item in self._reader.warm_start(tuning.id)
            ],
            "trials": [self._explain_training(trial) for trial in self._reader.trials(tuning.id)],
        }

    def _explain_training(self, job: TrainingJob) -> Result:
        explained: Result = {
            "name": job.name,
            "status": job.status.value,
            "secondary": job.secondary.value,
            "attempt": job.attempt,
            "notices": [*job.notices],
            "artifacts": {kind: dict(item) for kind, item in job.artifacts.items()},
        }
        if job.tuning_job_id is None:
            explained["met_by_nature"] = notices_of(job.request, "training") + notices_of(
                job.request, "definition"
            )
        if job.suggestion is not None:
            explained["number"] = job.number
            explained["definition"] = job.definition
            explained["objective"] = job.objective
            explained["suggestion"] = dataclasses.asdict(job.suggestion)
        return explained

    def _not_improving(self, job: TuningJob, maximize: bool) -> int:
        known = self._not_improving_now(job.id)
        if known is None:
            known = self._settled.get(job.id)
        if known is not None:
            return known
        finished = [t for t in self._reader.trials(job.id) if t.observed_seq is not None]
        finished.sort(key=lambda trial: trial.observed_seq or 0)
        spec = read_tuning(job.request, breaker=1, compute_ahead=False)
        judges = [judge_for(job, item) for item in spec.definitions]

        def final(trial: TrainingJob) -> float | None:
            item = spec.of(trial)
            curve = curve_of(self._reader, trial, item.objective) if stopped_early(trial) else ()
            return final_value(trial, judges[item.index], curve)

        finals = map(final, finished)
        since = progress_of((v for v in finals if v is not None), maximize=maximize).since
        if job.status.terminal:
            if len(self._settled) >= _SETTLED:
                self._settled.clear()
            self._settled[job.id] = since
        return since

    def _tuning(self, name: str) -> TuningJob:
        job = self._reader.tuning_job(name)
        if job is None:
            raise ResourceNotFound(
                f"Amazon SageMaker can't find a hyperparameter tuning job with name {name!r}."
            )
        return job

    def _training(self, name: str) -> TrainingJob:
        job = self._reader.training_job(name)
        if job is None:
            raise ResourceNotFound(f"Requested resource not found: training job {name!r}.")
        return job


def definition_notices(request: Mapping[str, Any]) -> list[str]:
    """Return what of a tuning job's definitions is met by nature."""
    several = request.get("TrainingJobDefinitions")
    if not several:
        return notices_of(request["TrainingJobDefinition"], "definition", "TrainingJobDefinition.")
    return [
        text
        for index, item in enumerate(several)
        for text in notices_of(item, "definition", f"TrainingJobDefinitions[{index}].")
    ]


def _page(params: Params, after: After, *, default_sort: str) -> Page:
    return Page(
        sort_by=params.get("SortBy") or default_sort,
        descending=params.get("SortOrder") == "Descending",
        limit=params.get("MaxResults") or _DEFAULT_LIMIT,
        after=tuple(after) if after is not None else None,
        name_contains=params.get("NameContains"),
        status=params.get("StatusEquals"),
        created_after=params.get("CreationTimeAfter"),
        created_before=params.get("CreationTimeBefore"),
        modified_after=params.get("LastModifiedTimeAfter"),
        modified_before=params.get("LastModifiedTimeBefore"),
    )
