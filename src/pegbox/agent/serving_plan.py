"""From the order for an instance to its model server's command: model and code unpacked, environment, address."""

from __future__ import annotations

import os

from pegbox.agent import archives, environments, health, layout, memory, sandbox, scriptmode
from pegbox.agent.plan import OPT_ML_NOTICE, Helpers, Plan, base_environment, command_of
from pegbox.agent.processes import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Program that serves models in script mode; the user's interpreter runs it.
SERVER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "serving", "__main__.py")
#: Name of the script where SAGEMAKER_PROGRAM names none.
DEFAULT_PROGRAM = "inference.py"
#: Longest path of a Unix socket.
_LONGEST_SOCKET = 107
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ServingPlan(Plan):
    """How a model server is started.

    Attributes:
        address: Where it will be reached.
    """

    address = ""


class _Code:
    """Where the user's code lies.

    Attributes:
        folder: Its folder, or nothing.
        place: The same folder as the program sees it.
        archive: The archive that it came from.
        mentions: Whether it mentions ``/opt/ml``.
    """

    def __init__(self, folder: str, archive: str, mentions: bool) -> None:
        self.folder = folder
        self.archive = archive
        self.mentions = mentions

    def hash(self) -> str:
        return archives.content_hash(self.archive) if self.archive else ""


def make(order: dict[str, Any], helpers: Helpers, sockets: str) -> ServingPlan:
    """Prepare the instance's folder and return how its model server is started.

    Raises:
        Refusal: It cannot be.
    """
    tree = f"{order['directory']}/opt/ml"
    layout.make_tree(tree)
    _place_model(order, tree, helpers)
    code = _place_code(order, tree, helpers)
    runtime = order["runtime"]
    is_command = runtime["kind"] != "script" and not runtime.get("algorithm")
    bwrap = None
    if is_command or code.mentions:
        os.makedirs(order["cache_path"], 0o700, exist_ok=True)
        bwrap = sandbox.usable(os.environ.get("PATH", ""), tree, order["cache_path"], helpers.run_quiet)
    base = "/opt/ml" if bwrap else tree
    plan = (
        _command(order) if is_command else _toolkit(order, tree, base, code, helpers, _socket(order, sockets))
    )
    _complete_environment(plan, order, base)
    if bwrap:
        plan.argv = sandbox.wrapped(bwrap, tree, plan.folder or base, plan.argv)
        plan.wrapped = True
        plan.folder = tree
    elif code.mentions:
        plan.notices.append(OPT_ML_NOTICE)
    plan.folder = plan.folder or f"{tree}/model"
    return plan


def _place_model(order: dict[str, Any], tree: str, helpers: Helpers) -> None:
    archive = order["model_archive"]
    if archive is None:
        return
    if not os.path.isfile(archive):
        raise layout.Refusal(
            "ClientError", f"the model archive {archive} is not there any more (ModelDataUrl)"
        )
    if not order.get("unseal"):
        archives.extract(archive, f"{tree}/model", helpers.tick, archives.MODEL)
        return
    plain = f"{tree}/model.tar.gz"
    memory.opened(archive, plain, order["unseal"])
    try:
        archives.extract(plain, f"{tree}/model", helpers.tick, archives.MODEL)
    finally:
        os.unlink(plain)


def _place_code(order: dict[str, Any], tree: str, helpers: Helpers) -> _Code:
    archive = order["code_archive"]
    if archive is not None:
        source, facts = archives.unpacked(archive, order["cache_path"], helpers.tick)
        archives.copy_tree(source, f"{tree}/code", helpers.tick)
        return _Code(f"{tree}/code", archive, facts["opt_ml"])
    inside = f"{tree}/model/code"
    if os.path.isdir(inside):
        return _Code(inside, order["model_archive"], archives.mentions_opt_ml(inside))
    return _Code("", "", False)


def _socket(order: dict[str, Any], sockets: str) -> str:
    path = f"{sockets}/m-{order['instance_id']}.sock"
    if len(path) > _LONGEST_SOCKET:
        raise layout.Refusal("InternalServerError", f"the path {path} is too long for a socket")
    try:  # noqa: SIM105 - contextlib is slow to import
        os.unlink(path)
    except FileNotFoundError:
        pass
    return path


