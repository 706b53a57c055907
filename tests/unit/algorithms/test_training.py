"""Each algorithm learns real data, logs what the server looks for, and its stored model predicts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import datasets

from pegbox.algorithms import hyperparameters
from pegbox.algorithms.registry import NAMES, module_of
from pegbox.domain.builtin_algorithms import ALGORITHMS
from pegbox.testing.algorithm_runs import Run, csv, hyperparameter_tables, records

Train = Callable[..., Run]


def _shuffled(load: Any) -> tuple[np.ndarray, np.ndarray]:
    features, labels = load(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(features))
    return features[order], labels[order].astype(float)


CANCER, IS_BENIGN = _shuffled(datasets.load_breast_cancer)
WINE, KIND = _shuffled(datasets.load_wine)
SCALED_WINE = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
DIABETES, PROGRESS = _shuffled(datasets.load_diabetes)


def test_the_server_knows_what_the_programs_know() -> None:
    """Names of algorithms and of hyperparameters are the same on both sides of the process boundary."""
    assert set(NAMES) == set(ALGORITHMS)
    for name in NAMES:
        specs = (*module_of(name).HYPERPARAMETERS, *hyperparameters.SHARED)
        known = {spec.name for spec in specs}
        assert ALGORITHMS[name].hyperparameters == known, name


def test_kmeans(run: Train) -> None:
    """More clusters, less distance; the model assigns rows to the nearest centre."""
    data = {"train": records(SCALED_WINE[:120]), "test": records(SCALED_WINE[120:])}
    done = [
        run("kmeans", {"k": k, "feature_dim": 13, "epochs": 3, "eval_metrics": '["msd","ssd"]', **more}, data)
        for k, more in ((2, {}), (3, {"init_method": "kmeans++"}), (8, {"half_life_time_size": 100}))
    ]
    msd = [one.metric("test:msd")[-1] for one in done]
    assert msd == sorted(msd, reverse=True)
    assert done[1].metric("test:ssd")[-1] == pytest.approx(58 * msd[1])
    found = done[1].predict(SCALED_WINE)
    # Three kinds of wine are three clusters.
    shares = [np.bincount(KIND[found["closest_cluster"] == item].astype(int)).max() for item in range(3)]
    assert sum(shares) / len(KIND) > 0.9
    assert float((found["distance_to_cluster"][120:] ** 2).mean()) == pytest.approx(msd[1], rel=1e-4)


def test_pca(run: Train) -> None:
    """Both modes find the directions of most variance; strongest last, as in AWS's models."""
    data = {"train": csv(SCALED_WINE), "test": csv(SCALED_WINE)}
    settings = {"feature_dim": 13, "num_components": 4, "mini_batch_size": 100}
    regular = run("pca", settings, data)
    randomized = run("pca", {**settings, "algorithm_mode": "randomized", "extra_components": 5}, data)
    exact = np.linalg.svd(SCALED_WINE, compute_uv=False)
    for one in (regular, randomized):
        assert one.metric("train:explained_variance_ratio")[-1] == pytest.approx(
            (exact[:4] ** 2).sum() / (exact**2).sum(), rel=1e-3
        )
        spread = one.predict(SCALED_WINE)["projection"].std(axis=0) * np.sqrt(len(WINE))
        np.testing.assert_allclose(spread, exact[3::-1], rtol=1e-2)
    assert regular.metric("test:reconstruction_error")[-1] == pytest.approx(
        (exact[4:] ** 2).sum() / WINE.size, rel=1e-4
    )
    bad = run("pca", {**settings, "num_components": 14}, data)
    assert (bad.code, bad.failure[:40]) == (2, "ClientError: num_components=14 is more t")


def test_linear_learner_tells_two_classes(run: Train) -> None:
    """Good scores on held-out rows; the stored model predicts what was scored; the criterion moves the threshold."""
    data = {
        "train": records(CANCER[:400], IS_BENIGN[:400]),
        "validation": records(CANCER[400:], IS_BENIGN[400:]),
    }
    plain = run("linear-learner", {"predictor_type": "binary_classifier", "mini_batch_size": 50}, data)
    assert plain.metric("validation:binary_classification_accuracy")[-1] > 0.95
    assert plain.metric("validation:roc_auc_score")[-1] > 0.98
    assert len(plain.metric("validation:objective_loss")) > 2
    found = plain.predict(CANCER[400:])
    accuracy = float((found["predicted_label"] == IS_BENIGN[400:]).mean())
    assert accuracy == pytest.approx(plain.metric("validation:binary_classification_accuracy")[-1])
    careful = run(
        "linear-learner",
        {
            "predictor_type": "binary_classifier",
            "binary_classifier_model_selection_criteria": "recall_at_target_precision",
            "target_precision": 1.0,
            "loss": "hinge_loss",
            "positive_example_weight_mult": "balanced",
        },
        data,
    )
    assert careful.metric("validation:precision")[-1] == 1.0


