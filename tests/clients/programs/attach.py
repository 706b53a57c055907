"""Another process takes up a finished tuning job, starts the like of it and stops that one.

Usage: attach.py NAME; prints JSON that the tests check.
"""

import json
import sys
import time

import sagemaker
from sagemaker.tuner import HyperparameterTuner

(name,) = sys.argv[1:]
new = not sagemaker.__version__.startswith("1.")
no_wait = {"wait": False} if new else {}
session = sagemaker.Session(default_bucket="pegbox-local")
client = session.sagemaker_client

tuner = HyperparameterTuner.attach(name, sagemaker_session=session)
tuner.wait()
found = {
    "estimator": type(tuner.estimator).__name__,
    "best": tuner.best_training_job(),
    "rows": len(tuner.analytics().dataframe()),
    "ranges": sorted(tuner._hyperparameter_ranges),
    "bonus": str(tuner.estimator.hyperparameters()["bonus"]),
    "max_jobs": tuner.max_jobs,
}

definition = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
    "TrainingJobDefinition"
]
data = definition["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
tuner.estimator._hyperparameters["sleep"] = 600
tuner.base_tuning_job_name = f"stopped-{name}"[:20]
tuner.fit({"train": data}, **no_wait)
stopped = tuner.latest_tuning_job.name
deadline = time.time() + 300
while time.time() < deadline:
    counters = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopped)
    if counters["TrainingJobStatusCounters"]["InProgress"]:
        break
    time.sleep(0.3)
tuner.stop_tuning_job()
found["after_stop"] = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopped)[
    "HyperParameterTuningJobStatus"
]
tuner.wait()
found["at_last"] = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=stopped)[
    "HyperParameterTuningJobStatus"
]
tuner.stop_tuning_job()
print("RESULT " + json.dumps(found))
