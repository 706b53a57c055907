"""Models of the frameworks without a script, and of the built-in algorithms, served as they are."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from pegbox.algorithms import recordio, registry, stored
from pegbox.serving import models
from pegbox.testing.model_servers import RunningServer, ask

RNG = np.random.default_rng(5)
FEATURES = RNG.normal(size=(60, 3))
LABELS = (FEATURES[:, 0] > 0).astype(int)
ROWS = FEATURES[:4]
CSV = "\n".join(",".join(map(str, row)) for row in ROWS.tolist()).encode()


@pytest.fixture
def serve(folder: Path) -> Iterator[Any]:
    """Starts one model server."""
    servers: list[RunningServer] = []

    def start(files: dict[str, Any], *words: str) -> str:
        servers.append(RunningServer(folder / str(len(servers)), files, words=words))
        return servers[-1].path

    yield start
    for server in servers:
        server.close()


def _bytes(model: Any) -> bytes:
    stream = io.BytesIO()
    joblib.dump(model, stream)
    return stream.getvalue()


def test_scikit_learn_in_every_format(serve: Any) -> None:
    """One joblib file is enough; every documented input type gives the same predictions, in every output type."""
    import pandas
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(FEATURES, LABELS)
    expected = model.predict(ROWS).tolist()
    path = serve({"model/model.joblib": _bytes(model)})
    npy, npz, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, ROWS)
    np.savez(npz, ROWS)
    pandas.DataFrame(ROWS, columns=["a", "b", "c"]).to_parquet(parquet)
    lines = "\n".join(json.dumps(row) for row in ROWS.tolist()).encode()
    libsvm = "\n".join(" ".join(f"{i}:{value}" for i, value in enumerate(row)) for row in ROWS).encode()
    bodies = {
        "text/csv": CSV,
        "text/csv; charset=utf-8": CSV,
        "application/json": json.dumps(ROWS.tolist()).encode(),
        "application/x-npy": npy.getvalue(),
        "application/x-npz": npz.getvalue(),
        "application/jsonlines": lines,
        "text/libsvm": libsvm,
        "text/x-libsvm": b"\n".join(b"0 " + line for line in libsvm.split(b"\n")),
    }
    for content_type, body in bodies.items():
        assert ask(path, body, content_type)[:2] == (200, json.dumps(expected).encode()), content_type
    with pytest.warns(UserWarning, match="feature names"):
        assert model.predict(pandas.DataFrame(ROWS, columns=["a", "b", "c"])).tolist() == expected
    assert json.loads(ask(path, parquet.getvalue(), "application/x-parquet")[1]) == expected
    assert json.loads(ask(path, b'{"instances": [[1, 2, 3]]}', "application/json")[1]) == [1]
    assert ask(path, CSV, "text/csv", "text/csv")[1] == "".join(f"{one}\n" for one in expected).encode()
    assert np.load(io.BytesIO(ask(path, CSV, "text/csv", "application/x-npy")[1])).tolist() == expected
    assert ask(path, CSV, "text/csv", "application/jsonlines")[1].split() == [
        str(one).encode() for one in expected
    ]
    assert ask(path, CSV, "text/csv", "image/png, text/csv;q=0.5")[2] == "text/csv"
    for body, content_type in ((b"<x/>", "text/xml"), (b"{", "application/json"), (b"1,2", "text/csv")):
        assert ask(path, body, content_type)[0] == 500


def test_a_pipeline_that_picks_columns_by_name(serve: Any) -> None:
    """Rows without names get those that the pipeline was trained with; words stay words."""
    import pandas
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    table = pandas.DataFrame({"colour": ["red", "blue"] * 30, "size": FEATURES[:, 1]})
    wanted = (table["colour"] == "red").astype(int)
    columns = make_column_transformer((OneHotEncoder(), ["colour"]), remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression()).fit(table, wanted)
    path = serve({"model/pipeline.pkl": _bytes(model)})
    assert json.loads(ask(path, b"red,0.1\nblue,0.2\n")[1]) == [1, 0]


def test_boosters(serve: Any, tmp_path: Path) -> None:
    """XGBoost and LightGBM boosters are found by their files, in each format that they are saved in."""
    import lightgbm
    import xgboost

    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FEATURES, LABELS), 3)
    expected = booster.predict(xgboost.DMatrix(ROWS))
    for name in ("m.json", "m.ubj"):
        booster.save_model(tmp_path / name)
    trees = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(FEATURES, LABELS), 3)
    trees.save_model(tmp_path / "model.txt")
    names = {
        "xgboost-model": "m.json",
        "model.ubj": "m.ubj",
        "model.json": "m.json",
        "model.txt": "model.txt",
    }
    for name, source in names.items():
        path = serve(
            {f"model/{name}": (tmp_path / source).read_bytes(), "model/notes.md": b"", "model/c.json": b"{}"}
        )
        wanted = trees.predict(ROWS) if name == "model.txt" else expected
        assert np.allclose(json.loads(ask(path, CSV)[1]), wanted), name


def test_several_models_need_a_model_fn(folder: Path) -> None:
    """Two models of known kinds are not guessed between."""
    server = RunningServer(folder / "s", {"model/a.pkl": b"1", "model/b.joblib": b"2"}, ready=False)
    assert server.process.wait() == 1
    assert "several models (a.pkl, b.joblib)" in server.log()


def test_modules_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module predicts in eval mode and without gradients, from tables of every kind; whole numbers stay such for embeddings."""
    torch = _StandInForTorch("torch")
    monkeypatch.setitem(sys.modules, "torch", torch)
    module = _Module()
    predict = models.predictor(module)
    assert not module.training
    for table in ([[1, 2]], np.array([[1, 2]]), csr_matrix([[1, 2]]), pd.DataFrame({"a": [1], "b": [2]})):
        tensor = predict(table)
        assert (tensor.array.tolist(), tensor.array.dtype, tensor.gradients) == ([[1, 2]], np.float32, False)
    embedding = type("EmbeddingBag", (_Module,), {})()
    predict = models.predictor(type("Sentences", (_Module,), {"modules": lambda self: [self, embedding]})())
    assert predict([[1, 2]]).array.dtype == np.int64
    assert predict([[1.5]]).array.dtype == np.float32