def test_linear_learner_tells_many_classes_and_numbers(run: Train) -> None:
    """Softmax and the losses of regression."""
    many = {"train": csv(WINE[:120], KIND[:120]), "test": csv(WINE[120:], KIND[120:])}
    settings = {"predictor_type": "multiclass_classifier", "num_classes": 3, "mini_batch_size": 20}
    wine = run("linear-learner", {**settings, "balance_multiclass_weights": "true"}, many)
    for name in ("multiclass_accuracy", "macro_f_beta", "dcg", "multiclass_top_k_accuracy"):
        assert wine.metric(f"test:{name}")[-1] > 0.9
    numbers = {"train": csv(DIABETES[:300], PROGRESS[:300]), "test": csv(DIABETES[300:], PROGRESS[300:])}
    for loss in (
        "squared_loss",
        "absolute_loss",
        "huber_loss",
        "eps_insensitive_squared_loss",
        "quantile_loss",
    ):
        one = run(
            "linear-learner", {"predictor_type": "regressor", "loss": loss, "mini_batch_size": 50}, numbers
        )
        assert one.metric("test:rmse")[-1] < 0.85 * PROGRESS[300:].std()
        error = one.predict(DIABETES[300:])["score"] - PROGRESS[300:]
        assert float((error**2).mean()) == pytest.approx(one.metric("test:mse")[-1])


def test_linear_learner_regularizes(run: Train) -> None:
    """A strong l1 makes weights exactly zero, a strong wd makes them small; SGD and RMSProp learn as well."""
    data = {"train": csv(DIABETES, PROGRESS)}
    base = {"predictor_type": "regressor", "mini_batch_size": 50, "num_models": 1, "learning_rate": 0.02}
    weights = {
        name: module_of("linear-learner").load_model(
            str(run("linear-learner", {**base, **more}, data).base / "model")
        )[0]["weights"]
        for name, more in {
            "plain": {"wd": 0, "l1": 0},
            "l1": {"wd": 0, "l1": 0.5},
            "wd": {"wd": 10, "l1": 0},
            "sgd": {"optimizer": "sgd", "momentum": 0.5},
            "rmsprop": {"optimizer": "rmsprop"},
        }.items()
    }
    assert (weights["plain"] != 0).all()
    assert (weights["l1"] == 0).sum() >= 3
    assert np.linalg.norm(weights["wd"]) < 0.5 * np.linalg.norm(weights["plain"])
    for name in ("sgd", "rmsprop"):
        assert np.corrcoef(weights[name][:, 0], weights["plain"][:, 0])[0, 1] > 0.7


@pytest.mark.parametrize("form", ["csv", "libsvm", "records"])
def test_xgboost_takes_all_forms(run: Train, form: str) -> None:
    """The same model from CSV, libsvm and records; the tuned metric is evaluated though eval_metric names another."""

    def libsvm(features: np.ndarray, labels: np.ndarray) -> bytes:
        lines = (
            f"{label:g} " + " ".join(f"{place}:{value:.9g}" for place, value in enumerate(row))
            for row, label in zip(features, labels, strict=True)
        )
        return "\n".join(lines).encode()

    pack = {"csv": csv, "libsvm": libsvm, "records": records}[form]
    settings = {
        "num_round": 8, "objective": "binary:logistic", "eval_metric": "logloss,auc", "max_depth": 3,
        "_tuning_objective_metric": "validation:f1", "nthread": 1,
    }  # fmt: skip
    data = {"train": pack(CANCER[:400], IS_BENIGN[:400]), "validation": pack(CANCER[400:], IS_BENIGN[400:])}
    done = run("xgboost", settings, data)
    assert done.code == 0, done.log
    for name in ("validation:f1", "validation:auc", "train:logloss"):
        assert len(done.metric(name)) == 8
    assert done.metric("validation:auc")[-1] > 0.97
    assert float(((done.predict(CANCER[400:])["score"] > 0.5) == IS_BENIGN[400:]).mean()) > 0.9


