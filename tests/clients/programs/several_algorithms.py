"""Two algorithms in one tuning job, as a user of version 1 or 2 of the AWS SDK writes it.

Usage: several_algorithms.py FOLDER WORD; prints JSON that the tests check.
"""

import json
import os
import sys

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
)

folder, word = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
new = not sagemaker.__version__.startswith("1.")
machine = (
    {"instance_count": 1, "instance_type": "ml.m5.large"}
    if new
    else {"train_instance_count": 1, "train_instance_type": "ml.m5.large"}
)
no_wait = {"wait": False} if new else {}
session = sagemaker.Session(default_bucket=f"several-{word}")
with open(os.path.join(folder, "base.txt"), "w") as file:
    file.write("0")
data = session.upload_data(os.path.join(folder, "base.txt"), key_prefix="data")

script = SKLearn(
    entry_point="train.py",
    source_dir=here,
    role="SageMakerRole",
    framework_version="0.23-1",
    py_version="py3",
    hyperparameters={"bonus": 1.0, "depth": 3},
    sagemaker_session=session,
    **machine,
)
image = Estimator(
    "my-own-image", "SageMakerRole", hyperparameters={"offset": 5}, sagemaker_session=session, **machine
)
tuner = HyperparameterTuner.create(
    estimator_dict={"script": script, "image": image},
    objective_metric_name_dict={"script": "validation:score", "image": "loss"},
    hyperparameter_ranges_dict={
        "script": {
            "rate": ContinuousParameter(0.01, 1.0, scaling_type="Logarithmic"),
            "kind": CategoricalParameter(["a", "b"]),
            "depth": IntegerParameter(1, 9),
        },
        "image": {"rate": ContinuousParameter(0.0, 1.0)},
    },
    metric_definitions_dict={
        "script": [{"Name": "validation:score", "Regex": "validation:score=(.*?);"}],
        "image": [{"Name": "loss", "Regex": "loss: ([0-9.e-]+)"}],
    },
    objective_type="Minimize",
    max_jobs=4,
    max_parallel_jobs=2,
    tags=[{"Key": "team", "Value": word}],
    base_tuning_job_name=f"several-{word}",
)
tuner.fit({"script": {"train": data}}, include_cls_metadata={}, **no_wait)
name = tuner.latest_tuning_job.name
session.wait_for_tuning_job(name, poll=0.3)
frame = tuner.analytics().dataframe()
attached = HyperparameterTuner.attach(name, sagemaker_session=session)
best = attached.best_estimator()
ranges = attached.analytics().tuning_ranges
print(
    "RESULT "
    + json.dumps(
        {
            "name": name,
            "rows": len(frame),
            "definitions": sorted(set(frame["TrainingJobDefinitionName"])),
            "best_definition": frame.sort_values("FinalObjectiveValue")["TrainingJobDefinitionName"].iloc[0],
            "classes": {key: type(item).__name__ for key, item in attached.estimator_dict.items()},
            "best": type(best).__name__,
            "ranges": {key: sorted(item) for key, item in ranges.items()},
        }
    )
)
