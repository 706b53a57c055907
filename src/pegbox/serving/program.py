"""The model server's main program: load, listen, serve, end."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import signal
import socket
import sys
import traceback

from .messages import Answer
from .server import END_SIGNALS, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Sequence

    from .messages import Request

_BACKLOG = 1024
_LAST_FRAMES = 4


class BadSetting(Exception):
    """An environment variable has a value that cannot be used; the message names it."""


class Settings:
    """What the environment says.

    Attributes:
        workers: Number of processes that serve.
        timeout: Most seconds of a prediction; 0 for no limit.
        most: Longest body in bytes.
        accept: Type of answers where a request names none, or nothing.
    """

    def __init__(self) -> None:
        self.workers = int(_number("SAGEMAKER_MODEL_SERVER_WORKERS", "1", 1, 256))
        self.timeout = _number("SAGEMAKER_MODEL_SERVER_TIMEOUT", "60", 0, 86_400)
        self.most = int(_number("SAGEMAKER_MAX_PAYLOAD_IN_MB", "25", 0, 4096) * (1 << 20))
        self.accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")


def _number(name: str, default: str, least: float, most: float) -> float:
    text = os.environ.get(name) or default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise BadSetting(f"{name} is {text!r}; give a number from {least:g} to {most:g}")
    return value


def main(words: Sequence[str]) -> int:
    """Serve a model until a signal ends the server; return the exit code."""
    parser = argparse.ArgumentParser(prog="model server", description=__doc__)
    parser.add_argument("--socket", required=True, help="path of the Unix socket")
    parser.add_argument("--model-dir", required=True, help="folder of the model")
    parser.add_argument("--code-dir", default="", help="folder of the script")
    parser.add_argument("--program", default="", help="the script in it")
    parser.add_argument("--algorithm", default="", help="built-in algorithm instead of a script")
    options = parser.parse_args(words)
    faulthandler.enable()
    try:
        settings = Settings()
    except BadSetting as error:
        print(error, flush=True)
        return 1
    listener = _bound(options.socket)
    if settings.workers == 1:
        return _serve(listener, options, settings)
    return _supervise(settings.workers, lambda: _serve(listener, options, settings))


def _bound(path: str) -> socket.socket:
    """Return a socket at a path, for its owner only; nobody is let in before a model is loaded."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    return listener


def _handler(options: Any, settings: Settings) -> Any:
    if options.algorithm:
        from .builtin import Algorithm

        return Algorithm(options.algorithm, options.model_dir, settings.accept)
    from .formats import JSON
    from .script import Script

    return Script(options.model_dir, options.code_dir, options.program, settings.accept or JSON)


def _serve(listener: socket.socket, options: Any, settings: Settings) -> int:
    try:
        handler = _handler(options, settings)
        handler.load()
    except BaseException as error:
        _explain(error)
        return 1
    # What is loaded stays: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    listener.setblocking(False)
    server = Server(listener, _answering(handler.answer), timeout=settings.timeout, most=settings.most)
    for number in END_SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(server.wake_writer, warn_on_full_buffer=False)
    listener.listen(_BACKLOG)
    print(f"the model is loaded; process {os.getpid()} serves it", flush=True)
    server.run()
    return 0


def _explain(error: BaseException) -> None:
    """Write why the model cannot be loaded, what matters most at the end."""
    from .models import NoModel
    from .script import BadScript

    if not isinstance(error, (NoModel, BadScript)):
        _log(error)
    print(f"the model cannot be loaded: {_words(error)}", flush=True)


def _words(error: BaseException) -> str:
    """Return what an error says, with its type unless it is one of this package, whose words are sentences."""
    if type(error).__module__.startswith(f"{__package__}."):
        return str(error)
    lines = traceback.format_exception_only(type(error), error)
    return (lines[-1] if isinstance(error, SyntaxError) else "".join(lines)).strip()


def _answering(handle: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    """Return a handler's ``answer`` as one that never raises: an error becomes its text."""

    def answer(request: Request) -> Answer:
        try:
            return handle(request)
        except BaseException as error:
            status = getattr(error, "status_code", None)
            if not (isinstance(status, int) and 400 <= status <= 599):
                status = 500
                _log(error)
            return Answer.text(status, _words(error))

    return answer


def _log(error: BaseException) -> None:
    """Write a short traceback: the last places of the user's code and of what it called, not those of this package.

    What this package finds wrong with a request has no such places.
    """
    if type(error).__module__.startswith(f"{__package__}."):
        print(_words(error), flush=True)
        return
    whole = traceback.TracebackException.from_exception(error)
    chain: list[traceback.TracebackException | None] = [whole]
    while chain:
        part = chain.pop()
        if part is not None:
            theirs = [frame for frame in part.stack if not _is_ours(frame.filename)]
            part.stack = traceback.StackSummary.from_list((theirs or part.stack)[-_LAST_FRAMES:])
            chain += [part.__cause__, part.__context__]
    print("".join(whole.format()), end="", flush=True)


def _is_ours(path: str) -> bool:
    return os.path.dirname(path) == os.path.dirname(__file__) or path.startswith("<frozen importlib")


def _supervise(count: int, serve: Callable[[], int]) -> int:
    """Run several processes that serve; when one ends, all end, and somebody else starts anew."""
    children: set[int] = set()
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        ending = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    for number in END_SIGNALS:
        signal.signal(number, end)
    sys.stdout.flush()
    for _ in range(count):
        child = os.fork()
        if child == 0:
            for number in END_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            os._exit(_worker(serve))
        children.add(child)
    code = 0
    while children:
        child, status = os.wait()
        children.discard(child)
        if not ending:
            print(f"worker {child} ended (wait status {status}); the others end, too", flush=True)
            code = 1
            end()
    return code


def _worker(serve: Callable[[], int]) -> int:
    try:
        return serve()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