def test_xgboost_stops_early_and_tells_what_it_cannot_do(run: Train) -> None:
    """early_stopping_rounds goes by the last metric; bad settings are the customer's, in the library's words."""
    data = {"train": csv(DIABETES[:300], PROGRESS[:300]), "validation": csv(DIABETES[300:], PROGRESS[300:])}
    done = run(
        "xgboost",
        {"num_round": 300, "early_stopping_rounds": 3, "eta": 0.5, "eval_metric": "rmse", "nthread": 1},
        data,
    )
    assert 4 < len(done.metric("validation:rmse")) < 100
    for more, words in (
        ({"objective": "reg:nothing"}, "XGBoost refused: Unknown objective function: `reg:nothing`"),
        ({"_tuning_objective_metric": "test:rmse"}, "needs channel 'test'"),
        ({"depth": 3, "eta": 7}, "hyperparameter 'depth' is not known"),
    ):
        bad = run("xgboost", {"num_round": 1, **more}, data)
        assert bad.code == 2
        assert bad.failure.startswith("ClientError: ")
        assert words in bad.failure
    assert "eta='7' is not accepted; give a number in [0, 1]" in bad.failure


def test_lightgbm(run: Train) -> None:
    """Two classes, many classes and numbers, each found by itself or by num_class."""
    base = {"num_boost_round": 15, "num_threads": 1, "min_data_in_leaf": 5}
    two = {"train": csv(CANCER[:400], IS_BENIGN[:400]), "validation": csv(CANCER[400:], IS_BENIGN[400:])}
    done = run("lightgbm", {**base, "_tuning_objective_metric": "auc", "metric": "binary_logloss"}, two)
    assert done.metric("auc")[-1] > 0.97
    assert len(done.metric("binary_logloss")) == len(done.metric("auc"))
    assert float(((done.predict(CANCER[400:])["score"] > 0.5) == IS_BENIGN[400:]).mean()) > 0.9
    many = run("lightgbm", {**base, "num_class": 3}, {"train": csv(WINE, KIND)})
    assert many.metric("multi_logloss")[-1] < 0.3
    assert float((many.predict(WINE)["predicted_label"] == KIND).mean()) > 0.95
    numbers = run("lightgbm", base, {"train": csv(DIABETES, PROGRESS)})
    assert numbers.metric("l2")[-1] < numbers.metric("l2")[0]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"index_metric": "COSINE"},
        {"dimension_reduction_type": "sign", "dimension_reduction_target": 9},
        {"dimension_reduction_type": "fjlt", "dimension_reduction_target": 9, "index_type": "faiss.IVFPQ"},
    ],
)
def test_knn(run: Train, more: dict[str, Any]) -> None:
    """Neighbours vote, in the space as it is or in a smaller one; an approximate index is told to be exact here."""
    data = {"train": csv(SCALED_WINE[:120], KIND[:120]), "test": csv(SCALED_WINE[120:], KIND[120:])}
    settings = {"k": 5, "predictor_type": "classifier", "sample_size": 200, "feature_dim": 13}
    done = run("knn", {**settings, **more}, data)
    # Fewer dimensions cost a few neighbours.
    assert done.metric("test:accuracy")[-1] > (0.75 if "dimension_reduction_type" in more else 0.9)
    assert ("no effect here" in done.log) == ("index_type" in more)
    found = done.predict(SCALED_WINE[120:])
    assert float((found["predicted_label"] == KIND[120:]).mean()) == pytest.approx(
        done.metric("test:accuracy")[-1]
    )
    assert found["distances"].shape == (58, 5)


def test_knn_of_numbers(run: Train) -> None:
    """The mean of the neighbours' labels."""
    data = {"train": csv(DIABETES[:300], PROGRESS[:300]), "test": csv(DIABETES[300:], PROGRESS[300:])}
    done = run("knn", {"k": 15, "predictor_type": "regressor", "sample_size": 300, "feature_dim": 10}, data)
    assert done.metric("test:mse")[-1] < PROGRESS[300:].var()


