"""A parent job, and children that learn from it, as a user of version 1 or 2 of the AWS SDK writes it.

Usage: warm_start.py WORD; prints JSON that the tests check.
"""

import json
import sys

import sagemaker
from botocore.exceptions import ClientError
from sagemaker.estimator import Estimator
from sagemaker.tuner import (
    ContinuousParameter,
    HyperparameterTuner,
    WarmStartConfig,
    WarmStartTypes,
    create_identical_dataset_and_algorithm_tuner,
)

(word,) = sys.argv[1:]
new = not sagemaker.__version__.startswith("1.")
machine = (
    {"instance_count": 1, "instance_type": "ml.m5.large"}
    if new
    else {"train_instance_count": 1, "train_instance_type": "ml.m5.large"}
)
no_wait = {"wait": False} if new else {}
metrics = [{"Name": "loss", "Regex": "loss: ([0-9.e-]+)"}]
session = sagemaker.Session(default_bucket="pegbox-local")


def wait(tuner):
    """Wait for a tuner's job, looking more often than ``tuner.wait()`` does; return its description."""
    name = tuner.latest_tuning_job.name
    session.wait_for_tuning_job(name, poll=0.3)
    return session.sagemaker_client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


estimator = Estimator(
    "my-own-image", "SageMakerRole", hyperparameters={"offset": 1}, sagemaker_session=session, **machine
)
parent = HyperparameterTuner(
    estimator,
    "loss",
    {"rate": ContinuousParameter(0.0, 1.0)},
    metrics,
    objective_type="Minimize",
    max_jobs=3,
    max_parallel_jobs=1,
    base_tuning_job_name=f"parent-{word}",
)
parent.fit(**no_wait)
name = parent.latest_tuning_job.name

# A parent that still runs is refused.
early = HyperparameterTuner(
    estimator,
    "loss",
    {"rate": ContinuousParameter(0.0, 1.0)},
    metrics,
    objective_type="Minimize",
    warm_start_config=WarmStartConfig(WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {name}),
    base_tuning_job_name=f"early-{word}",
)
try:
    early.fit(**no_wait)
    refused = "nothing"
except ClientError as error:
    refused = error.response["Error"]["Code"]
wait(parent)

identical = create_identical_dataset_and_algorithm_tuner(name, sagemaker_session=session)
transfer = HyperparameterTuner.attach(name, sagemaker_session=session).transfer_learning_tuner(
    estimator=estimator
)
found = {"parent": name, "refused": refused}
for key, child in (("identical", identical), ("transfer", transfer)):
    child.metric_definitions = metrics
    child.base_tuning_job_name = f"{key}-{word}"
    child.fit(**no_wait)
    described = wait(child)
    attached = HyperparameterTuner.attach(child.latest_tuning_job.name, sagemaker_session=session)
    found[key] = {
        "status": described["HyperParameterTuningJobStatus"],
        "type": described["WarmStartConfig"]["WarmStartType"],
        "parents": described["WarmStartConfig"]["ParentHyperParameterTuningJobs"],
        "attached": sorted(attached.warm_start_config.parents),
        "overall": "OverallBestTrainingJob" in described,
        "rows": len(child.analytics().dataframe()),
    }
print("RESULT " + json.dumps(found))
