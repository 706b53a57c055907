"""From tuning jobs to endpoints and predictions, against a real server, its gateway and its model servers."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pegbox.amazon.factorization_machines import FactorizationMachines
from pegbox.amazon.kmeans import KMeans
from pegbox.amazon.knn import KNN
from pegbox.amazon.lda import LDA
from pegbox.amazon.linear_learner import LinearLearner
from pegbox.amazon.pca import PCA
from pegbox.amazon.randomcutforest import RandomCutForest
from pegbox.async_inference import AsyncInferenceConfig, WaiterConfig
from pegbox.estimator import Estimator
from pegbox.exceptions import AsyncInferenceModelError, UnexpectedStatusException
from pegbox.model import Model
from pegbox.parameter import ContinuousParameter, IntegerParameter
from pegbox.predictor import Predictor, csv_deserializer, csv_serializer, json_deserializer, json_serializer
from pegbox.session import Session
from pegbox.sklearn import SKLearn
from pegbox.tuner import HyperparameterTuner

SCRIPT = """
import argparse, os, joblib
import numpy as np
from sklearn.linear_model import Ridge


def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float)
    alpha = parser.parse_args().alpha
    features = np.arange(12.0).reshape(6, 2)
    model = Ridge(alpha=alpha).fit(features, features.sum(axis=1))
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
    print(f"loss={alpha};")
"""

CONTAINER = """
import http.server, json, os, pathlib, sys

if sys.argv[-1] != "serve":
    rate = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())["rate"]
    pathlib.Path("/opt/ml/model/rate").write_text(rate)
    print("loss:", rate)
    sys.exit()