def test_random_cut_forest(run: Train) -> None:
    """Rows far from the others score high, and are the ones that are called unusual."""
    rows = np.random.RandomState(0).normal(size=(400, 3))
    labels = np.zeros(400)
    rows[:8] += 8.0
    labels[:8] = 1.0
    types = {"train": "text/csv;label_size=0", "test": "text/csv;label_size=1"}
    settings = {"feature_dim": 3, "num_trees": 50, "num_samples_per_tree": 64}
    done = run("randomcutforest", settings, {"train": csv(rows), "test": csv(rows, labels)}, types)
    assert done.metric("test:f1")[-1] > 0.9
    score = done.predict(rows)["score"]
    assert score[:8].min() > score[8:].max()
    alike = run("randomcutforest", settings, {"train": csv(np.ones((50, 3)))}, types)
    assert alike.code == 0
    assert np.isfinite(alike.predict(np.zeros((2, 3)))["score"]).all()


def test_factorization_machines(run: Train) -> None:
    """Interactions of sparse features are learned: who likes what, which no linear model can tell."""
    random = np.random.RandomState(0)
    users, items = random.randint(0, 20, 2000), random.randint(0, 30, 2000)
    rows = np.zeros((2000, 50), dtype="float32")
    rows[np.arange(2000), users] = rows[np.arange(2000), 20 + items] = 1.0
    liking = (random.normal(size=(20, 2))[users] * random.normal(size=(30, 2))[items]).sum(axis=1)
    settings = {
        "feature_dim": 50, "num_factors": 4, "epochs": 12, "mini_batch_size": 100, "factors_lr": 0.05, "linear_lr": 0.01,
        "factors_init_sigma": 0.3,
    }  # fmt: skip
    for kind, target in (("regressor", liking), ("binary_classifier", (liking > 0).astype(float))):
        sparse, target = csr_array(rows), target.astype("float32")
        data = {"train": records(sparse[:1600], target[:1600]), "test": records(sparse[1600:], target[1600:])}
        done = run("factorization-machines", {**settings, "predictor_type": kind}, data)
        if kind == "regressor":
            assert done.metric("test:rmse")[-1] < 0.3 * target.std()
            error = done.predict(sparse[1600:])["score"] - target[1600:]
            assert float(np.sqrt((error**2).mean())) == pytest.approx(done.metric("test:rmse")[-1], rel=1e-3)
        else:
            assert done.metric("test:binary_classification_accuracy")[-1] > 0.9
            assert len(done.metric("train:binary_classification_cross_entropy")) == 12


def test_lda(run: Train) -> None:
    """Topics that made the documents are found, nearly as likely as the truth."""
    random = np.random.RandomState(0)
    topics = np.zeros((4, 25))
    for index in range(4):
        topics[index, index * 5 : index * 5 + 8] = 1 / 8
    mixtures = random.dirichlet([0.25] * 4, 500)
    counts = np.array([random.multinomial(60, chances) for chances in mixtures @ topics]).astype(float)
    settings = {"feature_dim": 25, "num_topics": 4, "mini_batch_size": 100}
    done = run("lda", settings, {"train": csv(counts[:400]), "test": records(counts[400:])})
    truth = np.log(np.maximum((mixtures @ topics)[400:], 1e-300))
    assert done.metric("test:pwll")[-1] > float((counts[400:] * truth).sum() / counts[400:].sum()) - 0.05
    found = done.predict(counts[400:])["topic_mixture"]
    agreement = np.corrcoef(found.T, mixtures[400:].T)[:4, 4:]
    assert (agreement.max(axis=1) > 0.9).all()


def test_problems_are_told_all_at_once(run: Train) -> None:
    """Unknown, missing and unacceptable hyperparameters in one message; then channels."""
    data = {"train": csv(WINE, KIND)}
    bad = run("knn", {"k": 0, "predictor_type": "oracle", "sise": 3}, data)
    for words in (
        "k='0' is not accepted; give an integer in [1, 1024]",
        "predictor_type='oracle' is not accepted; give one of classifier, regressor",
        "'sise' is not known",
        "feature_dim is missing",
        "sample_size is missing",
    ):
        assert words in bad.failure
    good = {"k": 1, "predictor_type": "classifier", "sample_size": 10, "feature_dim": 13}
    assert "channel 'training' is not known" in run("knn", good, {"training": b"1"}).failure
    assert "channel 'train' is missing (there is test)" in run("knn", good, {"test": b"1"}).failure
    assert (
        "13 features, but feature_dim is 7"
        in run("knn", {**good, "feature_dim": 7}, data, {"train": "text/csv;label_size=1"}).failure
    )
    assert (
        "has no labels" in run("knn", good, {"train": csv(WINE)}, {"train": "text/csv;label_size=0"}).failure
    )


