"""From an order to a command: what is run, where, with which environment."""

from __future__ import annotations

import os
import stat

from pegbox.agent import archives, environments, layout, sandbox, scriptmode
from pegbox.agent.processes import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The program's reports (one JSON line each) lie here in the attempt directory.
REPORT_FILE = "reported.jsonl"

#: Told where a program mentions a folder that is not real.
OPT_ML_NOTICE = (
    "the program mentions /opt/ml, which is not real on this machine (bubblewrap is missing or does not work): "
    "use SM_MODEL_DIR, SM_CHANNEL_<NAME>, SM_OUTPUT_DATA_DIR and SM_INPUT_CONFIG_DIR instead, or install bubblewrap"
)


class Plan:
    """How an attempt's program is started.

    Attributes:
        argv: Argument vector; the first word is a path.
        environment: The whole environment.
        folder: Working directory.
        shown: The command as failure messages show it.
        to_group: Whether SIGTERM goes to the whole process group (a shell does not pass it on).
        wrapped: Whether the main process is bubblewrap around the program.
        notices: What the user should know.
    """

    def __init__(self, argv: list[str], environment: dict[str, str], folder: str) -> None:
        self.argv = argv
        self.environment = environment
        self.folder = folder
        self.shown = " ".join(argv)
        self.to_group = False
        self.wrapped = False
        self.notices: list[str] = []


class Helpers:
    """What planning needs from the attempt: running commands, and a moment for the server now and then."""

    def __init__(
        self,
        tick: Callable[[], object],
        run_logged: Callable[[list[str], str], int],
        run_quiet: Callable[[list[str]], int],
    ) -> None:
        self.tick = tick
        self.run_logged = run_logged
        self.run_quiet = run_quiet


def base_environment(order: dict[str, Any]) -> dict[str, str]:
    """Return the environment that programs get from the server: all but ``PEGBOX_*``, ``AWS_*`` and foreign interpreters.

    Credentials of whoever started the server do not reach programs; who wants them there sets them in ``Environment``.
    """
    left_out = ("VIRTUAL_ENV", "PYTHONHOME", "__PYVENV_LAUNCHER__")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PEGBOX_", "AWS_")) and name not in left_out
    }
    environment["AWS_REGION"] = environment["AWS_DEFAULT_REGION"] = order["region"]
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def make(order: dict[str, Any], helpers: Helpers) -> Plan:
    """Prepare the attempt directory and return how its program is started.

    Raises:
        Refusal: The attempt cannot run.
    """
    directory = order["directory"]
    tree = f"{directory}/opt/ml"
    layout.make_tree(tree)
    layout.write_configs(tree, order)
    layout.link_channels(tree, order)
    layout.link_checkpoints(tree, order)
    code_hash, mentions = _place_code(order, tree, helpers)
    bwrap = _bubblewrap(order, mentions, tree, helpers)
    base = "/opt/ml" if bwrap else tree
    plan = (
        _script(order, tree, base, code_hash, helpers)
        if order["runtime"]["kind"] == "script"
        else _command(order, base)
    )
    _complete_environment(plan, order, base)
    if bwrap:
        plan.argv = sandbox.wrapped(bwrap, tree, plan.folder, plan.argv)
        plan.wrapped = True
        plan.folder = f"{tree}/code"
    elif mentions:
        plan.notices.append(OPT_ML_NOTICE)
    return plan


def _place_code(order: dict[str, Any], tree: str, helpers: Helpers) -> tuple[str, bool]:
    archive = order["code_archive"]
    if archive is None:
        return "", False
    source, facts = archives.unpacked(archive, order["cache_path"], helpers.tick)
    archives.copy_tree(source, f"{tree}/code", helpers.tick)
    return facts["sha256"], facts["opt_ml"]


def _bubblewrap(order: dict[str, Any], mentions: bool, tree: str, helpers: Helpers) -> str | None:
    if not mentions and order["runtime"]["kind"] == "script":
        return None
    os.makedirs(order["cache_path"], 0o700, exist_ok=True)
    return sandbox.usable(os.environ.get("PATH", ""), tree, order["cache_path"], helpers.run_quiet)


