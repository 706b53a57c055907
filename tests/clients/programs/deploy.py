"""From a tuning job to predictions with the AWS SDK, as a user of version 1 or 2 writes it.

Usage: deploy.py WORD; prints JSON that the tests check.
"""

import json
import os
import sys
import time

import numpy as np
import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.pytorch import PyTorch
from sagemaker.sklearn.estimator import SKLearn
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner

(word,) = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
new = not sagemaker.__version__.startswith("1.")
machine = (
    {"instance_count": 1, "instance_type": "ml.m5.large"}
    if new
    else {"train_instance_count": 1, "train_instance_type": "ml.m5.large"}
)
no_wait = {"wait": False} if new else {}
if new:
    from sagemaker.deserializers import JSONDeserializer
    from sagemaker.serializers import JSONSerializer

    speaks_json = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
else:
    from sagemaker.predictor import json_deserializer, json_serializer

    speaks_json = {
        "serializer": json_serializer,
        "deserializer": json_deserializer,
        "content_type": "application/json",
    }

# The SDK looks after an endpoint every thirty seconds.
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.5))

session = sagemaker.Session(default_bucket=f"clients-{word}")
client = session.sagemaker_client


def missing(operation, **name):
    """Whether the service says that it could not find something."""
    try:
        getattr(client, operation)(**name)
    except client.exceptions.ClientError as error:
        return "Could not find" in str(error)
    return False


# A framework estimator: the script that trained serves.
tuner = HyperparameterTuner(
    SKLearn(
        entry_point="serve.py",
        source_dir=here,
        role="SageMakerRole",
        framework_version="0.23-1",
        py_version="py3",
        sagemaker_session=session,
        **machine,
    ),
    "validation:score",
    {"rate": ContinuousParameter(0.5, 1.0)},
    [{"Name": "validation:score", "Regex": "validation:score=(.*?);"}],
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name=f"served-{word}",
)
tuner.fit(**no_wait)

# A generic estimator beside it: the image's program trains and serves.
second = HyperparameterTuner(
    Estimator(
        "my-own-image", "SageMakerRole", hyperparameters={"offset": 1}, sagemaker_session=session, **machine
    ),
    "loss",
    {"rate": ContinuousParameter(0.0, 1.0)},
    [{"Name": "loss", "Regex": "loss: ([0-9.e-]+)"}],
    objective_type="Minimize",
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name=f"own-{word}",
)
second.fit(**no_wait)
tuner.wait()
second.wait()

rate = tuner.analytics().dataframe()["FinalObjectiveValue"].max()
predictor = tuner.deploy(initial_instance_count=1, instance_type="ml.m5.large")
name = getattr(predictor, "endpoint_name", None) or predictor.endpoint
rows = np.array([[1.0, 2.0], [3.0, 4.0]])
predicted = predictor.predict(rows)
config = client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
model = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]["ModelName"]

generic = second.deploy(1, "ml.m5.large", endpoint_name=f"generic-{word}", **speaks_json)
answer = generic.predict({"question": word})
generic_model = client.describe_endpoint_config(EndpointConfigName=f"generic-{word}")["ProductionVariants"][0]

# For PyTorch the SDK packs the code into the model's archive.
packing = HyperparameterTuner(
    PyTorch(
        entry_point="serve.py",
        source_dir=here,
        role="SageMakerRole",
        framework_version="1.5.0",
        py_version="py3",
        sagemaker_session=session,
        **machine,
    ),
    "validation:score",
    {"rate": ContinuousParameter(0.5, 1.0)},
    [{"Name": "validation:score", "Regex": "validation:score=(.*?);"}],
    base_tuning_job_name=f"packed-{word}",
)
packing.fit(**no_wait)
packing.wait()
learned = packing.analytics().dataframe()["FinalObjectiveValue"].max()
packed = packing.deploy(1, "ml.m5.large", endpoint_name=f"packed-{word}")
from_packed = packed.predict(rows) / learned
packed.delete_endpoint()

predictor.delete_model()
predictor.delete_endpoint()
if new:
    generic.delete_endpoint()
else:
    second.delete_endpoint(f"generic-{word}")
deadline = time.time() + 300
names = (name, f"generic-{word}")
while time.time() < deadline and not all(missing("describe_endpoint", EndpointName=one) for one in names):
    time.sleep(0.2)
print(
    "\nRESULT "
    + json.dumps(
        {
            "version": sagemaker.__version__,
            "predicted": [float(value) for value in predicted],
            "expected": [3.0 * rate, 7.0 * rate],
            "predictor": type(predictor).__name__,
            "endpoint": name,
            "best": tuner.best_training_job(),
            "model": model,
            "generic_model": generic_model["ModelName"],
            "generic_best": second.best_training_job(),
            "answer": answer,
            "from_packed": [float(value) for value in from_packed],
            "gone": [missing("describe_endpoint", EndpointName=one) for one in names],
            "config_gone": missing("describe_endpoint_config", EndpointConfigName=config),
            "model_gone": missing("describe_model", ModelName=model),
        }
    )
)
