"""Models without a ``model_fn``: found by the one file of a known kind, loaded by its framework, asked to predict."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: What each kind of model is called in messages, with its file names.
KINDS = (
    "scikit-learn (model.joblib, *.joblib, *.pkl, *.pickle), XGBoost (xgboost-model, *.ubj, *.bst, *.json), "
    "LightGBM (*.txt, *.lgb), PyTorch (*.pt, *.pth as TorchScript)"
)
#: Folders of a model archive that hold code, not models.
_CODE_FOLDERS = ("code", "__pycache__")
_HEAD = 4096


class NoModel(Exception):
    """No model can be loaded; the message says what is missing and what to do."""


def _head(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(_HEAD)


def _kind(path: str) -> Callable[[str], Any] | None:
    """Return what loads a file, or None when it is no model."""
    name = os.path.basename(path).lower()
    if name.endswith((".joblib", ".pkl", ".pickle")):
        return load_pickled
    if name == "xgboost-model" or name.endswith((".ubj", ".bst")):
        return load_xgboost
    if name.endswith(".json"):
        return load_xgboost if b'"learner"' in _head(path) else None
    if name.endswith((".txt", ".lgb")):
        return load_lightgbm if _head(path).startswith(b"tree\n") else None
    if name.endswith((".pt", ".pth")):
        return load_torchscript
    return None


def load(model_dir: str, script: str) -> Any:
    """Return the model of a folder that holds exactly one file of a known kind.

    Args:
        model_dir: The folder.
        script: The script that defines no ``model_fn``, or nothing; for messages.

    Raises:
        NoModel: There is none, or there are several.
    """
    found: list[tuple[str, Callable[[str], Any]]] = []
    seen: list[str] = []
    for folder, folders, files in os.walk(model_dir):
        folders[:] = sorted(name for name in folders if name not in _CODE_FOLDERS)
        for name in sorted(files):
            path = os.path.join(folder, name)
            seen.append(os.path.relpath(path, model_dir))
            loader = _kind(path)
            if loader is not None:
                found.append((path, loader))
    if len(found) == 1:
        path, loader = found[0]
        print(f"loading {os.path.relpath(path, model_dir)} without model_fn", flush=True)
        return loader(path)
    who = (
        f"the script {script} defines no model_fn(model_dir)"
        if script
        else "there is no script with model_fn"
    )
    holds = ", ".join(seen[:10]) or "nothing"
    if not found:
        raise NoModel(
            f"{who}, and model.tar.gz holds no model of a known kind (it holds: {holds}). "
            f"Define model_fn, or save one model as {KINDS}"
        )
    names = ", ".join(os.path.relpath(path, model_dir) for path, _ in found)
    raise NoModel(
        f"{who}, and model.tar.gz holds several models ({names}). Define model_fn, or save one only"
    )


def load_pickled(path: str) -> Any:
    """Return what joblib or pickle stored; this process belongs to whoever trained the model."""
    try:
        import joblib  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        import pickle

        with open(path, "rb") as stream:
            return pickle.load(stream)  # noqa: S301 - the model's owner runs this program
    return joblib.load(path)


def load_xgboost(path: str) -> Any:
    """Return an XGBoost booster, from whatever format it was saved in."""
    if _head(path)[:1] == b"\x80":
        return load_pickled(path)
    import xgboost

    booster = xgboost.Booster()
    with open(path, "rb") as stream:
        booster.load_model(bytearray(stream.read()))
    return booster


def load_lightgbm(path: str) -> Any:
    """Return a LightGBM booster."""
    import lightgbm

    return lightgbm.Booster(model_file=path)


def load_torchscript(path: str) -> Any:
    """Return a TorchScript module, ready to predict.

    Raises:
        NoModel: The file holds something else, such as a ``state_dict``.
    """
    import torch  # type: ignore[import-not-found,unused-ignore]

    try:
        module = torch.jit.load(path, map_location="cuda" if torch.cuda.is_available() else "cpu")
    except RuntimeError as error:
        raise NoModel(
            f"{os.path.basename(path)} is no TorchScript module ({str(error)[:120]}); save it with torch.jit.save, "
            "or define model_fn(model_dir) that makes the module and loads its state_dict"
        ) from None
    return module.eval()


def predictor(model: Any) -> Callable[[Any], Any]:
    """Return the default ``predict_fn`` of a loaded model.

    Raises:
        NoModel: The model has neither ``predict`` nor can it be called.
    """
    module = type(model).__module__.partition(".")[0]
    if module == "xgboost" and type(model).__name__ == "Booster":
        return _of_xgboost(model)
    if module == "torch" or hasattr(model, "state_dict"):
        return _of_torch(model)
    if hasattr(model, "predict"):
        if hasattr(model, "feature_names_in_") and (
            hasattr(model, "steps") or hasattr(model, "transformers_")
        ):
            return _of_columns(model)
        return _of_arrays(model)
    if callable(model):
        called: Callable[[Any], Any] = model
        return called
    raise NoModel(
        f"the model is a {type(model).__name__}, which has no predict; define predict_fn(data, model)"
    )


def _of_xgboost(booster: Any) -> Callable[[Any], Any]:
    import xgboost

    names = booster.feature_names

    def predict(data: Any) -> Any:
        if not hasattr(data, "columns"):
            data = _widened(data, booster.num_features())
            return booster.predict(xgboost.DMatrix(data, feature_names=names))
        return booster.predict(xgboost.DMatrix(data))

    return predict


def _of_torch(module: Any) -> Callable[[Any], Any]:
    import torch

    first = next(iter(module.parameters()), None) if hasattr(module, "parameters") else None
    parts = list(module.modules()) if hasattr(module, "modules") else []
    # Whole numbers are measures to most modules, and become floats like these; to one that embeds they are numbers of entries.
    embeds = any(
        getattr(part, "original_name", type(part).__name__).startswith("Embedding") for part in parts
    )
    if hasattr(module, "eval"):
        # Dropout and batch normalisation are for training.
        module.eval()

    def predict(data: Any) -> Any:
        if hasattr(data, "columns") and hasattr(data, "to_numpy"):
            data = data.to_numpy()
        elif hasattr(data, "toarray"):
            data = data.toarray()
        if not isinstance(data, torch.Tensor):
            data = torch.as_tensor(data)
        if first is not None:
            data = data.to(first.device)
            if first.is_floating_point() and (data.is_floating_point() or not embeds):
                data = data.to(first.dtype)
        with torch.no_grad():
            return module(data)

    return predict


def _of_arrays(model: Any) -> Callable[[Any], Any]:
    width = getattr(model, "n_features_in_", None)

    def predict(data: Any) -> Any:
        return model.predict(_widened(data, width) if hasattr(data, "toarray") else data)

    return predict


def _of_columns(model: Any) -> Callable[[Any], Any]:
    """A pipeline that was trained on a table picks columns by name: give plain rows the names that it knows."""
    names = list(model.feature_names_in_)
    try:
        import pandas
    except ImportError:
        return _of_arrays(model)

    def predict(data: Any) -> Any:
        if getattr(data, "ndim", 0) == 2 and not hasattr(data, "columns") and data.shape[1] == len(names):
            data = pandas.DataFrame(data, columns=names)
            data = data.infer_objects()
        elif isinstance(data, list):
            data = pandas.DataFrame(data)
        return model.predict(data)

    return predict


def _widened(data: Any, width: int | None) -> Any:
    """A sparse table ends at the last column that occurs in it: give it the model's."""
    if width and hasattr(data, "resize") and hasattr(data, "toarray") and data.shape[1] < width:
        data.resize((data.shape[0], width))
    return data