def _script(order: dict[str, Any], tree: str, base: str, code_hash: str, helpers: Helpers) -> Plan:
    raw = order["hyperparameters"]
    entry = scriptmode.decode_hyperparameter(raw.get("sagemaker_program", ""))
    code = f"{tree}/code"
    if not isinstance(entry, str) or not entry:
        raise layout.Refusal(
            "ClientError",
            "hyperparameter sagemaker_program is missing: it names the script to run in the code archive",
        )
    is_package = os.path.isfile(f"{code}/setup.py")
    _check_entry(entry, code, is_package, order["code_archive"])
    python = _interpreter(order, code, code_hash, helpers)
    words = scriptmode.arguments(scriptmode.user_hyperparameters(raw))
    environment = base_environment(order)
    environment["PATH"] = f"{os.path.dirname(python)}:{environment.get('PATH', os.defpath)}"
    paths = [f"{base}/code", environments.reporting_path(python, order["cache_path"], helpers.run_quiet)]
    environment["PYTHONPATH"] = ":".join(
        [*filter(None, paths), *filter(None, [environment.get("PYTHONPATH")])]
    )
    level = scriptmode.decode_hyperparameter(raw.get("sagemaker_container_log_level", "20"))
    environment.update(scriptmode.variables(order, base, entry, level))
    if is_package:
        plan = Plan([python, "-m", entry.removesuffix(".py"), *words], environment, f"{base}/code")
    elif entry.endswith(".py"):
        plan = Plan([python, entry, *words], environment, f"{base}/code")
    else:
        path = f"{code}/{entry}"
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        plan = Plan(["/bin/sh", "-c", 'exec "$0" "$@"', f"./{entry}", *words], environment, f"{base}/code")
        plan.shown = " ".join([f"./{entry}", *words])
        plan.to_group = True
    return plan


def _check_entry(entry: str, code: str, is_package: bool, archive: str | None) -> None:
    if archive is None:
        raise layout.Refusal(
            "ClientError",
            f"the script {entry} is not there: the job names no code archive (hyperparameter sagemaker_submit_directory)",
        )
    if entry.startswith("/") or ".." in entry.split("/"):
        raise layout.Refusal(
            "ClientError", f"sagemaker_program is {entry}: it must lie inside the code archive"
        )
    if not is_package and not os.path.isfile(f"{code}/{entry}"):
        there = ", ".join(sorted(os.listdir(code))[:10]) or "nothing"
        raise layout.Refusal(
            "ClientError", f"the code archive has no {entry} (sagemaker_program); it holds: {there}"
        )


def _interpreter(order: dict[str, Any], code: str, code_hash: str, helpers: Helpers) -> str:
    python: str = order["runtime"]["python"]
    if not (os.path.isfile(python) and os.access(python, os.X_OK)):
        raise layout.Refusal(
            "ClientError",
            f"the Python interpreter {python or '(none named)'} is not there; "
            "set PEGBOX_PYTHON in the job's Environment to one that is",
        )
    return environments.with_requirements(
        python, code, code_hash, order["cache_path"], helpers.run_logged, helpers.tick
    )


def command_of(order: dict[str, Any], environment: dict[str, str]) -> list[str]:
    """Return an image's command with the path of its program.

    Raises:
        Refusal: The program cannot be run.
    """
    words = list(order["runtime"]["command"])
    program = sandbox.find_program(words[0], environment.get("PATH", os.defpath)) if words else None
    if program is None:
        raise layout.Refusal(
            "ClientError",
            f"the image's command {words[0] if words else '(empty)'} cannot be run; "
            "add the image again with an executable program: pegbox images add NAME -- PROGRAM",
        )
    return [program, *words[1:]]


def _command(order: dict[str, Any], base: str) -> Plan:
    environment = base_environment(order)
    command = command_of(order, environment)
    environment.update(scriptmode.variables(order, base, "train"))
    plan = Plan([*command, "train"], environment, f"{base}/code")
    plan.shown = " ".join([*order["runtime"]["command"], "train"])
    return plan


def _complete_environment(plan: Plan, order: dict[str, Any], base: str) -> None:
    """Add what every program gets, and the job's own ``Environment``, which wins except over what Pegbox relies on."""
    plan.environment["SAGEMAKER_BASE_DIR"] = base
    plan.environment["SAGEMAKER_REGION"] = order["region"]
    plan.environment["SAGEMAKER_JOB_NAME"] = order["training_job_name"]
    if order["checkpoint_path"]:
        local = os.path.normpath(order["checkpoint_local_path"] or "/opt/ml/checkpoints")
        plan.environment["PEGBOX_CHECKPOINT_DIR"] = base + local[len("/opt/ml") :]
    if order["output_uri"]:
        plan.environment["PEGBOX_OUTPUT_URI"] = order["output_uri"]
    own_paths = plan.environment.get("PYTHONPATH")
    plan.environment.update(order["environment"])
    if own_paths and "PYTHONPATH" in order["environment"]:
        plan.environment["PYTHONPATH"] += f":{own_paths}"
    plan.environment["TRAINING_JOB_NAME"] = order["training_job_name"]
    plan.environment["TRAINING_JOB_ARN"] = order["training_job_arn"]
    plan.environment[MARK] = order["attempt_id"]
    plan.environment["PEGBOX_REPORT_FILE"] = f"{order['directory']}/{REPORT_FILE}"
