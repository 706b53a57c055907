"""Suggestions computed again: from the store, the exact request that a trial's values came from (promise P8)."""

from __future__ import annotations

from pegbox.domain.records import TrainingJob
from pegbox.engine.active import (
    budget_of,
    curve_of,
    finite,
    judge_for,
    observation_of,
    place_of,
    search_id,
)
from pegbox.engine.allocation import Arm, Turn, next_turns, start_of
from pegbox.engine.lineage import histories_for
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
    trials = reader.trials(tuning.id)
    seen = [t for t in trials if t.observed_seq is not None and t.observed_seq <= record.observed]
    definition = spec.of(trial)
    own = {place_of(t): t for t in trials if spec.of(t) is definition}
    pending = [own[place] for place in record.pending if place in own]
    if len(seen) != record.observed or len(pending) != len(record.pending):
        raise ValidationException(
            f"Training jobs that the values of {trial.name!r} were computed from have been deleted."
        )
    judged = judge_for(tuning, definition) is not None
    seen = sorted((t for t in seen if spec.of(t) is definition), key=lambda t: t.observed_seq or 0)
    return SuggestRequest(
        job_id=search_id(tuning, definition),
        strategy=record.strategy,
        space=definition.space.to_json(),
        history=tuple(
            observation_of(
                item, None, definition, curve_of(reader, item, definition.objective) if judged else ()
            ).to_json()
            for item in seen
        ),
        pending=tuple(
            values_from_text(definition.space, item.suggestion.values)
            for item in pending
            if item.suggestion is not None
        ),
        count=record.count,
        seed=record.seed,
        maximize=spec.maximize,
        budget=budget_of(spec),
        parents=histories_for(reader.warm_start(tuning.id), definition),
    )


def replay_turn(reader: Reader, trial: TrainingJob) -> Turn:
    """Return the decision that it was this trial's definition's turn, decided again from what was known then.

    Raises:
        ValidationException: The trial's job has a single definition, or training jobs that the decision rests on were deleted.
    """
    record = trial.suggestion
    tuning = reader.tuning_job_by_id(trial.tuning_job_id) if trial.tuning_job_id is not None else None
    if record is None or tuning is None or not record.turn:
        raise ValidationException(f"Training job {trial.name!r} was not launched because of a turn.")
    spec = read_tuning(tuning.request, breaker=1, compute_ahead=False)
    before = [t for t in reader.trials(tuning.id) if (t.number or 0) < (trial.number or 0)]
    seen = [t for t in before if t.observed_seq is not None and t.observed_seq <= record.turn_observed]
    if len(before) != (trial.number or 1) - 1 or len(seen) != record.turn_observed:
        raise ValidationException(
            f"Training jobs that the turn of {trial.name!r} rests on have been deleted."
        )
    arms = []
    for item in spec.definitions:
        launched = sum(spec.of(t) is item for t in before)
        ended = sorted((t for t in seen if spec.of(t) is item), key=lambda t: t.observed_seq or 0)
        size = item.space.cardinality
        arms.append(
            Arm(
                launched=launched,
                objectives=tuple(finite(t.objective) for t in ended),
                room=None if size is None else max(0, size - launched),
            )
        )
    start = start_of(spec.goals.budget, len(arms))
    return next_turns(arms, 1, maximize=spec.maximize, start=start)[0]
