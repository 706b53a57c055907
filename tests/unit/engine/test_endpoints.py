"""Endpoints over the whole engine: brought up, kept, updated, scaled, deleted, in a calm world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pegbox.domain.hosting import Endpoint, EndpointStatus, InstanceState
from pegbox.domain.orders import ServingOrder
from pegbox.engine.hosting.handlers import (
    CreateConfig,
    CreateEndpoint,
    CreateModel,
    DeleteConfig,
    DeleteEndpoint,
    DeleteModel,
    UpdateEndpoint,
    UpdateVariants,
)
from pegbox.engine.hosting.queries import HostingQueries
from pegbox.errors import ResourceLimitExceeded, ValidationException
from pegbox.testing.simulation import IMAGE, World
from pegbox.wire import Service

Make = Callable[..., World]


def model(world: World, name: str = "m") -> None:
    """Create a model."""
    request = {"PrimaryContainer": {"Image": IMAGE, "Environment": {"A": "b"}}}
    world.do(CreateModel(name=name, request=request, tags={}))


def config(world: World, name: str, *variants: dict[str, Any], **more: Any) -> None:
    """Create an endpoint configuration."""
    items = variants or (variant(),)
    world.do(CreateConfig(name=name, request={"ProductionVariants": list(items), **more}, tags={}))


def variant(name: str = "a", count: int = 1, model_name: str = "m", **more: Any) -> dict[str, Any]:
    """Return a variant of a configuration."""
    return {"VariantName": name, "ModelName": model_name, "InitialInstanceCount": count, **more}


def serve(world: World, count: int = 1) -> Endpoint:
    """Bring up an endpoint ``e`` of one variant ``a``."""
    model(world)
    config(world, "c", variant(count=count))
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    return until(world, EndpointStatus.IN_SERVICE)


def endpoint(world: World, name: str = "e") -> Endpoint:
    """Return the endpoint as it is committed."""
    found = world.store.reader.endpoint(name)
    assert found is not None
    return found


def until(world: World, *statuses: EndpointStatus, steps: int = 400) -> Endpoint:
    """Run steps until the endpoint has one of some statuses."""
    for _ in range(steps):
        if endpoint(world).status in statuses:
            return endpoint(world)
        world.step()
    raise AssertionError(f"still {endpoint(world)}")


def run(world: World, seconds: float) -> None:
    """Run steps until some seconds have passed."""
    end = world.clock.monotonic() + seconds
    for _ in range(2000):
        if world.clock.monotonic() >= end:
            return
        world.step()
    raise AssertionError("time does not pass")


def gone(world: World) -> None:
    """Run steps until the endpoint is gone."""
    for _ in range(400):
        if world.store.reader.endpoint("e") is None:
            world.step()
            return
        world.step()
    raise AssertionError(f"still {endpoint(world)}")


def servers(world: World) -> list[ServingOrder]:
    """Return the model servers that run."""
    return world.machine.servers()


def test_an_endpoint_comes_up(calm: Make) -> None:
    """It is Creating with empty routes until all instances of all variants are ready, then InService and routed to."""
    world = calm()
    model(world)
    config(world, "c", variant(count=2), variant("b", 1, InitialVariantWeight=0.5))
    world.do(CreateEndpoint(name="e", config_name="c", tags={"t": "1"}))
    assert endpoint(world).status is EndpointStatus.CREATING
    assert world.gateway.routed("e") == {"a": [], "b": []}
    until(world, EndpointStatus.IN_SERVICE)
    assert {len(found) for found in world.gateway.routed("e").values()} == {1, 2}
    assert not world.controller.idle()
    orders = servers(world)
    assert sorted(order.variant for order in orders) == ["a", "a", "b"]
    assert {(order.endpoint_name, order.model_name) for order in orders} == {("e", "m")}
    assert orders[0].directory.endswith(f"/{endpoint(world).id}/{orders[0].instance_id}")
    assert orders[0].environment == {"A": "b"}
    assert len({order.attempt_id for order in orders} | {order.token for order in orders}) == 6
    weights = [item["weight"] for item in world.gateway.snapshot["endpoints"]["e"]["variants"]]
    assert weights == [1.0, 0.5]
    assert world.store.reader.tags("arn:aws:sagemaker:us-east-1:000000000000:endpoint/e") == {"t": "1"}


@pytest.mark.parametrize(("fate", "starts"), [("fails", 3), ("is refused", 1), ("never answers", 1)])
def test_a_model_server_that_does_not_come_up(calm: Make, fate: str, starts: int) -> None:
    """Quick ends are tried three times, faults of the request and time-outs once; then Failed with the end of the log."""
    world = calm()
    world.machine.server = lambda order, rng: fate
    model(world)
    config(world, "c")
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    failed = until(world, EndpointStatus.FAILED)
    assert failed.failure_reason is not None
    assert "the last lines of its log: simulated" in failed.failure_reason
    assert "production variant a (model m" in failed.failure_reason
    assert len(world.store.reader.instances(failed.id)) == starts
    assert servers(world) == []
    assert world.gateway.routed("e") == {"a": []}
    with pytest.raises(ValidationException, match="Cannot update failed endpoint"):
        world.do(UpdateEndpoint(name="e", config_name="c"))
    assert world.controller.idle()
    world.do(DeleteEndpoint(name="e"))
    assert world.store.reader.endpoint("e") is None


def test_other_instances_go_when_creation_fails(calm: Make) -> None:
    """Where one variant does not come up the other's instances are ended."""
    world = calm()
    world.machine.server = lambda order, rng: "fails" if order.variant == "b" else "serves"
    model(world)
    config(world, "c", variant(count=2), variant("b"))
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    until(world, EndpointStatus.FAILED)
    run(world, 5)
    assert servers(world) == []
    assert all(i.state is InstanceState.ENDED for i in world.store.reader.instances(endpoint(world).id))


