"""Figures of a tuning job. plotly is loaded when a figure is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegbox._sdk.extras import need
from pegbox.analytics import HyperparameterTuningJobAnalytics

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["best_so_far", "parallel_coordinates"]


def best_so_far(job: Any, sagemaker_session: Any = None) -> go.Figure:
    """Return a figure of every training job's objective and of the best so far, in order of their ends.

    Args:
        job: Name of a tuning job, a tuner, or its analytics.
        sagemaker_session: The session for a name; a new one by default.
    """
    graph = need("plotly.graph_objects", "figures")
    analytics = _analytics(job, sagemaker_session)
    metric, direction = _objective(analytics)
    done = sorted(_with_objective(analytics), key=lambda item: item["TrainingEndTime"])
    values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in done]
    numbers = list(range(1, len(values) + 1))
    best: list[float] = []
    for value in values:
        better = max if direction == "Maximize" else min
        best.append(better(value, best[-1]) if best else value)
    figure: Any = graph.Figure(
        layout={"title": analytics.name, "xaxis_title": "training job", "yaxis_title": metric}
    )
    for definition in sorted({item.get("TrainingJobDefinitionName", "") for item in done}):
        own = [
            place
            for place, item in enumerate(done)
            if item.get("TrainingJobDefinitionName", "") == definition
        ]
        figure.add_scatter(
            x=[numbers[place] for place in own],
            y=[values[place] for place in own],
            mode="markers",
            name=definition or "training jobs",
            text=[done[place]["TrainingJobName"] for place in own],
        )
    figure.add_scatter(x=numbers, y=best, mode="lines", name="best so far", line={"shape": "hv"})
    return figure


def parallel_coordinates(
    job: Any, sagemaker_session: Any = None, *, definition: str | None = None
) -> go.Figure:
    """Return a figure with one axis per hyperparameter and one line per training job, coloured by objective.

    Args:
        job: Name of a tuning job, a tuner, or its analytics.
        sagemaker_session: The session for a name; a new one by default.
        definition: Of a job with several definitions, which have hyperparameters of their own, the one to show; that of the best
            training job by default.

    Raises:
        ValueError: No training job has an objective yet, or none of this definition has.
    """
    graph = need("plotly.graph_objects", "figures")
    analytics = _analytics(job, sagemaker_session)
    metric, direction = _objective(analytics)
    done = _with_objective(analytics)
    if definition is None:
        better = max if direction == "Maximize" else min
        best = better(done, key=lambda item: item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
        definition = best.get("TrainingJobDefinitionName", "")
    done = [item for item in done if item.get("TrainingJobDefinitionName", "") == definition]
    if not done:
        raise ValueError(f"{analytics.name} has no finished training job of definition {definition!r}")
    metric = done[0]["FinalHyperParameterTuningJobObjectiveMetric"].get("MetricName", metric)
    values = [item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for item in done]
    names = list(dict.fromkeys(name for item in done for name in item["TunedHyperParameters"]))
    axes = [_axis(name, [item["TunedHyperParameters"].get(name, "") for item in done]) for name in names]
    scale = "Viridis" if direction == "Maximize" else "Viridis_r"
    line = {"color": values, "colorscale": scale, "showscale": True}
    figure: Any = graph.Figure(
        graph.Parcoords(line=line, dimensions=[*axes, {"label": metric, "values": values}])
    )
    figure.update_layout(title=f"{analytics.name}: {definition}" if definition else analytics.name)
    return figure


def _analytics(job: Any, session: Any) -> HyperparameterTuningJobAnalytics:
    if isinstance(job, HyperparameterTuningJobAnalytics):
        return job
    if isinstance(job, str):
        return HyperparameterTuningJobAnalytics(job, session)
    found: HyperparameterTuningJobAnalytics = job.analytics()
    return found


def _objective(analytics: HyperparameterTuningJobAnalytics) -> tuple[str, str]:
    description = analytics.description()
    objective = description["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    if objective is None:
        objective = description["TrainingJobDefinitions"][0]["TuningObjective"]
    return objective["MetricName"], objective["Type"]


def _with_objective(analytics: HyperparameterTuningJobAnalytics) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [
        item
        for item in analytics.training_job_summaries()
        if "FinalHyperParameterTuningJobObjectiveMetric" in item and item.get("TrainingEndTime")
    ]
    if not found:
        raise ValueError(
            f"{analytics.name} has no finished training job with an objective yet; call wait() first"
        )
    return found


def _axis(name: str, texts: list[str]) -> dict[str, Any]:
    """An axis of numbers, or of texts at whole positions."""
    try:
        return {"label": name, "values": [float(text) for text in texts]}
    except ValueError:
        kinds = sorted(set(texts))
        positions = list(range(len(kinds)))
        return {
            "label": name,
            "values": [kinds.index(text) for text in texts],
            "tickvals": positions,
            "ticktext": kinds,
        }
