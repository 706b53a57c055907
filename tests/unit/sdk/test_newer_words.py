"""What version 2 of the AWS SDK added to a tuner, and the keywords that it gave to the session's calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pegbox import tuner as names
from pegbox._sdk import api_version
from pegbox.errors import NotHere
from pegbox.estimator import Estimator
from pegbox.model import Model
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from pegbox.predictor import Predictor
from pegbox.serializers import JSONSerializer
from pegbox.session import Session
from pegbox.session_settings import SessionSettings
from pegbox.tuner import (
    HyperbandStrategyConfig,
    HyperparameterTuner,
    InstanceConfig,
    StrategyConfig,
    _TuningJob,
)
from pegbox.workflow.functions import Join, JsonGet
from pegbox.workflow.parameters import ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString

from .conftest import FakeService
from .descriptions import NAME, definition, training_job, tuning_job

RANGES: dict[str, Any] = {"rate": ContinuousParameter(0, 1)}
CREATE = "CreateHyperParameterTuningJob"
DESCRIBE = "DescribeHyperParameterTuningJob"
TWO = [InstanceConfig(1, "ml.m5.large"), InstanceConfig(1, "ml.m5.xlarge", volume_size=50)]
TWO_SENT = [
    {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
    {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 50},
]


@pytest.fixture
def version_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's scripts were written for version 2."""
    monkeypatch.setattr(api_version, "_chosen", "v2")


def tuner_of(session: Any, **more: Any) -> HyperparameterTuner:
    """Return a tuner of a generic estimator."""
    estimator = Estimator(
        "image", "role", 1, "ml.c4.xlarge", output_path="s3://b/p", sagemaker_session=session, **more
    )
    return HyperparameterTuner(estimator, "loss", RANGES, [], tags=[{"Key": "own", "Value": "1"}])


def asked(session: Mock) -> dict[str, Any]:
    """Return the keywords of the call that starts the job."""
    keywords: dict[str, Any] = session.create_tuning_job.call_args.kwargs
    return keywords


def test_a_session_is_asked_in_the_words_of_version_1(session: Mock) -> None:
    """Unless something else was chosen: image, resource_config, and the tuner's own tags."""
    tuner_of(session, use_spot_instances=True, tags=[{"Key": "e", "Value": "2"}]).fit()
    config = asked(session)["training_config"]
    assert (config["image"], config["train_use_spot_instances"]) == ("image", True)
    assert config["resource_config"]["InstanceType"] == "ml.c4.xlarge"
    assert asked(session)["tags"] == [{"Key": "own", "Value": "1"}]


def test_a_session_is_asked_in_the_words_of_version_2(session: Mock, version_2: None) -> None:
    """The same under newer keywords; the estimator's tags join the tuner's, which stay as they are."""
    tuner = tuner_of(session, use_spot_instances=True, tags=[{"Key": "e", "Value": "2"}])
    tuner.fit()
    config = asked(session)["training_config"]
    assert (config["image_uri"], config["use_spot_instances"]) == ("image", True)
    assert config["hpo_resource_config"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.c4.xlarge",
        "VolumeSizeInGB": 30,
    }
    assert not {"image", "train_use_spot_instances", "resource_config"} & set(config)
    assert [tag["Key"] for tag in asked(session)["tags"]] == ["own", "e"]
    assert [tag["Key"] for tag in tuner.tags or ()] == ["own"]
    session.wait_for_tuning_job.assert_called_once_with(tuner._current_job_name)
    assert asked(session)["autotune"] is False
    with pytest.raises(NotHere, match="autotune=True"):
        Session().create_tuning_job("n", {}, {}, autotune=True)


