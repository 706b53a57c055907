"""The complete flow of a tuning job with the AWS SDK, as a user of version 1 or 2 writes it.

Usage: tune.py FOLDER WORD; prints JSON that the tests check.
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
# Named, because the SDK asks AWS itself for the account that its own choice of a name carries.
session = sagemaker.Session(default_bucket=f"clients-{word}")

with open(os.path.join(folder, "base.txt"), "w") as file:
    file.write("10")
data = session.upload_data(os.path.join(folder, "base.txt"), key_prefix=f"data-{word}")

# A framework estimator: the script is packed and uploaded by the SDK.
estimator = SKLearn(
    entry_point="train.py",
    source_dir=here,
    role="SageMakerRole",
    framework_version="0.23-1",
    py_version="py3",
    hyperparameters={"bonus": 0.5},
    sagemaker_session=session,
    **machine,
)
tuner = HyperparameterTuner(
    estimator,
    "validation:score",
    {
        "rate": ContinuousParameter(0.01, 1.0, scaling_type="Logarithmic"),
        "depth": IntegerParameter(1, 9),
        "kind": CategoricalParameter(["a", "b"]),
    },
    [{"Name": "validation:score", "Regex": "validation:score=(.*?);"}],
    max_jobs=4,
    max_parallel_jobs=2,
    tags=[{"Key": "team", "Value": word}],
    base_tuning_job_name=f"framework-{word}",
)
tuner.fit({"train": data}, **no_wait)

# A generic estimator beside it: an image that the server's owner has mapped to a program.
generic = Estimator(
    "my-own-image",
    "SageMakerRole",
    hyperparameters={"offset": 1},
    sagemaker_session=session,
    **machine,
)
second = HyperparameterTuner(
    generic,
    "loss",
    {"rate": ContinuousParameter(0.0, 1.0)},
    [{"Name": "loss", "Regex": "loss: ([0-9.e-]+)"}],
    objective_type="Minimize",
    strategy="Random",
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name=f"generic-{word}",
)
second.fit(**no_wait)

tuner.wait()
second.wait()

frame = tuner.analytics().dataframe()
best = tuner.best_training_job()
described = session.sagemaker_client.describe_hyper_parameter_tuning_job(
    HyperParameterTuningJobName=tuner.latest_tuning_job.name
)
trained = tuner.best_estimator()
tags = session.sagemaker_client.list_tags(ResourceArn=described["HyperParameterTuningJobArn"])["Tags"]
job_tags = session.sagemaker_client.list_tags(
    ResourceArn=session.sagemaker_client.describe_training_job(TrainingJobName=best)["TrainingJobArn"]
)["Tags"]
curve = sagemaker.analytics.TrainingJobAnalytics(
    best, ["validation:score"], sagemaker_session=session
).dataframe()
bucket, _, key = trained.model_data[len("s3://") :].partition("/")
model = session.boto_session.client("s3").head_object(Bucket=bucket, Key=key)
print(
    "RESULT "
    + json.dumps(
        {
            "version": sagemaker.__version__,
            "name": tuner.latest_tuning_job.name,
            "status": described["HyperParameterTuningJobStatus"],
            "best": best,
            "rows": len(frame),
            "columns": sorted(frame.columns),
            "best_value": float(frame.FinalObjectiveValue.max()),
            "best_row": frame.sort_values("FinalObjectiveValue").TrainingJobName.iloc[-1],
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
            "job_tags": {tag["Key"]: tag["Value"] for tag in job_tags},
            "estimator": type(trained).__name__,
            "model": trained.model_data,
            "model_bytes": model["ContentLength"],
            "curve": [float(value) for value in curve["value"]],
            "generic_rows": len(second.analytics().dataframe()),
            "generic_best": second.best_training_job(),
        }
    )
)