def test_a_killed_instance_is_replaced_at_once(calm: Make) -> None:
    """It leaves the routes with its end, another one starts in the same commit, the endpoint stays InService."""
    world = calm()
    serve(world, count=2)
    run(world, 10)
    victim = servers(world)[0]
    world.machine.kill(victim.attempt_id)
    for _ in range(50):
        world.step()
        assert endpoint(world).status is EndpointStatus.IN_SERVICE
        ended = [i for i in world.store.reader.instances(1) if i.state is InstanceState.ENDED]
        if ended:
            break
    assert victim.instance_id not in world.gateway.routed("e")["a"]
    assert len(servers(world)) == 2
    run(world, 5)
    assert len(world.gateway.routed("e")["a"]) == 2


def test_starts_that_fail_in_service_slow_down(calm: Make) -> None:
    """The endpoint goes OutOfService when a variant has no instance and none comes up, and comes back when one does."""
    world = calm()
    serve(world)
    run(world, 10)
    world.machine.server = lambda order, rng: "fails"
    world.machine.kill(servers(world)[0].attempt_id)
    out = until(world, EndpointStatus.OUT_OF_SERVICE)
    assert "no model_fn" in (out.failure_reason or "")
    run(world, 120)
    tries = len(world.store.reader.instances(out.id))
    assert 10 < tries < 25
    world.machine.server = lambda order, rng: "serves"
    assert until(world, EndpointStatus.IN_SERVICE).failure_reason is None
    assert len(world.gateway.routed("e")["a"]) == 1


