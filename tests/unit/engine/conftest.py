"""A calm world: the real engine on a fake clock, where programs and the server do what they should."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pegbox.executors.simulated import Faults
from pegbox.testing.simulation import NO_DANGERS, NO_FAULTS, World, simulated_policy, tuning_request


@pytest.fixture
def calm() -> Callable[..., World]:
    """Makes worlds without trouble; keyword arguments change the policy."""

    def make(
        *, faults: Faults = NO_FAULTS, seed: int = 1, world: Mapping[str, Any] | None = None, **policy: Any
    ) -> World:
        return World(
            seed, dangers=NO_DANGERS, faults=faults, policy=simulated_policy(**policy), **(world or {})
        )

    return make


@pytest.fixture
def request_for() -> Callable[..., dict[str, Any]]:
    """Makes plain requests for tuning jobs: one continuous range, strategy Random, maximize."""

    def make(name: str = "job", *, jobs: int | None = 4, parallel: int = 2, **config: Any) -> dict[str, Any]:
        request = copy.deepcopy(tuning_request(random.Random(0), name))
        limits: dict[str, Any] = {"MaxParallelTrainingJobs": parallel}
        if jobs is not None:
            limits["MaxNumberOfTrainingJobs"] = jobs
        request["HyperParameterTuningJobConfig"] = {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "m"},
            "ResourceLimits": limits,
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
            "RandomSeed": 7,
            **config,
        }
        request["TrainingJobDefinition"].pop("RetryStrategy", None)
        return request

    return make
