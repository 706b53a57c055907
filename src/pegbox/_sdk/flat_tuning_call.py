"""The call that starts a tuning job with everything side by side; part of :class:`pegbox.session.Session`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FlatTuningCall:
    """What sessions of version 1 of the AWS SDK have beside ``create_tuning_job``."""

    #: The session's own.
    create_tuning_job: Callable[..., None]

    def tune(
        self,
        job_name: str,
        strategy: str,
        objective_type: str,
        objective_metric_name: str,
        max_jobs: int,
        max_parallel_jobs: int,
        parameter_ranges: dict[str, Any],
        static_hyperparameters: dict[str, str],
        input_mode: str,
        metric_definitions: list[dict[str, str]] | None,
        role: str,
        input_config: list[dict[str, Any]] | None,
        output_config: dict[str, Any],
        resource_config: dict[str, Any],
        stop_condition: dict[str, Any],
        tags: list[dict[str, str]] | None,
        warm_start_config: dict[str, Any] | None,
        enable_network_isolation: bool = False,
        image: str | None = None,
        algorithm_arn: str | None = None,
        early_stopping_type: str = "Off",
        encrypt_inter_container_traffic: bool = False,
        vpc_config: dict[str, Any] | None = None,
        train_use_spot_instances: bool = False,
        checkpoint_s3_uri: str | None = None,
        checkpoint_local_path: str | None = None,
    ) -> None:
        """Start a tuning job of one algorithm; the arguments are those of ``create_tuning_job``'s two parts."""
        given = dict(locals())
        of_tuning = (
            "strategy", "objective_type", "objective_metric_name", "max_jobs", "max_parallel_jobs", "parameter_ranges",
            "early_stopping_type",
        )  # fmt: skip
        of_request = ("job_name", "tags", "warm_start_config")
        rest = {name: value for name, value in given.items() if name not in ("self", *of_tuning, *of_request)}
        self.create_tuning_job(
            tuning_config={name: given[name] for name in of_tuning},
            training_config=rest,
            **{name: given[name] for name in of_request},
        )
