"""Values that the engine is given; it reads no settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePolicy:
    """How the engine behaves and where attempts find their folders."""

    #: Folder of attempt directories: ``<jobs_path>/<training job row id>/<attempt number>``.
    jobs_path: str
    #: Folder of checkpoints that attempts of one job share where its request names no address: ``<path>/<row id>``.
    checkpoints_path: str
    #: Where attempts cache unpacked code and environments.
    cache_path: str
    #: Interpreter of script-mode programs whose request names none.
    python: str
    #: ``extended`` mode lifts AWS limits that have no reason here; ``strict`` keeps them.
    extended: bool = True
    #: Whether a request may name its interpreter (``PEGBOX_PYTHON``): only where server and clients share a machine.
    trust_interpreters: bool = True
    #: Network file systems that channels may name: folder on this machine by id.
    file_systems: Mapping[str, str] = field(default_factory=dict)
    #: Folder on memory-backed storage for the files of jobs and endpoints with keys; empty where there is none.
    memory_path: str = ""
    #: Seconds between SIGTERM and SIGKILL.
    grace_seconds: float = 120.0
    #: Whether one suggestion per job is computed while trials run.
    compute_ahead: bool = True
    #: Longest wait for a fresh suggestion when one computed ahead is at hand, in seconds ...
    patience_seconds: float = 2.0
    #: ... and as a share of the median trial duration; the smaller of both counts.
    patience_share: float = 0.1
    #: A stopped tuning job says ``Stopping`` for at least this long, so that a describe right after the stop sees it.
    stopping_seconds: float = 1.0
    #: A tuning job fails when its first so many finished trials all failed.
    breaker: int = 5
    #: Seconds beyond a training job's MaxRuntimeInSeconds after which the engine stops it itself.
    runtime_slack_seconds: float = 30.0
    #: Folder of instances of endpoints: ``<endpoints_path>/<endpoint row id>/<instance row id>``.
    endpoints_path: str = ""
    #: Model servers that this machine gives to all endpoints together.
    model_servers: int = 8
    #: Accelerators by the name that ``AcceleratorType`` gives, each with the environment of a server that uses it.
    accelerators: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Seconds between SIGTERM and SIGKILL of a model server.
    serving_grace_seconds: float = 30.0
    #: Longest wait for the requests in flight of an instance that is to end, in seconds.
    drain_seconds: float = 70.0
    #: Items (commands, reports, answers) that one transaction holds at most.
    batch: int = 256
