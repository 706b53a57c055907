"""The script-mode contract: hyperparameters as arguments, ``SM_*`` variables, entry points.

The facts are those of AWS's training toolkit; see ``docs/agent-protocol.md`` for what is set and where it differs.
"""

from __future__ import annotations

import os

from pegbox.agent.codec import dump, load
from pegbox.agent.layout import HOST, INTERFACE, input_data_config, resource_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WITHHELD_PREFIX = "sagemaker_"
_WITHHELD = "_tuning_objective_metric"


def decode_hyperparameter(text: str) -> Any:
    """Return the value of a hyperparameter's text: JSON where it is JSON, else the text itself.

    A framework estimator encodes a categorical value as JSON once more each time it passes through the client; quoted text is
    therefore unquoted until it is no longer quoted.
    """
    value: Any = text
    while isinstance(value, str):
        if value is not text and not (len(value) >= 2 and value[0] == value[-1] == '"'):
            return value
        try:
            inner = load(value)
        except ValueError:
            return value
        if inner == value:
            return value
        value = inner
    return value


def user_hyperparameters(texts: dict[str, str]) -> dict[str, Any]:
    """Return the decoded hyperparameters that the script may see, sorted by name."""
    return {
        name: decode_hyperparameter(texts[name])
        for name in sorted(texts)
        if not name.startswith(_WITHHELD_PREFIX) and name != _WITHHELD
    }


def arguments(hyperparameters: dict[str, Any]) -> list[str]:
    """Return hyperparameters as ``--name value`` (``-n value`` for one letter), sorted by name."""
    words: list[str] = []
    for name in sorted(hyperparameters):
        if name:
            words.append(f"--{name}" if len(name) > 1 else f"-{name}")
            words.append(_argument(hyperparameters[name]))
    return words


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}={value[key]}" for key in sorted(value))
    return value if isinstance(value, str) else str(value)


def variable(value: Any) -> str:
    """Return a value as the text of an environment variable: text as it is, None as nothing, else JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dump(value)


def count_gpus() -> int:
    """Return how many NVIDIA GPUs the program will see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([item for item in visible.split(",") if item.strip() not in ("", "-1")])
    try:
        names = os.listdir("/dev")
    except OSError:
        return 0
    return sum(1 for name in names if name.startswith("nvidia") and name[6:].isdigit())


def count_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def variables(order: dict[str, Any], base: str, entry_point: str, log_level: Any = 20) -> dict[str, str]:
    """Return all ``SM_*`` variables of an attempt whose ``/opt/ml`` is at ``base``."""
    raw = order["hyperparameters"]
    hyperparameters = user_hyperparameters(raw)
    words = arguments(hyperparameters)
    resources = resource_config(order)
    inputs = input_data_config(order)
    channels = {name: f"{base}/input/data/{name}" for name in sorted(inputs)}
    module = entry_point[:-3] if entry_point.endswith(".py") else entry_point
    facts: dict[str, Any] = {
        "model_dir": f"{base}/model",
        "output_data_dir": f"{base}/output/data",
        "output_dir": f"{base}/output",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "input_dir": f"{base}/input",
        "input_config_dir": f"{base}/input/config",
        "channels": sorted(channels),
        "hps": hyperparameters,
        "hosts": [HOST],
        "current_host": HOST,
        "current_instance_type": order["instance_type"],
        "current_instance_group": resources["current_group_name"],
        "current_instance_group_hosts": [HOST],
        "instance_groups": [group["instance_group_name"] for group in resources["instance_groups"]],
        "instance_groups_dict": {
            group["instance_group_name"]: group for group in resources["instance_groups"]
        },
        "num_cpus": count_cpus(),
        "num_gpus": count_gpus(),
        "num_neurons": 0,
        "network_interface_name": INTERFACE,
        "resource_config": resources,
        "input_data_config": inputs,
        "user_args": words,
        "user_entry_point": entry_point,
        "module_name": module,
        "module_dir": decode_hyperparameter(raw.get("sagemaker_submit_directory", f"{base}/code")),
        "log_level": log_level,
        "framework_params": {},
        "framework_module": order["runtime"]["framework"],
    }
    named = {f"SM_{name.upper()}": variable(value) for name, value in facts.items()}
    named["SM_TRAINING_ENV"] = dump(_training_env(facts, order, channels))
    for name, path in channels.items():
        named[f"SM_CHANNEL_{name.upper()}"] = path
    for name, value in hyperparameters.items():
        if name and "=" not in name and "\0" not in name:
            named[f"SM_HP_{name.upper()}"] = variable(value)
    return named


def _training_env(facts: dict[str, Any], order: dict[str, Any], channels: dict[str, str]) -> dict[str, Any]:
    """Return the content of SM_TRAINING_ENV: the same facts under the toolkit's names."""
    renamed = {
        "hps": "hyperparameters",
        "user_args": "",
        "framework_params": "additional_framework_parameters",
    }
    env = {renamed.get(name, name): value for name, value in facts.items() if renamed.get(name, name)}
    env["channels"] = sorted(channels)
    env["channel_input_dirs"] = channels
    env["job_name"] = order["training_job_name"]
    env["master_hostname"] = HOST
    env["is_master"] = True
    env["is_hvd"] = False
    return env