def test_an_update_switches_when_all_are_ready(calm: Make) -> None:
    """New instances are ready before the routes switch, old ones are drained and then ended; never both are routed."""
    world = calm()
    serve(world, count=2)
    old = set(world.gateway.routed("e")["a"])
    config(world, "c2", variant(count=3, InstanceType="ml.m5.large"))
    world.do(UpdateEndpoint(name="e", config_name="c2"))
    assert endpoint(world).status is EndpointStatus.UPDATING
    assert endpoint(world).shown.config_name == "c"
    told = HostingQueries(world.parts, dict).describe_endpoint({"EndpointName": "e"})
    assert told["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert "InstanceType" not in told["ProductionVariants"][0]
    coming = told["PendingDeploymentSummary"]
    assert coming["ProductionVariants"][0]["InstanceType"] == "ml.m5.large"
    assert (coming["EndpointConfigName"], coming["ProductionVariants"][0]["DesiredInstanceCount"]) == (
        "c2",
        3,
    )
    seen = set()
    for _ in range(200):
        routed = frozenset(world.gateway.routed("e")["a"])
        assert routed == old or not routed & old
        assert len(routed) >= 2
        seen.add(routed)
        if endpoint(world).status is EndpointStatus.IN_SERVICE and len(servers(world)) == 3:
            break
        world.step()
    assert len(seen) == 2
    assert endpoint(world).shown.config_name == "c2"
    run(world, 5)
    states = {i.id: (i.state, i.outcome) for i in world.store.reader.instances(1)}
    assert all(states[row_id] == (InstanceState.ENDED, "stopped") for row_id in old)


def test_an_update_rolls_back(calm: Make) -> None:
    """When the new instances do not come up the old ones go on; the endpoint ends InService with the reason."""
    world = calm()
    serve(world)
    before = world.gateway.routed("e")
    model(world, "bad")
    config(world, "c2", variant(model_name="bad"))
    world.machine.server = lambda order, rng: "fails" if order.model_name == "bad" else "serves"
    world.do(UpdateEndpoint(name="e", config_name="c2"))
    with pytest.raises(ValidationException, match="Cannot update in-progress endpoint"):
        world.do(UpdateEndpoint(name="e", config_name="c"))
    until(world, EndpointStatus.ROLLING_BACK, EndpointStatus.IN_SERVICE)
    back = until(world, EndpointStatus.IN_SERVICE)
    assert "(model bad" in (back.failure_reason or "")
    assert back.next is None
    assert back.shown.config_name == "c"
    assert world.gateway.routed("e") == before
    assert len(servers(world)) == 1


def test_an_update_retains_what_it_is_asked_to(calm: Make) -> None:
    """RetainAllVariantProperties keeps counts, weights and capture but for those excluded."""
    world = calm()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 10,
        "DestinationS3Uri": "s3://bucket/x",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    model(world)
    config(world, "c", variant(count=1), DataCaptureConfig=capture)
    config(world, "c2", variant(count=3, InitialVariantWeight=9.0))
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    until(world, EndpointStatus.IN_SERVICE)
    shown = world.gateway.snapshot["endpoints"]["e"]["capture"]
    assert (shown["sampling"], shown["input"], shown["output"]) == (10, True, False)
    excluded = frozenset({"DesiredInstanceCount"})
    world.do(UpdateEndpoint(name="e", config_name="c2", retain=True, excluded=excluded))
    kept = until(world, EndpointStatus.IN_SERVICE).shown
    assert (kept.variants[0].count, kept.variants[0].weight, kept.capture) == (3, 1.0, capture)


def test_weights_and_counts_change(calm: Make) -> None:
    """Weights count at once; more instances come before Updating ends, surplus ones are drained; too many are refused."""
    world = calm(model_servers=4)
    serve(world)
    world.do(UpdateVariants(name="e", targets={"a": (3.0, None)}))
    assert endpoint(world).status is EndpointStatus.IN_SERVICE
    assert world.gateway.snapshot["endpoints"]["e"]["variants"][0]["weight"] == 3.0
    world.do(UpdateVariants(name="e", targets={"a": (None, 3)}))
    assert endpoint(world).status is EndpointStatus.UPDATING
    until(world, EndpointStatus.IN_SERVICE)
    assert len(world.gateway.routed("e")["a"]) == 3
    world.do(UpdateVariants(name="e", targets={"a": (None, 1)}))
    until(world, EndpointStatus.IN_SERVICE)
    run(world, 5)
    assert len(world.gateway.routed("e")["a"]) == len(servers(world)) == 1
    with pytest.raises(
        ResourceLimitExceeded, match="is 4 Instances, with current utilization of 1 Instances"
    ):
        world.do(UpdateVariants(name="e", targets={"a": (None, 5)}))
    with pytest.raises(ValidationException, match="Variant 'x' is not one of endpoint 'e'"):
        world.do(UpdateVariants(name="e", targets={"x": (1.0, None)}))
    with pytest.raises(ValidationException, match="weight above 0"):
        world.do(UpdateVariants(name="e", targets={"a": (0.0, None)}))


def test_a_variant_scaled_to_nothing_takes_no_requests_from_others(calm: Make) -> None:
    """Its weight is 0 for the gateway while it is to have no instances, stays what it is for clients, and counts again later."""
    world = calm(model_servers=4)
    model(world)
    config(world, "c", variant("a", InitialVariantWeight=3.0), variant("b"))
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    until(world, EndpointStatus.IN_SERVICE)
    for count, routed in ((0, 0.0), (1, 3.0)):
        world.do(UpdateVariants(name="e", targets={"a": (None, count)}))
        until(world, EndpointStatus.IN_SERVICE)
        told = [
            (item["name"], item["weight"]) for item in world.gateway.snapshot["endpoints"]["e"]["variants"]
        ]
        assert told == [("a", routed), ("b", 1.0)]
        described = HostingQueries(world.parts, dict).describe_endpoint({"EndpointName": "e"})
        assert described["ProductionVariants"][0]["CurrentWeight"] == 3.0


def test_descriptions_fit_the_service_model_in_every_status(calm: Make) -> None:
    """What a variant of an update may show and one of an endpoint in being may not is shown in the right place only."""
    world = calm(model_servers=9)
    special = {
        "InstanceType": "ml.m5.large",
        "AcceleratorType": "half",
        "RoutingConfig": {"RoutingStrategy": "RANDOM"},
    }
    model(world)
    config(world, "c", variant(**special))
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    call = Service.load().parse(
        "POST",
        "/",
        [("X-Amz-Target", "SageMaker.DescribeEndpoint"), ("Content-Type", "application/x-amz-json-1.1")],
        b"{}",
    )
    for status in (EndpointStatus.CREATING, EndpointStatus.IN_SERVICE, EndpointStatus.UPDATING):
        if status is EndpointStatus.UPDATING:
            world.do(UpdateEndpoint(name="e", config_name="c"))
        until(world, status)
        told = HostingQueries(world.parts, dict).describe_endpoint({"EndpointName": "e"})
        assert told["ProductionVariants"][0].keys() & special.keys() == {"RoutingConfig"}
        assert call.respond(told, "id").status == 200
    assert told["PendingDeploymentSummary"]["ProductionVariants"][0].keys() >= special.keys()


def test_scaling_out_that_fails_is_undone(calm: Make) -> None:
    """When further instances do not come up the number is what it was, and the reason is told."""
    world = calm()
    serve(world)
    world.machine.server = lambda order, rng: "fails"
    world.do(UpdateVariants(name="e", targets={"a": (None, 2)}))
    back = until(world, EndpointStatus.IN_SERVICE)
    assert "no model_fn" in (back.failure_reason or "")
    assert (back.shown.variants[0].count, back.shown.variants[0].desired) == (1, 1)
    assert len(servers(world)) == 1


def test_deleting_drains_and_frees_the_name(calm: Make) -> None:
    """The endpoint leaves the routes, its instances end when their requests are answered, then the name is free."""
    world = calm()
    first = serve(world, count=2)
    world.do(DeleteEndpoint(name="e"))
    assert "e" not in world.gateway.snapshot["endpoints"]
    assert endpoint(world).status is EndpointStatus.DELETING
    assert len(servers(world)) == 2
    world.do(DeleteEndpoint(name="e"))
    with pytest.raises(ValidationException, match="Cannot create already existing endpoint"):
        world.do(CreateEndpoint(name="E", config_name="c", tags={}))
    gone(world)
    assert servers(world) == []
    assert world.controller.idle()
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    assert until(world, EndpointStatus.IN_SERVICE).id > first.id
    assert len(world.store.reader.instances_named("e")) == 4


def test_a_gateway_that_says_nothing_is_not_waited_for(calm: Make) -> None:
    """Instances that drain are ended after a while in any case."""
    world = calm(drain_seconds=70.0)
    world.gateway.lost = 1.0
    serve(world)
    began = world.clock.monotonic()
    world.do(DeleteEndpoint(name="e"))
    gone(world)
    assert 70 <= world.clock.monotonic() - began < 75


def test_models_and_configurations_may_go_first(calm: Make) -> None:
    """An endpoint keeps what it needs of them: its instances are replaced as before."""
    world = calm()
    serve(world)
    world.do(DeleteModel(name="m"))
    world.do(DeleteConfig(name="c"))
    run(world, 5)
    world.machine.kill(servers(world)[0].attempt_id)
    run(world, 5)
    assert len(world.gateway.routed("e")["a"]) == 1
    with pytest.raises(ValidationException, match="Could not find endpoint configuration"):
        world.do(UpdateEndpoint(name="e", config_name="c"))
    with pytest.raises(ValidationException, match=r'Could not find model "arn:aws:sagemaker:.*:model/m"'):
        config(world, "c3")


def test_names_and_room_are_checked(calm: Make) -> None:
    """Names are unique without case, and this machine gives no more model servers than its setting says."""
    world = calm(model_servers=2)
    serve(world, count=2)
    for action, words in (
        (CreateModel(name="M", request={}, tags={}), "Cannot create already existing model"),
        (
            CreateConfig(name="C", request={"ProductionVariants": [variant()]}, tags={}),
            "Cannot create already existing endpoint configuration",
        ),
    ):
        with pytest.raises(ValidationException, match=words):
            world.do(action)
    with pytest.raises(ResourceLimitExceeded, match=r"is 2 Instances.*utilization of 2 .*delta of 2"):
        world.do(CreateEndpoint(name="f", config_name="c", tags={}))
    for action in (DeleteModel(name="x"), DeleteConfig(name="x"), DeleteEndpoint(name="x")):
        with pytest.raises(ValidationException, match="Could not find"):
            world.do(action)


def test_a_new_server_goes_on_with_endpoints(calm: Make) -> None:
    """After a crash in the middle of an update the instances are resumed, not started again, and the update ends."""
    world = calm()
    serve(world, count=2)
    config(world, "c2")
    world.do(UpdateEndpoint(name="e", config_name="c2"))
    world.executor.close()
    world.routes.close()
    world.boot()
    until(world, EndpointStatus.IN_SERVICE)
    run(world, 5)
    assert endpoint(world).shown.config_name == "c2"
    assert len(servers(world)) == 1
    assert world.machine.started_twice == []


def test_few_ended_instances_are_kept(calm: Make) -> None:
    """Rows of ended instances do not grow without bound; the newest are kept."""
    world = calm()
    serve(world)
    world.machine.server = lambda order, rng: "crashes"
    run(world, 5)
    world.machine.kill(servers(world)[0].attempt_id)
    for _ in range(40):
        run(world, 60)
        if len(world.store.reader.instances(1)) > 50:
            break
    run(world, 300)
    assert 50 <= len(world.store.reader.instances(1)) <= 52


def test_reports_are_applied_once(calm: Make) -> None:
    """Late, repeated and shuffled reports of model servers change nothing."""
    from pegbox.executors.simulated import Faults

    faults = Faults(
        fail=0, internal=0, lost=0, undead=0, silent=0, not_finite=0, repeated=0.9, shuffled=0.5, delayed=0.5
    )
    for seed in range(5):
        world = calm(faults=faults, seed=seed)
        serve(world, count=3)
        world.do(DeleteEndpoint(name="e"))
        gone(world)
        run(world, 10)
        assert all(a.discarded for a in world.machine.attempts.values())


def test_in_service_means_routed(calm: Make) -> None:
    """A description says InService only when the gateway routes by what is committed; in vain it waits once."""
    world = calm()
    serve(world)
    asked: list[int] = []
    wanted = world.store.reader.counter("routes")

    def slow() -> dict[str, int]:
        asked.append(1)
        return {"version": wanted if len(asked) > 3 else wanted - 1}

    queries = HostingQueries(world.parts, slow)
    assert queries.describe_endpoint({"EndpointName": "e"})["EndpointStatus"] == "InService"
    assert len(asked) == 5
    queries = HostingQueries(world.parts, dict)
    assert queries.describe_endpoint({"EndpointName": "e"})["EndpointStatus"] == "InService"


def test_capture_is_described(calm: Make) -> None:
    """The gateway's word on data capture is told; before it spoke, what the configuration says."""
    world = calm()
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://bucket/x",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    }
    model(world)
    config(world, "c", DataCaptureConfig=capture)
    world.do(CreateEndpoint(name="e", config_name="c", tags={}))
    until(world, EndpointStatus.IN_SERVICE)
    queries = HostingQueries(world.parts, world.routes.status)
    told = queries.describe_endpoint({"EndpointName": "e"})["DataCaptureConfig"]
    assert (told["EnableCapture"], told["CaptureStatus"], told["CurrentSamplingPercentage"]) == (
        True,
        "Started",
        20,
    )
    world.gateway.captures["e"] = {"status": "Stopped", "reason": "the disk is full"}
    told = queries.describe_endpoint({"EndpointName": "e"})["DataCaptureConfig"]
    assert told["CaptureStatus"] == "Stopped"
    assert queries.explain_endpoint("e")["instances"][0]["state"] == "ready"
