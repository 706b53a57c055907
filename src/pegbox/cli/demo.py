"""``pegbox demo``: a real model is tuned on real data and served, in front of the user's eyes."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MAX_JOBS = 20
PARALLEL = 2


def training_folder() -> Path:
    """Return the folder of the training script: package data of an installed Pegbox, else the checkout's examples."""
    packaged = Path(__file__).parent / "demo_files"
    checkout = Path(__file__).resolve().parents[3] / "examples" / "gradient_boosting"
    return packaged if packaged.exists() else checkout


def make_tuner() -> Any:
    """Return the tuner of the demo: five hyperparameters of all three kinds, one of them logarithmic."""
    from pegbox.sklearn import SKLearn
    from pegbox.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner, IntegerParameter

    return HyperparameterTuner(
        SKLearn(entry_point="train.py", source_dir=str(training_folder()), framework_version="1.2-1"),
        "accuracy",
        {
            "learning-rate": ContinuousParameter(0.01, 0.5, scaling_type="Logarithmic"),
            "n-estimators": IntegerParameter(20, 150),
            "max-depth": IntegerParameter(1, 5),
            "subsample": ContinuousParameter(0.4, 1.0),
            "max-features": CategoricalParameter(["sqrt", "log2", "all"]),
        },
        metric_definitions=[{"Name": "accuracy", "Regex": r"accuracy=([0-9.]+)"}],
        max_jobs=MAX_JOBS,
        max_parallel_jobs=PARALLEL,
        base_tuning_job_name="demo",
    )


def run() -> int:
    """Run the demo; return the exit status."""
    if importlib.util.find_spec("sklearn") is None:
        print(
            "The demo trains a scikit-learn model. Install it with: pip install 'pegbox[demo]'",
            file=sys.stderr,
        )
        return 1
    tuner = make_tuner()
    tuner.fit()
    tuner.wait()
    client = tuner.sagemaker_session.sagemaker_client
    name = tuner.latest_tuning_job.name
    trials = _trials(client, name)
    _print_table(name, trials)
    _print_best(tuner.sagemaker_session, tuner.best_training_job(), trials)
    _serve_best(tuner)
    command = _command()
    print("\nWhat you could type next:")
    print(f"  {command} show {name}")
    print(f"  {command} logs {tuner.best_training_job()}")
    print(f"  {command} deploy {name}   # serve the best model again")
    print(f'  eval "$({command} env)"   # then boto3 and the AWS CLI talk to your own server')
    return 0


def _serve_best(tuner: Any) -> None:
    """Deploy the best model, let it predict the rows that no training job saw, and delete the endpoint."""
    import runpy

    split = runpy.run_path(str(training_folder() / "train.py"))["split"]
    _, features, _, labels = split()
    print("\nDeploying the best model:")
    predictor = tuner.deploy()
    predictions = predictor.predict(features)
    right = int((predictions == labels).sum())
    print(
        f"Of the {len(labels)} rows kept for the test it gets {right} right: accuracy {right / len(labels):.4f}"
    )
    predictor.delete_endpoint()
    predictor.delete_model()
    print("The endpoint is deleted.")


def _command() -> str:
    """Return how this user calls ``pegbox``: by name if it is on the path, else by its place."""
    if shutil.which("pegbox"):
        return "pegbox"
    beside = Path(sys.executable).with_name("pegbox")
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def _trials(client: Any, name: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    rows = [
        row
        for page in pages.paginate(HyperParameterTuningJobName=name)
        for row in page["TrainingJobSummaries"]
    ]
    return sorted(rows, key=lambda row: (-_objective(row), row["TrainingJobName"]))


def _objective(row: Mapping[str, Any]) -> float:
    metric = row.get("FinalHyperParameterTuningJobObjectiveMetric")
    return float(metric["Value"]) if metric else float("-inf")


def _print_table(tuning_job: str, trials: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = list(trials[0]["TunedHyperParameters"]) if trials else []
    table = Table(
        title=f"All training jobs of {tuning_job}, best first", title_justify="left", box=None, pad_edge=False
    )
    for heading in ("training job", "status", "accuracy", *names):
        table.add_column(
            heading, no_wrap=True, justify="left" if heading in ("training job", "status") else "right"
        )
    for row in trials:
        value = _objective(row)
        tuned = [_short(row["TunedHyperParameters"][name]) for name in names]
        shown = f"{value:.4f}" if value > float("-inf") else "-"
        # The tuning job's name stands above; number and mark tell its jobs apart.
        short = "-".join(row["TrainingJobName"].rsplit("-", 2)[-2:])
        table.add_row(short, row["TrainingJobStatus"], shown, *tuned)
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print()
    console.print(table)


def _short(text: str) -> str:
    text = text.strip('"')
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.4g}"
    except ValueError:
        return text


def _print_best(session: Any, best: str, trials: Sequence[Mapping[str, Any]]) -> None:
    row = next(row for row in trials if row["TrainingJobName"] == best)
    address = session.describe_training_job(best)["ModelArtifacts"]["S3ModelArtifacts"]
    print(f"\nBest training job   {best}, accuracy {_objective(row):.4f}")
    print(f"Model               {address}")
    if session.is_local:
        bucket, key = address.removeprefix("s3://").split("/", 1)
        print(f"                    {session.storage.path_of(bucket, key)}")
