"""Carrying out what the planner says: launches, questions to the suggester, stops, ends."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping
from typing import Any

from pegbox.domain.names import trial_name
from pegbox.domain.records import Attempt, SuggestionRecord, evolve
from pegbox.domain.statuses import StopReason, TrainingStatus
from pegbox.engine.active import (
    ActiveTraining,
    ActiveTuning,
    AtHand,
    Picture,
    Search,
    UnderWay,
    budget_of,
    search_id,
    seed_of,
)
from pegbox.engine.allocation import START
from pegbox.engine.effects import AskSuggester, ForgetTuning
from pegbox.engine.identity import attempt_id, trial_mark
from pegbox.engine.launching import launch
from pegbox.engine.lifecycle import training, tuning
from pegbox.engine.parts import Parts, Work, changes_between
from pegbox.engine.planner import (
    Ask,
    Close,
    Finish,
    Instruction,
    Launch,
    NoteConvergence,
    StopTrials,
    Wait,
    WakeAt,
    plan,
)
from pegbox.engine.reports import stop_training
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.space import values_to_text

_log = logging.getLogger(__name__)
_ask_ids = itertools.count(1)


def plan_tuning(parts: Parts, picture: Picture, work: Work, active: ActiveTuning) -> None:
    """Do what the planner says until only waits are left."""
    acted = True
    while acted and active.job.id in picture.tunings:
        active.wake = None
        note_barren(active)
        snapshot = active.snapshot(parts.policy)
        instructions = plan(active.spec.goals, snapshot, work.time)
        acted = False
        for instruction in instructions:
            acted = _carry_out(parts, picture, work, active, instruction) or acted
    save_tuning(work, active)


def save_tuning(work: Work, active: ActiveTuning) -> None:
    """Write what changed since the record was last written.

    Raises:
        StoreError: The row has another status: the picture was wrong.
    """
    changes = changes_between(active.stored, active.job)
    if changes and not work.tx.update_tuning_job(active.job.id, {active.stored.status}, changes):
        raise StoreError(f"tuning job {active.job.name!r} is not {active.stored.status.value} in the store")
    active.stored = active.job


def note_barren(active: ActiveTuning) -> None:
    """Tell the owner of definitions that get no more trials, because all that they had ended without an objective."""
    if not active.spec.several:
        return
    for search in active.searches:
        if search.arm().barren:
            text = (
                f"Definition {search.spec.name!r} gets no more training jobs while others can have them: none of its first "
                f"{START} gave a value of {search.spec.objective!r}. See why they failed, or what they print."
            )
            active.job = tuning.with_notice(active.job, text)


def take_answer(active: ActiveTuning, work: Work, ask_id: int, answer: SuggestAnswer) -> None:
    """Put suggestions that were computed at hand, unless a later launch has made them useless."""
    search = next((item for item in active.searches if ask_id in item.under_way), None)
    work.dirty.add(active.job.id)
    if search is None:
        return
    asked = search.under_way.pop(ask_id)
    if answer.fault:
        text = f"A suggestion could not be computed as asked and was drawn at random: {answer.fault}"
        active.job = tuning.with_notice(active.job, text)
    for index, item in enumerate(answer.suggestions):
        number = asked.number + index
        if number > search.launched:
            record = _record(active, search, asked, index, item, answer)
            search.at_hand[number] = AtHand(number, ask_id, item["values"], record, asked.seen)


def _carry_out(
    parts: Parts, picture: Picture, work: Work, active: ActiveTuning, instruction: Instruction
) -> bool:
    """Do one thing; return whether the planner should be asked again."""
    if isinstance(instruction, (Wait, WakeAt)):
        at = instruction.until if isinstance(instruction, Wait) else instruction.at
        active.wake = at if active.wake is None else min(active.wake, at)
        if isinstance(instruction, Wait) and active.waiting_since is None:
            active.waiting_since = work.time
        return False
    if isinstance(instruction, Launch):
        _launch_trial(parts, picture, work, active, active.searches[instruction.line], instruction.number)
    elif isinstance(instruction, Ask):
        _ask(work, active, active.searches[instruction.line], instruction)
    elif isinstance(instruction, StopTrials):
        _stop_trials(picture, work, active, instruction.reason)
    elif isinstance(instruction, NoteConvergence):
        active.job = evolve(active.job, converged_at=work.now, modified_at=work.now)
    elif isinstance(instruction, Close):
        active.job = tuning.close(
            active.job, work.now, completed=instruction.completed, failed=instruction.failed
        )
    elif isinstance(instruction, Finish):
        _finish(picture, work, active)
    return True


def _ask(work: Work, active: ActiveTuning, search: Search, ask: Ask) -> None:
    pending = search.pending()
    goals = active.spec.goals
    under_way = UnderWay(
        ask_id=next(_ask_ids),
        number=ask.number,
        count=ask.count,
        observed=active.job.observed,
        seen=len(search.history),
        # A stale suggestion for this very trial is about to be replaced: it is not pending.
        pending=tuple(number for number in pending if number < ask.number),
        ahead=ask.ahead,
    )
    search.under_way[under_way.ask_id] = under_way
    if not ask.ahead and active.waiting_since is None:
        active.waiting_since = work.time
    request = SuggestRequest(
        job_id=search_id(active.job, search.spec),
        strategy=goals.strategy,
        space=search.space_json,
        history=tuple(search.history),
        pending=tuple(pending[number] for number in under_way.pending),
        count=ask.count,
        seed=seed_of(active.job, search.spec, ask.number),
        maximize=active.spec.maximize,
        budget=budget_of(active.spec),
        parents=search.parents,
    )
    work.effects.append(AskSuggester(active.job.id, under_way.ask_id, request))


def _record(
    active: ActiveTuning,
    search: Search,
    asked: UnderWay,
    index: int,
    item: Mapping[str, Any],
    answer: SuggestAnswer,
) -> SuggestionRecord:
    warnings = tuple(str(text) for text in item.get("warnings") or ())
    return SuggestionRecord(
        values=values_to_text(search.spec.space, item["values"]),
        reason=str(item.get("reason", "")),
        details={name: float(value) for name, value in (item.get("details") or {}).items()},
        strategy="Random" if answer.fault else active.spec.goals.strategy,
        observed=asked.observed,
        pending=asked.pending,
        seed=seed_of(active.job, search.spec, asked.number),
        numerics=answer.numerics,
        ahead=asked.ahead,
        index=index,
        count=asked.count,
        warnings=(*warnings, answer.fault) if answer.fault else warnings,
    )


def _launch_trial(
    parts: Parts, picture: Picture, work: Work, active: ActiveTuning, search: Search, place: int
) -> None:
    chosen = search.at_hand.pop(place)
    _drop_overtaken(search, chosen)
    job, number = active.job, active.job.launched + 1
    suggestion = chosen.record
    if active.spec.several:
        suggestion = evolve(
            suggestion,
            turn=active.turns(1)[0].reason,
            turn_observed=job.observed,
            ahead=chosen.seen < len(search.history),
        )
    template = search.template
    record = training.newborn(
        name="",
        request={**template, "HyperParameters": {**template["HyperParameters"], **suggestion.values}},
        now=work.now,
        tuning_job_id=job.id,
        number=number,
        definition=search.spec.name,
        suggestion=suggestion,
    )
    for salt in range(16):
        name = trial_name(job.name, number, trial_mark(job, number, salt))
        try:
            stored = work.tx.insert_training_job(evolve(record, name=name))
            break
        except ResourceInUse:
            _log.warning("training job name %s is taken; another is made", name)
    else:
        raise StoreError(f"no free name for trial {number} of tuning job {job.name!r}")
    attempt = Attempt(
        id=attempt_id(parts.secret, stored.id, 1), training_job_id=stored.id, number=1, created_at=work.now
    )
    work.tx.insert_attempt(attempt)
    if active.tags:
        work.tx.set_tags(parts.realm.training_arn(stored.name), active.tags)
    trial = ActiveTraining(job=stored, attempt=attempt, rules=search.spec.rules)
    active.job = evolve(job, launched=number)
    search.launched = place
    search.values[place] = chosen.values
    active.waiting_since = None
    picture.add_training(trial)
    launch(parts, picture, work, trial)


def _drop_overtaken(search: Search, chosen: AtHand) -> None:
    """Give up other suggestions that were made for this trial: what follows them in their batch assumed them."""
    for ask in list(search.under_way.values()):
        if ask.number <= chosen.number:
            del search.under_way[ask.ask_id]
    for number, item in list(search.at_hand.items()):
        overtaken = item.ask_id != chosen.ask_id and item.number - item.record.index <= chosen.number
        if number <= chosen.number or overtaken:
            del search.at_hand[number]


def _stop_trials(picture: Picture, work: Work, active: ActiveTuning, reason: StopReason) -> None:
    for number in sorted(active.live):
        trial = active.live[number]
        if trial.job.status is TrainingStatus.IN_PROGRESS:
            stop_training(picture, work, trial, reason)


def _finish(picture: Picture, work: Work, active: ActiveTuning) -> None:
    active.job = tuning.finish(active.job, work.now)
    save_tuning(work, active)
    picture.tunings.pop(active.job.id, None)
    work.effects.append(ForgetTuning(active.job.id))
