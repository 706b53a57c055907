"""Trains a gradient-boosting classifier on the breast-cancer data of scikit-learn; reports cross-validated accuracy.

An ordinary script-mode training program: hyperparameters arrive as arguments, the model goes to SM_MODEL_DIR, and the metric
is one line of output. It runs alone, too: ``python train.py --learning-rate 0.1``. At an endpoint the same file serves the model:
it is imported there, which trains nothing, and ``model_fn`` loads the model.
"""

import argparse
import os

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split


def split():
    """Return training features, test features, training labels, test labels; a quarter of the rows is for the test."""
    features, labels = load_breast_cancer(return_X_y=True)
    return train_test_split(features, labels, test_size=0.25, random_state=0, stratify=labels)


def train(arguments):
    """Report the accuracy on the training rows, and store a model of all of them."""
    features, _, labels, _ = split()
    model = GradientBoostingClassifier(
        learning_rate=arguments.learning_rate,
        n_estimators=arguments.n_estimators,
        max_depth=arguments.max_depth,
        subsample=arguments.subsample,
        max_features=None if arguments.max_features == "all" else arguments.max_features,
        random_state=0,
    )
    folds = StratifiedKFold(arguments.folds, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, features, labels, cv=folds).mean()
    print(f"accuracy={accuracy:.6f}", flush=True)

    model.fit(features, labels)
    joblib.dump(model, os.path.join(os.environ.get("SM_MODEL_DIR", "."), "model.joblib"))


def model_fn(folder):
    """Return the model that an endpoint serves."""
    return joblib.load(os.path.join(folder, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--n-estimators", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=3)
    parser.add_argument("--subsample", type=float, default=1.0)
    parser.add_argument("--max-features", default="all", choices=["sqrt", "log2", "all"])
    parser.add_argument("--folds", type=int, default=4)
    train(parser.parse_args())
