"""The documentation's second example of attach: two definitions, one of an algorithm of one's own."""

import sys

import numpy
import sagemaker
from org.byoa import Estimator
from sagemaker.amazon.pca import PCA
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

if sys.argv[1] == "fit":
    pca = PCA(sagemaker.get_execution_role(), 1, "ml.c4.xlarge", num_components=1)
    byoa = Estimator(
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/byoa:latest",
        sagemaker.get_execution_role(),
        train_instance_count=1,
        train_instance_type="ml.c4.xlarge",
        hyperparameters={"offset": 2},
    )
    my_tuner = HyperparameterTuner.create(
        estimator_dict={"estimator_pca": pca, "estimator_byoa": byoa},
        objective_metric_name_dict={"estimator_pca": "train:reconstruction_error", "estimator_byoa": "loss"},
        hyperparameter_ranges_dict={
            "estimator_pca": {"num_components": IntegerParameter(1, 3)},
            "estimator_byoa": {"x": ContinuousParameter(0, 1)},
        },
        metric_definitions_dict={"estimator_byoa": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}]},
        objective_type="Minimize",
        max_jobs=4,
        max_parallel_jobs=2,
    )
    records = pca.record_set(numpy.random.RandomState(0).rand(30, 4).astype("float32"))
    my_tuner.fit({"estimator_pca": records}, include_cls_metadata={}, estimator_kwargs={})
    my_tuner.wait()
    job_name = my_tuner.latest_tuning_job.name
    print("result", job_name)
else:
    # Later on:
    job_name = sys.argv[2]
    attached_tuner = HyperparameterTuner.attach(
        job_name,
        estimator_cls={
            "estimator_byoa": "org.byoa.Estimator",
        },
    )
    classes = {name: type(item) for name, item in attached_tuner.estimator_dict.items()}
    assert classes == {"estimator_pca": PCA, "estimator_byoa": Estimator}, classes
    assert attached_tuner.estimator_dict["estimator_byoa"].hyperparameters() == {"offset": "2"}
    table = attached_tuner.analytics().dataframe()
    best = attached_tuner.best_estimator()
    predictor = attached_tuner.deploy()
    assert isinstance(predictor, sagemaker.RealTimePredictor)
    assert predictor.predict(numpy.zeros((1, 4), dtype="float32"))[0].label["projection"]
    attached_tuner.delete_endpoint(predictor.endpoint)
    print("result", len(table), *sorted(set(table["TrainingJobDefinitionName"])), type(best).__name__)
