"""One suggestion process as the server sees it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.ports.suggester import SuggestRequest
from pegbox.suggester import frames

#: Seconds a process may take to load numpy.
START_SECONDS = 60.0
#: One thread for linear algebra: the same sums in the same order, and a core left for others.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
#: Jobs whose sent history is remembered.
_JOBS = 8


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a process holds of a job."""

    history: Sequence[Mapping[str, Any]] = ()
    parents: Sequence[Mapping[str, Any]] | None = None


class Fault(Exception):
    """Why a process gave no suggestions; ``gone`` tells whether it must be replaced."""

    def __init__(self, words: str, *, gone: bool) -> None:
        super().__init__(words)
        self.gone = gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPolicy:
    """How a suggestion process is run."""

    #: Greatest address space in megabytes.
    memory_mb: int = 4096
    #: Seconds that one computation may take.
    seconds: float = 30.0
    #: Command line without its limits; another one speaks the same messages (``frames``).
    command: tuple[str, ...] = (sys.executable, "-m", "pegbox.suggester")


class Process:
    """A process that computes one request at a time; used by one thread. It is started at the first request."""

    def __init__(self, policy: ProcessPolicy) -> None:
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._sent: OrderedDict[int, _Sent] = OrderedDict()
        self._serial = 0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    def ask(self, request: SuggestRequest) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            Fault: There is none: the process crashed, took too long, or the computation failed.
        """
        try:
            if self._process is None:
                self._start()
            deadline = time.monotonic() + self._policy.seconds
            known = self._sent.get(request.job_id, _Sent())
            answer = self._exchange(request, known, deadline)
            if answer.get("missing"):
                answer = self._exchange(request, _Sent(), deadline)
        except (EOFError, OSError, ValueError) as error:
            raise self._broken(error) from error
        if "fault" in answer:
            raise Fault(f"the computation failed: {answer['fault']}", gone=False)
        return answer

    def end(self) -> None:
        """End the process; nothing happens where none runs."""
        process, self._process = self._process, None
        self._sent.clear()
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def interrupt(self) -> None:
        """Kill the process from another thread; the one that waits for its answer sees it gone."""
        process = self._process
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    def _start(self) -> None:
        limits = ["--memory-mb", str(self._policy.memory_mb), "--parent", str(os.getpid())]
        process = subprocess.Popen(
            [*self._policy.command, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Not the home or a user's folder: the working directory is on the module path of -m.
            cwd="/",
            env=_environment(),
            start_new_session=True,
            bufsize=0,
        )
        self._process = process
        os.set_blocking(self._stdin(), False)
        ready = frames.read(self._stdout(), time.monotonic() + START_SECONDS)
        if ready != {"ready": True}:
            raise ValueError("its first message is not the expected one")

    def _exchange(self, request: SuggestRequest, known: _Sent, deadline: float) -> dict[str, Any]:
        self._serial += 1
        keep = _common(known.history, request.history)
        same = known.parents is not None and list(known.parents) == list(request.parents)
        message = {
            "id": self._serial,
            "job_id": request.job_id,
            "strategy": request.strategy,
            "space": request.space,
            "keep": keep,
            "tail": list(request.history[keep:]),
            "pending": list(request.pending),
            "count": request.count,
            "seed": list(request.seed),
            "maximize": request.maximize,
            "budget": request.budget,
            "parents": None if same else list(request.parents),
        }
        frames.write(self._stdin(), frames.encode(message), deadline)
        answer: Any = frames.read(self._stdout(), deadline)
        if not isinstance(answer, dict) or answer.get("id") != self._serial:
            raise ValueError("its answer belongs to another request")
        if not answer.keys() & {"missing", "fault"} and not answer.get("suggestions"):
            raise ValueError("its answer holds no suggestions")
        self._sent[request.job_id] = _Sent(tuple(request.history), tuple(request.parents))
        self._sent.move_to_end(request.job_id)
        while len(self._sent) > _JOBS:
            self._sent.popitem(last=False)
        return dict(answer)

    def _broken(self, error: Exception) -> Fault:
        process = self._process
        if isinstance(error, TimeoutError):
            words = f"the computation took longer than {self._policy.seconds:g} s"
        elif process is None:
            words = f"no process could be started: {error}"
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            words = f"the process ended ({_ending(process.returncode)}): {error}"
        self.end()
        return Fault(words, gone=True)

    def _stdin(self) -> int:
        return self._pipe("stdin")

    def _stdout(self) -> int:
        return self._pipe("stdout")

    def _pipe(self, name: str) -> int:
        pipe = getattr(self._process, name, None)
        if pipe is None:
            raise EOFError("it was ended meanwhile")
        descriptor: int = pipe.fileno()
        return descriptor


def _common(sent: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> int:
    """Return how much of the wanted history the process holds already."""
    count = min(len(sent), len(wanted))
    return count if list(sent[:count]) == list(wanted[:count]) else 0


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PEGBOX_"))}
    if kept.get("PYTHONPATH"):
        entries = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in entries if entry)
    return {**kept, **ONE_THREAD, "PYTHONSAFEPATH": "1"}


def _ending(code: int | None) -> str:
    if code is None:
        return "it still runs and is killed"
    return f"signal {-code}" if code < 0 else f"exit status {code}"
