"""A tuner and its job: names, waiting, stopping, results, attaching."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from pegbox._sdk import displays, waiting
from pegbox.errors import ServerError
from pegbox.estimator import Estimator
from pegbox.exceptions import BestTrainingJobNotAvailable, UnexpectedStatusException
from pegbox.parameter import CategoricalParameter, ContinuousParameter
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import (
    HyperparameterTuner,
    WarmStartConfig,
    WarmStartTypes,
    create_identical_dataset_and_algorithm_tuner,
    create_transfer_learning_tuner,
)

from .conftest import FakeService
from .descriptions import NAME, definition, summary, training_job, tuning_job

RANGES: dict[str, Any] = {"lr": ContinuousParameter(0, 1)}
CREATE = "CreateHyperParameterTuningJob"
DESCRIBE = "DescribeHyperParameterTuningJob"
LIST = "ListTrainingJobsForHyperParameterTuningJob"


@pytest.fixture
def tuner(service: FakeService) -> HyperparameterTuner:
    """A tuner attached to a job."""
    service.answers[DESCRIBE] = lambda _: tuning_job()
    found = HyperparameterTuner.attach(NAME)
    service.requests.clear()
    return found


def in_turn(*answers: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give these answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_second_fit_of_a_minute_gets_a_number(service: FakeService) -> None:
    """A generated name that is taken gets -2, -3, ... within 32 characters."""
    service.answers[CREATE] = service.refuse("ResourceInUse", times=2)
    tuner = HyperparameterTuner(Estimator("i"), "m", RANGES, base_tuning_job_name="b" * 30)
    tuner.fit()
    names = [request["HyperParameterTuningJobName"] for request in service.sent(CREATE)]
    assert [len(name) for name in names] == [32, 32, 32]
    assert names[1:] == [names[0][:18] + names[0][-12:] + "-2", names[0][:18] + names[0][-12:] + "-3"]
    assert tuner.latest_tuning_job.name == tuner._current_job_name == names[2]


def test_a_name_of_the_callers_is_used_as_it_is(service: FakeService) -> None:
    """A given name is neither numbered nor cut; the service's refusal arrives."""
    from botocore.exceptions import ClientError

    service.answers[CREATE] = service.refuse("ResourceInUse")
    with pytest.raises(ClientError, match="ResourceInUse"):
        HyperparameterTuner(Estimator("i"), "m", RANGES).fit(job_name="my-name")
    assert [request["HyperParameterTuningJobName"] for request in service.sent(CREATE)] == ["my-name"]