class _Tensor:
    """As much of a tensor as the model server uses."""

    device = "cpu"

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)
        self.dtype = self.array.dtype
        self.gradients = True

    def to(self, target: Any) -> _Tensor:
        return self if target == self.device else _Tensor(self.array.astype(target))

    def is_floating_point(self) -> bool:
        return self.array.dtype.kind == "f"


class _StandInForTorch(types.ModuleType):
    """PyTorch is no package of the tests; this keeps to its ways."""

    Tensor = _Tensor
    as_tensor = staticmethod(_Tensor)
    gradients = True

    @contextlib.contextmanager
    def no_grad(self) -> Iterator[None]:
        self.gradients = False
        yield
        self.gradients = True


class _Module:
    """A module as one has it after training."""

    training = True

    def eval(self) -> None:
        self.training = False

    def parameters(self) -> list[_Tensor]:
        return [_Tensor(np.float32([0.5]))]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def modules(self) -> list[_Module]:
        return [self]

    def __call__(self, tensor: _Tensor) -> _Tensor:
        tensor.gradients = sys.modules["torch"].gradients
        return tensor


def test_classes_of_a_training_script(serve: Any, tmp_path: Path) -> None:
    """A model that a script pickled as ``__main__`` finds its classes in the script."""
    import subprocess
    import sys

    script = (
        "class Mean:\n    def predict(self, rows):\n        return [sum(row) for row in rows]\n"
        "def model_fn(d):\n    import pickle\n    return pickle.load(open(d + '/m.pkl', 'rb'))\n"
        "if __name__ == '__main__':\n    import pickle\n    pickle.dump(Mean(), open('m.pkl', 'wb'))\n"
    )
    (tmp_path / "train.py").write_text(script)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True)
    path = serve({"code/inference.py": script, "model/m.pkl": (tmp_path / "m.pkl").read_bytes()})
    assert json.loads(ask(path, b"1,2\n3,4")[1]) == [3.0, 7.0]


