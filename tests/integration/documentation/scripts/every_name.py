"""Every documented name of the tuner, used as the documentation says, on an algorithm of one's own."""

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.predictor import csv_serializer
from sagemaker.session import s3_input
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
)

assert HyperparameterTuner.TUNING_JOB_NAME_MAX_LENGTH == 32
assert HyperparameterTuner.SAGEMAKER_ESTIMATOR_MODULE == "sagemaker_estimator_module"
assert HyperparameterTuner.SAGEMAKER_ESTIMATOR_CLASS_NAME == "sagemaker_estimator_class_name"
assert HyperparameterTuner.DEFAULT_ESTIMATOR_MODULE == "sagemaker.estimator"
assert HyperparameterTuner.DEFAULT_ESTIMATOR_CLS_NAME == "Estimator"

ranges = {
    "x": ContinuousParameter(min_value=0.001, max_value=1, scaling_type="Logarithmic"),
    "n": IntegerParameter(min_value=1, max_value=9, scaling_type="Auto"),
    "kind": CategoricalParameter(values=["a", 2]),
}
assert [item.cast_to_type("1") for item in ranges.values()] == [1.0, 1, "1"]
assert ranges["kind"].is_valid("2")
assert ranges["kind"].as_tuning_range("kind") == {"Name": "kind", "Values": ["a", "2"]}
assert ranges["kind"].as_json_range("kind") == {"Name": "kind", "Values": ['"a"', '"2"']}

metrics = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "epoch", "Regex": "epoch=([0-9]+)"}]
session = sagemaker.Session()
data = session.upload_data(__file__, key_prefix="data")
tuner = HyperparameterTuner(
    estimator=Estimator("byoa", "SageMakerRole", 1, "ml.c4.xlarge", sagemaker_session=session),
    objective_metric_name="loss",
    hyperparameter_ranges=ranges,
    metric_definitions=metrics,
    strategy="Random",
    objective_type="Minimize",
    max_jobs=3,
    max_parallel_jobs=3,
    tags=[{"Key": "team", "Value": "a"}],
    base_tuning_job_name="documented",
    warm_start_config=None,
    early_stopping_type="Auto",
    estimator_name=None,
)
assert tuner.sagemaker_session is session
assert [item["Name"] for item in tuner.hyperparameter_ranges()["IntegerParameterRanges"]] == ["n"]
assert tuner.hyperparameter_ranges_dict() is None
tuner.fit(inputs={"train": data, "test": s3_input(data)}, job_name=None, include_cls_metadata=True)
name = tuner.latest_tuning_job.name
assert name.startswith("documented-")
assert len(name) <= 32
tuner.wait()
table = tuner.analytics().dataframe()
best = table.sort_values("FinalObjectiveValue").iloc[0]
assert tuner.best_training_job() == best["TrainingJobName"]
estimator = tuner.best_estimator(best_training_job=tuner.describe()["BestTrainingJob"])
assert estimator.latest_training_job.name == best["TrainingJobName"]

named = HyperparameterTuner.create(
    estimator_dict={"one": tuner.estimator, "two": tuner.estimator},
    objective_metric_name_dict={"one": "loss", "two": "loss"},
    hyperparameter_ranges_dict={"one": ranges, "two": {"x": ContinuousParameter(0, 1)}},
    metric_definitions_dict={"one": metrics, "two": metrics},
    base_tuning_job_name="several",
    strategy="Bayesian",
    objective_type="Minimize",
    max_jobs=50,
    max_parallel_jobs=1,
    tags=[{"Key": "team", "Value": "b"}],
    warm_start_config=None,
    early_stopping_type="Off",
)
assert sorted(named.hyperparameter_ranges_dict()) == ["one", "two"]
assert named.hyperparameter_ranges() is None
named.fit(inputs={"one": data}, include_cls_metadata={"one": True}, estimator_kwargs={})
named.stop_tuning_job()
named.wait()
attached = HyperparameterTuner.attach(
    tuning_job_name=name,
    sagemaker_session=session,
    job_details=session.sagemaker_client.describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    ),
    estimator_cls="sagemaker.estimator.Estimator",
)
assert attached.best_training_job() == tuner.best_training_job()

predictor = attached.deploy(
    initial_instance_count=2,
    instance_type="ml.c4.xlarge",
    accelerator_type=None,
    endpoint_name="documented",
    wait=True,
    model_name="documented-model",
    kms_key=None,
    data_capture_config=DataCaptureConfig(enable_capture=True, sampling_percentage=100),
    serializer=csv_serializer,
    content_type="text/csv",
)
assert isinstance(predictor, sagemaker.predictor.RealTimePredictor)
assert predictor.predict([1, 2]) == f"{float(best['x'])} 1,2".encode()
tuner.delete_endpoint(endpoint_name="documented")
print(
    "result", len(table), named.describe()["HyperParameterTuningJobStatus"], type(attached.estimator).__name__
)
