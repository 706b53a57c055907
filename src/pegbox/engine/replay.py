"""Suggestions computed again: from the store, the exact request that a trial's values came from (promise P8)."""

from __future__ import annotations

from pegbox.domain.records import TrainingJob
from pegbox.engine.active import curve_of, judge_for, observation_of
from pegbox.engine.specs import read_tuning
from pegbox.errors import ValidationException
from pegbox.ports.store import Reader
from pegbox.ports.suggester import SuggestRequest
from pegbox.space import values_from_text


def replay_request(reader: Reader, trial: TrainingJob) -> SuggestRequest:
    """Return the request whose answer, at index ``trial.suggestion.index``, is the trial's values.

    Raises:
        ValidationException: The training job is no trial, or what its values were computed from was deleted since.
    """
    record = trial.suggestion
    tuning = reader.tuning_job_by_id(trial.tuning_job_id) if trial.tuning_job_id is not None else None
    if record is None or tuning is None:
        raise ValidationException(
            f"Training job {trial.name!r} has no suggestion that could be computed again."
        )
    spec = read_tuning(tuning.request, breaker=1, compute_ahead=False)
    trials = {other.number: other for other in reader.trials(tuning.id)}
    seen = {
        other.observed_seq: other
        for other in trials.values()
        if other.observed_seq is not None and other.observed_seq <= record.observed
    }
    judged = judge_for(tuning, spec) is not None
    pending = [trials[number] for number in record.pending if number in trials]
    if len(seen) != record.observed or len(pending) != len(record.pending):
        raise ValidationException(
            f"Training jobs that the values of {trial.name!r} were computed from have been deleted."
        )
    return SuggestRequest(
        job_id=tuning.id,
        strategy=record.strategy,
        space=spec.space.to_json(),
        history=tuple(
            observation_of(
                seen[place], None, spec, curve_of(reader, seen[place], spec) if judged else ()
            ).to_json()
            for place in sorted(seen)
        ),
        pending=tuple(
            values_from_text(spec.space, other.suggestion.values)
            for other in pending
            if other.suggestion is not None
        ),
        count=record.count,
        seed=record.seed,
        maximize=spec.maximize,
        budget=spec.goals.budget,
    )