def test_a_built_in_algorithm(serve: Any, folder: Path) -> None:
    """KMeans answers JSON, JSON lines, CSV and recordIO-protobuf in the forms that AWS documents, and takes each of them."""
    stored.save(str(folder), "kmeans", {"centroids": np.array([[0.0, 0.0], [3.0, 4.0]])}, {})
    files = {f"model/{name}": (folder / name).read_bytes() for name in ("model.npz", "model.json")}
    path = serve(files, "--algorithm", "kmeans")
    expected = {"closest_cluster": 1, "distance_to_cluster": 0.0}
    status, body, kind = ask(path, b"3,4\n0,1\n")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["predictions"] == [expected, {"closest_cluster": 0, "distance_to_cluster": 1.0}]
    for row in (
        {"features": [3, 4]},
        {"data": {"features": {"values": [3, 4]}}},
        {"data": {"features": {"keys": [0, 1], "shape": [2], "values": [3, 4]}}},
    ):
        answer = ask(path, json.dumps({"instances": [row]}).encode(), "application/json")
        assert json.loads(answer[1])["predictions"] == [expected], row
        answer = ask(path, json.dumps(row).encode(), "application/jsonlines", "application/jsonlines")
        assert json.loads(answer[1]) == expected
    protobuf = "application/x-recordio-protobuf"
    record = ask(path, b"3,4", "text/csv", protobuf)[1]
    (frame,) = recordio.frames(record, "answer")
    found = recordio.parse(frame, "answer", 0)
    assert {name: tensor.values.tolist() for name, tensor in found.label.items()} == {
        "closest_cluster": [1.0],
        "distance_to_cluster": [0.0],
    }
    sparse = json.dumps({"data": {"features": {"keys": [0], "values": [3]}}}).encode()
    for body, content_type in ((b"1 0:3\n", "text/libsvm"), (sparse, "application/jsonlines")):
        answer = ask(path, body, content_type, "image/png, text/csv;q=0.1, application/json;q=0.5")
        assert answer[2] == "application/json"
        assert json.loads(answer[1])["predictions"] == [{"closest_cluster": 0, "distance_to_cluster": 3.0}]
    for body, content_type, words in (
        (b"1,2,3", "text/csv", b"the rows have 3 features, and the model was trained with 2"),
        (b"1 2:1", "text/libsvm", b"the rows have 3 features, and the model was trained with 2"),
        (b'{"instances": []}', "application/json", b"the body has no rows"),
        (b"{}", "application/json", b'it is not {"instances": '),
    ):
        status, told, _ = ask(path, body, content_type)
        assert (status, words in told) == (400, True), told
    assert ask(path, b"<x/>", "text/xml")[0] == 415
    assert ask(path, b"3,4", "text/csv", "image/png")[0] == 406
    for body, content_type in (
        (b"a,b", "text/csv"),
        (b"{}", "application/json"),
        (b"xx", protobuf),
        (b"1", "text/csv"),
    ):
        assert ask(path, body, content_type)[0] == 400, body


def test_gradient_boosting_as_algorithms(serve: Any, tmp_path: Path) -> None:
    """XGBoost answers numbers with commas, LightGBM probabilities, as their containers do."""
    import lightgbm
    import xgboost

    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FEATURES, LABELS), 3)
    booster.save_model(tmp_path / "m.json")
    path = serve({"model/xgboost-model": (tmp_path / "m.json").read_bytes()}, "--algorithm", "xgboost")
    status, body, kind = ask(path, CSV)
    assert (status, kind) == (200, "text/csv")
    assert np.allclose([float(cell) for cell in body.split(b",")], booster.predict(xgboost.DMatrix(ROWS)))
    assert set(json.loads(ask(path, CSV, "text/csv", "application/json")[1])["predictions"][0]) == {"score"}
    trees = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(FEATURES, LABELS), 3)
    from pegbox.algorithms import lightgbm_trees

    trees.save_model(tmp_path / lightgbm_trees._MODEL)
    path = serve(
        {f"model/{lightgbm_trees._MODEL}": (tmp_path / lightgbm_trees._MODEL).read_bytes()},
        "--algorithm",
        "lightgbm",
    )
    found = json.loads(ask(path, CSV)[1])["probabilities"]
    assert np.allclose([row[1] for row in found], trees.predict(ROWS))
    assert "predicted_label" in json.loads(ask(path, CSV, "text/csv", "application/json;verbose")[1])


def test_every_algorithm_can_be_served() -> None:
    """The registry's algorithms all have ``load_model`` and ``predict``, which is what serving needs."""
    for name in registry.NAMES:
        module = registry.module_of(name)
        assert callable(module.load_model)
        assert callable(module.predict)
    assert set(registry._WIDTHS) == set(registry.NAMES)
