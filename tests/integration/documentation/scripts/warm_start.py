"""The documentation's examples of warm start: a child that learns from one or two parent jobs, of either type."""

import sys

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.tuner import (
    ContinuousParameter,
    HyperparameterTuner,
    WarmStartConfig,
    WarmStartTypes,
    create_identical_dataset_and_algorithm_tuner,
    create_transfer_learning_tuner,
)


def parent(name):
    """Run a parent job."""
    estimator = Estimator("byoa", sagemaker.get_execution_role(), 1, "ml.c4.xlarge")
    tuner = HyperparameterTuner(
        estimator,
        "loss",
        {"x": ContinuousParameter(0, 1)},
        [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        tags=[{"Key": "team", "Value": "a"}],
    )
    tuner.fit(job_name=name)
    tuner.wait()


if sys.argv[1] == "transfer":
    parent("parent-job-1")
    parent("parent-job-2")

parent_tuner = HyperparameterTuner.attach(tuning_job_name="parent-job-1")
if sys.argv[1] == "transfer":
    tuner = parent_tuner.transfer_learning_tuner(additional_parents={"parent-job-2"})
    other = create_transfer_learning_tuner("parent-job-1", {"parent-job-2"}, parent_tuner.estimator)
    kind = WarmStartTypes.TRANSFER_LEARNING
else:
    tuner = parent_tuner.identical_dataset_and_algorithm_tuner(additional_parents={"parent-job-2"})
    other = create_identical_dataset_and_algorithm_tuner(
        parent="parent-job-1", additional_parents={"parent-job-2"}
    )
    kind = WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM
# Later On:
tuner.fit(inputs={})
tuner.wait()
for one in (tuner, other):
    assert one.warm_start_config.type is kind
    assert one.warm_start_config.parents == {"parent-job-1", "parent-job-2"}
    assert one.metric_definitions == [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]
described = tuner.describe()
assert WarmStartConfig.from_job_desc(described["WarmStartConfig"]).parents == {"parent-job-1", "parent-job-2"}
print(
    "result",
    described["WarmStartConfig"]["WarmStartType"],
    described["HyperParameterTuningJobStatus"],
    tuner.tags,
)