def test_fit_does_not_wait_unless_asked(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    """fit returns when the job is made; with wait=True when it has ended."""
    service.answers[DESCRIBE] = lambda _: tuning_job("Completed")
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": []}
    tuner = HyperparameterTuner(Estimator("i"), "m", RANGES)
    tuner.fit()
    assert [name for name, _ in service.requests] == [CREATE]
    tuner.fit(wait=True, quiet=True)
    assert [name for name, _ in service.requests][1:] == [CREATE, DESCRIBE]
    assert capsys.readouterr().out == ""


def test_wait_prints_a_line_per_finished_trial(
    service: FakeService, tuner: HyperparameterTuner, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside a terminal each finished trial is one line with objective and values, once."""
    counts = {"Completed": 1, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 0}
    best = summary(1, value=0.25)
    service.answers[DESCRIBE] = in_turn(
        tuning_job(BestTrainingJob=best),
        tuning_job("Completed", BestTrainingJob=best, TrainingJobStatusCounters=counts),
    )
    failed = summary(2, "Failed", None, FailureReason="AlgorithmError: boom\nmore")
    service.answers[LIST] = in_turn(
        {"TrainingJobSummaries": [best, summary(2, "InProgress", None)]},
        {"TrainingJobSummaries": [best, failed]},
    )
    tuner.wait()
    assert capsys.readouterr().out.splitlines() == [
        f"[1/4] {NAME}-001-0a1b2c3d Completed  loss=0.25  best 0.25  (lr=0.01235, n=1, kind=a)",
        f"[2/4] {NAME}-002-0a1b2c3d Failed  AlgorithmError: boom",
        f"{NAME} Completed: 2 training jobs, 1 failed; best {NAME}-001-0a1b2c3d with loss=0.25",
    ]


def test_wait_tells_when_no_metric_was_found(
    service: FakeService, tuner: HyperparameterTuner, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's words on a pattern that matched nothing are shown once, while the job runs."""
    warned = tuning_job(FailureReason="Warning: Metric 'loss' was never found in the log, which says: x")
    service.answers[DESCRIBE] = in_turn(warned, warned, tuning_job("Completed"))
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": []}
    tuner.wait()
    assert capsys.readouterr().out.splitlines()[0] == (
        "notice: Metric 'loss' was never found in the log, which says: x"
    )


def test_wait_can_show_logs(
    service: FakeService, tuner: HyperparameterTuner, capsys: pytest.CaptureFixture[str]
) -> None:
    """With logs=True the training jobs' lines are printed with their names."""
    service.answers[DESCRIBE] = lambda _: tuning_job("Completed")
    service.answers[LIST] = lambda _: {"TrainingJobSummaries": [summary(1)]}
    service.answers["DescribeLogStreams"] = lambda r: {
        "logStreams": [{"logStreamName": r["logStreamNamePrefix"] + "a"}]
    }
    service.answers["GetLogEvents"] = lambda r: (
        {"events": [], "nextForwardToken": "f/1"}
        if "nextToken" in r
        else {"events": [{"message": "epoch 1", "timestamp": 1}], "nextForwardToken": "f/1"}
    )
    tuner.wait(logs=True)
    assert f"{NAME}-001-0a1b2c3d | epoch 1" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("status", ["Completed", "Stopped"])
def test_wait_returns_on_success(service: FakeService, tuner: HyperparameterTuner, status: str) -> None:
    """Completed and Stopped are good ends."""
    service.answers[DESCRIBE] = lambda _: tuning_job(status)
    tuner.wait(quiet=True)


def test_wait_raises_on_failure(service: FakeService, tuner: HyperparameterTuner) -> None:
    """Any other end is an error with status, allowed statuses and reason, and a ValueError."""
    service.answers[DESCRIBE] = lambda _: tuning_job("Failed", FailureReason="no training job succeeded")
    words = f"Error for HyperParameterTuning job {NAME}: Failed. Reason: no training job succeeded"
    with pytest.raises(UnexpectedStatusException, match=words) as caught:
        tuner.wait(quiet=True)
    assert caught.value.actual_status == "Failed"
    assert caught.value.allowed_statuses == ["Completed", "Stopped"]
    assert isinstance(caught.value, ValueError)


def test_wait_outlives_the_service(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that is away for a while is waited for, told once; one that stays away is an error."""
    from botocore.exceptions import EndpointConnectionError

    calls = [0]

    def call() -> str:
        calls[0] += 1
        if calls[0] < 4:
            raise EndpointConnectionError(endpoint_url="http://x")
        return "back"

    pauses: list[float] = []
    assert waiting.patiently(call, pauses.append) == "back"
    assert pauses == [1.0, 1.0, 1.0]
    assert capsys.readouterr().err.count("does not answer") == 1
    monkeypatch.setattr(waiting, "AWAY_SECONDS", -1.0)
    calls[0] = -(10**6)
    with pytest.raises(ServerError, match="has not answered"):
        waiting.patiently(call, pauses.append)


def test_interrupted_wait_leaves_the_job_alone(
    service: FakeService,
    tuner: HyperparameterTuner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C stops watching and says how to come back and how to stop; no stop request is sent."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(displays.Quiet, "show", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tuner.wait(quiet=True)
    said = capsys.readouterr().err
    assert f"HyperparameterTuner.attach('{NAME}').wait()" in said
    assert f"pegbox stop {NAME}" in said
    assert "StopHyperParameterTuningJob" not in dict(service.requests)


def test_stop_swallows_only_the_refusal_of_a_finished_job(
    service: FakeService, tuner: HyperparameterTuner
) -> None:
    """A job that has ended is fine; anything else is an error."""
    from botocore.exceptions import ClientError

    tuner.stop_tuning_job()
    service.answers["StopHyperParameterTuningJob"] = service.refuse("ValidationException")
    tuner.stop_tuning_job()
    service.answers["StopHyperParameterTuningJob"] = service.refuse("ResourceNotFound")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        tuner.stop_tuning_job()
    assert len(service.sent("StopHyperParameterTuningJob")) == 3


def test_without_a_job_everything_says_so() -> None:
    """Nothing is asked of the service before there is a job."""
    tuner = HyperparameterTuner(Estimator("i"), "m", RANGES)
    calls: list[Callable[[], Any]] = [
        tuner.wait, tuner.stop_tuning_job, tuner.best_training_job, tuner.best_estimator, tuner.describe,
        tuner.analytics, tuner.transfer_learning_tuner,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="No tuning job available"):
            call()


def test_best_training_job_names_wait(service: FakeService, tuner: HyperparameterTuner) -> None:
    """The best job's name, or an error that says what to do; each call asks anew."""
    with pytest.raises(
        BestTrainingJobNotAvailable, match=rf"tuning job: {NAME} \(InProgress\).*call wait\(\)"
    ):
        tuner.best_training_job()
    service.answers[DESCRIBE] = lambda _: tuning_job("Failed", FailureReason="none")
    with pytest.raises(BestTrainingJobNotAvailable, match="No training job reported the objective: none"):
        tuner.best_training_job()
    service.answers[DESCRIBE] = lambda _: tuning_job(BestTrainingJob=summary(3))
    assert tuner.best_training_job() == f"{NAME}-003-0a1b2c3d"
    assert len(service.sent(DESCRIBE)) == 3


def test_best_estimator_holds_the_best_training_job(service: FakeService, tuner: HyperparameterTuner) -> None:
    """The estimator is attached to the best job, by its dict, its name or by default."""
    service.answers[DESCRIBE] = lambda _: tuning_job(BestTrainingJob=summary(1))
    service.answers["DescribeTrainingJob"] = lambda _: training_job()
    service.answers["ListTags"] = lambda _: {"Tags": [{"Key": "a", "Value": "b"}]}
    for argument in (None, summary(1), summary(1)["TrainingJobName"]):
        best = tuner.best_estimator(argument)
        assert best.latest_training_job.name == f"{NAME}-001-0a1b2c3d"
    assert best.model_data == "s3://pegbox-local/out/x/output/model.tar.gz"
    assert best.tags == [{"Key": "a", "Value": "b"}]
    assert best.hyperparameters() == {"fixed": "7"}


def test_attach_keeps_everything(service: FakeService, tuner: HyperparameterTuner) -> None:
    """Limits, ranges with scaling, seed, criteria, spot, checkpoints and environment come back; a fit sends them again."""
    assert tuner.latest_tuning_job.name == NAME
    assert (tuner.objective_metric_name, tuner.objective_type, tuner.max_jobs) == ("loss", "Minimize", 4)
    assert (tuner.random_seed, tuner.max_runtime_in_seconds) == (5, 600)
    ranges = tuner._hyperparameter_ranges or {}
    assert repr(ranges["lr"]) == "ContinuousParameter(0.001, 1.0, 'Logarithmic')"
    assert repr(ranges["n"]) == "IntegerParameter(1, 9, 'Linear')"
    assert isinstance(ranges["kind"], CategoricalParameter)
    estimator = tuner.estimator
    assert isinstance(estimator, Estimator)
    assert (estimator.max_run, estimator.max_wait, estimator.use_spot_instances) == (60, 90, True)
    assert (estimator.checkpoint_s3_uri, estimator.environment) == ("s3://pegbox-local/ckpt", {"A": "b"})
    assert estimator.hyperparameters() == {"fixed": "7"}
    tuner.fit()
    (again,) = service.sent(CREATE)
    first = tuning_job()
    sent, wanted = again["TrainingJobDefinition"], definition()
    del wanted["StaticHyperParameters"]["_tuning_objective_metric"]
    wanted["Environment"]["PEGBOX_PYTHON"] = sent["Environment"]["PEGBOX_PYTHON"]
    assert sent == wanted
    criteria = "TuningJobCompletionCriteria"
    config, first_config = again["HyperParameterTuningJobConfig"], first["HyperParameterTuningJobConfig"]
    assert (config[criteria], config["RandomSeed"]) == (first_config[criteria], 5)


def test_attach_does_not_change_the_callers_description(service: FakeService) -> None:
    """job_details is read, not changed, and no request is made for it."""
    details = tuning_job()
    HyperparameterTuner.attach(NAME, job_details=details)
    assert details == tuning_job()
    assert service.requests == []


def framework_job() -> dict[str, Any]:
    """A job of a scikit-learn script, as the service describes it."""
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3"
    job = tuning_job(TrainingJobDefinition=definition(image))
    job["TrainingJobDefinition"]["StaticHyperParameters"] = {
        "_tuning_objective_metric": "loss",
        "alpha": "0.5",
        "name": '"text"',
        "sagemaker_submit_directory": '"s3://pegbox-local/code/x/sourcedir.tar.gz"',
        "sagemaker_program": '"train.py"',
        "sagemaker_container_log_level": "20",
        "sagemaker_estimator_class_name": '"SKLearn"',
        "sagemaker_estimator_module": '"sagemaker.sklearn.estimator"',
    }
    ranges = job["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["CategoricalParameterRanges"][0]["Values"] = ['"a"', '"b"']
    return job


def test_attach_to_a_framework_job_and_fit_again(service: FakeService) -> None:
    """The class comes from the job; values are decoded once, so that a second fit sends what the first sent."""
    service.answers[DESCRIBE] = lambda _: framework_job()
    tuner = HyperparameterTuner.attach(NAME)
    assert isinstance(tuner.estimator, SKLearn)
    assert (tuner.estimator.entry_point, tuner.estimator.framework_version) == ("train.py", "0.23-1")
    tuner.fit()
    (request,) = service.sent(CREATE)
    ranges = request["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["CategoricalParameterRanges"][0]["Values"] == ['"a"', '"b"']
    static = request["TrainingJobDefinition"]["StaticHyperParameters"]
    assert (static["alpha"], static["name"]) == ("0.5", '"text"')
    assert static["sagemaker_submit_directory"] == '"s3://pegbox-local/code/x/sourcedir.tar.gz"'
    assert not list(service.home.glob("buckets/*/code/*"))


def test_attach_to_a_bare_scripts_job(service: FakeService) -> None:
    """A script's job comes back as an estimator of that script, stored code and all."""
    job = framework_job()
    static = job["TrainingJobDefinition"]["StaticHyperParameters"]
    del static["sagemaker_estimator_class_name"]
    job["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "pegbox-script:1"
    tuner = HyperparameterTuner.attach(NAME, job_details=job)
    assert (tuner.estimator.entry_point, tuner.estimator.image_uri) == ("train.py", None)
    assert tuner.estimator.hyperparameters() == {"alpha": "0.5", "name": '"text"'}
    tuner.fit()
    sent = service.sent(CREATE)[0]["TrainingJobDefinition"]
    assert sent["AlgorithmSpecification"]["TrainingImage"] == "pegbox-script:1"
    assert sent["StaticHyperParameters"]["sagemaker_program"] == '"train.py"'


def test_attach_with_a_named_class(service: FakeService) -> None:
    """estimator_cls decides, under either package's name; a wrong one is told."""
    service.answers[DESCRIBE] = lambda _: framework_job()
    for name in ("sagemaker.estimator.Estimator", "pegbox.estimator.Estimator"):
        assert type(HyperparameterTuner.attach(NAME, estimator_cls=name).estimator) is Estimator
    with pytest.raises(ValueError, match=r"no\.such\.Thing cannot be loaded"):
        HyperparameterTuner.attach(NAME, estimator_cls="no.such.Thing")


def test_attach_to_a_job_of_several_definitions(service: FakeService) -> None:
    """Each definition becomes an estimator with its own objective, ranges and metrics."""
    config = tuning_job()["HyperParameterTuningJobConfig"]
    ranges = config.pop("ParameterRanges")
    del config["HyperParameterTuningJobObjective"]
    parts = [
        definition(
            DefinitionName=name,
            TuningObjective={"Type": "Minimize", "MetricName": f"m-{name}"},
            HyperParameterRanges=ranges,
        )
        for name in ("b", "a")
    ]
    job = tuning_job(HyperParameterTuningJobConfig=config, TrainingJobDefinitions=parts)
    del job["TrainingJobDefinition"]
    service.answers[DESCRIBE] = lambda _: job
    tuner = HyperparameterTuner.attach(NAME)
    assert tuner.estimator is None
    assert tuner.objective_metric_name_dict == {"a": "m-a", "b": "m-b"}
    assert set(tuner.metric_definitions_dict or {}) == {"a", "b"}
    assert (tuner.objective_type, tuner.max_jobs) == ("Minimize", 4)
    with pytest.raises(ValueError, match=r"'estimator_cls' must be a subset of \['a', 'b'\]"):
        HyperparameterTuner.attach(NAME, estimator_cls={"c": "x.Y"})
    with pytest.raises(ValueError, match="Warm start is not supported"):
        tuner.identical_dataset_and_algorithm_tuner()


def test_warm_start_helpers(service: FakeService, tuner: HyperparameterTuner) -> None:
    """Children learn from this job and further parents, and keep metrics and ranges."""
    child = tuner.identical_dataset_and_algorithm_tuner(additional_parents={"p1"})
    config = child.warm_start_config
    assert config is not None
    assert (config.type, config.parents) == (WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {NAME, "p1"})
    assert (child.metric_definitions, child.max_jobs) == (tuner.metric_definitions, 4)
    other = Estimator("other")
    child = tuner.transfer_learning_tuner(estimator=other)
    assert child.estimator is other
    assert child.warm_start_config is not None
    assert child.warm_start_config.type is WarmStartTypes.TRANSFER_LEARNING
    session = Session()
    made = create_identical_dataset_and_algorithm_tuner(NAME, {"p2"}, session)
    assert made.warm_start_config is not None
    assert made.warm_start_config.parents == {NAME, "p2"}
    made = create_transfer_learning_tuner(NAME, estimator=other, sagemaker_session=session)
    assert made.estimator is other
    made.fit()
    assert service.sent(CREATE)[0]["WarmStartConfig"]["WarmStartType"] == "TransferLearning"


def test_warm_start_config() -> None:
    """Types must be members, parents must be there; one name alone is one parent; requests read back."""
    config = WarmStartConfig(WarmStartTypes.TRANSFER_LEARNING, "parent-1")  # type: ignore[arg-type]
    assert config.parents == {"parent-1"}
    again = WarmStartConfig.from_job_desc(config.to_input_req())
    assert again is not None
    assert (again.type, again.parents) == (config.type, config.parents)
    for arguments in (("TransferLearning", {"p"}), (None, {"p"}), (WarmStartTypes.TRANSFER_LEARNING, None)):
        with pytest.raises(ValueError, match="Invalid"):
            WarmStartConfig(*arguments)  # type: ignore[arg-type]
    for described in (
        None,
        {},
        {"WarmStartType": "TransferLearning"},
        {"ParentHyperParameterTuningJobs": []},
    ):
        assert WarmStartConfig.from_job_desc(described) is None


def test_lines_display_writes_to_any_stream() -> None:
    """A display that is not told otherwise follows where the output goes."""
    assert isinstance(displays.choose_display(False, io.StringIO()), displays.Lines)
    assert isinstance(displays.choose_display(True), displays.Quiet)
