"""Orders: what an attempt is told, built from the record alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pegbox.domain.orders import AttemptOrder
from pegbox.engine.identity import attempt_token
from pegbox.executors.simulated import Faults
from pegbox.testing.simulation import NO_FAULTS, SECRET, World

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


def _orders(world: World, request: dict[str, Any]) -> list[AttemptOrder]:
    world.do(world.commands.admitted_tuning(request))
    world.settle()
    return [attempt.order for attempt in world.machine.attempts.values()]


def test_an_order_has_every_address_resolved(calm: Make, request_for: Request) -> None:
    """Channels, metrics, limits, folders; the interpreter entry is not passed on to the program."""
    request = request_for(jobs=1)
    definition = request["TrainingJobDefinition"]
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/inputs/train"}}
    definition["InputDataConfig"] = [
        {"ChannelName": "train", "ContentType": "text/csv", "DataSource": source}
    ]
    definition["Environment"] = {"KEY": "value"}
    definition["CheckpointConfig"] = {"S3Uri": "s3://bucket/checkpoints", "LocalPath": "/opt/ml/keep"}
    (order,) = _orders(calm(grace_seconds=7.0), request)
    (channel,) = order.channels
    assert (channel.name, channel.path, channel.content_type) == (
        "train",
        "/simulated/bucket/inputs/train",
        "text/csv",
    )
    assert order.directory == "/simulated/jobs/1/1"
    assert order.environment == {"KEY": "value"}
    assert order.metric_definitions == ({"Name": "m", "Regex": "m=(.*)"},)
    assert (order.objective_metric, order.max_runtime_seconds, order.grace_seconds) == ("m", 3600, 7.0)
    assert order.checkpoint_path == f"/simulated/bucket/checkpoints/{order.training_job_name}"
    assert order.checkpoint_local_path == "/opt/ml/keep"
    assert order.output_uri == f"s3://bucket/out/{order.training_job_name}/output"
    assert order.token == attempt_token(SECRET, order.attempt_id)


def test_attempts_share_time_and_checkpoints_but_not_folder_and_token(
    calm: Make, request_for: Request
) -> None:
    """What the first attempt used up is missing from the second's time."""
    zero = dict.fromkeys(NO_FAULTS.__slots__, 0.0)
    request = request_for(jobs=1)
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 1}
    first, second = _orders(calm(faults=Faults(**{**zero, "lost": 1.0})), request)
    assert first.checkpoint_path == second.checkpoint_path == "/simulated/checkpoints/1"
    assert (first.directory, second.directory) == ("/simulated/jobs/1/1", "/simulated/jobs/1/2")
    assert first.token != second.token
    assert second.max_runtime_seconds is not None
    assert second.max_runtime_seconds < 3600


def test_an_order_can_be_rebuilt_after_a_crash(calm: Make, request_for: Request) -> None:
    """The same attempt has the same id, token and folder for every engine on the same secret."""
    world = calm()
    world.machine.seconds = (50.0, 60.0)
    world.do(world.commands.admitted_tuning(request_for(jobs=1)))
    while not world.machine.attempts:
        world.step()
    (attempt,) = world.machine.attempts.values()
    resumed: list[AttemptOrder] = []
    world.boot()
    world.executor.resume = resumed.append  # type: ignore[method-assign]
    world.step()
    (order,) = resumed
    assert order.max_runtime_seconds is not None
    assert (order.attempt_id, order.token, order.directory) == (
        attempt.order.attempt_id,
        attempt.order.token,
        attempt.order.directory,
    )
