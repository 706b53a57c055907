"""Cached Python environments: what ``requirements.txt`` asks for, and ``pegbox.report`` where Pegbox is not installed."""

from __future__ import annotations

import os
import time

from pegbox.agent.archives import new_sha256
from pegbox.agent.durable import read_bytes, read_object, remove_tree, write_object, write_whole
from pegbox.agent.layout import Refusal
from pegbox.agent.sandbox import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: Runs a command in a folder, its output going to the attempt's log, and returns its exit code.
    Run = Callable[[list[str], str], int]

_PARENT_PATHS = (
    "import site,sys,os;"
    "open(sys.argv[1],'w').write('\\n'.join(p for p in site.getsitepackages() if os.path.isdir(p))+'\\n')"
)
_HAS_PEGBOX = "import importlib.util,sys;sys.exit(0 if importlib.util.find_spec('pegbox') else 9)"

_lacks_pegbox: dict[tuple[str, int], bool] = {}


def _key(*parts: str) -> str:
    digest = new_sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return str(digest.hexdigest())[:40]


def interpreter_age(python: str) -> int:
    """Return a number that changes when packages are added to or removed from an interpreter's own folder."""
    library = os.path.join(os.path.dirname(os.path.dirname(python)), "lib")
    newest = os.stat(python).st_mtime_ns
    try:
        for name in os.listdir(library):
            if name.startswith("python"):
                newest = max(newest, os.stat(f"{library}/{name}/site-packages").st_mtime_ns)
    except OSError:
        pass
    return newest


def with_requirements(
    python: str,
    code: str,
    code_hash: str,
    cache: str,
    run: Run,
    tick: Callable[[], object],
) -> str:
    """Return an interpreter that has what ``requirements.txt`` (or a package's ``setup.py``) in ``code`` asks for.

    The environment sees everything its parent interpreter has. It is built once per interpreter and content, under a lock;
    ``tick`` is called while another agent builds it.

    Raises:
        Refusal: The installation failed; its output is in the attempt's log.
    """
    requirements = read_bytes(f"{code}/requirements.txt")
    is_package = os.path.isfile(f"{code}/setup.py")
    if requirements is None and not is_package:
        return python
    text = (requirements or b"").decode(errors="replace")
    bound = is_package or any(
        line.strip().startswith((".", "-e", "-r", "-c", "--editable", "--req", "file:"))
        for line in text.splitlines()
    )
    home = f"{cache}/environments/{_key(python, text, code_hash if bound else '')}"
    own_python = f"{home}/bin/python"
    if read_object(f"{home}/complete.json") is not None:
        return own_python
    os.makedirs(f"{cache}/environments", 0o700, exist_ok=True)
    lock = os.open(f"{home}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    # The installers inherit the lock: it is free only when they are gone, too, should this agent be killed.
    os.set_inheritable(lock, True)
    try:
        _wait_for(lock, tick)
        if read_object(f"{home}/complete.json") is None:
            remove_tree(home)
            _build(python, home, code, requirements is not None, is_package, run)
            write_object(f"{home}/complete.json", {"python": python, "built": time.time()})
    finally:
        os.close(lock)
    return own_python


def _wait_for(lock: int, tick: Callable[[], object]) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            tick()
            time.sleep(0.02)


def _build(python: str, home: str, code: str, with_file: bool, with_package: bool, run: Run) -> None:
    own_python = f"{home}/bin/python"
    uv = find_program("uv", os.environ.get("PATH", "")) or find_program("uv", os.path.dirname(python))
    if uv is not None and run([uv, "--version"], code) != 0:
        uv = None
    if uv is not None:
        made = run([uv, "venv", "-q", "--system-site-packages", "--python", python, home], code)
        install = [uv, "pip", "install", "--python", own_python]
    else:
        made = run([python, "-m", "venv", "--system-site-packages", home], code)
        install = [own_python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if made != 0:
        raise _failed("the environment for requirements.txt could not be made")
    # A parent that is itself a virtual environment is not "the system" for the new one: name its folders.
    library = next(name for name in sorted(os.listdir(f"{home}/lib")) if name.startswith("python"))
    own_site = f"{home}/lib/{library}/site-packages"
    if run([python, "-c", _PARENT_PATHS, f"{own_site}/parent_interpreter.pth"], code) != 0:
        raise _failed(f"{python} does not say where its packages lie")
    if with_file and run([*install, "-r", "requirements.txt"], code) != 0:
        raise _failed("the packages of requirements.txt could not be installed")
    if with_package and run([*install, "."], code) != 0:
        raise _failed("the package (setup.py) could not be installed")


def _failed(what: str) -> Refusal:
    return Refusal("AlgorithmError", f"InstallRequirementsError: {what}; see the log")


def reporting_path(python: str, cache: str, run: Callable[[list[str]], int]) -> str | None:
    """Return a folder to put on an interpreter's path so that ``pegbox.report`` works, or None where Pegbox is installed.

    ``run`` returns the exit code of a command whose output nobody reads.
    """
    age = interpreter_age(python)
    if (python, age) not in _lacks_pegbox:
        record = f"{cache}/interpreters/{_key(python)}.json"
        known = read_object(record)
        if known is None or known.get("age") != age:
            known = {"python": python, "age": age, "lacks_pegbox": run([python, "-c", _HAS_PEGBOX]) == 9}
            os.makedirs(os.path.dirname(record), 0o700, exist_ok=True)
            write_object(record, known)
        _lacks_pegbox[python, age] = bool(known["lacks_pegbox"])
    return _shim(cache) if _lacks_pegbox[python, age] else None


def _shim(cache: str) -> str:
    """Return a folder with a package ``pegbox`` that has ``report`` and nothing else."""
    source = read_bytes(os.path.join(os.path.dirname(os.path.dirname(__file__)), "reporting.py")) or b""
    home = f"{cache}/reporting-{_key(source.decode())}"
    if not os.path.exists(f"{home}/pegbox/__init__.py"):
        os.makedirs(f"{home}/pegbox", 0o700, exist_ok=True)
        write_whole(f"{home}/pegbox/reporting.py", source)
        write_whole(
            f"{home}/pegbox/__init__.py",
            b'"""Reporting only: Pegbox is not installed in this interpreter."""\n\n'
            b"from pegbox.reporting import report\n\n"
            b'__all__ = ["report"]\n',
        )
    return home