rate = float(pathlib.Path("/opt/ml/model/rate").read_text())


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._say(b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"fail":
            self._say(b"as asked", 500)
            return
        self._say(json.dumps({"rate": rate, "got": body.decode(), "type": self.headers["Content-Type"]}).encode())

    def _say(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def tuner(session: Session, tmp_path_factory: pytest.TempPathFactory) -> HyperparameterTuner:
    """A finished tuning job of two scikit-learn models."""
    script = tmp_path_factory.mktemp("code") / "ridge.py"
    script.write_text(SCRIPT)
    tuner = HyperparameterTuner(
        SKLearn(str(script), "1.2-1", sagemaker_session=session),
        "loss",
        {"alpha": ContinuousParameter(0.001, 0.01)},
        [{"Name": "loss", "Regex": "loss=(.*?);"}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="ridge",
    )
    tuner.fit(wait=True, quiet=True)
    return tuner


def gone(session: Session, name: str) -> bool:
    """Whether there is no endpoint of a name."""
    from botocore.exceptions import ClientError

    try:
        session.sagemaker_client.describe_endpoint(EndpointName=name)
    except ClientError as error:
        return "Could not find" in error.response["Error"]["Message"]
    return False


def test_tuned_deployed_asked_and_deleted(
    tuner: HyperparameterTuner, session: Session, server: Any, wait_until: Callable[..., Any]
) -> None:
    """deploy() without a word serves the best model; arrays there and back; everything can be deleted."""
    predictor = tuner.deploy()
    rows = np.array([[1.0, 2.0], [20.0, 30.0]])
    assert predictor.predict(rows) == pytest.approx([3.0, 50.0], abs=0.2)
    assert predictor.endpoint_name == tuner.best_training_job()
    name = predictor.endpoint_name
    assert "the model is loaded" in server.pegbox("logs", name, "--endpoint").stdout
    assert "the model is loaded" not in server.pegbox("logs", name).stdout
    assert "InService" in server.pegbox("show", name).stdout
    assert json.loads(server.pegbox("show", name, "--json", "--endpoint").stdout)["config"]
    predictor.serializer, predictor.deserializer = csv_serializer, json_deserializer
    assert predictor.predict([[1, 2]]) == pytest.approx([3.0], abs=0.2)
    with pytest.raises(ValueError, match="already exists; please pick a different name"):
        tuner.deploy()
    predictor.delete_endpoint()
    predictor.delete_model()
    wait_until(lambda: gone(session, predictor.endpoint_name))
    client = session.sagemaker_client
    assert client.list_models()["Models"] == []
    assert client.list_endpoint_configs()["EndpointConfigs"] == []


def test_an_endpoint_is_changed_and_attached_to(
    tuner: HyperparameterTuner, session: Session, wait_until: Callable[..., Any]
) -> None:
    """Another process attaches, deploys two instances, changes their number and captures what passes."""
    attached = HyperparameterTuner.attach(tuner.latest_tuning_job.name, session)
    attached.deploy(2, "ml.m5.large", endpoint_name="changed")
    predictor = Predictor("changed", session, json_serializer, json_deserializer)
    predictor.update_endpoint(initial_instance_count=1)
    described = session.sagemaker_client.describe_endpoint(EndpointName="changed")
    assert described["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    broken = session.create_model("cannot-load", None, {"Image": "pegbox-script:1", "Environment": {}})
    with pytest.raises(UnexpectedStatusException, match="was not updated to"):
        predictor.update_endpoint(model_name=broken)
    assert predictor.predict([[1.0, 2.0]]) == pytest.approx([3.0], abs=0.2)
    session.delete_model(broken)
    predictor.enable_data_capture()
    for _ in range(60):
        predictor.predict([[1.0, 2.0]])
    predictor.disable_data_capture()
    wait_until(lambda: session.list_s3_files("pegbox-local", "model-monitor/data-capture/changed"))
    attached.delete_endpoint("changed")
    wait_until(lambda: gone(session, "changed"))


def test_a_program_of_ones_own_serves(session: Session, server: Any, tmp_path: Path) -> None:
    """A generic estimator: the image's program trains, and serves what it trained; its errors are the model's."""
    from botocore.exceptions import ClientError

    program = tmp_path / "program.py"
    program.write_text(CONTAINER)
    server.pegbox("images", "add", "own-program", "--", sys.executable, str(program))
    tuner = HyperparameterTuner(
        Estimator("own-program", sagemaker_session=session),
        "loss",
        {"rate": ContinuousParameter(0, 1)},
        [{"Name": "loss", "Regex": "loss: (.*)"}],
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="own",
    )
    tuner.fit(wait=True, quiet=True)
    predictor = tuner.deploy(serializer=json_serializer, deserializer=json_deserializer)
    best = tuner.analytics().dataframe()["FinalObjectiveValue"].min()
    assert predictor.predict({"a": 1}) == {
        "rate": pytest.approx(best),
        "got": '{"a": 1}',
        "type": "application/json",
    }
    assert b"".join(predictor.predict_stream("streamed")).startswith(b'{"rate"')
    predictor.serializer = None
    with pytest.raises(ClientError, match="as asked") as caught:
        predictor.predict("fail")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 500
    predictor.delete_endpoint()


def test_a_built_in_algorithm_serves(session: Session) -> None:
    """KMeans: records there and back, and each row is told its cluster."""
    estimator = KMeans(None, 1, "local", k=2, sagemaker_session=session)
    rows = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], dtype="float32")
    tuner = HyperparameterTuner(
        estimator, "test:msd", {"mini_batch_size": IntegerParameter(2, 4)}, objective_type="Minimize",
        base_tuning_job_name="kmeans",
    )  # fmt: skip
    tuner.fit([estimator.record_set(rows), estimator.record_set(rows, channel="test")], wait=True, quiet=True)
    predictor = tuner.deploy()
    records = predictor.predict(rows)
    clusters = [record.label["closest_cluster"].float32_tensor.values[0] for record in records]
    assert clusters[0] == clusters[1] != clusters[2] == clusters[3]
    predictor.delete_endpoint()


def test_every_built_in_algorithm_answers_records(session: Session) -> None:
    """Each algorithm's predictor gets a record for each row, with the labels that AWS documents."""
    random = np.random.default_rng(0)
    rows = random.random((40, 4)).astype("float32")
    labels = (rows[:, 0] > 0.5).astype("float32")
    counts = random.integers(1, 9, (40, 4)).astype("float32")
    forest = {"num_trees": 50, "num_samples_per_tree": 20}
    cases: list[tuple[Any, dict[str, Any], Any, Any, set[str]]] = [
        (PCA, {"num_components": 2}, rows, None, {"projection"}),
        (KNN, {"k": 3, "sample_size": 40, "predictor_type": "classifier"}, rows, labels, {"predicted_label"}),
        (LDA, {"num_topics": 2}, counts, None, {"topic_mixture"}),
        (LinearLearner, {"predictor_type": "binary_classifier"}, rows, labels, {"score", "predicted_label"}),
        (FactorizationMachines, {"num_factors": 2, "predictor_type": "regressor"}, rows, labels, {"score"}),
        (RandomCutForest, forest, rows, None, {"score"}),
    ]
    for algorithm, settings, features, targets, told in cases:
        estimator = algorithm(None, instance_type="local", sagemaker_session=session, **settings)
        size = {"mini_batch_size": 40} if algorithm is LDA else {}
        estimator.fit(estimator.record_set(features, targets), logs=None, **size)
        predictor = estimator.deploy(endpoint_name=algorithm.__name__.lower())
        records = predictor.predict(features[:2])
        assert [set(record.label) for record in records] == [told, told], algorithm.__name__
        predictor.delete_endpoint()


def test_a_model_that_cannot_be_loaded_fails_with_its_log(
    session: Session, tuner: HyperparameterTuner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The endpoint is Failed, and exception and output say what the script said last."""
    script = tmp_path / "broken.py"
    script.write_text("def model_fn(folder):\n    raise KeyError('no such weights')\n")
    with pytest.raises(UnexpectedStatusException, match="no such weights"):
        tuner.deploy(endpoint_name="broken", model_name="broken", entry_point=str(script))
    assert session.sagemaker_client.describe_endpoint(EndpointName="broken")["EndpointStatus"] == "Failed"
    capsys.readouterr()
    Predictor("broken", session).delete_endpoint()


def test_the_command_line(
    tuner: HyperparameterTuner, session: Session, server: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    """deploy, endpoints, invoke, show, logs and delete-endpoint, as a user types them."""
    name = tuner.latest_tuning_job.name
    text = server.pegbox("deploy", name, "--name", "by-hand").stdout
    assert "by-hand: InService" in text
    assert [item["EndpointName"] for item in json.loads(server.pegbox("endpoints", "--json").stdout)] == [
        "by-hand"
    ]
    assert "AllTraffic 1 of 1" in server.pegbox("endpoints").stdout
    (tmp_path / "rows.csv").write_text("1,2\n20,30\n")
    answer = server.pegbox(
        "invoke", "by-hand", "--file", str(tmp_path / "rows.csv"), "--accept", "application/json"
    ).stdout
    assert json.loads(answer) == pytest.approx([3.0, 50.0], abs=0.2)
    told = json.loads(server.pegbox("invoke", "by-hand", "-f", str(tmp_path / "rows.csv"), "--json").stdout)
    assert told["variant"] == "AllTraffic"
    bad = server.pegbox(
        "invoke", "by-hand", "-f", str(tmp_path / "rows.csv"), "--content-type", "image/png", check=False
    )
    assert (bad.returncode, "image/png" in bad.stderr, "ModelError" in bad.stderr) == (1, True, True)
    shown = server.pegbox("show", "by-hand").stdout
    assert "InService" in shown
    assert "model.tar.gz" in shown
    assert (
        json.loads(server.pegbox("show", "by-hand", "--json").stdout)["endpoint"]["EndpointStatus"]
        == "InService"
    )
    assert "the model is loaded" in server.pegbox("logs", "by-hand").stdout
    again = server.pegbox("deploy", name, "--name", "by-hand", check=False)
    assert (again.returncode, "already" in again.stderr) == (1, True)
    deleted = json.loads(server.pegbox("delete-endpoint", "by-hand", "--json").stdout)
    assert deleted == {"endpoint": "by-hand", "endpoint_config": "by-hand", "models": ["by-hand"]}
    wait_until(lambda: gone(session, "by-hand"))
    for words in (
        ("show", "by-hand"),
        ("logs", "by-hand"),
        ("delete-endpoint", "by-hand"),
        ("deploy", "nothing"),
    ):
        failed = server.pegbox(*words, check=False)
        assert (failed.returncode, "there is no" in failed.stderr) == (1, True), failed.stderr


def test_what_others_made_is_deleted_only_when_asked(
    tuner: HyperparameterTuner, session: Session, server: Any, wait_until: Callable[..., Any]
) -> None:
    """delete-endpoint leaves the configuration and model of others, unless --all says so and nobody else uses them."""
    client = session.sagemaker_client
    for name in ("one", "two"):
        tuner.deploy(endpoint_name=name, model_name="shared", wait=False)
    assert "stay; --all" in server.pegbox("delete-endpoint", "one").stdout
    assert client.describe_endpoint_config(EndpointConfigName="one")["ProductionVariants"]
    told = json.loads(server.pegbox("delete-endpoint", "two", "--all", "--json").stdout)
    assert told == {"endpoint": "two", "endpoint_config": "two", "models": []}
    wait_until(lambda: gone(session, "one") and gone(session, "two"))
    job = tuner.best_training_job()
    made = json.loads(server.pegbox("deploy", job, "--no-wait", "--json").stdout)
    assert (made["endpoint"], made["training_job"], made["status"]) == (job, job, "Creating")
    wait_until(lambda: session.endpoint_in_service_or_not(job))
    done = subprocess.run(
        [sys.executable, "-m", "pegbox.cli", "invoke", job, "--accept", "text/csv"],
        env=server.environment, input="[[1, 2]]", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout) == pytest.approx(3.0, abs=0.2)
    tuner.deploy(endpoint_name="three", wait=False)
    (variant,) = client.describe_endpoint_config(EndpointConfigName="three")["ProductionVariants"]
    assert variant["ModelName"] == job
    server.pegbox("delete-endpoint", "three", "--all")
    server.pegbox("delete-endpoint", job)
    wait_until(lambda: gone(session, job))


def test_a_job_without_a_model_is_not_deployed(session: Session, server: Any, tmp_path: Path) -> None:
    """Of a job that still runs the command line and the SDK say so, whatever its description promises."""
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    estimator = Estimator(entry_point=str(tmp_path / "slow.py"), sagemaker_session=session)
    estimator.fit(wait=False, job_name="slow")
    told = server.pegbox("deploy", "slow", check=False)
    assert (told.returncode, "slow (InProgress) has no model yet" in told.stderr) == (1, True), told.stderr
    with pytest.raises(ValueError, match="slow has no model yet"):
        estimator.deploy()
    server.pegbox("stop", "slow")


def test_a_file_of_this_machine_is_a_model(session: Session, tmp_path: Path) -> None:
    """A model that was trained elsewhere: its archive and a script are all that is needed."""
    import io
    import tarfile

    body = b"7"
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("number")
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    (tmp_path / "serve.py").write_text(
        textwrap.dedent(
            """
            import os
            def model_fn(folder):
                return int(open(os.path.join(folder, "number")).read())
            def predict_fn(data, model):
                return data * model
            """
        )
    )
    predictor = Model(
        str(tmp_path / "model.tar.gz"), "pegbox-script:1", entry_point=str(tmp_path / "serve.py"),
        predictor_cls=Predictor, sagemaker_session=session,
    ).deploy(endpoint_name="from-a-file", serializer=csv_serializer, deserializer=csv_deserializer)  # fmt: skip
    assert [float(cell) for cell in predictor.predict([[1, 2]])[0]] == [7.0, 14.0]
    predictor.delete_endpoint()


def test_scripts_without_functions_serve_without_training_again(session: Session, tmp_path: Path) -> None:
    """A plain training script is not run by the model server, unless the model needs a class that it defines."""
    plain = """
        import os, joblib
        from sklearn.linear_model import LinearRegression
        print("training", flush=True)
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
    """
    classy = """
        import os, joblib
        class Doubler:
            def predict(self, rows):
                return rows[:, 0] * 2
        if __name__ == "__main__":
            print("training", flush=True)
            joblib.dump(Doubler(), os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
    """
    for name, source in (("plain", plain), ("classy", classy)):
        script = tmp_path / f"{name}.py"
        script.write_text(textwrap.dedent(source))
        estimator = Estimator(entry_point=str(script), sagemaker_session=session)
        estimator.fit(logs=None)
        predictor = estimator.deploy(endpoint_name=name)
        assert predictor.predict([[3.0]]) == pytest.approx([6.0])
        group = f"/aws/sagemaker/Endpoints/{name}"
        (stream,) = session.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
        events = session.client("logs").get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
        assert "training" not in [event["message"] for event in events]
        predictor.delete_endpoint()


def test_requests_that_wait(tuner: HyperparameterTuner, session: Session) -> None:
    """Behind an endpoint with a queue answers are fetched later, and what the model refuses is told."""
    config = AsyncInferenceConfig(max_concurrent_invocations_per_instance=2)
    predictor = tuner.deploy(
        endpoint_name="queued", model_name="queued", async_inference_config=config,
        serializer=csv_serializer, deserializer=json_deserializer,
    )  # fmt: skip
    assert predictor.predict([[1, 2]], waiter_config=WaiterConfig(120, 1)) == pytest.approx([3.0], abs=0.2)
    later = [predictor.predict_async([[row, row]]) for row in range(3)]
    answers = [item.get_result(WaiterConfig(120, 1))[0] for item in later]
    assert answers == pytest.approx([0.0, 2.0, 4.0], abs=0.2)
    with pytest.raises(AsyncInferenceModelError):
        predictor.predict("no, numbers", waiter_config=WaiterConfig(120, 1))
    predictor.delete_endpoint()
    predictor.delete_model()


def test_everything_dies_and_predictions_go_on(
    make_server: Callable[..., Any],
    processes_of: Callable[[Path], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Callable[..., Any],
) -> None:
    """After all processes were killed, as by a power cut, a prediction brings server, gateway and model server back."""
    import contextlib

    import psutil
    from botocore.exceptions import ClientError

    server = make_server()
    monkeypatch.setenv("PEGBOX_HOME", str(server.home))
    script = tmp_path / "ten.py"
    script.write_text(
        "def model_fn(folder):\n    return 10\ndef predict_fn(rows, model):\n    return rows * model\n"
    )
    session = Session()
    predictor = Model(
        None, "pegbox-script:1", entry_point=str(script), predictor_cls=Predictor, sagemaker_session=session
    ).deploy(endpoint_name="ten", serializer=json_serializer, deserializer=json_deserializer)
    assert predictor.predict([1]) == [10]
    for process in processes_of(server.home):
        with contextlib.suppress(psutil.Error):
            process.kill()

    def answer() -> Any:
        with contextlib.suppress(ClientError):
            return predictor.predict([2])

    assert wait_until(answer) == [20]