def _toolkit(
    order: dict[str, Any], tree: str, base: str, code: _Code, helpers: Helpers, socket: str
) -> ServingPlan:
    runtime = order["runtime"]
    algorithm = runtime.get("algorithm", "")
    python = runtime["python"] or (runtime["command"][0] if algorithm and runtime["command"] else "")
    if not (os.path.isfile(python) and os.access(python, os.X_OK)):
        raise layout.Refusal(
            "ClientError",
            f"the Python interpreter {python or '(none named)'} is not there; "
            "set PEGBOX_PYTHON in the model's Environment to one that is",
        )
    environment = base_environment(order)
    words = ["--socket", socket, "--model-dir", f"{base}/model"]
    folder = ""
    if algorithm:
        words += ["--algorithm", algorithm]
    else:
        program = _program(order, code)
        if code.folder:
            python = _with_requirements(python, order, code, helpers)
            folder = base + code.folder[len(tree) :]
            words += ["--code-dir", folder]
        if program:
            words += ["--program", program]
        paths = [folder, environments.reporting_path(python, order["cache_path"], helpers.run_quiet)]
        environment["PYTHONPATH"] = ":".join(
            [*filter(None, paths), *filter(None, [environment.get("PYTHONPATH")])]
        )
    environment["PATH"] = f"{os.path.dirname(python)}:{environment.get('PATH', os.defpath)}"
    plan = ServingPlan([python, SERVER, *words], environment, folder)
    plan.address = f"unix:{socket}"
    return plan


def _with_requirements(python: str, order: dict[str, Any], code: _Code, helpers: Helpers) -> str:
    wants = any(os.path.isfile(f"{code.folder}/{name}") for name in ("requirements.txt", "setup.py"))
    if not wants:
        return python
    return environments.with_requirements(
        python, code.folder, code.hash(), order["cache_path"], helpers.run_logged, helpers.tick
    )


def _program(order: dict[str, Any], code: _Code) -> str:
    """Return the script's name within the code, or nothing where there is none."""
    named: str = order["environment"].get("SAGEMAKER_PROGRAM", "")
    if not named:
        return DEFAULT_PROGRAM if code.folder and os.path.isfile(f"{code.folder}/{DEFAULT_PROGRAM}") else ""
    if not code.folder:
        raise layout.Refusal(
            "ClientError",
            f"the script {named} (SAGEMAKER_PROGRAM) is not there: the model names no code archive "
            "(SAGEMAKER_SUBMIT_DIRECTORY), and its model.tar.gz has no folder code/",
        )
    if named.startswith("/") or ".." in named.split("/"):
        raise layout.Refusal("ClientError", f"SAGEMAKER_PROGRAM is {named}: it must lie inside the code")
    if not os.path.isfile(f"{code.folder}/{named}"):
        there = ", ".join(sorted(os.listdir(code.folder))[:10]) or "nothing"
        raise layout.Refusal("ClientError", f"the code has no {named} (SAGEMAKER_PROGRAM); it holds: {there}")
    return named


def _command(order: dict[str, Any]) -> ServingPlan:
    environment = base_environment(order)
    command = command_of(order, environment)
    port = health.free_port()
    environment["SAGEMAKER_BIND_TO_PORT"] = str(port)
    plan = ServingPlan([*command, "serve"], environment, "")
    plan.shown = " ".join([*order["runtime"]["command"], "serve"])
    plan.address = f"http://127.0.0.1:{port}"
    return plan


def _complete_environment(plan: ServingPlan, order: dict[str, Any], base: str) -> None:
    """Add what every model server gets, and the model's own ``Environment``, which wins except over what Pegbox relies on."""
    environment = plan.environment
    fixed = {name: environment[name] for name in ("SAGEMAKER_BIND_TO_PORT",) if name in environment}
    own_paths = environment.get("PYTHONPATH")
    environment.update(
        {
            "SM_MODEL_DIR": f"{base}/model",
            "SM_NUM_CPUS": str(scriptmode.count_cpus()),
            "SM_NUM_GPUS": str(scriptmode.count_gpus()),
            "SM_HOSTS": f'["{layout.HOST}"]',
            "SM_CURRENT_HOST": layout.HOST,
            "SAGEMAKER_BASE_DIR": base,
            "SAGEMAKER_REGION": order["region"],
            "SAGEMAKER_MULTI_MODEL": "false",
        }
    )
    if "OMP_NUM_THREADS" not in order["environment"]:
        environment.update(dict.fromkeys(_THREADS, "1"))
    environment.update(order["environment"])
    if own_paths and "PYTHONPATH" in order["environment"]:
        environment["PYTHONPATH"] += f":{own_paths}"
    environment.update(fixed)
    environment[MARK] = order["attempt_id"]
