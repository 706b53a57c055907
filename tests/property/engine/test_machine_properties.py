"""The training machine under any sequence of events."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.names import trial_name
from pegbox.domain.orders import AttemptOrder, ChannelOrder, RuntimeOrder
from pegbox.domain.records import TrainingJob, evolve
from pegbox.domain.statuses import TRAINING_MOVES, ObjectiveStatus, StopReason, TrainingStatus
from pegbox.engine.lifecycle.training import TrialRules, apply, newborn, request_stop
from pegbox.engine.parts import changes_between
from pegbox.errors import InvalidTransition

T0 = datetime(2026, 1, 1, tzinfo=timezone.utc)
VALUES = st.one_of(st.floats(), st.sampled_from(["nan", "inf", "-inf"]))
EVENTS = st.one_of(
    st.fixed_dictionaries({"kind": st.sampled_from(["downloading", "training", "uploading"])}),
    st.fixed_dictionaries(
        {
            "kind": st.just("metric"),
            "name": st.sampled_from(["m", "other"]),
            "value": VALUES,
            "count": st.integers(1, 9),
        }
    ),
    st.fixed_dictionaries({"kind": st.just("notice"), "text": st.text(max_size=20)}),
    st.fixed_dictionaries(
        {"kind": st.just("stopping"), "reason": st.sampled_from(["stopped", "max_runtime"])}
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("finished"),
            "outcome": st.sampled_from(["completed", "failed", "stopped", "lost"]),
            "failure": st.sampled_from(
                [None, {"class": "InternalServerError", "message": "x"}, {"class": "ClientError"}]
            ),
        }
    ),
    st.just({"kind": "user-stop"}),
)


@settings(max_examples=300)
@given(
    events=st.lists(st.tuples(EVENTS, st.floats(-100, 1e6)), max_size=25),
    attempts=st.integers(1, 3),
)
def test_any_sequence_of_events_keeps_the_history_sound(
    events: list[tuple[dict[str, Any], float]], attempts: int
) -> None:
    """Moves along the graph only, times in order, objective and status agree, terminal is terminal."""
    rules = TrialRules(objective="m", max_attempts=attempts, max_runtime=1e9)
    job: TrainingJob = evolve(newborn(name="t", request={}, now=T0, tuning_job_id=1, number=1), id=1)
    for event, seconds in events:
        before = job
        at = T0 + timedelta(seconds=seconds)
        try:
            if event["kind"] == "user-stop":
                job = request_stop(job, StopReason.STOPPED, at)
            else:
                job = apply(job, {**event, "at": at.timestamp()}, rules, at).job
        except InvalidTransition:
            assert before.status.terminal
            continue
        through_stopping = (before.status, job.status) == (TrainingStatus.IN_PROGRESS, TrainingStatus.STOPPED)
        assert job.status is before.status or job.status in TRAINING_MOVES[before.status] or through_stopping
        assert not before.status.terminal or event["kind"] == "notice"
    times = [entry.started_at for entry in job.transitions]
    assert times == sorted(times)
    assert all(a.ended_at == b.started_at for a, b in zip(job.transitions, job.transitions[1:], strict=False))
    assert job.transitions[-1].status is job.secondary
    assert job.attempt <= attempts
    assert (job.ended_at is not None) is job.status.terminal
    assert (job.objective_status is ObjectiveStatus.PENDING) is not job.status.terminal
    assert (job.objective is not None) is (job.objective_status is ObjectiveStatus.SUCCEEDED)
    assert job.status is not TrainingStatus.FAILED or (job.objective is None and bool(job.failure_reason))


@given(
    name=st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True),
    number=st.integers(1, 99999),
    mark=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
)
def test_trial_names_are_valid_whatever_the_tuning_name(name: str, number: int, mark: str) -> None:
    """At most 63 characters, with number and mark whole."""
    made = trial_name(name, number, mark)
    assert len(made) <= 63
    assert made.endswith(f"-{number:03d}-{mark}")
    assert "--" not in made or "--" in name


@given(
    st.builds(
        AttemptOrder,
        attempt_id=st.text(),
        token=st.text(),
        training_job_id=st.integers(),
        training_job_name=st.text(),
        training_job_arn=st.text(),
        attempt=st.integers(),
        directory=st.text(),
        runtime=st.builds(RuntimeOrder, kind=st.text(), command=st.tuples(st.text())),
        hyperparameters=st.dictionaries(st.text(), st.text()),
        channels=st.tuples(st.builds(ChannelOrder, name=st.text(), path=st.text(), uri=st.text())),
        metric_definitions=st.tuples(st.fixed_dictionaries({"Name": st.text(), "Regex": st.text()})),
    )
)
def test_orders_survive_json(order: AttemptOrder) -> None:
    """What the agent reads is what the engine wrote."""
    assert AttemptOrder.from_json(json.loads(json.dumps(order.to_json()))) == order


@given(st.sets(st.sampled_from(["notices", "attempt", "exit_code", "objective", "failure_reason"])))
def test_changes_are_exactly_the_fields_that_differ(names: set[str]) -> None:
    """Updates write what changed and nothing else."""
    old = newborn(name="t", request={}, now=T0)
    values: dict[str, Any] = {
        "notices": ("n",),
        "attempt": 7,
        "exit_code": 1,
        "objective": 0.5,
        "failure_reason": "f",
    }
    new = evolve(old, **{name: values[name] for name in names})
    assert changes_between(old, new) == {name: values[name] for name in names}