def test_a_model_is_loaded_without_running_anything(run: Train) -> None:
    """Models are numbers and JSON; another algorithm's model is refused."""
    done = run("pca", {"feature_dim": 13, "num_components": 2, "mini_batch_size": 9}, {"train": csv(WINE)})
    assert sorted(path.name for path in (done.base / "model").iterdir()) == ["model.json", "model.npz"]
    with pytest.raises(Exception, match="holds a model of 'pca'"):
        module_of("kmeans").load_model(str(done.base / "model"))


def test_usage(run: Train) -> None:
    """A name that is none is answered with the names that are."""
    assert run("nothing", {}, {}).code == 2


def test_the_documentation_lists_what_the_programs_take() -> None:
    """The tables of docs/algorithms.md are those of the programs."""
    page = Path(__file__).parents[3] / "docs" / "algorithms.md"
    assert page.read_text().endswith("compares it. -->\n\n" + hyperparameter_tables())


@pytest.mark.parametrize("name", NAMES)
def test_each_program_reads_the_channels_that_the_server_lets_through(run: Train, name: str) -> None:
    """No more and no fewer."""
    needed = {
        spec.name: spec.choices[0] if spec.choices else "3"
        for spec in module_of(name).HYPERPARAMETERS
        if spec.default is hyperparameters.REQUIRED
    }
    bad = run(name, needed, {"other": b"1"})
    assert bad.failure.endswith(f"it reads {', '.join(ALGORITHMS[name].channels)}")


def test_xgboost_measures_classes_whatever_the_objective_predicts(run: Train) -> None:
    """Labels, probabilities and raw scores give the same kind of accuracy; early stopping goes by the tuned metric."""
    three = {"train": csv(WINE[:120], KIND[:120]), "validation": csv(WINE[120:], KIND[120:])}
    two = {"train": csv(CANCER[:400], IS_BENIGN[:400]), "validation": csv(CANCER[400:], IS_BENIGN[400:])}
    common = {"num_round": 20, "nthread": 1, "early_stopping_rounds": 3, "eval_metric": "f1,accuracy"}
    for objective, more, data in (
        ("multi:softmax", {"num_class": 3, "_tuning_objective_metric": "validation:merror"}, three),
        ("multi:softprob", {"num_class": 3, "_tuning_objective_metric": "validation:accuracy"}, three),
        ("binary:logitraw", {"_tuning_objective_metric": "validation:error"}, two),
    ):
        done = run("xgboost", {**common, "objective": objective, **more}, data)
        assert done.code == 0, done.log
        assert done.metric("validation:accuracy")[-1] > 0.9
        assert done.metric("validation:f1")[-1] > 0.9
        assert len(done.metric("validation:accuracy")) < 20


def test_lda_of_documents_that_are_alike(run: Train) -> None:
    """More topics than there are do no harm: words are as likely as they are frequent."""
    done = run(
        "lda", {"feature_dim": 4, "num_topics": 3, "mini_batch_size": 1}, {"train": csv(np.ones((60, 4)))}
    )
    assert "fewer than 3 topics" in done.log
    assert done.metric("train:pwll")[-1] == pytest.approx(np.log(1 / 4), abs=0.01)


def test_linear_learner_of_one_class_and_of_steps_far_too_long(run: Train) -> None:
    """Nobody is called positive where nobody is; what explodes ends with a bad score, not with a crash."""
    rows = np.random.RandomState(0).normal(size=(60, 4))
    zeros = csv(rows, np.zeros(60))
    alone = run("linear-learner", {"predictor_type": "binary_classifier"}, {"train": zeros, "test": zeros})
    assert alone.metric("test:binary_classification_accuracy")[-1] == 1.0
    settings = {
        "predictor_type": "regressor",
        "learning_rate": 1e12,
        "optimizer": "sgd",
        "use_lr_scheduler": "false",
    }
    data = csv(rows, rows[:, 0])
    far = run("linear-learner", settings, {"train": data, "test": data})
    assert far.code == 0
    assert far.metric("test:rmse")[-1] > 1e3
