"""The served model, the same for every server: scikit-learn, rows of CSV in, labels as CSV out."""

import io
import os

import joblib
import numpy

MODELS = ("logistic", "forest")
BODY = b"5.1,3.5,1.4,0.2\n"


def make_model(kind: str) -> bytes:
    """Return a fitted model as joblib stores it."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    features, labels = load_iris(return_X_y=True)
    model = {
        "logistic": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(50, random_state=1),
    }[kind].fit(features, labels)
    stored = io.BytesIO()
    joblib.dump(model, stored)
    return stored.getvalue()


def model_fn(folder):
    """Load the model."""
    return joblib.load(os.path.join(folder, "model.joblib"))


def input_fn(body, content_type):
    """Read rows of CSV."""
    text = body if isinstance(body, str) else body.decode()
    return numpy.array([[float(item) for item in line.split(",")] for line in text.splitlines()])


def predict_fn(data, model):
    """Predict labels."""
    return model.predict(data)


def output_fn(prediction, accept):
    """Write labels as CSV."""
    return "\n".join(str(label) for label in prediction) + "\n", "text/csv"