def test_single_jobs_are_started_in_the_words_of_the_version(
    session: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An estimator's own fit speaks like its tuner."""
    estimator = tuner_of(session, use_spot_instances=True).estimator
    for version, words in (
        ("v1", ("image", "train_use_spot_instances")),
        ("v2", ("image_uri", "use_spot_instances")),
    ):
        monkeypatch.setattr(api_version, "_chosen", version)
        estimator.fit(wait=False)
        given = session.train.call_args.kwargs
        assert [given[word] for word in words] == ["image", True]


def test_both_ways_to_speak_make_one_request(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 puts the machine into the field of its own, as its SDK does; nothing else differs."""
    tuner = HyperparameterTuner(Estimator("i", tags=[]), "loss", RANGES)
    tuner.fit(job_name="n")
    monkeypatch.setattr(api_version, "_chosen", "v2")
    tuner.fit(job_name="n", wait=False)
    first, second = service.sent(CREATE)
    machine = second["TrainingJobDefinition"].pop("HyperParameterTuningResourceConfig")
    assert machine == first["TrainingJobDefinition"].pop("ResourceConfig")
    assert first == second


def test_models_are_made_in_the_words_of_the_version(session: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, role and container go by position in version 1 and by name in version 2, where deploy passes serializers on."""
    details = training_job(TrainingJobName="job")
    session.sagemaker_client.describe_training_job.return_value = details
    session.sagemaker_client.list_tags.return_value = {"Tags": []}
    best = {"BestTrainingJob": {"TrainingJobName": "job"}}
    session.sagemaker_client.describe_hyper_parameter_tuning_job.return_value = best
    tuner = tuner_of(session)
    tuner.latest_tuning_job = _TuningJob(session, NAME)
    tuner.deploy(1, "ml.c4.xlarge")
    name, role, container = session.create_model.call_args.args
    assert (name, role) == ("job", details["RoleArn"])
    monkeypatch.setattr(api_version, "_chosen", "v2")
    predictor = tuner.deploy(1, "ml.c4.xlarge", serializer=JSONSerializer())
    keywords = session.create_model.call_args.kwargs
    assert keywords["name"].startswith("job-")
    assert (keywords["role"], keywords["container_defs"]) == (role, container)
    assert isinstance(predictor, Predictor)
    assert isinstance(predictor.serializer, JSONSerializer)
    estimator = Mock(name="estimator")
    monkeypatch.setattr(tuner, "best_estimator", lambda best: estimator)
    tuner.deploy(1, "ml.c4.xlarge")
    given = estimator.deploy.call_args.kwargs
    assert (given["serializer"], given["deserializer"]) == (None, None)


def test_several_kinds_of_machine(service: FakeService) -> None:
    """A list replaces the estimator's machine in the request, with its key for the disk; None takes it back."""
    tuner = HyperparameterTuner(Estimator("i", volume_kms_key="k"), "loss", RANGES)
    tuner.override_resource_config(TWO)
    tuner.fit()
    tuner.override_resource_config(None)
    tuner.fit()
    first, second = (request["TrainingJobDefinition"] for request in service.sent(CREATE))
    assert first["HyperParameterTuningResourceConfig"] == {"InstanceConfigs": TWO_SENT, "VolumeKmsKeyId": "k"}
    assert "ResourceConfig" not in first
    assert "HyperParameterTuningResourceConfig" not in second
    assert second["ResourceConfig"]["InstanceType"] == "local"


def test_several_kinds_of_machine_for_several_estimators(service: FakeService) -> None:
    """Machines are given by estimator name; those without keep their own."""
    parts: dict[str, Any] = {name: Estimator("i") for name in ("a", "b")}
    tuner = HyperparameterTuner.create(parts, dict.fromkeys(parts, "loss"), dict.fromkeys(parts, RANGES))
    with pytest.raises(ValueError, match=r"'instance_configs' must be a subset of \['a', 'b'\]"):
        tuner.override_resource_config({"c": TWO})
    with pytest.raises(
        ValueError, match=r"'instance_configs' must be a dictionary using \['a', 'b'\] as keys"
    ):
        tuner.override_resource_config(TWO)
    tuner.override_resource_config({"b": TWO})
    tuner.fit()
    (request,) = service.sent(CREATE)
    one, two = request["TrainingJobDefinitions"]
    assert one["ResourceConfig"]["InstanceType"] == "local"
    assert two["HyperParameterTuningResourceConfig"] == {"InstanceConfigs": TWO_SENT}


def test_a_list_for_the_only_named_estimator(service: FakeService) -> None:
    """Where create() got one estimator, a list is that one's."""
    tuner = HyperparameterTuner.create({"a": Estimator("i")}, {"a": "loss"}, {"a": RANGES})
    tuner.override_resource_config(TWO)
    assert tuner.instance_configs_dict == {"a": TWO}
    tuner.override_resource_config(None)
    assert tuner.instance_configs_dict is None


@pytest.mark.parametrize("several", [False, True])
def test_kinds_of_machine_come_back(service: FakeService, several: bool) -> None:
    """A tuner that was attached, and its child, send them again; a child with an estimator of its own has its machine."""
    machines = {"InstanceConfigs": TWO_SENT}
    described = tuning_job(TrainingJobDefinition=definition(HyperParameterTuningResourceConfig=machines))
    if several:
        one = described.pop("TrainingJobDefinition")
        config = described["HyperParameterTuningJobConfig"]
        one["DefinitionName"], one["HyperParameterRanges"] = "d", config.pop("ParameterRanges")
        one["TuningObjective"] = config.pop("HyperParameterTuningJobObjective")
        described["TrainingJobDefinitions"] = [one]
    service.answers[DESCRIBE] = lambda _: described
    tuner = HyperparameterTuner.attach(NAME)
    tuner.fit()
    tuner.transfer_learning_tuner().fit()
    tuner.transfer_learning_tuner(estimator=Estimator("other", instance_type="ml.c5.large")).fit()
    sent = []
    for request in service.sent(CREATE):
        (one,) = request["TrainingJobDefinitions"] if several else [request["TrainingJobDefinition"]]
        sent.append(one)
    assert [item.get("HyperParameterTuningResourceConfig") for item in sent] == [machines, machines, None]
    assert sent[2]["ResourceConfig"]["InstanceType"] == "ml.c5.large"


def test_a_kind_of_machine_and_its_item() -> None:
    """An item of a description and back; nothing is None."""
    assert InstanceConfig.from_job_desc(None) is None
    there = InstanceConfig.from_job_desc(TWO_SENT[1])
    assert there is not None
    assert (there.instance_count, there.instance_type, there.volume_size) == (1, "ml.m5.xlarge", 50)
    assert there.to_input_req() == TWO_SENT[1]


def test_tags_as_a_dict(service: FakeService) -> None:
    """Values by key, as version 2 takes them, for tuners, estimators and models; what is neither is refused."""
    tuner = HyperparameterTuner(Estimator("i", tags={"team": "a"}), "loss", RANGES, tags={"cost": 7})
    assert tuner.estimator.tags == [{"Key": "team", "Value": "a"}]
    tuner.fit()
    assert service.sent(CREATE)[0]["Tags"] == [{"Key": "cost", "Value": "7"}]
    Model("s3://pegbox-local/m.tar.gz", "i").create(tags={"a": "b"})
    assert service.sent("CreateModel")[0]["Tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ValueError, match=r"tags=3600 must be a list .* give them by name"):
        HyperparameterTuner(Estimator("i"), "m", RANGES, None, "Random", "Minimize", 4, 2, 3600)  # type: ignore[arg-type]


def test_settings_of_a_session(service: FakeService) -> None:
    """They are given by name, and there are some in any case."""
    settings = SessionSettings(local_download_dir="/tmp")
    assert Session(settings=settings).settings is settings
    assert Session().settings.encrypt_repacked_artifacts


def test_names_of_fields() -> None:
    """The constants are the names of the fields that they stand for."""
    config = StrategyConfig(HyperbandStrategyConfig(max_resource=9, min_resource=1)).to_input_req()
    assert config == {
        names.HYPERBAND_STRATEGY_CONFIG: {names.HYPERBAND_MIN_RESOURCE: 1, names.HYPERBAND_MAX_RESOURCE: 9}
    }
    criteria = names.TuningJobCompletionCriteriaConfig(3, True, 0.5).to_input_req()
    assert criteria == {
        names.BEST_OBJECTIVE_NOT_IMPROVING: {names.MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING: 3},
        names.CONVERGENCE_DETECTED: {names.COMPLETE_ON_CONVERGENCE_DETECTED: "Enabled"},
        names.TARGET_OBJECTIVE_METRIC_VALUE: 0.5,
    }
    assert (names.GRID_SEARCH, names.MAX_RUNTIME_IN_SECONDS) == ("Grid", "MaxRuntimeInSeconds")
    read = StrategyConfig.from_job_desc(strategy_config=config)
    assert read is not None
    assert read.to_input_req() == config
    again = names.TuningJobCompletionCriteriaConfig.from_job_desc(completion_criteria_config=criteria)
    assert again is not None
    assert again.to_input_req() == criteria


def test_figures_are_made_elsewhere(session: Mock) -> None:
    """The methods of later versions say where figures are."""
    with pytest.raises(NotHere, match=r"pegbox.plots.best_so_far\(job\)"):
        tuner_of(session).visualize_job(return_dfs=True)
    with pytest.raises(NotHere, match=r"pegbox.plots"):
        HyperparameterTuner.visualize_jobs(["job"], True)


def test_values_to_keep_static_belong_to_autotune(session: Mock) -> None:
    """The argument of create() is refused like that of the constructor."""
    one = {"a": Estimator("i", sagemaker_session=session)}
    with pytest.raises(ValueError, match="hyperparameters_to_keep_static belongs to autotune"):
        HyperparameterTuner.create(
            one, {"a": "m"}, {"a": RANGES}, hyperparameters_to_keep_static_dict={"a": ["x"]}
        )


def test_a_range_is_refused_by_the_tuner_under_the_other_name(
    session: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs written for the AWS SDK may hold bounds in the wrong order; none is sent."""
    monkeypatch.setattr(api_version, "_stands_for_sagemaker", True)
    wrong = {"rate": ContinuousParameter(0.1, 0.01)}
    assert wrong["rate"].as_tuning_range("rate")["MinValue"] == "0.1"
    estimator = Estimator("i", sagemaker_session=session)
    words = (
        "hyperparameter_ranges: rate: ContinuousParameter: min_value=0.1 is above max_value=0.01; swap them"
    )
    with pytest.raises(ValueError, match=words):
        HyperparameterTuner(estimator, "m", wrong)
    parts = {"a": (estimator, RANGES), "b": (estimator, wrong)}
    with pytest.raises(ValueError, match=words):
        HyperparameterTuner.create(
            {name: part[0] for name, part in parts.items()},
            dict.fromkeys(parts, "m"),
            {name: part[1] for name, part in parts.items()},
        )


def test_the_job_of_a_tuner_is_described(service: FakeService) -> None:
    """The handle of a job asks for the description by its name."""
    service.answers[DESCRIBE] = lambda _: tuning_job()
    assert _TuningJob(Session(), NAME).describe()["HyperParameterTuningJobName"] == NAME


@pytest.mark.parametrize("strategy", ["Grid", "GridSearch"])
def test_a_grid_has_no_number_of_jobs(session: Mock, strategy: str) -> None:
    """As in version 2 the attribute is None unless a number was given, which then counts."""
    estimator = Estimator("image", sagemaker_session=session)
    assert HyperparameterTuner(estimator, "m", RANGES, strategy=strategy).max_jobs is None
    assert HyperparameterTuner(estimator, "m", RANGES, strategy=strategy, max_jobs=4).max_jobs == 4
    assert HyperparameterTuner(estimator, "m", RANGES, max_jobs=None).max_jobs == 1


def test_describe_without_a_job(service: FakeService, session: Mock) -> None:
    """A session of ours says what to do, a mock sees the call."""
    tuner = HyperparameterTuner(Estimator("i"), "loss", RANGES)
    with pytest.raises(ValueError, match="No tuning job available"):
        tuner.describe()
    assert service.requests == []
    tuner_of(session).describe()
    session.describe_tuning_job.assert_called_once_with(None)


def test_variables_of_pipelines_have_expressions() -> None:
    """Parameters, values of files and joined texts, as the definition of a pipeline has them."""
    rate = ParameterFloat("rate", 0.5)
    assert (rate.default_value, rate.expr) == (0.5, {"Get": "Parameters.rate"})
    assert [kind.parameter_type for kind in (ParameterBoolean, ParameterFloat, ParameterInteger, ParameterString)] == [
        "Boolean", "Float", "Integer", "String",
    ]  # fmt: skip
    kind = ParameterString("kind", "a", enum_values=("a", "b"))
    assert kind.to_string() is kind
    assert kind.enum_values == ["a", "b"]
    file = Mock()
    file.name = "report"
    found = JsonGet("train", file, "best.rate").expr
    assert found == {
        "Std:JsonGet": {"PropertyFile": {"Get": "Steps.train.PropertyFiles.report"}, "Path": "best.rate"}
    }
    text = Join("/", ["s3://b", kind])
    assert text.expr == {"Std:Join": {"On": "/", "Values": ["s3://b", {"Get": "Parameters.kind"}]}}
    assert text.to_string() is text
    for make in (str, int, float):
        with pytest.raises(TypeError, match="before its pipeline runs"):
            make(rate)


def test_variables_of_pipelines_stay_variables(session: Mock) -> None:
    """In ranges and among hyperparameters they become variables that are texts."""
    most = ParameterInteger("most", 9)
    as_text = {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.most"}]}}
    item = IntegerParameter(1, most).as_tuning_range("n")
    assert (item["MinValue"], item["MaxValue"].expr) == ("1", as_text)
    kinds = CategoricalParameter(["a", ParameterString("kind")]).as_tuning_range("k")["Values"]
    assert (kinds[0], kinds[1].expr) == ("a", {"Get": "Parameters.kind"})
    tuner = tuner_of(session)
    tuner.estimator.set_hyperparameters(epochs=most, plain=3)
    tuner.fit()
    static = asked(session)["training_config"]["static_hyperparameters"]
    assert (static["plain"], static["epochs"].expr) == ("3", as_text)


def test_no_service_is_sent_a_variable(service: FakeService, script: Path) -> None:
    """Pegbox runs no pipelines; the refusal says where the variable is."""
    tuner = HyperparameterTuner(Estimator("i", hyperparameters={"n": ParameterInteger("n")}), "loss", RANGES)
    words = r"TrainingJobDefinition.StaticHyperParameters.n is a Join, .* give the value itself"
    with pytest.raises(NotHere, match=words):
        tuner.fit()
    ranges = {"rate": ContinuousParameter(ParameterFloat("least"), 1)}
    with pytest.raises(NotHere, match=r"ContinuousParameterRanges\[0\].MinValue is a Join"):
        HyperparameterTuner(Estimator("i"), "loss", ranges).fit()
    with pytest.raises(NotHere, match="InstanceType is a ParameterString"):
        Session().train(
            "File", None, "r", "n", {}, {"InstanceType": ParameterString("t")}, None, None, {}, None, None, image="i"
        )  # fmt: skip
    assert service.sent(CREATE) == []
