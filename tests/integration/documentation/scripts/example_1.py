"""The documentation's first example of attach: PCA, whose class is derived from the training image."""

import sys

import numpy
import sagemaker
from sagemaker.amazon.pca import PCA
from sagemaker.tuner import HyperparameterTuner, IntegerParameter

if sys.argv[1] == "fit":
    pca = PCA(
        role=sagemaker.get_execution_role(),
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        num_components=1,
    )
    records = pca.record_set(numpy.random.RandomState(0).rand(30, 4).astype("float32"))
    my_tuner = HyperparameterTuner(
        pca,
        objective_metric_name="train:reconstruction_error",
        hyperparameter_ranges={"num_components": IntegerParameter(1, 3)},
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    my_tuner.fit(records)
    my_tuner.wait()
    job_name = my_tuner.latest_tuning_job.name
    print("result", job_name)
else:
    # Later on:
    job_name = sys.argv[2]
    attached_tuner = HyperparameterTuner.attach(job_name)
    predictor = attached_tuner.deploy()
    records = predictor.predict(numpy.zeros((2, 4), dtype="float32"))
    components = attached_tuner.best_estimator().num_components
    assert [len(record.label["projection"].float32_tensor.values) for record in records] == [
        int(components)
    ] * 2
    assert predictor.endpoint == attached_tuner.best_training_job()
    attached_tuner.delete_endpoint()
    print("result", type(attached_tuner.estimator).__name__, components)
